//! The least that makes the loopback loop: one frame from a transmit to a receive queue.

use vhost_accel_uapi::vhost::VringAddr;

use crate::common::Mapped;

/// Where the memory of [`Rings`] lies for the device.
pub(crate) const IOVA: u64 = 0x10_0000;
/// Bytes of that memory.
pub(crate) const LEN: u64 = 0x2_0000;
/// VIRTIO_F_VERSION_1 and VIRTIO_F_ACCESS_PLATFORM.
pub(crate) const FEATURES: u64 = 3 << 32;
/// Entries of both rings.
pub(crate) const SIZE: u32 = 4;

const AVAIL: usize = 0x1000;
const USED: usize = 0x2000;
const RING: usize = 0x4000;
const RECEIVE: usize = 0x1_0000;
const TRANSMIT: usize = 0x1_1000;
const HEADER: usize = 12;

/// Queue 0 receives, queue 1 transmits.
pub(crate) struct Rings {
    pub(crate) memory: Mapped,
    sent: u16,
}

impl Rings {
    pub(crate) fn new() -> Self {
        Self::over(Mapped::anonymous(LEN), 0)
    }

    /// Rings in this memory, on which so many frames were sent before.
    pub(crate) fn over(memory: Mapped, sent: u16) -> Self {
        Self { memory, sent }
    }

    /// Makes more available on a queue than it can hold.
    pub(crate) fn break_index(&self, queue: usize) {
        self.memory.write_u16(queue * RING + AVAIL + 2, self.sent + 2 * SIZE as u16);
    }

    /// The same memory, with rings that nothing was sent on.
    pub(crate) fn again(self) -> Self {
        self.memory.write(0, &[0; 2 * RING]);
        Self { sent: 0, ..self }
    }

    /// Where a queue's ring lies, as SET_VRING_ADDR takes it.
    pub(crate) fn addr(queue: u32) -> VringAddr {
        let base = IOVA + (queue as usize * RING) as u64;
        VringAddr {
            index: queue,
            flags: 0,
            desc: base,
            used: base + USED as u64,
            avail: base + AVAIL as u64,
            log: 0,
        }
    }

    /// Makes a receive buffer and a frame available. The driver has then to kick queue 1.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.memory.write(RECEIVE, &[0xee; 2048]);
        self.memory.write(TRANSMIT, &[0; HEADER]);
        self.memory.write(TRANSMIT + HEADER, frame);
        const WRITE: u16 = 2;
        self.buffer(0, RECEIVE, 2048, WRITE);
        self.buffer(1, TRANSMIT, HEADER + frame.len(), 0);
        self.sent += 1;
    }

    fn buffer(&self, queue: usize, at: usize, len: usize, flags: u16) {
        let base = queue * RING;
        let slot = usize::from(self.sent) % SIZE as usize;
        let mut descriptor = [0; 16];
        descriptor[..8].copy_from_slice(&(IOVA + at as u64).to_le_bytes());
        descriptor[8..12].copy_from_slice(&(len as u32).to_le_bytes());
        descriptor[12..14].copy_from_slice(&flags.to_le_bytes());
        self.memory.write(base + slot * 16, &descriptor);
        self.memory.write_u16(base + AVAIL + 4 + slot * 2, slot as u16);
        self.memory.write_u16(base + AVAIL + 2, self.sent + 1);
    }

    /// How many buffers of a queue came back.
    pub(crate) fn used(&self, queue: usize) -> u16 {
        self.memory.read_u16(queue * RING + USED + 2)
    }

    /// What lies in the receive buffer behind its header.
    pub(crate) fn received(&self, len: usize) -> Vec<u8> {
        self.memory.read(RECEIVE + HEADER, len)
    }

    /// Sends a frame, calls `kick`, and sees the frame come back before long.
    pub(crate) fn loop_one(&mut self, what: &str, kick: impl FnOnce()) {
        let frame: Vec<u8> = (0..100).map(|n| n ^ self.sent as u8).collect();
        self.send(&frame);
        kick();
        let start = std::time::Instant::now();
        while self.used(0) != self.sent || self.used(1) != self.sent {
            let used = (self.used(0), self.used(1));
            assert!(start.elapsed().as_secs() < 60, "{what}: {used:?} of {} came back", self.sent);
            std::thread::yield_now();
        }
        assert_eq!(self.received(frame.len()), frame, "{what}");
    }
}
