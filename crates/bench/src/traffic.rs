//! Frames through one queue pair, with as little driver as there can be.
//!
//! Every descriptor is written once. To send is to move the available index on; a receive buffer
//! goes back the same way.

use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use vhost_accel::{Iova, IovaRange, QueueIndex};
use vhost_accel_driver::{Descriptor, RawRing};

use crate::error::{Error, Result};
use crate::guest::{BUFFER, Guest, QUEUE_SIZE};
use crate::watch::Watch;

/// The bytes of `struct virtio_net_hdr_v1`.
const HEADER: usize = 12;
/// The same and those of a short frame.
const FRAME: usize = HEADER + 64;
/// What the device reads of each page that it is to use: together they fit a receive buffer.
const TOUCH: u32 = 8;
/// How many pages one frame can use, by its descriptors and by what a receive buffer takes.
const TOUCHED: u64 = QUEUE_SIZE as u64 - 2;
const _: () = assert!(HEADER + TOUCHED as usize * TOUCH as usize <= BUFFER);
const PAGE: u64 = 4096;
/// How long the device may take before it counts as stuck.
const LIMIT: Duration = Duration::from_secs(2);
const NO_INTERRUPT: u16 = 1;

/// Pair 0 of a running device.
#[derive(Debug)]
pub(crate) struct Traffic<'guest> {
    guest: &'guest Guest,
    receive: &'guest RawRing,
    transmit: &'guest RawRing,
    call: &'guest File,
    /// Frames sent, modulo 2^16: the rings' indexes follow from it.
    sent: u16,
}

impl<'guest> Traffic<'guest> {
    /// Empties the rings of pair 0 and fills them again; the device must not run yet.
    pub(crate) fn prepare(guest: &'guest Guest) -> Self {
        Self::with_frames(guest, FRAME)
    }

    /// The same with a device that signals the receive queue's call eventfd.
    pub(crate) fn with_calls(guest: &'guest Guest) -> Self {
        let traffic = Self::prepare(guest);
        traffic.receive.set_avail_flags(0);
        traffic
    }

    /// The same with frames of `bytes`.
    pub(crate) fn with_bytes(guest: &'guest Guest, bytes: u16) -> Self {
        Self::with_frames(guest, HEADER + usize::from(bytes))
    }

    /// The same with every frame of as many pieces as [`touch`](Self::touch) asks for.
    pub(crate) fn of_pieces(guest: &'guest Guest) -> Self {
        let traffic = Self::prepare(guest);
        for slot in 0..QUEUE_SIZE {
            traffic.transmit.set_avail(slot, 0);
        }
        traffic
    }

    fn with_frames(guest: &'guest Guest, frame: usize) -> Self {
        let (receive, transmit) = (guest.ring(QueueIndex(0)), guest.ring(QueueIndex(1)));
        for ring in [receive, transmit] {
            ring.clear(0);
            ring.set_avail_flags(NO_INTERRUPT);
        }
        let (_, iova) = guest.buffers();
        let at = |slot: u16| Iova(iova.0 + u64::from(slot) * BUFFER as u64);
        for slot in 0..QUEUE_SIZE {
            receive.set_desc(slot, Descriptor::writable(at(slot), BUFFER as u32));
            transmit.set_desc(slot, Descriptor::readable(at(QUEUE_SIZE + slot), frame as u32));
            receive.set_avail(slot, slot);
            transmit.set_avail(slot, slot);
        }
        // All buffers but those that the first frames use are the device's from the start.
        receive.set_avail_index(QUEUE_SIZE - 1);
        Self { guest, receive, transmit, call: guest.call(QueueIndex(0)), sent: 0 }
    }

    /// Puts the next frame on the transmit queue.
    #[inline]
    fn publish(&mut self) {
        self.publish_all(1);
    }

    /// Puts the next frames on the transmit queue.
    #[inline]
    fn publish_all(&mut self, frames: u16) {
        // The receive buffers of the frames before go back with them.
        self.receive.set_avail_index(self.sent.wrapping_add(QUEUE_SIZE - 1));
        self.sent = self.sent.wrapping_add(frames);
        self.transmit.set_avail_index(self.sent);
    }

    /// From the kick until the device has used the transmit buffer, watched by the caller.
    ///
    /// # Errors
    /// [`Error::Stuck`] when it never does.
    pub(crate) fn latency(
        &mut self,
        watch: &mut dyn Watch,
        kick: impl Fn() -> io::Result<()>,
    ) -> Result<()> {
        self.publish();
        watch.start();
        kick().map_err(Error::call("kick"))?;
        self.until(self.transmit, "the device does not use what it was sent")?;
        watch.stop();
        // So that one frame is on its way at a time.
        self.until(self.receive, "the device does not send back what it was sent")
    }

