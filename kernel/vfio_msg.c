// SPDX-License-Identifier: GPL-2.0-only
/*
 * #1/A: vhost requests as messages in the CONFIG region. docs/abi.md, section 3,
 * has what is checked, in this order, and what the posting did instead.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>

#include "vfio.h"

#define RUNNING (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
		 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* 1: a get, that has a reply. 0: a set. ENOTTY: not taken. */
static int msg_is_get(u64 request)
{
	switch (request) {
	case VHOST_GET_FEATURES:
	case VHOST_GET_BACKEND_FEATURES:
	case VHOST_GET_VRING_BASE:
	case VHOST_VDPA_GET_DEVICE_ID:
	case VHOST_VDPA_GET_STATUS:
	case VHOST_VDPA_GET_CONFIG:
	case VHOST_VDPA_GET_VRING_NUM:
	case VHOST_VDPA_GET_CONFIG_SIZE:
	case VHOST_VDPA_GET_VQS_COUNT:
	case VHOST_VDPA_GET_VRING_SIZE:
		return 1;
	case VHOST_SET_FEATURES:
	case VHOST_SET_BACKEND_FEATURES:
	case VHOST_SET_OWNER:
	case VHOST_RESET_OWNER:
	case VHOST_SET_LOG_BASE:
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_ADDR:
	case VHOST_SET_VRING_BASE:
	case VHOST_VDPA_SET_STATUS:
	case VHOST_VDPA_SET_CONFIG:
	case VHOST_VDPA_SET_VRING_ENABLE:
	case VHOST_VDPA_SUSPEND:
	case VHOST_VDPA_RESUME:
	case VHOST_DEVICE_SET_STATE:
		return 0;
	default:
		return -ENOTTY;
	}
}

/* The payload that a request has; config space accesses say it themselves. */
static bool msg_size_fits(u32 request, const void *payload, u32 size)
{
	const struct vhost_vdpa_config *config = payload;

	if (request != VHOST_VDPA_GET_CONFIG && request != VHOST_VDPA_SET_CONFIG)
		return size == _IOC_SIZE(request);
	return size >= sizeof(*config) && config->len == size - sizeof(*config);
}

/* RFC v2's own way to start and stop: all vrings at once. */
static int set_state(struct vfio_vhost *vv, u64 state)
{
	struct vhost_accel *va = vv->va;
	u16 *bases, q;
	int ret;

	switch (state) {
	case VHOST_DEVICE_S_RUNNING:
		ret = va->ops->set_status(va, va->ops->get_status(va) | RUNNING);
		for (q = 0; !ret && q < va->nvqs; q++)
			if (va->ops->has_vq_addr(va, q))
				ret = va->ops->set_vq_enable(va, q, true);
		return ret;
	case VHOST_DEVICE_S_STOPPED:
		bases = kvcalloc(va->nvqs, sizeof(*bases), GFP_KERNEL);
		if (!bases)
			return -ENOMEM;
		/* At a chain boundary: what is read next is what is kept. */
		va->ops->suspend(va);
		for (q = 0; q < va->nvqs; q++)
			bases[q] = va->ops->get_vq_base(va, q);
		vhost_accel_client_reset(&vv->client);
		for (q = 0; q < va->nvqs; q++)
			va->ops->set_vq_base(va, q, bases[q]);
		kvfree(bases);
		return 0;
	default:
		return -EINVAL;
	}
}

/* Carries out the first message of @len bytes; its length. */
static ssize_t msg_one(struct vfio_vhost *vv, const u8 *bytes, size_t len)
{
	struct vhost_vfio_op head;
	u8 *payload = vv->reply.payload;
	u8 *arg = vv->arg;
	size_t room;
	int get, ret;

	if (len < sizeof(head))
		return -EINVAL;
	memcpy(&head, bytes, sizeof(head));
	room = len - sizeof(head);
	if (head.size > VHOST_VFIO_MAX_PAYLOAD ||
	    (head.flags & ~VHOST_VFIO_NEED_REPLY) || head.size > room)
		return -EINVAL;
	get = msg_is_get(head.request);
	if (get < 0)
		return get;
	memcpy(arg, bytes + sizeof(head), head.size);
	if (!msg_size_fits(head.request, arg, head.size) ||
	    get != !!(head.flags & VHOST_VFIO_NEED_REPLY) ||
	    (get && head.size != room))
		return -EINVAL;

	if (head.request == VHOST_DEVICE_SET_STATE)
		ret = set_state(vv, *(u64 *)arg);
	else
		ret = vhost_accel_request(&vv->client, head.request, arg);
	if (ret)
		return ret;
	if (get) {
		vv->reply.head = head;
		vv->reply.head.flags = 0;
		memcpy(payload, arg, head.size);
		vv->reply_len = sizeof(head) + head.size;
	}
	return sizeof(head) + head.size;
}

/* As write(2): a short count, and the rest written again says what is wrong. */
ssize_t vfio_vhost_msg_write(struct vfio_vhost *vv, const char __user *buf,
			     size_t count, u64 offset)
{
	size_t done = 0;
	ssize_t ret;
	u8 *bytes;

	if (offset || !count || count > VHOST_VFIO_MAX_BATCH)
		return -EINVAL;
	bytes = vmemdup_user(buf, count);
	if (IS_ERR(bytes))
		return PTR_ERR(bytes);
	ret = mutex_lock_killable(&vv->client.lock);
	if (ret)
		goto free;
	do {
		/* A message may wait for the device, and there are thousands. */
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else
			ret = msg_one(vv, bytes + done, count - done);
		if (ret > 0)
			done += ret;
	} while (ret > 0 && done < count);
	mutex_unlock(&vv->client.lock);
free:
	kvfree(bytes);
	return done ?: ret;
}

ssize_t vfio_vhost_msg_read(struct vfio_vhost *vv, char __user *buf,
			    size_t count, u64 offset)
{
	ssize_t ret;

	if (offset)
		return -EINVAL;
	ret = mutex_lock_killable(&vv->client.lock);
	if (ret)
		return ret;
	if (!vv->reply_len) {
		ret = -EAGAIN;
	} else if (count != vv->reply_len) {
		ret = -EINVAL;
	} else if (copy_to_user(buf, &vv->reply, count)) {
		ret = -EFAULT;
	} else {
		vv->reply_len = 0;
		ret = count;
	}
	mutex_unlock(&vv->client.lock);
	return ret;
}
