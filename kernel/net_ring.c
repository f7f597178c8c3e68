// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split rings, from the device's side: indirect descriptors, event index, and
 * nothing believed that the driver wrote. A malformed ring stops its queue.
 */
#include <linux/sched.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "net.h"

static u64 avail_ring(const struct net_vq *vq, u16 index)
{
	return vq->avail + offsetof(struct vring_avail, ring) +
	       sizeof(__le16) * (index & (vq->num - 1));
}

/* Behind the ring itself. */
static u64 used_event(const struct net_vq *vq)
{
	return vq->avail + offsetof(struct vring_avail, ring) +
	       sizeof(__le16) * vq->num;
}

static u64 used_ring(const struct net_vq *vq, u16 index)
{
	return vq->used + offsetof(struct vring_used, ring) +
	       sizeof(struct vring_used_elem) * (index & (vq->num - 1));
}

static u64 avail_event(const struct net_vq *vq)
{
	return vq->used + offsetof(struct vring_used, ring) +
	       sizeof(struct vring_used_elem) * vq->num;
}

/* Where the driver says when it wants to be told of used buffers. */
static u64 driver_wants(const struct net_dev *nd, const struct net_vq *vq)
{
	return net_has(nd, VIRTIO_RING_F_EVENT_IDX) ? used_event(vq) : vq->avail;
}

/* Where in the dirty log a part of the used ring is. */
static u64 used_log(const struct net_vq *vq, u64 at)
{
	return vq->used_log + (at - vq->used);
}

/* Stops the queue until reset, and says so. */
int net_ring_fault(struct net_dev *nd, struct net_vq *vq, enum net_fault fault)
{
	if (!vq->faulted)
		nd->nr_faulted++;
	vq->faulted = true;
	nd->faults[fault]++;
	net_signal(&vq->err);
	net_signal(&nd->config);
	return -EIO;
}

/* What an access that failed means for the queue. */
int net_ring_failed(struct net_dev *nd, struct net_vq *vq, int err)
{
	if (err == -EFAULT)
		return net_ring_fault(nd, vq, NET_FAULT_TRANSLATION);
	return err;
}

/* Is there a chain, @ahead chains behind the next one? */
int net_ring_available(struct net_dev *nd, struct net_vq *vq, u16 ahead)
{
	u16 idx, there;
	int ret;

	ret = net_dma_read16(nd, vq->avail + offsetof(struct vring_avail, idx),
			     &idx);
	if (ret)
		return net_ring_failed(nd, vq, ret);
	there = idx - vq->last_avail;
	if (there > vq->num)
		return net_ring_fault(nd, vq, NET_FAULT_INDEX);
	/* The ring's entries were written before its index. */
	smp_rmb();
	return there > ahead;
}

static int add_seg(struct net_dev *nd, struct net_vq *vq,
		   const struct vring_desc *desc, struct net_seg *segs,
		   struct net_chain *chain)
{
	const bool write = desc->flags & net_virtio16(VRING_DESC_F_WRITE);
	struct net_seg seg = {
		.addr = __virtio64_to_cpu(true, desc->addr),
		.len = __virtio32_to_cpu(true, desc->len),
	};

	/* An address that wraps is nowhere mapped. */
	if (seg.len && seg.addr + seg.len - 1 < seg.addr)
		return net_ring_fault(nd, vq, NET_FAULT_TRANSLATION);
	if (write) {
		chain->len_write += seg.len;
	} else {
		if (chain->nr != chain->nr_read)
			return net_ring_fault(nd, vq, NET_FAULT_DIRECTION);
		chain->nr_read++;
		chain->len_read += seg.len;
	}
	chain->nr++;
	/* So that there are no more segments than a frame has bytes. */
	if (!seg.len)
		return 0;
	segs[chain->first + chain->segs++] = seg;
	if (!write)
		chain->segs_read++;
	return 0;
}

/* Walks @table of @entries from descriptor @at on. */
static int walk(struct net_dev *nd, struct net_vq *vq, u64 table, u32 entries,
		u16 at, bool nested, struct net_seg *segs,
		struct net_chain *chain)
{
	u32 steps = 0;

	for (;;) {
		struct vring_desc desc;
		u16 flags;
		int ret;

		if (at >= entries)
			return net_ring_fault(nd, vq, NET_FAULT_INDEX);
		/* More steps than descriptors: a loop. */
		if (steps++ == entries || chain->nr == vq->num)
			return net_ring_fault(nd, vq, NET_FAULT_CHAIN);
		nd->walked++;

		ret = net_dma_read(nd, table + at * sizeof(desc), &desc,
				   sizeof(desc));
		if (ret)
			return net_ring_failed(nd, vq, ret);
		flags = __virtio16_to_cpu(true, desc.flags);

		if (flags & VRING_DESC_F_INDIRECT) {
			u32 len = __virtio32_to_cpu(true, desc.len);
			u32 n = len / sizeof(desc);

			if (nested || !net_has(nd, VIRTIO_RING_F_INDIRECT_DESC) ||
			    !n || len % sizeof(desc) || n > vq->num ||
			    (flags & VRING_DESC_F_NEXT))
				return net_ring_fault(nd, vq, NET_FAULT_INDIRECT);
			return walk(nd, vq, __virtio64_to_cpu(true, desc.addr), n, 0,
				    true, segs, chain);
		}

		ret = add_seg(nd, vq, &desc, segs, chain);
		if (ret)
			return ret;
		if (!(flags & VRING_DESC_F_NEXT))
			return 1;
		at = __virtio16_to_cpu(true, desc.next);
	}
}

