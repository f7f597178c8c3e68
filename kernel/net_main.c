// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sample device's state: features, status, config space, vring setup.
 * docs/abi.md, section 1, is its specification.
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "net.h"

static ushort pairs = 4;
module_param(pairs, ushort, 0444);
MODULE_PARM_DESC(pairs, "Queue pairs of a device, 1 to 128");

#define NET_FEATURES (BIT_ULL(VIRTIO_NET_F_MTU) | \
		      BIT_ULL(VIRTIO_NET_F_MAC) | \
		      BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | \
		      BIT_ULL(VIRTIO_NET_F_STATUS) | \
		      BIT_ULL(VIRTIO_NET_F_CTRL_VQ) | \
		      BIT_ULL(VIRTIO_NET_F_CTRL_MAC_ADDR) | \
		      BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | \
		      BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | \
		      BIT_ULL(VIRTIO_F_VERSION_1) | \
		      BIT_ULL(VIRTIO_F_ACCESS_PLATFORM) | \
		      BIT_ULL(VIRTIO_F_NOTIFICATION_DATA))

/* Config space as far as the device has it: up to mtu. */
#define NET_CONFIG_SIZE	offsetofend(struct virtio_net_config, mtu)

#define NET_STATUS_BITS	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_DRIVER_OK | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)

static struct dentry *net_debugfs;

static bool net_running(const struct net_dev *nd)
{
	return (nd->status & VIRTIO_CONFIG_S_DRIVER_OK) && !nd->suspended;
}

static void net_put_signal(struct vhost_accel_signal *signal)
{
	if (signal->ctx)
		eventfd_ctx_put(signal->ctx);
	*signal = (struct vhost_accel_signal){};
}

static void net_reset(struct net_dev *nd)
{
	u16 q;

	lockdep_assert_held(&nd->lock);
	nd->status = 0;
	nd->suspended = false;
	nd->driver_features = 0;
	nd->active_pairs = 1;
	nd->frames = 0;
	nd->rx_dropped = 0;
	nd->tx_dropped = 0;
	memset(nd->faults, 0, sizeof(nd->faults));
	ether_addr_copy(nd->mac, nd->first_mac);
	for (q = 0; q < nd->va.nvqs; q++) {
		struct net_vq *vq = &nd->vqs[q];

		vq->desc = 0;
		vq->avail = 0;
		vq->used = 0;
		vq->num = 0;
		vq->last_avail = 0;
		vq->last_used = 0;
		vq->published = 0;
		vq->has_addr = false;
		vq->enabled = false;
		vq->faulted = false;
		vq->unpublished = false;
		vq->waiting = false;
		net_put_signal(&vq->call);
		net_put_signal(&vq->err);
		*(u32 *)page_address(vq->doorbell) = DOORBELL_IDLE;
		clear_bit(q, nd->kicked);
	}
	net_put_signal(&nd->log);
	if (nd->log_mm)
		mmdrop(nd->log_mm);
	nd->log_mm = NULL;
	nd->log_base = 0;
	nd->log_dirty = false;
}

/*
 * Looks at every ring once: a kick may have come before there was a device. When
 * this returns it was done, and only kicks count.
 */
static void net_look_at_all(struct net_dev *nd)
{
	bitmap_set(nd->kicked, 0, nd->va.nvqs);
	net_wait_for_look(nd);
}

