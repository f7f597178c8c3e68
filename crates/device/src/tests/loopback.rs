//! Frames.

use virtio_bindings::virtio_net::VIRTIO_NET_F_MRG_RXBUF;
use virtio_bindings::virtio_ring::VIRTIO_RING_F_EVENT_IDX;

use super::rig::{
    CONFIG, FEATURES, INDIRECT, IOVA, NEXT, Rig, WRITE, descriptor, eventfd, let_it_err, signals,
    this_process, until,
};
use crate::dma::PinPolicy;
use crate::{DeviceConfig, FaultKind};

const MERGEABLE: u64 = 1 << VIRTIO_NET_F_MRG_RXBUF;

fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + seed) as u8).collect()
}

// ABI-NET-1, ABI-NET-10
#[test]
fn frames_come_back_in_order() {
    for features in [0, 1 << VIRTIO_RING_F_EVENT_IDX, MERGEABLE] {
        let mut rig = Rig::started(features);
        for round in 0..40 {
            let frames: Vec<_> = (0..16).map(|n| pattern(round + n, 60 + 97 * n)).collect();
            for (n, frame) in frames.iter().enumerate() {
                rig.post_buffer(0, n as u16);
                rig.post_frame(1, n as u16, frame);
            }
            rig.kick(1);
            for (n, frame) in frames.iter().enumerate() {
                assert_eq!(&rig.receive(0), frame);
                assert_eq!(rig.used(1), (n as u32, 0));
            }
        }
        let counters = rig.device.counters();
        assert_eq!(counters.frames, 640);
        assert_eq!(counters.bytes, 40 * (0..16).map(|n| 60 + 97 * n).sum::<u64>());
        assert_eq!(counters.all_faults(), 0);
        assert_eq!(rig.device.status(), 0xf);
    }
}

#[test]
fn lazily_pinned_memory_works_the_same() {
    let mut rig = Rig::with(CONFIG, this_process(), PinPolicy::Lazy);
    rig.start(FEATURES);
    rig.round_trip(0, &pattern(1, 1500));
    rig.round_trip(0, &[]);
}

