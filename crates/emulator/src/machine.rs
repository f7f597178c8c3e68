//! What all servers of one emulated kernel share.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use vmm_sys_util::eventfd::EventFd;

use crate::chardevs::Chardevs;
use crate::crossings::Counters;
use crate::error::Error;
use crate::files::{FILE_SIZE, Files};
use crate::shadow::Shadow;
use crate::sys;

/// Numbers above which no descriptor is given out, so that a client's table of them stays small.
const MOST_DESCRIPTORS: u64 = 65536;
/// Reserved descriptors, where the limit of open files allows so many.
const RESERVED: u64 = 4096;
/// The least limit of open files that leaves a client its own.
const LEAST_LIMIT: u64 = 128;

/// The state of one emulated kernel.
pub(crate) struct Machine {
    /// The reserved descriptors.
    pub(crate) range: Range<u32>,
    pub(crate) shadow: Shadow,
    pub(crate) files: Arc<Files>,
    /// What a client's descriptor of ours is until the client has closed it: a file of nothing.
    pub(crate) nothing: OwnedFd,
    pub(crate) counters: Counters,
    pub(crate) chardevs: Chardevs,
    /// Whether every system call is trapped and counted.
    pub(crate) everything: bool,
    /// Whether waiting for a system call ends when no filtered thread is left (Linux 6.11).
    pub(crate) receive_ends: bool,
}

/// A running machine: the state, and the thread that releases what clients let go of. Servers own
/// it together with the [`EmulatedKernel`](crate::EmulatedKernel), so it outlives every client.
pub(crate) struct Engine {
    pub(crate) machine: Arc<Machine>,
    stop: EventFd,
    reaper: Option<JoinHandle<()>>,
}

impl Engine {
    pub(crate) fn start(
        shadow: Shadow,
        chardevs: Chardevs,
        everything: bool,
    ) -> Result<Self, Error> {
        let range = reserve(&sys::fs::raise_file_limit)?;
        let limit =
            sys::fs::file_size_limit().map_err(Error::setup("a file of a device's size"))?;
        if limit < FILE_SIZE {
            return Err(Error::FileSizeLimit { limit, needed: FILE_SIZE });
        }
        let stop = sys::wait::eventfd().map_err(Error::setup("an eventfd"))?;
        let files = Files::new(&stop)?;
        let files = Arc::new(files);
        let machine = Arc::new(Machine {
            range,
            shadow,
            files,
            nothing: sys::fs::memfd(c"closed", 0).map_err(Error::setup("an empty file"))?,
            counters: Counters::new(),
            chardevs,
            everything,
            receive_ends: sys::kernel_release().is_some_and(|release| release >= (6, 11)),
        });
        let reaper = thread::Builder::new()
            .name("emukern-reaper".to_owned())
            .spawn({
                let machine = Arc::clone(&machine);
                move || machine.files.reap()
            })
            .map_err(Error::thread)?;
        Ok(Self { machine, stop, reaper: Some(reaper) })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It fails only where the count is at its end, and then whoever waits is awake.
        let _ = self.stop.write(1);
        if let Some(reaper) = self.reaper.take() {
            // It ends after the signal, or has ended in a panic that was printed then.
            let _ = reaper.join();
        }
        self.machine.files.drain(None);
    }
}

/// Raises the limit of open files and reserves the numbers below it.
fn reserve(raise: &dyn Fn(u64) -> io::Result<u64>) -> Result<Range<u32>, Error> {
    let limit = raise(MOST_DESCRIPTORS).map_err(Error::setup("a higher limit of open files"))?;
    if limit < LEAST_LIMIT {
        return Err(Error::FileLimit { limit, needed: LEAST_LIMIT });
    }
    let limit = limit as u32;
    Ok(limit - (RESERVED as u32).min(limit / 4)..limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_range_lies_below_the_limit_and_leaves_room() {
        assert_eq!(reserve(&|most| Ok(most)).unwrap(), 61440..65536);
        assert_eq!(reserve(&|_| Ok(20000)).unwrap(), 15904..20000);
        assert_eq!(reserve(&|_| Ok(1024)).unwrap(), 768..1024);
        let error = reserve(&|_| Ok(64)).unwrap_err();
        assert!(matches!(error, Error::FileLimit { limit: 64, needed: 128 }));
    }
}
