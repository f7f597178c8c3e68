//! Files: the shadow tree, memfds, what a descriptor of a client is, limits.

#![expect(
    unsafe_code,
    reason = "openat2(2), fstat(2), statx(2), readlinkat(2) and friends take raw pointers"
)]

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::check;
use crate::proc::ProcPath;

/// Device and number of an inode.
pub(crate) type Inode = (u64, u64);

/// Opens `path` below `root`, which no `..` and no symbolic link leaves.
pub(crate) fn open_in(root: &OwnedFd, path: &CStr, flags: i32) -> io::Result<OwnedFd> {
    let mut how = [0; 24];
    how[..8].copy_from_slice(&((flags | libc::O_CLOEXEC) as u64).to_ne_bytes());
    how[16..].copy_from_slice(&libc::RESOLVE_IN_ROOT.to_ne_bytes());
    open_how(root, path, &how)
}

/// openat2(2) with a `struct open_how` of whatever size: the kernel says what it takes for one.
pub(crate) fn open_how(root: &OwnedFd, path: &CStr, how: &[u8]) -> io::Result<OwnedFd> {
    // SAFETY: the path ends in a NUL, the structure's size is given, and the kernel only reads
    // both.
    let fd = unsafe {
        libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), how.as_ptr(), how.len())
    };
    owned(fd)
}

/// Opens `path`, which is absolute.
pub(crate) fn open(path: &CStr, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: the path ends in a NUL; no mode is needed since nothing is created.
    let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
    owned(i64::from(fd))
}

/// Locks the file for this open file description, as flock(1) does. EWOULDBLOCK: another has it.
pub(crate) fn try_lock(file: &OwnedFd) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }).map(drop)
}

/// Closes a client's descriptor, in the table that it shares with this process.
pub(crate) fn close(fd: i32) -> io::Result<()> {
    // SAFETY: takes no pointer. The client asked for it and its thread waits for the answer, so the
    // number is still its own.
    check(unsafe { libc::close(fd) }).map(drop)
}

