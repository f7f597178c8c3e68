//! The control queue: virtio 1.2, section 5.1.6.5.

use std::sync::atomic::Ordering;

use virtio_bindings::virtio_net::{
    VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_CTRL_MQ,
    VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_ERR, VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_MQ,
    VIRTIO_NET_OK,
};

use super::frames::Scratch;
use super::{Net, Role};
use crate::counters::count;
use crate::dma::Segment;
use crate::fault::FaultKind;
use crate::lock;
use crate::transport::{Bus, Pass, Ring, Shared};

/// Class, command and the longest data of a command that is known: a MAC.
const LONGEST: usize = 2 + 6;

/// Commands before the other queues have their turn.
const BATCH: u32 = 16;

impl Net {
    /// Carries out a kick of `queue`, which is the control queue, or was a moment ago.
    pub(super) fn control(&self, shared: &Shared, queue: u16, scratch: &mut Scratch) -> Pass {
        let mut vring = shared.vring(queue);
        // Since the caller asked, a reset may have made it a queue of another kind.
        if self.role(shared, queue) != Role::Control {
            return Pass::default();
        }
        shared.serve(&mut vring, BATCH, |bus, ring| self.command(shared, bus, ring, scratch))
    }

    fn command(
        &self,
        shared: &Shared,
        bus: &Bus<'_>,
        ring: &mut Ring,
        scratch: &mut Scratch,
    ) -> Result<(), FaultKind> {
        let chain = &mut scratch.chain;
        let head = ring.chain(bus, 0, chain)?;
        let mut command = [0; LONGEST];
        let len = usize::try_from(chain.readable_len()).unwrap_or(usize::MAX);
        // A command is carried out when its answer can be given, and not else.
        let room = u64::min(chain.writable_len(), 1) as usize;
        let ack_at = chain.writable().iter().find(|segment| segment.len > 0);
        let ack_at = ack_at.map(|segment| Segment { iova: segment.iova, len: 1 });
        ring.used_ready(bus, &mut scratch.spans, 1)?;
        bus.view.writable(ack_at, &mut scratch.spans)?;
        let known = match command.get_mut(..len) {
            Some(command) => {
                bus.view.read_all(chain.readable().iter().copied(), &mut scratch.spans, command)?;
                self.execute(shared, command)
            }
            None => false,
        };
        let ack = [if known { VIRTIO_NET_OK } else { VIRTIO_NET_ERR } as u8];
        bus.write_all(chain.writable(), &mut scratch.spans, &ack[..room])?;
        count(&self.commands, 1);
        ring.complete(bus, head, room as u32)
    }

    /// Carries out a command. Returns whether it is one that was negotiated and well-formed.
    fn execute(&self, shared: &Shared, command: &[u8]) -> bool {
        let Some((&[class, command], data)) = command.split_first_chunk() else { return false };
        match (u32::from(class), u32::from(command)) {
            (VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET)
                if shared.negotiated(VIRTIO_NET_F_CTRL_MAC_ADDR) =>
            {
                let Ok(mac) = <[u8; 6]>::try_from(data) else { return false };
                *lock(&self.mac) = mac;
                true
            }
            (VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET)
                if shared.negotiated(VIRTIO_NET_F_MQ) =>
            {
                let Ok(pairs) = <[u8; 2]>::try_from(data) else { return false };
                let pairs = u16::from_le_bytes(pairs);
                if pairs == 0 || pairs > self.config.pairs {
                    return false;
                }
                let before = self.active_pairs.swap(pairs, Ordering::Relaxed);
                // Frames may wait in the queues that have come to life.
                (2 * before..2 * pairs).for_each(|queue| shared.mark(queue));
                true
            }
            _ => false,
        }
    }
}
