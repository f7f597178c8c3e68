//! What stat(2), access(2) and their relatives say of the files that are ours.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use vhost_accel_device::Errno;

use super::{CONTINUE, Reply, Server};
use crate::chardevs::Chardev;
use crate::files::OpenFile;
use crate::paths::Meaning;
use crate::sys;
use crate::sys::seccomp::{Notification, Response};

/// A file of ours that a client asks about.
pub(super) enum Subject {
    /// One of the shadow tree, opened as a path.
    Shadow(OwnedFd),
    /// An open one without a name.
    Anonymous(Arc<OpenFile>),
}

/// What a descriptor of ours is one of.
pub(super) enum Identity {
    Chardev(Arc<Chardev>),
    /// An open file without a name.
    Anonymous(Arc<OpenFile>),
}

/// What /proc says of an open file without a name: VFIO's devices are the only ones.
const ANONYMOUS_LINK: &[u8] = b"anon_inode:[vfio-device]";

/// The type and permissions of an open file without a name, as the kernel's anonymous inode has
/// them.
const ANONYMOUS_MODE: libc::mode_t = 0o600;

impl Server {
    /// The file that the client names, if it is ours, with the flags of the `…at` calls.
    pub(super) fn look_up(
        &mut self,
        notification: &Notification,
        dir: i32,
        path: u64,
        flags: i32,
    ) -> Option<Result<Subject, Errno>> {
        if flags & libc::AT_EMPTY_PATH != 0
            && self.in_range(dir as u64)
            && is_empty(notification.tid(), path)
        {
            return self.subject(notification.tid(), dir as u32);
        }
        let meaning = self.paths.ours(notification.tid(), dir, path)?;
        self.look_at(meaning, flags)
    }

    /// The file that a path of ours means, which [`Paths`](crate::paths::Paths) found last.
    pub(super) fn look_at(&self, meaning: Meaning, flags: i32) -> Option<Result<Subject, Errno>> {
        let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
        match meaning {
            Meaning::File => {}
            Meaning::Descriptor(tid, fd) if follow => return self.subject(tid, fd),
            // A link of /proc's own.
            Meaning::Descriptor(..) => return None,
        }
        let flags = libc::O_PATH | if follow { 0 } else { libc::O_NOFOLLOW };
        let opened = self.machine.shadow.open(self.paths.current(), flags);
        Some(opened.map(Subject::Shadow).map_err(Errno::from))
    }

    /// What descriptor `fd` of thread `tid` is one of, if it is ours: open, or a path's.
    pub(super) fn identity(&self, tid: u32, fd: u32) -> Option<Identity> {
        match self.machine.files.find(tid, fd) {
            Some(found) => Some(match &found.file.chardev {
                Some(chardev) => Identity::Chardev(Arc::clone(chardev)),
                None => Identity::Anonymous(found.file),
            }),
            None => self.path_only(tid, fd).cloned().map(Identity::Chardev),
        }
    }

    /// The same, opened to ask about it.
    fn subject(&self, tid: u32, fd: u32) -> Option<Result<Subject, Errno>> {
        let chardev = match self.identity(tid, fd)? {
            Identity::Chardev(chardev) => chardev,
            Identity::Anonymous(file) => return Some(Ok(Subject::Anonymous(file))),
        };
        let opened = self.machine.shadow.open(&chardev.path, libc::O_PATH);
        Some(opened.map(Subject::Shadow).map_err(Errno::from))
    }

    /// fstat(2).
    pub(super) fn stat_descriptor(&self, notification: &Notification) -> Reply {
        let [fd, to, ..] = *notification.args();
        let tid = notification.tid();
        let Some(subject) = self.subject(tid, fd as u32) else {
            return CONTINUE;
        };
        subject.and_then(|subject| self.tell(tid, &subject, to)).into()
    }

    pub(super) fn stat(
        &mut self,
        notification: &Notification,
        dir: i32,
        path: u64,
        to: u64,
        flags: i32,
    ) -> Reply {
        let Some(subject) = self.look_up(notification, dir, path, flags) else {
            return CONTINUE;
        };
        subject.and_then(|subject| self.tell(notification.tid(), &subject, to)).into()
    }

