//! One mapping of an address space, and which of its pages are known to be there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::PAGE_SIZE;
use super::memory::ClientMemory;
use crate::Errno;

/// Mappings by their first IOVA.
pub(super) type Table = BTreeMap<u64, Mapping>;

/// Why the device could not access an IOVA. Nothing was touched, unless it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DmaFault {
    /// Outside all mappings.
    #[error("not mapped")]
    Unmapped,
    /// Mapped, but not for this access.
    #[error("not allowed by the mapping")]
    Permission,
    /// The client has no memory at the address that it mapped.
    #[error("no memory behind the mapping")]
    Host,
}

/// What the device may do with a mapping. VHOST_ACCESS_RO, WO and RW have the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Access {
    /// Nothing: mapped all the same, which vhost-vdpa allows.
    None = 0,
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
        let last = self.len.checked_sub(1).and_then(|n| self.iova.checked_add(n));
        last.filter(|_| aligned).ok_or(Errno::EINVAL)
    }

    /// Whether its client addresses wrap.
    pub(super) fn host_wraps(&self) -> bool {
        self.host.checked_add(self.len - 1).is_none()
    }

    /// Pins all of it.
    pub(super) fn pin(&self, memory: &ClientMemory) -> Result<(), Errno> {
        memory.pin(self.host, self.len, self.access.writes())
    }
}

/// A region in place. Its IOVA is its key in the table.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) len: u64,
    pub(super) host: u64,
    pub(super) access: Access,
    /// Runs of client addresses that were found to allow the access, first and end. None: all of it
    /// was pinned when the region was mapped.
    pinned: Option<Mutex<BTreeMap<u64, u64>>>,
}

impl Mapping {
    pub(super) fn new(region: &Region, pinned: bool) -> Self {
        Self {
            len: region.len,
            host: region.host,
            access: region.access,
            pinned: (!pinned).then(Mutex::default),
        }
    }

    /// Makes sure that `len` bytes at `offset` are pinned. They are asked for once, together with
    /// what the client has mapped around them; that they are there is found out by each access.
    pub(super) fn pin(&self, memory: &ClientMemory, offset: u64, len: u64) -> Result<(), DmaFault> {
        let Some(pinned) = &self.pinned else { return Ok(()) };
        let mut pinned = pinned.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = self.host + offset;
        let last = at + (len - 1);
        while at <= last {
            at = match pinned.range(..=at).next_back() {
                Some((_, &end)) if at < end => end,
                _ => {
                    let run = memory.run_at(at, self.access.writes());
                    let run = run.map_err(|_| DmaFault::Host)?;
                    pinned.insert(run.start, run.end);
                    run.end
                }
            };
        }
        Ok(())
    }
}
