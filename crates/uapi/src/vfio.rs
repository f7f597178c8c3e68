//! VFIO: the part of `<linux/vfio.h>` in use, and what the vfio-vhost device adds to it.
//!
//! Structures are the kernel's, whose first fields are always `argsz`, the bytes that userspace has
//! room for, and `flags`. What is ours (the device flag, the region type and subtypes, the vhost
//! capability, the interrupt indexes) is marked so; section 3 of `docs/abi.md` says how the device
//! uses it.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ioc::io;

/// The ioctl type of every VFIO request: `VFIO_TYPE`.
pub const TYPE: u8 = b';';
/// The number of the first VFIO request: `VFIO_BASE`.
pub const BASE: u8 = 100;

/// Container: version of the interface, [`API_VERSION`]. `VFIO_GET_API_VERSION`.
pub const GET_API_VERSION: u32 = io(TYPE, BASE);
/// Container: 1 if the extension (an IOMMU type) is there. `VFIO_CHECK_EXTENSION`.
pub const CHECK_EXTENSION: u32 = io(TYPE, BASE + 1);
/// Container: chooses the IOMMU type. `VFIO_SET_IOMMU`.
pub const SET_IOMMU: u32 = io(TYPE, BASE + 2);
/// Group: [`GroupStatus`]. `VFIO_GROUP_GET_STATUS`.
pub const GROUP_GET_STATUS: u32 = io(TYPE, BASE + 3);
/// Group: joins a container, pointer to its int fd. `VFIO_GROUP_SET_CONTAINER`.
pub const GROUP_SET_CONTAINER: u32 = io(TYPE, BASE + 4);
/// Group: leaves its container. `VFIO_GROUP_UNSET_CONTAINER`.
pub const GROUP_UNSET_CONTAINER: u32 = io(TYPE, BASE + 5);
/// Group: a device's fd by its name, for an mdev its UUID. `VFIO_GROUP_GET_DEVICE_FD`.
pub const GROUP_GET_DEVICE_FD: u32 = io(TYPE, BASE + 6);
/// Device: [`DeviceInfo`]. `VFIO_DEVICE_GET_INFO`.
pub const DEVICE_GET_INFO: u32 = io(TYPE, BASE + 7);
/// Device: [`RegionInfo`] and capabilities. `VFIO_DEVICE_GET_REGION_INFO`.
pub const DEVICE_GET_REGION_INFO: u32 = io(TYPE, BASE + 8);
/// Device: [`IrqInfo`]. `VFIO_DEVICE_GET_IRQ_INFO`.
pub const DEVICE_GET_IRQ_INFO: u32 = io(TYPE, BASE + 9);
/// Device: [`IrqSet`] and its data. `VFIO_DEVICE_SET_IRQS`.
pub const DEVICE_SET_IRQS: u32 = io(TYPE, BASE + 10);
/// Device: reset. `VFIO_DEVICE_RESET`.
pub const DEVICE_RESET: u32 = io(TYPE, BASE + 11);
/// Container: [`IommuInfo`] and capabilities. `VFIO_IOMMU_GET_INFO`.
pub const IOMMU_GET_INFO: u32 = io(TYPE, BASE + 12);
/// Container: [`DmaMap`]. `VFIO_IOMMU_MAP_DMA`.
pub const IOMMU_MAP_DMA: u32 = io(TYPE, BASE + 13);
/// Container: [`DmaUnmap`]. `VFIO_IOMMU_UNMAP_DMA`.
pub const IOMMU_UNMAP_DMA: u32 = io(TYPE, BASE + 14);

/// What [`GET_API_VERSION`] answers: `VFIO_API_VERSION`.
pub const API_VERSION: i32 = 0;
/// IOMMU type 1, version 1: `VFIO_TYPE1_IOMMU`.
pub const TYPE1_IOMMU: u32 = 1;
/// IOMMU type 1, version 2, the one in use: `VFIO_TYPE1v2_IOMMU`.
pub const TYPE1V2_IOMMU: u32 = 3;

/// `device_api` of our mdev types in sysfs: RFC v2's `VFIO_DEVICE_API_VHOST_STRING`.
pub const DEVICE_API_VHOST: &str = "vfio-vhost";

