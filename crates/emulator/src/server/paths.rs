//! System calls on paths: what they do where the path is one of ours.

use std::os::fd::OwnedFd;

use super::{CONTINUE, Reply, Server};
use vhost_accel_device::Errno;

use crate::sys::{
    self,
    seccomp::{Notification, Response},
};

/// The device number that stat(2) shows for our character devices: 240 to 254 are for local use.
const DEVICE_NUMBER: libc::dev_t = libc::makedev(240, 0);

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
        let node = match self.machine.nodes.get(path) {
            Some(node) if flags & libc::O_PATH == 0 => node,
            _ => return self.open_shadow(notification, flags),
        };
        if flags & libc::O_DIRECTORY != 0 {
            return Reply::Now(Response::Fail(libc::ENOTDIR));
        }
        if flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL {
            return Reply::Now(Response::Fail(libc::EEXIST));
        }
        self.open_node(notification, &**node, flags)
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

    /// Opens the path that the client names, if it is ours, to ask about it.
    pub(super) fn look_up(
        &mut self,
        notification: &Notification,
        dir: i32,
        path: u64,
        follow: bool,
    ) -> Option<Result<OwnedFd, Errno>> {
        let path = self.paths.ours(notification.tid(), dir, path)?;
        let flags = libc::O_PATH | if follow { 0 } else { libc::O_NOFOLLOW };
        let opened = self.machine.shadow.open(path, flags);
        Some(opened.map_err(|error| sys::errno(&error)))
    }

    /// Whether the path asked about last is a device.
    pub(super) fn is_device(&self) -> bool {
        self.machine.nodes.contains_key(self.paths.current())
    }

    pub(super) fn stat(
        &mut self,
        notification: &Notification,
        dir: i32,
        path: u64,
        to: u64,
        follow: bool,
    ) -> Reply {
        let Some(file) = self.look_up(notification, dir, path, follow) else {
            return CONTINUE;
        };
        let answer = file.and_then(|file| {
            let mut stat = sys::fs::stat(&file).map_err(|error| sys::errno(&error))?;
            if self.is_device() {
                stat.st_mode = libc::S_IFCHR | 0o666;
                stat.st_rdev = DEVICE_NUMBER;
            }
            sys::remote::write_memory(notification.tid(), to, sys::fs::stat_bytes(&stat))
                .map_err(|error| sys::errno(&error))?;
            Ok(0)
        });
        answer.into()
    }

    pub(super) fn statx(&mut self, notification: &Notification) -> Reply {
        let [dir, path, flags, mask, to, _] = *notification.args();
        let follow = flags as i32 & libc::AT_SYMLINK_NOFOLLOW == 0;
        let Some(file) = self.look_up(notification, dir as i32, path, follow) else {
            return CONTINUE;
        };
        let answer = file.and_then(|file| {
            let mut statx =
                sys::fs::statx(&file, mask as u32).map_err(|error| sys::errno(&error))?;
            if self.is_device() {
                statx.stx_mode = (libc::S_IFCHR | 0o666) as u16;
                statx.stx_rdev_major = libc::major(DEVICE_NUMBER);
                statx.stx_rdev_minor = libc::minor(DEVICE_NUMBER);
            }
            sys::remote::write_memory(notification.tid(), to, sys::fs::statx_bytes(&statx))
                .map_err(|error| sys::errno(&error))?;
            Ok(0)
        });
        answer.into()
    }

    pub(super) fn read_link(
        &mut self,
        notification: &Notification,
        dir: i32,
        path: u64,
        to: u64,
        len: u64,
    ) -> Reply {
        let Some(file) = self.look_up(notification, dir, path, false) else {
            return CONTINUE;
        };
        let answer = file.and_then(|file| {
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

    pub(super) fn access(
        &mut self,
        notification: &Notification,
        dir: i32,
        path: u64,
        mode: i32,
        flags: i32,
    ) -> Reply {
        let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
        let Some(file) = self.look_up(notification, dir, path, follow) else {
            return CONTINUE;
        };
        let answer = file.and_then(|file| {
            sys::fs::access(&file, mode, flags).map_err(|error| sys::errno(&error))?;
            Ok(0)
        });
        answer.into()
    }

    /// Extended attributes, which `ls -l` asks for: our files have none.
    pub(super) fn attributes(&mut self, notification: &Notification, follow: bool) -> Reply {
        let path = notification.args()[0];
        let Some(file) = self.look_up(notification, libc::AT_FDCWD, path, follow) else {
            return CONTINUE;
        };
        let Errno(number) = file.err().unwrap_or(Errno(libc::EOPNOTSUPP));
        Reply::Now(Response::Fail(number))
    }
}
