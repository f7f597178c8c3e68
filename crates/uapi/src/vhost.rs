//! vhost: requests of type 0xAF and their structures.
//!
//! From `<linux/vhost.h>` and `<linux/vhost_types.h>`. The vfio-vhost device (#1/B), vhost-mdev
//! (#2) and vhost-vdpa take them as ioctls, #1/A as the `request` of a [`message`](crate::message).
//! What each does and how it fails is in section 2 of `docs/abi.md`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ioc::{io, ior, iow, iowr};

/// The ioctl type of every vhost request: `VHOST_VIRTIO`.
pub const TYPE: u8 = 0xaf;

/// Device features, u64: `VHOST_GET_FEATURES`.
pub const GET_FEATURES: u32 = ior::<u64>(TYPE, 0x00);
/// Accepted features, u64: `VHOST_SET_FEATURES`.
pub const SET_FEATURES: u32 = iow::<u64>(TYPE, 0x00);
/// Makes the caller the owner: `VHOST_SET_OWNER`.
pub const SET_OWNER: u32 = io(TYPE, 0x01);
/// Resets the device and forgets the owner: `VHOST_RESET_OWNER`.
pub const RESET_OWNER: u32 = io(TYPE, 0x02);
/// Replaces the memory table, [`Memory`] and its regions: `VHOST_SET_MEM_TABLE`.
pub const SET_MEM_TABLE: u32 = iow::<Memory>(TYPE, 0x03);
/// Address of the dirty bitmap, u64: `VHOST_SET_LOG_BASE`.
pub const SET_LOG_BASE: u32 = iow::<u64>(TYPE, 0x04);
/// eventfd signalled when the dirty bitmap changed, int: `VHOST_SET_LOG_FD`.
pub const SET_LOG_FD: u32 = iow::<i32>(TYPE, 0x07);
/// Size of a vring, [`VringState`]: `VHOST_SET_VRING_NUM`.
pub const SET_VRING_NUM: u32 = iow::<VringState>(TYPE, 0x10);
/// Addresses of a vring, [`VringAddr`]: `VHOST_SET_VRING_ADDR`.
pub const SET_VRING_ADDR: u32 = iow::<VringAddr>(TYPE, 0x11);
/// Next available index of a vring, [`VringState`]: `VHOST_SET_VRING_BASE`.
pub const SET_VRING_BASE: u32 = iow::<VringState>(TYPE, 0x12);
/// Reads the next available index of a vring, [`VringState`]: `VHOST_GET_VRING_BASE`.
pub const GET_VRING_BASE: u32 = iowr::<VringState>(TYPE, 0x12);
/// Kick eventfd, [`VringFile`]: `VHOST_SET_VRING_KICK`.
pub const SET_VRING_KICK: u32 = iow::<VringFile>(TYPE, 0x20);
/// Call eventfd, [`VringFile`]: `VHOST_SET_VRING_CALL`.
pub const SET_VRING_CALL: u32 = iow::<VringFile>(TYPE, 0x21);
/// Error eventfd, [`VringFile`]: `VHOST_SET_VRING_ERR`.
pub const SET_VRING_ERR: u32 = iow::<VringFile>(TYPE, 0x22);
/// How long vhost polls a vring before it sleeps, [`VringState`]:
/// `VHOST_SET_VRING_BUSYLOOP_TIMEOUT`. vhost-vdpa keeps it and does nothing with it.
pub const SET_VRING_BUSYLOOP_TIMEOUT: u32 = iow::<VringState>(TYPE, 0x23);
/// Reads it back into the [`VringState`], though the number says write:
/// `VHOST_GET_VRING_BUSYLOOP_TIMEOUT`.
pub const GET_VRING_BUSYLOOP_TIMEOUT: u32 = iow::<VringState>(TYPE, 0x24);
/// Accepted backend features, u64: `VHOST_SET_BACKEND_FEATURES`.
pub const SET_BACKEND_FEATURES: u32 = iow::<u64>(TYPE, 0x25);
/// Backend features, u64: `VHOST_GET_BACKEND_FEATURES`.
pub const GET_BACKEND_FEATURES: u32 = ior::<u64>(TYPE, 0x26);
/// virtio device id, u32: `VHOST_VDPA_GET_DEVICE_ID`.
pub const GET_DEVICE_ID: u32 = ior::<u32>(TYPE, 0x70);
/// virtio device status, u8: `VHOST_VDPA_GET_STATUS`.
pub const GET_STATUS: u32 = ior::<u8>(TYPE, 0x71);
/// Sets status bits, or resets with 0, u8: `VHOST_VDPA_SET_STATUS`.
pub const SET_STATUS: u32 = iow::<u8>(TYPE, 0x72);
/// Reads config space, [`Config`] and its bytes: `VHOST_VDPA_GET_CONFIG`.
pub const GET_CONFIG: u32 = ior::<Config>(TYPE, 0x73);
/// Writes config space, [`Config`] and its bytes: `VHOST_VDPA_SET_CONFIG`.
pub const SET_CONFIG: u32 = iow::<Config>(TYPE, 0x74);
/// Enables (1) or disables (0) a vring, [`VringState`]: `VHOST_VDPA_SET_VRING_ENABLE`.
pub const SET_VRING_ENABLE: u32 = iow::<VringState>(TYPE, 0x75);
/// The largest vring size, u16: `VHOST_VDPA_GET_VRING_NUM`.
pub const GET_VRING_NUM: u32 = ior::<u16>(TYPE, 0x76);
/// Config-change eventfd, int: `VHOST_VDPA_SET_CONFIG_CALL`.
pub const SET_CONFIG_CALL: u32 = iow::<i32>(TYPE, 0x77);
/// IOVAs that can be mapped, [`IovaRange`]: `VHOST_VDPA_GET_IOVA_RANGE`.
pub const GET_IOVA_RANGE: u32 = ior::<IovaRange>(TYPE, 0x78);
/// Bytes of config space, u32: `VHOST_VDPA_GET_CONFIG_SIZE`.
pub const GET_CONFIG_SIZE: u32 = ior::<u32>(TYPE, 0x79);
/// Number of address spaces, u32: `VHOST_VDPA_GET_AS_NUM`.
pub const GET_AS_NUM: u32 = ior::<u32>(TYPE, 0x7a);
/// Group of a vring, [`VringState`]: `VHOST_VDPA_GET_VRING_GROUP`.
pub const GET_VRING_GROUP: u32 = iowr::<VringState>(TYPE, 0x7b);
/// Address space of a group, [`VringState`]: `VHOST_VDPA_SET_GROUP_ASID`.
pub const SET_GROUP_ASID: u32 = iow::<VringState>(TYPE, 0x7c);
/// Stops every vring at a chain boundary: `VHOST_VDPA_SUSPEND`. Linux 6.1.
pub const SUSPEND: u32 = io(TYPE, 0x7d);
/// Goes on after [`SUSPEND`]: `VHOST_VDPA_RESUME`. Linux 6.3.
pub const RESUME: u32 = io(TYPE, 0x7e);
/// Group of a vring's descriptor table, [`VringState`]: `VHOST_VDPA_GET_VRING_DESC_GROUP`. Linux
/// 6.7.
pub const GET_VRING_DESC_GROUP: u32 = iowr::<VringState>(TYPE, 0x7f);
/// Number of vrings, u32: `VHOST_VDPA_GET_VQS_COUNT`.
pub const GET_VQS_COUNT: u32 = ior::<u32>(TYPE, 0x80);
/// Number of vring groups, u32: `VHOST_VDPA_GET_GROUP_NUM`.
pub const GET_GROUP_NUM: u32 = ior::<u32>(TYPE, 0x81);
/// Current size of a vring, [`VringState`]: `VHOST_VDPA_GET_VRING_SIZE`. Linux 6.10.
pub const GET_VRING_SIZE: u32 = iowr::<VringState>(TYPE, 0x82);

