//! open(2), openat(2), openat2(2) of what is ours.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use vhost_accel_device::Errno;

use super::descriptors::Place;
use super::status::Identity;
use super::{CONTINUE, Reply, Server};
use crate::chardevs::Chardev;
use crate::paths::{Meaning, Scope};
use crate::shadow::Shadow;
use crate::sys;
use crate::sys::seccomp::{Notification, Response};

/// Flags that open(2) and openat(2) know. They ignore others, openat2(2) refuses them.
const KNOWN_FLAGS: i32 = libc::O_ACCMODE
    | libc::O_CREAT
    | libc::O_EXCL
    | libc::O_NOCTTY
    | libc::O_TRUNC
    | libc::O_APPEND
    | libc::O_NONBLOCK
    | libc::O_SYNC
    | libc::O_ASYNC
    | libc::O_DIRECT
    | LARGEFILE
    | libc::O_DIRECTORY
    | libc::O_NOFOLLOW
    | libc::O_NOATIME
    | libc::O_CLOEXEC
    | libc::O_PATH
    | libc::O_TMPFILE;
/// O_LARGEFILE as the kernel has it: libc says 0 where it is always on.
const LARGEFILE: i32 = if cfg!(target_arch = "aarch64") { 0o400_000 } else { 0o100_000 };
/// Flags that mean something together with O_PATH; open(2) ignores the others then.
const PATH_FLAGS: i32 = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;

/// Bytes of the first `struct open_how`: flags, mode, resolve.
const HOW_SIZE: usize = 24;
/// The kernel takes a page at most.
const MOST_HOW: usize = 4096;

/// How something is opened. The kernel itself says what it thinks of it, of a file of the shadow
/// tree.
enum How<'a> {
    /// open(2) and openat(2).
    Flags(i32),
    /// openat2(2): a `struct open_how` whose scope is the shadow tree.
    Struct(&'a mut [u8]),
}

impl How<'_> {
    fn flags(&self) -> i32 {
        match self {
            Self::Flags(flags) => *flags,
            Self::Struct(bytes) => word(bytes, 0) as i32,
        }
    }

    fn set_flags(&mut self, flags: i32) {
        match self {
            Self::Flags(old) => *old = flags,
            Self::Struct(bytes) => {
                let high = word(bytes, 0) & !u64::from(u32::MAX);
                bytes[..8].copy_from_slice(&(high | u64::from(flags as u32)).to_ne_bytes());
            }
        }
    }

    /// Opens the file of the tree that clients see at `path`.
    fn open(&self, shadow: &Shadow, path: &CStr) -> Result<OwnedFd, Errno> {
        let opened = match self {
            Self::Flags(flags) => shadow.open(path, *flags),
            Self::Struct(bytes) => shadow.open_how(path, bytes),
        };
        opened.map_err(Errno::from)
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |word| u64::from_ne_bytes(*word))
}

impl Server {
    pub(super) fn open(
        &mut self,
        notification: &Notification,
        dir: i32,
        path: u64,
        flags: i32,
    ) -> Reply {
        let tid = notification.tid();
        let meaning = match flags & libc::O_CREAT {
            0 => self.paths.ours(tid, dir, path),
            _ => self.paths.ours_in(Scope::Anywhere, tid, dir, path),
        };
        let Some(meaning) = meaning else {
            return CONTINUE;
        };
        let known = if flags & libc::O_PATH != 0 { PATH_FLAGS } else { KNOWN_FLAGS };
        let how = How::Flags(flags & known);
        match meaning {
            Meaning::File => self.open_file(notification, how),
            Meaning::Descriptor(tid, fd) => self.reopen(notification, tid, fd, how),
        }
    }

    pub(super) fn openat2(&mut self, notification: &Notification) -> Reply {
        let [dir, path, how, size, ..] = *notification.args();
        let (tid, dir) = (notification.tid(), dir as i32);
        let mut room = [0; MOST_HOW];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        // E2BIG, EINVAL or EFAULT, which the kernel says whatever the path is.
        let Some(bytes) = room.get_mut(..size).filter(|bytes| bytes.len() >= HOW_SIZE) else {
            return CONTINUE;
        };
        if sys::remote::read_memory(tid, how, bytes).is_err() {
            return CONTINUE;
        }
        let how = bytes;
        let resolve = word(how, 16);
        let scope = match resolve & (libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT) {
            0 => Scope::Anywhere,
            libc::RESOLVE_BENEATH => Scope::Beneath,
            libc::RESOLVE_IN_ROOT => Scope::InRoot,
            // Both: EINVAL.
            _ => return CONTINUE,
        };
        let Some(meaning) = self.paths.ours_in(scope, tid, dir, path) else {
            return CONTINUE;
        };
        let checked_here = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_XDEV;
        let scoped = resolve & !checked_here | libc::RESOLVE_IN_ROOT;
        how[16..HOW_SIZE].copy_from_slice(&scoped.to_ne_bytes());
        let how = How::Struct(how);
        match meaning {
            Meaning::File
                if resolve & libc::RESOLVE_NO_XDEV != 0
                    && !self.paths.stays_in_mount(scope, tid, dir) =>
            {
                Reply::Now(Response::Fail(libc::EXDEV))
            }
            Meaning::File => self.open_file(notification, how),
            // Every limit but this one forbids such a link: ELOOP or EXDEV, says the kernel.
            Meaning::Descriptor(..) if resolve & !libc::RESOLVE_CACHED != 0 => CONTINUE,
            Meaning::Descriptor(tid, fd) => self.reopen(notification, tid, fd, how),
        }
    }