static int net_set_features(struct vhost_accel *va, u64 features)
{
	struct net_dev *nd = to_net(va);
	int ret = 0;

	mutex_lock(&nd->lock);
	if ((nd->status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    ((features ^ nd->driver_features) &
	     ~(va->features & BIT_ULL(VHOST_F_LOG_ALL))))
		ret = -EBUSY;
	else if (features & ~va->features)
		ret = -EOPNOTSUPP;
	else
		nd->driver_features = features;
	mutex_unlock(&nd->lock);
	return ret;
}

static u64 net_get_features(struct vhost_accel *va)
{
	struct net_dev *nd = to_net(va);
	u64 features;

	mutex_lock(&nd->lock);
	features = nd->driver_features;
	mutex_unlock(&nd->lock);
	return features;
}

static u8 net_shown_status(const struct net_dev *nd)
{
	u8 status = nd->status;
	u16 q;

	lockdep_assert_held(&nd->lock);
	for (q = 0; q < nd->va.nvqs; q++)
		if (nd->vqs[q].faulted)
			status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	return status;
}

/* Bits that are not a driver's are ignored. */
static int net_set_status(struct vhost_accel *va, u8 status)
{
	const u64 needed = BIT_ULL(VIRTIO_F_VERSION_1) |
			   BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
	struct net_dev *nd = to_net(va);
	int ret = 0;
	u8 added;

	mutex_lock(&nd->lock);
	added = 0;
	if (!status) {
		net_reset(nd);
		goto out;
	}
	ret = -EINVAL;
	if (net_shown_status(nd) & ~status)
		goto out;
	status &= NET_STATUS_BITS;
	added = status & ~nd->status;
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    (nd->driver_features & needed) != needed)
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if ((added & VIRTIO_CONFIG_S_DRIVER_OK) &&
	    !(status & VIRTIO_CONFIG_S_FEATURES_OK))
		goto out;
	nd->status = status;
	ret = 0;
out:
	mutex_unlock(&nd->lock);
	if (!ret && (added & VIRTIO_CONFIG_S_DRIVER_OK))
		net_look_at_all(nd);
	return ret;
}

static u8 net_get_status(struct vhost_accel *va)
{
	struct net_dev *nd = to_net(va);
	u8 status;

	mutex_lock(&nd->lock);
	status = net_shown_status(nd);
	mutex_unlock(&nd->lock);
	return status;
}

static int net_get_config(struct vhost_accel *va, u32 off, void *buf, u32 len)
{
	struct net_dev *nd = to_net(va);
	struct virtio_net_config config = {
		.status = net_virtio16(VIRTIO_NET_S_LINK_UP),
		.max_virtqueue_pairs = net_virtio16(nd->pairs),
		.mtu = net_virtio16(NET_MTU),
	};

	if (!len || off > NET_CONFIG_SIZE || len > NET_CONFIG_SIZE - off)
		return -EINVAL;
	mutex_lock(&nd->lock);
	ether_addr_copy(config.mac, nd->mac);
	mutex_unlock(&nd->lock);
	memcpy(buf, (u8 *)&config + off, len);
	return 0;
}

static int net_set_config(struct vhost_accel *va, u32 off, const void *buf,
			  u32 len)
{
	struct net_dev *nd = to_net(va);

	if (!len || off > NET_CONFIG_SIZE || len > NET_CONFIG_SIZE - off)
		return -EINVAL;
	mutex_lock(&nd->lock);
	if (off < ETH_ALEN && !net_has(nd, VIRTIO_NET_F_CTRL_MAC_ADDR) &&
	    !(nd->status & VIRTIO_CONFIG_S_DRIVER_OK))
		memcpy(nd->mac + off, buf, min_t(u32, len, ETH_ALEN - off));
	mutex_unlock(&nd->lock);
	return 0;
}

static int net_set_vq_num(struct vhost_accel *va, u16 q, u32 num)
{
	struct net_dev *nd = to_net(va);
	int ret = 0;

	mutex_lock(&nd->lock);
	if (net_running(nd))
		ret = -EBUSY;
	else if (!is_power_of_2(num) || num > NET_MAX_NUM)
		ret = -EINVAL;
	else
		nd->vqs[q].num = num;
	mutex_unlock(&nd->lock);
	return ret;
}