/// Feature bit: log every page that the device writes. `VHOST_F_LOG_ALL`.
pub const F_LOG_ALL: u32 = 26;
/// Bit of [`VringAddr::flags`]: `log_guest_addr` is valid. `VHOST_VRING_F_LOG`.
pub const VRING_F_LOG: u32 = 0;
/// The fd that takes an eventfd away: `VHOST_FILE_UNBIND`.
pub const FILE_UNBIND: i32 = -1;

/// Backend feature bit: IOTLB messages are [`MsgV2`]. `VHOST_BACKEND_F_IOTLB_MSG_V2`.
pub const BACKEND_F_IOTLB_MSG_V2: u32 = 1;
/// Backend feature bit: batch hints are taken. `VHOST_BACKEND_F_IOTLB_BATCH`.
pub const BACKEND_F_IOTLB_BATCH: u32 = 2;
/// Backend feature bit: IOTLB messages carry an address space. `VHOST_BACKEND_F_IOTLB_ASID`.
pub const BACKEND_F_IOTLB_ASID: u32 = 3;
/// Backend feature bit: [`SUSPEND`] works. `VHOST_BACKEND_F_SUSPEND`.
pub const BACKEND_F_SUSPEND: u32 = 4;
/// Backend feature bit: [`RESUME`] works. `VHOST_BACKEND_F_RESUME`. Linux 6.3.
pub const BACKEND_F_RESUME: u32 = 5;
/// Backend feature bit: a vring may be enabled after DRIVER_OK.
/// `VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK`. Linux 6.6.
pub const BACKEND_F_ENABLE_AFTER_DRIVER_OK: u32 = 6;
/// Backend feature bit: descriptor tables may have a group of their own.
/// `VHOST_BACKEND_F_DESC_ASID`. Linux 6.7.
pub const BACKEND_F_DESC_ASID: u32 = 7;
/// Backend feature bit: mappings stay over a reset. `VHOST_BACKEND_F_IOTLB_PERSIST`. Linux 6.7.
pub const BACKEND_F_IOTLB_PERSIST: u32 = 8;

