/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * vhost accelerators: what the three options of the 2019 discussion add to
 * <linux/vhost.h> and <linux/vfio.h>. docs/abi.md says how it behaves.
 */
#ifndef _UAPI_VHOST_ACCEL_H
#define _UAPI_VHOST_ACCEL_H

#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/vhost.h>

/* #1/A and #1/B: the device behind a VFIO device fd */

#define VFIO_DEVICE_API_VHOST_STRING	"vfio-vhost"

/* RFC v2's bit 6 has been taken since. */
#define VFIO_DEVICE_FLAGS_VHOST		(1 << 16)

/* Regions are found by type and subtype; the indexes are RFC v2's. */
#define VFIO_REGION_TYPE_VHOST			0x7668
#define VFIO_REGION_SUBTYPE_VHOST_CONFIG	1
#define VFIO_REGION_SUBTYPE_VHOST_NOTIFY	2

#define VFIO_VHOST_CONFIG_REGION_INDEX	0
#define VFIO_VHOST_NOTIFY_REGION_INDEX	1
#define VFIO_VHOST_NUM_REGIONS		2

#define VFIO_VHOST_OFFSET_SHIFT		40
#define VFIO_VHOST_INDEX_TO_OFFSET(i)	((__u64)(i) << VFIO_VHOST_OFFSET_SHIFT)
#define VFIO_VHOST_OFFSET_TO_INDEX(o)	((o) >> VFIO_VHOST_OFFSET_SHIFT)

#define VFIO_VHOST_CONFIG_REGION_SIZE	0x1000000

#define VFIO_VHOST_VQ_IRQ_INDEX		0	/* calls, one per vring */
#define VFIO_VHOST_ERR_IRQ_INDEX	1	/* errors, one per vring */
#define VFIO_VHOST_CONFIG_IRQ_INDEX	2	/* config changes, one */
#define VFIO_VHOST_NUM_IRQS		3

/* Of the CONFIG region: what it takes beyond RFC v2. */
#define VFIO_REGION_INFO_CAP_VHOST	0x7668

#define VFIO_VHOST_CAP_STATUS		(1 << 0) /* requests 0x70 to 0x82 */
#define VFIO_VHOST_CAP_BATCH		(1 << 1) /* several messages a write */

struct vfio_region_info_cap_vhost {
	struct vfio_info_cap_header header;
	__u32 flags;
	__u32 max_batch;	/* bytes of one write */
};

/* #1/A: a message, and the bytes of its payload behind it */
struct vhost_vfio_op {
	__u64 request;		/* number of the vhost ioctl */
	__u32 flags;
	__u32 size;		/* of the payload */
	__u8 payload[];
};

#define VHOST_VFIO_NEED_REPLY		0x1
#define VHOST_VFIO_MAX_PAYLOAD		1024
#define VHOST_VFIO_MAX_BATCH		65536

/* Has no ioctl: starts and stops as RFC v2 did. */
#define VHOST_DEVICE_SET_STATE		_IOW(VHOST_VIRTIO, 0x70, __u64)
#define VHOST_DEVICE_S_STOPPED		0
#define VHOST_DEVICE_S_RUNNING		1

/* #2: DMA mappings on /dev/vhost-mdev-N */

struct vhost_mdev_dma_map {
	__u64 iova;
	__u64 size;
	__u64 uaddr;
	__u32 perm;		/* VHOST_ACCESS_RO, WO or RW */
	__u32 flags;		/* 0 */
};

struct vhost_mdev_dma_unmap {
	__u64 iova;
	__u64 size;		/* out: bytes unmapped */
};

struct vhost_mdev_dma_info {
	__u64 iova_first;
	__u64 iova_last;
	__u64 page_sizes;	/* bit n: pages of 2^n bytes */
	__u32 max_mappings;
	__u32 max_regions;
};

#define VHOST_MDEV_MAP_DMA	_IOW(VHOST_VIRTIO, 0x90, \
				     struct vhost_mdev_dma_map)
#define VHOST_MDEV_UNMAP_DMA	_IOWR(VHOST_VIRTIO, 0x91, \
				      struct vhost_mdev_dma_unmap)
#define VHOST_MDEV_GET_DMA_INFO	_IOR(VHOST_VIRTIO, 0x92, \
				     struct vhost_mdev_dma_info)

#define VHOST_MDEV_MAX_MAPPINGS		(1048576 + 64)
#define VHOST_MDEV_MAX_REGIONS		509

#endif
