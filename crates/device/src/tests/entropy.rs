//! Another kind of device than the network's: entropy, as virtio 1.2, section 5.4 has it. All that
//! makes it one is in this file. Its bytes can be foretold, for the tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use virtio_bindings::virtio_config::VIRTIO_CONFIG_S_NEEDS_RESET;
use virtio_bindings::virtio_ids::VIRTIO_ID_RNG;

use super::rig::{IOVA, Rig, Ring, WRITE, eventfd, signals, this_process, until};
use crate::counters::Counters;
use crate::dma::{PinPolicy, Span};
use crate::transport::{Chain, Function, Pass, REQUIRED, Shared, Walk, run};
use crate::{Device, Errno, FaultKind};

/// Chains before the other queues would have their turn.
const BATCH: u32 = 16;

/// The most that one chain gets.
const MOST: usize = 64;

/// Counts where another would throw dice.
#[derive(Debug, Default)]
struct Entropy {
    next: AtomicU8,
}

impl Function for Entropy {
    fn id(&self) -> u32 {
        VIRTIO_ID_RNG
    }

    fn queue_count(&self) -> u16 {
        1
    }

    fn features(&self) -> u64 {
        0
    }

    fn config_size(&self) -> usize {
        0
    }

    fn read_config(&self, _start: usize, _to: &mut [u8]) {}

    fn write_config(&self, _shared: &Shared, _start: usize, _from: &[u8]) {}

    fn reset(&self) {
        self.next.store(0, Ordering::Relaxed);
    }

    fn count(&self, _counters: &mut Counters) {}

    fn run(&self, shared: &Shared) {
        run(shared, Source { entropy: self, chain: Chain::default(), spans: Vec::new() });
    }
}

struct Source<'a> {
    entropy: &'a Entropy,
    chain: Chain,
    spans: Vec<Span>,
}

impl Walk for Source<'_> {
    fn look(&mut self, shared: &Shared, queue: u16) -> Pass {
        let Self { entropy, chain, spans } = self;
        shared.serve(&mut shared.vring(queue), BATCH, |bus, ring| {
            let head = ring.chain(bus, 0, chain)?;
            if !chain.readable().is_empty() {
                return Err(FaultKind::ReadableInReceive);
            }
            ring.used_ready(bus, spans, 1)?;
            let mut bytes = [0; MOST];
            let len = chain.writable_len().min(MOST as u64) as usize;
            bytes[..len].fill_with(|| entropy.next.fetch_add(1, Ordering::Relaxed));
            bus.write_all(chain.writable(), spans, &bytes[..len])?;
            ring.complete(bus, head, len as u32)
        })
    }
}

fn rig() -> Rig {
    let device = Device::of(Arc::new(Entropy::default()), 64, false).unwrap();
    Rig::around(device, this_process(), PinPolicy::Eager)
}

#[test]
fn another_kind_of_device_has_the_same_transport() {
    let mut rig = rig();
    assert_eq!((rig.device.device_id(), rig.device.queue_count()), (4, 1));
    assert_eq!(rig.device.config_size(), 0);
    assert_eq!(rig.device.read_config(0, &mut [0]), Err(Errno::EINVAL));
    assert_eq!(rig.device.kick(1), Err(Errno::ENOBUFS));
    // No feature of a network, and no dirty log.
    let ring_features = 1 << 28 | 1 << 29 | 1 << 32 | 1 << 33 | 1 << 38;
    assert_eq!(rig.device.device_features(), ring_features);
    let (call, handed_over) = eventfd();
    rig.device.set_call(0, Some(handed_over)).unwrap();
    rig.start(REQUIRED);
    for round in 0..2 * BATCH as u16 {
        rig.descriptor(0, round, IOVA + rig.buffer(0, round), 5, WRITE);
        rig.offer(0, round);
    }
    rig.kick(0);
    for round in 0..2 * BATCH as u16 {
        assert_eq!(rig.used(0), (round.into(), 5));
        let first = 5 * round as u8;
        let expected: Vec<_> = (0..5).map(|byte| first.wrapping_add(byte)).collect();
        assert_eq!(rig.arena.read(rig.buffer(0, round), 5), expected);
    }
    until(|| signals(&call) > 0);
    rig.device.suspend().unwrap();
    assert_eq!(rig.device.vring_base(0), Ok(2 * BATCH as u16));
    rig.device.resume().unwrap();
    // It gives, and takes nothing.
    rig.descriptor(0, 0, IOVA, 5, 0);
    rig.offer(0, 0);
    rig.kick(0);
    until(|| rig.device.counters().faults(FaultKind::ReadableInReceive) == 1);
    until(|| u32::from(rig.device.status()) & VIRTIO_CONFIG_S_NEEDS_RESET != 0);
    assert_eq!(rig.device.counters().frames, 0);
}

#[test]
fn a_reset_is_one_of_the_kind_of_device_too() {
    let mut rig = rig();
    for _ in 0..2 {
        rig.start(REQUIRED);
        rig.post_buffer(0, 0);
        rig.kick(0);
        assert_eq!(rig.used(0), (0, MOST as u32));
        assert_eq!(rig.arena.read(rig.buffer(0, 0), 2), [0, 1]);
        rig.device.reset();
        let ring = Ring::new(0);
        rig.arena.write(ring.available, &[0; 4]);
        rig.arena.write(ring.used, &[0; 4]);
        rig.rings[0] = ring;
    }
}

#[test]
fn the_transport_has_sizes_that_no_kind_of_device_may_leave() {
    for size in [0, 3, 2048] {
        let refused = Device::of(Arc::new(Entropy::default()), size, false);
        assert_eq!(refused.unwrap_err(), Errno::EINVAL);
    }
}