/// The device may read: `VHOST_ACCESS_RO`.
pub const ACCESS_RO: u8 = 1;
/// The device may write: `VHOST_ACCESS_WO`.
pub const ACCESS_WO: u8 = 2;
/// The device may read and write: `VHOST_ACCESS_RW`.
pub const ACCESS_RW: u8 = 3;

/// Kernel to user: a translation is missing. `VHOST_IOTLB_MISS`. Not sent by vhost-vdpa.
pub const IOTLB_MISS: u8 = 1;
/// Adds a mapping: `VHOST_IOTLB_UPDATE`.
pub const IOTLB_UPDATE: u8 = 2;
/// Removes mappings: `VHOST_IOTLB_INVALIDATE`.
pub const IOTLB_INVALIDATE: u8 = 3;
/// Kernel to user: an access was refused. `VHOST_IOTLB_ACCESS_FAIL`. Not sent by vhost-vdpa.
pub const IOTLB_ACCESS_FAIL: u8 = 4;
/// More changes follow: `VHOST_IOTLB_BATCH_BEGIN`.
pub const IOTLB_BATCH_BEGIN: u8 = 5;
/// The changes since [`IOTLB_BATCH_BEGIN`] take effect: `VHOST_IOTLB_BATCH_END`.
pub const IOTLB_BATCH_END: u8 = 6;

/// [`MsgV2::msg_type`] of the first message format, which this crate doesn't send:
/// `VHOST_IOTLB_MSG`.
pub const IOTLB_MSG: u32 = 1;
/// [`MsgV2::msg_type`] of every [`MsgV2`]: `VHOST_IOTLB_MSG_V2`.
pub const IOTLB_MSG_V2: u32 = 2;

/// A vring and a number: `struct vhost_vring_state`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct VringState {
    /// Queue index.
    pub index: u32,
    /// Size, base, enable or group: the request says.
    pub num: u32,
}

/// A vring and an eventfd: `struct vhost_vring_file`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct VringFile {
    /// Queue index.
    pub index: u32,
    /// The eventfd, or [`FILE_UNBIND`].
    pub fd: i32,
}

