//! Kicks by eventfd for an interface that has none: a thread takes them and kicks.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use vhost_accel_driver::Event;
use vhost_accel_driver::core::Kicker;

/// Makes the kicks that come by an eventfd, until it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    stop: Arc<Event>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts to take kicks from `kick` and to make them by `kicker`, counting them in `count`.
    pub(crate) fn start(kick: File, kicker: Kicker, count: Arc<AtomicU64>) -> io::Result<Self> {
        // The front end may take a kick back between poll(2) and read(2), when it stops.
        rustix::io::ioctl_fionbio(&kick, true)?;
        let stop = Arc::new(Event::new()?);
        let told = Arc::clone(&stop);
        let run = move || {
            // It ends with an error as well: a front end that hands over no eventfd is not kicked
            // for.
            while let Ok(true) = next(&kick, &told) {
                count.fetch_add(1, Ordering::Relaxed);
                if kicker.kick().is_err() {
                    break;
                }
            }
        };
        let thread = Some(thread::Builder::new().name("kicks".to_owned()).spawn(run)?);
        Ok(Self { stop, thread })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Nobody else signals it: its counter has room.
        let _ = self.stop.signal();
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked kicks no more either.
            let _ = thread.join();
        }
    }
}

/// Waits for a kick; `false` when it is to stop.
fn next(mut kick: &File, stop: &Event) -> io::Result<bool> {
    loop {
        let mut ready = [
            PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(kick.as_fd(), PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Ok(_) if !ready[0].revents().is_empty() => return Ok(false),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match kick.read_exact(&mut [0; 8]) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
