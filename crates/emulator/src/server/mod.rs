//! The server of one listener: takes trapped system calls and answers them.
//!
//! What is not ours is answered `CONTINUE` at once, without allocating and without a lock that a
//! client could hold: the client may be anywhere, inside its allocator for one.

mod closing;
mod descriptors;
mod opening;
mod refusals;
mod status;
mod team;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use descriptors::Place;
pub(crate) use team::Team;

use vhost_accel_device::Errno;

use crate::call::{Call, UserBuf};
use crate::files::Found;
use crate::machine::Machine;
use crate::paths::Paths;
use crate::sys::seccomp::{Notification, Response};

/// What comes of waiting for a system call.
enum Received {
    Call,
    Nothing,
    /// There is nobody left who makes any.
    End,
}

/// How a system call is answered, or that it has been.
enum Reply {
    Now(Response),
    Answered,
}

const CONTINUE: Reply = Reply::Now(Response::Continue);

impl From<Result<u64, Errno>> for Reply {
    fn from(result: Result<u64, Errno>) -> Self {
        Self::Now(match result {
            Ok(value) => Response::Return(value as i64),
            Err(Errno(number)) => Response::Fail(number),
        })
    }
}

/// One of the threads that serve a listener: see [`Team`].
pub(crate) struct Server {
    machine: Arc<Machine>,
    team: Arc<Team>,
    paths: Paths,
}

impl Server {
    pub(crate) fn new(machine: Arc<Machine>, team: Arc<Team>) -> Self {
        let shadow = machine.shadow.real_path().as_os_str().as_encoded_bytes();
        let paths =
            Paths::new(shadow.to_vec(), machine.chardevs.numbers().to_vec(), machine.range.clone());
        Self { machine, team, paths }
    }

    /// Serves until no filtered thread is left, or there are others enough. `another` is to start
    /// one more thread that does the same.
    pub(crate) fn run(mut self, another: impl Fn()) {
        let mut notification = Notification::new();
        while self.team.waits() {
            match self.receive(&mut notification) {
                Received::Call => {
                    if self.team.took_a_call() {
                        another();
                    }
                }
                Received::Nothing => {
                    self.team.took_nothing();
                    continue;
                }
                Received::End => {
                    self.team.took_nothing();
                    self.team.end();
                    return;
                }
            }
            if let Reply::Now(response) = self.serve(&notification) {
                // ENOENT: the client was killed meanwhile, nobody wants the answer.
                let _ = self.team.listener.respond(notification.id(), response);
            }
            self.team.served();
        }
    }

    fn receive(&self, notification: &mut Notification) -> Received {
        let listener = &self.team.listener;
        let mut _turn = None;
        if !self.machine.receive_ends {
            _turn = Some(self.team.turn());
            if listener.wait(-1) {
                return Received::End;
            }
        }
        match listener.receive(notification) {
            Ok(()) => Received::Call,
            // The client was killed before its call was taken, or the last one is gone.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => match listener.wait(0) {
                true => Received::End,
                false => Received::Nothing,
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Received::Nothing,
            Err(_) => Received::End,
        }
    }

    fn range(&self) -> &Range<u32> {
        &self.machine.range
    }

    fn in_range(&self, fd: u64) -> bool {
        self.range().contains(&(fd as u32))
    }

    /// The file of ours behind descriptor argument `fd`.
    fn find(&self, notification: &Notification, fd: u64) -> Option<Found> {
        if !self.in_range(fd) {
            return None;
        }
        self.machine.files.find(notification.tid(), fd as u32)
    }

    fn serve(&mut self, notification: &Notification) -> Reply {
        let args = notification.args();
        let nr = notification.nr();
        match nr {
            libc::SYS_ioctl => return self.ioctl(notification),
            libc::SYS_write | libc::SYS_read => {
                return self.transfer(notification, Ok(UserBuf::new(args[1], args[2])), None);
            }
            libc::SYS_pwrite64 | libc::SYS_pread64 => {
                let buf = Ok(UserBuf::new(args[1], args[2]));
                return self.transfer(notification, buf, Some(args[3]));
            }
            libc::SYS_writev | libc::SYS_readv => {
                return self.transfer_vectored(notification, None);
            }
            libc::SYS_pwritev | libc::SYS_preadv | libc::SYS_pwritev2 | libc::SYS_preadv2 => {
                // The "2" variants: -1 is the file's own position.
                let own =
                    matches!(nr, libc::SYS_pwritev2 | libc::SYS_preadv2) && args[3] == u64::MAX;
                return self.transfer_vectored(notification, (!own).then_some(args[3]));
            }
            libc::SYS_mmap => return self.mmap(notification),
            libc::SYS_munmap => return self.munmap(notification),
            _ => {}
        }
        self.machine.counters.syscall(nr);
        match nr {
            libc::SYS_openat => self.open(notification, args[0] as i32, args[1], args[2] as i32),
            libc::SYS_openat2 => self.openat2(notification),
            libc::SYS_newfstatat => {
                self.stat(notification, args[0] as i32, args[1], args[2], args[3] as i32)
            }
            libc::SYS_fstat => self.stat_descriptor(notification),
            libc::SYS_statx => self.statx(notification),
            libc::SYS_readlinkat => {
                self.read_link(notification, args[0] as i32, args[1], args[2], args[3])
            }
            libc::SYS_faccessat => {
                self.access(notification, args[0] as i32, args[1], args[2] as i32, 0)
            }
            libc::SYS_faccessat2 => {
                let flags = args[3] as i32;
                self.access(notification, args[0] as i32, args[1], args[2] as i32, flags)
            }
            libc::SYS_getxattr | libc::SYS_listxattr => self.attributes(notification, true),
            libc::SYS_lgetxattr | libc::SYS_llistxattr => self.attributes(notification, false),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => self.open(notification, libc::AT_FDCWD, args[0], args[1] as i32),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat => {
                let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
                self.open(notification, libc::AT_FDCWD, args[0], flags)
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_stat => self.stat(notification, libc::AT_FDCWD, args[0], args[1], 0),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lstat => {
                let flags = libc::AT_SYMLINK_NOFOLLOW;
                self.stat(notification, libc::AT_FDCWD, args[0], args[1], flags)
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_readlink => {
                self.read_link(notification, libc::AT_FDCWD, args[0], args[1], args[2])
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_access => {
                self.access(notification, libc::AT_FDCWD, args[0], args[1] as i32, 0)
            }
            libc::SYS_execve | libc::SYS_execveat => {
                self.machine.files.forget_process(notification.tid());
                CONTINUE
            }
            libc::SYS_close => self.close(notification),
            libc::SYS_close_range => self.close_range(notification),
            libc::SYS_dup => self.duplicate(notification, Place::From(0), false),
            libc::SYS_dup3 => {
                let cloexec = args[2] as i32 & libc::O_CLOEXEC != 0;
                self.duplicate(notification, Place::At(args[1] as u32), cloexec)
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_dup2 => self.duplicate(notification, Place::At(args[1] as u32), false),
            libc::SYS_fcntl => match args[1] as i32 {
                libc::F_DUPFD => self.duplicate(notification, Place::From(args[2] as u32), false),
                libc::F_DUPFD_CLOEXEC => {
                    self.duplicate(notification, Place::From(args[2] as u32), true)
                }
                command => self.control(notification, command),
            },
            _ => self.refusal(notification),
        }
    }

    fn call<'a>(&'a self, notification: &Notification, found: &'a Found) -> Call<'a> {
        Call {
            task: &found.task,
            files: &*self.machine.files,
            counters: &self.machine.counters,
            nr: notification.nr(),
        }
    }
}
