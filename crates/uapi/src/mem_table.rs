//! The argument of `VHOST_SET_MEM_TABLE`, a head and a run of regions.

use zerocopy::IntoBytes;

use crate::vhost::{Memory, MemoryRegion};

/// A memory table in the bytes that the kernel reads: [`Memory`] and its regions.
///
/// Keeps its allocation when it is cleared, so that a caller who sends the table over and over
/// allocates once.
#[derive(Clone, Debug)]
pub struct MemTable {
    bytes: Vec<u8>,
}

impl MemTable {
    /// An empty table with room for `regions`.
    pub fn with_capacity(regions: usize) -> Self {
        let mut bytes =
            Vec::with_capacity(size_of::<Memory>() + regions * size_of::<MemoryRegion>());
        bytes.extend_from_slice(Memory::default().as_bytes());
        Self { bytes }
    }

    /// Adds a region: `size` bytes at `uaddr` of this process become `iova`.
    pub fn push(&mut self, iova: u64, size: u64, uaddr: u64) {
        let region = MemoryRegion {
            guest_phys_addr: iova,
            memory_size: size,
            userspace_addr: uaddr,
            flags_padding: 0,
        };
        self.bytes.extend_from_slice(region.as_bytes());
        self.write_head();
    }

    /// Takes every region away.
    pub fn clear(&mut self) {
        self.bytes.truncate(size_of::<Memory>());
        self.write_head();
    }

    /// Number of regions.
    pub fn len(&self) -> usize {
        (self.bytes.len() - size_of::<Memory>()) / size_of::<MemoryRegion>()
    }

    /// Whether there is no region.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The table as the kernel reads it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn write_head(&mut self) {
        // A count that doesn't fit saturates: no kernel takes that many, and the call never sends
        // it.
        let nregions = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let head = Memory { nregions, padding: 0 };
        self.bytes[..size_of::<Memory>()].copy_from_slice(head.as_bytes());
    }
}

impl Default for MemTable {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_counts_the_regions() {
        let mut table = MemTable::with_capacity(2);
        assert!(table.is_empty());
        assert_eq!(table.as_bytes(), [0; 8]);
        table.push(0x1000, 0x2000, 0x7f00_0000_0000);
        table.push(0x10_0000, 0x1000, 0x7f00_0010_0000);
        assert_eq!(table.len(), 2);
        assert_eq!(table.as_bytes().len(), 8 + 2 * 32);
        let words: Vec<u64> = table
            .as_bytes()
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(
            words,
            [2, 0x1000, 0x2000, 0x7f00_0000_0000, 0, 0x10_0000, 0x1000, 0x7f00_0010_0000, 0]
        );
        table.clear();
        assert_eq!(table.as_bytes(), [0; 8]);
    }
}