/// The group can be used: `VFIO_GROUP_FLAGS_VIABLE`.
pub const GROUP_FLAGS_VIABLE: u32 = 1 << 0;
/// The group is in a container: `VFIO_GROUP_FLAGS_CONTAINER_SET`.
pub const GROUP_FLAGS_CONTAINER_SET: u32 = 1 << 1;

/// The device can be reset: `VFIO_DEVICE_FLAGS_RESET`.
pub const DEVICE_FLAGS_RESET: u32 = 1 << 0;
/// A platform device, which ours claims to be so that VFIO userspace takes it:
/// `VFIO_DEVICE_FLAGS_PLATFORM`.
pub const DEVICE_FLAGS_PLATFORM: u32 = 1 << 2;
/// Ours: a vhost device. `VFIO_DEVICE_FLAGS_VHOST`. RFC v2's bit 6 has been taken since.
pub const DEVICE_FLAGS_VHOST: u32 = 1 << 16;

/// The region can be read: `VFIO_REGION_INFO_FLAG_READ`.
pub const REGION_INFO_FLAG_READ: u32 = 1 << 0;
/// The region can be written: `VFIO_REGION_INFO_FLAG_WRITE`.
pub const REGION_INFO_FLAG_WRITE: u32 = 1 << 1;
/// The region can be mapped: `VFIO_REGION_INFO_FLAG_MMAP`.
pub const REGION_INFO_FLAG_MMAP: u32 = 1 << 2;
/// Capabilities follow: `VFIO_REGION_INFO_FLAG_CAPS`.
pub const REGION_INFO_FLAG_CAPS: u32 = 1 << 3;
/// Capability id of [`RegionCapType`]: `VFIO_REGION_INFO_CAP_TYPE`.
pub const REGION_INFO_CAP_TYPE: u16 = 2;
/// Ours: capability id of [`RegionCapVhost`]. `VFIO_REGION_INFO_CAP_VHOST`.
pub const REGION_INFO_CAP_VHOST: u16 = 0x7668;
/// Ours: region type of both regions. `VFIO_REGION_TYPE_VHOST`.
pub const REGION_TYPE_VHOST: u32 = 0x7668;
/// Ours: subtype of the region that takes messages. `VFIO_REGION_SUBTYPE_VHOST_CONFIG`.
pub const REGION_SUBTYPE_VHOST_CONFIG: u32 = 1;
/// Ours: subtype of the doorbells. `VFIO_REGION_SUBTYPE_VHOST_NOTIFY`.
pub const REGION_SUBTYPE_VHOST_NOTIFY: u32 = 2;
/// Ours: flag of [`RegionCapVhost`], requests 0x70 to 0x82 are taken. `VFIO_VHOST_CAP_STATUS`.
pub const VHOST_CAP_STATUS: u32 = 1 << 0;
/// Ours: flag of [`RegionCapVhost`], a write may carry several messages. `VFIO_VHOST_CAP_BATCH`.
pub const VHOST_CAP_BATCH: u32 = 1 << 1;

/// Ours: index of the region that takes messages, better found by its type. RFC v2's
/// `VFIO_VHOST_CONFIG_REGION_INDEX`.
pub const REGION_INDEX_CONFIG: u32 = 0;
/// Ours: index of the doorbells, better found by their type. RFC v2's
/// `VFIO_VHOST_NOTIFY_REGION_INDEX`.
pub const REGION_INDEX_NOTIFY: u32 = 1;
/// Ours: regions of the device. `VFIO_VHOST_NUM_REGIONS`.
pub const NUM_REGIONS: u32 = 2;
/// Ours: bytes of the CONFIG region. `VFIO_VHOST_CONFIG_REGION_SIZE`.
pub const REGION_CONFIG_SIZE: u64 = 0x100_0000;

/// Ours: interrupts that are a vring's calls, one subindex per vring. RFC v2's
/// `VFIO_VHOST_VQ_IRQ_INDEX`.
pub const IRQ_INDEX_VQ: u32 = 0;
/// Ours: interrupts that are a vring's errors, one subindex per vring. `VFIO_VHOST_ERR_IRQ_INDEX`.
pub const IRQ_INDEX_ERR: u32 = 1;
/// Ours: the config-change interrupt, one subindex. `VFIO_VHOST_CONFIG_IRQ_INDEX`.
pub const IRQ_INDEX_CONFIG: u32 = 2;
/// Ours: interrupt indexes of the device. `VFIO_VHOST_NUM_IRQS`.
pub const NUM_IRQS: u32 = 3;

