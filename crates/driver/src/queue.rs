//! The driver's side of one vring: which chains are whose, and when to kick.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use vhost_accel_core::{Features, Iova, Kicker, QueueIndex, Vring};

use super::Error;
use super::event::Event;
use super::memory::Region;
use super::ring::{Descriptor, RawRing, Used, write_desc};

/// Equal pieces of memory, one for each chain that can be on its way.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) region: Arc<Region>,
    pub(super) offset: usize,
    pub(super) iova: Iova,
    pub(super) piece: usize,
}

impl Pool {
    fn offset(&self, slot: u16) -> usize {
        self.offset + usize::from(slot) * self.piece
    }

    fn iova(&self, slot: u16) -> Iova {
        Iova(self.iova.0 + u64::from(slot) * self.piece as u64)
    }
}

/// One vring with buffers of its own.
///
/// Every slot owns its descriptors and its buffer for good, so that nothing is searched or
/// allocated when a frame is sent or received.
#[derive(Debug)]
pub struct Queue {
    index: QueueIndex,
    ring: RawRing,
    buffers: Pool,
    tables: Pool,
    /// Descriptors that a chain may have.
    segments: u16,
    indirect: bool,
    event_idx: bool,
    notification_data: bool,
    free: Vec<u16>,
    base: u16,
    next_avail: u16,
    next_used: u16,
    /// The available index at the last decision about a kick.
    decided: u16,
    calls: bool,
    call: Event,
    pub(super) kicker: Option<Kicker>,
}

impl Queue {
    pub(super) fn new(
        index: QueueIndex,
        ring: RawRing,
        buffers: Pool,
        tables: Pool,
        segments: u16,
    ) -> Result<Self, Error> {
        let free = Vec::with_capacity(usize::from(ring.size()));
        let call = Event::new().map_err(|source| Error::System { call: "eventfd", source })?;
        Ok(Self {
            index,
            segments: segments.clamp(1, ring.size()),
            ring,
            buffers,
            tables,
            indirect: false,
            event_idx: false,
            notification_data: false,
            free,
            base: 0,
            next_avail: 0,
            next_used: 0,
            decided: 0,
            calls: false,
            call,
            kicker: None,
        })
    }

    /// Makes it another vring of the device.
    pub(super) fn move_to(&mut self, index: QueueIndex) {
        self.index = index;
    }

    /// Empties the ring, which goes on at `base`, and takes every slot back.
    pub(super) fn clear(&mut self, base: u16, features: Features) {
        self.ring.clear(base);
        (self.base, self.next_avail, self.next_used, self.decided) = (base, base, base, base);
        self.indirect = features.contains(Features::INDIRECT_DESC);
        self.event_idx = features.contains(Features::EVENT_IDX);
        self.notification_data = features.contains(Features::NOTIFICATION_DATA);
        let slots = self.ring.size() / self.stride();
        self.free.clear();
        self.free.extend((0..slots).rev());
        self.want_calls(false);
    }

    /// Entries of the descriptor table that belong to a slot.
    fn stride(&self) -> u16 {
        if self.indirect { 1 } else { self.segments }
    }

    /// Which vring it is.
    pub fn index(&self) -> QueueIndex {
        self.index
    }

    /// The ring itself, to write into it what a driver shouldn't.
    pub fn ring(&self) -> &RawRing {
        &self.ring
    }

    /// The eventfd that the device signals.
    pub fn call(&self) -> &Event {
        &self.call
    }

    /// The kicker, once set up.
    ///
    /// # Errors
    /// [`Error::NotSetUp`].
    pub fn kicker(&self) -> Result<&Kicker, Error> {
        self.kicker.as_ref().ok_or(Error::NotSetUp)
    }

