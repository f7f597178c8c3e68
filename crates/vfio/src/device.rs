//! The VFIO device fd and what the device consists of.

#![expect(unsafe_code, reason = "`vfio-ioctls` lends its fd as a number")]

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use vfio_ioctls::{VfioDevice, VfioRegionInfoCap};
use vhost_accel_core::{DoorbellArea, DoorbellLayout, page_size};
use vhost_accel_uapi::vfio::{
    REGION_INFO_FLAG_CAPS, REGION_INFO_FLAG_MMAP, REGION_INFO_FLAG_WRITE,
    REGION_SUBTYPE_VHOST_NOTIFY, REGION_TYPE_VHOST,
};

/// A VFIO device as a file.
///
/// Dropping it closes the device, and then takes its group out of the container.
pub struct VfioFd(VfioDevice);

/// A region of a VFIO device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its index.
    pub index: u32,
    /// `REGION_INFO_FLAG_*` of `vhost_accel_uapi::vfio`.
    pub flags: u32,
    /// Where it begins on the device fd.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

impl Region {
    /// Whether it can be written.
    pub fn is_writable(&self) -> bool {
        self.flags & REGION_INFO_FLAG_WRITE != 0
    }

    /// Whether its information comes with capabilities.
    pub fn has_capabilities(&self) -> bool {
        self.flags & REGION_INFO_FLAG_CAPS != 0
    }

    /// Its pages as doorbells, one of each vring; `None` if it can't be mapped. Maps nothing yet.
    pub fn doorbells(&self) -> Option<DoorbellArea> {
        let pages = self.size / page_size() as u64;
        let count = u16::try_from(pages).unwrap_or(u16::MAX);
        let layout = DoorbellLayout::new(self.offset, count, true);
        (self.flags & REGION_INFO_FLAG_MMAP != 0).then(|| DoorbellArea::new(layout))
    }
}

/// More than any VFIO device has; the PCI one has 9 and those of its vendor.
const MOST_REGIONS: u32 = 64;

impl VfioFd {
    pub(super) fn new(device: VfioDevice) -> Self {
        Self(device)
    }

    /// The region at this index.
    pub fn region(&self, index: u32) -> Option<Region> {
        let device = &self.0;
        // A region that can't even be read, or that the device hasn't got, has no flags.
        let flags = Some(device.get_region_flags(index)).filter(|&flags| flags != 0)?;
        let (offset, size) = (device.get_region_offset(index), device.get_region_size(index));
        Some(Region { index, flags, offset, size })
    }

    /// The vhost region of this subtype, found by its type capability.
    pub fn vhost_region(&self, subtype: u32) -> Option<Region> {
        (0..MOST_REGIONS).filter_map(|index| self.region(index)).find(|region| {
            self.0.get_region_caps(region.index).iter().any(|cap| {
                matches!(cap, VfioRegionInfoCap::Type(kind)
                    if (kind.type_, kind.subtype) == (REGION_TYPE_VHOST, subtype))
            })
        })
    }

    /// The region of the doorbells, if the device has one: RFC v3 had none.
    pub fn notify_region(&self) -> Option<Region> {
        self.vhost_region(REGION_SUBTYPE_VHOST_NOTIFY)
    }

    /// How many subindexes an interrupt index has; 0 if there is no such index.
    pub fn irq_count(&self, index: u32) -> u32 {
        self.0.get_irq_info(index).map_or(0, |irq| irq.count)
    }
}

impl AsFd for VfioFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the device owns the fd until it is dropped, which `self` outlives.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }
    }
}

impl fmt::Debug for VfioFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VfioFd").field(&self.0.as_raw_fd()).finish()
    }
}