/// The interrupt takes an eventfd: `VFIO_IRQ_INFO_EVENTFD`.
pub const IRQ_INFO_EVENTFD: u32 = 1 << 0;
/// Interrupts of the index can't be added one by one: `VFIO_IRQ_INFO_NORESIZE`.
pub const IRQ_INFO_NORESIZE: u32 = 1 << 3;
/// No data follows: `VFIO_IRQ_SET_DATA_NONE`.
pub const IRQ_SET_DATA_NONE: u32 = 1 << 0;
/// A u8 per interrupt follows: `VFIO_IRQ_SET_DATA_BOOL`.
pub const IRQ_SET_DATA_BOOL: u32 = 1 << 1;
/// An int fd per interrupt follows, -1 removes: `VFIO_IRQ_SET_DATA_EVENTFD`.
pub const IRQ_SET_DATA_EVENTFD: u32 = 1 << 2;
/// Masks: `VFIO_IRQ_SET_ACTION_MASK`.
pub const IRQ_SET_ACTION_MASK: u32 = 1 << 3;
/// Unmasks: `VFIO_IRQ_SET_ACTION_UNMASK`.
pub const IRQ_SET_ACTION_UNMASK: u32 = 1 << 4;
/// Sets what is signalled: `VFIO_IRQ_SET_ACTION_TRIGGER`.
pub const IRQ_SET_ACTION_TRIGGER: u32 = 1 << 5;

/// [`IommuInfo::iova_pgsizes`] is valid: `VFIO_IOMMU_INFO_PGSIZES`.
pub const IOMMU_INFO_PGSIZES: u32 = 1 << 0;
/// Capabilities follow: `VFIO_IOMMU_INFO_CAPS`.
pub const IOMMU_INFO_CAPS: u32 = 1 << 1;
/// Capability id of [`IommuCapIovaRange`]: `VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE`.
pub const IOMMU_INFO_CAP_IOVA_RANGE: u16 = 1;
/// Capability id of [`IommuCapDmaAvail`]: `VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL`.
pub const IOMMU_INFO_CAP_DMA_AVAIL: u16 = 3;

/// The device may read: `VFIO_DMA_MAP_FLAG_READ`.
pub const DMA_MAP_FLAG_READ: u32 = 1 << 0;
/// The device may write: `VFIO_DMA_MAP_FLAG_WRITE`.
pub const DMA_MAP_FLAG_WRITE: u32 = 1 << 1;
/// Live mappings that a container takes unless it was told otherwise: `dma_entry_limit` of
/// `vfio_iommu_type1`.
pub const DMA_ENTRY_LIMIT: u32 = 65535;

/// Where region `index` begins on the device fd: RFC v2's `VFIO_VHOST_INDEX_TO_OFFSET`.
pub const fn region_offset(index: u32) -> u64 {
    (index as u64) << REGION_OFFSET_SHIFT
}

/// The region that an offset on the device fd lies in: `VFIO_VHOST_OFFSET_TO_INDEX`.
pub const fn region_index(offset: u64) -> u32 {
    (offset >> REGION_OFFSET_SHIFT) as u32
}

const REGION_OFFSET_SHIFT: u32 = 40;

/// `struct vfio_group_status`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct GroupStatus {
    /// Bytes of the structure.
    pub argsz: u32,
    /// `GROUP_FLAGS_*`.
    pub flags: u32,
}

/// `struct vfio_device_info`, up to `cap_offset`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct DeviceInfo {
    /// Bytes that there is room for, 16 at least; the kernel says how many it would need.
    pub argsz: u32,
    /// `DEVICE_FLAGS_*`.
    pub flags: u32,
    /// Highest region index + 1.
    pub num_regions: u32,
    /// Highest interrupt index + 1.
    pub num_irqs: u32,
    /// Where capabilities begin, 0: none.
    pub cap_offset: u32,
}

/// `struct vfio_region_info`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct RegionInfo {
    /// Bytes that there is room for, 32 at least; the kernel says how many it would need.
    pub argsz: u32,
    /// `REGION_INFO_FLAG_*`.
    pub flags: u32,
    /// Which region, set by the caller.
    pub index: u32,
    /// Where capabilities begin, 0: none, or no room for them.
    pub cap_offset: u32,
    /// Bytes of the region.
    pub size: u64,
    /// Where it begins on the device fd.
    pub offset: u64,
}

