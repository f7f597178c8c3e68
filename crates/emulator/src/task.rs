//! Threads of clients.

use std::os::fd::OwnedFd;

use vhost_accel_device::Errno;
use vhost_accel_device::dma::ClientMemory;

use crate::proc::ProcPath;
use crate::sys::{self, own_pid};

/// A thread of a client.
#[derive(Debug)]
pub(crate) struct Task {
    /// The thread.
    pub(crate) tid: u32,
    /// Its process.
    pub(crate) tgid: u32,
    pidfd: OwnedFd,
}

impl Task {
    /// Thread `tid`.
    pub(crate) fn open(tid: u32) -> Result<Self, Errno> {
        let tgid = tgid_of(tid).ok_or(Errno(libc::ESRCH))?;
        let pidfd = sys::remote::pidfd_open(tid, tgid)?;
        Ok(Self { tid, tgid, pidfd })
    }

    /// Readable when the thread has ended.
    pub(crate) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// The process's memory, for the device.
    pub(crate) fn memory(&self) -> Result<ClientMemory, Errno> {
        ClientMemory::of_process(self.tgid)
    }

    /// A copy of the thread's descriptor `fd`.
    pub(crate) fn descriptor(&self, fd: i32) -> Result<OwnedFd, Errno> {
        sys::remote::pidfd_getfd(&self.pidfd, fd).map_err(Errno::from)
    }
}

/// The process that thread `tid` belongs to. Does not allocate.
pub(crate) fn tgid_of(tid: u32) -> Option<u32> {
    if tid == own_pid() {
        return Some(tid);
    }
    let path = ProcPath::new(format_args!("/proc/{tid}/status"))?;
    let mut buffer = [0; 1024];
    let status = sys::fs::read_file(path.as_c_str(), &mut buffer).ok()?;
    let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"Tgid:"))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}
