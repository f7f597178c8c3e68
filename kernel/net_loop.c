// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device does: a frame sent on a pair's transmit queue comes back on
 * its receive queue; the control queue sets the MAC and the number of pairs.
 */
#include <linux/slab.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "net.h"

/* Frames of one pair before other queues and waiting requests have a turn. */
#define NET_BUDGET	64
/* And descriptors: the last frame may have more, up to a queue's worth of chains. */
#define NET_WALK	(64 * NET_MAX_NUM)

/* Where we are in an array of segments. */
struct cursor {
	const struct net_seg *seg;
	u32 done;		/* bytes of it */
};

/* Steps over what is used up; the bytes that are left of the segment. */
static u32 cursor_left(struct cursor *at)
{
	while (at->done == at->seg->len) {
		at->seg++;
		at->done = 0;
	}
	return at->seg->len - at->done;
}

static int cursor_read(struct net_dev *nd, struct cursor *at, void *buf, u32 len)
{
	while (len) {
		u32 n = min(len, cursor_left(at));
		int ret = net_dma_read(nd, at->seg->addr + at->done, buf, n);

		if (ret)
			return ret;
		at->done += n;
		buf += n;
		len -= n;
	}
	return 0;
}

static int cursor_write(struct net_dev *nd, struct cursor *at, const void *buf,
			u32 len)
{
	while (len) {
		u32 n = min(len, cursor_left(at));
		int ret = net_dma_write(nd, at->seg->addr + at->done, buf, n,
				    at->seg->addr + at->done);

		if (ret)
			return ret;
		at->done += n;
		buf += n;
		len -= n;
	}
	return 0;
}

static int cursor_copy(struct net_dev *nd, struct cursor *to,
		       struct cursor *from, u64 len, int *faulty)
{
	while (len) {
		u32 n = min3(len, (u64)cursor_left(to), (u64)cursor_left(from));
		int ret = net_dma_copy(nd, to->seg->addr + to->done,
				       from->seg->addr + from->done, n, faulty);

		if (ret)
			return ret;
		to->done += n;
		from->done += n;
		len -= n;
	}
	return 0;
}

/* Room for another chain's segments behind @used ones. */
static int rx_reserve(struct net_dev *nd, u32 used)
{
	u32 room = nd->rx_room;
	struct net_seg *segs;

	if (used + NET_MAX_NUM <= room)
		return 0;
	room *= 2;
	segs = kvmalloc_array(room, sizeof(*segs), GFP_KERNEL);
	if (!segs)
		return -EAGAIN;
	memcpy(segs, nd->rx_segs, used * sizeof(*segs));
	kvfree(nd->rx_segs);
	nd->rx_segs = segs;
	nd->rx_room = room;
	return 0;
}

/*
 * Receive chains for @need bytes: how many, 0 for not yet. Too little @room
 * with them is all the room that there will ever be.
 */
static int gather(struct net_dev *nd, struct net_vq *rx, u64 need, u64 *room)
{
	u32 first = 0;
	u16 n = 0;
	int ret;

	*room = 0;
	do {
		struct net_chain *chain = &nd->rx_chains[n];

		ret = rx_reserve(nd, first);
		if (ret)
			return ret;
		ret = net_ring_peek(nd, rx, n, nd->rx_segs, first, chain);
		if (ret < 0)
			return ret;
		if (!ret) {
			ret = net_ring_want_kick(nd, rx, n);
			if (ret <= 0)
				return ret;
			continue;
		}
		if (chain->nr_read)
			return net_ring_fault(nd, rx, NET_FAULT_DIRECTION);
		*room += chain->len_write;
		first += chain->segs;
		n++;
	} while (!n || (*room < need && n < rx->num &&
			net_has(nd, VIRTIO_NET_F_MRG_RXBUF)));
	return n;
}

/*
 * The frame could not be written. If it can't be read either, that is the fault:
 * as of a device that reads all of it first.
 */
static int rx_failed(struct net_dev *nd, struct net_vq *rx, struct net_vq *tx,
		     u32 segs, int err)
{
	u32 i;

	for (i = 0; err == -EFAULT && i < segs; i++) {
		const struct net_seg *seg = &nd->tx_segs[i];
		int ret = net_dma_check_read(nd, seg->addr, seg->len);

		if (ret)
			return net_ring_failed(nd, tx, ret);
	}
	return net_ring_failed(nd, rx, err);
}

/*
 * A page of the frame was missing: puts all the others on the list, so that they are
 * found together. What can't be had is a fault when it is its turn.
 */
