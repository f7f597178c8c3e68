//! The table from IOVAs to client memory, and the ways the interfaces change it.

use std::ops::RangeInclusive;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::mapping::{Mapping, Region, Table};
use super::memory::ClientMemory;
use super::view::DmaView;
use crate::Errno;

/// When the pages of a mapping are pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinPolicy {
    /// When it is made: vhost-mdev and vhost-vdpa. A bad host address fails the request.
    Eager,
    /// When the device first touches them: a VFIO container with only emulated devices. A bad host
    /// address is a fault of the device then.
    Lazy,
}

/// An unmap that would leave a part of a mapping behind. Nothing was unmapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the range cuts a mapping")]
pub struct Cut;

impl From<Cut> for Errno {
    fn from(Cut: Cut) -> Self {
        Self::EINVAL
    }
}

/// One address space of the device.
///
/// The front ends change it from any thread; each change is seen whole or not at all, and is over
/// when the call returns. Changes cost O(log n) in the number of mappings, and the pinning.
#[derive(Debug)]
pub struct DmaSpace {
    memory: ClientMemory,
    policy: PinPolicy,
    limit: usize,
    table: RwLock<Table>,
}

impl DmaSpace {
    /// An empty address space for at most `limit` mappings of `memory`.
    pub fn new(memory: ClientMemory, policy: PinPolicy, limit: usize) -> Self {
        Self { memory, policy, limit, table: RwLock::new(Table::new()) }
    }

    /// Maps `region`.
    ///
    /// # Errors
    /// EINVAL when it is not page-aligned, empty, or wraps; EEXIST when it overlaps a mapping;
    /// ENOSPC when there is no room for another; with [`PinPolicy::Eager`] EFAULT for a bad host
    /// address. Nothing is mapped then.
    pub fn map(&self, region: Region) -> Result<(), Errno> {
        let last = self.last_of(&region)?;
        if self.policy == PinPolicy::Eager {
            // Pinning takes its time and the device goes on meanwhile. Look first all the same:
            // what can't be mapped is not to be pinned.
            self.has_room(&self.read(), region.iova..=last)?;
            region.pin(&self.memory)?;
        }
        let mut table = self.write();
        self.has_room(&table, region.iova..=last)?;
        table.insert(region.iova, Mapping::new(&region, self.policy == PinPolicy::Eager));
        Ok(())
    }

    /// Replaces every mapping by `regions`, in one step that the device sees whole.
    ///
    /// # Errors
    /// EINVAL when a region is not page-aligned, empty, wraps, or overlaps another; ENOSPC when
    /// there are too many; with [`PinPolicy::Eager`] EFAULT for a bad host address. The old
    /// mappings stand then.
    pub fn replace_all(&self, regions: &[Region]) -> Result<(), Errno> {
        if regions.len() > self.limit {
            return Err(Errno::ENOSPC);
        }
        let mut next = Table::new();
        for region in regions {
            if overlap(&next, region.iova..=self.last_of(region)?) {
                return Err(Errno::EINVAL);
            }
            if self.policy == PinPolicy::Eager {
                region.pin(&self.memory)?;
            }
            next.insert(region.iova, Mapping::new(region, self.policy == PinPolicy::Eager));
        }
        let old = std::mem::replace(&mut *self.write(), next);
        drop(old); // with the lock free: a large table takes its time
        Ok(())
    }

    /// Unmaps all mappings in `range`, as VFIO type 1 v2 does. Returns how many bytes they were: 0
    /// when there was nothing.
    ///
    /// # Errors
    /// [`Cut`] when a mapping lies only partly in the range.
    pub fn unmap_whole(&self, range: RangeInclusive<u64>) -> Result<u64, Cut> {
        let mut table = self.write();
        let (first, last) = (*range.start(), *range.end());
        if first > last {
            return Ok(0);
        }
        let starts_before = table.range(..first).next_back().map(|(&iova, m)| iova + (m.len - 1));
        let ends_in = table.range(..=last).next_back().map(|(&iova, m)| iova + (m.len - 1));
        if starts_before.is_some_and(|end| end >= first) || ends_in.is_some_and(|end| end > last) {
            return Err(Cut);
        }
        Ok(remove(&mut table, first, last))
    }

    /// Unmaps every mapping that `range` touches, as vhost-vdpa does. Returns how many bytes they
    /// were: 0 when there was nothing.
    ///
    /// A range that ends before it begins, which vhost-vdpa makes of one without bytes, touches the
    /// mapping that holds both of its ends: that is how an interval tree is asked.
    pub fn unmap_touching(&self, range: RangeInclusive<u64>) -> u64 {
        let mut table = self.write();
        let (first, last) = (*range.start(), *range.end());
        let start = match table.range(..=first.min(last)).next_back() {
            Some((&iova, mapping)) if iova + (mapping.len - 1) >= first => iova,
            _ if first > last => return 0,
            _ => first,
        };
        remove(&mut table, start, last)
    }

    /// Unmaps everything.
    pub fn unmap_all(&self) {
        let old = std::mem::take(&mut *self.write());
        drop(old); // with the lock free, as above
    }

    /// How many mappings there are.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// How many more mappings fit: `dma_avail` of VFIO.
    pub fn available(&self) -> usize {
        self.limit - self.read().len()
    }

    /// The mappings as the device sees them. They stay so until the view is dropped: changes wait.
    pub fn view(&self) -> DmaView<'_> {
        DmaView::new(self.read(), &self.memory)
    }

    /// The last IOVA of a region that can be mapped. Client addresses that wrap are malformed where
    /// nobody pins, and a bad host address where somebody does.
    fn last_of(&self, region: &Region) -> Result<u64, Errno> {
        let last = region.last()?;
        match self.policy {
            PinPolicy::Lazy if region.host_wraps() => Err(Errno::EINVAL),
            PinPolicy::Lazy | PinPolicy::Eager => Ok(last),
        }
    }

    fn has_room(&self, table: &Table, range: RangeInclusive<u64>) -> Result<(), Errno> {
        if overlap(table, range) {
            Err(Errno::EEXIST)
        } else if table.len() >= self.limit {
            Err(Errno::ENOSPC)
        } else {
            Ok(())
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn overlap(table: &Table, range: RangeInclusive<u64>) -> bool {
    table
        .range(..=*range.end())
        .next_back()
        .is_some_and(|(&iova, mapping)| iova + (mapping.len - 1) >= *range.start())
}

/// Removes the mappings that start in the range. Returns their bytes, at most `u64::MAX`.
fn remove(table: &mut Table, first: u64, last: u64) -> u64 {
    let mut bytes = 0_u64;
    while let Some((&iova, _)) = table.range(first..=last).next() {
        if let Some(mapping) = table.remove(&iova) {
            bytes = bytes.saturating_add(mapping.len);
        }
    }
    bytes
}
