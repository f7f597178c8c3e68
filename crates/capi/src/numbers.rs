//! The numbers of the ABI. Those that `core` has are compared with it when this is compiled.

use vhost_accel::{Capabilities, Features, Interface, KickKind, Phase};

/// An interface that is none of the four.
pub const VHOST_ACCEL_OTHER: u32 = 0;
/// #1/A: messages over VFIO device regions.
pub const VHOST_ACCEL_VFIO_MSG: u32 = 1;
/// #1/B: vhost ioctls on the VFIO device fd.
pub const VHOST_ACCEL_VFIO_IOCTL: u32 = 2;
/// #2: the vhost-mdev character device.
pub const VHOST_ACCEL_VHOST_MDEV: u32 = 3;
/// The control: /dev/vhost-vdpa-N.
pub const VHOST_ACCEL_VHOST_VDPA: u32 = 4;

const _: () = {
    assert!(VHOST_ACCEL_VFIO_MSG == Interface::VfioMsg.number());
    assert!(VHOST_ACCEL_VFIO_IOCTL == Interface::VfioIoctl.number());
    assert!(VHOST_ACCEL_VHOST_MDEV == Interface::VhostMdev.number());
    assert!(VHOST_ACCEL_VHOST_VDPA == Interface::VhostVdpa.number());
};

/// A capability: kicks by a store into a mapped page.
pub const VHOST_ACCEL_CAP_KICK_DOORBELL: u32 = 1 << 0;
/// Kicks by eventfd.
pub const VHOST_ACCEL_CAP_KICK_EVENTFD: u32 = 1 << 1;
/// Kicks by pwrite(2) to the NOTIFY region.
pub const VHOST_ACCEL_CAP_KICK_REGION_WRITE: u32 = 1 << 2;
/// Many vrings are set up in a number of system calls that doesn't grow with them.
pub const VHOST_ACCEL_CAP_BATCH_VRINGS: u32 = 1 << 3;
/// Many DMA mappings are announced to the device as one change.
pub const VHOST_ACCEL_CAP_BATCH_DMA: u32 = 1 << 4;
/// vhost_accel_suspend.
pub const VHOST_ACCEL_CAP_SUSPEND: u32 = 1 << 5;
/// vhost_accel_resume.
pub const VHOST_ACCEL_CAP_RESUME: u32 = 1 << 6;
/// vhost_accel_set_dirty_log.
pub const VHOST_ACCEL_CAP_DIRTY_LOG: u32 = 1 << 7;
/// vhost_accel_set_error: a vring's fault is signalled on an eventfd of its own.
pub const VHOST_ACCEL_CAP_ERROR_EVENT: u32 = 1 << 8;
/// A DMA mapping can be read-only or write-only.
pub const VHOST_ACCEL_CAP_DMA_ACCESS: u32 = 1 << 9;
/// A failed DMA request says why: EEXIST for an overlap, ENOENT for an unmap of nothing.
pub const VHOST_ACCEL_CAP_DMA_ERRNO: u32 = 1 << 10;
/// One mapping is added or removed without sending the others again.
pub const VHOST_ACCEL_CAP_DMA_INCREMENTAL: u32 = 1 << 11;
/// Virtio status, config space and vring enable can be reached.
pub const VHOST_ACCEL_CAP_VIRTIO_STATUS: u32 = 1 << 12;
/// vhost_accel_dma_update is one change, also for memory that the device uses at that moment.
pub const VHOST_ACCEL_CAP_ATOMIC_DMA: u32 = 1 << 13;
/// Memory is mapped through the device: vhost_accel_dma_map and its like.
pub const VHOST_ACCEL_CAP_DMA: u32 = 1 << 14;

