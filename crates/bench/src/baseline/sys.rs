//! System calls, and nothing around them.

#![expect(unsafe_code, reason = "bare system calls are what the baseline is")]

use std::cell::RefCell;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The size of a doorbell page.
pub(super) const PAGE: usize = 4096;

/// A kind of crossing and what one of it took.
pub(crate) type Call = (&'static str, Duration);

/// Whether calls are timed one by one. Looked at before each, which is two instructions next to a
/// system call; kicks don't come this way.
static TIMED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static CALLS: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
}

/// Does `work` on this thread with each call timed, and says what each took. One at a time.
pub(crate) fn call_by_call<T>(work: impl FnOnce() -> T) -> (T, Vec<Call>) {
    CALLS.take();
    TIMED.store(true, Ordering::Relaxed);
    let done = work();
    TIMED.store(false, Ordering::Relaxed);
    (done, CALLS.take())
}

#[inline]
fn timed<T>(kind: &'static str, call: impl FnOnce() -> T) -> T {
    if !TIMED.load(Ordering::Relaxed) {
        return call();
    }
    let begin = Instant::now();
    let done = call();
    let took = begin.elapsed();
    CALLS.with_borrow_mut(|calls| calls.push((kind, took)));
    done
}

fn check(call: &'static str, ret: isize) -> Result<usize> {
    usize::try_from(ret).map_err(|_| Error::Call { call, source: io::Error::last_os_error() })
}

fn owned(call: &'static str, ret: i32) -> Result<OwnedFd> {
    check(call, ret as isize)?;
    // SAFETY: the kernel just gave it out; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(ret) })
}

/// An eventfd that blocks when it is read.
pub(crate) fn eventfd() -> Result<File> {
    // SAFETY: takes no pointer.
    let fd = timed("eventfd2", || unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) });
    Ok(owned("eventfd", fd)?.into())
}

pub(super) fn open(path: &CStr) -> Result<OwnedFd> {
    // SAFETY: the path is a C string that lives through the call.
    owned(
        "openat",
        timed("openat", || unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) }),
    )
}

/// The target of a symbolic link, as much of it as `into` takes.
pub(super) fn readlink<'a>(path: &CStr, into: &'a mut [u8]) -> Result<&'a [u8]> {
    // SAFETY: the path is a C string, and the kernel writes no more than `into` has.
    let ret = timed("readlink", || unsafe {
        libc::readlink(path.as_ptr(), into.as_mut_ptr().cast(), into.len())
    });
    let len = check("readlink", ret)?;
    Ok(&into[..len])
}

/// An ioctl whose argument is a pointer to `arg`, or to what begins with it.
///
/// # Safety
/// The kernel must read and write no more than `arg` has when asked `request`, and no other memory
/// but what the caller lends it.
pub(super) unsafe fn ioctl<T: ?Sized>(
    call: &'static str,
    fd: &OwnedFd,
    request: u32,
    arg: &mut T,
) -> Result<i32> {
    let pointer: *mut T = arg;
    // SAFETY: the caller's.
    let ret = timed(call, || unsafe {
        libc::ioctl(fd.as_raw_fd(), request.into(), pointer.cast::<u8>())
    });
    check(call, ret as isize)?;
    Ok(ret)
}

/// An ioctl whose argument is a number, or nothing.
pub(super) fn ioctl_value(
    call: &'static str,
    fd: &OwnedFd,
    request: u32,
    value: u64,
) -> Result<i32> {
    // SAFETY: the kernel takes the argument for a number, or doesn't look at it.
    let ret = timed(call, || unsafe { libc::ioctl(fd.as_raw_fd(), request.into(), value) });
    check(call, ret as isize)?;
    Ok(ret)
}

/// An ioctl that nobody knows: ENOTTY.
pub(super) fn refused(fd: &OwnedFd, request: u32) {
    // SAFETY: a request that is refused at sight reads no argument.
    unsafe { libc::ioctl(fd.as_raw_fd(), request.into(), 0) };
}

pub(super) fn write(call: &'static str, fd: &OwnedFd, bytes: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `bytes` alone; what a message lends, its sender has been lent.
    let ret =
        timed(call, || unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) });
    whole(call, ret, bytes.len())
}

pub(super) fn pwrite(call: &'static str, fd: &OwnedFd, bytes: &[u8], offset: u64) -> Result<()> {
    let offset = offset as libc::off_t;
    // SAFETY: as in `write`.
    let ret = timed(call, || unsafe {
        libc::pwrite(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), offset)
    });
    whole(call, ret, bytes.len())
}

pub(super) fn pread(call: &'static str, fd: &OwnedFd, into: &mut [u8], offset: u64) -> Result<()> {
    let offset = offset as libc::off_t;
    // SAFETY: the kernel writes to `into` alone.
    let ret = timed(call, || unsafe {
        libc::pread(fd.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), offset)
    });
    whole(call, ret, into.len())
}

fn whole(call: &'static str, ret: isize, len: usize) -> Result<()> {
    if check(call, ret)? == len { Ok(()) } else { Err(Error::Stuck("a system call was cut short")) }
}

/// Doorbell pages.
#[derive(Debug)]
pub(super) struct Pages {
    start: NonNull<u8>,
    len: usize,
}

impl Pages {
    pub(super) fn map(fd: &OwnedFd, offset: u64, count: u16) -> Result<Self> {
        let len = usize::from(count) * PAGE;
        // SAFETY: a new mapping where the kernel chooses touches no memory in use.
        let start = timed("mmap doorbell", || unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                offset as libc::off_t,
            )
        });
        let mapped = if start == libc::MAP_FAILED { None } else { NonNull::new(start.cast()) };
        match mapped {
            Some(start) => Ok(Self { start, len }),
            None => check("mmap doorbell", -1).map(|_| Self { start: NonNull::dangling(), len: 0 }),
        }
    }

    /// The address of a page.
    pub(super) fn page(&self, number: u16) -> NonNull<u16> {
        let offset = usize::from(number) * PAGE;
        assert!(offset < self.len, "one of the pages that were mapped");
        // SAFETY: it was just checked to lie in the mapping.
        unsafe { self.start.add(offset) }.cast()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the range is ours; kickers point into it and are not used once the device is
        // gone.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