/// Where a vring lies: `struct vhost_vring_addr`.
///
/// The C names say "user"; in all four interfaces the addresses are IOVAs.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct VringAddr {
    /// Queue index.
    pub index: u32,
    /// Bit [`VRING_F_LOG`], or 0.
    pub flags: u32,
    /// Descriptor table, 16-byte aligned: C `desc_user_addr`.
    pub desc: u64,
    /// Used ring, 4-byte aligned: C `used_user_addr`. It comes before the available ring.
    pub used: u64,
    /// Available ring, 2-byte aligned: C `avail_user_addr`.
    pub avail: u64,
    /// Where writes to the used ring are logged, with [`VRING_F_LOG`]: C `log_guest_addr`.
    pub log: u64,
}

/// Head of a memory table, before `nregions` times [`MemoryRegion`]: `struct vhost_memory`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Memory {
    /// Number of regions that follow.
    pub nregions: u32,
    /// Must be 0.
    pub padding: u32,
}

/// One region of a memory table: `struct vhost_memory_region`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct MemoryRegion {
    /// First IOVA.
    pub guest_phys_addr: u64,
    /// Length in bytes.
    pub memory_size: u64,
    /// Address of the first byte in the caller's memory.
    pub userspace_addr: u64,
    /// Must be 0.
    pub flags_padding: u64,
}

/// Head of a config space access, before `len` bytes: `struct vhost_vdpa_config`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Config {
    /// First byte of config space.
    pub off: u32,
    /// Number of bytes.
    pub len: u32,
}

/// IOVAs that can be mapped, both ends included: `struct vhost_vdpa_iova_range`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct IovaRange {
    /// First address.
    pub first: u64,
    /// Last address.
    pub last: u64,
}

/// One change of the IOTLB: `struct vhost_iotlb_msg`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct IotlbMsg {
    /// First IOVA.
    pub iova: u64,
    /// Length in bytes.
    pub size: u64,
    /// Address of the first byte in the caller's memory; [`IOTLB_UPDATE`] alone.
    pub uaddr: u64,
    /// `ACCESS_*`; [`IOTLB_UPDATE`] alone.
    pub perm: u8,
    /// `IOTLB_*`: C `type`.
    pub kind: u8,
    /// The padding that C leaves unnamed.
    pub padding: [u8; 6],
}

/// What is written to vhost-vdpa to change its mappings: `struct vhost_msg_v2`, 72 bytes.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct MsgV2 {
    /// [`IOTLB_MSG_V2`]: C `type`.
    pub msg_type: u32,
    /// Address space, 0 where there is one.
    pub asid: u32,
    /// The change.
    pub iotlb: IotlbMsg,
    /// The rest of C's union.
    pub padding: [u8; 32],
}

impl MsgV2 {
    /// Maps `size` bytes at `uaddr` to `iova`.
    pub const fn update(asid: u32, iova: u64, size: u64, uaddr: u64, perm: u8) -> Self {
        Self::new(asid, iova, size, uaddr, perm, IOTLB_UPDATE)
    }

    /// Removes the mappings that `size` bytes at `iova` touch.
    pub const fn invalidate(asid: u32, iova: u64, size: u64) -> Self {
        Self::new(asid, iova, size, 0, 0, IOTLB_INVALIDATE)
    }

    /// More changes follow.
    pub const fn batch_begin(asid: u32) -> Self {
        Self::new(asid, 0, 0, 0, 0, IOTLB_BATCH_BEGIN)
    }

    /// The changes since [`MsgV2::batch_begin`] take effect.
    pub const fn batch_end(asid: u32) -> Self {
        Self::new(asid, 0, 0, 0, 0, IOTLB_BATCH_END)
    }

    const fn new(asid: u32, iova: u64, size: u64, uaddr: u64, perm: u8, kind: u8) -> Self {
        let iotlb = IotlbMsg { iova, size, uaddr, perm, kind, padding: [0; 6] };
        Self { msg_type: IOTLB_MSG_V2, asid, iotlb, padding: [0; 32] }
    }
}
