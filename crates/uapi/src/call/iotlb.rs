//! IOTLB messages to a vhost-vdpa, and the write(2) that carries them.
//!
//! Every mistake in a message comes back as EFAULT.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use zerocopy::IntoBytes;

use crate::vhost::MsgV2;

/// Maps `size` bytes at `uaddr` of this process to `iova`; `perm` is `ACCESS_*`.
///
/// # Safety
/// On success the device may access the memory, as `perm` says, until it is invalidated or the fd
/// is closed: no Rust object whose validity or aliasing that would break may lie there.
pub unsafe fn update(
    fd: impl AsFd,
    asid: u32,
    iova: u64,
    size: u64,
    uaddr: u64,
    perm: u8,
) -> io::Result<()> {
    // SAFETY: the caller allows the use of the memory.
    unsafe { send(fd, &MsgV2::update(asid, iova, size, uaddr, perm)) }
}

/// Removes every mapping that `size` bytes at `iova` touch; succeeds where there is none.
pub fn invalidate(fd: impl AsFd, asid: u32, iova: u64, size: u64) -> io::Result<()> {
    // SAFETY: the message gives the device no memory.
    unsafe { send(fd, &MsgV2::invalidate(asid, iova, size)) }
}

/// Says that more changes follow, which the device needs to see only at the end.
pub fn batch_begin(fd: impl AsFd, asid: u32) -> io::Result<()> {
    // SAFETY: the message gives the device no memory.
    unsafe { send(fd, &MsgV2::batch_begin(asid)) }
}

/// Ends what [`batch_begin`] began.
pub fn batch_end(fd: impl AsFd, asid: u32) -> io::Result<()> {
    // SAFETY: the message gives the device no memory.
    unsafe { send(fd, &MsgV2::batch_end(asid)) }
}

/// Writes one message.
///
/// # Safety
/// An update's memory is the device's to use from then on, see [`update`].
unsafe fn send(fd: impl AsFd, message: &MsgV2) -> io::Result<()> {
    let bytes = message.as_bytes();
    let fd = fd.as_fd();
    // SAFETY: the fd is open as long as it is borrowed, and write(2) reads `bytes` alone; the
    // caller allows what the device does with the message.
    let written = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    match usize::try_from(written) {
        Err(_) => Err(io::Error::last_os_error()),
        Ok(len) if len == bytes.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
    }
}