const _: () = {
    use Capabilities as C;
    assert!(VHOST_ACCEL_CAP_KICK_DOORBELL == C::KICK_DOORBELL.bits());
    assert!(VHOST_ACCEL_CAP_KICK_EVENTFD == C::KICK_EVENTFD.bits());
    assert!(VHOST_ACCEL_CAP_KICK_REGION_WRITE == C::KICK_REGION_WRITE.bits());
    assert!(VHOST_ACCEL_CAP_BATCH_VRINGS == C::BATCH_VRINGS.bits());
    assert!(VHOST_ACCEL_CAP_BATCH_DMA == C::BATCH_DMA.bits());
    assert!(VHOST_ACCEL_CAP_SUSPEND == C::SUSPEND.bits());
    assert!(VHOST_ACCEL_CAP_RESUME == C::RESUME.bits());
    assert!(VHOST_ACCEL_CAP_DIRTY_LOG == C::DIRTY_LOG.bits());
    assert!(VHOST_ACCEL_CAP_ERROR_EVENT == C::ERROR_EVENT.bits());
    assert!(VHOST_ACCEL_CAP_DMA_ACCESS == C::DMA_ACCESS.bits());
    assert!(VHOST_ACCEL_CAP_DMA_ERRNO == C::DMA_ERRNO.bits());
    assert!(VHOST_ACCEL_CAP_DMA_INCREMENTAL == C::DMA_INCREMENTAL.bits());
    assert!(VHOST_ACCEL_CAP_VIRTIO_STATUS == C::VIRTIO_STATUS.bits());
    assert!(VHOST_ACCEL_CAP_ATOMIC_DMA == C::ATOMIC_DMA.bits());
    assert!(VHOST_ACCEL_CAP_DMA == C::DMA.bits());
};

/// A feature: VIRTIO_F_VERSION_1. Our devices run with it and with the next one only.
pub const VHOST_ACCEL_F_VERSION_1: u64 = 1u64 << 32;
/// VIRTIO_F_ACCESS_PLATFORM: addresses are translated.
pub const VHOST_ACCEL_F_ACCESS_PLATFORM: u64 = 1u64 << 33;
/// VHOST_F_LOG_ALL: the device logs the pages that it writes.
pub const VHOST_ACCEL_F_LOG_ALL: u64 = 1u64 << 26;

const _: () = {
    assert!(VHOST_ACCEL_F_VERSION_1 == Features::VERSION_1.bits());
    assert!(VHOST_ACCEL_F_ACCESS_PLATFORM == Features::ACCESS_PLATFORM.bits());
    assert!(VHOST_ACCEL_F_LOG_ALL == Features::LOG_ALL.bits());
};

/// Any kind of kick: the best that the device has, in the order of the three below.
pub const VHOST_ACCEL_KICK_BEST: u32 = 0;
/// A store into a mapped page: no system call.
pub const VHOST_ACCEL_KICK_DOORBELL: u32 = 1;
/// A write(2) of an eventfd, which KVM can make for a guest.
pub const VHOST_ACCEL_KICK_EVENTFD: u32 = 2;
/// A pwrite(2) of the vring's number to the NOTIFY region.
pub const VHOST_ACCEL_KICK_REGION_WRITE: u32 = 3;

const _: () = {
    assert!(VHOST_ACCEL_KICK_DOORBELL == KickKind::Doorbell.number());
    assert!(VHOST_ACCEL_KICK_EVENTFD == KickKind::EventFd.number());
    assert!(VHOST_ACCEL_KICK_REGION_WRITE == KickKind::RegionWrite.number());
};

/// A phase: opened or reset; nothing negotiated.
pub const VHOST_ACCEL_PHASE_FRESH: i32 = 0;
/// Features are negotiated, the device does not run.
pub const VHOST_ACCEL_PHASE_NEGOTIATED: i32 = 1;
/// The vrings run.
pub const VHOST_ACCEL_PHASE_RUNNING: i32 = 2;
/// The vrings stand still and keep their state.
pub const VHOST_ACCEL_PHASE_SUSPENDED: i32 = 3;

/// The number of a phase; `None` for one that this ABI doesn't know.
pub(crate) fn of_phase(phase: Phase) -> Option<i32> {
    match phase {
        Phase::Fresh => Some(VHOST_ACCEL_PHASE_FRESH),
        Phase::Negotiated => Some(VHOST_ACCEL_PHASE_NEGOTIATED),
        Phase::Running => Some(VHOST_ACCEL_PHASE_RUNNING),
        Phase::Suspended => Some(VHOST_ACCEL_PHASE_SUSPENDED),
        _ => None,
    }
}

/// Access to mapped memory: the device reads it.
pub const VHOST_ACCEL_READ: u32 = 1;
/// The device writes it.
pub const VHOST_ACCEL_WRITE: u32 = 2;
/// Both.
pub const VHOST_ACCEL_READ_WRITE: u32 = 3;

/// The number of mappings where the kernel doesn't say how many there can be.
pub const VHOST_ACCEL_UNKNOWN: u64 = 0xffff_ffff_ffff_ffff;
