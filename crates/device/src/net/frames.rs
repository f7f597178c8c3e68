//! The loopback: a frame sent on a pair's transmit queue comes back on its receive queue.

use std::sync::Arc;

use virtio_bindings::virtio_net::VIRTIO_NET_F_MRG_RXBUF;

use super::Net;
use crate::counters::count;
use crate::dma::{Segment, Span};
use crate::fault::FaultKind;
use crate::transport::{Bus, Chain, Pass, Ring, Shared};

/// `struct virtio_net_hdr_v1`, with `num_buffers` last.
const HEADER: usize = 12;

/// The longest frame: the largest MTU, an Ethernet header and a VLAN tag.
pub(super) const MAX_FRAME: usize = 65535 + 14 + 4;

/// Frames a pair may move before the other queues have their turn and the driver sees them.
const BATCH: u32 = 64;

/// Memory that the frame path works in, so that it allocates nothing.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) chain: Chain,
    pub(super) spans: Vec<Span>,
    /// The receive chains of one frame: head and capacity of each, and all their segments.
    receive: Vec<(u16, u64)>,
    segments: Vec<Segment>,
    receive_chain: Chain,
    /// Whether a frame may take more than one of them.
    mergeable: bool,
    frame: Box<[u8]>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            chain: Chain::default(),
            spans: Vec::new(),
            receive: Vec::new(),
            segments: Vec::new(),
            receive_chain: Chain::default(),
            mergeable: false,
            frame: vec![0; HEADER + MAX_FRAME].into(),
        }
    }
}

/// What became of a look for a frame.
enum Moved {
    Frame,
    /// Nothing to send.
    NoFrame,
    /// A frame, but no buffer to receive it. It stays in its queue.
    NoBuffer,
}

/// A fault, and whose.
enum Fault {
    Transmit(FaultKind),
    Receive(FaultKind),
}

impl Net {
    /// Carries out a kick of the transmit queue of `pair`: moves frames until there are none, no
    /// buffers, or it is the other queues' turn.
    pub(super) fn transmit(&self, shared: &Shared, pair: u16, scratch: &mut Scratch) -> Pass {
        let (receive, transmit) = (2 * pair, 2 * pair + 1);
        let mut rx = shared.vring(receive);
        let mut tx = shared.vring(transmit);
        let Some(tx_ring) = &mut tx.ring else { return Pass::default() };
        tx_ring.kicked = true;
        if !self.is_active(pair) {
            return Pass::default();
        }
        let dma = Arc::clone(&tx_ring.dma);
        let log = shared.log();
        let bus = || Bus { view: dma.view(), log: &log };
        // It stays while a ring runs, as all features of the driver do.
        scratch.mergeable = shared.negotiated(VIRTIO_NET_F_MRG_RXBUF);
        let mut pass = Pass::default();
        let ended = self.move_frames(&bus, tx_ring, rx.ring.as_mut(), scratch, &mut pass);
        let (rx_fault, tx_fault) = match ended {
            Ok(()) => (None, None),
            Err(Fault::Receive(kind)) => (Some(kind), None),
            Err(Fault::Transmit(kind)) => (None, Some(kind)),
        };
        shared.settle(&mut rx, &bus(), rx_fault);
        shared.settle(&mut tx, &bus(), tx_fault);
        log.signal();
        pass
    }