/*
 * Collects the chain @ahead chains behind the next one into @segs from @first
 * on, without consuming it. @segs has room for a queue's worth of descriptors
 * behind @first.
 */
int net_ring_peek(struct net_dev *nd, struct net_vq *vq, u16 ahead,
		  struct net_seg *segs, u32 first, struct net_chain *chain)
{
	u16 head;
	int ret;

	/* Of long chains there may be many before a frame has room. */
	cond_resched();
	ret = net_ring_available(nd, vq, ahead);
	if (ret <= 0)
		return ret;
	ret = net_dma_read16(nd, avail_ring(vq, vq->last_avail + ahead), &head);
	if (ret)
		return net_ring_failed(nd, vq, ret);

	*chain = (struct net_chain){ .head = head, .first = first };
	return walk(nd, vq, vq->desc, vq->num, head, false, segs, chain);
}

/* The next @n used entries and the index can be written; makes sure of it. */
int net_ring_used_ready(struct net_dev *nd, struct net_vq *vq, u16 n)
{
	u64 at = vq->used + offsetof(struct vring_used, idx);
	int ret = net_dma_check_write(nd, at, sizeof(__le16), used_log(vq, at));
	u16 i;

	for (i = 0; !ret && i < n; i++) {
		at = used_ring(vq, vq->last_used + i);
		ret = net_dma_check_write(nd, at, sizeof(struct vring_used_elem),
					  used_log(vq, at));
	}
	if (ret)
		return net_ring_failed(nd, vq, ret);
	/* What net_ring_settle() reads is a fault when it does, but not later. */
	ret = net_dma_check_read(nd, driver_wants(nd, vq), sizeof(__le16));
	return ret == -EAGAIN ? ret : 0;
}

/* Writes the used entry @nth behind the last one; nobody sees it yet. */
int net_ring_put_used(struct net_dev *nd, struct net_vq *vq, u16 nth, u16 head,
		      u32 len)
{
	struct vring_used_elem elem = {
		.id = __cpu_to_virtio32(true, head),
		.len = __cpu_to_virtio32(true, len),
	};
	u64 at = used_ring(vq, vq->last_used + nth);
	int ret = net_dma_write(nd, at, &elem, sizeof(elem), used_log(vq, at));

	return ret ? net_ring_failed(nd, vq, ret) : 0;
}

/* Consumes @n chains, whose used entries are shown by net_ring_settle(). */
void net_ring_consume(struct net_vq *vq, u16 n)
{
	vq->last_used += n;
	vq->last_avail += n;
	vq->unpublished = true;
}

/*
 * Asks for a kick when the driver adds a chain @ahead chains behind the next
 * one. 1: it has done so meanwhile, look again.
 */
int net_ring_want_kick(struct net_dev *nd, struct net_vq *vq, u16 ahead)
{
	u16 event = vq->last_avail + ahead;
	int ret;

	if (!net_has(nd, VIRTIO_RING_F_EVENT_IDX))
		return 0;	/* it always kicks */
	/*
	 * Written once: it sets bits of the log, whose eventfd may be one that
	 * kicks. Then each look would ask for the next one.
	 */
	if (vq->event_ring != nd->rings || vq->event != event) {
		ret = net_dma_write16(nd, avail_event(vq), event,
				      used_log(vq, avail_event(vq)));
		if (ret)
			return net_ring_failed(nd, vq, ret);
		vq->event_ring = nd->rings;
		vq->event = event;
	}
	/* The event before the index is looked at again. */
	smp_mb();
	return net_ring_available(nd, vq, ahead);
}

/* Shows used entries, and tells the driver of them if it wants to be told. */
void net_ring_settle(struct net_dev *nd, struct net_vq *vq)
{
	u16 old = vq->published, new = vq->last_used, word;
	bool event_idx = net_has(nd, VIRTIO_RING_F_EVENT_IDX);
	u64 at = vq->used + offsetof(struct vring_used, idx);
	int ret;

	if (!vq->unpublished)
		return;
	vq->unpublished = false;
	vq->published = new;
	/* Data and entries first. */
	smp_wmb();
	ret = net_dma_write16(nd, at, new, used_log(vq, at));
	if (!ret) {
		/* The used index before what the driver asks for. */
		smp_mb();
		ret = net_dma_read16(nd, driver_wants(nd, vq), &word);
	}
	if (ret) {
		/* What was published must be told of: rather once too often. */
		if (!vq->faulted)
			net_ring_failed(nd, vq, ret);
		net_signal(&vq->call);
		return;
	}
	if (event_idx ? vring_need_event(word, new, old) :
			!(word & VRING_AVAIL_F_NO_INTERRUPT))
		net_signal(&vq->call);
}
