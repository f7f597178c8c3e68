//! Waiting: inotify, epoll, and the page through which a forked child tells of its listener.

#![expect(unsafe_code, reason = "inotify(7), epoll(7), futex(2) and mmap(2) take raw pointers")]

use std::ffi::CStr;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use vmm_sys_util::eventfd::EventFd;

use super::check;

/// A new eventfd, at zero.
pub(crate) fn eventfd() -> io::Result<EventFd> {
    EventFd::new(libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)
}

/// An inotify instance that tells once of the close of each file watched.
#[derive(Debug)]
pub(crate) struct CloseWatch {
    fd: OwnedFd,
}

impl CloseWatch {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) })?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(Self { fd })
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Watches the file at `path` for the next close of an open file description.
    pub(crate) fn add(&self, path: &CStr) -> io::Result<i32> {
        // SAFETY: the path ends in a NUL.
        let watch = check(unsafe {
            libc::inotify_add_watch(
                self.fd.as_raw_fd(),
                path.as_ptr(),
                libc::IN_CLOSE | libc::IN_ONESHOT,
            )
        })?;
        Ok(watch as i32)
    }

    /// Calls `closed` with each watch that has seen its close. Never blocks.
    pub(crate) fn drain(&self, mut closed: impl FnMut(i32)) {
        const HEADER: usize = size_of::<libc::inotify_event>();
        let mut buffer = [0_u8; 4096];
        loop {
            // SAFETY: the kernel writes at most the buffer's length.
            let len = unsafe {
                libc::read(self.fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len())
            };
            let Ok(len) = usize::try_from(len) else {
                return;
            };
            let mut events = &buffer[..len];
            while let Some(header) = events.first_chunk::<HEADER>() {
                let word = |at: usize| {
                    u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
                };
                if word(mem::offset_of!(libc::inotify_event, mask)) & libc::IN_CLOSE != 0 {
                    closed(word(mem::offset_of!(libc::inotify_event, wd)) as i32);
                }
                let name = word(mem::offset_of!(libc::inotify_event, len)) as usize;
                events = events.get(HEADER + name..).unwrap_or_default();
            }
        }
    }
}

/// An epoll instance over descriptors that become readable.
#[derive(Debug)]
pub(crate) struct Poller {
    fd: OwnedFd,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(Self { fd })
    }

    /// Waits for `fd` too, and says so with `token`.
    pub(crate) fn add(&self, fd: &impl AsRawFd, token: u64) -> io::Result<()> {
        self.control(fd, libc::EPOLLIN as u32, token)
    }

    /// The same, where others wait for `fd` as well and one of them is enough.
    pub(crate) fn add_shared(&self, fd: &impl AsRawFd, token: u64) -> io::Result<()> {
        self.control(fd, (libc::EPOLLIN | libc::EPOLLEXCLUSIVE) as u32, token)
    }

    fn control(&self, fd: &impl AsRawFd, events: u32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: the kernel reads the structure.
        check(unsafe {
            libc::epoll_ctl(
                self.fd.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd.as_raw_fd(),
                &raw mut event,
            )
        })?;
        Ok(())
    }

    /// The token of one descriptor that is readable, waiting for it.
    pub(crate) fn wait(&self) -> io::Result<u64> {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        loop {
            // SAFETY: the kernel writes at most one structure.
            let ret = unsafe { libc::epoll_wait(self.fd.as_raw_fd(), &raw mut event, 1, -1) };
            match check(ret) {
                Ok(1) => return Ok(event.u64),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What a forked child tells its parent before it can make a system call that isn't trapped.
#[repr(C)]
struct Mailbox {
    state: AtomicU32,
    pid: AtomicU32,
    listener: AtomicU32,
}

const WAITING: u32 = 0;
const POSTED: u32 = 1;
const ABANDONED: u32 = 2;

/// A page that a forked child shares with its parent: the child posts its listener's number there.
///
/// A filter may trap every system call that could carry a message, and nobody serves it yet; a
/// store and a futex are never trapped.
#[derive(Debug)]
pub(crate) struct Post {
    page: NonNull<Mailbox>,
}

// SAFETY: the page holds atomics only, and lives until the last owner unmaps it.
unsafe impl Send for Post {}
// SAFETY: as above.
unsafe impl Sync for Post {}

impl Post {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: a new mapping where the kernel likes; no memory in use is touched.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<Mailbox>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        match NonNull::new(page.cast()) {
            Some(page) => Ok(Self { page }),
            None => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
        }
    }

    fn mailbox(&self) -> &Mailbox {
        // SAFETY: the page is mapped as long as `self` lives, zeroed at first, and only accessed as
        // atomics, by this process and by its children.
        unsafe { self.page.as_ref() }
    }

    /// The child, process `pid`: its descriptor `listener` is to be fetched.
    pub(crate) fn post(&self, pid: u32, listener: i32) {
        let mailbox = self.mailbox();
        mailbox.pid.store(pid, Ordering::Relaxed);
        mailbox.listener.store(listener as u32, Ordering::Relaxed);
        self.leave(POSTED);
    }

    /// The parent: no child will post any more.
    pub(crate) fn abandon(&self) {
        self.leave(ABANDONED);
    }

    /// The first word in the box stays; whoever comes later has nothing to say.
    fn leave(&self, state: u32) {
        let word = &self.mailbox().state;
        let _ = word.compare_exchange(WAITING, state, Ordering::Release, Ordering::Relaxed);
        // SAFETY: the word is mapped; a wake-up reads and writes no memory.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
    }

    /// The parent: waits for the child's process and descriptor. None: abandoned.
    pub(crate) fn take(&self) -> Option<(u32, i32)> {
        let mailbox = self.mailbox();
        loop {
            match mailbox.state.load(Ordering::Acquire) {
                WAITING => {
                    // SAFETY: the word is mapped; the kernel only compares it with what was read.
                    unsafe {
                        libc::syscall(
                            libc::SYS_futex,
                            mailbox.state.as_ptr(),
                            libc::FUTEX_WAIT,
                            WAITING,
                            ptr::null::<libc::timespec>(),
                        )
                    };
                }
                POSTED => {
                    let pid = mailbox.pid.load(Ordering::Relaxed);
                    return Some((pid, mailbox.listener.load(Ordering::Relaxed) as i32));
                }
                _ => return None,
            }
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length; no reference outlives `self`.
        unsafe { libc::munmap(self.page.as_ptr().cast(), size_of::<Mailbox>()) };
    }
}
