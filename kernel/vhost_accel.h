/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam between an accelerator (a device that walks virtio rings by itself)
 * and the interface that hands it to userspace.
 *
 * The interface calls the device through struct vhost_accel_ops; the device
 * calls back through struct vhost_accel_host_ops. A vring address is an IOVA.
 */
#ifndef _VHOST_ACCEL_H
#define _VHOST_ACCEL_H

#include <linux/eventfd.h>
#include <linux/if_ether.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/vhost_iotlb.h>

struct page;
struct vhost_vring_addr;
struct mm_struct;
struct vhost_accel;

/* Whom to tell: a function, else an eventfd, else nobody. */
struct vhost_accel_signal {
	irqreturn_t (*callback)(void *private);
	void *private;
	struct eventfd_ctx *ctx;
};

enum vhost_accel_event {
	VHOST_ACCEL_CALL,	/* used buffers, per vring */
	VHOST_ACCEL_ERR,	/* the vring stopped at a fault, per vring */
	VHOST_ACCEL_CONFIG,	/* config space or status changed, queue 0 */
	VHOST_ACCEL_LOG,	/* bits of the dirty log were set, queue 0 */
};

/**
 * struct vhost_accel_ops - what a device does
 *
 * Callers have checked queue indexes against &vhost_accel.nvqs. All may sleep
 * but @kick, which may be called from anywhere. Errors are those of docs/abi.md.
 *
 * @set_features: accepts features
 * @get_features: features that were accepted
 * @set_status: adds virtio status bits, or resets with 0; DMA mappings and the
 *	config signal stay
 * @get_status: virtio status, NEEDS_RESET with a faulted vring included
 * @set_config: writes config space
 * @get_config: reads config space
 * @get_generation: how often config space has changed
 * @set_vq_num: size of a vring
 * @set_vq_addr: where it lies; the flags were checked
 * @set_vq_base: available index to go on from
 * @set_vq_enable: lets it run when the device does
 * @get_vq_num: its size, the maximum until one is set
 * @get_vq_base: next available index that the device looks at
 * @has_vq_addr: whether it was given addresses
 * @set_signal: whom to tell of an event; takes the eventfd reference over
 * @kick: look at the vring
 * @suspend: stops every vring at a chain boundary
 * @resume: goes on
 * @dma_map: lets the device reach @pa at @iova; EEXIST for an overlap
 * @dma_unmap: takes each run away that the range touches; none is in use any
 *	more when this returns
 * @dma_swap: puts another table in place; returns the old one, unused any more
 * @dma_flush: what @translate no longer gives is not in use any more
 * @set_log: dirty bitmap of a client, 0 for none; keeps a reference on @mm
 * @doorbell: page of a vring into which the client stores its kicks
 * @doorbell_touched: the client is about to store into it
 * @doorbell_mapped: it is mapped, or not any more
 * @forget_client: its client is gone, and so is every mapping of a doorbell: the
 *	next one finds nothing in their pages, and the config signal is nobody's.
 *	The device was reset
 */
