//! The VFIO container as the DMA column.

#![expect(
    unsafe_code,
    reason = "the device gets access to memory; `vfio-ioctls` lends its fd as a number"
)]

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use vfio_ioctls::VfioContainer;
use vhost_accel_core::{
    Access, Capabilities, Dma, DmaLimits, DmaMapping, Iova, IovaRange, page_size,
};
use vhost_accel_uapi::call::vfio;
use vhost_accel_uapi::caps::Caps;
use vhost_accel_uapi::vfio::{DMA_MAP_FLAG_READ, DMA_MAP_FLAG_WRITE, IommuInfo};

/// A VFIO container of IOMMU type 1 v2, of one device.
pub struct Container(Source);

enum Source {
    Opened(Arc<VfioContainer>),
    Handed(OwnedFd),
}

impl Container {
    /// What a device can with a container of its own.
    pub const CAPABILITIES: Capabilities = Capabilities::DMA
        .union(Capabilities::DMA_ACCESS)
        .union(Capabilities::DMA_ERRNO)
        .union(Capabilities::DMA_INCREMENTAL);

    pub(super) fn opened(container: Arc<VfioContainer>) -> Self {
        Self(Source::Opened(container))
    }

    pub(super) fn handed(container: OwnedFd) -> Self {
        Self(Source::Handed(container))
    }
}

/// Bytes of all IOVAs but the last page, which no length can say along with the others.
fn whole() -> u64 {
    !(page_size() as u64 - 1)
}

impl Drop for Container {
    /// What is mapped goes with the device, also when somebody else has the container open.
    fn drop(&mut self) {
        match &self.0 {
            // It closes, which unmaps everything.
            Source::Opened(_) => {}
            Source::Handed(container) => {
                // No mapping is cut, since `map` makes none beyond. It can't fail but with the
                // container gone.
                let _ = vfio::unmap_dma(container, 0, whole());
            }
        }
    }
}

impl AsFd for Container {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            // SAFETY: the container owns the fd until it is dropped, which `self` outlives.
            Source::Opened(container) => unsafe { BorrowedFd::borrow_raw(container.as_raw_fd()) },
            Source::Handed(container) => container.as_fd(),
        }
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Container").field(&self.as_fd().as_raw_fd()).finish()
    }
}

const fn flags(access: Access) -> u32 {
    match access {
        Access::Read => DMA_MAP_FLAG_READ,
        Access::Write => DMA_MAP_FLAG_WRITE,
        Access::ReadWrite => DMA_MAP_FLAG_READ | DMA_MAP_FLAG_WRITE,
    }
}

impl Dma for Container {
    unsafe fn map(&mut self, mapping: &DmaMapping) -> io::Result<()> {
        let DmaMapping { iova, len, host, access, .. } = *mapping;
        // What `drop` couldn't unmap isn't mapped.
        let handed = matches!(self.0, Source::Handed(_));
        if handed && mapping.range().last().is_none_or(|last| last.0 >= whole()) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: the caller promises that the memory may be used until it is unmapped or the
        // device is dropped, and the container with it.
        unsafe { vfio::map_dma(self.as_fd(), iova.0, len, host.0, flags(access)) }
    }

    fn unmap(&mut self, range: IovaRange) -> io::Result<()> {
        match vfio::unmap_dma(self.as_fd(), range.start.0, range.len)? {
            // VFIO's way of saying that there was nothing.
            0 => Err(io::Error::from_raw_os_error(libc::ENOENT)),
            _ => Ok(()),
        }
    }

    fn limits(&self) -> io::Result<DmaLimits> {
        let mut room = vec![0; 1024];
        loop {
            let size = room.len();
            let (info, caps) = vfio::iommu_get_info(self.as_fd(), &mut room)?;
            let needed = info.argsz as usize;
            if needed <= size {
                return Ok(limits(&info, &caps));
            }
            room.resize(needed, 0);
        }
    }
}

/// The DMA column of a device whose container is somebody else's: EOPNOTSUPP to everything.
///
/// Mappings that are made in that container are this device's as well.
#[derive(Clone, Copy, Debug)]
pub struct ElsewhereMapped;

impl Dma for ElsewhereMapped {
    unsafe fn map(&mut self, _: &DmaMapping) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
    }

    fn unmap(&mut self, _: IovaRange) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
    }

    fn limits(&self) -> io::Result<DmaLimits> {
        Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
    }
}

fn limits(info: &IommuInfo, caps: &Caps<'_>) -> DmaLimits {
    let mut ranges: Vec<_> = caps
        .iova_ranges()
        // All 2^64 addresses are one more than a length can say.
        .map(|range| {
            let len = range.end.saturating_sub(range.start).saturating_add(1);
            IovaRange::new(Iova(range.start), len)
        })
        .collect();
    if ranges.is_empty() {
        ranges.push(IovaRange::new(Iova(0), u64::MAX));
    }
    DmaLimits::new(ranges, info.iova_pgsizes, caps.dma_avail().map(u64::from))
}

#[cfg(test)]
mod tests {
    use vhost_accel_uapi::vfio::{
        CapHeader, IOMMU_INFO_CAP_DMA_AVAIL, IOMMU_INFO_CAP_IOVA_RANGE, IommuCapDmaAvail,
        IommuCapIovaRange, IovaRange as VfioIovaRange,
    };
    use zerocopy::IntoBytes;

    use super::*;

    #[test]
    fn limits_come_out_of_the_capabilities() {
        let mut bytes = vec![0; 24];
        let header = CapHeader { id: IOMMU_INFO_CAP_IOVA_RANGE, version: 1, next: 72 };
        bytes.extend(IommuCapIovaRange { header, nr_iovas: 2, reserved: 0 }.as_bytes());
        bytes.extend(VfioIovaRange { start: 0, end: 0xfedf_ffff }.as_bytes());
        bytes.extend(VfioIovaRange { start: 0, end: u64::MAX }.as_bytes());
        let header = CapHeader { id: IOMMU_INFO_CAP_DMA_AVAIL, version: 1, next: 0 };
        bytes.extend(IommuCapDmaAvail { header, avail: 65535 }.as_bytes());
        let info = IommuInfo { iova_pgsizes: !0xfff, ..Default::default() };
        let ranges = vec![IovaRange::new(Iova(0), 0xfee0_0000), IovaRange::new(Iova(0), u64::MAX)];
        let expected = DmaLimits::new(ranges, !0xfff, Some(65535));
        assert_eq!(limits(&info, &Caps::new(&bytes, 24)), expected);
        let silent = limits(&info, &Caps::new(&bytes, 0));
        assert_eq!(silent.ranges, [IovaRange::new(Iova(0), u64::MAX)]);
        assert_eq!(silent.max_mappings, None);
    }

    #[test]
    fn access_is_told() {
        assert_eq!(flags(Access::Read), 1);
        assert_eq!(flags(Access::Write), 2);
        assert_eq!(flags(Access::ReadWrite), 3);
    }
}
