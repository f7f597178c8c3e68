//! What messages and interrupts go through.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Weak};

use vhost_accel_vfio::VfioFd;
use vhost_accel_vhost_ioctls::uapi::call::{region, vfio};

/// A vfio-vhost device as the messages see it: one method, one crossing.
pub trait Port: Send {
    /// pwrite(2) to CONFIG: how many bytes were carried out.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// pread(2) of CONFIG.
    fn read(&self, bytes: &mut [u8]) -> io::Result<usize>;
    /// VFIO_DEVICE_SET_IRQS: the eventfds of subindexes from `start` on.
    fn set_irqs(
        &self,
        index: u32,
        start: u32,
        eventfds: &[Option<BorrowedFd<'_>>],
    ) -> io::Result<()>;
    /// VFIO_DEVICE_RESET.
    fn reset(&self) -> io::Result<()>;
    /// The device's file, for doorbells. No crossing.
    fn file(&self) -> BorrowedFd<'_>;
    /// The device's file, for kickers. No crossing.
    fn weak_file(&self) -> Weak<dyn AsFd + Send + Sync>;
}

/// The real one.
#[derive(Debug)]
pub struct VfioPort {
    pub(crate) device: Arc<VfioFd>,
    /// Where the CONFIG region begins.
    pub(crate) config: u64,
}

impl Port for VfioPort {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        region::write(&self.device, bytes, self.config)
    }

    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        region::read(&self.device, bytes, self.config)
    }

    fn set_irqs(
        &self,
        index: u32,
        start: u32,
        eventfds: &[Option<BorrowedFd<'_>>],
    ) -> io::Result<()> {
        vfio::set_irqs(&self.device, index, start, eventfds)
    }

    fn reset(&self) -> io::Result<()> {
        vfio::device_reset(&self.device)
    }

    fn file(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }

    fn weak_file(&self) -> Weak<dyn AsFd + Send + Sync> {
        let weak: Weak<VfioFd> = Arc::downgrade(&self.device);
        weak
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::VecDeque;
    use std::fs::File;
    use std::os::fd::AsRawFd;
    use std::sync::{Mutex, MutexGuard};

    use super::*;

    /// Records what crosses, and fails or falls short when it is told to.
    #[derive(Debug)]
    pub(crate) struct Recorder {
        log: Mutex<Log>,
        file: Arc<File>,
    }

    #[derive(Debug, Default)]
    struct Log {
        writes: Vec<Vec<u8>>,
        irqs: Vec<(u32, u32, Vec<i32>)>,
        resets: u32,
        outcomes: VecDeque<Result<usize, i32>>,
        replies: VecDeque<Vec<u8>>,
    }

    impl Default for Recorder {
        fn default() -> Self {
            Self { log: Mutex::default(), file: Arc::new(tempfile::tempfile().unwrap()) }
        }
    }

    impl Recorder {
        fn log(&self) -> MutexGuard<'_, Log> {
            self.log.lock().unwrap()
        }

        /// What is answered to the writes to come: how many bytes are taken, or the errno.
        pub(crate) fn answer(&self, outcomes: impl IntoIterator<Item = Result<usize, i32>>) {
            self.log().outcomes.extend(outcomes);
        }

        /// What the next read finds.
        pub(crate) fn reply(&self, reply: &[u8]) {
            self.log().replies.push_back(reply.to_vec());
        }

        pub(crate) fn take_writes(&self) -> Vec<Vec<u8>> {
            std::mem::take(&mut self.log().writes)
        }

        /// Index, start and fds of each change of interrupts.
        pub(crate) fn take_irqs(&self) -> Vec<(u32, u32, Vec<i32>)> {
            std::mem::take(&mut self.log().irqs)
        }

        pub(crate) fn resets(&self) -> u32 {
            self.log().resets
        }
    }

    impl Port for Recorder {
        fn write(&self, bytes: &[u8]) -> io::Result<usize> {
            let mut log = self.log();
            log.writes.push(bytes.to_vec());
            let outcome = log.outcomes.pop_front().unwrap_or(Ok(bytes.len()));
            outcome.map_err(io::Error::from_raw_os_error)
        }

        fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
            let reply = self.log().replies.pop_front();
            let reply = reply.ok_or(io::Error::from_raw_os_error(libc::EAGAIN))?;
            assert_eq!(bytes.len(), reply.len(), "a read has the size of its reply");
            bytes.copy_from_slice(&reply);
            Ok(reply.len())
        }

        fn set_irqs(
            &self,
            index: u32,
            start: u32,
            eventfds: &[Option<BorrowedFd<'_>>],
        ) -> io::Result<()> {
            let fds = eventfds.iter().map(|fd| fd.map_or(-1, |fd| fd.as_raw_fd())).collect();
            self.log().irqs.push((index, start, fds));
            Ok(())
        }

        fn reset(&self) -> io::Result<()> {
            self.log().resets += 1;
            Ok(())
        }

        fn file(&self) -> BorrowedFd<'_> {
            self.file.as_fd()
        }

        fn weak_file(&self) -> Weak<dyn AsFd + Send + Sync> {
            let weak: Weak<File> = Arc::downgrade(&self.file);
            weak
        }
    }
}