    /// The vring as it is to be set up.
    pub fn vring(&self) -> Vring<'_> {
        self.polled_vring().with_call(Some(self.call.as_fd()))
    }

    /// The same without a call.
    pub fn polled_vring(&self) -> Vring<'static> {
        self.ring.vring(self.index).with_base(self.base.into())
    }

    /// The bytes of a slot's buffer.
    pub fn buffer_len(&self) -> usize {
        self.buffers.piece
    }

    /// Where the device finds the buffer of `slot`.
    pub fn buffer_iova(&self, slot: u16) -> Iova {
        self.buffers.iova(slot)
    }

    /// The bytes of the buffer of `slot`.
    pub fn buffer(&self, slot: u16, len: usize) -> Vec<u8> {
        self.buffers.region.bytes(self.buffers.offset(slot), len)
    }

    /// Fills every buffer with `byte`.
    pub fn fill_buffers(&self, byte: u8) {
        let len = usize::from(self.ring.size()) * self.buffers.piece;
        self.buffers.region.fill(self.buffers.offset, len, byte);
    }

    pub(super) fn write_buffer(&self, slot: u16, at: usize, data: &[u8]) {
        debug_assert!(at + data.len() <= self.buffers.piece);
        self.buffers.region.write(self.buffers.offset(slot) + at, data);
    }

    pub(super) fn read_buffer(&self, slot: u16, at: usize, data: &mut [u8]) {
        debug_assert!(at + data.len() <= self.buffers.piece);
        self.buffers.region.read(self.buffers.offset(slot) + at, data);
    }

    /// Slots that are the driver's.
    pub fn free(&self) -> usize {
        self.free.len()
    }

    pub(super) fn take_slot(&mut self) -> Option<u16> {
        self.free.pop()
    }

    pub(super) fn give_slot(&mut self, slot: u16) {
        self.free.push(slot);
    }

    /// Descriptors that a chain may have.
    pub(super) fn segments(&self) -> u16 {
        self.segments
    }

    /// Writes the descriptors of `slot`, `count` of them, and makes the chain available: not yet
    /// published.
    pub(super) fn push(&mut self, slot: u16, count: u16, desc: impl Fn(u16) -> Descriptor) {
        let head = slot * self.stride();
        let link = |position: u16, next: u16| {
            let desc = desc(position);
            if position + 1 < count { desc.then(next) } else { desc }
        };
        if self.indirect && count > 1 {
            let table = self.tables.offset(slot);
            for position in 0..count {
                let at = table + Descriptor::SIZE * usize::from(position);
                write_desc(&self.tables.region, at, link(position, position + 1));
            }
            let len = u32::from(count) * Descriptor::SIZE as u32;
            self.ring.set_desc(head, Descriptor::indirect(self.tables.iova(slot), len));
        } else {
            for position in 0..count {
                let index = head + position;
                self.ring.set_desc(index, link(position, index + 1));
            }
        }
        self.ring.set_avail(self.next_avail, head);
        self.next_avail = self.next_avail.wrapping_add(1);
    }

    /// The available index at which the driver goes on.
    pub fn next_avail(&self) -> u16 {
        self.next_avail
    }

    /// The used index at which the driver goes on.
    pub fn next_used(&self) -> u16 {
        self.next_used
    }

    /// Publishes what was pushed.
    pub fn publish(&mut self) {
        self.ring.set_avail_index(self.next_avail);
    }

    /// Whether the device asked for a kick for what was published since this was last asked.
    pub fn wants_kick(&mut self) -> bool {
        // The index is published before the device's wish is read; the device does it the other way
        // round, so that one of the two sees the other.
        fence(Ordering::SeqCst);
        let (old, new) = (self.decided, self.next_avail);
        self.decided = new;
        if self.event_idx {
            crossed(self.ring.avail_event(), old, new)
        } else {
            old != new && self.ring.used_flags() & 1 == 0
        }
    }

    /// Kicks, wanted or not.
    ///
    /// # Errors
    /// Those of the kicker, but for a full eventfd: that is a kick which nobody has taken yet.
    pub fn kick(&self) -> Result<(), Error> {
        let kicker = self.kicker()?;
        let kicked =
            if self.notification_data { kicker.kick_with(self.next_avail) } else { kicker.kick() };
        match kicked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other.map_err(|source| Error::System { call: "kick", source }),
        }
    }

    /// Publishes, and kicks if the device wants it.
    ///
    /// # Errors
    /// As [`kick`](Self::kick).
    pub fn publish_and_kick(&mut self) -> Result<(), Error> {
        self.publish();
        if self.wants_kick() { self.kick() } else { Ok(()) }
    }

    /// Says whether calls are wanted: with EVENT_IDX for the next chain that is not taken back yet,
    /// without for each. Returns whether a chain came back meanwhile, for which no call may come.
    pub fn want_calls(&mut self, wanted: bool) -> bool {
        self.calls = wanted;
        if self.event_idx {
            // Behind by one: the farthest away that an index can be.
            let event = if wanted { self.next_used } else { self.next_used.wrapping_sub(1) };
            self.ring.set_used_event(event);
        } else {
            self.ring.set_avail_flags(u16::from(!wanted));
        }
        fence(Ordering::SeqCst);
        self.has_used()
    }

    /// Whether the device gave a chain back that was not taken yet.
    #[inline]
    pub fn has_used(&self) -> bool {
        self.ring.used_index() != self.next_used
    }

    /// Chains that came back and were not taken yet.
    pub fn used_count(&self) -> u16 {
        self.ring.used_index().wrapping_sub(self.next_used)
    }

    /// Takes a chain back: its slot and what the device wrote. The slot is not free yet.
    ///
    /// # Errors
    /// [`Error::Used`] for a chain that the device was never given.
    pub(super) fn pop(&mut self) -> Result<Option<(u16, u32)>, Error> {
        if !self.has_used() {
            return Ok(None);
        }
        let Used { id, len } = self.ring.used(self.next_used);
        let slot = u16::try_from(id).ok().filter(|&head| head < self.ring.size());
        let slot = slot.map(|head| head / self.stride());
        let Some(slot) = slot.filter(|slot| slot * self.stride() == id as u16) else {
            return Err(Error::Used { queue: self.index, id });
        };
        self.next_used = self.next_used.wrapping_add(1);
        if self.event_idx {
            self.ring.set_used_event(self.next_used.wrapping_sub(u16::from(!self.calls)));
        }
        Ok(Some((slot, len)))
    }
}