static int net_set_vq_addr(struct vhost_accel *va, u16 q,
			   const struct vhost_vring_addr *addr)
{
	struct net_dev *nd = to_net(va);
	struct net_vq *vq = &nd->vqs[q];
	int ret = 0;

	mutex_lock(&nd->lock);
	if (net_running(nd)) {
		ret = -EBUSY;
	} else if (!IS_ALIGNED(addr->desc_user_addr, VRING_DESC_ALIGN_SIZE) ||
		   !IS_ALIGNED(addr->avail_user_addr, VRING_AVAIL_ALIGN_SIZE) ||
		   !IS_ALIGNED(addr->used_user_addr, VRING_USED_ALIGN_SIZE)) {
		ret = -EINVAL;
	} else {
		vq->desc = addr->desc_user_addr;
		vq->avail = addr->avail_user_addr;
		vq->used = addr->used_user_addr;
		vq->used_log = addr->flags & BIT(VHOST_VRING_F_LOG) ?
			       addr->log_guest_addr : vq->used;
		vq->has_addr = true;
	}
	mutex_unlock(&nd->lock);
	return ret;
}

static int net_set_vq_base(struct vhost_accel *va, u16 q, u32 base)
{
	struct net_dev *nd = to_net(va);
	struct net_vq *vq = &nd->vqs[q];
	int ret = 0;

	mutex_lock(&nd->lock);
	if (net_running(nd)) {
		ret = -EBUSY;
	} else if (base > U16_MAX) {
		ret = -EINVAL;
	} else {
		vq->last_avail = base;
		vq->last_used = base;
		vq->published = base;
		vq->unpublished = false;
	}
	mutex_unlock(&nd->lock);
	return ret;
}

static int net_set_vq_enable(struct vhost_accel *va, u16 q, bool enable)
{
	struct net_dev *nd = to_net(va);
	bool starts;

	mutex_lock(&nd->lock);
	starts = enable && !nd->vqs[q].enabled && net_running(nd);
	nd->vqs[q].enabled = enable;
	mutex_unlock(&nd->lock);
	if (starts) {
		set_bit(q, nd->kicked);
		net_wait_for_look(nd);
	}
	return 0;
}

static bool net_get_vq_enable(struct vhost_accel *va, u16 q)
{
	return READ_ONCE(to_net(va)->vqs[q].enabled);
}

static u16 net_get_vq_num(struct vhost_accel *va, u16 q)
{
	return READ_ONCE(to_net(va)->vqs[q].num) ?: va->max_num;
}

static u16 net_get_vq_base(struct vhost_accel *va, u16 q)
{
	struct net_dev *nd = to_net(va);
	u16 base;

	mutex_lock(&nd->lock);
	base = nd->vqs[q].last_avail;
	mutex_unlock(&nd->lock);
	return base;
}

static bool net_has_vq_addr(struct vhost_accel *va, u16 q)
{
	return READ_ONCE(to_net(va)->vqs[q].has_addr);
}

static void net_set_signal(struct vhost_accel *va, enum vhost_accel_event event,
			   u16 q, const struct vhost_accel_signal *signal)
{
	struct net_dev *nd = to_net(va);
	struct vhost_accel_signal *at = NULL;

	switch (event) {
	case VHOST_ACCEL_CALL:
		at = &nd->vqs[q].call;
		break;
	case VHOST_ACCEL_ERR:
		at = &nd->vqs[q].err;
		break;
	case VHOST_ACCEL_CONFIG:
		at = &nd->config;
		break;
	case VHOST_ACCEL_LOG:
		at = &nd->log;
		break;
	}
	mutex_lock(&nd->lock);
	net_put_signal(at);
	*at = *signal;
	mutex_unlock(&nd->lock);
}

static int net_suspend(struct vhost_accel *va)
{
	struct net_dev *nd = to_net(va);
	int ret = 0;

	mutex_lock(&nd->lock);
	if (nd->status & VIRTIO_CONFIG_S_DRIVER_OK)
		nd->suspended = true;
	else
		ret = -EINVAL;
	mutex_unlock(&nd->lock);
	return ret;
}

