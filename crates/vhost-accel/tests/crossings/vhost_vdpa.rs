use super::life::assert_crossings;
use vhost_accel_emulator::DeviceKind;
use vhost_accel_vhost_vdpa::{Options, open};

fn life(pairs: u16, batch: bool) {
    let vrings = u64::from(2 * pairs + 1);
    let three: &[_] = if batch {
        &[("write iotlb BATCH_BEGIN", 1), ("write iotlb BATCH_END", 1), ("write iotlb UPDATE", 3)]
    } else {
        &[("write iotlb UPDATE", 3)]
    };
    let device = |path: &std::path::Path| -> Box<dyn vhost_accel_core::VhostAccel> {
        Box::new(open(path, Options { batch }).unwrap())
    };
    assert_crossings(
        pairs,
        DeviceKind::VhostVdpa,
        device,
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
            (
                "negotiate",
                &[
                    ("ioctl VHOST_SET_FEATURES", 1),
                    ("ioctl VHOST_VDPA_GET_STATUS", 1),
                    ("ioctl VHOST_VDPA_SET_STATUS", 2),
                ],
            ),
            (
                "set up one vring without a call",
                &[
                    ("ioctl VHOST_SET_VRING_ADDR", 1),
                    ("ioctl VHOST_SET_VRING_NUM", 1),
                    ("ioctl VHOST_VDPA_SET_VRING_ENABLE", 1),
                ],
            ),
            (
                "set up all vrings",
                &[
                    ("ioctl VHOST_SET_VRING_ADDR", vrings),
                    ("ioctl VHOST_SET_VRING_CALL", vrings),
                    ("ioctl VHOST_SET_VRING_NUM", vrings),
                    ("ioctl VHOST_VDPA_SET_VRING_ENABLE", vrings),
                ],
            ),
            ("make eventfd kicker", &[("eventfd2", 1), ("ioctl VHOST_SET_VRING_KICK", 1)]),
            // The page of vring 0 was mapped at open.
            ("make second doorbell kicker", &[("mmap doorbell", 1)]),
            ("disable one vring", &[("ioctl VHOST_VDPA_SET_VRING_ENABLE", 1)]),
            ("start", &[("ioctl VHOST_VDPA_GET_STATUS", 1), ("ioctl VHOST_VDPA_SET_STATUS", 1)]),
            ("kick eventfd", &[("write eventfd", 1)]),
            ("map", &[("write iotlb UPDATE", 1)]),
            ("map three", three),
            ("unmap four at once", &[("write iotlb INVALIDATE", 1)]),
            ("limits", &[("ioctl VHOST_VDPA_GET_IOVA_RANGE", 1)]),
            ("set call", &[("ioctl VHOST_SET_VRING_CALL", 1)]),
            ("status", &[("ioctl VHOST_VDPA_GET_STATUS", 1)]),
            ("read config space", &[("ioctl VHOST_VDPA_GET_CONFIG", 1)]),
            ("suspend", &[("ioctl VHOST_VDPA_SUSPEND", 1)]),
            ("base", &[("ioctl VHOST_GET_VRING_BASE", 1)]),
            (
                "set up one vring again",
                &[
                    ("ioctl VHOST_SET_VRING_ADDR", 1),
                    ("ioctl VHOST_SET_VRING_BASE", 1),
                    ("ioctl VHOST_SET_VRING_CALL", 1),
                    ("ioctl VHOST_SET_VRING_NUM", 1),
                    ("ioctl VHOST_VDPA_SET_VRING_ENABLE", 1),
                ],
            ),
            ("resume", &[("ioctl VHOST_VDPA_RESUME", 1)]),
            ("reset", &[("ioctl VHOST_VDPA_SET_STATUS", 1)]),
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
