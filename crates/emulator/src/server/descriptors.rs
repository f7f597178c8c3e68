//! System calls on descriptors: what they do where the descriptor is one of ours.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use vhost_accel_device::{Errno, lock};

use super::{CONTINUE, Reply, Server};
use crate::call::UserBuf;
use crate::chardevs::Chardev;
use crate::crossings::Kind;
use crate::front::{Answer, Mapping, Node};
use crate::proc::ProcPath;
use crate::sys;
use crate::sys::seccomp::{Notification, Response};

/// The number after the one that was given out last. Numbers are given out one at a time in this
/// process: two kernels may have clients that share a descriptor table, and a number that was free
/// a moment ago must still be. The next is looked for where the last was found, since a look at
/// every number below would make many descriptors cost their square.
static NEXT_NUMBER: Mutex<u32> = Mutex::new(0);

/// ioctl requests that the kernel answers before any driver, and for the memfd as for a device.
const OF_ANY_FILE: &[u32] = &[
    libc::FIOCLEX as u32,
    libc::FIONCLEX as u32,
    libc::FIONBIO as u32,
    libc::FIOASYNC as u32,
    FIGETBSZ,
    FIFREEZE,
    FITHAW,
    FS_IOC_FIEMAP,
];
/// Those of <linux/fs.h> and <asm/ioctls.h>, which libc doesn't have for every C library.
const FIGETBSZ: u32 = 2;
const FIOQSIZE: u32 = 0x5460;
const FIFREEZE: u32 = 0xc004_5877;
const FITHAW: u32 = 0xc004_5878;
const FS_IOC_FIEMAP: u32 = 0xc020_660b;

impl Server {
    pub(super) fn ioctl(&self, notification: &Notification) -> Reply {
        let args = notification.args();
        let request = args[1] as u32;
        self.machine.counters.ioctl(request);
        let Some(found) = self.find(notification, args[0]) else {
            return self.not_open(notification, args[0]);
        };
        if OF_ANY_FILE.contains(&request) {
            return CONTINUE;
        }
        if request == FIOQSIZE {
            // It has a size for a memfd and none for a device.
            return Reply::Now(Response::Fail(libc::ENOTTY));
        }
        let call = self.call(notification, &found);
        match found.file.front.ioctl(&call, request, args[2]) {
            Ok(Answer::Value(value)) => Reply::Now(Response::Return(value)),
            Ok(Answer::File(node)) => {
                let flags = libc::O_RDWR | libc::O_CLOEXEC;
                self.open_node(notification, &*node, None, flags)
            }
            Err(Errno(number)) => Reply::Now(Response::Fail(number)),
        }
    }

    pub(super) fn transfer_vectored(
        &self,
        notification: &Notification,
        offset: Option<u64>,
    ) -> Reply {
        let args = notification.args();
        if !self.in_range(args[0]) {
            self.machine.counters.syscall(notification.nr());
            return CONTINUE;
        }
        let buf = UserBuf::from_iovec(notification.tid(), args[1], args[2]);
        self.transfer(notification, buf, offset)
    }

    /// A read or a write: the system call's number says which.
    pub(super) fn transfer(
        &self,
        notification: &Notification,
        buf: Result<UserBuf, Errno>,
        offset: Option<u64>,
    ) -> Reply {
        let (fd, nr) = (notification.args()[0], notification.nr());
        let Some(found) = self.find(notification, fd) else {
            self.count_transfer(notification);
            return self.not_open(notification, fd);
        };
        let buf = match buf {
            Ok(buf) => buf,
            Err(Errno(number)) => return Reply::Now(Response::Fail(number)),
        };
        let call = self.call(notification, &found);
        let front = &found.file.front;
        let reads = matches!(
            nr,
            libc::SYS_read
                | libc::SYS_pread64
                | libc::SYS_readv
                | libc::SYS_preadv
                | libc::SYS_preadv2
        );
        match reads {
            true => front.read(&call, &buf, offset).into(),
            false => front.write(&call, &buf, offset).into(),
        }
    }