static void list_missing(struct net_dev *nd, const struct net_chain *sent, u16 n)
{
	const struct net_chain *last = &nd->rx_chains[n - 1];
	u64 left = sent->len_read;
	u32 i;

	for (i = 0; i < sent->segs_read; i++)
		net_dma_check_read(nd, nd->tx_segs[i].addr, nd->tx_segs[i].len);
	for (i = 0; left && i < last->first + last->segs; i++) {
		const struct net_seg *seg = &nd->rx_segs[i];
		u32 len = min_t(u64, left, seg->len);

		net_dma_check_write(nd, seg->addr, len, seg->addr);
		left -= len;
	}
}

static int deliver(struct net_dev *nd, struct net_vq *rx, struct net_vq *tx,
		   const struct net_chain *sent, u16 n)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct cursor from = { nd->tx_segs }, to = { nd->rx_segs };
	u64 need = sent->len_read;
	int ret, faulty;
	u16 i;

	/* The driver's header is read and means nothing: no offloads. */
	ret = cursor_read(nd, &from, &hdr, sizeof(hdr));
	if (ret)
		return net_ring_failed(nd, tx, ret);
	memset(&hdr, 0, sizeof(hdr));
	hdr.num_buffers = net_virtio16(n);
	ret = cursor_write(nd, &to, &hdr, sizeof(hdr));
	if (ret)
		return rx_failed(nd, rx, tx, sent->segs, ret);
	ret = cursor_copy(nd, &to, &from, need - NET_HDR_LEN, &faulty);
	if (ret && faulty)
		return rx_failed(nd, rx, tx, sent->segs, ret);
	if (ret)
		return net_ring_failed(nd, tx, ret);

	for (i = 0; i < n; i++) {
		const struct net_chain *chain = &nd->rx_chains[i];
		u64 len = min(need, chain->len_write);

		ret = net_ring_put_used(nd, rx, i, chain->head, len);
		if (ret)
			return ret;
		need -= len;
	}
	net_ring_consume(rx, n);
	nd->frames++;
	return 0;
}

/* One frame: 1 when it is done with, 0 when there is none or it must wait. */
static int forward(struct net_dev *nd, struct net_vq *rx, struct net_vq *tx)
{
	struct net_chain chain;
	u64 room;
	int ret, n;

	ret = net_ring_peek(nd, tx, 0, nd->tx_segs, 0, &chain);
	if (!ret) {
		ret = net_ring_want_kick(nd, tx, 0);
		if (!ret)
			tx->waiting = false;
		return ret;
	}
	if (ret < 0)
		return ret;
	if (chain.nr != chain.nr_read)
		return net_ring_fault(nd, tx, NET_FAULT_DIRECTION);
	if (chain.len_read < NET_HDR_LEN)
		return net_ring_fault(nd, tx, NET_FAULT_LENGTH);

	ret = net_ring_used_ready(nd, tx, 1);
	if (ret)
		return ret;
	/* What isn't read need not be there. */
	if (chain.len_read > NET_HDR_LEN + NET_MAX_FRAME) {
		nd->tx_dropped++;
		goto used;
	}
	if (!net_vq_runs(nd, rx))
		return 0;
	n = gather(nd, rx, chain.len_read, &room);
	if (n <= 0)
		return n;
	if (room < chain.len_read) {
		nd->rx_dropped++;
	} else {
		ret = net_ring_used_ready(nd, rx, n);
		if (!ret)
			ret = deliver(nd, rx, tx, &chain, n);
		if (ret == -EAGAIN)
			list_missing(nd, &chain, n);
		if (ret)
			return ret;
	}
used:
	ret = net_ring_put_used(nd, tx, 0, chain.head, 0);
	if (ret)
		return ret;
	net_ring_consume(tx, 1);
	return 1;
}

static int process_pair(struct net_dev *nd, u16 q)
{
	struct net_vq *rx = &nd->vqs[q & ~1], *tx = &nd->vqs[q | 1];
	int budget = NET_BUDGET, ret = 0;

	nd->walked = 0;
	if (q & 1)
		tx->waiting = true;
	if (q / 2 >= nd->active_pairs)
		return 0;
	/* An index that can't be stops the queue even if there is no frame. */
	if (net_vq_runs(nd, rx) && !(q & 1))
		ret = net_ring_available(nd, rx, 0);
	if (ret == -EAGAIN)
		return ret;
	if (tx->waiting && net_vq_runs(nd, tx)) {
		do {
			ret = forward(nd, rx, tx);
		} while (ret > 0 && --budget && nd->walked < NET_WALK);
	} else {
		ret = 0;
	}
	net_ring_settle(nd, rx);
	net_ring_settle(nd, tx);
	return ret;
}

