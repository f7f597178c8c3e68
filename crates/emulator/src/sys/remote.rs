//! What a client process holds: its memory and its file descriptors.

#![expect(
    unsafe_code,
    reason = "process_vm_readv(2), process_vm_writev(2) and the pidfd calls take raw pointers"
)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::check;

/// Linux 6.9: a pidfd of a thread, not of its process.
const PIDFD_THREAD: libc::c_uint = libc::O_EXCL as libc::c_uint;

/// Reads `into.len()` bytes at `address` of thread `tid`'s memory. EFAULT unless all can be read.
pub(crate) fn read_memory(tid: u32, address: u64, into: &mut [u8]) -> io::Result<()> {
    if into.is_empty() {
        return Ok(());
    }
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: into.len() };
    // SAFETY: the kernel writes at most `into.len()` bytes to `into`; the remote address is checked
    // by the kernel against the other process's memory.
    let ret = unsafe {
        libc::process_vm_readv(tid as libc::pid_t, &raw const local, 1, &raw const remote, 1, 0)
    };
    whole(ret, into.len())
}

/// Writes `from` to `address` of thread `tid`'s memory. EFAULT unless all can be written.
pub(crate) fn write_memory(tid: u32, address: u64, from: &[u8]) -> io::Result<()> {
    if from.is_empty() {
        return Ok(());
    }
    let local = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: from.len() };
    // SAFETY: the kernel only reads `from`. A client's memory changes as a system call would change
    // it: at an address that the client gave as the place of a result.
    let ret = unsafe {
        libc::process_vm_writev(tid as libc::pid_t, &raw const local, 1, &raw const remote, 1, 0)
    };
    whole(ret, from.len())
}

fn whole(ret: isize, len: usize) -> io::Result<()> {
    match check(ret as i64)? {
        n if n as usize == len => Ok(()),
        _ => Err(io::Error::from_raw_os_error(libc::EFAULT)),
    }
}

/// A pidfd of thread `tid`, or of process `tgid` where the kernel has none of threads.
pub(crate) fn pidfd_open(tid: u32, tgid: u32) -> io::Result<OwnedFd> {
    let open = |pid: u32, flags: libc::c_uint| {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) })?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
    };
    open(tid, PIDFD_THREAD).or_else(|error: io::Error| match error.raw_os_error() {
        Some(libc::EINVAL) => open(tgid, 0),
        _ => Err(error),
    })
}

/// A copy of descriptor `fd` of the process behind `pidfd`. EBADF: it has none of that number.
pub(crate) fn pidfd_getfd(pidfd: &OwnedFd, fd: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) })?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
