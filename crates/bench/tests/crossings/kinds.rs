//! The kinds of crossing that each act is made of, by interface: `docs/abi.md` as a table.

use vhost_accel::{Interface, KickKind};
use vhost_accel_bench::{Act, Configuration, Variant};

/// What VFIO wants to know before there is a device.
const VFIO_OPEN: &[&str] = &[
    "ioctl VFIO_CHECK_EXTENSION",
    "ioctl VFIO_DEVICE_GET_INFO",
    "ioctl VFIO_DEVICE_GET_IRQ_INFO",
    "ioctl VFIO_DEVICE_GET_REGION_INFO",
    "ioctl VFIO_GET_API_VERSION",
    "ioctl VFIO_GROUP_GET_DEVICE_FD",
    "ioctl VFIO_GROUP_GET_STATUS",
    "ioctl VFIO_GROUP_SET_CONTAINER",
    "ioctl VFIO_SET_IOMMU",
    "openat",
    "readlink",
];
/// What a vhost device is asked.
const IDENTIFY: &[&str] = &[
    "ioctl VHOST_GET_BACKEND_FEATURES",
    "ioctl VHOST_GET_FEATURES",
    "ioctl VHOST_SET_BACKEND_FEATURES",
    "ioctl VHOST_SET_OWNER",
    "ioctl VHOST_VDPA_GET_DEVICE_ID",
    "ioctl VHOST_VDPA_GET_VQS_COUNT",
    "ioctl VHOST_VDPA_GET_VRING_NUM",
];
/// Whether there are doorbells, only mmap(2) tells.
const NODE_OPEN: &[&str] = &["openat", "mmap doorbell"];
const SET_UP: &[&str] = &[
    "ioctl VHOST_SET_VRING_ADDR",
    "ioctl VHOST_SET_VRING_CALL",
    "ioctl VHOST_SET_VRING_NUM",
    "ioctl VHOST_VDPA_SET_VRING_ENABLE",
];
const NEGOTIATE: &[&str] =
    &["ioctl VHOST_SET_FEATURES", "ioctl VHOST_VDPA_GET_STATUS", "ioctl VHOST_VDPA_SET_STATUS"];
const CLOSE: &[&str] = &["close", "fcntl", "munmap"];
/// A message that tells.
const TELL: &[&str] = &["pwrite CONFIG"];
/// A message that asks.
const ASK: &[&str] = &["pread CONFIG", "pwrite CONFIG"];

/// The kinds of `act` on `configuration`, which is one of the four interfaces'.
pub(crate) fn kinds(act: Act, configuration: Configuration) -> Vec<&'static str> {
    use Interface::{VfioIoctl, VfioMsg, VhostMdev, VhostVdpa};
    let of: &[&[&str]] = match (act, configuration.interface) {
        (_, Interface::Other(other)) => panic!("what {} crosses is not known", other.name),
        (Act::Refused, _) => &[&["ioctl 0x0000afff"]],
        (Act::Kick(KickKind::Doorbell) | Act::Kickers(KickKind::RegionWrite), _) => &[],
        (Act::Kick(KickKind::EventFd), _) => &[&["write eventfd"]],
        (Act::Kick(KickKind::RegionWrite), _) => &[&["pwrite NOTIFY"]],
        (Act::Kick(kind), _) => panic!("what a kick by {kind} crosses is not known"),
        (Act::Wait, _) => &[&["read eventfd"]],
        (Act::Kickers(KickKind::EventFd), _) => &[&["eventfd2", "ioctl VHOST_SET_VRING_KICK"]],
        // It has them all since it was opened.
        (Act::Kickers(KickKind::Doorbell), VhostMdev) => &[],
        (Act::Kickers(KickKind::Doorbell), VfioMsg | VfioIoctl | VhostVdpa) => {
            &[&["mmap doorbell"]]
        }
        (Act::Kickers(kind), _) => panic!("what a kicker by {kind} crosses is not known"),
        (Act::Open, VfioMsg) => &[VFIO_OPEN, ASK],
        (Act::Open, VfioIoctl) => &[VFIO_OPEN, IDENTIFY],
        (Act::Open, VhostMdev | VhostVdpa) => &[NODE_OPEN, IDENTIFY],
        (Act::Map | Act::MapAll, VfioMsg | VfioIoctl) => &[&["ioctl VFIO_IOMMU_MAP_DMA"]],
        (Act::Unmap, VfioMsg | VfioIoctl) => &[&["ioctl VFIO_IOMMU_UNMAP_DMA"]],
        (Act::Map | Act::MapAll | Act::Unmap, VhostMdev) => match (act, configuration.variant) {
            (_, Variant::MemTable) => &[&["ioctl VHOST_SET_MEM_TABLE"]],
            (Act::Unmap, Variant::Plain | Variant::Batch) => &[&["ioctl VHOST_MDEV_UNMAP_DMA"]],
            (_, Variant::Plain | Variant::Batch) => &[&["ioctl VHOST_MDEV_MAP_DMA"]],
        },
        (Act::Unmap, VhostVdpa) => &[&["write iotlb INVALIDATE"]],
        (Act::MapAll, VhostVdpa) if configuration.variant == Variant::Batch => {
            &[&["write iotlb BATCH_BEGIN", "write iotlb BATCH_END", "write iotlb UPDATE"]]
        }
        (Act::Map | Act::MapAll, VhostVdpa) => &[&["write iotlb UPDATE"]],
        (Act::Enable | Act::Start | Act::Suspend | Act::Reset, VfioMsg) => &[TELL],
        (Act::Status | Act::Negotiate | Act::Base, VfioMsg) => &[ASK],
        (Act::Vrings | Act::VringsFromBase, VfioMsg) => &[TELL, &["ioctl VFIO_DEVICE_SET_IRQS"]],
        (Act::Close, VfioMsg | VfioIoctl) => {
            &[CLOSE, &["ioctl VFIO_GROUP_UNSET_CONTAINER", "readlink"]]
        }
        (Act::Close, VhostMdev | VhostVdpa) => &[CLOSE],
        (Act::Enable, _) => &[&["ioctl VHOST_VDPA_SET_VRING_ENABLE"]],
        (Act::Status, _) => &[&["ioctl VHOST_VDPA_GET_STATUS"]],
        (Act::Negotiate, _) => &[NEGOTIATE],
        (Act::Vrings, _) => &[SET_UP],
        (Act::VringsFromBase, _) => &[SET_UP, &["ioctl VHOST_SET_VRING_BASE"]],
        (Act::Suspend, _) => &[&["ioctl VHOST_VDPA_SUSPEND"]],
        (Act::Base, _) => &[&["ioctl VHOST_GET_VRING_BASE"]],
        // There a failed start shows in the status alone.
        (Act::Start, VhostVdpa) => {
            &[&["ioctl VHOST_VDPA_GET_STATUS", "ioctl VHOST_VDPA_SET_STATUS"]]
        }
        (Act::Reset, VfioIoctl | VhostMdev | VhostVdpa) | (Act::Start, VfioIoctl | VhostMdev) => {
            &[&["ioctl VHOST_VDPA_SET_STATUS"]]
        }
    };
    of.concat()
}
