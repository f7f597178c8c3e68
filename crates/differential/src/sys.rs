//! The system calls, bare, and the memory that they are about.

#![expect(
    unsafe_code,
    reason = "requests go to the kernel as they are, good and bad pointers alike"
)]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libc::{MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE};

pub(crate) const PAGE: u64 = 4096;
/// Where the arguments of requests are: one page, and nothing behind it.
pub(crate) const ARGUMENT: u64 = 0x10_0000_0000;
/// Memory for the device, at the same address on every kernel.
pub(crate) const MEMORY: u64 = 0x20_0000_0000;
pub(crate) const MEMORY_LEN: u64 = 64 * PAGE;
/// Pages that may only be read.
pub(crate) const READ_ONLY: u64 = 0x30_0000_0000;
/// No memory.
pub(crate) const NOWHERE: u64 = 0x40_0000_0000;

/// What a system call came to: its value, or its errno.
pub(crate) type Answer = Result<i64, i32>;

fn answer(value: i64) -> Answer {
    match value {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        value => Ok(value),
    }
}

/// Maps what the constants above name.
pub(crate) fn map_all() -> io::Result<()> {
    let map = |at: u64, len: u64, prot: i32, share: i32| {
        let flags = share | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
        // SAFETY: a new mapping at an address where nothing is, or it fails.
        let at = unsafe { libc::mmap(at as *mut _, len as usize, prot, flags, -1, 0) };
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    map(ARGUMENT, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE)?;
    map(MEMORY, MEMORY_LEN, PROT_READ | PROT_WRITE, MAP_SHARED)?;
    map(READ_ONLY, 2 * PAGE, PROT_READ, MAP_PRIVATE)
}

/// Puts bytes where the argument of a request is, and returns their address.
pub(crate) fn put(at: u64, bytes: &[u8]) {
    // SAFETY: the callers stay within the argument's page or the device's memory, which are mapped for
    // the life of the program and which no Rust reference points to.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at as *mut u8, bytes.len()) };
}

/// What is there now.
pub(crate) fn take(at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    // SAFETY: as for `put`.
    unsafe { std::ptr::copy_nonoverlapping(at as *const u8, bytes.as_mut_ptr(), len) };
    bytes
}

pub(crate) fn open(path: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the path ends in a NUL.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    owned(i64::from(fd))
}

pub(crate) fn open_path(path: &str) -> io::Result<OwnedFd> {
    open(&CString::new(path)?)
}

pub(crate) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    owned(i64::from(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }))
}

/// A descriptor that an answer has returned.
pub(crate) fn own(fd: i64) -> io::Result<OwnedFd> {
    owned(fd)
}

fn owned(fd: i64) -> io::Result<OwnedFd> {
    match answer(fd) {
        // SAFETY: the kernel has just made it for us.
        Ok(fd) => Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) }),
        Err(errno) => Err(io::Error::from_raw_os_error(errno)),
    }
}

pub(crate) fn ioctl(fd: &OwnedFd, request: u32, argument: u64) -> Answer {
    // SAFETY: what a request writes goes to the argument's page, to the device's memory, or is refused
    // by the kernel: the address is one of this module's.
    answer(unsafe { libc::ioctl(fd.as_raw_fd(), request.into(), argument) }.into())
}

pub(crate) fn pwrite(fd: &OwnedFd, at: u64, len: u64, offset: u64) -> Answer {
    // SAFETY: the kernel reads at an address of this module's, or refuses it.
    answer(
        unsafe { libc::pwrite(fd.as_raw_fd(), at as *const _, len as usize, offset as i64) } as i64
    )
}

pub(crate) fn pread(fd: &OwnedFd, at: u64, len: u64, offset: u64) -> Answer {
    // SAFETY: the kernel writes at most a page at an address of this module's, or refuses it.
    answer(unsafe { libc::pread(fd.as_raw_fd(), at as *mut _, len as usize, offset as i64) } as i64)
}

pub(crate) fn write(fd: &OwnedFd, at: u64, len: u64) -> Answer {
    // SAFETY: as `pwrite`.
    answer(unsafe { libc::write(fd.as_raw_fd(), at as *const _, len as usize) } as i64)
}

/// Maps `len` bytes of a file somewhere, and unmaps them again without a look.
pub(crate) fn mmap(fd: &OwnedFd, len: u64, prot: i32, flags: i32, offset: u64) -> Answer {
    let len = len as usize;
    // SAFETY: a new mapping where the kernel likes.
    let at = unsafe {
        libc::mmap(std::ptr::null_mut(), len, prot, flags, fd.as_raw_fd(), offset as i64)
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
    // SAFETY: just mapped, and nobody knows of it.
    answer(unsafe { libc::munmap(at, len) }.into())
}
