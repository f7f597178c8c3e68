//! A device, memory that it reaches, and rings in it.

#![expect(unsafe_code, reason = "the memory that the device writes is reached by address here too")]

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering, fence};
use std::time::{Duration, Instant};

use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ,
};
use virtio_bindings::virtio_ring::{VIRTIO_RING_F_INDIRECT_DESC, VRING_DESC_F_NEXT};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use crate::dma::{Access, ClientMemory, DmaSpace, PAGE_SIZE, PinPolicy, Region};
use crate::transport::REQUIRED;
use crate::{Device, DeviceConfig};

pub(super) const WRITE: u16 = virtio_bindings::virtio_ring::VRING_DESC_F_WRITE as u16;
pub(super) const NEXT: u16 = VRING_DESC_F_NEXT as u16;
pub(super) const INDIRECT: u16 = virtio_bindings::virtio_ring::VRING_DESC_F_INDIRECT as u16;

/// Where the arena's first byte is mapped.
pub(super) const IOVA: u64 = 0x4000_0000;

/// The usual features of a driver here: everything on the control queue, indirect descriptors.
pub(super) const FEATURES: u64 = REQUIRED
    | 1 << VIRTIO_NET_F_CTRL_VQ
    | 1 << VIRTIO_NET_F_CTRL_MAC_ADDR
    | 1 << VIRTIO_NET_F_MQ
    | 1 << VIRTIO_RING_F_INDIRECT_DESC;

pub(super) const CONFIG: DeviceConfig =
    DeviceConfig { pairs: 2, max_queue_size: 256, mac: [2, 0, 0, 0, 0, 1], mtu: 1500, log: true };

/// How long the device gets for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Memory between two pages that nobody may touch.
#[derive(Debug)]
pub(super) struct Arena {
    base: *mut u8,
    pub(super) len: usize,
}

// SAFETY: plain memory; all sharing of it is the tests' business.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    pub(super) fn new(len: usize) -> Self {
        let page = PAGE_SIZE as usize;
        let (none, both) = (libc::PROT_NONE, libc::PROT_READ | libc::PROT_WRITE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping where the kernel likes it.
        let outer = unsafe { libc::mmap(ptr::null_mut(), len + 2 * page, none, flags, -1, 0) };
        assert_ne!(outer, libc::MAP_FAILED);
        let base = outer.wrapping_byte_add(page);
        // SAFETY: inside the mapping just made.
        assert_eq!(unsafe { libc::mprotect(base, len, both) }, 0);
        base.expose_provenance();
        Self { base: base.cast(), len }
    }

    pub(super) fn host(&self) -> u64 {
        self.base.addr() as u64
    }

    fn at(&self, offset: u64, len: usize) -> *mut u8 {
        let offset = usize::try_from(offset).unwrap();
        assert!(offset + len <= self.len);
        self.base.wrapping_add(offset)
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) {
        // SAFETY: in the arena; the device only copies.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(offset, bytes.len()), bytes.len())
        };
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        // SAFETY: in the arena; the device only copies.
        unsafe { ptr::copy_nonoverlapping(self.at(offset, len), bytes.as_mut_ptr(), len) };
        bytes
    }

    pub(super) fn index(&self, offset: u64) -> &AtomicU16 {
        // SAFETY: in the arena, even, and lives as long as it.
        unsafe { AtomicU16::from_ptr(self.at(offset, 2).cast()) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let page = PAGE_SIZE as usize;
        // SAFETY: the whole of what `new` mapped.
        unsafe { libc::munmap(self.base.wrapping_sub(page).cast(), self.len + 2 * page) };
    }
}

/// This process's memory, mapped as the tests see fit.
pub(super) fn this_process() -> ClientMemory {
    ClientMemory::of_process(std::process::id()).unwrap()
}

/// A device that is bound to an arena, all of which is mapped at [`IOVA`].
#[derive(Debug)]
pub(super) struct Rig {
    // Dropped before the memory that it uses.
    pub(super) device: Arc<Device>,
    pub(super) dma: Arc<DmaSpace>,
    pub(super) arena: Arena,
    pub(super) rings: Vec<Ring>,
}

/// Where a ring is in the arena, and what the driver knows about it.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) queue: u16,
    pub(super) size: u16,
    pub(super) table: u64,
    pub(super) available: u64,
    pub(super) used: u64,
    /// Data of the descriptors: `BUFFER` bytes each.
    pub(super) buffers: u64,
    pub(super) next: u16,
    pub(super) seen: u16,
}

/// Bytes of each descriptor's own buffer.
pub(super) const BUFFER: u64 = 2048;
/// Bytes of arena for one ring: its parts in a page each, and the buffers.
pub(super) const RING_SPACE: u64 = 3 * PAGE_SIZE + 64 * BUFFER;
/// Entries of the rings.
pub(super) const SIZE: u16 = 64;