struct vhost_accel_ops {
	int (*set_features)(struct vhost_accel *va, u64 features);
	u64 (*get_features)(struct vhost_accel *va);
	int (*set_status)(struct vhost_accel *va, u8 status);
	u8 (*get_status)(struct vhost_accel *va);
	int (*set_config)(struct vhost_accel *va, u32 off, const void *buf,
			  u32 len);
	int (*get_config)(struct vhost_accel *va, u32 off, void *buf, u32 len);
	u32 (*get_generation)(struct vhost_accel *va);
	int (*set_vq_num)(struct vhost_accel *va, u16 q, u32 num);
	int (*set_vq_addr)(struct vhost_accel *va, u16 q,
			   const struct vhost_vring_addr *addr);
	int (*set_vq_base)(struct vhost_accel *va, u16 q, u32 base);
	int (*set_vq_enable)(struct vhost_accel *va, u16 q, bool enable);
	bool (*get_vq_enable)(struct vhost_accel *va, u16 q);
	u16 (*get_vq_num)(struct vhost_accel *va, u16 q);
	u16 (*get_vq_base)(struct vhost_accel *va, u16 q);
	bool (*has_vq_addr)(struct vhost_accel *va, u16 q);
	void (*set_signal)(struct vhost_accel *va, enum vhost_accel_event event,
			   u16 q, const struct vhost_accel_signal *signal);
	void (*kick)(struct vhost_accel *va, u16 q);
	int (*suspend)(struct vhost_accel *va);
	int (*resume)(struct vhost_accel *va);
	int (*dma_map)(struct vhost_accel *va, u64 iova, u64 size, u64 pa,
		       u32 perm);
	void (*dma_unmap)(struct vhost_accel *va, u64 iova, u64 last);
	struct vhost_iotlb *(*dma_swap)(struct vhost_accel *va,
					struct vhost_iotlb *iotlb);
	void (*dma_flush)(struct vhost_accel *va);
	void (*set_log)(struct vhost_accel *va, struct mm_struct *mm, u64 base);
	struct page *(*doorbell)(struct vhost_accel *va, u16 q);
	void (*doorbell_touched)(struct vhost_accel *va, u16 q);
	void (*doorbell_mapped)(struct vhost_accel *va, u16 q, bool mapped);
	void (*forget_client)(struct vhost_accel *va);
};

/**
 * struct vhost_accel_host_ops - what an interface does for its device
 *
 * @translate: where the page at @iova is, in place of the device's table. EFAULT: it
 *	isn't mapped, or not for @perm. The device's lock is held. Optional
 * @dma_miss: nothing is known of the page at @iova: find it, and put it into
 *	the device's table with dma_map(). EAGAIN: not now, later. May take its
 *	time; a signal ends it. Optional
 * @dma_release: a run of pages has left the device's table
 * @rearm: unmap the client's doorbell, so that its next store faults; false: not
 *	now, later. Without it mapped doorbells are looked at from time to time
 */
struct vhost_accel_host_ops {
	int (*translate)(struct vhost_accel *va, u64 iova, u32 perm, u64 *pa);
	int (*dma_miss)(struct vhost_accel *va, u64 iova, u32 perm);
	void (*dma_release)(struct vhost_accel *va,
			    const struct vhost_iotlb_map *map);
	bool (*rearm)(struct vhost_accel *va, u16 q);
};

/**
 * struct vhost_accel - a device, as its interface sees it
 * @ops: what it does
 * @host: what its interface does for it
 * @private: the interface's own
 * @features: features it offers
 * @device_id: virtio device id
 * @config_size: bytes of config space
 * @nvqs: vrings
 * @max_num: largest size of a vring
 */
struct vhost_accel {
	const struct vhost_accel_ops *ops;
	const struct vhost_accel_host_ops *host;
	void *private;
	u64 features;
	u32 device_id;
	u32 config_size;
	u16 nvqs;
	u16 max_num;
};

/**
 * struct vhost_accel_net_config - how a sample device is to be; 0: as usual
 * @features: features it offers, those of vhost_accel_net_features() at most
 * @pairs: queue pairs, else the module's parameter says how many
 * @mtu: largest packet
 * @mac: its address, else one by lot
 */
struct vhost_accel_net_config {
	u64 features;
	u16 pairs;
	u16 mtu;
	u8 mac[ETH_ALEN];
};

/* The sample device. @host_features: features of the interface. */
struct vhost_accel *
vhost_accel_net_create(const char *name, const struct vhost_accel_host_ops *host,
		       void *private, u64 host_features,
		       const struct vhost_accel_net_config *config);
/* All that it can offer by itself. */
u64 vhost_accel_net_features(void);
void vhost_accel_net_destroy(struct vhost_accel *va);

#endif
