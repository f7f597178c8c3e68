//! Open files of the emulated kernel, and which descriptor of which thread is one of them.
//!
//! A file is a sparse memfd. The client gets a second open file description of it; inotify tells
//! when the kernel has let go of that one for good, after the last close, dup, fork's copy, exit,
//! exec and munmap, which is when a kernel calls a driver's release. So nothing here follows what a
//! client does with its descriptors.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use vhost_accel_device::{Errno, lock};
use vmm_sys_util::eventfd::EventFd;

use crate::call::{Key, OpenFiles};
use crate::chardevs::Chardev;
use crate::closes::{Closes, Inbox};
use crate::error::Error;
use crate::front::{Front, Node};
use crate::iommu::Container;
use crate::proc::ProcPath;
use crate::sys;
use crate::sys::fs::Inode;
use crate::sys::wait::Poller;
use crate::task::{Task, tgid_of};

/// Bytes of every file: beyond the largest mmap offset that any interface has.
pub(crate) const FILE_SIZE: u64 = (1 << 40) + (1 << 32);

/// Threads that are remembered; forgetting them costs a look into /proc.
const MOST_TASKS: usize = 1024;

/// One open file.
pub(crate) struct OpenFile {
    inode: Inode,
    /// What it has in common with others.
    pub(crate) key: Key,
    /// What the file does.
    pub(crate) front: Arc<dyn Front>,
    /// What was opened. None: it has no name, as the descriptor of a VFIO device.
    pub(crate) chardev: Option<Arc<Chardev>>,
    /// Kept, so that the inode lives as long as anybody here compares with it.
    pub(crate) memfd: OwnedFd,
}

/// A descriptor that was looked up.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) file: Arc<OpenFile>,
    pub(crate) task: Arc<Task>,
}

/// All open files of one emulated kernel.
pub(crate) struct Files {
    closes: Arc<Closes>,
    inbox: Arc<Inbox>,
    poller: Poller,
    /// Locked before `descriptors`.
    table: Mutex<Table>,
    /// A file has left [`Table::releasing`].
    released: Condvar,
    descriptors: Mutex<Descriptors>,
}

#[derive(Default)]
struct Table {
    by_inode: HashMap<Inode, Arc<OpenFile>>,
    by_watch: HashMap<i32, Inode>,
    /// Closed, but not yet released: a device stops at a chain boundary, and the memory of a chain
    /// may be a page that its owner is slow to serve. So nobody waits for that with the table
    /// locked.
    releasing: Vec<Arc<OpenFile>>,
}

/// What was looked up before. The truth is in /proc; this is what makes it cheap to ask twice.
#[derive(Default)]
struct Descriptors {
    found: HashMap<(u32, u32), Found>,
    tasks: HashMap<u32, Arc<Task>>,
}

/// What the poller of [`Files`] can report beside the end of a thread, whose token is its number.
const TOKEN_CLOSED: u64 = u64::MAX;
const TOKEN_STOP: u64 = u64::MAX - 1;

/// What the link of a device's descriptor says to whom it is none.
const NAME: &CStr = c"vhost-accel: a device to threads and programs started by its client alone";

impl Files {
    /// No files yet. `stop` becomes readable when [`Files::reap`] is to return.
    pub(crate) fn new(stop: &EventFd) -> Result<Self, Error> {
        let closes = Closes::shared()?;
        let (inbox, poller) =
            Self::equipment(&closes, stop).map_err(Error::setup("a place for open files"))?;
        Ok(Self {
            closes,
            inbox,
            poller,
            table: Mutex::default(),
            released: Condvar::new(),
            descriptors: Mutex::default(),
        })
    }

    fn equipment(closes: &Closes, stop: &EventFd) -> io::Result<(Arc<Inbox>, Poller)> {
        let inbox = Inbox::new()?;
        let poller = Poller::new()?;
        inbox.poll(closes, &poller, TOKEN_CLOSED)?;
        poller.add(stop, TOKEN_STOP)?;
        Ok((inbox, poller))
    }

