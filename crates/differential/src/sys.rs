//! The system calls, bare.

#![expect(
    unsafe_code,
    reason = "requests are sent with arguments that no safe wrapper lets through"
)]

use std::ffi::CString;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

/// What a system call returned: a number, or an errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer(pub(crate) Result<i64, i32>);

impl Answer {
    fn of(value: i64) -> Self {
        match value {
            -1 => Self(Err(io::Error::last_os_error().raw_os_error().unwrap_or(0))),
            value => Self(Ok(value)),
        }
    }

    pub(crate) fn is_ok(self) -> bool {
        self.0.is_ok()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            Ok(value) => return write!(f, "{value}"),
            Err(libc::EPERM) => "EPERM",
            Err(libc::ENOENT) => "ENOENT",
            Err(libc::E2BIG) => "E2BIG",
            Err(libc::EBADF) => "EBADF",
            Err(libc::EAGAIN) => "EAGAIN",
            Err(libc::ENOMEM) => "ENOMEM",
            Err(libc::EACCES) => "EACCES",
            Err(libc::EFAULT) => "EFAULT",
            Err(libc::EBUSY) => "EBUSY",
            Err(libc::EEXIST) => "EEXIST",
            Err(libc::ENODEV) => "ENODEV",
            Err(libc::EINVAL) => "EINVAL",
            Err(libc::ENOTTY) => "ENOTTY",
            Err(libc::ENOSPC) => "ENOSPC",
            Err(libc::ESPIPE) => "ESPIPE",
            Err(libc::EBADFD) => "EBADFD",
            Err(libc::EOPNOTSUPP) => "EOPNOTSUPP",
            Err(libc::ENOBUFS) => "ENOBUFS",
            Err(libc::EOVERFLOW) => "EOVERFLOW",
            Err(other) => return write!(f, "errno {other}"),
        };
        f.write_str(name)
    }
}

/// What a file is opened for.
pub(crate) fn open(path: &Path, flags: i32) -> Result<OwnedFd, io::Error> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    // SAFETY: the path ends in a NUL; nothing is created, so that no mode is read.
    let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
    owned(fd)
}

/// A descriptor that a request returned.
pub(crate) fn owned(fd: i32) -> Result<OwnedFd, io::Error> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// ioctl(2) with a number or an address, which need not be good.
pub(crate) fn ioctl(fd: &OwnedFd, request: u32, arg: u64) -> Answer {
    // SAFETY: a good address lies in the area of `memory`, which nobody has a reference to while a
    // request is under way and which has room for any of them; a kernel refuses the others.
    Answer::of(unsafe { libc::ioctl(fd.as_raw_fd(), request.into(), arg) }.into())
}

/// read(2), or pread(2) where there is an offset, to an address that need not be good.
pub(crate) fn read(fd: &OwnedFd, address: u64, len: u64, offset: Option<u64>) -> Answer {
    let (fd, to, len) = (fd.as_raw_fd(), address as *mut libc::c_void, len as usize);
    Answer::of(match offset {
        // SAFETY: as in `ioctl`: the area, or what a kernel refuses.
        None => unsafe { libc::read(fd, to, len) },
        // SAFETY: the same.
        Some(offset) => unsafe { libc::pread(fd, to, len, offset as i64) },
    } as i64)
}

/// write(2), or pwrite(2) where there is an offset, from an address that need not be good.
pub(crate) fn write(fd: &OwnedFd, address: u64, len: u64, offset: Option<u64>) -> Answer {
    let (fd, from, len) = (fd.as_raw_fd(), address as *const libc::c_void, len as usize);
    Answer::of(match offset {
        // SAFETY: a kernel reads the memory, or refuses.
        None => unsafe { libc::write(fd, from, len) },
        // SAFETY: the same.
        Some(offset) => unsafe { libc::pwrite(fd, from, len, offset as i64) },
    } as i64)
}

/// mmap(2) of a file where the kernel likes, taken away again at once. 0: it was mapped.
pub(crate) fn map_and_unmap(fd: &OwnedFd, len: u64, prot: i32, flags: i32, offset: u64) -> Answer {
    let (none, len) = (std::ptr::null_mut(), len as usize);
    // SAFETY: a new mapping that replaces none.
    let at = unsafe { libc::mmap(none, len, prot, flags, fd.as_raw_fd(), offset as i64) };
    let answer = Answer::of(at as i64);
    if answer.is_ok() {
        // SAFETY: what was just mapped; nobody knows the address.
        unsafe { libc::munmap(at, len) };
        return Answer(Ok(0));
    }
    answer
}

/// mmap(2) at a fixed address that nothing is mapped at; of `fd`, or anonymous.
pub(crate) fn map_at(
    address: u64,
    len: u64,
    prot: i32,
    fd: Option<&OwnedFd>,
) -> Result<(), io::Error> {
    let kind = match fd {
        Some(_) => libc::MAP_SHARED,
        None => libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
    };
    let (at, number) = (address as *mut libc::c_void, fd.map_or(-1, AsRawFd::as_raw_fd));
    // SAFETY: with MAP_FIXED_NOREPLACE it replaces no mapping.
    let got =
        unsafe { libc::mmap(at, len as usize, prot, kind | libc::MAP_FIXED_NOREPLACE, number, 0) };
    if got == at { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A memfd of `len` bytes.
pub(crate) fn memfd(len: u64) -> Result<OwnedFd, io::Error> {
    // SAFETY: the name ends in a NUL.
    let fd = owned(unsafe { libc::memfd_create(c"differential".as_ptr(), libc::MFD_CLOEXEC) })?;
    // SAFETY: takes no pointer.
    match unsafe { libc::ftruncate(fd.as_raw_fd(), len as i64) } {
        0 => Ok(fd),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Copies to memory that [`map_at`] made writable.
pub(crate) fn store(address: u64, bytes: &[u8]) {
    // SAFETY: the caller names a writable part of the area, and nobody has a reference to it.
    unsafe { (address as *mut u8).copy_from(bytes.as_ptr(), bytes.len()) };
}

/// Copies from memory that [`map_at`] made readable.
pub(crate) fn load(address: u64, bytes: &mut [u8]) {
    // SAFETY: the caller names a readable part of the area, and no request is under way.
    unsafe { (address as *const u8).copy_to(bytes.as_mut_ptr(), bytes.len()) };
}
