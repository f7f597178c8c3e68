use vhost_accel_emulator::DeviceKind;
use vhost_accel_vhost_mdev::{DmaStyle, VhostMdevOptions, open};

use super::life::Crossed;
use super::vhost_ioctls::assert_crossings;

fn life(pairs: u16, dma: DmaStyle) {
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
        |path| open(path, VhostMdevOptions { dma }).unwrap(),
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
            ("start", &[("ioctl VHOST_VDPA_SET_STATUS", 1)]),
            ("map", map),
            ("map three", three),
            ("unmap four at once", unmap),
            ("limits", &[("ioctl VHOST_MDEV_GET_DMA_INFO", 1)]),
            ("set error", &[("ioctl VHOST_SET_VRING_ERR", 1)]),
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
