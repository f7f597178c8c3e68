// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is asked of the sample device: features, status, config space, vring
 * setup, and the reset that undoes them. docs/abi.md, section 1, is its
 * specification.
 */
#include <linux/cgroup.h>
#include <linux/etherdevice.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "net.h"

#define NET_STATUS_BITS	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_DRIVER_OK | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)

static bool net_running(const struct net_dev *nd)
{
	return (nd->status & VIRTIO_CONFIG_S_DRIVER_OK) && !nd->suspended;
}

/* The counters are the device's, not its client's: they go on. */
void net_reset(struct net_dev *nd)
{
	u16 q;

	lockdep_assert_held(&nd->lock);
	nd->status = 0;
	nd->suspended = false;
	nd->driver_features = 0;
	net_rings_changed(nd);
	nd->active_pairs = 1;
	nd->nr_faulted = 0;
	ether_addr_copy(nd->mac, nd->first_mac);
	nd->generation++;
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
	net_put_signal(&nd->log_signal);
	net_log_set(nd, NULL, 0);
	net_end_search(nd);
	nd->log_dirty = false;
}

#ifdef CONFIG_CGROUPS
static bool net_charged_like(const struct net_dev *nd,
			     const struct task_struct *task)
{
	return rcu_access_pointer(nd->worker->cgroups) ==
	       rcu_access_pointer(task->cgroups);
}
#else
static bool net_charged_like(const struct net_dev *nd,
			     const struct task_struct *task)
{
	return true;
}
#endif

/*
 * The worker runs at the expense of @task: in its cgroups, as a vhost worker runs
 * in its owner's. A vDPA parent doesn't know its owner, so it is who starts the
 * device, until the reset. Moving takes a grace period, and is seldom needed.
 */
static int net_charge(struct net_dev *nd, struct task_struct *task)
{
	int ret = 0;

	mutex_lock(&nd->attach_lock);
	if (!net_charged_like(nd, task))
		ret = cgroup_attach_task_all(task, nd->worker);
	mutex_unlock(&nd->attach_lock);
	return ret;
}

/*
 * Looks at every ring once: a kick may have come before there was a device. When
 * this returns it was done, and only kicks count.
 */
static int net_look_at_all(struct net_dev *nd)
{
	bitmap_set(nd->kicked, 0, nd->va.nvqs);
	return net_wait_for_look(nd);
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
	lockdep_assert_held(&nd->lock);
	return nd->status |
	       (nd->nr_faulted ? VIRTIO_CONFIG_S_NEEDS_RESET : 0);
}

/* Bits that are not a driver's are ignored. */
static int net_set_status(struct vhost_accel *va, u8 status)
{
	const u64 needed = BIT_ULL(VIRTIO_F_VERSION_1) |
			   BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
	struct net_dev *nd = to_net(va);
	int ret = 0;
	u8 added;

	if ((status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	    !(READ_ONCE(nd->status) & VIRTIO_CONFIG_S_DRIVER_OK)) {
		ret = net_charge(nd, current);
		if (ret)
			return ret;
	}
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
	net_rings_changed(nd);
	ret = 0;
out:
	mutex_unlock(&nd->lock);
	if (!status) {
		net_wait_for_search(nd);
		net_charge(nd, &init_task);
	}
	if (!ret && (added & VIRTIO_CONFIG_S_DRIVER_OK))
		ret = net_look_at_all(nd);
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
		.mtu = net_virtio16(nd->mtu),
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
	    !(nd->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
		memcpy(nd->mac + off, buf, min_t(u32, len, ETH_ALEN - off));
		nd->generation++;
	}
	mutex_unlock(&nd->lock);
	return 0;
}

static u32 net_get_generation(struct vhost_accel *va)
{
	return READ_ONCE(to_net(va)->generation);
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
	net_rings_changed(nd);
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
		net_rings_changed(nd);
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
		net_rings_changed(nd);
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
	net_rings_changed(nd);
	mutex_unlock(&nd->lock);
	if (!starts)
		return 0;
	set_bit(q, nd->kicked);
	return net_wait_for_look(nd);
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
		at = &nd->log_signal;
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
	net_rings_changed(nd);
	mutex_unlock(&nd->lock);
	return starts ? net_look_at_all(nd) : 0;
}

static void net_set_log(struct vhost_accel *va, struct mm_struct *mm, u64 base)
{
	struct net_dev *nd = to_net(va);

	mutex_lock(&nd->lock);
	net_log_set(nd, mm, base);
	mutex_unlock(&nd->lock);
}

static struct page *net_doorbell(struct vhost_accel *va, u16 q)
{
	return to_net(va)->vqs[q].doorbell;
}

static void net_forget_client(struct vhost_accel *va)
{
	struct net_dev *nd = to_net(va);
	u16 q;

	mutex_lock(&nd->lock);
	net_put_signal(&nd->config);
	/* Whoever comes next doesn't pay for doorbells that nobody used. */
	for_each_set_bit(q, nd->open, va->nvqs) {
		net_doorbell_clear(&nd->vqs[q]);
		clear_bit(q, nd->hot);
		clear_bit(q, nd->open);
	}
	mutex_unlock(&nd->lock);
}

const struct vhost_accel_ops net_ops = {
	.set_features = net_set_features,
	.get_features = net_get_features,
	.set_status = net_set_status,
	.get_status = net_get_status,
	.set_config = net_set_config,
	.get_config = net_get_config,
	.get_generation = net_get_generation,
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
	.dma_flush = net_dma_flush,
	.set_log = net_set_log,
	.doorbell = net_doorbell,
	.doorbell_touched = net_doorbell_touched,
	.doorbell_mapped = net_doorbell_mapped,
	.forget_client = net_forget_client,
};
