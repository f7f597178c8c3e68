//! A split virtqueue as it lies in memory (virtio 1.2, 2.7), with no opinion on what is in it.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use vhost_accel_core::{Iova, QueueIndex, Vring, page_size};

use super::memory::Region;

/// VIRTQ_DESC_F_NEXT: another descriptor follows.
pub const NEXT: u16 = 1;
/// VIRTQ_DESC_F_WRITE: the device writes.
pub const WRITE: u16 = 2;
/// VIRTQ_DESC_F_INDIRECT: the buffer is a table of descriptors.
pub const INDIRECT: u16 = 4;

/// `struct virtq_desc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// Where the buffer is.
    pub addr: u64,
    /// Its bytes.
    pub len: u32,
    /// [`NEXT`], [`WRITE`], [`INDIRECT`].
    pub flags: u16,
    /// The next descriptor of the chain.
    pub next: u16,
}

impl Descriptor {
    /// The bytes of a descriptor in memory.
    pub const SIZE: usize = 16;

    /// A buffer that the device reads.
    pub const fn readable(addr: Iova, len: u32) -> Self {
        Self { addr: addr.0, len, flags: 0, next: 0 }
    }

    /// A buffer that the device writes.
    pub const fn writable(addr: Iova, len: u32) -> Self {
        Self { addr: addr.0, len, flags: WRITE, next: 0 }
    }

    /// A table of `len` bytes.
    pub const fn indirect(addr: Iova, len: u32) -> Self {
        Self { addr: addr.0, len, flags: INDIRECT, next: 0 }
    }

    /// The same, followed by descriptor `next`.
    #[must_use]
    pub const fn then(mut self, next: u16) -> Self {
        self.flags |= NEXT;
        self.next = next;
        self
    }
}

/// `struct virtq_used_elem`: a chain that the device gave back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The chain's first descriptor.
    pub id: u32,
    /// The bytes that the device wrote.
    pub len: u32,
}

/// A ring's three parts in a [`Region`], each field to be read and written at will.
///
/// The descriptor table and the available ring share pages; the used ring has its own, so that what
/// the device writes can be told apart.
#[derive(Clone, Debug)]
pub struct RawRing {
    region: Arc<Region>,
    size: u16,
    desc: usize,
    avail: usize,
    used: usize,
    /// The IOVA of the region's first byte.
    iova: Iova,
}

impl RawRing {
    /// The bytes that a ring of `size` entries takes: whole pages.
    pub fn bytes(size: u16) -> usize {
        Self::used_offset(size) + (6 + 8 * usize::from(size)).next_multiple_of(page_size())
    }

    fn used_offset(size: u16) -> usize {
        (Descriptor::SIZE * usize::from(size) + 6 + 2 * usize::from(size))
            .next_multiple_of(page_size())
    }

    /// The ring of `size` entries at `offset`, a multiple of the page size, of a region whose first
    /// byte the device finds at `iova`.
    pub fn new(region: &Arc<Region>, offset: usize, size: u16, iova: Iova) -> Self {
        Self {
            region: Arc::clone(region),
            size,
            desc: offset,
            avail: offset + Descriptor::SIZE * usize::from(size),
            used: offset + Self::used_offset(size),
            iova,
        }
    }

    /// Entries.
    pub fn size(&self) -> u16 {
        self.size
    }

    fn iova(&self, offset: usize) -> Iova {
        Iova(self.iova.0 + offset as u64)
    }

    /// Where the device finds the descriptor table.
    pub fn desc_iova(&self) -> Iova {
        self.iova(self.desc)
    }

    /// Where the device finds the available ring.
    pub fn avail_iova(&self) -> Iova {
        self.iova(self.avail)
    }

    /// Where the device finds the used ring.
    pub fn used_iova(&self) -> Iova {
        self.iova(self.used)
    }

    fn slot(&self, index: u16) -> usize {
        usize::from(index & (self.size - 1))
    }

