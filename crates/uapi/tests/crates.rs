//! The crate against the bindings that rust-vmm publishes.

use std::mem::offset_of;

use vfio_bindings::bindings::vfio as theirs_vfio;
use vhost::vhost_kern::vhost_binding as theirs;
use vhost_accel_uapi::{vfio, vhost as ours};

#[test]
fn vhost_numbers_are_those_of_the_vhost_crate() {
    let numbers = [
        (ours::GET_FEATURES, theirs::VHOST_GET_FEATURES()),
        (ours::SET_FEATURES, theirs::VHOST_SET_FEATURES()),
        (ours::SET_OWNER, theirs::VHOST_SET_OWNER()),
        (ours::RESET_OWNER, theirs::VHOST_RESET_OWNER()),
        (ours::SET_MEM_TABLE, theirs::VHOST_SET_MEM_TABLE()),
        (ours::SET_LOG_BASE, theirs::VHOST_SET_LOG_BASE()),
        (ours::SET_LOG_FD, theirs::VHOST_SET_LOG_FD()),
        (ours::SET_VRING_NUM, theirs::VHOST_SET_VRING_NUM()),
        (ours::SET_VRING_ADDR, theirs::VHOST_SET_VRING_ADDR()),
        (ours::SET_VRING_BASE, theirs::VHOST_SET_VRING_BASE()),
        (ours::GET_VRING_BASE, theirs::VHOST_GET_VRING_BASE()),
        (ours::SET_VRING_KICK, theirs::VHOST_SET_VRING_KICK()),
        (ours::SET_VRING_CALL, theirs::VHOST_SET_VRING_CALL()),
        (ours::SET_VRING_ERR, theirs::VHOST_SET_VRING_ERR()),
        (ours::SET_BACKEND_FEATURES, theirs::VHOST_SET_BACKEND_FEATURES()),
        (ours::GET_BACKEND_FEATURES, theirs::VHOST_GET_BACKEND_FEATURES()),
        (ours::GET_DEVICE_ID, theirs::VHOST_VDPA_GET_DEVICE_ID()),
        (ours::GET_STATUS, theirs::VHOST_VDPA_GET_STATUS()),
        (ours::SET_STATUS, theirs::VHOST_VDPA_SET_STATUS()),
        (ours::GET_CONFIG, theirs::VHOST_VDPA_GET_CONFIG()),
        (ours::SET_CONFIG, theirs::VHOST_VDPA_SET_CONFIG()),
        (ours::SET_VRING_ENABLE, theirs::VHOST_VDPA_SET_VRING_ENABLE()),
        (ours::GET_VRING_NUM, theirs::VHOST_VDPA_GET_VRING_NUM()),
        (ours::SET_CONFIG_CALL, theirs::VHOST_VDPA_SET_CONFIG_CALL()),
        (ours::GET_IOVA_RANGE, theirs::VHOST_VDPA_GET_IOVA_RANGE()),
        (ours::GET_CONFIG_SIZE, theirs::VHOST_VDPA_GET_CONFIG_SIZE()),
        (ours::GET_AS_NUM, theirs::VHOST_VDPA_GET_AS_NUM()),
        (ours::GET_VRING_GROUP, theirs::VHOST_VDPA_GET_VRING_GROUP()),
        (ours::SET_GROUP_ASID, theirs::VHOST_VDPA_SET_GROUP_ASID()),
        (ours::SUSPEND, theirs::VHOST_VDPA_SUSPEND()),
        (ours::GET_VQS_COUNT, theirs::VHOST_VDPA_GET_VQS_COUNT()),
        (ours::GET_GROUP_NUM, theirs::VHOST_VDPA_GET_GROUP_NUM()),
    ];
    for (ours, theirs) in numbers {
        assert_eq!(u64::from(ours), theirs);
    }
}

