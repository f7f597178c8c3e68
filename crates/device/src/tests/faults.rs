//! Each way to be wrong, and that it stops one vring only.

use virtio_bindings::virtio_net::VIRTIO_NET_F_MRG_RXBUF;
use virtio_bindings::virtio_ring::VIRTIO_RING_F_INDIRECT_DESC;

use super::rig::{
    FEATURES, INDIRECT, IOVA, NEXT, Rig, SIZE, WRITE, borrow, descriptor, eventfd, let_it_err,
    signals, this_process, until,
};
use crate::FaultKind;
use crate::dma::{Access, PinPolicy, Region};

/// Runs `offend`, which is to make `queue` of pair 0 fault, and looks at what a fault has to do.
// ABI-FAULT-15, ABI-FAULT-16, ABI-FAULT-17, ABI-FAULT-18, ABI-FAULT-19, ABI-FAULT-20, ABI-FAULT-21
#[track_caller]
fn faults_in(mut rig: Rig, queue: u16, kind: FaultKind, offend: impl FnOnce(&mut Rig)) {
    let (error, error_fd) = eventfd();
    let (config, config_fd) = eventfd();
    rig.device.set_error(queue, Some(error_fd)).unwrap();
    rig.device.set_config_call(Some(config_fd)).unwrap();
    assert_eq!(rig.command(&[4, 0, 2, 0]), 0);
    rig.round_trip(0, &[1; 60]);
    let base = rig.device.vring_base(queue).unwrap();
    let used = rig.used_index(queue);

    offend(&mut rig);
    until(|| rig.device.counters().all_faults() == 1);
    assert_eq!(rig.device.counters().faults(kind), 1, "{:?}", rig.device.counters());
    until(|| signals(&error) == 1);
    until(|| signals(&config) == 1);
    assert_eq!(rig.device.status(), 0x4f);
    assert_eq!(rig.used_index(queue), used, "nothing of the chain comes back");
    assert_eq!(rig.device.vring_base(queue), Ok(base));

    // The state stays, and is this vring's alone.
    rig.kick(queue);
    rig.device.set_vring_enable(queue, false).unwrap();
    rig.device.set_vring_enable(queue, true).unwrap();
    rig.round_trip(1, &[2; 60]);
    let_it_err();
    assert_eq!(rig.device.counters().all_faults(), 1);
    assert_eq!(signals(&error), 0);

    rig.device.set_status(0).unwrap();
    for ring in &mut rig.rings {
        (ring.next, ring.seen) = (0, 0);
        rig.arena.write(ring.available, &[0; 4]);
        rig.arena.write(ring.used, &[0; 4]);
    }
    rig.start(FEATURES);
    rig.round_trip(0, &[3; 60]);
}

#[track_caller]
fn faults(queue: u16, kind: FaultKind, offend: impl FnOnce(&mut Rig)) {
    faults_in(Rig::started(0), queue, kind, offend);
}

/// Sends the chain that starts at descriptor 0.
fn send(rig: &mut Rig) {
    rig.offer(1, 0);
    rig.kick(1);
}

/// Sends a frame to the chain that starts at descriptor 0 of the receive queue.
fn send_to(rig: &mut Rig) {
    rig.offer(0, 0);
    rig.post_frame(1, 0, &[1; 60]);
    rig.kick(1);
}

const NOWHERE: u64 = 0x10_0000;

// ABI-FAULT-1
#[test]
fn transmit_from_an_unmapped_address() {
    faults(1, FaultKind::Unmapped, |rig| {
        rig.post_buffer(0, 0);
        rig.descriptor(1, 0, NOWHERE, 72, 0);
        send(rig);
    });
}

#[test]
fn transmit_from_a_range_that_leaves_the_mapping() {
    faults(1, FaultKind::Unmapped, |rig| {
        rig.post_buffer(0, 0);
        rig.descriptor(1, 0, IOVA + rig.arena.len as u64 - 71, 72, 0);
        send(rig);
    });
}

