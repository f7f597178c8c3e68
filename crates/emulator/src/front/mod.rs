//! The front ends: what each kind of file does when a client uses it.

pub(crate) mod caps;
pub(crate) mod container;
pub(crate) mod group;
pub(crate) mod group_file;
pub(crate) mod mem_table;
pub(crate) mod messages;
pub(crate) mod vfio_device;
pub(crate) mod vhost;
pub(crate) mod vhost_mdev;
pub(crate) mod vhost_vdpa;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use vhost_accel_device::Errno;
use vhost_accel_device::dma::PAGE_SIZE;

use crate::call::{Call, Key, UserBuf};
use crate::iommu::Container;
use crate::task::Task;

/// An open file of the emulated kernel: a kernel's `struct file_operations`.
///
/// Several clients may be in it at once, each on the thread of its own server.
pub(crate) trait Front: Send + Sync {
    /// ioctl(2).
    fn ioctl(&self, call: &Call<'_>, request: u32, arg: u64) -> Result<Answer, Errno>;

    /// read(2) and its relatives, at `offset` where the caller gave one. The bytes read.
    fn read(&self, call: &Call<'_>, buf: &UserBuf, offset: Option<u64>) -> Result<u64, Errno> {
        let _ = (buf, offset);
        call.count_syscall();
        Err(Errno(libc::EINVAL))
    }

    /// write(2) and its relatives, at `offset` where the caller gave one. The bytes written.
    fn write(&self, call: &Call<'_>, buf: &UserBuf, offset: Option<u64>) -> Result<u64, Errno> {
        let _ = (buf, offset);
        call.count_syscall();
        Err(Errno(libc::EINVAL))
    }

    /// mmap(2): whether it may go on. The kernel then maps the memfd itself.
    fn mmap(&self, call: &Call<'_>, mapping: &Mapping) -> Result<(), Errno> {
        let _ = mapping;
        call.count_syscall();
        Err(Errno(libc::ENODEV))
    }

    /// The container that the file is, if it is one.
    fn container(&self) -> Option<Arc<Container>> {
        None
    }

    /// The last descriptor and mapping is gone.
    fn release(&self);
}

/// What an ioctl returns.
pub(crate) enum Answer {
    /// This number.
    Value(i64),
    /// A new descriptor.
    File(Arc<dyn Node>),
}

impl Answer {
    /// Success, with nothing to say.
    pub(crate) const OK: Self = Self::Value(0);
}

/// Something that can be opened.
pub(crate) trait Node: Send + Sync {
    /// What its files have in common: opening one waits until those of the same that were closed
    /// are released.
    fn key(&self) -> Key;

    /// Opens it for `task`; `memfd` is what its descriptor will map.
    fn open(&self, task: &Arc<Task>, memfd: &OwnedFd) -> Result<Arc<dyn Front>, Errno>;
}

/// The arguments of an mmap(2) that a front end decides on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping {
    pub(crate) len: u64,
    pub(crate) prot: i32,
    pub(crate) flags: i32,
    pub(crate) offset: u64,
}

impl Mapping {
    /// MAP_SHARED, or MAP_SHARED_VALIDATE.
    pub(crate) fn is_shared(&self) -> bool {
        self.flags & libc::MAP_SHARED != 0
    }

    /// Whether it is a run of the `count` pages that begin at `start`, page-aligned as the kernel
    /// will have it.
    pub(crate) fn is_within(&self, start: u64, count: u16) -> bool {
        let end = u64::from(count) * PAGE_SIZE;
        match self.offset.checked_sub(start) {
            Some(first) => first < end && self.len.div_ceil(PAGE_SIZE) <= (end - first) / PAGE_SIZE,
            None => false,
        }
    }
}

/// The last address of a range that can be unmapped: whole pages, not empty, not wrapping.
pub(crate) fn last_of(iova: u64, size: u64) -> Option<u64> {
    let aligned = (iova | size).is_multiple_of(PAGE_SIZE);
    iova.checked_add(size.checked_sub(1)?).filter(|_| aligned)
}
