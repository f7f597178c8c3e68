//! A network card's queues and their memory, without a device.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vhost_accel_core::{Features, Iova, QueueIndex, page_size};
use virtio_bindings::virtio_net::VIRTIO_NET_OK;

use super::Error;
use super::config::{Config, HEADER};
use super::memory::{Lease, Region};
use super::queue::{Pool, Queue};
use super::ring::{Descriptor, RawRing};

/// Entries of the control queue.
const CONTROL_SIZE: u16 = 8;
/// A control command's buffer: class, command, data and, at the end, the answer.
const CONTROL_BUFFER: usize = 64;
/// An answer that no device gives: none was written.
const NO_ANSWER: u8 = 0x5a;

/// Memory, rings and buffers: everything of a driver but the device.
///
/// Made once, it can be given to one device after the other
/// ([`NetDriver::new`](super::NetDriver::new)).
#[derive(Debug)]
pub struct Guest {
    config: Config,
    /// Pairs that the device has.
    max_pairs: u16,
    leases: Vec<Lease>,
    receive: Vec<Queue>,
    transmit: Vec<Queue>,
    control: Queue,
    pub(super) features: Features,
    frame: Vec<u8>,
}

/// Hands out memory of the regions to come.
struct Plan {
    lens: Vec<usize>,
}

impl Plan {
    /// `len` bytes of region `region`, in whole pages: their offset.
    fn take(&mut self, region: usize, len: usize) -> usize {
        let offset = self.lens[region];
        self.lens[region] += len.next_multiple_of(page_size());
        offset
    }
}

impl Guest {
    /// Allocates a guest for a device with `queue_count` vrings: two for each pair, and the control
    /// queue, whose [place](Config::control_queue) is known when features are negotiated.
    ///
    /// # Errors
    /// [`Error::Pairs`] when the device has fewer, and those of memory and eventfds.
    pub fn new(config: Config, queue_count: u16) -> Result<Self, Error> {
        let max_pairs = queue_count / 2;
        if config.pairs == 0 || config.pairs > max_pairs {
            return Err(Error::Pairs(max_pairs));
        }
        let size = config.queue_size;
        let regions = config.regions.max(1);
        let mut plan = Plan { lens: vec![0; regions] };
        let buffers_in = |queue: usize| if regions == 1 { 0 } else { 1 + queue % (regions - 1) };
        let table = Descriptor::SIZE * usize::from(config.segments);
        // Offsets of a queue's ring, tables and buffers.
        let mut place = |number: usize, size: u16, buffer: usize, table: usize| {
            let ring = plan.take(0, RawRing::bytes(size));
            let tables = plan.take(0, table * usize::from(size));
            let home = buffers_in(number);
            (ring, tables, home, plan.take(home, buffer * usize::from(size)))
        };
        let buffer = |number: usize| {
            if number.is_multiple_of(2) { config.rx_buffer } else { config.tx_buffer }
        };
        let places: Vec<_> = (0..2 * usize::from(config.pairs))
            .map(|number| place(number, size, buffer(number), table))
            .collect();
        let control_at = place(0, CONTROL_SIZE, CONTROL_BUFFER, 2 * Descriptor::SIZE);

        let mut leases = Vec::with_capacity(regions);
        let mut iova = config.iova;
        for len in plan.lens {
            let region = Region::new(len)?;
            leases.push(region.at(iova));
            // A hole, and the next region on a boundary that doesn't depend on the size of this
            // one.
            iova = Iova((iova.0 + region.len() as u64 + 1).next_multiple_of(1 << 24));
        }

        let pool = |home: usize, offset: usize, piece: usize| {
            let lease: &Lease = &leases[home];
            let iova = Iova(lease.range().start.0 + offset as u64);
            Pool { region: Arc::clone(lease.region()), offset, iova, piece }
        };
        let queue =
            |index: u16, size, at: (usize, usize, usize, usize), buffer, table, segments| {
                let (ring, tables, home, buffers) = at;
                let (region, iova) = (leases[0].region(), leases[0].range().start);
                let ring = RawRing::new(region, ring, size, iova);
                let (buffers, tables) = (pool(home, buffers, buffer), pool(0, tables, table));
                Queue::new(QueueIndex(index), ring, buffers, tables, segments)
            };
        let (mut receive, mut transmit) = (Vec::new(), Vec::new());
        for (index, &at) in (0u16..).zip(&places) {
            let (queues, segments) =
                if index % 2 == 0 { (&mut receive, 1) } else { (&mut transmit, config.segments) };
            queues.push(queue(index, size, at, buffer(index.into()), table, segments)?);
        }
        let table = 2 * Descriptor::SIZE;
        let last = 2 * max_pairs;
        let control = queue(last, CONTROL_SIZE, control_at, CONTROL_BUFFER, table, 2)?;
        let mut guest = Self {
            frame: Vec::with_capacity(config.tx_buffer),
            config,
            max_pairs,
            leases,
            receive,
            transmit,
            control,
            features: Features::empty(),
        };
        guest.clear(Features::empty());
        Ok(guest)
    }

