//! Regions of a VFIO device: pread(2) and pwrite(2) at an offset of its fd.
//!
//! A count that is short is not an error: a batch of messages of which a part was carried out is
//! one such. As with any fd, what a write does is the device's matter; a message with
//! VHOST_SET_LOG_BASE makes it write to this process's memory, and is to be sent by `unsafe` code
//! alone.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Reads into `buf` at `offset` of the fd, and says how many bytes.
pub fn read(device: impl AsFd, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = position(offset)?;
    let fd = device.as_fd();
    // SAFETY: the fd is open as long as it is borrowed, and the kernel writes to `buf` alone.
    count(unsafe { libc::pread64(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), offset) })
}

/// Writes `bytes` at `offset` of the fd, and says how many.
pub fn write(device: impl AsFd, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let offset = position(offset)?;
    let fd = device.as_fd();
    // SAFETY: the fd is open as long as it is borrowed, and the kernel reads `bytes` alone.
    count(unsafe { libc::pwrite64(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), offset) })
}

fn position(offset: u64) -> io::Result<i64> {
    i64::try_from(offset).map_err(|_| super::invalid())
}

fn count(ret: isize) -> io::Result<usize> {
    usize::try_from(ret).map_err(|_| io::Error::last_os_error())
}