struct ctrl {
	struct virtio_net_ctrl_hdr hdr;
	union {
		u8 mac[ETH_ALEN];
		__le16 pairs;
	};
} __packed;

static u8 control(struct net_dev *nd, const struct ctrl *ctrl, u64 len)
{
	const u64 data = len - sizeof(ctrl->hdr);
	u16 pairs, q;

	if (len < sizeof(ctrl->hdr) || len > sizeof(*ctrl))
		return VIRTIO_NET_ERR;
	switch (ctrl->hdr.class << 8 | ctrl->hdr.cmd) {
	case VIRTIO_NET_CTRL_MAC << 8 | VIRTIO_NET_CTRL_MAC_ADDR_SET:
		if (!net_has(nd, VIRTIO_NET_F_CTRL_MAC_ADDR) || data != ETH_ALEN)
			return VIRTIO_NET_ERR;
		memcpy(nd->mac, ctrl->mac, ETH_ALEN);
		nd->generation++;
		return VIRTIO_NET_OK;
	case VIRTIO_NET_CTRL_MQ << 8 | VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET:
		if (!net_has(nd, VIRTIO_NET_F_MQ) || data != sizeof(ctrl->pairs))
			return VIRTIO_NET_ERR;
		pairs = le16_to_cpu(ctrl->pairs);
		if (!pairs || pairs > nd->pairs)
			return VIRTIO_NET_ERR;
		/* What was sent on a pair before it was active waits there. */
		for (q = 2 * nd->active_pairs; q < 2 * pairs; q++)
			net_kick(&nd->va, q);
		nd->active_pairs = pairs;
		return VIRTIO_NET_OK;
	default:
		return VIRTIO_NET_ERR;
	}
}

static int process_control(struct net_dev *nd, struct net_vq *vq)
{
	struct cursor from = { nd->tx_segs }, to;
	struct net_chain chain;
	struct ctrl ctrl = {};
	u32 room;
	u8 ack;
	int ret;

	ret = net_ring_peek(nd, vq, 0, nd->tx_segs, 0, &chain);
	if (!ret)
		return net_ring_want_kick(nd, vq, 0);
	if (ret < 0)
		return ret;
	/* A command that is longer than any is refused unread. */
	if (chain.len_read <= sizeof(ctrl))
		ret = cursor_read(nd, &from, &ctrl, chain.len_read);
	else
		ret = 0;
	if (ret)
		return net_ring_failed(nd, vq, ret);
	ret = net_ring_used_ready(nd, vq, 1);
	if (ret)
		return ret;
	/* A driver that left no room for the answer gets none. */
	room = min_t(u64, chain.len_write, sizeof(ack));
	to = (struct cursor){ nd->tx_segs + chain.segs_read };
	if (room) {
		cursor_left(&to);
		ret = net_dma_check_write(nd, to.seg->addr, sizeof(ack),
					  to.seg->addr);
		if (ret)
			return net_ring_failed(nd, vq, ret);
	}
	ack = control(nd, &ctrl, chain.len_read);
	ret = cursor_write(nd, &to, &ack, room);
	if (ret)
		return net_ring_failed(nd, vq, ret);
	ret = net_ring_put_used(nd, vq, 0, chain.head, room);
	if (ret)
		return ret;
	net_ring_consume(vq, 1);
	return 1;
}

/*
 * 0: nothing more to do, 1: there is, EAGAIN: there will be.
 *
 * Where the control queue is depends on what was negotiated: virtio 1.2, 5.1.2.
 * What lies behind it has no use then, and is not looked at.
 */
int net_process(struct net_dev *nd, u16 q)
{
	u16 ctrl = net_has(nd, VIRTIO_NET_F_MQ) ? 2 * nd->pairs : 2;
	int ret = 0;

	lockdep_assert_held(&nd->lock);
	if (q < ctrl) {
		ret = process_pair(nd, q);
	} else if (q == ctrl && net_has(nd, VIRTIO_NET_F_CTRL_VQ) &&
		   net_vq_runs(nd, &nd->vqs[q])) {
		ret = process_control(nd, &nd->vqs[q]);
		net_ring_settle(nd, &nd->vqs[q]);
	}
	if (nd->log_dirty) {
		nd->log_dirty = false;
		net_signal(&nd->log_signal);
	}
	return ret;
}