impl Rig {
    /// A device of [`CONFIG`] with rings for all its queues, set up but not running.
    pub(super) fn new() -> Self {
        Self::with(CONFIG, this_process(), PinPolicy::Eager)
    }

    pub(super) fn with(config: DeviceConfig, memory: ClientMemory, policy: PinPolicy) -> Self {
        Self::around(Device::new(config).unwrap(), memory, policy)
    }

    /// A device of any kind with rings for all its queues.
    pub(super) fn around(device: Arc<Device>, memory: ClientMemory, policy: PinPolicy) -> Self {
        let queues = device.queue_count();
        let arena = Arena::new((u64::from(queues) * RING_SPACE) as usize);
        let dma = Arc::new(DmaSpace::new(memory.clone(), policy, 1 << 21));
        let region = Region {
            iova: IOVA,
            len: arena.len as u64,
            host: arena.host(),
            access: Access::ReadWrite,
        };
        dma.map(region).unwrap();
        device.bind(memory, Arc::clone(&dma), None).unwrap();
        let rings = (0..queues).map(Ring::new).collect();
        Self { device, dma, arena, rings }
    }

    /// [`Rig::new`], started with `features` besides [`FEATURES`].
    pub(super) fn started(features: u64) -> Self {
        let rig = Self::new();
        rig.start(FEATURES | features);
        rig
    }

    pub(super) fn start(&self, features: u64) {
        self.device.set_status(3).unwrap();
        self.device.set_features(features).unwrap();
        self.device.set_status(0xb).unwrap();
        assert_eq!(self.device.status(), 0xb);
        for ring in &self.rings {
            self.set_up(ring);
        }
        self.device.set_status(0xf).unwrap();
        assert_eq!(self.device.status(), 0xf);
    }

    pub(super) fn set_up(&self, ring: &Ring) {
        let (device, queue) = (&self.device, ring.queue);
        device.set_vring_num(queue, ring.size.into()).unwrap();
        let (table, available, used) = (IOVA + ring.table, IOVA + ring.available, IOVA + ring.used);
        device.set_vring_addr(queue, table, available, used, None).unwrap();
        device.set_vring_enable(queue, true).unwrap();
    }

    pub(super) fn descriptor(&self, queue: u16, index: u16, address: u64, len: u32, flags: u16) {
        self.chained(queue, index, address, len, flags, 0);
    }

    pub(super) fn chained(
        &self,
        queue: u16,
        index: u16,
        address: u64,
        len: u32,
        flags: u16,
        next: u16,
    ) {
        let table = self.ring(queue).table;
        self.arena.write(table + 16 * u64::from(index), &descriptor(address, len, flags, next));
    }

    pub(super) fn ring(&self, queue: u16) -> &Ring {
        &self.rings[usize::from(queue)]
    }

    /// The arena offset of a descriptor's own buffer.
    pub(super) fn buffer(&self, queue: u16, index: u16) -> u64 {
        self.ring(queue).buffers + u64::from(index) * BUFFER
    }

    /// Makes the chain at `head` available, and does not kick.
    pub(super) fn offer(&mut self, queue: u16, head: u16) {
        let ring = &mut self.rings[usize::from(queue)];
        let slot = u64::from(ring.next % ring.size);
        self.arena.index(ring.available + 4 + 2 * slot).store(head, Ordering::Relaxed);
        ring.next = ring.next.wrapping_add(1);
        self.arena.index(ring.available + 2).store(ring.next, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Sends a frame with the buffer of descriptor `index`, and does not kick.
    pub(super) fn post_frame(&mut self, queue: u16, index: u16, frame: &[u8]) {
        let buffer = self.buffer(queue, index);
        self.arena.write(buffer, &[0xee; 12]);
        self.arena.write(buffer + 12, frame);
        self.descriptor(queue, index, IOVA + buffer, frame.len() as u32 + 12, 0);
        self.offer(queue, index);
    }

    /// Gives the device the buffer of descriptor `index` to write to, and does not kick.
    pub(super) fn post_buffer(&mut self, queue: u16, index: u16) {
        let buffer = self.buffer(queue, index);
        self.descriptor(queue, index, IOVA + buffer, BUFFER as u32, WRITE);
        self.offer(queue, index);
    }

    pub(super) fn kick(&self, queue: u16) {
        self.device.kick(queue).unwrap();
    }

    pub(super) fn used_index(&self, queue: u16) -> u16 {
        self.arena.index(self.ring(queue).used + 2).load(Ordering::Acquire)
    }

    /// The next used element, if there is one: id and length.
    pub(super) fn try_used(&mut self, queue: u16) -> Option<(u32, u32)> {
        if self.used_index(queue) == self.ring(queue).seen {
            return None;
        }
        let ring = &mut self.rings[usize::from(queue)];
        let slot = u64::from(ring.seen % ring.size);
        ring.seen = ring.seen.wrapping_add(1);
        let element = self.arena.read(ring.used + 4 + 8 * slot, 8);
        let (id, len) = element.split_at(4);
        Some((
            u32::from_le_bytes(id.try_into().unwrap()),
            u32::from_le_bytes(len.try_into().unwrap()),
        ))
    }

    /// The next used element, waited for.
    #[track_caller]
    pub(super) fn used(&mut self, queue: u16) -> (u32, u32) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(used) = self.try_used(queue) {
                return used;
            }
            assert!(
                Instant::now() < end,
                "queue {queue} returned nothing: {:?}",
                self.device.counters()
            );
            std::thread::yield_now();
        }
    }

