// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sample device is made and taken away; and what the module has beside
 * devices: a parameter, and their counters in debugfs.
 */
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/if_ether.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
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

u64 vhost_accel_net_features(void)
{
	return NET_FEATURES | BIT_ULL(VIRTIO_NET_F_MQ);
}
EXPORT_SYMBOL_GPL(vhost_accel_net_features);

static struct dentry *net_debugfs;

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
		       void *private, u64 host_features,
		       const struct vhost_accel_net_config *config)
{
	const u64 needed = BIT_ULL(VIRTIO_F_VERSION_1) |
			   BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
	const u16 n = config->pairs ?: pairs, nvqs = 2 * n + 1;
	u64 features = NET_FEATURES;
	struct net_dev *nd;
	u16 q;

	if (n > NET_MAX_PAIRS || (config->mtu && config->mtu < ETH_MIN_MTU) ||
	    (!is_zero_ether_addr(config->mac) &&
	     !is_valid_ether_addr(config->mac)))
		return ERR_PTR(-EINVAL);
	if (n > 1)
		features |= BIT_ULL(VIRTIO_NET_F_MQ);
	if (config->features) {
		if (needed & ~config->features || config->features & ~features)
			return ERR_PTR(-EINVAL);
		features = config->features;
	}
	nd = kvzalloc(struct_size(nd, vqs, nvqs), GFP_KERNEL);
	if (!nd)
		return ERR_PTR(-ENOMEM);
	nd->va.ops = &net_ops;
	nd->va.host = host;
	nd->va.private = private;
	nd->va.features = features | host_features;
	nd->va.device_id = VIRTIO_ID_NET;
	nd->va.config_size = NET_CONFIG_SIZE;
	nd->va.nvqs = nvqs;
	nd->va.max_num = NET_MAX_NUM;
	nd->pairs = n;
	nd->active_pairs = 1;
	mutex_init(&nd->lock);
	mutex_init(&nd->attach_lock);
	nd->rings = 1;
	init_waitqueue_head(&nd->looked);
	xa_init(&nd->log_pages);
	if (host->dma_miss || (host_features & BIT_ULL(VHOST_F_LOG_ALL)))
		lockdep_set_class(&nd->lock, &net_over_mmap_key);
	else
		lockdep_set_class(&nd->lock, &net_under_mmap_key);
	nd->iotlb = vhost_iotlb_alloc(0, 0);
	nd->mtu = config->mtu ?: NET_MTU;
	if (is_zero_ether_addr(config->mac))
		eth_random_addr(nd->first_mac);
	else
		ether_addr_copy(nd->first_mac, config->mac);
	ether_addr_copy(nd->mac, nd->first_mac);

	nd->tx_segs = kvcalloc(NET_MAX_NUM, sizeof(*nd->tx_segs), GFP_KERNEL);
	nd->rx_room = NET_RX_SEGS;
	nd->rx_segs = kvcalloc(NET_RX_SEGS, sizeof(*nd->rx_segs), GFP_KERNEL);
	nd->rx_chains = kvcalloc(NET_MAX_NUM, sizeof(*nd->rx_chains),
				 GFP_KERNEL);
	if (!nd->iotlb || !nd->tx_segs || !nd->rx_segs || !nd->rx_chains)
		goto no_memory;
	for (q = 0; q < nvqs; q++) {
		struct net_vq *vq = &nd->vqs[q];

		vq->doorbell = alloc_page(GFP_KERNEL);
		if (!vq->doorbell)
			goto no_memory;
		net_doorbell_clear(vq);
		vq->patience = DOORBELL_HOT_NS;
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
