use vhost_accel_emulator::DeviceKind;
use vhost_accel_vfio_ioctl::open;

use super::vhost_ioctls::assert_crossings;

fn life(pairs: u16) {
    assert_crossings(
        pairs,
        DeviceKind::Vfio,
        |path| Box::new(open(path).unwrap()),
        &[
            (
                "open",
                &[
                    ("ioctl VFIO_CHECK_EXTENSION", 1),
                    ("ioctl VFIO_DEVICE_GET_INFO", 1),
                    ("ioctl VFIO_DEVICE_GET_IRQ_INFO", 3),
                    ("ioctl VFIO_DEVICE_GET_REGION_INFO", 4),
                    ("ioctl VFIO_GET_API_VERSION", 1),
                    ("ioctl VFIO_GROUP_GET_DEVICE_FD", 1),
                    ("ioctl VFIO_GROUP_GET_STATUS", 1),
                    ("ioctl VFIO_GROUP_SET_CONTAINER", 1),
                    ("ioctl VFIO_SET_IOMMU", 1),
                    ("ioctl VHOST_GET_BACKEND_FEATURES", 1),
                    ("ioctl VHOST_GET_FEATURES", 1),
                    ("ioctl VHOST_SET_BACKEND_FEATURES", 1),
                    ("ioctl VHOST_SET_OWNER", 1),
                    ("ioctl VHOST_VDPA_GET_DEVICE_ID", 1),
                    ("ioctl VHOST_VDPA_GET_VQS_COUNT", 1),
                    ("ioctl VHOST_VDPA_GET_VRING_NUM", 1),
                    ("openat", 2),
                    ("readlink", 1),
                ],
            ),
            ("make doorbell kicker", &[("mmap doorbell", 1)]),
            ("start", &[("ioctl VHOST_VDPA_SET_STATUS", 1)]),
            ("map", &[("ioctl VFIO_IOMMU_MAP_DMA", 1)]),
            ("map three", &[("ioctl VFIO_IOMMU_MAP_DMA", 3)]),
            ("unmap four at once", &[("ioctl VFIO_IOMMU_UNMAP_DMA", 1)]),
            ("limits", &[("ioctl VFIO_IOMMU_GET_INFO", 1)]),
            ("set error", &[("ioctl VHOST_SET_VRING_ERR", 1)]),
            ("drop", &[("close", 3), ("ioctl VFIO_GROUP_UNSET_CONTAINER", 1), ("readlink", 1)]),
        ],
    );
}

#[test]
fn one_pair() {
    life(1);
}

#[test]
fn four_pairs() {
    life(4);
}
