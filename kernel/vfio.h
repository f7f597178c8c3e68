/* SPDX-License-Identifier: GPL-2.0-only */
/* #1/A and #1/B: an accelerator behind a VFIO device fd. */
#ifndef _VHOST_ACCEL_VFIO_H
#define _VHOST_ACCEL_VFIO_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/vfio.h>
#include <linux/wait.h>

#include "client.h"
#include "include/uapi/vhost_accel.h"
#include "vhost_accel.h"

/* The reply that is to be read: header and payload. */
struct vfio_vhost_reply {
	struct vhost_vfio_op head;
	u8 payload[VHOST_VFIO_MAX_PAYLOAD];
};

/* What is just being unmapped, and not to be pinned again meanwhile. */
struct vfio_vhost_leaving {
	/* The rest of it; a leaf. */
	spinlock_t lock;
	/* Until the thread that unmaps is back in userspace. */
	struct list_head ranges;
	wait_queue_head_t left;
	/* Where no thread will be: until a time. */
	u64 first;
	u64 last;
	u64 until;
};

struct accel_domain;
struct platform_device;

/* What the IOMMU knows of a device. */
struct vfio_vhost_unit {
	struct accel_domain *domain;	/* through which it reaches memory, or NULL */
	struct list_head link;		/* in that */
	struct vhost_accel *va;		/* NULL while there is none */
};

struct vfio_vhost {
	struct vfio_device vdev;
	struct vhost_accel *va;
	/* With an IOMMU; else the device is a mediated one. */
	struct vfio_vhost_unit *unit;
	struct vhost_accel_client client;
	struct vfio_vhost_leaving leaving;
	/* From pinning a page until the device's table has it. Taken before its lock. */
	struct mutex pin_lock;
	/* Under the client's lock. */
	struct vfio_vhost_reply reply;
	u32 reply_len;		/* 0: nothing pending */
	/* The payload of the message that is being carried out. */
	u8 arg[VHOST_VFIO_MAX_PAYLOAD] __aligned(8);
};

static inline struct vfio_vhost *to_vfio_vhost(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_vhost, vdev);
}

ssize_t vfio_vhost_msg_write(struct vfio_vhost *vv, const char __user *buf,
			     size_t count, u64 offset);
ssize_t vfio_vhost_msg_read(struct vfio_vhost *vv, char __user *buf,
			    size_t count, u64 offset);

/* vfio_iommu.c */
#define VFIO_VHOST_PLATFORM	"vfio-vhost"
int vfio_vhost_iommu_init(void);
void vfio_vhost_iommu_exit(void);
struct platform_device *vfio_vhost_platform_add(struct device *parent);
struct vfio_vhost_unit *vfio_vhost_unit_of(struct device *dev);
int vfio_vhost_translate(struct vhost_accel *va, u64 iova, u32 perm, u64 *pa);

/* vfio_dma.c */
void vfio_vhost_dma_init(struct vfio_vhost *vv);
void vfio_vhost_dma_wait(struct vfio_vhost *vv);
int vfio_vhost_dma_miss(struct vhost_accel *va, u64 iova, u32 perm);
void vfio_vhost_dma_release(struct vhost_accel *va,
			    const struct vhost_iotlb_map *map);
void vfio_vhost_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length);

#endif
