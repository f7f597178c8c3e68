use vhost_accel_emulator::DeviceKind;
use vhost_accel_vfio_msg::VfioMsgOptions;

use super::life::{Crossed, assert_crossings};

/// The crossings of `vfio-ioctls` at open, ours for the capabilities, and so many messages.
fn opening(reads: u64, writes: u64) -> Vec<(&'static str, u64)> {
    vec![
        ("ioctl VFIO_CHECK_EXTENSION", 1),
        ("ioctl VFIO_DEVICE_GET_INFO", 1),
        ("ioctl VFIO_DEVICE_GET_IRQ_INFO", 3),
        ("ioctl VFIO_DEVICE_GET_REGION_INFO", 5),
        ("ioctl VFIO_GET_API_VERSION", 1),
        ("ioctl VFIO_GROUP_GET_DEVICE_FD", 1),
        ("ioctl VFIO_GROUP_GET_STATUS", 1),
        ("ioctl VFIO_GROUP_SET_CONTAINER", 1),
        ("ioctl VFIO_SET_IOMMU", 1),
        ("openat", 2),
        ("pread CONFIG", reads),
        ("pwrite CONFIG", writes),
        ("readlink", 1),
    ]
}

fn life(pairs: u16, batch: bool) {
    let vrings = u64::from(2 * pairs + 1);
    let (open, negotiate, setup, again);
    let [open, negotiate, setup, again]: [Crossed<'_>; 4] = if batch {
        open = opening(4, 4);
        negotiate = [("pread CONFIG", 1), ("pwrite CONFIG", 1)];
        // However many pairs there are.
        setup = [("ioctl VFIO_DEVICE_SET_IRQS", 1), ("pwrite CONFIG", 1)];
        again = setup;
        [&open, &negotiate, &setup, &again]
    } else {
        open = opening(4, 6);
        negotiate = [("pread CONFIG", 1), ("pwrite CONFIG", 4)];
        setup = [("ioctl VFIO_DEVICE_SET_IRQS", 1), ("pwrite CONFIG", 3 * vrings)];
        again = [("ioctl VFIO_DEVICE_SET_IRQS", 1), ("pwrite CONFIG", 4)];
        [&open, &negotiate, &setup, &again]
    };
    assert_crossings(
        pairs,
        DeviceKind::Vfio,
        |path| Box::new(vhost_accel_vfio_msg::open(path, VfioMsgOptions { batch }).unwrap()),
        &[
            ("open", open),
            ("negotiate", negotiate),
            ("set up one vring without a call", &[("pwrite CONFIG", if batch { 1 } else { 3 })]),
            ("set up all vrings", setup),
            ("make doorbell kicker", &[("mmap doorbell", 1)]),
            ("disable one vring", &[("pwrite CONFIG", 1)]),
            ("start", &[("pwrite CONFIG", 1)]),
            ("kick region-write", &[("pwrite NOTIFY", 1)]),
            ("map", &[("ioctl VFIO_IOMMU_MAP_DMA", 1)]),
            ("map three", &[("ioctl VFIO_IOMMU_MAP_DMA", 3)]),
            ("unmap four at once", &[("ioctl VFIO_IOMMU_UNMAP_DMA", 1)]),
            ("limits", &[("ioctl VFIO_IOMMU_GET_INFO", 1)]),
            ("set call", &[("ioctl VFIO_DEVICE_SET_IRQS", 1)]),
            ("set error", &[("ioctl VFIO_DEVICE_SET_IRQS", 1)]),
            ("status", &[("pread CONFIG", 1), ("pwrite CONFIG", 1)]),
            ("read config space", &[("pread CONFIG", 1), ("pwrite CONFIG", 1)]),
            ("suspend", &[("pwrite CONFIG", 1)]),
            ("base", &[("pread CONFIG", 1), ("pwrite CONFIG", 1)]),
            ("set up one vring again", again),
            ("resume", &[("pwrite CONFIG", 1)]),
            ("reset", &[("pwrite CONFIG", 1)]),
            ("drop", &[("close", 3), ("ioctl VFIO_GROUP_UNSET_CONTAINER", 1), ("readlink", 1)]),
        ],
    );
}

#[test]
fn one_pair() {
    life(1, true);
}

#[test]
fn four_pairs() {
    life(4, true);
}

#[test]
fn as_many_crossings_for_128_pairs_as_for_one() {
    life(128, true);
}

#[test]
fn without_batches() {
    life(1, false);
    life(4, false);
}
