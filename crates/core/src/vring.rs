//! A vring as it is set up.

use std::fmt;
use std::os::fd::BorrowedFd;

use crate::address::Iova;
use crate::base::VringBase;

/// The number of a vring on its device, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueIndex(pub u16);

impl fmt::Display for QueueIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Everything that a vring needs to run: see
/// [`VhostAccel::setup_vrings`](crate::VhostAccel::setup_vrings).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Vring<'fd> {
    /// Which vring.
    pub queue: QueueIndex,
    /// Entries: a power of two, at most [`DeviceInfo::max_queue_size`](crate::DeviceInfo).
    pub size: u16,
    /// Where to go on: at the start for a new ring, else at what
    /// [`vring_base`](crate::VhostAccel::vring_base) read.
    pub base: VringBase,
    /// The descriptor table, 16-byte aligned.
    pub desc: Iova,
    /// The available (driver) ring, 2-byte aligned.
    pub avail: Iova,
    /// The used (device) ring, 4-byte aligned.
    pub used: Iova,
    /// The call eventfd; `None` for a vring that is polled.
    pub call: Option<BorrowedFd<'fd>>,
    /// Whether the vring runs from the start, or waits for
    /// [`enable_vring`](crate::VhostAccel::enable_vring).
    pub enabled: bool,
}

impl<'fd> Vring<'fd> {
    /// A new split ring: from index 0 on, polled, and running from the start.
    pub const fn new(queue: QueueIndex, size: u16, desc: Iova, avail: Iova, used: Iova) -> Self {
        let base = VringBase::SPLIT_START;
        Self { queue, size, base, desc, avail, used, call: None, enabled: true }
    }

    /// The same, going on from `base`.
    #[must_use]
    pub const fn with_base(self, base: VringBase) -> Self {
        Self { base, ..self }
    }

    /// The same with this call eventfd, or without one.
    #[must_use]
    pub const fn with_call(self, call: Option<BorrowedFd<'fd>>) -> Self {
        Self { call, ..self }
    }

    /// The same, waiting for [`enable_vring`](crate::VhostAccel::enable_vring).
    #[must_use]
    pub const fn disabled(self) -> Self {
        Self { enabled: false, ..self }
    }
}