#[test]
fn a_frame_may_be_scattered_and_indirect() {
    let mut rig = Rig::started(0);
    let frame = pattern(3, 1000);
    let (rx, tx) = (rig.buffer(0, 0), rig.buffer(1, 0));
    rig.arena.write(tx, &[0; 12]);
    rig.arena.write(tx + 12, &frame);
    // Transmit: two direct descriptors, then an indirect table of three whose order is 0, 2, 1. An
    // empty descriptor and one that splits the header are fine.
    let table = rig.buffer(1, 8);
    let entries = [
        descriptor(IOVA + tx + 100, 300, NEXT, 2),
        descriptor(IOVA + tx + 500, 512, 0, 0),
        descriptor(IOVA + tx + 400, 100, NEXT, 1),
    ];
    rig.arena.write(table, entries.as_flattened());
    rig.chained(1, 5, IOVA + tx, 5, NEXT, 6);
    rig.chained(1, 6, IOVA + tx, 0, NEXT, 7);
    rig.chained(1, 7, IOVA + tx + 5, 95, NEXT, 8);
    rig.descriptor(1, 8, IOVA + table, 48, INDIRECT);
    // Receive: an indirect table alone, the device-writable flag on it means nothing.
    let table = rig.buffer(0, 8);
    let entries = [
        descriptor(IOVA + rx, 11, WRITE | NEXT, 1),
        descriptor(IOVA + rx + 11, 0, WRITE | NEXT, 2),
        descriptor(IOVA + rx + 11, 1001, WRITE, 0),
    ];
    rig.arena.write(table, entries.as_flattened());
    rig.descriptor(0, 9, IOVA + table, 48, INDIRECT | WRITE);
    rig.offer(0, 9);
    rig.offer(1, 5);
    rig.kick(1);
    assert_eq!(rig.used(0), (9, 1012));
    assert_eq!(rig.used(1), (5, 0));
    assert_eq!(rig.arena.read(rx + 12, 1000), frame);
    assert_eq!(rig.arena.read(rx, 12), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
}

// ABI-NET-2, ABI-NET-3
#[test]
fn frames_wait_for_buffers() {
    let mut rig = Rig::started(0);
    for n in 0..3 {
        rig.post_frame(1, n, &[n as u8; 60]);
    }
    rig.kick(1);
    let_it_err();
    assert_eq!(rig.used_index(1), 0);
    assert_eq!(rig.device.vring_base(1), Ok(0));
    for n in 0..3 {
        rig.post_buffer(0, n);
        rig.kick(0);
        assert_eq!(rig.receive(0), [n as u8; 60]);
        assert_eq!(rig.used(1), (n.into(), 0));
    }
    assert_eq!(rig.device.counters().rx_dropped, 0);
}

// ABI-NET-5, ABI-NET-7
#[test]
fn a_frame_too_long_for_its_buffer_is_dropped_and_the_buffer_kept() {
    let mut rig = Rig::started(0);
    let (rx, tx) = (rig.buffer(0, 0), rig.buffer(1, 1));
    rig.descriptor(0, 0, IOVA + rx, 111, WRITE);
    rig.offer(0, 0);
    rig.post_frame(1, 0, &[1; 100]);
    rig.kick(1);
    assert_eq!(rig.used(1), (0, 0));
    assert_eq!(rig.device.counters().rx_dropped, 1);
    assert_eq!((rig.used_index(0), rig.device.vring_base(0)), (0, Ok(0)));
    rig.post_frame(1, 0, &[2; 99]);
    rig.kick(1);
    assert_eq!(rig.receive(0), [2; 99]);
    rig.used(1);
    assert_eq!(rig.device.counters().frames, 1);

    // Longer than any frame: not even read.
    rig.chained(1, 1, IOVA + tx, 1 << 20, NEXT, 2);
    rig.descriptor(1, 2, 0, u32::MAX, 0);
    rig.offer(1, 1);
    rig.kick(1);
    assert_eq!(rig.used(1), (1, 0));
    assert_eq!(rig.device.counters().tx_dropped, 1);
}

// ABI-NET-4
#[test]
fn a_mergeable_frame_spreads_over_buffers() {
    let mut rig = Rig::started(MERGEABLE);
    let frame = pattern(9, 250);
    for n in 0..2 {
        let buffer = rig.buffer(0, n);
        rig.descriptor(0, n, IOVA + buffer, 100, WRITE);
        rig.offer(0, n);
    }
    rig.post_frame(1, 0, &frame);
    rig.kick(1);
    let_it_err();
    assert_eq!((rig.used_index(0), rig.used_index(1)), (0, 0), "a third buffer is missing");
    let buffer = rig.buffer(0, 2);
    rig.descriptor(0, 2, IOVA + buffer, 100, WRITE);
    rig.offer(0, 2);
    rig.kick(0);
    assert_eq!([rig.used(0), rig.used(0), rig.used(0)], [(0, 100), (1, 100), (2, 62)]);
    assert_eq!(rig.used(1), (0, 0));
    let packet: Vec<u8> = (0..3)
        .flat_map(|n| rig.arena.read(rig.buffer(0, n), if n == 2 { 62 } else { 100 }))
        .collect();
    assert_eq!(packet[..12], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0]);
    assert_eq!(packet[12..], frame);
}

// ABI-NET-6
#[test]
fn a_frame_that_no_full_queue_holds_is_dropped() {
    let mut rig = Rig::new();
    rig.rings[0].size = 2;
    rig.start(FEATURES | MERGEABLE);
    for n in 0..2 {
        let buffer = rig.buffer(0, n);
        rig.descriptor(0, n, IOVA + buffer, 100, WRITE);
        rig.offer(0, n);
    }
    rig.post_frame(1, 0, &[1; 250]);
    rig.post_frame(1, 1, &[2; 150]);
    rig.kick(1);
    assert_eq!([rig.used(1), rig.used(1)], [(0, 0), (1, 0)]);
    assert_eq!([rig.used(0), rig.used(0)], [(0, 100), (1, 62)]);
    assert_eq!(rig.device.counters().rx_dropped, 1);
}

/// Two descriptors of queue 1 that make a chain longer than any frame: eight bytes of memory, and
/// then
/// `rest` bytes at `address`.
fn too_long(rig: &mut Rig, address: u64, rest: u32) {
    rig.chained(1, 0, IOVA + rig.buffer(1, 0), 8, NEXT, 1);
    rig.descriptor(1, 1, address, rest, 0);
    rig.offer(1, 0);
    rig.kick(1);
}

/// A receive queue whose second used entry is beyond the mapping.
// ABI-FAULT-22
#[test]
fn a_frame_arrives_whole_or_not_at_all() {
    let mut rig = Rig::new();
    let used = rig.arena.len as u64 - 12;
    rig.arena.write(used, &[0; 12]);
    rig.rings[0].used = used;
    rig.start(FEATURES | MERGEABLE);
    for index in 0..2 {
        rig.descriptor(0, index, IOVA + rig.buffer(0, index), 64, WRITE);
        rig.offer(0, index);
    }
    rig.post_frame(1, 0, &[1; 100]);
    rig.kick(1);
    until(|| rig.device.counters().faults(FaultKind::Unmapped) == 1);
    assert_eq!((rig.used_index(0), rig.used_index(1)), (0, 0));
}

