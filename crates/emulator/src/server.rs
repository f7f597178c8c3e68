//! The server of one listener: takes trapped system calls and answers them.
//!
//! What is not ours is answered `CONTINUE` at once, without allocating and without a lock that a
//! client could hold: the client may be anywhere, inside its allocator for one.

use std::{
    io,
    ops::Range,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
};

use crate::{
    call::{Call, UserBuf},
    crossings::Kind,
    errno::Errno,
    files::{Found, own_pid},
    front::{Answer, Mapping, Node},
    lock,
    machine::Machine,
    paths::{Paths, ProcPath},
    sys::{
        self,
        seccomp::{Listener, Notification, Response},
    },
};

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

/// Numbers are given out one at a time in this process: two kernels may have clients that share a
/// descriptor table, and a number that was free a moment ago must still be.
static NUMBERS: Mutex<()> = Mutex::new(());

/// Serves one listener, on a thread of its own.
pub(crate) struct Server {
    machine: Arc<Machine>,
    listener: Listener,
    paths: Paths,
}

impl Server {
    pub(crate) fn new(machine: Arc<Machine>, listener: Listener) -> Self {
        let shadow = machine.shadow.real_path().as_os_str().as_encoded_bytes();
        let paths = Paths::new(shadow.to_vec());
        Self { machine, listener, paths }
    }

