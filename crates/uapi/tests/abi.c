/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Prints what the C headers say: one line for each number, size and offset, which abi.rs compares
 * with the crate.
 */
#include <stddef.h>
#include <stdio.h>

#include <linux/vfio.h>
#include <linux/vhost.h>
#include <linux/vhost_types.h>

/* What the project itself adds: the kernel modules' own header. */
#include "../../../kernel/include/uapi/vhost_accel.h"

#define VALUE(kind, name, value) printf(kind " %s %lld\n", name, (long long)(value))
#define NUMBER(name) VALUE("number", #name, name)
/* The value that a later header gives, put together with this header's macros. */
#define PINNED(name, value) VALUE("pinned", #name, value)
#define LACKS(name) printf("lacks %s\n", #name)
#define SIZE(type) VALUE("size", #type, sizeof(struct type))
#define OFFSET(type, field) VALUE("offset", #type "." #field, offsetof(struct type, field))

static void vhost_numbers(void)
{
	NUMBER(VHOST_GET_FEATURES);
	NUMBER(VHOST_SET_FEATURES);
	NUMBER(VHOST_SET_OWNER);
	NUMBER(VHOST_RESET_OWNER);
	NUMBER(VHOST_SET_MEM_TABLE);
	NUMBER(VHOST_SET_LOG_BASE);
	NUMBER(VHOST_SET_LOG_FD);
	NUMBER(VHOST_SET_VRING_NUM);
	NUMBER(VHOST_SET_VRING_ADDR);
	NUMBER(VHOST_SET_VRING_BASE);
	NUMBER(VHOST_GET_VRING_BASE);
	NUMBER(VHOST_SET_VRING_KICK);
	NUMBER(VHOST_SET_VRING_CALL);
	NUMBER(VHOST_SET_VRING_ERR);
	NUMBER(VHOST_SET_VRING_BUSYLOOP_TIMEOUT);
	NUMBER(VHOST_GET_VRING_BUSYLOOP_TIMEOUT);
	NUMBER(VHOST_SET_BACKEND_FEATURES);
	NUMBER(VHOST_GET_BACKEND_FEATURES);
	NUMBER(VHOST_VDPA_GET_DEVICE_ID);
	NUMBER(VHOST_VDPA_GET_STATUS);
	NUMBER(VHOST_VDPA_SET_STATUS);
	NUMBER(VHOST_VDPA_GET_CONFIG);
	NUMBER(VHOST_VDPA_SET_CONFIG);
	NUMBER(VHOST_VDPA_SET_VRING_ENABLE);
	NUMBER(VHOST_VDPA_GET_VRING_NUM);
	NUMBER(VHOST_VDPA_SET_CONFIG_CALL);
	NUMBER(VHOST_VDPA_GET_IOVA_RANGE);
	NUMBER(VHOST_VDPA_GET_CONFIG_SIZE);
	NUMBER(VHOST_VDPA_GET_AS_NUM);
	NUMBER(VHOST_VDPA_GET_VRING_GROUP);
	NUMBER(VHOST_VDPA_SET_GROUP_ASID);
	NUMBER(VHOST_VDPA_SUSPEND);
	NUMBER(VHOST_VDPA_GET_VQS_COUNT);
	NUMBER(VHOST_VDPA_GET_GROUP_NUM);
	NUMBER(VHOST_VIRTIO);
	NUMBER(VHOST_F_LOG_ALL);
	NUMBER(VHOST_VRING_F_LOG);
	NUMBER(VHOST_FILE_UNBIND);
	NUMBER(VHOST_BACKEND_F_IOTLB_MSG_V2);
	NUMBER(VHOST_BACKEND_F_IOTLB_BATCH);
	NUMBER(VHOST_BACKEND_F_IOTLB_ASID);
	NUMBER(VHOST_BACKEND_F_SUSPEND);
	NUMBER(VHOST_ACCESS_RO);
	NUMBER(VHOST_ACCESS_WO);
	NUMBER(VHOST_ACCESS_RW);
	NUMBER(VHOST_IOTLB_MISS);
	NUMBER(VHOST_IOTLB_UPDATE);
	NUMBER(VHOST_IOTLB_INVALIDATE);
	NUMBER(VHOST_IOTLB_ACCESS_FAIL);
	NUMBER(VHOST_IOTLB_BATCH_BEGIN);
	NUMBER(VHOST_IOTLB_BATCH_END);
	NUMBER(VHOST_IOTLB_MSG);
	NUMBER(VHOST_IOTLB_MSG_V2);
}

