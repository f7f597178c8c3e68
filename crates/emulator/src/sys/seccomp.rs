//! seccomp(2) and the ioctls of a listener.

#![expect(unsafe_code, reason = "seccomp(2), prctl(2) and the listener's ioctls take raw pointers")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::check;

/// Since Linux 6.6: the server's wake-up of the client stays on the server's processor.
const USER_NOTIF_FD_SYNC_WAKE_UP: u64 = 1;

/// The step of [`install`] that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstallStep {
    /// prctl(PR_SET_NO_NEW_PRIVS).
    NoNewPrivs,
    /// seccomp(SECCOMP_SET_MODE_FILTER).
    Filter,
}

/// Puts `program` on the calling thread and returns its listener.
///
/// Allocates nothing, so that it can run between fork and exec.
pub(crate) fn install(program: &[libc::sock_filter]) -> Result<OwnedFd, (InstallStep, io::Error)> {
    // SAFETY: takes no pointer; it affects the calling thread alone.
    let ret = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    check(ret).map_err(|error| (InstallStep::NoNewPrivs, error))?;
    // A signal must not interrupt a system call that has taken effect already: it would be
    // restarted and take effect twice. Linux 5.19 can promise that, before it there is no way.
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    set_filter(program, flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
        .or_else(|error| match error.raw_os_error() {
            Some(libc::EINVAL) => set_filter(program, flags),
            _ => Err(error),
        })
        .map_err(|error| (InstallStep::Filter, error))
}

fn set_filter(program: &[libc::sock_filter], flags: libc::c_ulong) -> io::Result<OwnedFd> {
    let prog = libc::sock_fprog {
        len: program.len() as libc::c_ushort,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, whose length is right, and leaves the memory
    // untouched.
    let fd = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const prog)
    };
    let fd = check(fd)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// One trapped system call. The kernel may write a longer structure than the one known here.
#[repr(C, align(8))]
pub(crate) struct Notification([u8; 256]);

impl Notification {
    pub(crate) const fn new() -> Self {
        Self([0; 256])
    }

    fn get(&self) -> &libc::seccomp_notif {
        // SAFETY: the buffer is aligned, longer than the structure, initialized, and every bit
        // pattern of the structure's integers is valid.
        unsafe { &*self.0.as_ptr().cast::<libc::seccomp_notif>() }
    }

    /// The notification's cookie.
    pub(crate) fn id(&self) -> u64 {
        self.get().id
    }

    /// The thread that made the system call.
    pub(crate) fn tid(&self) -> u32 {
        self.get().pid
    }

    /// The system call's number.
    pub(crate) fn nr(&self) -> i64 {
        i64::from(self.get().data.nr)
    }

    /// The system call's arguments.
    pub(crate) fn args(&self) -> &[u64; 6] {
        &self.get().data.args
    }
}

/// How a notification is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// The system call runs as if it had not been trapped.
    Continue,
    /// The system call returns this.
    Return(i64),
    /// The system call fails with this errno.
    Fail(i32),
}

/// A seccomp listener: where trapped system calls arrive and are answered.
#[derive(Debug)]
pub(crate) struct Listener {
    fd: OwnedFd,
}

impl Listener {
    /// Serves `fd`. Fails with EINVAL where the kernel can't answer and inject a descriptor in one
    /// step (before Linux 5.14).
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let listener = Self { fd };
        // SAFETY: the request takes a number. Absence (before 6.6) costs speed and nothing else.
        unsafe {
            libc::ioctl(
                listener.fd.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                USER_NOTIF_FD_SYNC_WAKE_UP,
            )
        };
        // A cookie that can't exist: ENOENT from a kernel that knows the flag, EINVAL from others.
        match listener.add_fd(u64::MAX, &listener.fd, None, false) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Err(error),
            _ => Ok(listener),
        }
    }

    /// The next trapped system call, waiting for it.
    ///
    /// ENOENT: the one that was there is gone, or (Linux 6.11) no filtered thread is left; EINTR.
    pub(crate) fn receive(&self, into: &mut Notification) -> io::Result<()> {
        into.0.fill(0);
        // SAFETY: the buffer is zeroed, as the kernel demands, aligned, and longer than any
        // kernel's structure so far.
        check(unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, into.0.as_mut_ptr())
        })?;
        Ok(())
    }

    /// Waits up to `timeout` milliseconds (-1: for ever) for a system call or for the last filtered
    /// thread to be gone, which is the result.
    pub(crate) fn wait(&self, timeout: i32) -> bool {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, which lives for the call.
        unsafe { libc::poll(&raw mut poll, 1, timeout) };
        poll.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0
    }

    /// Answers `id`. ENOENT: the client is gone.
    pub(crate) fn respond(&self, id: u64, response: Response) -> io::Result<()> {
        let (val, error, flags) = match response {
            Response::Continue => (0, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32),
            Response::Return(value) => (value, 0, 0),
            Response::Fail(errno) => (0, -errno, 0),
        };
        let resp = libc::seccomp_notif_resp { id, val, error, flags };
        // SAFETY: the kernel reads the structure, which is the size that every kernel has had.
        check(unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const resp)
        })?;
        Ok(())
    }

    /// Puts a copy of `file` into the client, as `number` or as the lowest free one, and answers
    /// the system call with its number.
    pub(crate) fn add_fd(
        &self,
        id: u64,
        file: &OwnedFd,
        number: Option<u32>,
        cloexec: bool,
    ) -> io::Result<u32> {
        let set = if number.is_some() { libc::SECCOMP_ADDFD_FLAG_SETFD } else { 0 };
        let flags = set | libc::SECCOMP_ADDFD_FLAG_SEND;
        self.inject(id, file, flags, number.unwrap_or(0), cloexec)
    }

    /// Puts a copy of `file` into the client in place of its descriptor `number`, and answers
    /// nothing yet. When this returns the client's thread has let go of what it was.
    pub(crate) fn replace_fd(
        &self,
        id: u64,
        file: &OwnedFd,
        number: u32,
        cloexec: bool,
    ) -> io::Result<()> {
        self.inject(id, file, libc::SECCOMP_ADDFD_FLAG_SETFD, number, cloexec).map(drop)
    }

    fn inject(
        &self,
        id: u64,
        file: &OwnedFd,
        flags: libc::c_ulong,
        number: u32,
        cloexec: bool,
    ) -> io::Result<u32> {
        let addfd = libc::seccomp_notif_addfd {
            id,
            flags: flags as u32,
            srcfd: file.as_raw_fd() as u32,
            newfd: number,
            newfd_flags: if cloexec { libc::O_CLOEXEC as u32 } else { 0 },
        };
        // SAFETY: the kernel reads the structure, whose size is in the request's number.
        let fd = unsafe {
            libc::ioctl(self.fd.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const addfd)
        };
        Ok(check(fd)? as u32)
    }
}