    /// From the kick until this thread, asleep on the receive queue's call eventfd, is awake.
    ///
    /// # Errors
    /// [`Error::Stuck`], [`Error::Call`].
    pub(crate) fn call(
        &mut self,
        watch: &mut dyn Watch,
        kick: impl Fn() -> io::Result<()>,
    ) -> Result<()> {
        self.publish();
        watch.start();
        kick().map_err(Error::call("kick"))?;
        self.sleep()?;
        watch.stop();
        self.until(self.receive, "a call came before its frame")
    }

    /// From a frame in the sender's hand to the same frame in the receiver's.
    ///
    /// # Errors
    /// [`Error::Stuck`], also for a frame that came back changed; [`Error::Call`].
    pub(crate) fn round_trip(
        &mut self,
        watch: &mut dyn Watch,
        kick: impl Fn() -> io::Result<()>,
    ) -> Result<()> {
        let (buffers, _) = self.guest.buffers();
        let slot = usize::from(self.sent % QUEUE_SIZE);
        let mut frame = [0x5a; FRAME];
        frame[..12].fill(0);
        frame[12..14].copy_from_slice(&self.sent.to_le_bytes());
        watch.start();
        buffers.write((usize::from(QUEUE_SIZE) + slot) * BUFFER, &frame);
        self.publish();
        kick().map_err(Error::call("kick"))?;
        self.sleep()?;
        if self.receive.used_index() != self.sent {
            return Err(Error::Stuck("a call came before its frame"));
        }
        let used = self.receive.used(self.sent.wrapping_sub(1));
        let mut back = [0; FRAME];
        buffers.read(used.id as usize % usize::from(QUEUE_SIZE) * BUFFER, &mut back);
        watch.stop();
        // num_buffers aside, which the device fills in.
        if used.len as usize != FRAME || back[12..] != frame[12..] {
            return Err(Error::Stuck("a frame came back changed"));
        }
        Ok(())
    }

    /// `batch` frames and one kick, until they are back.
    ///
    /// # Errors
    /// [`Error::Stuck`].
    pub(crate) fn through(
        &mut self,
        batch: u16,
        watch: &mut dyn Watch,
        kick: impl Fn() -> io::Result<()>,
    ) -> Result<()> {
        watch.start();
        self.publish_all(batch);
        kick().map_err(Error::call("kick"))?;
        self.until(self.receive, "the device does not send back what it was sent")?;
        watch.stop();
        Ok(())
    }

    /// Lets the device use every page of `range`: it reads some bytes of each.
    ///
    /// # Errors
    /// [`Error::Stuck`].
    pub(crate) fn touch(
        &mut self,
        range: IovaRange,
        kick: impl Fn() -> io::Result<()>,
    ) -> Result<()> {
        let pages = range.len / PAGE;
        let (_, buffers) = self.guest.buffers();
        let header = Iova(buffers.0 + u64::from(QUEUE_SIZE) * BUFFER as u64);
        for first in (0..pages).step_by(TOUCHED as usize) {
            let count = TOUCHED.min(pages - first) as u16;
            self.transmit.set_desc(0, Descriptor::readable(header, HEADER as u32).then(1));
            for piece in 1..=count {
                let page = range.start.0 + (first + u64::from(piece) - 1) * PAGE;
                let desc = Descriptor::readable(Iova(page), TOUCH);
                self.transmit
                    .set_desc(piece, if piece < count { desc.then(piece + 1) } else { desc });
            }
            self.publish();
            kick().map_err(Error::call("kick"))?;
            self.until(self.transmit, "the device does not use the pages that it was lent")?;
            self.until(self.receive, "the device does not send back what it was sent")?;
        }
        Ok(())
    }

    /// Watches a ring until it has used everything that was sent.
    #[inline]
    fn until(&self, ring: &RawRing, what: &'static str) -> Result<()> {
        let (mut spins, mut end) = (0u32, None);
        while ring.used_index() != self.sent {
            self.guest.waiting.pause();
            spins = spins.wrapping_add(1);
            if spins.is_multiple_of(1 << 14) {
                let now = Instant::now();
                if now > *end.get_or_insert(now + LIMIT) {
                    return Err(Error::Stuck(what));
                }
            }
        }
        Ok(())
    }

    /// Sleeps until the call eventfd is signalled.
    fn sleep(&self) -> Result<()> {
        let mut count = [0; 8];
        let mut call = self.call;
        call.read_exact(&mut count).map_err(Error::call("read eventfd"))
    }
}