    /// The vring that `queue` is with it: new, and polled.
    pub fn vring(&self, queue: QueueIndex) -> Vring<'static> {
        let (desc, avail, used) = (self.desc_iova(), self.avail_iova(), self.used_iova());
        Vring::new(queue, self.size(), desc, avail, used)
    }

    /// Makes it an empty ring that goes on at index `base`.
    pub fn clear(&self, base: u16) {
        let end = self.used + 6 + 8 * usize::from(self.size);
        self.region.fill(self.desc, end - self.desc, 0);
        self.region.store_u16(self.avail + 2, base, Relaxed);
        self.region.store_u16(self.used + 2, base, Release);
    }

    /// Writes a descriptor.
    #[inline]
    pub fn set_desc(&self, index: u16, desc: Descriptor) {
        write_desc(&self.region, self.desc + Descriptor::SIZE * usize::from(index), desc);
    }

    /// Writes the available ring's entry for `index`.
    #[inline]
    pub fn set_avail(&self, index: u16, head: u16) {
        let offset = self.avail + 4 + 2 * self.slot(index);
        self.region.store_u16(offset, head, Relaxed);
    }

    /// Publishes: entries before `index` are the device's.
    #[inline]
    pub fn set_avail_index(&self, index: u16) {
        self.region.store_u16(self.avail + 2, index, Release);
    }

    /// Where the driver goes on.
    pub fn avail_index(&self) -> u16 {
        self.region.load_u16(self.avail + 2, Relaxed)
    }

    /// VIRTQ_AVAIL_F_NO_INTERRUPT (1): no calls wanted.
    #[inline]
    pub fn set_avail_flags(&self, flags: u16) {
        self.region.store_u16(self.avail, flags, Relaxed);
    }

    /// With EVENT_IDX: the used index after which a call is wanted.
    #[inline]
    pub fn set_used_event(&self, index: u16) {
        let offset = self.avail + 4 + 2 * usize::from(self.size);
        self.region.store_u16(offset, index, Relaxed);
    }

    /// Where the device goes on; what it wrote before is visible afterwards.
    #[inline]
    pub fn used_index(&self) -> u16 {
        self.region.load_u16(self.used + 2, Acquire)
    }

    /// VIRTQ_USED_F_NO_NOTIFY (1): no kicks wanted.
    #[inline]
    pub fn used_flags(&self) -> u16 {
        self.region.load_u16(self.used, Relaxed)
    }

    /// The used ring's entry for `index`.
    #[inline]
    pub fn used(&self, index: u16) -> Used {
        let offset = self.used + 4 + 8 * self.slot(index);
        let half = |offset| u32::from(self.region.load_u16(offset, Relaxed));
        Used {
            id: half(offset) | half(offset + 2) << 16,
            len: half(offset + 4) | half(offset + 6) << 16,
        }
    }

    /// With EVENT_IDX: the available index after which the device wants a kick.
    #[inline]
    pub fn avail_event(&self) -> u16 {
        let offset = self.used + 4 + 8 * usize::from(self.size);
        self.region.load_u16(offset, Relaxed)
    }

    /// The used ring's bytes, for a comparison.
    pub fn used_bytes(&self) -> Vec<u8> {
        self.region.bytes(self.used, 6 + 8 * usize::from(self.size))
    }
}

/// Writes a descriptor at a byte offset: an entry of an indirect table.
#[inline]
pub fn write_desc(region: &Region, offset: usize, desc: Descriptor) {
    let Descriptor { addr, len, flags, next } = desc;
    region.store_u64(offset, addr, Relaxed);
    let rest = u64::from(len) | u64::from(flags) << 32 | u64::from(next) << 48;
    region.store_u64(offset + 8, rest, Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// virtio 1.2, 2.7.5 to 2.7.8: byte for byte.
    #[test]
    fn the_layout_is_virtios() {
        let region = Region::new(RawRing::bytes(4)).unwrap();
        let ring = RawRing::new(&region, 0, 4, Iova(0x1_0000));
        ring.clear(7);
        ring.set_desc(1, Descriptor::writable(Iova(0x0102_0304_0506_0708), 0x0a0b_0c0d).then(3));
        let desc = [8, 7, 6, 5, 4, 3, 2, 1, 0xd, 0xc, 0xb, 0xa, 3, 0, 3, 0];
        assert_eq!(region.bytes(16, 16), desc);
        ring.set_avail(7, 1);
        ring.set_avail_index(8);
        ring.set_avail_flags(1);
        ring.set_used_event(9);
        let avail = [1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9, 0];
        assert_eq!(region.bytes(64, 14), avail);
        assert_eq!((ring.avail_iova(), ring.used_iova()), (Iova(0x1_0040), Iova(0x1_1000)));
        assert_eq!(ring.used_index(), 7);
        region.write(0x1000, &[1, 0, 8, 0]);
        region.write(0x1000 + 4 + 24, &[1, 0, 2, 0, 3, 0, 4, 0, 5, 6]);
        assert_eq!((ring.used_flags(), ring.used_index()), (1, 8));
        assert_eq!(ring.used(7), Used { id: 0x2_0001, len: 0x4_0003 });
        assert_eq!(ring.avail_event(), 0x605);
    }
}