/* What came after Linux 6.1. */
static void newer_numbers(void)
{
	PINNED(VHOST_VDPA_RESUME, _IO(VHOST_VIRTIO, 0x7E));
	PINNED(VHOST_VDPA_GET_VRING_DESC_GROUP, _IOWR(VHOST_VIRTIO, 0x7F, struct vhost_vring_state));
	PINNED(VHOST_VDPA_GET_VRING_SIZE, _IOWR(VHOST_VIRTIO, 0x82, struct vhost_vring_state));
	PINNED(VHOST_BACKEND_F_RESUME, 5);
	PINNED(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK, 6);
	PINNED(VHOST_BACKEND_F_DESC_ASID, 7);
	PINNED(VHOST_BACKEND_F_IOTLB_PERSIST, 8);
#ifdef VHOST_VDPA_RESUME
	NUMBER(VHOST_VDPA_RESUME);
#else
	LACKS(VHOST_VDPA_RESUME);
#endif
#ifdef VHOST_VDPA_GET_VRING_DESC_GROUP
	NUMBER(VHOST_VDPA_GET_VRING_DESC_GROUP);
#else
	LACKS(VHOST_VDPA_GET_VRING_DESC_GROUP);
#endif
#ifdef VHOST_VDPA_GET_VRING_SIZE
	NUMBER(VHOST_VDPA_GET_VRING_SIZE);
#else
	LACKS(VHOST_VDPA_GET_VRING_SIZE);
#endif
#ifdef VHOST_BACKEND_F_RESUME
	NUMBER(VHOST_BACKEND_F_RESUME);
#else
	LACKS(VHOST_BACKEND_F_RESUME);
#endif
#ifdef VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK
	NUMBER(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
#else
	LACKS(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
#endif
#ifdef VHOST_BACKEND_F_DESC_ASID
	NUMBER(VHOST_BACKEND_F_DESC_ASID);
#else
	LACKS(VHOST_BACKEND_F_DESC_ASID);
#endif
#ifdef VHOST_BACKEND_F_IOTLB_PERSIST
	NUMBER(VHOST_BACKEND_F_IOTLB_PERSIST);
#else
	LACKS(VHOST_BACKEND_F_IOTLB_PERSIST);
#endif
}

static void vfio_numbers(void)
{
	NUMBER(VFIO_TYPE);
	NUMBER(VFIO_BASE);
	NUMBER(VFIO_GET_API_VERSION);
	NUMBER(VFIO_CHECK_EXTENSION);
	NUMBER(VFIO_SET_IOMMU);
	NUMBER(VFIO_GROUP_GET_STATUS);
	NUMBER(VFIO_GROUP_SET_CONTAINER);
	NUMBER(VFIO_GROUP_UNSET_CONTAINER);
	NUMBER(VFIO_GROUP_GET_DEVICE_FD);
	NUMBER(VFIO_DEVICE_GET_INFO);
	NUMBER(VFIO_DEVICE_GET_REGION_INFO);
	NUMBER(VFIO_DEVICE_GET_IRQ_INFO);
	NUMBER(VFIO_DEVICE_SET_IRQS);
	NUMBER(VFIO_DEVICE_RESET);
	NUMBER(VFIO_IOMMU_GET_INFO);
	NUMBER(VFIO_IOMMU_MAP_DMA);
	NUMBER(VFIO_IOMMU_UNMAP_DMA);
	NUMBER(VFIO_API_VERSION);
	NUMBER(VFIO_TYPE1_IOMMU);
	NUMBER(VFIO_TYPE1v2_IOMMU);
	NUMBER(VFIO_GROUP_FLAGS_VIABLE);
	NUMBER(VFIO_GROUP_FLAGS_CONTAINER_SET);
	NUMBER(VFIO_DEVICE_FLAGS_RESET);
	NUMBER(VFIO_DEVICE_FLAGS_PLATFORM);
	NUMBER(VFIO_REGION_INFO_FLAG_READ);
	NUMBER(VFIO_REGION_INFO_FLAG_WRITE);
	NUMBER(VFIO_REGION_INFO_FLAG_MMAP);
	NUMBER(VFIO_REGION_INFO_FLAG_CAPS);
	NUMBER(VFIO_REGION_INFO_CAP_TYPE);
	NUMBER(VFIO_IRQ_INFO_EVENTFD);
	NUMBER(VFIO_IRQ_INFO_NORESIZE);
	NUMBER(VFIO_IRQ_SET_DATA_NONE);
	NUMBER(VFIO_IRQ_SET_DATA_BOOL);
	NUMBER(VFIO_IRQ_SET_DATA_EVENTFD);
	NUMBER(VFIO_IRQ_SET_ACTION_MASK);
	NUMBER(VFIO_IRQ_SET_ACTION_UNMASK);
	NUMBER(VFIO_IRQ_SET_ACTION_TRIGGER);
	NUMBER(VFIO_IOMMU_INFO_PGSIZES);
	NUMBER(VFIO_IOMMU_INFO_CAPS);
	NUMBER(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	NUMBER(VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	NUMBER(VFIO_DMA_MAP_FLAG_READ);
	NUMBER(VFIO_DMA_MAP_FLAG_WRITE);
}

static void own_numbers(void)
{
	NUMBER(VFIO_DEVICE_FLAGS_VHOST);
	NUMBER(VFIO_REGION_INFO_CAP_VHOST);
	NUMBER(VFIO_REGION_TYPE_VHOST);
	NUMBER(VFIO_REGION_SUBTYPE_VHOST_CONFIG);
	NUMBER(VFIO_REGION_SUBTYPE_VHOST_NOTIFY);
	NUMBER(VFIO_VHOST_CAP_STATUS);
	NUMBER(VFIO_VHOST_CAP_BATCH);
	NUMBER(VFIO_VHOST_CONFIG_REGION_INDEX);
	NUMBER(VFIO_VHOST_NOTIFY_REGION_INDEX);
	NUMBER(VFIO_VHOST_NUM_REGIONS);
	NUMBER(VFIO_VHOST_CONFIG_REGION_SIZE);
	NUMBER(VFIO_VHOST_VQ_IRQ_INDEX);
	NUMBER(VFIO_VHOST_ERR_IRQ_INDEX);
	NUMBER(VFIO_VHOST_CONFIG_IRQ_INDEX);
	NUMBER(VFIO_VHOST_NUM_IRQS);
	NUMBER(VHOST_DEVICE_SET_STATE);
	NUMBER(VHOST_DEVICE_S_STOPPED);
	NUMBER(VHOST_DEVICE_S_RUNNING);
	NUMBER(VHOST_VFIO_NEED_REPLY);
	NUMBER(VHOST_VFIO_MAX_PAYLOAD);
	NUMBER(VHOST_VFIO_MAX_BATCH);
	NUMBER(VHOST_MDEV_MAP_DMA);
	NUMBER(VHOST_MDEV_UNMAP_DMA);
	NUMBER(VHOST_MDEV_GET_DMA_INFO);
	NUMBER(VHOST_MDEV_MAX_MAPPINGS);
	NUMBER(VHOST_MDEV_MAX_REGIONS);
}

static void structures(void)
{
	SIZE(vhost_vring_state);
	OFFSET(vhost_vring_state, index);
	OFFSET(vhost_vring_state, num);

	SIZE(vhost_vring_file);
	OFFSET(vhost_vring_file, index);
	OFFSET(vhost_vring_file, fd);

	SIZE(vhost_vring_addr);
	OFFSET(vhost_vring_addr, index);
	OFFSET(vhost_vring_addr, flags);
	OFFSET(vhost_vring_addr, desc_user_addr);
	OFFSET(vhost_vring_addr, used_user_addr);
	OFFSET(vhost_vring_addr, avail_user_addr);
	OFFSET(vhost_vring_addr, log_guest_addr);

	SIZE(vhost_memory);
	OFFSET(vhost_memory, nregions);
	OFFSET(vhost_memory, padding);

	SIZE(vhost_memory_region);
	OFFSET(vhost_memory_region, guest_phys_addr);
	OFFSET(vhost_memory_region, memory_size);
	OFFSET(vhost_memory_region, userspace_addr);
	OFFSET(vhost_memory_region, flags_padding);

	SIZE(vhost_vdpa_config);
	OFFSET(vhost_vdpa_config, off);
	OFFSET(vhost_vdpa_config, len);

	SIZE(vhost_vdpa_iova_range);
	OFFSET(vhost_vdpa_iova_range, first);
	OFFSET(vhost_vdpa_iova_range, last);

	SIZE(vhost_iotlb_msg);
	OFFSET(vhost_iotlb_msg, iova);
	OFFSET(vhost_iotlb_msg, size);
	OFFSET(vhost_iotlb_msg, uaddr);
	OFFSET(vhost_iotlb_msg, perm);
	OFFSET(vhost_iotlb_msg, type);

	SIZE(vhost_msg_v2);
	OFFSET(vhost_msg_v2, type);
	OFFSET(vhost_msg_v2, asid);
	OFFSET(vhost_msg_v2, iotlb);

	SIZE(vfio_group_status);
	OFFSET(vfio_group_status, argsz);
	OFFSET(vfio_group_status, flags);

	/* Linux 6.6 put a named padding behind cap_offset. */
	VALUE("size", "vfio_device_info",
	      offsetof(struct vfio_device_info, cap_offset) + sizeof(__u32));
	OFFSET(vfio_device_info, argsz);
	OFFSET(vfio_device_info, flags);
	OFFSET(vfio_device_info, num_regions);
	OFFSET(vfio_device_info, num_irqs);
	OFFSET(vfio_device_info, cap_offset);

	SIZE(vfio_region_info);
	OFFSET(vfio_region_info, argsz);
	OFFSET(vfio_region_info, flags);
	OFFSET(vfio_region_info, index);
	OFFSET(vfio_region_info, cap_offset);
	OFFSET(vfio_region_info, size);
	OFFSET(vfio_region_info, offset);

	SIZE(vfio_info_cap_header);
	OFFSET(vfio_info_cap_header, id);
	OFFSET(vfio_info_cap_header, version);
	OFFSET(vfio_info_cap_header, next);

	SIZE(vfio_region_info_cap_type);
	OFFSET(vfio_region_info_cap_type, header);
	OFFSET(vfio_region_info_cap_type, type);
	OFFSET(vfio_region_info_cap_type, subtype);

	SIZE(vfio_region_info_cap_vhost);
	OFFSET(vfio_region_info_cap_vhost, header);
	OFFSET(vfio_region_info_cap_vhost, flags);
	OFFSET(vfio_region_info_cap_vhost, max_batch);

	SIZE(vfio_irq_info);
	OFFSET(vfio_irq_info, argsz);
	OFFSET(vfio_irq_info, flags);
	OFFSET(vfio_irq_info, index);
	OFFSET(vfio_irq_info, count);

	SIZE(vfio_irq_set);
	OFFSET(vfio_irq_set, argsz);
	OFFSET(vfio_irq_set, flags);
	OFFSET(vfio_irq_set, index);
	OFFSET(vfio_irq_set, start);
	OFFSET(vfio_irq_set, count);

	SIZE(vfio_iommu_type1_info);
	OFFSET(vfio_iommu_type1_info, argsz);
	OFFSET(vfio_iommu_type1_info, flags);
	OFFSET(vfio_iommu_type1_info, iova_pgsizes);
	OFFSET(vfio_iommu_type1_info, cap_offset);

	SIZE(vfio_iommu_type1_info_cap_iova_range);
	OFFSET(vfio_iommu_type1_info_cap_iova_range, header);
	OFFSET(vfio_iommu_type1_info_cap_iova_range, nr_iovas);
	OFFSET(vfio_iommu_type1_info_cap_iova_range, reserved);

	SIZE(vfio_iova_range);
	OFFSET(vfio_iova_range, start);
	OFFSET(vfio_iova_range, end);

	SIZE(vfio_iommu_type1_info_dma_avail);
	OFFSET(vfio_iommu_type1_info_dma_avail, header);
	OFFSET(vfio_iommu_type1_info_dma_avail, avail);

	SIZE(vfio_iommu_type1_dma_map);
	OFFSET(vfio_iommu_type1_dma_map, argsz);
	OFFSET(vfio_iommu_type1_dma_map, flags);
	OFFSET(vfio_iommu_type1_dma_map, vaddr);
	OFFSET(vfio_iommu_type1_dma_map, iova);
	OFFSET(vfio_iommu_type1_dma_map, size);

	SIZE(vfio_iommu_type1_dma_unmap);
	OFFSET(vfio_iommu_type1_dma_unmap, argsz);
	OFFSET(vfio_iommu_type1_dma_unmap, flags);
	OFFSET(vfio_iommu_type1_dma_unmap, iova);
	OFFSET(vfio_iommu_type1_dma_unmap, size);

	SIZE(vhost_vfio_op);
	OFFSET(vhost_vfio_op, request);
	OFFSET(vhost_vfio_op, flags);
	OFFSET(vhost_vfio_op, size);

	SIZE(vhost_mdev_dma_map);
	OFFSET(vhost_mdev_dma_map, iova);
	OFFSET(vhost_mdev_dma_map, size);
	OFFSET(vhost_mdev_dma_map, uaddr);
	OFFSET(vhost_mdev_dma_map, perm);
	OFFSET(vhost_mdev_dma_map, flags);

	SIZE(vhost_mdev_dma_unmap);
	OFFSET(vhost_mdev_dma_unmap, iova);
	OFFSET(vhost_mdev_dma_unmap, size);

	SIZE(vhost_mdev_dma_info);
	OFFSET(vhost_mdev_dma_info, iova_first);
	OFFSET(vhost_mdev_dma_info, iova_last);
	OFFSET(vhost_mdev_dma_info, page_sizes);
	OFFSET(vhost_mdev_dma_info, max_mappings);
	OFFSET(vhost_mdev_dma_info, max_regions);
}

int main(void)
{
	vhost_numbers();
	newer_numbers();
	vfio_numbers();
	own_numbers();
	structures();
	return 0;
}