/// A new memfd of `size` bytes, none of them there until touched. Nobody can change its size: pages
/// cut off would be a SIGBUS for who has them mapped.
///
/// EFBIG where the limit of file sizes is lower: beyond it ftruncate(2) would end this process.
pub(crate) fn memfd(name: &CStr, size: u64) -> io::Result<OwnedFd> {
    if file_size_limit()? < size {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    // SAFETY: the name ends in a NUL.
    let fd =
        unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    let fd = owned(i64::from(fd))?;
    // SAFETY: takes no pointer.
    check(unsafe { libc::ftruncate(fd.as_raw_fd(), size as libc::off_t) })?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: takes no pointer.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
    Ok(fd)
}

/// Takes all permissions from what `fd` refers to: only root opens it now.
pub(crate) fn forbid(fd: &OwnedFd) -> io::Result<()> {
    // SAFETY: takes no pointer.
    check(unsafe { libc::fchmod(fd.as_raw_fd(), 0) }).map(drop)
}

/// stat(2) of what `fd` refers to.
pub(crate) fn stat(fd: &OwnedFd) -> io::Result<libc::stat> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: the kernel fills the structure, whose size libc and the kernel agree on.
    check(unsafe { libc::fstat(fd.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel has filled it.
    Ok(unsafe { stat.assume_init() })
}

/// stat(2) of `path`, following links.
pub(crate) fn stat_path(path: &CStr) -> io::Result<libc::stat> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: the path ends in a NUL, and the kernel fills the structure.
    check(unsafe { libc::stat(path.as_ptr(), stat.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel has filled it.
    Ok(unsafe { stat.assume_init() })
}

/// The bytes of a `struct stat`, as a client expects them.
pub(crate) fn stat_bytes(stat: &libc::stat) -> &[u8] {
    // SAFETY: the kernel wrote every byte of the structure, its padding fields included.
    unsafe { std::slice::from_raw_parts((&raw const *stat).cast::<u8>(), size_of::<libc::stat>()) }
}

/// statx(2) of what `fd` refers to.
pub(crate) fn statx(fd: &OwnedFd, mask: u32) -> io::Result<libc::statx> {
    let mut statx = MaybeUninit::zeroed();
    // SAFETY: the path is empty and ends in a NUL; the kernel fills the structure.
    check(unsafe {
        libc::statx(fd.as_raw_fd(), c"".as_ptr(), libc::AT_EMPTY_PATH, mask, statx.as_mut_ptr())
    })?;
    // SAFETY: it was zeroed, and the kernel has filled it.
    Ok(unsafe { statx.assume_init() })
}

/// The bytes of a `struct statx`, as a client expects them.
pub(crate) fn statx_bytes(statx: &libc::statx) -> &[u8] {
    // SAFETY: the structure was zeroed before the kernel filled it, so every byte is initialized.
    unsafe {
        std::slice::from_raw_parts((&raw const *statx).cast::<u8>(), size_of::<libc::statx>())
    }
}

/// faccessat2(2) of what `fd` refers to.
pub(crate) fn access(fd: &OwnedFd, mode: i32, flags: i32) -> io::Result<()> {
    // SAFETY: the path is empty and ends in a NUL.
    let ret = unsafe {
        libc::syscall(
            libc::SYS_faccessat2,
            fd.as_raw_fd(),
            c"".as_ptr(),
            mode,
            flags | libc::AT_EMPTY_PATH,
        )
    };
    check(ret).map(drop)
}

/// Whether our own descriptor `fd` was opened with O_PATH.
pub(crate) fn is_path(fd: &OwnedFd) -> bool {
    // SAFETY: takes no pointer.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    flags & libc::O_PATH != 0
}

/// What the link of an eventfd below /proc reads.
pub(crate) const EVENTFD_LINK: &[u8] = b"anon_inode:[eventfd]";

/// Whether our own descriptor `fd` is an eventfd.
pub(crate) fn is_eventfd(fd: &OwnedFd) -> bool {
    let mut target = [0; 32];
    ProcPath::new(format_args!("/proc/self/fd/{}", fd.as_raw_fd())).is_some_and(|link| {
        read_link_path(link.as_c_str(), &mut target).is_ok_and(|target| target == EVENTFD_LINK)
    })
}

/// Where the symbolic link that `fd` refers to points, put into `into`.
pub(crate) fn read_link<'a>(fd: &OwnedFd, into: &'a mut [u8]) -> io::Result<&'a [u8]> {
    link_at(fd.as_raw_fd(), c"", into)
}

/// Where the symbolic link at `path`, which is absolute, points, put into `into`.
pub(crate) fn read_link_path<'a>(path: &CStr, into: &'a mut [u8]) -> io::Result<&'a [u8]> {
    link_at(libc::AT_FDCWD, path, into)
}

fn link_at<'a>(dir: i32, path: &CStr, into: &'a mut [u8]) -> io::Result<&'a [u8]> {
    // SAFETY: the path ends in a NUL, and the kernel writes at most `into.len()` bytes.
    let len = unsafe { libc::readlinkat(dir, path.as_ptr(), into.as_mut_ptr().cast(), into.len()) };
    let len = check(len as i64)?;
    Ok(&into[..len as usize])
}

/// The beginning of the file at `path`, which is absolute, put into `into`.
pub(crate) fn read_file<'a>(path: &CStr, into: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let file = open(path, libc::O_RDONLY)?;
    // SAFETY: the kernel writes at most `into.len()` bytes.
    let len = unsafe { libc::read(file.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) };
    let len = check(len as i64)?;
    Ok(&into[..len as usize])
}

/// Raises the soft limit of open files to the hard one, as far as `most`, and returns it.
///
/// Allocates nothing, so that it can run between fork and exec.
pub(crate) fn raise_file_limit(most: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills the structure.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    let want = limit.rlim_max.min(most);
    if limit.rlim_cur < want {
        limit.rlim_cur = want;
        // SAFETY: the kernel reads the structure.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    }
    Ok(want)
}

/// The largest file that this process may make: RLIMIT_FSIZE.
pub(crate) fn file_size_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills the structure.
    check(unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) })?;
    Ok(limit.rlim_cur)
}

fn owned(fd: i64) -> io::Result<OwnedFd> {
    let fd = check(fd)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