    fn move_frames<'a>(
        &self,
        bus: &impl Fn() -> Bus<'a>,
        tx: &mut Ring,
        mut rx: Option<&mut Ring>,
        scratch: &mut Scratch,
        pass: &mut Pass,
    ) -> Result<(), Fault> {
        loop {
            if pass.work == BATCH {
                pass.more = true;
                return Ok(());
            }
            // One view per frame: an unmap waits for no more than that.
            let bus = bus();
            match self.move_frame(&bus, tx, rx.as_deref_mut(), scratch)? {
                Moved::Frame => {
                    pass.work += 1;
                    tx.suppress_kicks(&bus).map_err(Fault::Transmit)?;
                    if let Some(rx) = rx.as_deref_mut() {
                        rx.suppress_kicks(&bus).map_err(Fault::Receive)?;
                    }
                }
                Moved::NoFrame => {
                    if !tx.want_kick(&bus).map_err(Fault::Transmit)? {
                        tx.kicked = false;
                        return Ok(());
                    }
                }
                Moved::NoBuffer => {
                    tx.suppress_kicks(&bus).map_err(Fault::Transmit)?;
                    let Some(rx) = rx.as_deref_mut() else { return Ok(()) };
                    if !rx.want_kick(&bus).map_err(Fault::Receive)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn move_frame(
        &self,
        bus: &Bus<'_>,
        tx: &mut Ring,
        rx: Option<&mut Ring>,
        scratch: &mut Scratch,
    ) -> Result<Moved, Fault> {
        if tx.ready(bus, 1).map_err(Fault::Transmit)? == 0 {
            return Ok(Moved::NoFrame);
        }
        let head = tx.chain(bus, 0, &mut scratch.chain).map_err(Fault::Transmit)?;
        if !scratch.chain.writable().is_empty() {
            return Err(Fault::Transmit(FaultKind::WritableInTransmit));
        }
        let len = scratch.chain.readable_len();
        if len < HEADER as u64 {
            return Err(Fault::Transmit(FaultKind::ShortHeader));
        }
        tx.used_ready(bus, &mut scratch.spans, 1).map_err(Fault::Transmit)?;
        let Some(packet) = usize::try_from(len).ok().and_then(|len| scratch.frame.get_mut(..len))
        else {
            count(&self.tx_dropped, 1);
            tx.complete(bus, head, 0).map_err(Fault::Transmit)?;
            return Ok(Moved::Frame);
        };
        let Some(rx) = rx else { return Ok(Moved::NoBuffer) };
        scratch.receive.clear();
        scratch.segments.clear();
        match choose_buffers(
            bus,
            rx,
            len,
            &mut scratch.receive,
            &mut scratch.segments,
            &mut scratch.receive_chain,
            scratch.mergeable,
        )
        .map_err(Fault::Receive)?
        {
            Buffers::Missing => return Ok(Moved::NoBuffer),
            Buffers::TooSmall => {
                count(&self.rx_dropped, 1);
                tx.complete(bus, head, 0).map_err(Fault::Transmit)?;
                return Ok(Moved::Frame);
            }
            Buffers::Enough => {}
        }
        let num_buffers = scratch.receive.len() as u16; // at most the queue size
        rx.used_ready(bus, &mut scratch.spans, num_buffers).map_err(Fault::Receive)?;
        bus.view
            .read_all(scratch.chain.readable().iter().copied(), &mut scratch.spans, packet)
            .map_err(|fault| Fault::Transmit(fault.into()))?;
        // The driver's header was read with the frame; the device's own takes its place.
        packet[..HEADER - 2].fill(0);
        packet[HEADER - 2..HEADER].copy_from_slice(&num_buffers.to_le_bytes());
        bus.write_all(&scratch.segments, &mut scratch.spans, packet).map_err(Fault::Receive)?;
        let mut left = len;
        for &(head, capacity) in &scratch.receive {
            let used = capacity.min(left);
            left -= used;
            rx.complete(bus, head, used as u32).map_err(Fault::Receive)?; // at most MAX_FRAME
        }
        tx.complete(bus, head, 0).map_err(Fault::Transmit)?;
        count(&self.frames, 1);
        count(&self.bytes, len - HEADER as u64);
        Ok(Moved::Frame)
    }

    /// Looks at the receive queue of `pair`, if it is active, for nothing but an index that can't
    /// be.
    pub(super) fn look_at_receive(&self, shared: &Shared, pair: u16) {
        let mut rx = shared.vring(2 * pair);
        if !self.is_active(pair) {
            return;
        }
        let Some(ring) = &mut rx.ring else { return };
        let dma = Arc::clone(&ring.dma);
        let log = shared.log();
        let bus = Bus { view: dma.view(), log: &log };
        if let Err(kind) = ring.ready(&bus, u16::MAX) {
            shared.fail(&mut rx, kind);
        }
    }
}

/// What the receive queue has for a frame.
enum Buffers {
    Enough,
    /// More must be added first.
    Missing,
    /// It will never fit.
    TooSmall,
}

/// Collects receive chains for `len` bytes, header included, without taking them.
fn choose_buffers(
    bus: &Bus<'_>,
    rx: &mut Ring,
    len: u64,
    heads: &mut Vec<(u16, u64)>,
    segments: &mut Vec<Segment>,
    chain: &mut Chain,
    mergeable: bool,
) -> Result<Buffers, FaultKind> {
    let mut capacity = 0;
    let mut chains = 0;
    while capacity < len {
        if chains == rx.size() || (chains > 0 && !mergeable) {
            return Ok(Buffers::TooSmall);
        }
        if rx.ready(bus, chains + 1)? <= chains {
            return Ok(Buffers::Missing);
        }
        let head = rx.chain(bus, chains, chain)?;
        if !chain.readable().is_empty() {
            return Err(FaultKind::ReadableInReceive);
        }
        heads.push((head, chain.writable_len()));
        // So that there are no more segments than a frame has bytes.
        segments.extend(chain.writable().iter().filter(|segment| segment.len > 0));
        capacity += chain.writable_len();
        chains += 1;
    }
    Ok(Buffers::Enough)
}