    /// The frame in the next receive buffer, waited for. Its header is checked.
    #[track_caller]
    pub(super) fn receive(&mut self, queue: u16) -> Vec<u8> {
        let (id, len) = self.used(queue);
        let packet = self.arena.read(self.buffer(queue, id as u16), len as usize);
        assert_eq!(packet[..12], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
        packet[12..].to_vec()
    }

    /// Runs a command on the control queue and returns its ack.
    pub(super) fn command(&mut self, command: &[u8]) -> u8 {
        let multiqueue = self.device.features() & 1 << VIRTIO_NET_F_MQ != 0;
        let queue = if multiqueue { self.device.queue_count() - 1 } else { 2 };
        let buffer = self.buffer(queue, 0);
        self.arena.write(buffer, command);
        self.arena.write(buffer + 1024, &[0xaa]);
        self.chained(queue, 0, IOVA + buffer, command.len() as u32, NEXT, 1);
        self.descriptor(queue, 1, IOVA + buffer + 1024, 1, WRITE);
        self.offer(queue, 0);
        self.kick(queue);
        assert_eq!(self.used(queue), (0, 1));
        self.arena.read(buffer + 1024, 1)[0]
    }

    /// Sends one frame through a pair that has nothing else to do, and gets it back.
    #[track_caller]
    pub(super) fn round_trip(&mut self, pair: u16, frame: &[u8]) {
        let (rx, tx) = (2 * pair, 2 * pair + 1);
        self.post_buffer(rx, 0);
        self.post_frame(tx, 0, frame);
        self.kick(tx);
        assert_eq!(self.receive(rx), frame);
        assert_eq!(self.used(tx), (0, 0));
    }
}

impl Ring {
    pub(super) fn new(queue: u16) -> Self {
        let base = u64::from(queue) * RING_SPACE;
        Self {
            queue,
            size: SIZE,
            table: base,
            available: base + PAGE_SIZE,
            used: base + 2 * PAGE_SIZE,
            buffers: base + 3 * PAGE_SIZE,
            next: 0,
            seen: 0,
        }
    }
}

/// The bytes of a descriptor.
pub(super) fn descriptor(address: u64, len: u32, flags: u16, next: u16) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&address.to_le_bytes());
    bytes[8..12].copy_from_slice(&len.to_le_bytes());
    bytes[12..14].copy_from_slice(&flags.to_le_bytes());
    bytes[14..].copy_from_slice(&next.to_le_bytes());
    bytes
}

/// Waits until `done`.
#[track_caller]
pub(super) fn until(mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "waited in vain");
        std::thread::yield_now();
    }
}

impl Rig {
    /// Waits until the device has done what a start or [`kick`](Self::kick) asked for, and sleeps.
    /// It looks at no ring then until somebody kicks again.
    pub(super) fn settle(&self) {
        let shared = &self.device.shared;
        // In this order: who has taken a kick is awake, and sleeps when it is done with it.
        until(|| shared.kicked.is_empty() && shared.sleeping.load(Ordering::SeqCst));
    }
}

/// Long enough for the device to do what it is not to do.
pub(super) fn let_it_err() {
    std::thread::sleep(Duration::from_millis(3));
}

/// An eventfd and a descriptor of it to hand to the device.
pub(super) fn eventfd() -> (EventFd, OwnedFd) {
    let eventfd = EventFd::new(EFD_NONBLOCK).unwrap();
    let owned = borrow(&eventfd).try_clone_to_owned().unwrap();
    (eventfd, owned)
}

/// A descriptor as the standard library has it.
pub(super) fn borrow(fd: &impl AsRawFd) -> BorrowedFd<'_> {
    // SAFETY: open for as long as its owner is borrowed.
    unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) }
}

/// How often an eventfd was signalled since it was asked last.
pub(super) fn signals(eventfd: &EventFd) -> u64 {
    eventfd.read().unwrap_or(0)
}

/// What poll(2) says of an eventfd: POLLERR where its count is beyond what write(2) could make it.
pub(super) fn polled(eventfd: &EventFd) -> i16 {
    let mut poll = libc::pollfd { fd: eventfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which lives for the call.
    unsafe { libc::poll(&raw mut poll, 1, 0) };
    poll.revents
}
