//! A guest with one queue pair.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use vhost_accel::QueueIndex;
use vhost_accel_driver::Event;
use virtio_queue::desc::RawDescriptor;
use virtio_queue::desc::split::Descriptor;
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::LIMIT;
use crate::net::{GuestQueue, Net};

pub(crate) const QUEUE_SIZE: u16 = 16;
/// The end of its memory.
pub(crate) const END: u64 = 1 << 20;

/// `struct virtio_net_hdr_v1`, which is before each frame.
const HEADER: u64 = 12;
/// VIRTQ_DESC_F_WRITE.
const WRITE: u16 = 2;
/// Where it has what: a page for each ring, and for each frame.
const PAGE: u64 = 4096;
const RINGS: u64 = PAGE;
const AVAIL: u64 = 16 * QUEUE_SIZE as u64;
const USED: u64 = PAGE / 2;
const RECEIVE: u64 = 16 * PAGE;
const TRANSMIT: u64 = 64 * PAGE;

pub(crate) struct Guest {
    memory: GuestMemoryMmap,
    /// What its device adds to an address in this memory.
    offset: u64,
    queues: [GuestQueue; 2],
    called: Event,
    sent: u16,
    received: u16,
}

impl Guest {
    /// A guest whose device finds the first byte of its memory at `offset`.
    pub(crate) fn new(offset: u64) -> Self {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), END as usize)]).unwrap();
        Self::again(memory, offset)
    }

    /// The same after a reset: with new rings.
    pub(crate) fn after_reset(self) -> Self {
        Self::again(self.memory, self.offset)
    }

    fn again(memory: GuestMemoryMmap, offset: u64) -> Self {
        let called = Event::new().unwrap();
        let queues = [0u16, 1].map(|index| {
            let start = RINGS + PAGE * u64::from(index);
            memory.write_slice(&[0; PAGE as usize], GuestAddress(start)).unwrap();
            let mut queue = Queue::new(QUEUE_SIZE).unwrap();
            let address = |part: u64| GuestAddress(offset + start + part);
            queue.try_set_desc_table_address(address(0)).unwrap();
            queue.try_set_avail_ring_address(address(AVAIL)).unwrap();
            queue.try_set_used_ring_address(address(USED)).unwrap();
            queue.set_ready(true);
            let call = called.as_fd().try_clone_to_owned().unwrap();
            GuestQueue { index: QueueIndex(index), queue, call }
        });
        let guest = Self { memory, offset, queues, called, sent: 0, received: 0 };
        for index in 0..QUEUE_SIZE {
            guest.add(0, index, guest.offset + RECEIVE + PAGE * u64::from(index), PAGE, WRITE);
        }
        guest
    }

    pub(crate) fn memory(&self) -> &GuestMemoryMmap {
        &self.memory
    }

    pub(crate) fn queues(&self) -> &[GuestQueue] {
        &self.queues
    }

    pub(crate) fn queues_mut(&mut self) -> &mut [GuestQueue] {
        &mut self.queues
    }

    /// Sends a frame and returns the next one that is received.
    pub(crate) fn exchange(&mut self, net: &Net, frame: &[u8]) -> Vec<u8> {
        self.send(net, frame);
        self.receive()
    }

    /// Puts a frame on the transmit queue, and notifies.
    pub(crate) fn send(&mut self, net: &Net, frame: &[u8]) {
        let buffer = TRANSMIT + PAGE * u64::from(self.sent % QUEUE_SIZE);
        self.memory.write_slice(&[0; HEADER as usize], GuestAddress(buffer)).unwrap();
        self.memory.write_slice(frame, GuestAddress(buffer + HEADER)).unwrap();
        self.send_from(net, self.offset + buffer, HEADER + frame.len() as u64);
    }

    /// The same with what is at any address of the device's.
    pub(crate) fn send_from(&mut self, net: &Net, address: u64, len: u64) {
        self.add(1, self.sent, address, len, 0);
        self.sent = self.sent.wrapping_add(1);
        net.notify(QueueIndex(1)).unwrap();
    }

    /// Waits for a frame, and gives its buffer back.
    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let used = RINGS + USED;
        let index = || self.memory.load::<u16>(GuestAddress(used + 2), Ordering::Acquire).unwrap();
        while u16::from_le(index()) == self.received {
            assert_ne!(self.called.wait(LIMIT).unwrap(), 0, "no frame has come");
        }
        let slot = u64::from(self.received % QUEUE_SIZE);
        let [_, len]: [u32; 2] = self.memory.read_obj(GuestAddress(used + 4 + 8 * slot)).unwrap();
        let mut frame = vec![0; (u64::from(u32::from_le(len)) - HEADER) as usize];
        let buffer = RECEIVE + PAGE * slot;
        self.memory.read_slice(&mut frame, GuestAddress(buffer + HEADER)).unwrap();
        let next = self.received.wrapping_add(QUEUE_SIZE);
        self.add(0, next, self.offset + buffer, PAGE, WRITE);
        self.received = self.received.wrapping_add(1);
        frame
    }

    /// The page of the last frame that was received.
    pub(crate) fn last_page(&self) -> u64 {
        RECEIVE / PAGE + u64::from((self.received - 1) % QUEUE_SIZE)
    }

    /// Makes a buffer available, behind `before` others that ever were.
    fn add(&self, queue: u64, before: u16, address: u64, len: u64, flags: u16) {
        let start = RINGS + PAGE * queue;
        let slot = before % QUEUE_SIZE;
        let desc = RawDescriptor::from(Descriptor::new(address, len as u32, flags, 0));
        self.memory.write_obj(desc, GuestAddress(start + 16 * u64::from(slot))).unwrap();
        let entry = start + AVAIL + 4 + 2 * u64::from(slot);
        self.memory.write_obj(slot.to_le(), GuestAddress(entry)).unwrap();
        let index = before.wrapping_add(1).to_le();
        self.memory.store(index, GuestAddress(start + AVAIL + 2), Ordering::Release).unwrap();
    }
}
