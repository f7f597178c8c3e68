//! The VFIO device fd and what the device consists of.

#![expect(unsafe_code, reason = "`vfio-ioctls` lends its fd as a number")]

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use vfio_ioctls::{VfioDevice, VfioRegionInfoCap};
use vhost_accel_core::{DoorbellArea, DoorbellLayout, page_size};
use vhost_accel_uapi::call;
use vhost_accel_uapi::vfio::{
    REGION_INFO_FLAG_CAPS, REGION_INFO_FLAG_MMAP, REGION_INFO_FLAG_WRITE,
    REGION_SUBTYPE_VHOST_NOTIFY, REGION_TYPE_VHOST,
};

/// A VFIO device as a file.
///
/// Dropping it closes the device. One that was opened here then takes its group out of the
/// container.
pub struct VfioFd(Source);

enum Source {
    Opened(VfioDevice),
    /// Its group is somebody else's. What it has is asked when it is wanted.
    Handed(OwnedFd),
}

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
/// For a region's description with its capabilities, which are less than 256 bytes.
const ROOM: usize = 512;

impl VfioFd {
    pub(super) fn opened(device: VfioDevice) -> Self {
        Self(Source::Opened(device))
    }

    pub(super) fn handed(device: OwnedFd) -> Self {
        Self(Source::Handed(device))
    }

    /// The region at this index.
    pub fn region(&self, index: u32) -> Option<Region> {
        let region = match &self.0 {
            Source::Opened(device) => Region {
                index,
                flags: device.get_region_flags(index),
                offset: device.get_region_offset(index),
                size: device.get_region_size(index),
            },
            Source::Handed(device) => {
                let mut room = [0; ROOM];
                let (info, _) = call::vfio::get_region_info(device, index, &mut room).ok()?;
                Region { index, flags: info.flags, offset: info.offset, size: info.size }
            }
        };
        // A region that can't even be read, or that the device hasn't got, has no flags.
        (region.flags != 0).then_some(region)
    }

    /// The type and subtype of the region at this index, if its type capability says them.
    fn region_type(&self, index: u32) -> Option<(u32, u32)> {
        match &self.0 {
            Source::Opened(device) => {
                device.get_region_caps(index).iter().find_map(|cap| match cap {
                    VfioRegionInfoCap::Type(kind) => Some((kind.type_, kind.subtype)),
                    VfioRegionInfoCap::SparseMmap(_)
                    | VfioRegionInfoCap::MsixMappable
                    | VfioRegionInfoCap::Nvlink2Ssatgt(_)
                    | VfioRegionInfoCap::Nvlink2Lnkspd(_) => None,
                })
            }
            Source::Handed(device) => {
                let mut room = [0; ROOM];
                let (_, caps) = call::vfio::get_region_info(device, index, &mut room).ok()?;
                caps.region_type().map(|cap| (cap.region_type, cap.subtype))
            }
        }
    }

    /// The vhost region of this subtype, found by its type capability.
    pub fn vhost_region(&self, subtype: u32) -> Option<Region> {
        (0..MOST_REGIONS)
            .filter_map(|index| self.region(index))
            .find(|region| self.region_type(region.index) == Some((REGION_TYPE_VHOST, subtype)))
    }

    /// The region of the doorbells, if the device has one: RFC v3 had none.
    pub fn notify_region(&self) -> Option<Region> {
        self.vhost_region(REGION_SUBTYPE_VHOST_NOTIFY)
    }

    /// How many subindexes an interrupt index has; 0 if there is no such index.
    pub fn irq_count(&self, index: u32) -> u32 {
        match &self.0 {
            Source::Opened(device) => device.get_irq_info(index).map_or(0, |irq| irq.count),
            Source::Handed(device) => {
                call::vfio::get_irq_info(device, index).map_or(0, |irq| irq.count)
            }
        }
    }
}

impl AsFd for VfioFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            // SAFETY: the device owns the fd until it is dropped, which `self` outlives.
            Source::Opened(device) => unsafe { BorrowedFd::borrow_raw(device.as_raw_fd()) },
            Source::Handed(device) => device.as_fd(),
        }
    }
}

impl fmt::Debug for VfioFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VfioFd").field(&self.as_fd().as_raw_fd()).finish()
    }
}