    /// Counts a read or write of the client's own, those of eventfds apart from others.
    pub(super) fn count_transfer(&self, notification: &Notification) {
        let counters = &self.machine.counters;
        let (tid, fd, nr) = (notification.tid(), notification.args()[0] as i32, notification.nr());
        let mut target = [0; 32];
        let eventfd = self.machine.everything
            && ProcPath::new(format_args!("/proc/{tid}/fd/{fd}")).is_some_and(|link| {
                sys::fs::read_link_path(link.as_c_str(), &mut target)
                    .is_ok_and(|target| target == sys::fs::EVENTFD_LINK)
            });
        match nr {
            libc::SYS_write if eventfd => counters.kind(Kind::WriteEventfd),
            libc::SYS_read if eventfd => counters.kind(Kind::ReadEventfd),
            _ => counters.syscall(nr),
        }
    }

    pub(super) fn mmap(&self, notification: &Notification) -> Reply {
        let args = notification.args();
        let Some(found) = self.find(notification, args[4]) else {
            self.machine.counters.syscall(notification.nr());
            return self.not_open(notification, args[4]);
        };
        let mapping =
            Mapping { len: args[1], prot: args[2] as i32, flags: args[3] as i32, offset: args[5] };
        let call = self.call(notification, &found);
        match found.file.front.mmap(&call, &mapping) {
            Ok(()) => CONTINUE,
            Err(Errno(number)) => Reply::Now(Response::Fail(number)),
        }
    }

    /// Trapped only where everything is counted, and counted only where it unmaps a doorbell: the
    /// rest is a process's own memory management.
    pub(super) fn munmap(&self, notification: &Notification) -> Reply {
        let [start, len, ..] = *notification.args();
        let doorbell = ProcPath::new(format_args!("/proc/{}/maps", notification.tid()))
            .is_some_and(|maps| {
                sys::maps::maps_file(maps.as_c_str(), start, len, b"/memfd:vhost-accel")
            });
        if doorbell {
            self.machine.counters.kind(Kind::MunmapDoorbell);
        }
        CONTINUE
    }

    /// fcntl(2), but for duplicates.
    pub(super) fn control(&self, notification: &Notification, command: i32) -> Reply {
        let fd = notification.args()[0];
        let refused = match self.find(notification, fd) {
            // What a memfd can do and a device can't.
            Some(_) => match command {
                libc::F_ADD_SEALS | libc::F_GET_SEALS | libc::F_SETLEASE => libc::EINVAL,
                _ => return CONTINUE,
            },
            None => match command {
                libc::F_GETFD | libc::F_SETFD => return CONTINUE,
                libc::F_GETFL => {
                    let path = self.in_range(fd)
                        && self.path_only(notification.tid(), fd as u32).is_some();
                    return match path {
                        true => Reply::Now(Response::Return(libc::O_PATH.into())),
                        false => CONTINUE,
                    };
                }
                _ => return self.not_open(notification, fd),
            },
        };
        Reply::Now(Response::Fail(refused))
    }

    /// The device whose path descriptor `fd` of thread `tid` stands for, as O_PATH asks for one.
    pub(super) fn path_only(&self, tid: u32, fd: u32) -> Option<&Arc<Chardev>> {
        let link = ProcPath::new(format_args!("/proc/{tid}/fd/{fd}"))?;
        let stat = sys::fs::stat_path(link.as_c_str()).ok()?;
        self.machine.chardevs.behind((stat.st_dev, stat.st_ino))
    }

    pub(super) fn open_node(
        &self,
        notification: &Notification,
        node: &dyn Node,
        chardev: Option<Arc<Chardev>>,
        flags: i32,
    ) -> Reply {
        let cloexec = flags & libc::O_CLOEXEC != 0;
        let opened = self.machine.files.open(notification.tid(), flags, (node, chardev), |file| {
            self.give(notification, file, Place::From(0), cloexec)
        });
        match opened {
            Ok(_) => Reply::Answered,
            Err(Errno(number)) => Reply::Now(Response::Fail(number)),
        }
    }

