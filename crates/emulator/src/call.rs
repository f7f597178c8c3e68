//! One trapped system call, as a front end sees it: the client's memory, descriptors and identity.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use vhost_accel_device::Errno;
use zerocopy::{FromBytes, IntoBytes};

use crate::crossings::{Counters, Kind};
use crate::iommu::Container;
use crate::sys;
use crate::task::Task;

/// A node, or several with one device behind them, among all that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(usize);

impl Key {
    pub(crate) fn of<T>(thing: &Arc<T>) -> Self {
        Self(Arc::as_ptr(thing).addr())
    }

    /// Of what can be opened any number of times.
    pub(crate) const SHARED: Self = Self(0);
}

/// What a front end may ask of other open files.
pub(crate) trait OpenFiles {
    /// The container behind descriptor `fd` of thread `tid`. The outer None: it is no file of ours.
    fn container(&self, tid: u32, fd: u32) -> Option<Option<Arc<Container>>>;

    /// Waits until the files of `key` that clients have let go of are released.
    fn settle(&self, key: Key);
}

/// The system call that is being served.
pub(crate) struct Call<'a> {
    pub(crate) task: &'a Task,
    pub(crate) files: &'a dyn OpenFiles,
    pub(crate) counters: &'a Counters,
    pub(crate) nr: i64,
}

impl Call<'_> {
    /// Counts the call under its system call's name.
    pub(crate) fn count_syscall(&self) {
        self.counters.syscall(self.nr);
    }

    /// Counts the call as a `kind`.
    pub(crate) fn count(&self, kind: Kind) {
        self.counters.kind(kind);
    }

    /// Fills `into` from the client's memory. EFAULT.
    pub(crate) fn read_bytes(&self, address: u64, into: &mut [u8]) -> Result<(), Errno> {
        sys::remote::read_memory(self.task.tid, address, into).map_err(|_| Errno(libc::EFAULT))
    }

    /// Copies `from` to the client's memory. EFAULT.
    pub(crate) fn write_bytes(&self, address: u64, from: &[u8]) -> Result<(), Errno> {
        sys::remote::write_memory(self.task.tid, address, from).map_err(|_| Errno(libc::EFAULT))
    }

    /// A structure in the client's memory. EFAULT.
    pub(crate) fn read<T: FromBytes + IntoBytes>(&self, address: u64) -> Result<T, Errno> {
        let mut value = T::new_zeroed();
        self.read_bytes(address, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Puts a structure into the client's memory. EFAULT.
    pub(crate) fn write<T: IntoBytes + zerocopy::Immutable>(
        &self,
        address: u64,
        value: &T,
    ) -> Result<(), Errno> {
        self.write_bytes(address, value.as_bytes())
    }

    /// The eventfd that the client calls `fd`; None for -1. EBADF, EINVAL for what is no eventfd.
    pub(crate) fn eventfd(&self, fd: i32) -> Result<Option<OwnedFd>, Errno> {
        if fd == -1 {
            return Ok(None);
        }
        if fd < 0 {
            return Err(Errno(libc::EBADF));
        }
        let fd = self.task.descriptor(fd)?;
        if sys::fs::is_path(&fd) {
            return Err(Errno(libc::EBADF));
        }
        match sys::fs::is_eventfd(&fd) {
            true => Ok(Some(fd)),
            false => Err(Errno(libc::EINVAL)),
        }
    }

    /// The container that the client calls `fd`. The outer None: it is no file of ours.
    pub(crate) fn container(&self, fd: i32) -> Option<Option<Arc<Container>>> {
        self.files.container(self.task.tid, u32::try_from(fd).ok()?)
    }

    /// Whether the client has a descriptor `fd` by which a driver finds a file: any but those that
    /// were opened with O_PATH.
    pub(crate) fn has_descriptor(&self, fd: i32) -> bool {
        fd >= 0 && self.task.descriptor(fd).is_ok_and(|fd| !sys::fs::is_path(&fd))
    }
}

/// The buffers of a read or write: one, or those of an iovec.
#[derive(Debug)]
pub(crate) struct UserBuf {
    first: Segment,
    rest: Vec<Segment>,
}

#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes)]
#[repr(C)]
struct Segment {
    address: u64,
    len: u64,
}

/// Where a process's addresses end: TASK_SIZE_MAX.
const USER_END: u64 = (1 << 47) - 4096;

/// More segments than the kernel takes: UIO_MAXIOV.
const MAX_SEGMENTS: u64 = 1024;

impl UserBuf {
    /// One buffer.
    pub(crate) fn new(address: u64, len: u64) -> Self {
        Self { first: Segment { address, len }, rest: Vec::new() }
    }

    /// The buffers of `count` iovecs at `iov` in `tid`'s memory. EINVAL, EFAULT.
    pub(crate) fn from_iovec(tid: u32, iov: u64, count: u64) -> Result<Self, Errno> {
        if count > MAX_SEGMENTS {
            return Err(Errno(libc::EINVAL));
        }
        let mut rest = vec![Segment::default(); count as usize];
        sys::remote::read_memory(tid, iov, rest.as_mut_bytes()).map_err(|_| Errno(libc::EFAULT))?;
        let mut total = 0_u64;
        for segment in &rest {
            total = total.saturating_add(segment.len);
        }
        if total > i64::MAX as u64 {
            return Err(Errno(libc::EINVAL));
        }
        let first = Segment::default();
        Ok(Self { first, rest })
    }

    /// EFAULT for addresses that no process has. The kernel looks at that before it asks a driver,
    /// and of a buffer of no bytes too.
    pub(crate) fn check(&self) -> Result<(), Errno> {
        let is_user = |segment: &Segment| {
            segment.address.checked_add(segment.len).is_some_and(|end| end <= USER_END)
        };
        match is_user(&self.first) && self.rest.iter().all(is_user) {
            true => Ok(()),
            false => Err(Errno(libc::EFAULT)),
        }
    }

    /// Bytes of all buffers.
    pub(crate) fn len(&self) -> u64 {
        self.rest.iter().fold(self.first.len, |sum, segment| sum + segment.len)
    }

    /// Fills `into` from the beginning of the buffers. EFAULT, also where they are shorter.
    pub(crate) fn gather(&self, call: &Call<'_>, into: &mut [u8]) -> Result<(), Errno> {
        let mut left = into;
        self.each(left.len(), |segment, part| {
            let (now, later) = std::mem::take(&mut left).split_at_mut(part);
            left = later;
            call.read_bytes(segment.address, now)
        })
    }

    /// Copies `from` to the beginning of the buffers. EFAULT, also where they are shorter.
    pub(crate) fn scatter(&self, call: &Call<'_>, from: &[u8]) -> Result<(), Errno> {
        let mut left = from;
        self.each(left.len(), |segment, part| {
            let (now, later) = left.split_at(part);
            left = later;
            call.write_bytes(segment.address, now)
        })
    }

    fn each(
        &self,
        mut len: usize,
        mut visit: impl FnMut(&Segment, usize) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        for segment in std::iter::once(&self.first).chain(&self.rest) {
            let part = len.min(usize::try_from(segment.len).unwrap_or(usize::MAX));
            if part > 0 {
                visit(segment, part)?;
                len -= part;
            }
        }
        if len == 0 { Ok(()) } else { Err(Errno(libc::EFAULT)) }
    }
}
