//! DMA by an ioctl for each mapping.

#![expect(unsafe_code, reason = "the device gets access to memory that the caller names")]

use std::fs::File;
use std::io;
use std::sync::Arc;

use vhost_accel_vhost_ioctls::core::{Access, Dma, DmaLimits, DmaMapping, Iova, IovaRange};
use vhost_accel_vhost_ioctls::uapi::call::mdev;
use vhost_accel_vhost_ioctls::uapi::mdev::{DmaInfo, DmaMap};
use vhost_accel_vhost_ioctls::uapi::vhost::{ACCESS_RO, ACCESS_RW, ACCESS_WO};

/// VHOST_MDEV_MAP_DMA and VHOST_MDEV_UNMAP_DMA.
#[derive(Debug)]
pub struct MapUnmap {
    fd: Arc<File>,
}

impl MapUnmap {
    pub(crate) fn new(fd: Arc<File>) -> Self {
        Self { fd }
    }
}

fn request(mapping: &DmaMapping) -> DmaMap {
    let perm = match mapping.access {
        Access::Read => ACCESS_RO,
        Access::Write => ACCESS_WO,
        Access::ReadWrite => ACCESS_RW,
    };
    DmaMap {
        iova: mapping.iova.0,
        size: mapping.len,
        uaddr: mapping.host.0,
        perm: perm.into(),
        flags: 0,
    }
}

/// What the device can map, `max_mappings` at a time.
pub(crate) fn limits(info: &DmaInfo, max_mappings: u32) -> DmaLimits {
    // All 2^64 addresses are one more than a length can say.
    let len = info.iova_last.saturating_sub(info.iova_first).saturating_add(1);
    let ranges = vec![IovaRange::new(Iova(info.iova_first), len)];
    DmaLimits::new(ranges, info.page_sizes, Some(max_mappings.into()))
}

impl Dma for MapUnmap {
    unsafe fn map(&mut self, mapping: &DmaMapping) -> io::Result<()> {
        // SAFETY: the caller promises that the memory may be used until it is unmapped or the
        // device is dropped, and the fd with it.
        unsafe { mdev::dma_map(&self.fd, &request(mapping)) }
    }

    fn unmap(&mut self, range: IovaRange) -> io::Result<()> {
        mdev::dma_unmap(&self.fd, range.start.0, range.len).map(drop)
    }

    fn limits(&self) -> io::Result<DmaLimits> {
        mdev::dma_info(&self.fd).map(|info| limits(&info, info.max_mappings))
    }
}

#[cfg(test)]
mod tests {
    use vhost_accel_vhost_ioctls::core::Hva;

    use super::*;

    #[test]
    fn a_mapping_is_told_with_its_access() {
        let mapping = |access| DmaMapping::new(Iova(0x1000), 0x2000, Hva(0x7f00_0000), access);
        let expected = DmaMap { iova: 0x1000, size: 0x2000, uaddr: 0x7f00_0000, perm: 2, flags: 0 };
        assert_eq!(request(&mapping(Access::Write)), expected);
        assert_eq!(request(&mapping(Access::Read)).perm, 1);
        assert_eq!(request(&mapping(Access::ReadWrite)).perm, 3);
    }

    #[test]
    fn limits_reach_the_last_address() {
        let info = DmaInfo {
            iova_first: 0x1000,
            iova_last: u64::MAX,
            page_sizes: 0x1000,
            max_mappings: 7,
            max_regions: 9,
        };
        let limits = limits(&info, 9);
        assert_eq!(limits.ranges, [IovaRange::new(Iova(0x1000), 0u64.wrapping_sub(0x1000))]);
        assert_eq!(limits.ranges[0].last(), Some(Iova(u64::MAX)));
        assert_eq!((limits.page_sizes, limits.max_mappings), (0x1000, Some(9)));
    }
}
