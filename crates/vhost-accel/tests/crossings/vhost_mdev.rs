use super::life::{Crossed, assert_crossings};
use vhost_accel_emulator::DeviceKind;
use vhost_accel_vhost_mdev::{DmaStyle, Options, open};

fn life(pairs: u16, dma: DmaStyle) {
    let vrings = u64::from(2 * pairs + 1);
    let [map, three, unmap]: [Crossed<'_>; 3] = match dma {
        DmaStyle::MapUnmap => [
            &[("ioctl VHOST_MDEV_MAP_DMA", 1)],
            &[("ioctl VHOST_MDEV_MAP_DMA", 3)],
            &[("ioctl VHOST_MDEV_UNMAP_DMA", 1)],
        ],
        DmaStyle::MemTable => [&[("ioctl VHOST_SET_MEM_TABLE", 1)]; 3],
    };
    assert_crossings(
        pairs,
        DeviceKind::VhostMdev,
        |path| open(path, Options { dma }).unwrap(),
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
            ("disable one vring", &[("ioctl VHOST_VDPA_SET_VRING_ENABLE", 1)]),
            ("start", &[("ioctl VHOST_VDPA_SET_STATUS", 1)]),
            ("kick eventfd", &[("write eventfd", 1)]),
            ("map", map),
            ("map three", three),
            ("unmap four at once", unmap),
            ("limits", &[("ioctl VHOST_MDEV_GET_DMA_INFO", 1)]),
            ("set call", &[("ioctl VHOST_SET_VRING_CALL", 1)]),
            ("set error", &[("ioctl VHOST_SET_VRING_ERR", 1)]),
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
    life(1, DmaStyle::MapUnmap);
}

#[test]
fn four_pairs() {
    life(4, DmaStyle::MapUnmap);
}

#[test]
fn by_memory_table() {
    life(1, DmaStyle::MemTable);
}
