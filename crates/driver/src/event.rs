//! Eventfds that can be waited for with a limit.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;

/// An eventfd, close-on-exec and non-blocking.
#[derive(Debug)]
pub struct Event(File);

impl Event {
    /// A new one, its counter 0.
    ///
    /// # Errors
    /// Those of eventfd(2).
    pub fn new() -> io::Result<Self> {
        Self::with(EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
    }

    /// A new one that write(2) would wait for: it blocks, and its counter is at the end of what a
    /// write can make it. A kernel's signal waits for nothing.
    ///
    /// # Errors
    /// Those of eventfd(2) and write(2).
    pub fn full() -> io::Result<Self> {
        let full = Self::with(EventfdFlags::CLOEXEC)?;
        (&full.0).write_all(&(u64::MAX - 1).to_ne_bytes())?;
        Ok(full)
    }

    fn with(flags: EventfdFlags) -> io::Result<Self> {
        Ok(Self(eventfd(0, flags)?.into()))
    }

    /// Adds one.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn signal(&self) -> io::Result<()> {
        (&self.0).write_all(&1u64.to_ne_bytes())
    }

    /// Takes the counter, which is 0 from then on.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn take(&self) -> io::Result<u64> {
        let mut count = [0; 8];
        match (&self.0).read(&mut count) {
            Ok(_) => Ok(u64::from_ne_bytes(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Waits until it is signalled, `limit` at most, and takes the counter: 0 when it was not.
    ///
    /// # Errors
    /// Those of poll(2) and read(2).
    pub fn wait(&self, limit: Duration) -> io::Result<u64> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let limit = left.try_into().ok();
            let mut polled = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut polled, limit.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let count = self.take()?;
            if count > 0 || left.is_zero() {
                return Ok(count);
            }
        }
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_add_up_and_are_taken_once() {
        let event = Event::new().unwrap();
        event.signal().unwrap();
        event.signal().unwrap();
        assert_eq!(event.wait(Duration::from_secs(5)).unwrap(), 2);
        assert_eq!(event.take().unwrap(), 0);
    }

    #[test]
    fn a_wait_ends_at_its_limit() {
        let event = Event::new().unwrap();
        let start = Instant::now();
        assert_eq!(event.wait(Duration::from_millis(20)).unwrap(), 0);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(20), "{took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }

    #[test]
    fn a_wait_sees_a_signal_from_another_thread() {
        let event = Event::new().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| event.signal().unwrap());
            assert_eq!(event.wait(Duration::from_secs(5)).unwrap(), 1);
        });
    }
}
