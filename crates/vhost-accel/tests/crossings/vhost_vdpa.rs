use vhost_accel_emulator::DeviceKind;
use vhost_accel_vhost_vdpa::{VhostVdpaOptions, open};

use super::vhost_ioctls::assert_crossings;

fn life(pairs: u16, batch: bool) {
    let three: &[_] = if batch {
        &[("write iotlb BATCH_BEGIN", 1), ("write iotlb BATCH_END", 1), ("write iotlb UPDATE", 3)]
    } else {
        &[("write iotlb UPDATE", 3)]
    };
    assert_crossings(
        pairs,
        DeviceKind::VhostVdpa,
        |path| Box::new(open(path, VhostVdpaOptions { batch }).unwrap()),
        &[
            (
                "open",
                &[
                    ("ioctl VHOST_GET_BACKEND_FEATURES", 1),
                    ("ioctl VHOST_GET_FEATURES", 1),
                    ("ioctl VHOST_SET_BACKEND_FEATURES", 1),
                    ("ioctl VHOST_SET_OWNER", 1),
                    ("ioctl VHOST_VDPA_GET_DEVICE_ID", 1),
                    ("ioctl VHOST_VDPA_GET_VQS_COUNT", 1),
                    ("ioctl VHOST_VDPA_GET_VRING_NUM", 1),
                    ("mmap doorbell", 1),
                    ("openat", 1),
                ],
            ),
            // The page of vring 0 was mapped at open.
            ("make second doorbell kicker", &[("mmap doorbell", 1)]),
            ("start", &[("ioctl VHOST_VDPA_GET_STATUS", 1), ("ioctl VHOST_VDPA_SET_STATUS", 1)]),
            ("map", &[("write iotlb UPDATE", 1)]),
            ("map three", three),
            ("unmap four at once", &[("write iotlb INVALIDATE", 1)]),
            ("limits", &[("ioctl VHOST_VDPA_GET_IOVA_RANGE", 1)]),
            ("drop", &[("close", 1)]),
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
fn without_batches() {
    life(1, false);
}