#[test]
fn vhost_structures_are_those_of_the_vhost_crate() {
    let sizes = [
        (size_of::<ours::VringState>(), size_of::<theirs::vhost_vring_state>()),
        (size_of::<ours::VringFile>(), size_of::<theirs::vhost_vring_file>()),
        (size_of::<ours::VringAddr>(), size_of::<theirs::vhost_vring_addr>()),
        (size_of::<ours::MemoryRegion>(), size_of::<theirs::vhost_memory_region>()),
        (size_of::<ours::Memory>(), size_of::<theirs::vhost_memory>()),
        (size_of::<ours::Config>(), size_of::<theirs::vhost_vdpa_config>()),
        (size_of::<ours::IovaRange>(), size_of::<theirs::vhost_vdpa_iova_range>()),
        (size_of::<ours::IotlbMsg>(), size_of::<theirs::vhost_iotlb_msg>()),
        (size_of::<ours::MsgV2>(), size_of::<theirs::vhost_msg_v2>()),
    ];
    for (ours, theirs) in sizes {
        assert_eq!(ours, theirs);
    }
    assert_eq!(
        offset_of!(ours::VringAddr, avail),
        offset_of!(theirs::vhost_vring_addr, avail_user_addr)
    );
    assert_eq!(offset_of!(ours::IotlbMsg, kind), offset_of!(theirs::vhost_iotlb_msg, type_));
}

#[test]
fn vfio_structures_and_flags_are_those_of_vfio_bindings() {
    use theirs_vfio as theirs;
    let sizes = [
        (size_of::<vfio::GroupStatus>(), size_of::<theirs::vfio_group_status>()),
        (
            size_of::<vfio::DeviceInfo>(),
            // Bindings of Linux 6.6 or later, which names a padding behind it.
            offset_of!(theirs::vfio_device_info, pad),
        ),
        (size_of::<vfio::RegionInfo>(), size_of::<theirs::vfio_region_info>()),
        (size_of::<vfio::CapHeader>(), size_of::<theirs::vfio_info_cap_header>()),
        (size_of::<vfio::RegionCapType>(), size_of::<theirs::vfio_region_info_cap_type>()),
        (size_of::<vfio::IrqInfo>(), size_of::<theirs::vfio_irq_info>()),
        (size_of::<vfio::IrqSet>(), size_of::<theirs::vfio_irq_set>()),
        (size_of::<vfio::IommuInfo>(), size_of::<theirs::vfio_iommu_type1_info>()),
        (size_of::<vfio::IommuCapDmaAvail>(), size_of::<theirs::vfio_iommu_type1_info_dma_avail>()),
        (size_of::<vfio::DmaMap>(), size_of::<theirs::vfio_iommu_type1_dma_map>()),
        (size_of::<vfio::DmaUnmap>(), size_of::<theirs::vfio_iommu_type1_dma_unmap>()),
    ];
    for (ours, theirs) in sizes {
        assert_eq!(ours, theirs);
    }
    let flags = [
        (u32::from(vfio::TYPE), theirs::VFIO_TYPE.into()),
        (vfio::BASE.into(), theirs::VFIO_BASE),
        (vfio::TYPE1V2_IOMMU, theirs::VFIO_TYPE1v2_IOMMU),
        (vfio::DEVICE_FLAGS_RESET, theirs::VFIO_DEVICE_FLAGS_RESET),
        (vfio::DEVICE_FLAGS_PLATFORM, theirs::VFIO_DEVICE_FLAGS_PLATFORM),
        (vfio::REGION_INFO_FLAG_CAPS, theirs::VFIO_REGION_INFO_FLAG_CAPS),
        (vfio::REGION_INFO_CAP_TYPE.into(), theirs::VFIO_REGION_INFO_CAP_TYPE),
        (vfio::IRQ_SET_DATA_EVENTFD, theirs::VFIO_IRQ_SET_DATA_EVENTFD),
        (vfio::IRQ_SET_ACTION_TRIGGER, theirs::VFIO_IRQ_SET_ACTION_TRIGGER),
        (vfio::DMA_MAP_FLAG_WRITE, theirs::VFIO_DMA_MAP_FLAG_WRITE),
        (vfio::IOMMU_INFO_CAP_DMA_AVAIL.into(), theirs::VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL),
    ];
    for (ours, theirs) in flags {
        assert_eq!(ours, theirs);
    }
    // Our device flag is not one that VFIO has given away.
    assert_eq!(vfio::DEVICE_FLAGS_VHOST & (theirs::VFIO_DEVICE_FLAGS_CDX * 2 - 1), 0);
}