    /// Gives the client a descriptor of ours, in the range.
    pub(super) fn give(
        &self,
        notification: &Notification,
        file: &OwnedFd,
        place: Place,
        cloexec: bool,
    ) -> Result<u32, Errno> {
        let mut next = lock(&NEXT_NUMBER);
        let number = match place {
            Place::At(number) => number,
            Place::From(least) => {
                let range = least.max(self.range().start)..self.range().end;
                free_number(range, &mut next, |number| is_free(notification.tid(), number))
                    .ok_or(Errno(libc::EMFILE))?
            }
        };
        // Whatever had this number before is gone.
        self.machine.files.forget_descriptor(number);
        self.team.listener.add_fd(notification.id(), file, Some(number), cloexec).map_err(|error| {
            match error.raw_os_error() {
                // The client has lowered its limit of open files below the range.
                Some(libc::EBADF) => Errno(libc::EMFILE),
                _ => error.into(),
            }
        })
    }

    /// dup(2), dup2(2), dup3(2), F_DUPFD. The duplicate of a file of ours must lie in the range, or
    /// it would not be trapped.
    pub(super) fn duplicate(
        &self,
        notification: &Notification,
        place: Place,
        cloexec: bool,
    ) -> Reply {
        let (tid, from) = (notification.tid(), notification.args()[0]);
        if let Place::At(to) = place
            && u64::from(to) != from
            && let Some(over) = self.find(notification, to.into())
        {
            return self.duplicate_over(notification, &over, to, cloexec);
        }
        let found = self.find(notification, from);
        if let Place::At(to) = place
            && self.in_range(to.into())
        {
            self.machine.files.forget_descriptor(to);
        }
        if found.is_none() && !(self.in_range(from) && self.path_only(tid, from as u32).is_some()) {
            return CONTINUE;
        }
        match place {
            Place::At(to) if !self.in_range(to.into()) => {
                return Reply::Now(Response::Fail(libc::EINVAL));
            }
            Place::From(least) if least >= self.range().end => {
                return Reply::Now(Response::Fail(libc::EINVAL));
            }
            // The kernel knows what this means: nothing, or EINVAL for dup3.
            Place::At(to) if u64::from(to) == from => return CONTINUE,
            Place::At(_) | Place::From(_) => {}
        }
        let given = self
            .machine
            .files
            .with_copy(tid, from as i32, |copy| self.give(notification, copy, place, cloexec));
        match given {
            Ok(_) => Reply::Answered,
            Err(Errno(number)) => Reply::Now(Response::Fail(number)),
        }
    }
}

/// The number that a new descriptor of ours gets.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// This one, whatever is there.
    At(u32),
    /// A free one in the range that is not below this one.
    From(u32),
}

/// A free number of `range`, looked for from `next` on and around.
fn free_number(
    range: Range<u32>,
    next: &mut u32,
    mut is_free: impl FnMut(u32) -> bool,
) -> Option<u32> {
    let middle = (*next).max(range.start).min(range.end);
    let number = (middle..range.end).chain(range.start..middle).find(|&number| is_free(number))?;
    *next = number + 1;
    Some(number)
}

/// Whether thread `tid` has no descriptor `number`.
fn is_free(tid: u32, number: u32) -> bool {
    let Some(link) = ProcPath::new(format_args!("/proc/{tid}/fd/{number}")) else {
        return false;
    };
    let mut target = [0; 8];
    let found = sys::fs::read_link_path(link.as_c_str(), &mut target);
    found.is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn many_descriptors_cost_as_many_looks() {
        let (mut next, mut looks, mut taken) = (0, 0, HashSet::new());
        let mut give = |least: u32| {
            let number = free_number(least..5000, &mut next, |number| {
                looks += 1;
                !taken.contains(&number)
            });
            (number.is_some_and(|number| taken.insert(number)), looks)
        };
        for _ in 0..4000 {
            assert!(give(1000).0);
        }
        assert_eq!(give(1000), (false, 8000), "all are taken, which is found out by one round");
        taken.remove(&1234);
        let mut looks = 0;
        let mut find = |range| {
            free_number(range, &mut next, |number| {
                looks += 1;
                number == 1234
            })
        };
        assert_eq!(find(1000..5000), Some(1234));
        assert_eq!(find(1235..5000), None, "a number below the least is none");
        assert_eq!(find(5000..5000), None);
    }
}