static int net_resume(struct vhost_accel *va)
{
	struct net_dev *nd = to_net(va);
	bool starts;

	mutex_lock(&nd->lock);
	starts = nd->suspended;
	nd->suspended = false;
	mutex_unlock(&nd->lock);
	if (starts)
		net_look_at_all(nd);
	return 0;
}

static void net_set_log(struct vhost_accel *va, struct mm_struct *mm, u64 base)
{
	struct net_dev *nd = to_net(va);

	mutex_lock(&nd->lock);
	if (nd->log_mm)
		mmdrop(nd->log_mm);
	nd->log_mm = base ? mm : NULL;
	nd->log_base = base;
	if (nd->log_mm)
		mmgrab(nd->log_mm);
	mutex_unlock(&nd->lock);
}

static struct page *net_doorbell(struct vhost_accel *va, u16 q)
{
	return to_net(va)->vqs[q].doorbell;
}

static const struct vhost_accel_ops net_ops = {
	.set_features = net_set_features,
	.get_features = net_get_features,
	.set_status = net_set_status,
	.get_status = net_get_status,
	.set_config = net_set_config,
	.get_config = net_get_config,
	.set_vq_num = net_set_vq_num,
	.set_vq_addr = net_set_vq_addr,
	.set_vq_base = net_set_vq_base,
	.set_vq_enable = net_set_vq_enable,
	.get_vq_enable = net_get_vq_enable,
	.get_vq_num = net_get_vq_num,
	.get_vq_base = net_get_vq_base,
	.has_vq_addr = net_has_vq_addr,
	.set_signal = net_set_signal,
	.kick = net_kick,
	.suspend = net_suspend,
	.resume = net_resume,
	.dma_map = net_dma_map,
	.dma_unmap = net_dma_unmap,
	.dma_swap = net_dma_swap,
	.set_log = net_set_log,
	.doorbell = net_doorbell,
	.doorbell_touched = net_doorbell_touched,
	.doorbell_mapped = net_doorbell_mapped,
};

