//! One mapping of an address space, and which of its pages are known to be there.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::ClientMemory;
use super::{DmaFault, PAGE_SIZE};
use crate::Errno;

/// Pages whose pinning is remembered, per mapping: 64 GiB. Those behind are looked up at every
/// access, so that a mapping of the whole address space costs no more memory than this.
const REMEMBERED_PAGES: u64 = (64 << 30) / PAGE_SIZE;

/// What the device may do with a mapping. VHOST_ACCESS_RO, WO and RW have the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Access {
    /// The device reads.
    Read = 1,
    /// The device writes.
    Write = 2,
    /// Both.
    ReadWrite = 3,
}

impl Access {
    /// From the two lowest bits of vhost's and VFIO's permissions: 1 read, 2 write.
    ///
    /// # Errors
    /// EINVAL for no permission or for other bits.
    pub fn from_bits(bits: u32) -> Result<Self, Errno> {
        match bits {
            1 => Ok(Self::Read),
            2 => Ok(Self::Write),
            3 => Ok(Self::ReadWrite),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether all that `wanted` does is allowed by `self`.
    pub(crate) fn allows(self, wanted: Self) -> bool {
        self as u8 & wanted as u8 == wanted as u8
    }

    fn writes(self) -> bool {
        self.allows(Self::Write)
    }
}

/// A range of IOVAs and the client memory that stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The first IOVA, page-aligned.
    pub iova: u64,
    /// Bytes, whole pages.
    pub len: u64,
    /// The client's address of the first byte, page-aligned.
    pub host: u64,
    /// What the device may do with it.
    pub access: Access,
}

impl Region {
    /// The last IOVA, if the region is one that can be mapped.
    pub(super) fn last(&self) -> Result<u64, Errno> {
        let aligned = (self.iova | self.len | self.host) & (PAGE_SIZE - 1) == 0;
        let host_fits = self.len.checked_sub(1).and_then(|n| self.host.checked_add(n));
        let last = self.len.checked_sub(1).and_then(|n| self.iova.checked_add(n));
        match (aligned, host_fits, last) {
            (true, Some(_), Some(last)) => Ok(last),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Pins all of it.
    pub(super) fn pin(&self, memory: ClientMemory) -> Result<(), Errno> {
        memory.pin(self.host, self.len, self.access.writes())
    }
}

/// A region in place. Its IOVA is its key in the table.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) len: u64,
    pub(super) host: u64,
    pub(super) access: Access,
    /// None: all pages were pinned when the region was mapped.
    pinned: Option<OnceLock<Box<[AtomicU64]>>>,
}

impl Mapping {
    pub(super) fn new(region: &Region, pinned: bool) -> Self {
        Self {
            len: region.len,
            host: region.host,
            access: region.access,
            pinned: (!pinned).then(OnceLock::new),
        }
    }

    /// Makes sure that `len` bytes at `offset` are pinned: a bit test once they are.
    pub(super) fn pin(&self, memory: ClientMemory, offset: u64, len: u64) -> Result<(), DmaFault> {
        let Some(pinned) = &self.pinned else { return Ok(()) };
        let bits = pinned.get_or_init(|| {
            let pages = (self.len / PAGE_SIZE).min(REMEMBERED_PAGES);
            (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect()
        });
        for page in offset / PAGE_SIZE..=(offset + (len - 1)) / PAGE_SIZE {
            let bit = 1 << (page % 64);
            let word = usize::try_from(page / 64).ok().and_then(|word| bits.get(word));
            if word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0) {
                continue;
            }
            memory
                .pin(self.host + page * PAGE_SIZE, PAGE_SIZE, self.access.writes())
                .map_err(|_| DmaFault::Host)?;
            if let Some(word) = word {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}