    /// Serves until no filtered thread is left.
    pub(crate) fn run(mut self) {
        let mut notification = Notification::new();
        loop {
            if !self.machine.receive_ends && self.listener.wait(-1) {
                return;
            }
            match self.listener.receive(&mut notification) {
                Ok(()) => {}
                // The client was killed before its call was taken, or the last one is gone.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                    if self.listener.wait(0) {
                        return;
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            if let Reply::Now(response) = self.serve(&notification) {
                // ENOENT: the client was killed meanwhile, nobody wants the answer.
                let _ = self.listener.respond(notification.id(), response);
            }
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
                let follow = args[3] as i32 & libc::AT_SYMLINK_NOFOLLOW == 0;
                self.stat(notification, args[0] as i32, args[1], args[2], follow)
            }
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
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => self.open(notification, libc::AT_FDCWD, args[0], args[1] as i32),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat => {
                let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
                self.open(notification, libc::AT_FDCWD, args[0], flags)
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_stat | libc::SYS_lstat => {
                let follow = nr == libc::SYS_stat;
                self.stat(notification, libc::AT_FDCWD, args[0], args[1], follow)
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
            libc::SYS_close_range => {
                let (first, last) = (args[0] as u32, args[1] as u32);
                if first < self.range().end && last >= self.range().start {
                    self.machine.files.forget_descriptors(first, last);
                }
                CONTINUE
            }
            libc::SYS_dup => self.duplicate(notification, None, false),
            libc::SYS_dup3 => {
                let cloexec = args[2] as i32 & libc::O_CLOEXEC != 0;
                self.duplicate(notification, Some(args[1] as u32), cloexec)
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_dup2 => self.duplicate(notification, Some(args[1] as u32), false),
            libc::SYS_fcntl => match args[1] as i32 {
                libc::F_DUPFD => self.duplicate(notification, None, false),
                libc::F_DUPFD_CLOEXEC => self.duplicate(notification, None, true),
                _ => CONTINUE,
            },
            libc::SYS_lseek => self.refuse(notification, libc::ESPIPE),
            libc::SYS_ftruncate => self.refuse(notification, libc::EINVAL),
            libc::SYS_fallocate => self.refuse(notification, libc::ENODEV),
            _ => CONTINUE,
        }
    }

    /// A call that no file of ours takes.
    fn refuse(&self, notification: &Notification, errno: i32) -> Reply {
        match self.find(notification, notification.args()[0]) {
            Some(_) => Reply::Now(Response::Fail(errno)),
            None => CONTINUE,
        }
    }

    /// close(2). A client in this process has the descriptor table that we have: closing for it, and
    /// releasing what that ends before it goes on, is the order that a kernel keeps. Without it the
    /// device could still use memory that its owner gives back after the close.
    fn close(&self, notification: &Notification) -> Reply {
        let fd = notification.args()[0];
        let found = self.find(notification, fd);
        if self.in_range(fd) {
            self.machine.files.forget_descriptor(fd as u32);
        }
        match found {
            Some(found) if found.task.tgid == own_pid() => {
                let closed = sys::fs::close(fd as i32);
                self.machine.files.drain();
                closed.map(|()| 0).map_err(|error| sys::errno(&error)).into()
            }
            _ => CONTINUE,
        }
    }

    fn call<'a>(&'a self, notification: &Notification, found: &'a Found) -> Call<'a> {
        Call {
            task: &found.task,
            files: &self.machine.files,
            counters: &self.machine.counters,
            nr: notification.nr(),
        }
    }

    fn ioctl(&self, notification: &Notification) -> Reply {
        let args = notification.args();
        let request = args[1] as u32;
        self.machine.counters.ioctl(request);
        let Some(found) = self.find(notification, args[0]) else {
            return CONTINUE;
        };
        let call = self.call(notification, &found);
        match found.file.front.ioctl(&call, request, args[2]) {
            Ok(Answer::Value(value)) => Reply::Now(Response::Return(value)),
            Ok(Answer::File(node)) => {
                let flags = libc::O_RDWR | libc::O_CLOEXEC;
                self.open_node(notification, &*node, flags)
            }
            Err(Errno(number)) => Reply::Now(Response::Fail(number)),
        }
    }

    fn transfer_vectored(&self, notification: &Notification, offset: Option<u64>) -> Reply {
        let args = notification.args();
        if !self.in_range(args[0]) {
            self.machine.counters.syscall(notification.nr());
            return CONTINUE;
        }
        let buf = UserBuf::from_iovec(notification.tid(), args[1], args[2]);
        self.transfer(notification, buf, offset)
    }

    /// A read or a write: the system call's number says which.
    fn transfer(
        &self,
        notification: &Notification,
        buf: Result<UserBuf, Errno>,
        offset: Option<u64>,
    ) -> Reply {
        let (fd, nr) = (notification.args()[0], notification.nr());
        let Some(found) = self.find(notification, fd) else {
            self.count_transfer(notification);
            return CONTINUE;
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
    fn count_transfer(&self, notification: &Notification) {
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

    fn mmap(&self, notification: &Notification) -> Reply {
        let args = notification.args();
        let Some(found) = self.find(notification, args[4]) else {
            self.machine.counters.syscall(notification.nr());
            return CONTINUE;
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
    fn munmap(&self, notification: &Notification) -> Reply {
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

    fn open(&mut self, notification: &Notification, dir: i32, path: u64, flags: i32) -> Reply {
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

    fn openat2(&mut self, notification: &Notification) -> Reply {
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
    fn open_shadow(&self, notification: &Notification, flags: i32) -> Reply {
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

    fn open_node(&self, notification: &Notification, node: &dyn Node, flags: i32) -> Reply {
        let cloexec = flags & libc::O_CLOEXEC != 0;
        let opened = self.machine.files.open(
            notification.tid(),
            flags,
            |task, memfd| node.open(task, memfd),
            |file| self.give(notification, file, None, cloexec),
        );
        match opened {
            Ok(_) => Reply::Answered,
            Err(Errno(number)) => Reply::Now(Response::Fail(number)),
        }
    }

    /// Gives the client a descriptor of ours: `number`, or a free one in the range.
    fn give(
        &self,
        notification: &Notification,
        file: &OwnedFd,
        number: Option<u32>,
        cloexec: bool,
    ) -> Result<u32, Errno> {
        let _guard = lock(&NUMBERS);
        let number = match number {
            Some(number) => number,
            None => self
                .range()
                .clone()
                .find(|&number| is_free(notification.tid(), number))
                .ok_or(Errno(libc::EMFILE))?,
        };
        self.listener.add_fd(notification.id(), file, Some(number), cloexec).map_err(|error| {
            match error.raw_os_error() {
                // The client has lowered its limit of open files below the range.
                Some(libc::EBADF) => Errno(libc::EMFILE),
                _ => sys::errno(&error),
            }
        })
    }

    /// Gives the client a file that is not trapped later.
    fn inject(
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

    /// dup(2), dup2(2), dup3(2), F_DUPFD. The duplicate of a file of ours must lie in the range, or
    /// it would not be trapped.
    fn duplicate(&self, notification: &Notification, to: Option<u32>, cloexec: bool) -> Reply {
        let from = notification.args()[0];
        let found = self.find(notification, from);
        if let Some(to) = to.filter(|&to| self.in_range(to.into())) {
            self.machine.files.forget_descriptor(to);
        }
        let Some(found) = found else {
            return CONTINUE;
        };
        match to {
            Some(to) if !self.in_range(to.into()) => {
                return Reply::Now(Response::Fail(libc::EINVAL));
            }
            // The kernel knows what this means: nothing, or EINVAL for dup3.
            Some(to) if u64::from(to) == from => return CONTINUE,
            _ => {}
        }
        let given = found
            .task
            .descriptor(from as i32)
            .and_then(|copy| self.give(notification, &copy, to, cloexec));
        match given {
            Ok(_) => Reply::Answered,
            Err(Errno(number)) => Reply::Now(Response::Fail(number)),
        }
    }

    /// Opens the path that the client names, if it is ours, to ask about it.
    fn look_up(
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
    fn is_device(&self) -> bool {
        self.machine.nodes.contains_key(self.paths.current())
    }

    fn stat(
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

    fn statx(&mut self, notification: &Notification) -> Reply {
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

    fn read_link(
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

    fn access(
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
}

/// The device number that stat(2) shows for our character devices: 240 to 254 are for local use.
const DEVICE_NUMBER: libc::dev_t = libc::makedev(240, 0);

/// Whether thread `tid` has no descriptor `number`.
fn is_free(tid: u32, number: u32) -> bool {
    let Some(link) = ProcPath::new(format_args!("/proc/{tid}/fd/{number}")) else {
        return false;
    };
    let mut target = [0; 8];
    let found = sys::fs::read_link_path(link.as_c_str(), &mut target);
    found.is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT))
}
