//! A device together with the memory that was lent to it.

#![expect(unsafe_code, reason = "keeps the promise that lending memory to a device asks for")]

use std::sync::Arc;

use vhost_accel_core::{DirtyBitmap, DmaMapping, IovaRange, Result, VhostAccel};

use super::memory::{Lease, Region};

/// Owns a device and holds every [`Region`] that it was ever given, until the device is closed: so
/// lending memory is safe here.
pub struct Machine {
    // Before `lent`: the device closes before any memory goes.
    device: Box<dyn VhostAccel>,
    lent: Vec<Arc<Region>>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let info = self.device.info();
        f.debug_struct("Machine").field("device", info).field("lent", &self.lent).finish()
    }
}

impl Machine {
    /// Takes a device that was lent nothing yet.
    pub fn new(device: Box<dyn VhostAccel>) -> Self {
        Self { device, lent: Vec::new() }
    }

    /// The device.
    pub fn device(&self) -> &dyn VhostAccel {
        self.device.as_ref()
    }

    /// The device.
    pub fn device_mut(&mut self) -> &mut dyn VhostAccel {
        self.device.as_mut()
    }

    fn hold(&mut self, region: &Arc<Region>) {
        if !self.lent.iter().any(|held| Arc::ptr_eq(held, region)) {
            self.lent.push(Arc::clone(region));
        }
    }

    fn lend(&mut self, lease: &Lease) {
        self.hold(lease.region());
    }

    /// Lends memory.
    ///
    /// # Errors
    /// As [`VhostAccel::dma_map`].
    ///
    /// # Panics
    /// When a dirty log is set that doesn't cover it.
    pub fn map(&mut self, lease: &Lease) -> Result<()> {
        self.lend(lease);
        // SAFETY: the region is held until the device is dropped, and hands out no reference. One
        // without memory behind it is refused or faults: that the device can't use it is the point.
        unsafe { self.device.dma_map(&lease.mapping()) }
    }

    /// Lends all or none.
    ///
    /// # Errors
    /// As [`VhostAccel::dma_map_all`].
    ///
    /// # Panics
    /// As [`map`](Self::map).
    pub fn map_all(&mut self, leases: &[Lease]) -> Result<()> {
        for lease in leases {
            self.lend(lease);
        }
        let mappings: Vec<DmaMapping> = leases.iter().map(Lease::mapping).collect();
        // SAFETY: as in `map`.
        unsafe { self.device.dma_map_all(&mappings) }
    }

    /// Takes back what was lent in a range.
    ///
    /// # Errors
    /// As [`VhostAccel::dma_unmap`].
    pub fn unmap(&mut self, range: IovaRange) -> Result<()> {
        self.device.dma_unmap(range)
    }

    /// Takes back what was lent in ranges and lends other memory, while the vrings stand still
    /// where that isn't one change.
    ///
    /// # Errors
    /// As [`VhostAccel::dma_update_suspended`].
    ///
    /// # Panics
    /// As [`map`](Self::map).
    pub fn update(&mut self, unmap: &[IovaRange], leases: &[Lease]) -> Result<()> {
        for lease in leases {
            self.lend(lease);
        }
        let mappings: Vec<DmaMapping> = leases.iter().map(Lease::mapping).collect();
        // SAFETY: as in `map`.
        unsafe { self.device.dma_update_suspended(unmap, &mappings) }
    }

    /// Makes some leases all that is lent.
    ///
    /// # Errors
    /// As [`VhostAccel::dma_replace_all`].
    ///
    /// # Panics
    /// As [`map`](Self::map).
    pub fn replace_all(&mut self, leases: &[Lease]) -> Result<()> {
        for lease in leases {
            self.lend(lease);
        }
        let mappings: Vec<DmaMapping> = leases.iter().map(Lease::mapping).collect();
        // SAFETY: as in `map`.
        unsafe { self.device.dma_replace_all(&mappings) }
    }

    /// Makes the device log the pages that it writes in `bitmap`, or stops that.
    ///
    /// # Errors
    /// As [`VhostAccel::set_dirty_log`].
    pub fn log(&mut self, bitmap: Option<&DirtyLog>) -> Result<()> {
        if let Some(log) = bitmap {
            self.hold(&log.bitmap);
        }
        let bitmap = bitmap.map(|log| DirtyBitmap::new(log.bitmap.host(), log.bitmap.len() as u64));
        // SAFETY: the bitmap is held until the device is dropped.
        unsafe { self.device.set_dirty_log(bitmap) }
    }
}

/// A dirty bitmap for the IOVAs below 8 GiB, where [`Config`](super::Config) puts guest memory.
#[derive(Debug)]
pub struct DirtyLog {
    bitmap: Arc<Region>,
}

impl DirtyLog {
    /// An empty one.
    ///
    /// # Errors
    /// As [`Region::new`].
    pub fn new() -> std::result::Result<Self, super::Error> {
        Self::of(256 << 10)
    }

    /// One of `bytes`, each of which covers 32 KiB of addresses.
    ///
    /// # Errors
    /// As [`Region::new`].
    pub fn of(bytes: usize) -> std::result::Result<Self, super::Error> {
        Ok(Self { bitmap: Region::new(bytes)? })
    }

    /// The pages that are marked, in order.
    pub fn pages(&self) -> Vec<u64> {
        use std::sync::atomic::Ordering::Acquire;
        let words = (0..self.bitmap.len()).step_by(8);
        let marked = words.flat_map(|offset| {
            let word = self.bitmap.load_u64(offset, Acquire);
            let first = offset as u64 * 8;
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit)
        });
        marked.collect()
    }

    /// Clears it.
    pub fn clear(&self) {
        self.bitmap.fill(0, self.bitmap.len(), 0);
    }
}