    /// Opens what descriptor `fd` of thread `tid` refers to, by its link in /proc.
    fn reopen(&self, notification: &Notification, tid: u32, fd: u32, mut how: How<'_>) -> Reply {
        if how.flags() & libc::O_NOFOLLOW != 0 {
            // The link itself: ELOOP, or with O_PATH a descriptor of the link, from the kernel.
            return CONTINUE;
        }
        match self.identity(tid, fd) {
            Some(Identity::Chardev(chardev)) => self.open_chardev(notification, &chardev, how),
            Some(Identity::Anonymous(_)) => {
                // What is wrong with the flags is found on another device: an anonymous inode has
                // nothing to open.
                let checked = self.machine.chardevs.any().map(|chardev| {
                    how.set_flags(how.flags() & !libc::O_TRUNC | libc::O_CLOEXEC);
                    how.open(&self.machine.shadow, &chardev.path)
                });
                let Errno(number) = match checked {
                    Some(Err(errno)) => errno,
                    Some(Ok(_)) | None => Errno(libc::ENXIO),
                };
                Reply::Now(Response::Fail(number))
            }
            None => CONTINUE,
        }
    }

    /// Opens the file of the shadow tree that was asked about last.
    fn open_file(&self, notification: &Notification, how: How<'_>) -> Reply {
        let path = self.paths.current();
        match self.machine.chardevs.at(path) {
            Some(chardev) => self.open_chardev(notification, chardev, how),
            None => self.open_shadow(notification, path, how),
        }
    }

    fn open_chardev(
        &self,
        notification: &Notification,
        chardev: &Arc<Chardev>,
        mut how: How<'_>,
    ) -> Reply {
        let flags = how.flags();
        // The placeholder is no device, which would ignore O_TRUNC.
        how.set_flags(flags & !libc::O_TRUNC | libc::O_CLOEXEC);
        let checked = how.open(&self.machine.shadow, &chardev.path);
        if let Err(Errno(number)) = checked {
            return Reply::Now(Response::Fail(number));
        }
        if flags & libc::O_PATH != 0 {
            return self.open_as_path(notification, chardev, flags);
        }
        if flags & libc::O_DIRECT != 0 {
            return Reply::Now(Response::Fail(libc::EINVAL));
        }
        self.open_node(notification, &*chardev.node, Some(Arc::clone(chardev)), flags)
    }

    /// Gives the client a descriptor of the placeholder that answers as one of the path does. One
    /// with O_PATH can't be put into a client.
    fn open_as_path(&self, notification: &Notification, chardev: &Chardev, flags: i32) -> Reply {
        let given =
            self.machine.shadow.open(&chardev.path, libc::O_RDONLY).map_err(Errno::from).and_then(
                |file| {
                    let cloexec = flags & libc::O_CLOEXEC != 0;
                    self.give(notification, &file, Place::From(0), cloexec)
                },
            );
        match given {
            Ok(_) => Reply::Answered,
            Err(Errno(number)) => Reply::Now(Response::Fail(number)),
        }
    }

    /// Opens a file of the shadow tree for the client, as an ordinary file of its own.
    fn open_shadow(&self, notification: &Notification, path: &CStr, mut how: How<'_>) -> Reply {
        let flags = how.flags();
        // sysfs creates nothing, and a descriptor with O_PATH can't be put into a client.
        let creates = libc::O_CREAT | libc::O_EXCL | libc::O_TRUNC;
        how.set_flags(flags & !(creates | libc::O_PATH) | libc::O_CLOEXEC);
        if let How::Struct(bytes) = &mut how
            && flags & libc::O_CREAT != 0
        {
            // A mode without O_CREAT is EINVAL.
            bytes[8..16].fill(0);
        }
        let given = how.open(&self.machine.shadow, path).and_then(|file| {
            let cloexec = flags & libc::O_CLOEXEC != 0;
            self.team.listener.add_fd(notification.id(), &file, None, cloexec).map_err(Errno::from)
        });
        match given {
            Ok(_) => Reply::Answered,
            Err(Errno(number)) => Reply::Now(Response::Fail(number)),
        }
    }
}
