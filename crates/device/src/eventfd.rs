//! The client's eventfds.
//!
//! A kernel signals an eventfd with `eventfd_signal`, which adds and never waits: a count at its
//! end stays there. write(2) is not that. It waits for room unless the file says O_NONBLOCK, which
//! is the client's to say, since a duplicate shares its flags; a look before the write is over when
//! somebody else fills the count in between; and eventfds take no RWF_NOWAIT. What calls
//! `eventfd_signal` for a process is the end of an asynchronous request that names an eventfd. So
//! that is how it is done here: an empty read of an empty file, which ends within the call that
//! submits it.

#![expect(unsafe_code, reason = "io_submit(2) and its kin have no wrapper")]

use std::fs;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::OnceLock;

use crate::Errno;

/// Whether `fd` is an eventfd. Costs one `readlink` in `/proc/self/fd`, about a microsecond.
///
/// # Errors
/// EINVAL when it is something else, as `eventfd_ctx_fdget` answers; `readlink`'s error, ENOENT
/// among them, where `/proc` can't tell.
pub fn check(fd: impl AsFd) -> Result<(), Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    let is_eventfd = fs::read_link(path)?.as_os_str() == "anon_inode:[eventfd]";
    if is_eventfd { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Whether there are asynchronous requests here at all.
///
/// # Errors
/// ENOSYS on a kernel without them; EPERM where a sandbox forbids them.
pub(crate) fn supported() -> Result<(), Errno> {
    // SAFETY: takes no pointer: there is no context of this name, which is looked up and not read.
    unsafe { libc::syscall(libc::SYS_io_destroy, 0) };
    match Errno::last() {
        Errno::EINVAL => Ok(()),
        errno => Err(errno),
    }
}

/// An eventfd that the device signals.
#[derive(Debug)]
pub(crate) struct Signal {
    eventfd: OwnedFd,
    signaller: &'static Signaller,
}

impl Signal {
    /// # Errors
    /// Those of making this process's signaller, for its first eventfd. Not before that, since
    /// whoever has one waits at its end for a moment, and most processes signal none.
    pub(crate) fn new(eventfd: OwnedFd) -> Result<Self, Errno> {
        Ok(Self { eventfd, signaller: Signaller::get()? })
    }

    /// Adds 1, and waits for nothing: one that is full is signalled already.
    pub(crate) fn raise(&self) {
        self.signaller.signal(&self.eventfd);
    }
}

/// Requests that the kernel keeps room for. Each ends before it was submitted to its caller; what
/// is left of it is a result that nobody reads, until there is no room for another.
const REQUESTS: usize = 64;

/// An asynchronous request: `struct iocb` of `<linux/aio_abi.h>`.
#[repr(C)]
struct Request {
    data: u64,
    key_and_flags: [u32; 2],
    opcode: u16,
    priority: i16,
    file: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    eventfd: u32,
}

const PREAD: u16 = 0;
/// The request's end signals `eventfd`.
const SIGNALS: u32 = 1;

/// A result: `struct io_event`.
type Outcome = [u64; 4];

/// What signals eventfds, for all devices of this process.
#[derive(Debug)]
struct Signaller {
    context: libc::c_ulong,
    /// What is read: a file of nothing.
    nothing: OwnedFd,
}

impl Signaller {
    /// The one of this process.
    ///
    /// # Errors
    /// ENOSYS on a kernel without asynchronous I/O, EAGAIN at the end of `/proc/sys/fs/aio-max-nr`;
    /// EMFILE, ENFILE, ENOMEM.
    fn get() -> Result<&'static Self, Errno> {
        static SIGNALLER: OnceLock<Signaller> = OnceLock::new();
        match SIGNALLER.get() {
            Some(signaller) => Ok(signaller),
            None => {
                let new = Self::new()?;
                Ok(SIGNALLER.get_or_init(|| new))
            }
        }
    }

    fn new() -> Result<Self, Errno> {
        // SAFETY: the name ends in a NUL.
        let fd = unsafe { libc::memfd_create(c"nothing".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(Errno::last());
        }
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        let nothing = unsafe { OwnedFd::from_raw_fd(fd) };
        let mut context: libc::c_ulong = 0;
        // SAFETY: the kernel writes the context's name, which is zero before as it demands.
        if unsafe { libc::syscall(libc::SYS_io_setup, REQUESTS, &raw mut context) } != 0 {
            return Err(Errno::last());
        }
        Ok(Self { context, nothing })
    }

    fn signal(&self, eventfd: &OwnedFd) {
        let request = Request {
            data: 0,
            key_and_flags: [0; 2],
            opcode: PREAD,
            priority: 0,
            file: self.nothing.as_raw_fd() as u32,
            buffer: 0,
            bytes: 0,
            offset: 0,
            reserved: 0,
            flags: SIGNALS,
            eventfd: eventfd.as_raw_fd() as u32,
        };
        let requests = [&raw const request];
        // SAFETY: one request, which the kernel copies; it reads into a buffer of no bytes.
        while unsafe { libc::syscall(libc::SYS_io_submit, self.context, 1, requests.as_ptr()) } < 0
            && Errno::last() == Errno::EAGAIN
        {
            self.forget_results();
        }
    }

    /// Makes room for more requests.
    fn forget_results(&self) {
        let mut results: [Outcome; REQUESTS] = [[0; 4]; REQUESTS];
        // SAFETY: the kernel writes at most `REQUESTS` results, and waits for none, so that it
        // needs no time-out.
        unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.context,
                0,
                REQUESTS,
                results.as_mut_ptr(),
                ptr::null::<libc::timespec>(),
            )
        };
    }
}

impl Drop for Signaller {
    fn drop(&mut self) {
        // SAFETY: the context that `new` made, and nobody submits to it any more.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.context) };
    }
}
