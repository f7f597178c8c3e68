//! System calls that no file of ours takes, or that would pass the emulation by: refused with the
//! errno that a device has for them, or with one that says that there is no such thing here.

use vhost_accel_device::Errno;

use super::{CONTINUE, Reply, Server};
use crate::paths::Scope;
use crate::sys;
use crate::sys::seccomp::{Notification, Response};

/// Where a `struct iocb` has its descriptor.
const AIO_FILDES: u64 = 20;

impl Server {
    /// What is none of the calls that a file of ours answers.
    pub(super) fn refusal(&mut self, notification: &Notification) -> Reply {
        let args = notification.args();
        match notification.nr() {
            libc::SYS_lseek | libc::SYS_sync_file_range => {
                self.refuse(notification, &[0], libc::ESPIPE)
            }
            libc::SYS_ftruncate | libc::SYS_fsync | libc::SYS_fdatasync | libc::SYS_readahead => {
                self.refuse(notification, &[0], libc::EINVAL)
            }
            libc::SYS_fallocate => self.refuse(notification, &[0], libc::ENODEV),
            // Nothing to move is success, whatever the descriptors are.
            libc::SYS_splice if args[4] == 0 => CONTINUE,
            libc::SYS_splice | libc::SYS_copy_file_range => {
                self.refuse(notification, &[0, 2], libc::EINVAL)
            }
            libc::SYS_sendfile => self.refuse(notification, &[0, 1], libc::EINVAL),
            // As of a kernel without it: programs fall back. What goes through a ring is never seen
            // here.
            libc::SYS_io_uring_setup => Reply::Now(Response::Fail(libc::ENOSYS)),
            libc::SYS_io_submit => self.submit(notification),
            // The copy would lie outside the range, and be no device.
            libc::SYS_pidfd_getfd if self.in_range(args[1]) => {
                Reply::Now(Response::Fail(libc::EPERM))
            }
            // For regular files.
            libc::SYS_truncate => {
                let at = (libc::AT_FDCWD, args[0], 0);
                self.refuse_path(notification, at, libc::EINVAL, libc::ENOENT)
            }
            libc::SYS_name_to_handle_at => {
                let flags = args[4] as i32;
                let follow = match flags & libc::AT_SYMLINK_FOLLOW {
                    0 => libc::AT_SYMLINK_NOFOLLOW,
                    _ => 0,
                };
                let at = (args[0] as i32, args[1], flags & libc::AT_EMPTY_PATH | follow);
                self.refuse_path(notification, at, libc::EOPNOTSUPP, libc::ENOENT)
            }
            // In sysfs nothing is made, and a device is there or isn't.
            libc::SYS_mkdirat | libc::SYS_mknodat => {
                let at = (args[0] as i32, args[1], libc::AT_SYMLINK_NOFOLLOW);
                self.refuse_path(notification, at, libc::EEXIST, libc::EPERM)
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir | libc::SYS_mknod => {
                let at = (libc::AT_FDCWD, args[0], libc::AT_SYMLINK_NOFOLLOW);
                self.refuse_path(notification, at, libc::EEXIST, libc::EPERM)
            }
            _ => CONTINUE,
        }
    }

    /// A call that no file of ours takes, with its descriptors in these arguments.
    fn refuse(&self, notification: &Notification, fds: &[usize], errno: i32) -> Reply {
        for &fd in fds {
            let fd = notification.args()[fd];
            if self.find(notification, fd).is_some() {
                return Reply::Now(Response::Fail(errno));
            }
            if let reply @ Reply::Now(Response::Fail(_)) = self.not_open(notification, fd) {
                return reply;
            }
        }
        CONTINUE
    }

    /// A call that needs an open file, on descriptor `fd`, which is none of ours: the client's own,
    /// or a device's path.
    pub(super) fn not_open(&self, notification: &Notification, fd: u64) -> Reply {
        match self.in_range(fd) && self.path_only(notification.tid(), fd as u32).is_some() {
            true => Reply::Now(Response::Fail(libc::EBADF)),
            false => CONTINUE,
        }
    }

    /// A call on a path, with its directory and the flags of a look at it, that always fails where
    /// the path is ours: with `there` if there is such a file, with `missing` if not.
    fn refuse_path(
        &mut self,
        notification: &Notification,
        (dir, path, flags): (i32, u64, i32),
        there: i32,
        missing: i32,
    ) -> Reply {
        let named = match self.paths.ours_in(Scope::Anywhere, notification.tid(), dir, path) {
            Some(meaning) => self.look_at(meaning, flags),
            None => self.look_up(notification, dir, path, flags),
        };
        let errno = match named {
            None => return CONTINUE,
            Some(Ok(_)) => there,
            Some(Err(Errno(libc::ENOENT))) => missing,
            Some(Err(Errno(errno))) => errno,
        };
        Reply::Now(Response::Fail(errno))
    }

    /// io_submit(2): requests on files of ours are refused, with all that come with them.
    fn submit(&self, notification: &Notification) -> Reply {
        let [_, count, list, ..] = *notification.args();
        let tid = notification.tid();
        for index in 0..count {
            let mut pointer = [0; 8];
            let mut fd = [0; 4];
            let address = list.saturating_add(index.saturating_mul(8));
            let read = sys::remote::read_memory(tid, address, &mut pointer).and_then(|()| {
                let iocb = u64::from_ne_bytes(pointer).saturating_add(AIO_FILDES);
                sys::remote::read_memory(tid, iocb, &mut fd)
            });
            if read.is_err() {
                // The kernel comes no further either.
                return CONTINUE;
            }
            if self.find(notification, u32::from_ne_bytes(fd).into()).is_some() {
                return Reply::Now(Response::Fail(libc::EINVAL));
            }
        }
        CONTINUE
    }
}