    /// What it was made as.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What was negotiated at the last setup.
    pub fn features(&self) -> Features {
        self.features
    }

    /// Its memory as the device is to find it.
    pub fn leases(&self) -> &[Lease] {
        &self.leases
    }

    /// Empties every ring and fills the receive queues with buffers.
    pub(super) fn clear(&mut self, features: Features) {
        self.features = features;
        let base = self.config.base;
        for queue in &mut self.transmit {
            queue.clear(base, features);
        }
        self.control.move_to(Config::control_queue(features, self.max_pairs));
        self.control.clear(base, features);
        for queue in &mut self.receive {
            queue.clear(base, features);
            while let Some(slot) = queue.take_slot() {
                offer(queue, slot);
            }
            queue.publish();
        }
    }

    /// The receive queue of a pair.
    pub fn rx(&mut self, pair: u16) -> &mut Queue {
        &mut self.receive[usize::from(pair)]
    }

    /// The transmit queue of a pair.
    pub fn tx(&mut self, pair: u16) -> &mut Queue {
        &mut self.transmit[usize::from(pair)]
    }

    /// The control queue.
    pub fn control(&mut self) -> &mut Queue {
        &mut self.control
    }

    /// The queues that are set up: all, but the control queue without CTRL_VQ.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        let control = self.features.contains(Config::CTRL_VQ).then_some(&self.control);
        self.receive.iter().zip(&self.transmit).flat_map(|(rx, tx)| [rx, tx]).chain(control)
    }

    pub(super) fn queues_mut(&mut self) -> impl Iterator<Item = &mut Queue> {
        let control = self.features.contains(Config::CTRL_VQ).then_some(&mut self.control);
        let pairs = self.receive.iter_mut().zip(&mut self.transmit);
        pairs.flat_map(|(rx, tx)| [rx, tx]).chain(control)
    }

    /// Puts as many of `frames` on a pair's transmit queue as there is room for, and kicks if the
    /// device wants it. Returns how many.
    ///
    /// # Errors
    /// [`Error::TooLong`], [`Error::Used`], and those of the kicker.
    pub fn send(&mut self, pair: u16, frames: &[&[u8]]) -> Result<usize, Error> {
        let sent = self.queue_frames(pair, frames)?;
        if sent > 0 {
            self.tx(pair).publish_and_kick()?;
        }
        Ok(sent)
    }

    /// As [`send`](Self::send), but neither published nor kicked:
    /// [`Queue::publish_and_kick`] does that.
    ///
    /// # Errors
    /// [`Error::TooLong`] and [`Error::Used`].
    pub fn queue_frames(&mut self, pair: u16, frames: &[&[u8]]) -> Result<usize, Error> {
        let queue = self.tx(pair);
        while let Some((slot, _)) = queue.pop()? {
            queue.give_slot(slot);
        }
        for (sent, frame) in frames.iter().enumerate() {
            let room = queue.buffer_len() - HEADER;
            if frame.len() > room {
                return Err(Error::TooLong { len: frame.len(), room });
            }
            let Some(slot) = queue.take_slot() else {
                return Ok(sent);
            };
            queue.write_buffer(slot, 0, &[0; HEADER]);
            queue.write_buffer(slot, HEADER, frame);
            let iova = queue.buffer_iova(slot);
            let part = |start: usize, end: usize| {
                Descriptor::readable(Iova(iova.0 + start as u64), (end - start) as u32)
            };
            let len = frame.len();
            let parts = usize::from(queue.segments() - 1).min(len);
            if parts == 0 {
                queue.push(slot, 1, |_| part(0, HEADER + len));
            } else {
                // The header alone, and the frame in equal parts.
                queue.push(slot, 1 + parts as u16, |position| match usize::from(position) {
                    0 => part(0, HEADER),
                    n => part(HEADER + len * (n - 1) / parts, HEADER + len * n / parts),
                });
            }
        }
        Ok(frames.len())
    }

    /// Hands every frame that arrived on a pair to `take`, gives the buffers back to the device,
    /// and kicks if it wants that. Returns how many frames.
    ///
    /// # Errors
    /// [`Error::Used`], [`Error::Short`], and those of the kicker.
    pub fn receive(&mut self, pair: u16, mut take: impl FnMut(&[u8])) -> Result<usize, Error> {
        let mergeable = self.features.contains(Config::MRG_RXBUF);
        let queue = &mut self.receive[usize::from(pair)];
        let mut count = 0;
        while let Some((slot, len)) = queue.pop()? {
            let short = || Error::Short { queue: QueueIndex(2 * pair) };
            let room = queue.buffer_len();
            let first = (len as usize).checked_sub(HEADER).filter(|_| len as usize <= room);
            let mut header = [0; HEADER];
            queue.read_buffer(slot, 0, &mut header);
            self.frame.resize(first.ok_or_else(short)?, 0);
            queue.read_buffer(slot, HEADER, &mut self.frame);
            offer(queue, slot);
            let buffers = u16::from_le_bytes([header[10], header[11]]);
            for _ in 1..if mergeable { buffers } else { 1 } {
                let (slot, len) = queue.pop()?.ok_or_else(short)?;
                let (start, len) = (self.frame.len(), len as usize);
                if len > room {
                    return Err(short());
                }
                self.frame.resize(start + len, 0);
                queue.read_buffer(slot, 0, &mut self.frame[start..]);
                offer(queue, slot);
            }
            take(&self.frame);
            count += 1;
        }
        if count > 0 {
            queue.publish_and_kick()?;
        }
        Ok(count)
    }

    /// Waits until a frame has arrived on a pair, `limit` at most. Returns whether one has.
    ///
    /// # Errors
    /// Those of poll(2) and read(2).
    pub fn wait(&mut self, pair: u16, limit: Duration) -> Result<bool, Error> {
        wait(self.rx(pair), limit)
    }

    /// Sends a control command and waits for its answer: VIRTIO_NET_OK or VIRTIO_NET_ERR.
    ///
    /// # Errors
    /// [`Error::NoControlQueue`], [`Error::TooLong`], [`Error::Timeout`] after five seconds, and
    /// those of kick and call.
    pub fn command(&mut self, class: u8, command: u8, data: &[u8]) -> Result<u8, Error> {
        if !self.features.contains(Config::CTRL_VQ) {
            return Err(Error::NoControlQueue);
        }
        let room = CONTROL_BUFFER - 3;
        if data.len() > room {
            return Err(Error::TooLong { len: data.len(), room });
        }
        let queue = &mut self.control;
        let slot = queue.take_slot().ok_or(Error::Timeout("the control queue"))?;
        queue.write_buffer(slot, 0, &[class, command]);
        queue.write_buffer(slot, 2, data);
        let answer_at = CONTROL_BUFFER - 1;
        queue.write_buffer(slot, answer_at, &[NO_ANSWER]);
        let iova = queue.buffer_iova(slot);
        let len = data.len() as u32;
        queue.push(slot, 2, |position| match position {
            0 => Descriptor::readable(iova, 2 + len),
            _ => Descriptor::writable(Iova(iova.0 + answer_at as u64), 1),
        });
        queue.publish_and_kick()?;
        if !wait(queue, Duration::from_secs(5))? {
            return Err(Error::Timeout("an answer on the control queue"));
        }
        let mut answer = [NO_ANSWER];
        queue.read_buffer(slot, answer_at, &mut answer);
        while let Some((slot, _)) = queue.pop()? {
            queue.give_slot(slot);
        }
        Ok(answer[0])
    }

    /// As [`command`](Self::command), for an answer that is to be VIRTIO_NET_OK.
    ///
    /// # Errors
    /// As there, and [`Error::Command`].
    pub fn order(&mut self, class: u8, command: u8, data: &[u8]) -> Result<(), Error> {
        match self.command(class, command, data)? {
            ok if u32::from(ok) == VIRTIO_NET_OK => Ok(()),
            _ => Err(Error::Command { class, command }),
        }
    }
}

/// Gives a receive buffer to the device; not yet published.
fn offer(queue: &mut Queue, slot: u16) {
    let desc = Descriptor::writable(queue.buffer_iova(slot), queue.buffer_len() as u32);
    queue.push(slot, 1, |_| desc);
}

fn wait(queue: &mut Queue, limit: Duration) -> Result<bool, Error> {
    let end = Instant::now() + limit;
    let mut arrived = queue.want_calls(true);
    while !arrived {
        let left = end.saturating_duration_since(Instant::now());
        let called = queue.call().wait(left);
        let called = called.map_err(|source| Error::System { call: "poll", source })?;
        arrived = queue.has_used();
        if called == 0 {
            break;
        }
    }
    queue.want_calls(false);
    Ok(arrived)
}
