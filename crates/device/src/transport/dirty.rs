//! The dirty log: which pages of IOVA space the device has written.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::dma::{ClientMemory, PAGE_SIZE};
use crate::eventfd::Signal;
use crate::fault::FaultKind;
use crate::lock;

/// The log of one device, off until it has been given a base and switched on.
#[derive(Debug, Default)]
pub(crate) struct DirtyLog {
    pub(crate) memory: Option<ClientMemory>,
    pub(crate) base: Option<u64>,
    /// VHOST_F_LOG_ALL is negotiated.
    pub(crate) enabled: bool,
    pub(crate) signal: Option<Signal>,
    /// Log pages known to be there, and behind the last of them used (0: none).
    pinned: Mutex<BTreeSet<u64>>,
    last_used: AtomicU64,
    marked: AtomicBool,
}

impl DirtyLog {
    /// Forgets the base; what was pinned for it is no longer known to be there.
    pub(crate) fn set_base(&mut self, base: Option<u64>) {
        self.base = base;
        self.pinned.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        *self.last_used.get_mut() = 0;
    }

    /// Sets the bits of the pages of `len` bytes at `iova`, which the device has just written.
    pub(crate) fn mark(&self, iova: u64, len: u64) -> Result<(), FaultKind> {
        let (true, Some(base), Some(memory)) = (self.enabled, self.base, &self.memory) else {
            return Ok(());
        };
        if len == 0 {
            return Ok(());
        }
        for page in iova / PAGE_SIZE..=iova.saturating_add(len - 1) / PAGE_SIZE {
            let byte = base.checked_add(page / 8).ok_or(FaultKind::Log)?;
            self.pin(memory, byte)?;
            memory.set_bits(byte, 1 << (page % 8)).map_err(|_| FaultKind::Log)?;
        }
        self.marked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Signals the log eventfd if bits were set since the last time.
    pub(crate) fn signal(&self) {
        if self.marked.load(Ordering::Relaxed) {
            self.marked.store(false, Ordering::Relaxed);
            if let Some(signal) = &self.signal {
                signal.raise();
            }
        }
    }

    fn pin(&self, memory: &ClientMemory, byte: u64) -> Result<(), FaultKind> {
        let page = byte & !(PAGE_SIZE - 1);
        if self.last_used.load(Ordering::Relaxed) == page + 1 {
            return Ok(());
        }
        let mut pinned = lock(&self.pinned);
        if !pinned.contains(&page) {
            memory.pin(page, PAGE_SIZE, true).map_err(|_| FaultKind::Log)?;
            pinned.insert(page);
        }
        self.last_used.store(page + 1, Ordering::Relaxed);
        Ok(())
    }
}