// ABI-FAULT-2
#[test]
fn transmit_from_a_range_that_wraps() {
    faults(1, FaultKind::Unmapped, |rig| {
        let host = rig.arena.host();
        let iova = 0_u64.wrapping_sub(4096);
        let region = Region { iova, len: 4096, host, access: Access::ReadWrite };
        rig.dma.map(region).unwrap();
        rig.dma.map(Region { iova: 0, ..region }).unwrap();
        rig.post_buffer(0, 0);
        rig.descriptor(1, 0, 0_u64.wrapping_sub(36), 72, 0);
        send(rig);
    });
}

// ABI-FAULT-1
#[test]
fn receive_to_an_unmapped_address() {
    faults(0, FaultKind::Unmapped, |rig| {
        rig.descriptor(0, 0, NOWHERE, 2048, WRITE);
        send_to(rig);
    });
}

// ABI-FAULT-1
#[test]
fn receive_to_a_read_only_mapping() {
    faults(0, FaultKind::Permission, |rig| {
        let host = (rig.arena.host() + rig.buffer(0, 8)) & !4095;
        rig.dma.map(Region { iova: NOWHERE, len: 4096, host, access: Access::Read }).unwrap();
        rig.descriptor(0, 0, NOWHERE, 2048, WRITE);
        send_to(rig);
    });
}

// ABI-FAULT-1
#[test]
fn transmit_from_a_write_only_mapping() {
    faults(1, FaultKind::Permission, |rig| {
        let host = (rig.arena.host() + rig.buffer(0, 8)) & !4095;
        rig.dma.map(Region { iova: NOWHERE, len: 4096, host, access: Access::Write }).unwrap();
        rig.post_buffer(0, 0);
        rig.descriptor(1, 0, NOWHERE, 72, 0);
        send(rig);
    });
}

// ABI-DMA-7
#[test]
fn a_host_address_found_bad_at_first_touch() {
    let rig = Rig::with(super::rig::CONFIG, this_process(), PinPolicy::Lazy);
    rig.start(FEATURES);
    faults_in(rig, 1, FaultKind::Host, |rig| {
        // The guard page behind the arena.
        let host = rig.arena.host() + rig.arena.len as u64;
        rig.dma.map(Region { iova: NOWHERE, len: 4096, host, access: Access::Read }).unwrap();
        rig.post_buffer(0, 0);
        rig.descriptor(1, 0, NOWHERE, 72, 0);
        send(rig);
    });
}

// ABI-SETUP-5
#[test]
fn a_ring_at_an_unmapped_address() {
    for part in 0..3 {
        let rig = Rig::started(0);
        rig.device.suspend().unwrap();
        let mut at = [rig.ring(1).table, rig.ring(1).available, rig.ring(1).used].map(|n| n + IOVA);
        at[part] = NOWHERE;
        rig.device.set_vring_addr(1, at[0], at[1], at[2], None).unwrap();
        let mut rig = rig;
        rig.post_buffer(0, 0);
        rig.post_frame(1, 0, &[1; 60]);
        rig.device.resume().unwrap();
        until(|| rig.device.counters().faults(FaultKind::Unmapped) == 1);
        assert_eq!(rig.device.status(), 0x4f);
    }
}

#[test]
fn rings_at_the_end_of_the_address_space() {
    let mut rig = Rig::started(0);
    rig.device.suspend().unwrap();
    let last = u64::MAX;
    rig.device.set_vring_addr(1, last - 15, last - 1, last - 3, None).unwrap();
    rig.device.set_vring_addr(0, last - 15, last - 1, last - 3, None).unwrap();
    rig.post_frame(1, 0, &[1; 60]);
    rig.device.resume().unwrap();
    until(|| rig.device.counters().faults(FaultKind::Unmapped) == 2);
}

// ABI-FAULT-3
#[test]
fn a_loop() {
    faults(1, FaultKind::Loop, |rig| {
        let buffer = rig.buffer(1, 0);
        rig.chained(1, 0, IOVA + buffer, 8, NEXT, 1);
        rig.chained(1, 1, IOVA + buffer, 8, NEXT, 0);
        send(rig);
    });
}

