//! The numbers that a C ABI and files carry: none of them may ever change.

use vhost_accel_core::{Capabilities, Interface, InterfaceFacts, KickKind};

#[test]
fn interfaces() {
    static FIFTH: InterfaceFacts = InterfaceFacts::new("fifth", "#3", Capabilities::empty());
    use Interface::{Other, VfioIoctl, VfioMsg, VhostMdev, VhostVdpa};
    let all = [Other(&FIFTH), VfioMsg, VfioIoctl, VhostMdev, VhostVdpa];
    assert_eq!(all.map(Interface::number), [0, 1, 2, 3, 4]);
    assert_eq!(Interface::ALL, all[1..]);
}

#[test]
fn kinds_of_kick() {
    let all = [KickKind::Doorbell, KickKind::EventFd, KickKind::RegionWrite];
    assert_eq!(all.map(KickKind::number), [1, 2, 3]);
    assert_eq!(KickKind::ALL, all);
}

/// A name is its bit's number here: a new capability takes the next one.
#[test]
fn capabilities() {
    let names = [
        "KICK_DOORBELL",
        "KICK_EVENTFD",
        "KICK_REGION_WRITE",
        "BATCH_VRINGS",
        "BATCH_DMA",
        "SUSPEND",
        "RESUME",
        "DIRTY_LOG",
        "ERROR_EVENT",
        "DMA_ACCESS",
        "DMA_ERRNO",
        "DMA_INCREMENTAL",
        "VIRTIO_STATUS",
        "ATOMIC_DMA",
        "DMA",
    ];
    let all: Vec<_> =
        Capabilities::all().iter_names().map(|(name, one)| (name, one.bits())).collect();
    let expected: Vec<_> = names.into_iter().zip((0..).map(|bit| 1u32 << bit)).collect();
    assert_eq!(all, expected);
}
