//! One vring: its setup, and the split ring that the device walks while it runs.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use virtio_bindings::virtio_ring::{VRING_AVAIL_F_NO_INTERRUPT, VRING_USED_F_NO_NOTIFY};

use super::chain::Chain;
use super::dirty::DirtyLog;
use crate::dma::{DmaSpace, DmaView, Segment, Span};
use crate::eventfd::Signal;
use crate::fault::FaultKind;

/// The device's way to memory, for one chain: translation, and the log of what it writes.
pub(crate) struct Bus<'a> {
    pub(crate) view: DmaView<'a>,
    pub(crate) log: &'a DirtyLog,
}

impl Bus<'_> {
    /// Spreads `from` over `segments`, which hold at least as much.
    pub(crate) fn write_all(
        &self,
        segments: &[Segment],
        spans: &mut Vec<Span>,
        from: &[u8],
    ) -> Result<(), FaultKind> {
        let used = || {
            let mut left = from.len() as u64;
            segments.iter().map_while(move |segment| {
                let len = segment.len.min(left);
                left -= len;
                (len > 0 || left > 0).then_some(Segment { iova: segment.iova, len })
            })
        };
        self.view.write_all(used(), spans, from)?;
        used().try_for_each(|segment| self.log.mark(segment.iova, segment.len))
    }
}

/// Where the three parts of a ring are: IOVAs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses {
    pub(crate) descriptors: u64,
    pub(crate) available: u64,
    pub(crate) used: u64,
    /// Where writes to the used ring are logged.
    pub(crate) used_log: u64,
}

/// A vring as the front ends set it up.
#[derive(Debug, Default)]
pub(crate) struct Vring {
    /// 0: not set.
    pub(crate) size: u16,
    pub(crate) addresses: Option<Addresses>,
    pub(crate) enabled: bool,
    pub(crate) faulted: bool,
    /// The next available index to look at, while the ring does not run.
    base: u16,
    /// Runs while it is there.
    pub(crate) ring: Option<Ring>,
    pub(crate) kick: Option<OwnedFd>,
    pub(crate) call: Option<Signal>,
    pub(crate) error: Option<Signal>,
}

impl Vring {
    /// The next available index that the device will look at.
    pub(crate) fn base(&self) -> u16 {
        self.ring.as_ref().map_or(self.base, |ring| ring.next)
    }

    pub(crate) fn set_base(&mut self, base: u16) {
        self.base = base;
    }

    /// Starts the ring if it is set up. Returns whether it has started.
    pub(crate) fn start(&mut self, dma: &Arc<DmaSpace>, features: RingFeatures) -> bool {
        let ready = self.enabled && !self.faulted && self.size != 0 && self.ring.is_none();
        let (true, Some(at)) = (ready, self.addresses) else { return false };
        self.ring = Some(Ring {
            size: self.size,
            at,
            dma: Arc::clone(dma),
            features,
            next: self.base,
            seen: self.base,
            published: self.base,
            quiet: None,
            event: None,
            kicked: false,
        });
        true
    }

    /// Stops the ring. Returns whether it ran.
    pub(crate) fn stop(&mut self) -> bool {
        self.base = self.base();
        self.ring.take().is_some()
    }
}

/// Those of the features negotiated that a ring's walk depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingFeatures {
    pub(crate) event_idx: bool,
    pub(crate) indirect: bool,
}

/// A running split ring: virtio 1.2, section 2.7.
///
/// The device returns chains in the order in which it takes them, so one index is enough for both.
#[derive(Debug)]
pub(crate) struct Ring {
    size: u16,
    at: Addresses,
    pub(crate) dma: Arc<DmaSpace>,
    features: RingFeatures,
    /// The next available index to look at and the next used index to fill.
    pub(crate) next: u16,
    /// The driver's available index when it was last read.
    seen: u16,
    /// The used index that the driver sees.
    published: u16,
    /// Whether the driver was told not to kick, by flag; what it was told before the start isn't
    /// known.
    quiet: Option<bool>,
    /// The event that the driver was given, where there is one.
    event: Option<u16>,
    /// Kicked, and not drained since: what a queue is while it waits for buffers of another.
    pub(crate) kicked: bool,
}

impl Ring {
    /// How many chains the driver has made available. Its index is read again only when fewer than
    /// `wanted` are known of.
    pub(crate) fn ready(&mut self, bus: &Bus<'_>, wanted: u16) -> Result<u16, FaultKind> {
        let known = self.seen.wrapping_sub(self.next);
        if known >= wanted {
            return Ok(known);
        }
        self.seen = bus.view.load_u16(at(self.at.available, 2)?)?;
        let ready = self.seen.wrapping_sub(self.next);
        if ready > self.size { Err(FaultKind::AvailableIndex) } else { Ok(ready) }
    }

    pub(crate) fn size(&self) -> u16 {
        self.size
    }