// ABI-FAULT-3
#[test]
fn a_loop_in_an_indirect_table() {
    faults(0, FaultKind::Loop, |rig| {
        let (buffer, table) = (rig.buffer(0, 0), rig.buffer(0, 8));
        let entries = [
            descriptor(IOVA + buffer, 8, NEXT | WRITE, 1),
            descriptor(IOVA + buffer, 8, NEXT | WRITE, 1),
        ];
        rig.arena.write(table, entries.as_flattened());
        rig.descriptor(0, 0, IOVA + table, 32, INDIRECT);
        send_to(rig);
    });
}

// ABI-FAULT-4
#[test]
fn a_chain_longer_than_the_queue() {
    faults(1, FaultKind::ChainTooLong, |rig| {
        let (buffer, table) = (rig.buffer(1, 0), rig.buffer(1, 8));
        for n in 0..SIZE {
            let flags = if n + 1 < SIZE { NEXT } else { 0 };
            let entry = descriptor(IOVA + buffer, 1, flags, n + 1);
            rig.arena.write(table + 16 * u64::from(n), &entry);
        }
        rig.chained(1, 0, IOVA + buffer, 12, NEXT, 1);
        rig.descriptor(1, 1, IOVA + table, 16 * u32::from(SIZE), INDIRECT);
        send(rig);
    });
}

// ABI-FAULT-5
#[test]
fn a_head_out_of_range() {
    faults(1, FaultKind::DescriptorIndex, |rig| {
        rig.offer(1, SIZE);
        rig.kick(1);
    });
}

// ABI-FAULT-5
#[test]
fn a_next_out_of_range() {
    faults(1, FaultKind::DescriptorIndex, |rig| {
        rig.chained(1, 0, IOVA + rig.buffer(1, 0), 12, NEXT, SIZE);
        send(rig);
    });
}

// ABI-FAULT-5
#[test]
fn a_next_outside_the_indirect_table() {
    faults(1, FaultKind::DescriptorIndex, |rig| {
        let table = rig.buffer(1, 8);
        rig.arena.write(table, &descriptor(IOVA + table, 12, NEXT, 2));
        rig.descriptor(1, 0, IOVA + table, 32, INDIRECT);
        send(rig);
    });
}

// ABI-FAULT-6
#[test]
fn indirect_in_indirect() {
    faults(1, FaultKind::NestedIndirect, |rig| {
        let table = rig.buffer(1, 8);
        rig.arena.write(table, &descriptor(IOVA + table, 16, INDIRECT, 0));
        rig.descriptor(1, 0, IOVA + table, 16, INDIRECT);
        send(rig);
    });
}

// ABI-FAULT-8
#[test]
fn indirect_tables_of_a_bad_length() {
    for len in [0, 8, 40, 16 * (u32::from(SIZE) + 1), 0xffff_fff0] {
        faults(1, FaultKind::IndirectLength, |rig| {
            rig.descriptor(1, 0, IOVA + rig.buffer(1, 8), len, INDIRECT);
            send(rig);
        });
    }
}

// ABI-FAULT-1
#[test]
fn an_indirect_table_at_an_unmapped_address() {
    faults(1, FaultKind::Unmapped, |rig| {
        rig.descriptor(1, 0, NOWHERE, 32, INDIRECT);
        send(rig);
    });
}

// ABI-FAULT-7
#[test]
fn indirect_with_a_next() {
    faults(1, FaultKind::IndirectNext, |rig| {
        rig.chained(1, 0, IOVA + rig.buffer(1, 8), 16, INDIRECT | NEXT, 1);
        send(rig);
    });
}

// ABI-FAULT-25
#[test]
fn indirect_without_its_feature() {
    let mut rig = Rig::new();
    rig.start(FEATURES & !(1 << VIRTIO_RING_F_INDIRECT_DESC));
    let table = rig.buffer(1, 8);
    rig.arena.write(table, &descriptor(IOVA + table, 72, 0, 0));
    rig.post_buffer(0, 0);
    rig.descriptor(1, 0, IOVA + table, 16, INDIRECT);
    send(&mut rig);
    until(|| rig.device.counters().faults(FaultKind::IndirectFeature) == 1);
    assert_eq!(rig.used_index(1), 0);
}

