//! System calls on paths: what they do where the path is one of ours.

use std::{os::fd::OwnedFd, sync::Arc};

use super::{CONTINUE, Reply, Server, status::Subject};
use vhost_accel_device::Errno;

use crate::sys::{
    self,
    seccomp::{Notification, Response},
};

impl Server {
    pub(super) fn open(
        &mut self,
        notification: &Notification,
        dir: i32,
        path: u64,
        flags: i32,
    ) -> Reply {
        let Some(path) = self.paths.ours(notification.tid(), dir, path) else {
            return CONTINUE;
        };
        // An O_PATH descriptor of a device doesn't open it.
        let chardev = match self.machine.chardevs.at(path) {
            Some(chardev) if flags & libc::O_PATH == 0 => Arc::clone(chardev),
            Some(_) | None => return self.open_shadow(notification, flags),
        };
        if flags & libc::O_DIRECTORY != 0 {
            return Reply::Now(Response::Fail(libc::ENOTDIR));
        }
        if flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL {
            return Reply::Now(Response::Fail(libc::EEXIST));
        }
        self.open_node(notification, &*Arc::clone(&chardev.node), Some(chardev), flags)
    }

    pub(super) fn openat2(&mut self, notification: &Notification) -> Reply {
        let args = notification.args();
        // struct open_how begins with the flags, which are open's.
        let mut flags = [0; 8];
        match sys::remote::read_memory(notification.tid(), args[2], &mut flags) {
            Ok(()) => {
                let flags = u64::from_ne_bytes(flags) as i32;
                self.open(notification, args[0] as i32, args[1], flags)
            }
            // The kernel finds the pointer as bad as we do.
            Err(_) => CONTINUE,
        }
    }

    /// Opens a file of the shadow tree for the client, as an ordinary file of its own.
    pub(super) fn open_shadow(&self, notification: &Notification, flags: i32) -> Reply {
        // sysfs creates nothing.
        let plain = flags & !(libc::O_CREAT | libc::O_EXCL | libc::O_TRUNC);
        let path = self.paths.current();
        let opened = self.machine.shadow.open(path, plain);
        match opened {
            Ok(file) => {
                let cloexec = flags & libc::O_CLOEXEC != 0;
                self.inject(notification, &file, None, cloexec)
            }
            Err(error) => Reply::Now(Response::Fail(sys::errno(&error).0)),
        }
    }

    /// Gives the client a file that is not trapped later.
    pub(super) fn inject(
        &self,
        notification: &Notification,
        file: &OwnedFd,
        number: Option<u32>,
        cloexec: bool,
    ) -> Reply {
        match self.listener.add_fd(notification.id(), file, number, cloexec) {
            Ok(_) => Reply::Answered,
            Err(error) => Reply::Now(Response::Fail(sys::errno(&error).0)),
        }
    }

    pub(super) fn read_link(
        &mut self,
        notification: &Notification,
        dir: i32,
        path: u64,
        to: u64,
        len: u64,
    ) -> Reply {
        let Some(subject) = self.look_up(notification, dir, path, libc::AT_SYMLINK_NOFOLLOW) else {
            return CONTINUE;
        };
        let answer = subject.and_then(|subject| {
            let Subject::Shadow(file) = subject else {
                return Err(Errno(libc::EINVAL));
            };
            let mut target = [0; 4096];
            let room = (len as usize).min(target.len());
            if room == 0 {
                return Err(Errno(libc::EINVAL));
            }
            let target = sys::fs::read_link(&file, &mut target[..room])
                // An empty path finds ENOENT where a named one would find EINVAL: no link.
                .map_err(|_| Errno(libc::EINVAL))?;
            sys::remote::write_memory(notification.tid(), to, target)
                .map_err(|error| sys::errno(&error))?;
            Ok(target.len() as u64)
        });
        answer.into()
    }
}
