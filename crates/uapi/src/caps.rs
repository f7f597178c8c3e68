//! The capability chain behind a VFIO information structure.

use zerocopy::FromBytes;

use crate::vfio::{
    CapHeader, IOMMU_INFO_CAP_DMA_AVAIL, IOMMU_INFO_CAP_IOVA_RANGE, IommuCapDmaAvail,
    IommuCapIovaRange, IovaRange, REGION_INFO_CAP_TYPE, REGION_INFO_CAP_VHOST, RegionCapType,
    RegionCapVhost,
};

/// Walks the capabilities in the bytes that the kernel filled.
///
/// Yields each header with the bytes from that header to the end of the buffer. The chain ends
/// where `next` is 0, leads outside the buffer, or doesn't lead forward: the kernel appends, so a
/// chain that turns back is broken and would never end.
#[derive(Clone, Debug)]
pub struct Caps<'a> {
    bytes: &'a [u8],
    next: usize,
}

impl<'a> Caps<'a> {
    /// The chain that begins at `cap_offset` of `bytes`; `bytes` begins with the information
    /// structure. Offset 0 is the empty chain.
    pub fn new(bytes: &'a [u8], cap_offset: u32) -> Self {
        Self { bytes, next: cap_offset as usize }
    }

    /// The first capability with this id and version 1.
    fn capability<T: FromBytes>(&self, id: u16) -> Option<(T, &'a [u8])> {
        let (_, bytes) = self.clone().find(|(head, _)| (head.id, head.version) == (id, 1))?;
        T::read_from_prefix(bytes).ok()
    }

    /// What the region is.
    pub fn region_type(&self) -> Option<RegionCapType> {
        self.capability(REGION_INFO_CAP_TYPE).map(|(cap, _)| cap)
    }

    /// What the vfio-vhost CONFIG region takes beyond RFC v2.
    pub fn vhost(&self) -> Option<RegionCapVhost> {
        self.capability(REGION_INFO_CAP_VHOST).map(|(cap, _)| cap)
    }

    /// How many mappings more the container takes.
    pub fn dma_avail(&self) -> Option<u32> {
        self.capability(IOMMU_INFO_CAP_DMA_AVAIL).map(|(cap, _): (IommuCapDmaAvail, _)| cap.avail)
    }

    /// The usable IOVAs; empty where the kernel doesn't say. Ranges that lie outside the buffer are
    /// left out.
    pub fn iova_ranges(&self) -> impl Iterator<Item = IovaRange> + use<'a> {
        let (count, bytes) = match self.capability::<IommuCapIovaRange>(IOMMU_INFO_CAP_IOVA_RANGE) {
            Some((cap, rest)) => (cap.nr_iovas as usize, rest),
            None => (0, &[][..]),
        };
        bytes.chunks_exact(size_of::<IovaRange>()).take(count).filter_map(|chunk| {
            let range = IovaRange::read_from_bytes(chunk);
            range.ok()
        })
    }
}

impl<'a> Iterator for Caps<'a> {
    type Item = (CapHeader, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == 0 {
            return None;
        }
        let bytes = self.bytes.get(self.next..)?;
        let (head, _) = CapHeader::read_from_prefix(bytes).ok()?;
        let next = head.next as usize;
        self.next = if next > self.next { next } else { 0 };
        Some((head, bytes))
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes;

    use super::*;

    #[test]
    fn both_capabilities_of_a_region_are_found() {
        let mut bytes = vec![0u8; 32];
        let header = CapHeader { id: REGION_INFO_CAP_TYPE, version: 1, next: 48 };
        let kind = RegionCapType { header, region_type: 0x7668, subtype: 1 };
        bytes.extend(kind.as_bytes());
        let header = CapHeader { id: REGION_INFO_CAP_VHOST, version: 1, next: 0 };
        let vhost = RegionCapVhost { header, flags: 3, max_batch: 65536 };
        bytes.extend(vhost.as_bytes());

        let caps = Caps::new(&bytes, 32);
        assert_eq!(caps.clone().count(), 2);
        assert_eq!(caps.region_type(), Some(kind));
        assert_eq!(caps.vhost(), Some(vhost));
        assert_eq!(caps.dma_avail(), None);
        assert_eq!(caps.iova_ranges().count(), 0);
        assert_eq!(Caps::new(&bytes, 0).count(), 0);
        // Cut short, the second capability is not there.
        assert_eq!(Caps::new(&bytes[..60], 32).vhost(), None);
    }

    #[test]
    fn iova_ranges_end_with_the_buffer() {
        let mut bytes = vec![0u8; 24];
        let header = CapHeader { id: IOMMU_INFO_CAP_IOVA_RANGE, version: 1, next: 0 };
        bytes.extend(IommuCapIovaRange { header, nr_iovas: 1000, reserved: 0 }.as_bytes());
        let ranges =
            [IovaRange { start: 0, end: 0xfedf_ffff }, IovaRange { start: 1 << 32, end: 9 }];
        bytes.extend(ranges.as_bytes());
        bytes.extend([0; 15]);
        assert_eq!(Caps::new(&bytes, 24).iova_ranges().collect::<Vec<_>>(), ranges);
    }

    #[test]
    fn a_chain_that_turns_back_ends() {
        let mut bytes = vec![0u8; 8];
        bytes.extend(CapHeader { id: 7, version: 1, next: 16 }.as_bytes());
        bytes.extend(CapHeader { id: 8, version: 1, next: 8 }.as_bytes());
        let ids: Vec<u16> = Caps::new(&bytes, 8).map(|(head, _)| head.id).collect();
        assert_eq!(ids, [7, 8]);
    }
}
