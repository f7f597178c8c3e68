//! Descriptor chains: virtio 1.2, section 2.7.5.

use virtio_bindings::virtio_ring::{VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT, VRING_DESC_F_WRITE};

use crate::dma::{DmaView, Segment};
use crate::fault::FaultKind;

const DESCRIPTOR: usize = 16;

/// One descriptor: `struct virtq_desc`.
struct Descriptor {
    address: u64,
    len: u32,
    flags: u32,
    next: u16,
}

impl Descriptor {
    fn parse(bytes: &[u8; DESCRIPTOR]) -> Self {
        let [a0, a1, a2, a3, a4, a5, a6, a7, l0, l1, l2, l3, f0, f1, n0, n1] = *bytes;
        Self {
            address: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            len: u32::from_le_bytes([l0, l1, l2, l3]),
            flags: u16::from_le_bytes([f0, f1]).into(),
            next: u16::from_le_bytes([n0, n1]),
        }
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// A chain, read and found well-formed. Kept for reuse: reading one allocates nothing once it has
/// room for the longest.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    segments: Vec<Segment>,
    /// Where the device-writable segments start.
    writable: usize,
    readable_len: u64,
    writable_len: u64,
    table: Vec<u8>,
}

impl Chain {
    /// The device-readable segments, in order.
    pub(crate) fn readable(&self) -> &[Segment] {
        &self.segments[..self.writable]
    }

    /// The device-writable segments, in order, behind all readable ones.
    pub(crate) fn writable(&self) -> &[Segment] {
        &self.segments[self.writable..]
    }

    /// Bytes in the readable segments.
    pub(crate) fn readable_len(&self) -> u64 {
        self.readable_len
    }

    /// Bytes in the writable segments.
    pub(crate) fn writable_len(&self) -> u64 {
        self.writable_len
    }

    /// Reads the chain that starts at `head` of the `size` descriptors at `table`. It may end in an
    /// indirect table if those were negotiated.
    pub(crate) fn read(
        &mut self,
        view: &DmaView<'_>,
        table: u64,
        size: u16,
        head: u16,
        indirect: bool,
    ) -> Result<(), FaultKind> {
        self.segments.clear();
        self.writable = 0;
        self.readable_len = 0;
        self.writable_len = 0;
        let mut index = head;
        for _ in 0..size {
            if index >= size {
                return Err(FaultKind::DescriptorIndex);
            }
            let mut bytes = [0; DESCRIPTOR];
            let address = table.checked_add(u64::from(index) * DESCRIPTOR as u64);
            view.read(address.ok_or(FaultKind::Unmapped)?, &mut bytes)?;
            let descriptor = Descriptor::parse(&bytes);
            if descriptor.has(VRING_DESC_F_INDIRECT) {
                if !indirect {
                    return Err(FaultKind::IndirectFeature);
                }
                if descriptor.has(VRING_DESC_F_NEXT) {
                    return Err(FaultKind::IndirectNext);
                }
                return self.read_indirect(view, &descriptor, size);
            }
            self.push(&descriptor, size)?;
            if !descriptor.has(VRING_DESC_F_NEXT) {
                return Ok(());
            }
            index = descriptor.next;
        }
        // More steps than descriptors: one was visited twice.
        Err(FaultKind::Loop)
    }

    /// Reads an indirect table, which ends the chain.
    fn read_indirect(
        &mut self,
        view: &DmaView<'_>,
        indirect: &Descriptor,
        size: u16,
    ) -> Result<(), FaultKind> {
        let len = indirect.len as usize;
        let entries = len / DESCRIPTOR;
        if len == 0 || !len.is_multiple_of(DESCRIPTOR) || entries > usize::from(size) {
            return Err(FaultKind::IndirectLength);
        }
        let mut table = std::mem::take(&mut self.table);
        table.resize(len, 0);
        let walked = view
            .read(indirect.address, &mut table)
            .map_err(FaultKind::from)
            .and_then(|()| self.walk_indirect(&table, size));
        self.table = table;
        walked
    }

    fn walk_indirect(&mut self, table: &[u8], size: u16) -> Result<(), FaultKind> {
        let (table, _) = table.as_chunks::<DESCRIPTOR>();
        let mut index = 0;
        for _ in 0..table.len() {
            let bytes = table.get(usize::from(index)).ok_or(FaultKind::DescriptorIndex)?;
            let descriptor = Descriptor::parse(bytes);
            if descriptor.has(VRING_DESC_F_INDIRECT) {
                return Err(FaultKind::NestedIndirect);
            }
            self.push(&descriptor, size)?;
            if !descriptor.has(VRING_DESC_F_NEXT) {
                return Ok(());
            }
            index = descriptor.next;
        }
        Err(FaultKind::Loop)
    }

    fn push(&mut self, descriptor: &Descriptor, size: u16) -> Result<(), FaultKind> {
        if self.segments.len() == usize::from(size) {
            return Err(FaultKind::ChainTooLong);
        }
        let segment = Segment { iova: descriptor.address, len: descriptor.len.into() };
        // Whether it will be accessed or not: a range that wraps is nowhere.
        if segment.len > 0 && segment.iova.checked_add(segment.len - 1).is_none() {
            return Err(FaultKind::Unmapped);
        }
        if descriptor.has(VRING_DESC_F_WRITE) {
            self.writable_len += segment.len;
        } else if self.writable < self.segments.len() {
            return Err(FaultKind::ReadableAfterWritable);
        } else {
            self.writable += 1;
            self.readable_len += segment.len;
        }
        self.segments.push(segment);
        Ok(())
    }
}
