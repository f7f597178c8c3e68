/* SPDX-License-Identifier: GPL-2.0-only */
/* The sample device: a virtio-net loopback with rings of its own. */
#ifndef _VHOST_ACCEL_NET_H
#define _VHOST_ACCEL_NET_H

#include <linux/bitmap.h>
#include <linux/bottom_half.h>
#include <linux/if_ether.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/virtio_byteorder.h>
#include <linux/virtio_net.h>
#include <linux/xarray.h>

#include "vhost_accel.h"

#define NET_MAX_PAIRS	128
#define NET_MAX_VQS	(2 * NET_MAX_PAIRS + 1)
#define NET_MAX_NUM	1024
#define NET_HDR_LEN	((u32)sizeof(struct virtio_net_hdr_mrg_rxbuf))
#define NET_MTU		9000
/* Config space as far as the device has it: up to mtu. */
#define NET_CONFIG_SIZE	offsetofend(struct virtio_net_config, mtu)
/* The longest frame: the largest MTU, an Ethernet header and a VLAN tag. */
#define NET_MAX_FRAME	(65535 + ETH_HLEN + 4)
/* Segments of receive chains that there is room for at first. */
#define NET_RX_SEGS	(4 * NET_MAX_NUM)

/* A doorbell page's first word while nobody has stored into it. */
#define DOORBELL_IDLE	0xffffffffU
/* How long a page is polled after its last work. */
#define DOORBELL_HOT_NS	(50 * NSEC_PER_USEC)
/* The longest wait for the store whose fault was answered. */
#define DOORBELL_MOST_NS	(200 * DOORBELL_HOT_NS)
/* How often a page is looked at that can't wake us. */
#define DOORBELL_NAP_NS	(100 * NSEC_PER_USEC)

enum net_fault {
	NET_FAULT_TRANSLATION,	/* not mapped, or no permission */
	NET_FAULT_INDEX,	/* available index, descriptor index */
	NET_FAULT_CHAIN,	/* loop, or longer than the queue */
	NET_FAULT_INDIRECT,	/* table length, nesting */
	NET_FAULT_DIRECTION,	/* readable behind writable, wrong queue */
	NET_FAULT_LENGTH,	/* shorter than the header */
	NET_NR_FAULTS,
};

struct net_seg {
	u64 addr;
	u32 len;
};

/* A chain: its part of an array of segments. */
struct net_chain {
	u16 head;
	u32 nr;			/* descriptors */
	u32 nr_read;		/* readable ones, which come first */
	u32 first;		/* in the array, */
	u32 segs;		/* where those are that have bytes */
	u32 segs_read;
	u64 len_read;
	u64 len_write;
};

struct net_vq {
	u64 desc;
	u64 avail;
	u64 used;
	u64 used_log;		/* where the used ring is in the dirty log */
	u16 num;
	u16 last_avail;
	u16 last_used;
	u16 published;		/* last_used that the driver sees */
	bool has_addr;
	bool enabled;
	bool faulted;
	bool unpublished;	/* the driver sees less than last_used */
	bool waiting;		/* was kicked, and not found empty since */
	u16 event;		/* at which a kick was asked for, */
	u32 event_ring;		/* of the rings of that time; 0: none */
	struct vhost_accel_signal call;
	struct vhost_accel_signal err;

	struct page *doorbell;
	atomic_t mapped;
	u64 hot_until;		/* ktime; the page is polled until then */
	u64 patience;		/* how long the store behind a fault is waited for */
	bool awaited;		/* it hasn't come yet */
};

/* A page that is looked for: of memory by IOVA, or of the log by client address. */
struct net_missing {
	u64 at;			/* begins the page */
	u32 perm;
	bool log;
};

/* So many pages are found together: a frame's on both sides, and some of the rings. */
#define NET_MAX_MISSING	64

/*
 * What one look may miss in vain: a receive buffer, a transmit buffer, and the events
 * of both rings.
 */
#define NET_MAX_ABSENT	8

struct net_dev {
	struct vhost_accel va;
	struct task_struct *worker;
	struct mutex attach_lock;		/* who pays for the worker */
	/*
	 * Everything below but the bitmaps. The worker holds it while it looks at
	 * a queue, so that who takes it finds every ring at a chain boundary.
	 */
	struct mutex lock;
	u64 driver_features;
	u8 status;
	bool suspended;
	u16 pairs;
	u16 active_pairs;
	u16 mtu;
	u32 generation;
	u8 mac[ETH_ALEN];
	u8 first_mac[ETH_ALEN];
	struct vhost_accel_signal config;
	struct vhost_iotlb *iotlb;
	struct mm_struct *log_mm;
	u64 log_base;
	struct vhost_accel_signal log_signal;
	u32 log;				/* which: another one, another number */
	struct xarray log_pages;		/* by address in units of pages */
	u32 nr_log_pages;
	bool log_dirty;
	struct net_missing missing[NET_MAX_MISSING];	/* at the look under way */
	u32 nr_missing;
	struct net_missing absent[NET_MAX_ABSENT];	/* and were looked for */
	u32 nr_absent;
	bool finding;
	u32 rings;		/* another one when a ring may be another */
	u16 nr_faulted;		/* vrings that stopped */
	u64 frames;
	u64 rx_dropped;
	u64 tx_dropped;
	u64 faults[NET_NR_FAULTS];
	struct dentry *debugfs;

	DECLARE_BITMAP(kicked, NET_MAX_VQS);	/* to be looked at */
	DECLARE_BITMAP(hot, NET_MAX_VQS);	/* doorbells that are polled */
	DECLARE_BITMAP(open, NET_MAX_VQS);	/* that the client can store into */
	atomic_t naps;				/* doorbells to be looked at */
	atomic_t looks_asked;			/* by net_look_at_all() */
	atomic_t looks_done;
	wait_queue_head_t looked;