/// virtio 1.2, 2.7.7.2: whether the step from `old` to `new` went over `event`.
const fn crossed(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_crossed_once() {
        assert!(crossed(4, 4, 5));
        assert!(!crossed(5, 4, 5));
        assert!(!crossed(4, 5, 6));
        assert!(crossed(0xffff, 0xfffe, 1));
        assert!(!crossed(3, 3, 3));
    }

    fn queue(segments: u16) -> (Arc<Region>, Queue) {
        let region = Region::new(0x10000).unwrap();
        let ring = RawRing::new(&region, 0, 8, Iova(0x1000_0000));
        let pool = |offset: usize, piece| Pool {
            region: Arc::clone(&region),
            offset,
            iova: Iova(0x1000_0000 + offset as u64),
            piece,
        };
        let queue =
            Queue::new(QueueIndex(1), ring, pool(0x4000, 0x400), pool(0x3000, 0x40), segments);
        (region, queue.unwrap())
    }

    #[test]
    fn a_direct_chain_uses_its_slots_descriptors() {
        let (region, mut queue) = queue(2);
        queue.clear(65535, Features::empty());
        assert_eq!(queue.free(), 4);
        assert_eq!(queue.take_slot(), Some(0));
        let slot = queue.take_slot().unwrap();
        queue.push(slot, 2, |position| Descriptor::readable(Iova(0x99), position.into()));
        assert_eq!(region.bytes(0x20 + 8, 8), [0, 0, 0, 0, 1, 0, 3, 0]);
        assert_eq!(region.bytes(0x30 + 8, 8), [1, 0, 0, 0, 0, 0, 0, 0]);
        queue.publish();
        assert_eq!(queue.ring().avail_index(), 0);
        assert!(queue.wants_kick());
        assert!(!queue.wants_kick());
        // The device gives it back: the used index goes from 65535 to 0.
        region.write(0x1000 + 4 + 7 * 8, &[2, 0, 0, 0, 0, 0, 0, 0]);
        region.write(0x1002, &[0, 0]);
        assert_eq!(queue.pop().unwrap(), Some((1, 0)));
        assert_eq!(queue.pop().unwrap(), None);
    }

    #[test]
    fn an_indirect_chain_lies_in_its_slots_table() {
        let (region, mut queue) = queue(2);
        queue.clear(0, Features::INDIRECT_DESC);
        assert_eq!(queue.free(), 8);
        queue.push(3, 2, |position| Descriptor::readable(Iova(0x99), position.into()));
        let table: [u8; 8] = (0x1000_0000u64 + 0x3000 + 3 * 0x40).to_le_bytes();
        assert_eq!(region.bytes(0x30, 8), table);
        assert_eq!(region.bytes(0x38, 8), [32, 0, 0, 0, 4, 0, 0, 0]);
        assert_eq!(region.bytes(0x30c0 + 8, 8), [0, 0, 0, 0, 1, 0, 1, 0]);
    }

    #[test]
    fn a_chain_that_was_never_given_is_an_error() {
        let (region, mut queue) = queue(2);
        queue.clear(0, Features::empty());
        region.write(0x1000, &[0, 0, 1, 0, 3, 0, 0, 0]);
        assert!(matches!(queue.pop(), Err(Error::Used { id: 3, .. })));
    }
}