// ABI-FAULT-23
#[test]
fn of_two_faults_the_transmit_chain_counts() {
    let mut rig = Rig::started(0);
    let (receive, receive_fd) = eventfd();
    let (transmit, transmit_fd) = eventfd();
    rig.device.set_error(0, Some(receive_fd)).unwrap();
    rig.device.set_error(1, Some(transmit_fd)).unwrap();
    rig.descriptor(0, 0, 0x10_0000, 2048, WRITE);
    rig.offer(0, 0);
    rig.chained(1, 0, IOVA + rig.buffer(1, 0), 12, NEXT, 1);
    rig.descriptor(1, 1, 0x10_0000, 60, 0);
    rig.offer(1, 0);
    rig.kick(1);
    until(|| rig.device.counters().all_faults() == 1);
    until(|| signals(&transmit) == 1);
    assert_eq!(signals(&receive), 0);
}

// ABI-NET-8, ABI-FAULT-2
#[test]
fn what_is_dropped_unread_need_not_be_mapped() {
    let mut rig = Rig::started(0);
    too_long(&mut rig, 0x10_0000, 1 << 17);
    assert_eq!(rig.used(1), (0, 0));
    rig.round_trip(0, &[1; 60]);
    let counters = rig.device.counters();
    assert_eq!((counters.tx_dropped, counters.all_faults()), (1, 0));
    // A range that wraps is no range, and found when the chain is read.
    too_long(&mut rig, 0_u64.wrapping_sub(36), 1 << 17);
    until(|| rig.device.counters().faults(FaultKind::Unmapped) == 1);
    assert_eq!(rig.device.counters().tx_dropped, 1);
}

// ABI-CTRL-3, ABI-CTRL-4, ABI-CTRL-5, ABI-CTRL-6
#[test]
fn pairs_come_to_life_by_command() {
    let mut rig = Rig::started(0);
    rig.post_buffer(2, 0);
    rig.post_frame(3, 0, &[4; 60]);
    rig.kick(3);
    let_it_err();
    assert_eq!(rig.used_index(3), 0, "one pair is active");
    assert_eq!(rig.command(&[4, 0, 2, 0]), 0);
    assert_eq!(rig.receive(2), [4; 60]);
    assert_eq!(rig.used(3), (0, 0));
    rig.round_trip(0, &[5; 60]);
    assert_eq!(rig.command(&[4, 0, 1, 0]), 0);
    rig.post_buffer(2, 0);
    rig.post_frame(3, 0, &[6; 60]);
    rig.kick(3);
    let_it_err();
    assert_eq!(rig.used_index(3), 1);
}

// ABI-VRING-1, ABI-VRING-2
#[test]
fn a_full_size_device_moves_frames_on_all_pairs() {
    let config = DeviceConfig { pairs: 128, ..CONFIG };
    let mut rig = Rig::with(config, this_process(), PinPolicy::Lazy);
    rig.start(FEATURES);
    assert_eq!(rig.command(&[4, 0, 128, 0]), 0);
    for pair in 0..128 {
        rig.post_buffer(2 * pair, 0);
        rig.post_frame(2 * pair + 1, 0, &[pair as u8; 1500]);
    }
    (0..128).for_each(|pair| rig.kick(2 * pair + 1));
    for pair in 0..128 {
        assert_eq!(rig.receive(2 * pair), [pair as u8; 1500]);
    }
    until(|| rig.device.counters().frames == 128);
}

#[test]
fn a_buffer_may_cross_mappings() {
    use crate::dma::{Access, Region};
    let mut rig = Rig::started(0);
    // The same page twice in a row: what is written to the first half of the span and to the second
    // lands in one place.
    let page = rig.buffer(0, 8) & !4095;
    for n in 0..2 {
        let host = rig.arena.host() + page;
        rig.dma
            .map(Region { iova: 0x1000 * (n + 1), len: 4096, host, access: Access::Write })
            .unwrap();
    }
    rig.descriptor(0, 0, 0x1000 + 4096 - 50, 112, WRITE);
    rig.offer(0, 0);
    rig.post_frame(1, 0, &pattern(0, 100));
    rig.kick(1);
    assert_eq!(rig.used(0), (0, 112));
    assert_eq!(rig.arena.read(page + 4096 - 38, 38), pattern(0, 38));
    assert_eq!(rig.arena.read(page, 62), pattern(0, 100)[38..]);
}
