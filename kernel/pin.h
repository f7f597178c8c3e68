/* SPDX-License-Identifier: GPL-2.0-only */
/* DMA mappings of a client's memory, pinned and charged when they are made. */
#ifndef _VHOST_ACCEL_PIN_H
#define _VHOST_ACCEL_PIN_H

#include <linux/vhost_iotlb.h>
#include <linux/vhost_types.h>

#include "vhost_accel.h"

struct mm_struct;

/**
 * struct vhost_accel_pin - the mappings of one client
 * @va: whose table holds the runs of pages
 * @maps: mappings as they were made, by IOVA
 * @mm: who is charged for them
 */
struct vhost_accel_pin {
	struct vhost_accel *va;
	struct vhost_iotlb *maps;
	struct mm_struct *mm;
};

int vhost_accel_pin_init(struct vhost_accel_pin *pin);
void vhost_accel_pin_destroy(struct vhost_accel_pin *pin);

/* The caller serialises all of these. @size comes back as the bytes unmapped. */
int vhost_accel_pin_map(struct vhost_accel_pin *pin, struct mm_struct *mm,
			u64 iova, u64 size, u64 uaddr, u32 perm);
int vhost_accel_pin_unmap(struct vhost_accel_pin *pin, u64 iova, u64 *size);
int vhost_accel_pin_replace(struct vhost_accel_pin *pin, struct mm_struct *mm,
			    const struct vhost_memory_region *regions, u32 n);
/* Every mapping that the range touches, whole. */
void vhost_accel_pin_invalidate(struct vhost_accel_pin *pin, u64 iova, u64 last);
void vhost_accel_pin_unmap_all(struct vhost_accel_pin *pin);

void vhost_accel_unpin_run(const struct vhost_iotlb_map *map);

#endif