    /// Reads the chain `ahead` of the next one, which is ready, and returns its head.
    pub(crate) fn chain(
        &self,
        bus: &Bus<'_>,
        ahead: u16,
        chain: &mut Chain,
    ) -> Result<u16, FaultKind> {
        let slot = self.slot(self.next.wrapping_add(ahead));
        let mut head = [0; 2];
        bus.view.read(at(self.at.available, 4 + 2 * slot)?, &mut head)?;
        let head = u16::from_le_bytes(head);
        chain.read(&bus.view, self.at.descriptors, self.size, head, self.features.indirect)?;
        Ok(head)
    }

    /// Makes sure that the next `count` chains can be returned: their used entries and the index.
    pub(crate) fn used_ready(
        &self,
        bus: &Bus<'_>,
        spans: &mut Vec<Span>,
        count: u16,
    ) -> Result<(), FaultKind> {
        let index = Segment { iova: at(self.at.used, 2)?, len: 2 };
        bus.view.writable([index], spans)?;
        for ahead in 0..count {
            let slot = self.slot(self.next.wrapping_add(ahead));
            let entry = Segment { iova: at(self.at.used, 4 + 8 * slot)?, len: 8 };
            bus.view.writable([entry], spans)?;
        }
        Ok(())
    }

    /// Returns the next chain, whose head is `head`, with `len` bytes written to it. The driver
    /// sees it when it is [published](Self::publish).
    pub(crate) fn complete(&mut self, bus: &Bus<'_>, head: u16, len: u32) -> Result<(), FaultKind> {
        let [h0, h1] = head.to_le_bytes();
        let [l0, l1, l2, l3] = len.to_le_bytes();
        let offset = 4 + 8 * self.slot(self.next);
        bus.view.write(at(self.at.used, offset)?, &[h0, h1, 0, 0, l0, l1, l2, l3])?;
        self.log_used(bus, offset, 8)?;
        self.next = self.next.wrapping_add(1);
        Ok(())
    }

    /// Whether chains were returned that the driver doesn't see yet.
    pub(crate) fn unpublished(&self) -> bool {
        self.next != self.published
    }

    /// Shows the driver all chains that were returned. Returns whether it wants a call for them.
    pub(crate) fn publish(&mut self, bus: &Bus<'_>) -> Result<bool, FaultKind> {
        bus.view.store_used_index(self.at.used, self.next)?;
        self.log_used(bus, 2, 2)?;
        let (new, old) = (self.next, std::mem::replace(&mut self.published, self.next));
        // Index before flag or event: the driver does it the other way round.
        fence(Ordering::SeqCst);
        if self.features.event_idx {
            let event = bus.view.load_u16(at(self.at.available, 4 + 2 * u64::from(self.size))?)?;
            Ok(new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old))
        } else {
            let flags = bus.view.load_u16(self.at.available)?;
            Ok(u32::from(flags) & VRING_AVAIL_F_NO_INTERRUPT == 0)
        }
    }

    /// Tells the driver that kicks are not needed while the device looks by itself. With EVENT_IDX
    /// there is nothing to say: the event that the driver knows lies behind.
    pub(crate) fn suppress_kicks(&mut self, bus: &Bus<'_>) -> Result<(), FaultKind> {
        if !self.features.event_idx && self.quiet != Some(true) {
            self.store_used(bus, 0, VRING_USED_F_NO_NOTIFY as u16)?;
            self.quiet = Some(true);
        }
        Ok(())
    }

    /// Tells the driver to kick for the next chain, and looks again for one that came before it
    /// could know. Returns whether there is one.
    ///
    /// What the driver knows already is not written again. That would set bits of the log, whose
    /// eventfd may be one that kicks: each look would ask for the next one.
    pub(crate) fn want_kick(&mut self, bus: &Bus<'_>) -> Result<bool, FaultKind> {
        if self.features.event_idx {
            if self.event != Some(self.seen) {
                self.store_used(bus, 4 + 8 * u64::from(self.size), self.seen)?;
                self.event = Some(self.seen);
            }
        } else if self.quiet != Some(false) {
            self.store_used(bus, 0, 0)?;
            self.quiet = Some(false);
        }
        fence(Ordering::SeqCst);
        let known = self.seen.wrapping_sub(self.next);
        Ok(self.ready(bus, known + 1)? > known)
    }

    fn store_used(&self, bus: &Bus<'_>, offset: u64, value: u16) -> Result<(), FaultKind> {
        bus.view.store_u16(at(self.at.used, offset)?, value)?;
        self.log_used(bus, offset, 2)
    }

    fn log_used(&self, bus: &Bus<'_>, offset: u64, len: u64) -> Result<(), FaultKind> {
        bus.log.mark(at(self.at.used_log, offset)?, len)
    }

    fn slot(&self, index: u16) -> u64 {
        // The size is a power of two.
        u64::from(index & (self.size - 1))
    }
}

/// An address in a ring. One that wraps is nowhere.
fn at(base: u64, offset: u64) -> Result<u64, FaultKind> {
    base.checked_add(offset).ok_or(FaultKind::Unmapped)
}