/// Head of every capability: `struct vfio_info_cap_header`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct CapHeader {
    /// What it is: `REGION_INFO_CAP_*`, `IOMMU_INFO_CAP_*`.
    pub id: u16,
    /// Its version.
    pub version: u16,
    /// Where the next one begins, counted from the structure's first byte; 0: this is the last.
    pub next: u32,
}

/// What a region is: `struct vfio_region_info_cap_type`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct RegionCapType {
    /// id [`REGION_INFO_CAP_TYPE`], version 1.
    pub header: CapHeader,
    /// [`REGION_TYPE_VHOST`]: C `type`.
    pub region_type: u32,
    /// `REGION_SUBTYPE_VHOST_*`.
    pub subtype: u32,
}

/// Ours: what the CONFIG region takes beyond RFC v2. `struct vfio_region_info_cap_vhost`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct RegionCapVhost {
    /// id [`REGION_INFO_CAP_VHOST`], version 1.
    pub header: CapHeader,
    /// `VHOST_CAP_*`.
    pub flags: u32,
    /// Bytes that one write may have, with [`VHOST_CAP_BATCH`].
    pub max_batch: u32,
}

/// `struct vfio_irq_info`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct IrqInfo {
    /// Bytes of the structure.
    pub argsz: u32,
    /// `IRQ_INFO_*`.
    pub flags: u32,
    /// Which interrupt index, set by the caller.
    pub index: u32,
    /// Its subindexes.
    pub count: u32,
}

/// Head of a change of interrupts, before the data that `flags` says: `struct vfio_irq_set`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct IrqSet {
    /// Bytes of this structure and its data.
    pub argsz: u32,
    /// One `IRQ_SET_DATA_*` and one `IRQ_SET_ACTION_*`.
    pub flags: u32,
    /// Interrupt index.
    pub index: u32,
    /// First subindex.
    pub start: u32,
    /// Number of subindexes.
    pub count: u32,
}

/// `struct vfio_iommu_type1_info`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct IommuInfo {
    /// Bytes that there is room for, 16 at least; the kernel says how many it would need.
    pub argsz: u32,
    /// `IOMMU_INFO_*`.
    pub flags: u32,
    /// Bit n: pages of 2^n bytes.
    pub iova_pgsizes: u64,
    /// Where capabilities begin, 0: none, or no room for them.
    pub cap_offset: u32,
    /// The padding that C leaves unnamed up to Linux 6.5.
    pub padding: u32,
}

/// Head of the list of usable IOVAs, before `nr_iovas` times [`IovaRange`]:
/// `struct vfio_iommu_type1_info_cap_iova_range`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct IommuCapIovaRange {
    /// id [`IOMMU_INFO_CAP_IOVA_RANGE`], version 1.
    pub header: CapHeader,
    /// Ranges that follow.
    pub nr_iovas: u32,
    /// 0.
    pub reserved: u32,
}

/// Usable IOVAs, both ends included: `struct vfio_iova_range`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct IovaRange {
    /// First address.
    pub start: u64,
    /// Last address.
    pub end: u64,
}

/// How many mappings more the container takes: `struct vfio_iommu_type1_info_dma_avail`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct IommuCapDmaAvail {
    /// id [`IOMMU_INFO_CAP_DMA_AVAIL`], version 1.
    pub header: CapHeader,
    /// Mappings that are free.
    pub avail: u32,
}

/// A mapping to make: `struct vfio_iommu_type1_dma_map`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct DmaMap {
    /// Bytes of the structure.
    pub argsz: u32,
    /// `DMA_MAP_FLAG_*`, one at least.
    pub flags: u32,
    /// Address of the first byte in the caller's memory, page aligned.
    pub vaddr: u64,
    /// First IOVA, page aligned.
    pub iova: u64,
    /// Length in bytes, whole pages.
    pub size: u64,
}

/// A range to unmap: `struct vfio_iommu_type1_dma_unmap`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct DmaUnmap {
    /// Bytes of the structure.
    pub argsz: u32,
    /// 0.
    pub flags: u32,
    /// First IOVA.
    pub iova: u64,
    /// Length in bytes; the kernel writes back how many bytes it unmapped.
    pub size: u64,
}