static int net_counters_show(struct seq_file *seq, void *unused)
{
	static const char *const names[NET_NR_FAULTS] = {
		[NET_FAULT_TRANSLATION] = "translation",
		[NET_FAULT_INDEX] = "index",
		[NET_FAULT_CHAIN] = "chain",
		[NET_FAULT_INDIRECT] = "indirect",
		[NET_FAULT_DIRECTION] = "direction",
		[NET_FAULT_LENGTH] = "length",
	};
	struct net_dev *nd = seq->private;
	int i;

	mutex_lock(&nd->lock);
	seq_printf(seq, "frames %llu\nrx_dropped %llu\ntx_dropped %llu\n",
		   nd->frames, nd->rx_dropped, nd->tx_dropped);
	seq_printf(seq, "mappings %u\n", nd->iotlb->nmaps);
	for (i = 0; i < NET_NR_FAULTS; i++)
		seq_printf(seq, "fault_%s %llu\n", names[i], nd->faults[i]);
	mutex_unlock(&nd->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(net_counters);

static void net_free(struct net_dev *nd)
{
	u16 q;

	for (q = 0; q < nd->va.nvqs; q++)
		if (nd->vqs[q].doorbell)
			__free_page(nd->vqs[q].doorbell);
	if (nd->iotlb)
		vhost_iotlb_free(nd->iotlb);
	kvfree(nd->rx_chains);
	kvfree(nd->rx_segs);
	kvfree(nd->tx_segs);
	kvfree(nd);
}

/*
 * vhost_vdpa maps under the client's mmap_lock. A device that takes the mmap_lock
 * itself, to log or to pin, is of another interface, and never mapped so.
 */
static struct lock_class_key net_under_mmap_key, net_over_mmap_key;

struct vhost_accel *
vhost_accel_net_create(const char *name, const struct vhost_accel_host_ops *host,
		       void *private, u64 features, u16 nr_pairs)
{
	const u16 n = nr_pairs ?: pairs, nvqs = 2 * n + 1;
	struct net_dev *nd;
	u16 q;

	if (n > NET_MAX_PAIRS)
		return ERR_PTR(-EINVAL);
	nd = kvzalloc(struct_size(nd, vqs, nvqs), GFP_KERNEL);
	if (!nd)
		return ERR_PTR(-ENOMEM);
	nd->va.ops = &net_ops;
	nd->va.host = host;
	nd->va.private = private;
	nd->va.features = NET_FEATURES | features;
	if (n > 1)
		nd->va.features |= BIT_ULL(VIRTIO_NET_F_MQ);
	nd->va.device_id = VIRTIO_ID_NET;
	nd->va.config_size = NET_CONFIG_SIZE;
	nd->va.nvqs = nvqs;
	nd->va.max_num = NET_MAX_NUM;
	nd->pairs = n;
	nd->active_pairs = 1;
	mutex_init(&nd->lock);
	init_waitqueue_head(&nd->looked);
	if (host->dma_miss || (features & BIT_ULL(VHOST_F_LOG_ALL)))
		lockdep_set_class(&nd->lock, &net_over_mmap_key);
	else
		lockdep_set_class(&nd->lock, &net_under_mmap_key);
	nd->iotlb = vhost_iotlb_alloc(0, 0);
	eth_random_addr(nd->first_mac);
	ether_addr_copy(nd->mac, nd->first_mac);

	nd->tx_segs = kvcalloc(NET_MAX_NUM, sizeof(*nd->tx_segs), GFP_KERNEL);
	nd->rx_segs = kvcalloc(NET_RX_SEGS, sizeof(*nd->rx_segs), GFP_KERNEL);
	nd->rx_chains = kvcalloc(NET_MAX_NUM, sizeof(*nd->rx_chains),
				 GFP_KERNEL);
	if (!nd->iotlb || !nd->tx_segs || !nd->rx_segs || !nd->rx_chains)
		goto no_memory;
	for (q = 0; q < nvqs; q++) {
		struct net_vq *vq = &nd->vqs[q];

		vq->doorbell = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!vq->doorbell)
			goto no_memory;
		*(u32 *)page_address(vq->doorbell) = DOORBELL_IDLE;
	}

	nd->worker = kthread_create(net_worker, nd, "va-%s", name);
	if (IS_ERR(nd->worker)) {
		struct task_struct *worker = nd->worker;

		net_free(nd);
		return ERR_CAST(worker);
	}
	nd->debugfs = debugfs_create_file(name, 0400, net_debugfs, nd,
					  &net_counters_fops);
	wake_up_process(nd->worker);
	return &nd->va;

no_memory:
	net_free(nd);
	return ERR_PTR(-ENOMEM);
}
EXPORT_SYMBOL_GPL(vhost_accel_net_create);

/* The caller has seen to it that no client and no mapping is left. */
void vhost_accel_net_destroy(struct vhost_accel *va)
{
	struct net_dev *nd = to_net(va);

	debugfs_remove(nd->debugfs);
	kthread_stop(nd->worker);
	mutex_lock(&nd->lock);
	net_reset(nd);
	net_put_signal(&nd->config);
	mutex_unlock(&nd->lock);
	net_dma_unmap(va, 0, U64_MAX);
	net_free(nd);
}
EXPORT_SYMBOL_GPL(vhost_accel_net_destroy);

static int __init net_init(void)
{
	if (!pairs || pairs > NET_MAX_PAIRS)
		return -EINVAL;
	net_debugfs = debugfs_create_dir("vhost_accel_net", NULL);
	return 0;
}
module_init(net_init);

static void __exit net_exit(void)
{
	debugfs_remove(net_debugfs);
}
module_exit(net_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vhost-accel developers");
MODULE_DESCRIPTION("virtio-net loopback that walks its rings by itself");