// ABI-FAULT-9
#[test]
fn readable_behind_writable() {
    faults(0, FaultKind::ReadableAfterWritable, |rig| {
        rig.chained(0, 0, IOVA + rig.buffer(0, 0), 100, NEXT | WRITE, 1);
        rig.descriptor(0, 1, IOVA + rig.buffer(0, 1), 100, 0);
        send_to(rig);
    });
}

// ABI-FAULT-10
#[test]
fn an_available_index_too_far_ahead() {
    faults(1, FaultKind::AvailableIndex, |rig| {
        let next = rig.ring(1).next + SIZE + 1;
        rig.arena.write(rig.ring(1).available + 2, &next.to_le_bytes());
        rig.kick(1);
    });
    // Of a receive queue this is seen at its kick, without a frame.
    faults(0, FaultKind::AvailableIndex, |rig| {
        let before = rig.ring(0).next - 1;
        rig.arena.write(rig.ring(0).available + 2, &before.to_le_bytes());
        rig.kick(0);
    });
}

// ABI-FAULT-11
#[test]
fn a_transmit_chain_shorter_than_the_header() {
    for len in [0, 11] {
        faults(1, FaultKind::ShortHeader, |rig| {
            rig.descriptor(1, 0, IOVA + rig.buffer(1, 0), len, 0);
            send(rig);
        });
    }
}

// ABI-FAULT-12
#[test]
fn a_transmit_chain_with_a_writable_descriptor() {
    faults(1, FaultKind::WritableInTransmit, |rig| {
        rig.chained(1, 0, IOVA + rig.buffer(1, 0), 72, NEXT, 1);
        rig.descriptor(1, 1, IOVA + rig.buffer(1, 1), 72, WRITE);
        send(rig);
    });
}

// ABI-FAULT-13
#[test]
fn a_receive_chain_with_a_readable_descriptor() {
    faults(0, FaultKind::ReadableInReceive, |rig| {
        rig.chained(0, 0, IOVA + rig.buffer(0, 0), 100, NEXT, 1);
        rig.descriptor(0, 1, IOVA + rig.buffer(0, 1), 100, WRITE);
        send_to(rig);
    });
}

// ABI-FAULT-17
#[test]
fn a_fault_in_the_middle_of_a_batch_returns_what_was_before_it() {
    let mut rig = Rig::started(1 << VIRTIO_NET_F_MRG_RXBUF);
    for n in 0..4 {
        rig.post_buffer(0, n);
    }
    for n in 0..3 {
        rig.post_frame(1, n, &[n as u8; 60]);
    }
    rig.descriptor(1, 2, NOWHERE, 72, 0);
    rig.kick(1);
    until(|| rig.device.counters().all_faults() == 1);
    assert_eq!([rig.used(1), rig.used(1)], [(0, 0), (1, 0)]);
    assert_eq!([rig.receive(0), rig.receive(0)], [[0; 60], [1; 60]]);
    assert_eq!((rig.used_index(0), rig.used_index(1)), (2, 2));
    assert_eq!((rig.device.vring_base(0), rig.device.vring_base(1)), (Ok(2), Ok(2)));
}

// ABI-FAULT-16, ABI-FAULT-17
#[test]
fn eventfds_of_other_queues_stay_silent() {
    let mut rig = Rig::started(0);
    let (other, fd) = eventfd();
    let (call, call_fd) = eventfd();
    rig.device.set_error(0, Some(fd)).unwrap();
    rig.device.set_call(1, Some(call_fd)).unwrap();
    rig.offer(1, SIZE);
    rig.kick(1);
    until(|| rig.device.counters().all_faults() == 1);
    let_it_err();
    assert_eq!((signals(&other), signals(&call)), (0, 0));
    assert!(borrow(&other).try_clone_to_owned().is_ok());
}
