//! The control queue: where it is, and what it does.

use std::sync::atomic::Ordering;

use virtio_bindings::virtio_net::{VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ};

use super::rig::{CONFIG, FEATURES, IOVA, NEXT, Rig, SIZE, WRITE, let_it_err, until};
use crate::FaultKind;
use crate::transport::REQUIRED;

// ABI-CTRL-1, ABI-CTRL-2
#[test]
fn commands_are_acknowledged() {
    let mut rig = Rig::started(0);
    assert_eq!(rig.command(&[1, 1, 6, 5, 4, 3, 2, 1]), 0);
    let mut mac = [0; 6];
    rig.device.read_config(0, &mut mac).unwrap();
    assert_eq!(mac, [6, 5, 4, 3, 2, 1]);
    for bad in [
        &[1, 1, 6, 5, 4, 3, 2][..],   // a short MAC
        &[1, 1, 6, 5, 4, 3, 2, 1, 0], // a long one
        &[1, 0, 6, 5, 4, 3, 2, 1],    // MAC_TABLE_SET
        &[4, 0, 0, 0],                // no pairs
        &[4, 0, 3, 0],                // too many
        &[4, 0, 1],                   // half a number
        &[4, 1, 1, 0],                // RSS
        &[0, 0, 1],                   // promiscuous
        &[1],                         // no command
        &[0xff; 1000],
    ] {
        assert_eq!(rig.command(bad), 1, "{bad:?}");
    }
    rig.device.read_config(0, &mut mac).unwrap();
    assert_eq!(mac, [6, 5, 4, 3, 2, 1]);
    assert_eq!(rig.device.counters().commands, 11);
}

// ABI-CTRL-2
#[test]
fn commands_need_their_feature() {
    let mut rig = Rig::new();
    rig.start(REQUIRED | 1 << VIRTIO_NET_F_CTRL_VQ);
    assert_eq!(rig.command(&[1, 1, 6, 5, 4, 3, 2, 1]), 1);
    assert_eq!(rig.command(&[4, 0, 2, 0]), 1);
}

/// Puts a command into `queue` and kicks.
fn ask(features: u64, queue: u16) -> Rig {
    let mut rig = Rig::new();
    rig.start(REQUIRED | features);
    let buffer = IOVA + rig.buffer(queue, 0);
    rig.chained(queue, 0, buffer, 8, NEXT, 1);
    rig.descriptor(queue, 1, buffer + 1024, 1, WRITE);
    rig.offer(queue, 0);
    rig.kick(queue);
    rig
}

// ABI-VRING-4, ABI-VRING-5, ABI-VRING-6, ABI-VRING-8
#[test]
fn the_control_queue_is_where_virtio_has_it() {
    let (control, multiqueue) = (1 << VIRTIO_NET_F_CTRL_VQ, 1 << VIRTIO_NET_F_MQ);
    assert_eq!(ask(control, 2).used(2), (0, 1));
    assert_eq!(ask(control | multiqueue, 4).used(4), (0, 1));
    // Without CTRL_VQ there is none.
    for (features, queue) in [(control, 4), (control | multiqueue, 2), (0, 2), (0, 4)] {
        let mut rig = ask(features, queue);
        rig.round_trip(0, &[1; 60]);
        let_it_err();
        assert_eq!(rig.used_index(queue), 0, "{features:#x}");
        assert_eq!(rig.device.counters().all_faults(), 0);
    }
}

// ABI-VRING-7, ABI-VRING-8
#[test]
fn vrings_without_a_use_are_not_looked_at() {
    let rig = Rig::new();
    for queue in 3..5 {
        rig.arena.index(rig.ring(queue).available + 2).store(SIZE + 1, Ordering::Release);
    }
    rig.start(FEATURES & !(1 << VIRTIO_NET_F_MQ));
    (3..5).for_each(|queue| rig.kick(queue));
    let_it_err();
    assert_eq!((rig.device.counters().all_faults(), rig.device.status()), (0, 0xf));
}

// ABI-CTRL-5, ABI-CTRL-6
#[test]
fn a_receive_queue_is_looked_at_when_its_pair_is_active() {
    let mut rig = Rig::new();
    rig.arena.index(rig.ring(2).available + 2).store(SIZE + 1, Ordering::Release);
    rig.start(FEATURES);
    rig.kick(2);
    rig.round_trip(0, &[1; 60]);
    assert_eq!(rig.device.counters().all_faults(), 0);
    assert_eq!(rig.command(&[4, 0, 2, 0]), 0);
    until(|| rig.device.counters().faults(FaultKind::AvailableIndex) == 1);
}

// ABI-CTRL-8
#[test]
fn a_command_that_cannot_be_answered_is_not_carried_out() {
    let mut rig = Rig::started(0);
    let buffer = rig.buffer(4, 0);
    rig.arena.write(buffer, &[1, 1, 6, 5, 4, 3, 2, 1]);
    rig.chained(4, 0, IOVA + buffer, 8, NEXT, 1);
    rig.descriptor(4, 1, 0x10_0000, 1, WRITE);
    rig.offer(4, 0);
    rig.kick(4);
    until(|| rig.device.counters().faults(FaultKind::Unmapped) == 1);
    let mut mac = [0; 6];
    rig.device.read_config(0, &mut mac).unwrap();
    assert_eq!(mac, CONFIG.mac);
}

// ABI-CTRL-7
#[test]
fn a_command_longer_than_any_is_refused_unread() {
    let mut rig = Rig::started(0);
    let buffer = rig.buffer(4, 0);
    rig.chained(4, 0, 0x10_0000, 9, NEXT, 1);
    rig.descriptor(4, 1, IOVA + buffer, 1, WRITE);
    rig.offer(4, 0);
    rig.kick(4);
    assert_eq!(rig.used(4), (0, 1));
    assert_eq!(rig.arena.read(buffer, 1), [1]);
}