	struct net_seg *tx_segs;
	struct net_seg *rx_segs;
	u32 rx_room;				/* in them */
	u32 walked;				/* descriptors, in this look */
	struct net_chain *rx_chains;
	struct net_vq vqs[];
};

/* VERSION_1 is required: everything is little-endian. */
static inline __virtio16 net_virtio16(u16 value)
{
	return __cpu_to_virtio16(true, value);
}

static inline struct net_dev *to_net(struct vhost_accel *va)
{
	return container_of(va, struct net_dev, va);
}

static inline bool net_has(const struct net_dev *nd, unsigned int bit)
{
	return nd->driver_features & BIT_ULL(bit);
}

/* net_requests.c */
extern const struct vhost_accel_ops net_ops;
void net_reset(struct net_dev *nd);

/*
 * net_dma.c: EFAULT: not mapped or no permission. EAGAIN: ask again later.
 * log: the address at which a write is logged.
 */
int net_dma_read(struct net_dev *nd, u64 iova, void *buf, u32 len);
int net_dma_write(struct net_dev *nd, u64 iova, const void *buf, u32 len,
		  u64 log);
int net_dma_copy(struct net_dev *nd, u64 to, u64 from, u32 len, int *faulty);
int net_dma_check_read(struct net_dev *nd, u64 iova, u32 len);
int net_dma_check_write(struct net_dev *nd, u64 iova, u32 len, u64 log);
int net_dma_read16(struct net_dev *nd, u64 iova, u16 *value);
int net_dma_write16(struct net_dev *nd, u64 iova, u16 value, u64 log);
int net_dma_map(struct vhost_accel *va, u64 iova, u64 size, u64 pa, u32 perm);
void net_dma_unmap(struct vhost_accel *va, u64 iova, u64 last);
struct vhost_iotlb *net_dma_swap(struct vhost_accel *va,
				 struct vhost_iotlb *iotlb);

void net_dma_flush(struct vhost_accel *va);

/* net_find.c */
int net_missing(struct net_dev *nd, const struct net_missing *missing);
bool net_find(struct net_dev *nd);
void net_found(struct net_dev *nd);
void net_end_search(struct net_dev *nd);
void net_wait_for_search(struct net_dev *nd);

/* net_log.c */
int net_log_check(struct net_dev *nd, u64 iova, u32 len);
int net_log_write(struct net_dev *nd, u64 iova, u32 len);
int net_log_find(struct net_dev *nd, u64 at);
void net_log_trim(struct net_dev *nd);
void net_log_set(struct net_dev *nd, struct mm_struct *mm, u64 base);

/* net_ring.c: 0 none, 1 there is one, else -errno or a fault that was taken. */
int net_ring_available(struct net_dev *nd, struct net_vq *vq, u16 ahead);
int net_ring_peek(struct net_dev *nd, struct net_vq *vq, u16 ahead,
		  struct net_seg *segs, u32 first, struct net_chain *chain);
int net_ring_used_ready(struct net_dev *nd, struct net_vq *vq, u16 n);
int net_ring_put_used(struct net_dev *nd, struct net_vq *vq, u16 nth, u16 head,
		      u32 len);
void net_ring_consume(struct net_vq *vq, u16 n);
int net_ring_want_kick(struct net_dev *nd, struct net_vq *vq, u16 ahead);
void net_ring_settle(struct net_dev *nd, struct net_vq *vq);
int net_ring_fault(struct net_dev *nd, struct net_vq *vq, enum net_fault fault);
int net_ring_failed(struct net_dev *nd, struct net_vq *vq, int err);

/* net_loop.c: 0 nothing more to do, 1 there is, -EAGAIN there will be */
int net_process(struct net_dev *nd, u16 q);

/* net_worker.c */
int net_worker(void *data);
void net_kick(struct vhost_accel *va, u16 q);
int net_wait_for_look(struct net_dev *nd);
void net_doorbell_touched(struct vhost_accel *va, u16 q);
void net_doorbell_mapped(struct vhost_accel *va, u16 q, bool mapped);

/* Without the lock it tells whether somebody has to be woken. */
static inline bool net_vq_runs(const struct net_dev *nd, const struct net_vq *vq)
{
	return (READ_ONCE(nd->status) & VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !READ_ONCE(nd->suspended) && READ_ONCE(vq->enabled) &&
	       READ_ONCE(vq->num) && READ_ONCE(vq->has_addr) &&
	       !READ_ONCE(vq->faulted);
}

/* What was written into rings may not be there any more. */
static inline void net_rings_changed(struct net_dev *nd)
{
	lockdep_assert_held(&nd->lock);
	if (!++nd->rings)
		nd->rings = 1;
}

static inline void net_signal(const struct vhost_accel_signal *signal)
{
	if (signal->callback) {
		/* A driver's interrupt: what it leaves to be done is done here. */
		local_bh_disable();
		signal->callback(signal->private);
		local_bh_enable();
	} else if (signal->ctx) {
		eventfd_signal(signal->ctx);
	}
}

/* Nothing of what a client wrote is left in it. */
static inline void net_doorbell_clear(struct net_vq *vq)
{
	clear_page(page_address(vq->doorbell));
	*(u32 *)page_address(vq->doorbell) = DOORBELL_IDLE;
}

static inline void net_put_signal(struct vhost_accel_signal *signal)
{
	if (signal->ctx)
		eventfd_ctx_put(signal->ctx);
	*signal = (struct vhost_accel_signal){};
}

#endif