    /// Releases what clients let go of, and forgets threads that ended, until told to stop.
    pub(crate) fn reap(self: &Arc<Self>) {
        loop {
            match self.poller.wait() {
                Ok(TOKEN_CLOSED) => {
                    for file in self.closed() {
                        let files = Arc::clone(self);
                        let released = Arc::clone(&file);
                        let thread = thread::Builder::new().name("emukern-release".to_owned());
                        if thread.spawn(move || files.release(&released)).is_err() {
                            self.release(&file);
                        }
                    }
                }
                Ok(TOKEN_STOP) | Err(_) => return,
                Ok(tid) => self.forget_thread(tid as u32),
            }
        }
    }

    /// Releases the files that clients have let go of by now, and waits until those of `key` are
    /// released that others are about.
    pub(crate) fn drain(&self, key: Option<Key>) {
        for file in self.closed() {
            self.release(&file);
        }
        let mut table = lock(&self.table);
        while table.releasing.iter().any(|file| Some(file.key) == key) {
            table = self.released.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The files that clients have let go of since this was asked last: whoever asks releases them.
    fn closed(&self) -> Vec<Arc<OpenFile>> {
        let mut closed = Vec::new();
        let mut table = lock(&self.table);
        for watch in self.closes.take(&self.inbox) {
            let inode = table.by_watch.remove(&watch);
            let Some(file) = inode.and_then(|inode| table.by_inode.remove(&inode)) else {
                continue;
            };
            lock(&self.descriptors).found.retain(|_, found| found.file.inode != file.inode);
            table.releasing.push(Arc::clone(&file));
            closed.push(file);
        }
        closed
    }

    fn release(&self, file: &Arc<OpenFile>) {
        file.front.release();
        lock(&self.table).releasing.retain(|other| !Arc::ptr_eq(other, file));
        self.released.notify_all();
    }

    /// Whether any file is open.
    pub(crate) fn any(&self) -> bool {
        !lock(&self.table).by_inode.is_empty()
    }

    /// Opens a node, and says that it was `chardev` where it has a name: `install` gives the
    /// descriptor to the client and returns its number there.
    pub(crate) fn open(
        &self,
        tid: u32,
        flags: i32,
        (node, chardev): (&dyn Node, Option<Arc<Chardev>>),
        install: impl FnOnce(&OwnedFd) -> Result<u32, Errno>,
    ) -> Result<u32, Errno> {
        // A close that has returned to its caller has been seen from here on: no stale EBUSY.
        let key = node.key();
        self.drain(Some(key));
        let task = self.task(tid)?;
        let memfd = sys::fs::memfd(NAME, FILE_SIZE)?;
        let stat = sys::fs::stat(&memfd)?;
        let inode = (stat.st_dev, stat.st_ino);
        let link = ProcPath::new(format_args!("/proc/self/fd/{}", memfd.as_raw_fd()))
            .ok_or(Errno(libc::ENAMETOOLONG))?;
        let flags = flags & (libc::O_ACCMODE | libc::O_NONBLOCK);
        let description = sys::fs::open(link.as_c_str(), flags)?;
        let front = node.open(&task, &memfd)?;
        let released = |error: io::Error| {
            front.release();
            Errno::from(error)
        };
        let mut table = lock(&self.table);
        let watch = self.closes.watch(link.as_c_str(), &self.inbox).map_err(released)?;
        // Nobody opens it again but through us, and nobody executes it.
        sys::fs::forbid(&memfd).map_err(released)?;
        let file = Arc::new(OpenFile { inode, key, front, chardev, memfd });
        table.by_inode.insert(inode, Arc::clone(&file));
        table.by_watch.insert(watch, inode);
        // From here on a failure is a close: the description ends, and the next drain sees it.
        let number = install(&description)?;
        let mut descriptors = lock(&self.descriptors);
        descriptors.found.retain(|&(_, fd), _| fd != number);
        descriptors.found.insert((tid, number), Found { file, task });
        // Our own copy ends while the table is locked: nobody else takes it for the client's.
        drop(description);
        Ok(number)
    }

    /// Calls `give` with a copy of descriptor `fd` of thread `tid`, for the client to have.
    pub(crate) fn with_copy<T>(
        &self,
        tid: u32,
        fd: i32,
        give: impl FnOnce(&OwnedFd) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let task = self.task(tid)?;
        // A client that has its own may close it while we still have ours, and another server would
        // see no last close. Ours ends while the table is locked, and who looks for closes waits
        // for that.
        let table = lock(&self.table);
        let copy = task.descriptor(fd)?;
        let given = give(&copy);
        drop(copy);
        drop(table);
        given
    }

    /// The open file behind descriptor `fd` of thread `tid`, if it is one of this kernel.
    pub(crate) fn find(&self, tid: u32, fd: u32) -> Option<Found> {
        if let Some(found) = lock(&self.descriptors).found.get(&(tid, fd)) {
            return Some(found.clone());
        }
        let link = ProcPath::new(format_args!("/proc/{tid}/fd/{fd}"))?;
        let stat = sys::fs::stat_path(link.as_c_str()).ok()?;
        let table = lock(&self.table);
        let file = Arc::clone(table.by_inode.get(&(stat.st_dev, stat.st_ino))?);
        let task = self.task(tid).ok()?;
        let found = Found { file, task };
        lock(&self.descriptors).found.insert((tid, fd), found.clone());
        Some(found)
    }

    /// Descriptor `fd` is about to mean something else, in whatever process.
    pub(crate) fn forget_descriptor(&self, fd: u32) {
        self.forget_descriptors(fd, fd);
    }

    /// The same of all from `first` to `last`.
    pub(crate) fn forget_descriptors(&self, first: u32, last: u32) {
        lock(&self.descriptors).found.retain(|&(_, fd), _| fd < first || fd > last);
    }

    /// Thread `tid` is about to execute another program: its process's descriptors may be closed,
    /// and it goes on under its process's number.
    pub(crate) fn forget_process(&self, tid: u32) {
        let mut descriptors = lock(&self.descriptors);
        let tgid = match descriptors.tasks.get(&tid) {
            Some(task) => task.tgid,
            None => tgid_of(tid).unwrap_or(tid),
        };
        descriptors.found.retain(|_, found| found.task.tgid != tgid);
        descriptors.tasks.retain(|_, task| task.tgid != tgid);
    }

    fn forget_thread(&self, tid: u32) {
        let mut descriptors = lock(&self.descriptors);
        descriptors.found.retain(|&(of, _), _| of != tid);
        // Closing the last copy of its pidfd takes it off the poller.
        descriptors.tasks.remove(&tid);
    }

    /// Thread `tid`.
    pub(crate) fn task(&self, tid: u32) -> Result<Arc<Task>, Errno> {
        let mut descriptors = lock(&self.descriptors);
        if let Some(task) = descriptors.tasks.get(&tid) {
            return Ok(Arc::clone(task));
        }
        if descriptors.tasks.len() >= MOST_TASKS {
            // Where the end of a thread is not told of (before Linux 6.9) they would pile up.
            *descriptors = Descriptors::default();
        }
        let task = Arc::new(Task::open(tid)?);
        self.poller.add(task.pidfd(), u64::from(tid))?;
        descriptors.tasks.insert(tid, Arc::clone(&task));
        Ok(task)
    }

    /// How many files are open, descriptors are remembered, and threads are known.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        let files = lock(&self.table).by_inode.len();
        let descriptors = lock(&self.descriptors);
        (files, descriptors.found.len(), descriptors.tasks.len())
    }
}

impl OpenFiles for Files {
    fn container(&self, tid: u32, fd: u32) -> Option<Option<Arc<Container>>> {
        self.find(tid, fd).map(|found| found.file.front.container())
    }

    fn settle(&self, key: Key) {
        self.drain(Some(key));
    }
}
