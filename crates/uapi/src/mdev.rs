//! vhost-mdev: the DMA requests that `/dev/vhost-mdev-N` (#2) adds to vhost's own.
//!
//! Section 4 of `docs/abi.md`. The numbers lie above what vhost uses, in its type.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ioc::{ior, iow, iowr};
use crate::vhost::TYPE;

/// Maps caller memory for the device, [`DmaMap`]: `VHOST_MDEV_MAP_DMA`.
pub const MAP_DMA: u32 = iow::<DmaMap>(TYPE, 0x90);
/// Removes whole mappings, [`DmaUnmap`]: `VHOST_MDEV_UNMAP_DMA`.
pub const UNMAP_DMA: u32 = iowr::<DmaUnmap>(TYPE, 0x91);
/// What can be mapped, [`DmaInfo`]: `VHOST_MDEV_GET_DMA_INFO`.
pub const GET_DMA_INFO: u32 = ior::<DmaInfo>(TYPE, 0x92);

/// Live mappings that one device takes; more is ENOSPC. `VHOST_MDEV_MAX_MAPPINGS`.
pub const MAX_MAPPINGS: u32 = 1_048_576 + 64;
/// Regions that one memory table may have; more is E2BIG. `VHOST_MDEV_MAX_REGIONS`.
pub const MAX_REGIONS: u32 = 509;

/// A mapping to make: `struct vhost_mdev_dma_map`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct DmaMap {
    /// First IOVA, page aligned.
    pub iova: u64,
    /// Length in bytes, whole pages.
    pub size: u64,
    /// Address of the first byte in the caller's memory, page aligned.
    pub uaddr: u64,
    /// `ACCESS_*` of [`vhost`](crate::vhost).
    pub perm: u32,
    /// Must be 0.
    pub flags: u32,
}

/// A range to unmap: `struct vhost_mdev_dma_unmap`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct DmaUnmap {
    /// First IOVA.
    pub iova: u64,
    /// Length in bytes; the kernel writes back how many bytes it unmapped.
    pub size: u64,
}

/// What can be mapped: `struct vhost_mdev_dma_info`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct DmaInfo {
    /// First IOVA.
    pub iova_first: u64,
    /// Last IOVA.
    pub iova_last: u64,
    /// Bit n: pages of 2^n bytes.
    pub page_sizes: u64,
    /// Live mappings, [`MAX_MAPPINGS`].
    pub max_mappings: u32,
    /// Regions of a memory table, [`MAX_REGIONS`].
    pub max_regions: u32,
}