    /// Puts what stat(2) says of `subject` to `to` in the client's memory.
    fn tell(&self, tid: u32, subject: &Subject, to: u64) -> Result<u64, Errno> {
        let stat = match subject {
            Subject::Shadow(file) => {
                let mut stat = sys::fs::stat(file)?;
                if let Some(chardev) = self.machine.chardevs.behind((stat.st_dev, stat.st_ino)) {
                    stat.st_mode = Chardev::MODE;
                    stat.st_rdev = chardev.number;
                }
                stat
            }
            Subject::Anonymous(file) => {
                let mut stat = sys::fs::stat(&file.memfd)?;
                stat.st_mode = ANONYMOUS_MODE;
                stat.st_nlink = 1;
                stat.st_size = 0;
                stat.st_blocks = 0;
                stat
            }
        };
        sys::remote::write_memory(tid, to, sys::fs::stat_bytes(&stat))?;
        Ok(0)
    }

    pub(super) fn statx(&mut self, notification: &Notification) -> Reply {
        let [dir, path, flags, mask, to, _] = *notification.args();
        let Some(subject) = self.look_up(notification, dir as i32, path, flags as i32) else {
            return CONTINUE;
        };
        let answer = subject.and_then(|subject| {
            let statx = match &subject {
                Subject::Shadow(file) => {
                    let mut statx = sys::fs::statx(file, mask as u32)?;
                    let stat = sys::fs::stat(file)?;
                    if let Some(chardev) = self.machine.chardevs.behind((stat.st_dev, stat.st_ino))
                    {
                        statx.stx_mode = Chardev::MODE as u16;
                        statx.stx_rdev_major = libc::major(chardev.number);
                        statx.stx_rdev_minor = libc::minor(chardev.number);
                    }
                    statx
                }
                Subject::Anonymous(file) => {
                    let mut statx = sys::fs::statx(&file.memfd, mask as u32)?;
                    statx.stx_mode = ANONYMOUS_MODE as u16;
                    statx.stx_nlink = 1;
                    statx.stx_size = 0;
                    statx.stx_blocks = 0;
                    statx
                }
            };
            sys::remote::write_memory(notification.tid(), to, sys::fs::statx_bytes(&statx))?;
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
        let tid = notification.tid();
        let identity = match self.paths.ours(tid, dir, path) {
            None => return CONTINUE,
            Some(Meaning::File) => None,
            Some(Meaning::Descriptor(tid, fd)) => match self.identity(tid, fd) {
                None => return CONTINUE,
                identity => identity,
            },
        };
        let mut room = [0; 4096];
        let room = &mut room[..(len as usize).min(4096)];
        let target = match &identity {
            // Nothing but a device is called by its name there.
            Some(Identity::Chardev(chardev)) => Ok(chardev.path.to_bytes()),
            Some(Identity::Anonymous(_)) => Ok(ANONYMOUS_LINK),
            None => {
                let flags = libc::O_PATH | libc::O_NOFOLLOW;
                let link = self.machine.shadow.open(self.paths.current(), flags);
                link.map_err(Errno::from).and_then(|link| {
                    // An empty path finds ENOENT where a named one would find EINVAL: no link.
                    sys::fs::read_link(&link, room).map_err(|_| Errno(libc::EINVAL))
                })
            }
        };
        let answer = target.and_then(|target| {
            let target = &target[..target.len().min(len as usize)];
            if target.is_empty() {
                return Err(Errno(libc::EINVAL));
            }
            sys::remote::write_memory(tid, to, target)?;
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
        let Some(subject) = self.look_up(notification, dir, path, flags) else {
            return CONTINUE;
        };
        let answer = subject.and_then(|subject| match subject {
            Subject::Shadow(file) => {
                sys::fs::access(&file, mode, flags).map(|()| 0).map_err(Errno::from)
            }
            // Read and write, as its mode says: it is the client's own.
            Subject::Anonymous(_) if mode & libc::X_OK != 0 => Err(Errno(libc::EACCES)),
            Subject::Anonymous(_) => Ok(0),
        });
        answer.into()
    }

    /// Extended attributes, which `ls -l` asks for: our files have none.
    pub(super) fn attributes(&mut self, notification: &Notification, follow: bool) -> Reply {
        let path = notification.args()[0];
        let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
        let Some(subject) = self.look_up(notification, libc::AT_FDCWD, path, flags) else {
            return CONTINUE;
        };
        let Errno(number) = subject.err().unwrap_or(Errno(libc::EOPNOTSUPP));
        Reply::Now(Response::Fail(number))
    }
}

/// Whether the path at `address` of thread `tid` is empty, or none at all (Linux 6.11).
fn is_empty(tid: u32, address: u64) -> bool {
    let mut first = [0xff];
    address == 0 || (sys::remote::read_memory(tid, address, &mut first).is_ok() && first == [0])
}
