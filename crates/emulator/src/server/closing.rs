//! Descriptors of ours that end: close(2), close_range(2), dup2(2) and dup3(2) to their numbers.
//!
//! A kernel has released a file when the system call that ends its last descriptor returns. Here
//! the kernel below ends the descriptor after our answer, and tells us later: meanwhile the device
//! could use memory that its owner gives back after the call. So what the number means is replaced
//! before the answer. The client's thread lets go of the file then, while a copy of ours keeps it;
//! and when that copy ends, the file is released or somebody else has it.

use std::fs;
use std::os::fd::OwnedFd;

use vhost_accel_device::Errno;

use super::{CONTINUE, Reply, Server};
use crate::files::Found;
use crate::sys::seccomp::{Notification, Response};
use crate::sys::{self, own_pid};

impl Server {
    /// close(2).
    pub(super) fn close(&self, notification: &Notification) -> Reply {
        let fd = notification.args()[0];
        match self.find(notification, fd) {
            // The table of descriptors is ours too.
            Some(found) if found.task.tgid == own_pid() => {
                self.machine.files.forget_descriptor(fd as u32);
                let closed = sys::fs::close(fd as i32);
                self.machine.files.drain(Some(found.file.key));
                closed.map(|()| 0).map_err(Errno::from).into()
            }
            Some(found) => {
                self.let_go(notification, &found, fd as u32);
                CONTINUE
            }
            None => CONTINUE,
        }
    }

    /// close_range(2). With CLOSE_RANGE_CLOEXEC nothing ends. With CLOSE_RANGE_UNSHARE the
    /// descriptors may live on in other threads' table: what ends is heard of when the kernel
    /// tells.
    pub(super) fn close_range(&self, notification: &Notification) -> Reply {
        let &[first, last, flags, ..] = notification.args();
        let (first, last) = (first as u32, last as u32);
        if last < self.range().start || first >= self.range().end {
            return CONTINUE;
        }
        if flags as u32 == 0 && self.machine.files.any() {
            let numbers = fs::read_dir(format!("/proc/{}/fd", notification.tid()))
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
                .filter(|number| (first..=last).contains(number));
            for number in numbers {
                if let Some(found) = self.find(notification, number.into()) {
                    self.let_go(notification, &found, number);
                }
            }
        }
        self.machine.files.forget_descriptors(first, last);
        CONTINUE
    }

    /// dup2(2) or dup3(2) of anything to descriptor `to`, which is ours.
    pub(super) fn duplicate_over(
        &self,
        notification: &Notification,
        over: &Found,
        to: u32,
        cloexec: bool,
    ) -> Reply {
        let &[from, _, flags, ..] = notification.args();
        let bad_flags = notification.nr() == libc::SYS_dup3 && flags as i32 & !libc::O_CLOEXEC != 0;
        let done = match over.task.descriptor(from as i32) {
            Ok(file) if !bad_flags => self.replace(notification, over, to, &file, cloexec),
            // The kernel says what is wrong.
            Ok(_) | Err(_) => return CONTINUE,
        };
        match done {
            Ok(()) => Reply::Now(Response::Return(to.into())),
            Err(_) => CONTINUE,
        }
    }

    /// Descriptor `fd` is about to be closed.
    fn let_go(&self, notification: &Notification, found: &Found, fd: u32) {
        // It fails where the client is gone, or has lowered its limit of open files below the
        // range: what ends is heard of later then.
        let _ = self.replace(notification, found, fd, &self.machine.nothing, true);
    }

    /// Makes `fd` mean `file`, and releases what ends with what it meant.
    fn replace(
        &self,
        notification: &Notification,
        found: &Found,
        fd: u32,
        file: &OwnedFd,
        cloexec: bool,
    ) -> Result<(), Errno> {
        let copy = found.task.descriptor(fd as i32)?;
        let replaced = self.team.listener.replace_fd(notification.id(), file, fd, cloexec);
        self.machine.files.forget_descriptor(fd);
        drop(copy);
        self.machine.files.drain(Some(found.file.key));
        replaced.map_err(Errno::from)
    }
}
