// SPDX-License-Identifier: GPL-2.0-only
/* The vhost requests that all of our interfaces take. */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>

#include "client.h"

#define BACKEND_FEATURES (BIT_ULL(VHOST_BACKEND_F_SUSPEND) | \
			  BIT_ULL(VHOST_BACKEND_F_RESUME))

/* A kick eventfd, waited for and never read, as vhost does it. */
struct vhost_accel_kick {
	struct vhost_accel *va;
	u16 q;
	struct file *file;
	wait_queue_head_t *head;
	wait_queue_entry_t wait;
	poll_table table;
};

/* Under the eventfd's lock: the kick is done by whoever signals. */
static int kick_wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync,
		       void *key)
{
	struct vhost_accel_kick *kick =
		container_of(wait, struct vhost_accel_kick, wait);

	if (key_to_poll(key) & EPOLLIN)
		kick->va->ops->kick(kick->va, kick->q);
	return 0;
}

static void kick_queue(struct file *file, wait_queue_head_t *head,
		       poll_table *table)
{
	struct vhost_accel_kick *kick =
		container_of(table, struct vhost_accel_kick, table);

	kick->head = head;
	add_wait_queue(head, &kick->wait);
}

static void kick_remove(struct vhost_accel_kick *kick)
{
	if (!kick->file)
		return;
	remove_wait_queue(kick->head, &kick->wait);
	fput(kick->file);
	kick->file = NULL;
}

static int kick_set(struct vhost_accel_kick *kick, int fd)
{
	struct file *file = NULL;

	if (fd != VHOST_FILE_UNBIND) {
		file = eventfd_fget(fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	kick_remove(kick);
	if (!file)
		return 0;
	kick->file = file;
	/* Signalled before it was given to us: not lost. */
	if (vfs_poll(file, &kick->table) & EPOLLIN)
		kick->va->ops->kick(kick->va, kick->q);
	return 0;
}

int vhost_accel_client_init(struct vhost_accel_client *client,
			    struct vhost_accel *va, bool iova_range)
{
	u16 q;

	client->va = va;
	client->iova_range = iova_range;
	mutex_init(&client->lock);
	mutex_init(&client->map_lock);
	INIT_LIST_HEAD(&client->map_mms);
	client->kicks = kvcalloc(va->nvqs, sizeof(*client->kicks), GFP_KERNEL);
	if (!client->kicks)
		return -ENOMEM;
	for (q = 0; q < va->nvqs; q++) {
		struct vhost_accel_kick *kick = &client->kicks[q];

		kick->va = va;
		kick->q = q;
		init_waitqueue_func_entry(&kick->wait, kick_wakeup);
		init_poll_funcptr(&kick->table, kick_queue);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(vhost_accel_client_init);

static void forget_owner(struct vhost_accel_client *client)
{
	if (client->mm)
		mmdrop(client->mm);
	client->mm = NULL;
}

/* Status 0, and what of a reset is ours. */
void vhost_accel_client_reset(struct vhost_accel_client *client)
{
	u16 q;

	lockdep_assert_held(&client->lock);
	for (q = 0; q < client->va->nvqs; q++)
		kick_remove(&client->kicks[q]);
	client->va->ops->set_status(client->va, 0);
}
EXPORT_SYMBOL_GPL(vhost_accel_client_reset);

void vhost_accel_client_close(struct vhost_accel_client *client)
{
	mutex_lock(&client->map_lock);
	client->mapping = NULL;
	client->map_keep = false;
	mutex_unlock(&client->map_lock);
	mutex_lock(&client->lock);
	vhost_accel_client_reset(client);
	client->va->ops->forget_client(client->va);
	forget_owner(client);
	mutex_unlock(&client->lock);
}
EXPORT_SYMBOL_GPL(vhost_accel_client_close);

void vhost_accel_client_destroy(struct vhost_accel_client *client)
{
	kvfree(client->kicks);
}
EXPORT_SYMBOL_GPL(vhost_accel_client_destroy);

int vhost_accel_check_owner(const struct vhost_accel_client *client)
{
	return client->mm && client->mm == current->mm ? 0 : -EPERM;
}
EXPORT_SYMBOL_GPL(vhost_accel_check_owner);

struct eventfd_ctx *vhost_accel_eventfd(int fd)
{
	return fd == VHOST_FILE_UNBIND ? NULL : eventfd_ctx_fdget(fd);
}
EXPORT_SYMBOL_GPL(vhost_accel_eventfd);

static int set_event(struct vhost_accel *va, enum vhost_accel_event event, u16 q,
		     int fd)
{
	struct vhost_accel_signal signal = { .ctx = vhost_accel_eventfd(fd) };

	if (IS_ERR(signal.ctx))
		return PTR_ERR(signal.ctx);
	va->ops->set_signal(va, event, q, &signal);
	return 0;
}

static int set_vring_addr(struct vhost_accel *va, u16 q,
			  const struct vhost_vring_addr *addr)
{
	if (addr->flags & ~BIT(VHOST_VRING_F_LOG))
		return -EOPNOTSUPP;
	if (!IS_ALIGNED(addr->log_guest_addr, sizeof(u32)))
		return -EINVAL;
	return va->ops->set_vq_addr(va, q, addr);
}

/* Every argument begins with the queue's index. */
static int vring_request(struct vhost_accel_client *client, u32 cmd, void *arg)
{
	struct vhost_accel *va = client->va;
	struct vhost_vring_state *state = arg;
	struct vhost_vring_file *file = arg;
	int ret = vhost_accel_check_owner(client);
	u16 q;

	if (ret)
		return ret;
	if (state->index >= va->nvqs)
		return -ENOBUFS;
	q = array_index_nospec(state->index, va->nvqs);

	switch (cmd) {
	case VHOST_SET_VRING_NUM:
		return va->ops->set_vq_num(va, q, state->num);
	case VHOST_SET_VRING_ADDR:
		return set_vring_addr(va, q, arg);
	case VHOST_SET_VRING_BASE:
		return va->ops->set_vq_base(va, q, state->num);
	case VHOST_GET_VRING_BASE:
		state->num = va->ops->get_vq_base(va, q);
		return 0;
	case VHOST_SET_VRING_KICK:
		return kick_set(&client->kicks[q], file->fd);
	case VHOST_SET_VRING_CALL:
		return set_event(va, VHOST_ACCEL_CALL, q, file->fd);
	case VHOST_SET_VRING_ERR:
		return set_event(va, VHOST_ACCEL_ERR, q, file->fd);
	case VHOST_VDPA_SET_VRING_ENABLE:
		return va->ops->set_vq_enable(va, q, state->num);
	case VHOST_VDPA_GET_VRING_SIZE:
		state->num = va->ops->get_vq_num(va, q);
		return 0;
	default:
		return -ENOTTY;
	}
}

int vhost_accel_config_len(const struct vhost_accel_client *client,
			   const void *head)
{
	const struct vhost_vdpa_config *config = head;
	u32 size = client->va->config_size;

	if (!config->len || config->off > size || config->len > size - config->off)
		return -EINVAL;
	return sizeof(*config) + config->len;
}
EXPORT_SYMBOL_GPL(vhost_accel_config_len);

int vhost_accel_request(struct vhost_accel_client *client, u32 cmd, void *arg)
{
	struct vhost_accel *va = client->va;
	struct vhost_vdpa_config *config = arg;
	int ret;

	lockdep_assert_held(&client->lock);
	switch (cmd) {
	case VHOST_GET_FEATURES:
		*(u64 *)arg = va->features;
		return 0;
	case VHOST_SET_FEATURES:
		return va->ops->set_features(va, *(u64 *)arg);
	case VHOST_GET_BACKEND_FEATURES:
		*(u64 *)arg = BACKEND_FEATURES;
		return 0;
	case VHOST_SET_BACKEND_FEATURES:
		return *(u64 *)arg & ~BACKEND_FEATURES ? -EOPNOTSUPP : 0;
	case VHOST_SET_OWNER:
		if (client->mm)
			return -EBUSY;
		client->mm = current->mm;
		mmgrab(client->mm);
		return 0;
	case VHOST_RESET_OWNER:
		ret = vhost_accel_check_owner(client);
		if (ret)
			return ret;
		vhost_accel_client_reset(client);
		forget_owner(client);
		return 0;
	case VHOST_SET_LOG_BASE:
		ret = vhost_accel_check_owner(client);
		if (!ret)
			va->ops->set_log(va, client->mm, *(u64 *)arg);
		return ret;
	case VHOST_SET_LOG_FD:
		ret = vhost_accel_check_owner(client);
		return ret ?: set_event(va, VHOST_ACCEL_LOG, 0, *(int *)arg);
	case VHOST_VDPA_GET_DEVICE_ID:
		*(u32 *)arg = va->device_id;
		return 0;
	case VHOST_VDPA_GET_STATUS:
		*(u8 *)arg = va->ops->get_status(va);
		return 0;
	case VHOST_VDPA_SET_STATUS:
		if (*(u8 *)arg)
			return va->ops->set_status(va, *(u8 *)arg);
		vhost_accel_client_reset(client);
		return 0;
	case VHOST_VDPA_GET_CONFIG:
		return va->ops->get_config(va, config->off, config->buf,
					   config->len);
	case VHOST_VDPA_SET_CONFIG:
		return va->ops->set_config(va, config->off, config->buf,
					   config->len);
	case VHOST_VDPA_GET_CONFIG_SIZE:
		*(u32 *)arg = va->config_size;
		return 0;
	case VHOST_VDPA_GET_VRING_NUM:
		*(u16 *)arg = va->max_num;
		return 0;
	case VHOST_VDPA_GET_VQS_COUNT:
		*(u32 *)arg = va->nvqs;
		return 0;
	case VHOST_VDPA_SET_CONFIG_CALL:
		return set_event(va, VHOST_ACCEL_CONFIG, 0, *(int *)arg);
	case VHOST_VDPA_GET_IOVA_RANGE:
		if (!client->iova_range)
			return -ENOTTY;
		*(struct vhost_vdpa_iova_range *)arg =
			(struct vhost_vdpa_iova_range){ .last = U64_MAX };
		return 0;
	case VHOST_VDPA_SUSPEND:
		return va->ops->suspend(va);
	case VHOST_VDPA_RESUME:
		return va->ops->resume(va);
	default:
		return vring_request(client, cmd, arg);
	}
}
EXPORT_SYMBOL_GPL(vhost_accel_request);

bool vhost_accel_known(u32 cmd)
{
	switch (cmd) {
	case VHOST_GET_FEATURES:
	case VHOST_SET_FEATURES:
	case VHOST_GET_BACKEND_FEATURES:
	case VHOST_SET_BACKEND_FEATURES:
	case VHOST_SET_OWNER:
	case VHOST_RESET_OWNER:
	case VHOST_SET_LOG_BASE:
	case VHOST_SET_LOG_FD:
	case VHOST_SET_VRING_NUM:
	case VHOST_SET_VRING_ADDR:
	case VHOST_SET_VRING_BASE:
	case VHOST_GET_VRING_BASE:
	case VHOST_SET_VRING_KICK:
	case VHOST_SET_VRING_CALL:
	case VHOST_SET_VRING_ERR:
	case VHOST_VDPA_GET_DEVICE_ID:
	case VHOST_VDPA_GET_STATUS:
	case VHOST_VDPA_SET_STATUS:
	case VHOST_VDPA_GET_CONFIG:
	case VHOST_VDPA_SET_CONFIG:
	case VHOST_VDPA_SET_VRING_ENABLE:
	case VHOST_VDPA_GET_VRING_NUM:
	case VHOST_VDPA_SET_CONFIG_CALL:
	case VHOST_VDPA_GET_IOVA_RANGE:
	case VHOST_VDPA_GET_CONFIG_SIZE:
	case VHOST_VDPA_SUSPEND:
	case VHOST_VDPA_RESUME:
	case VHOST_VDPA_GET_VQS_COUNT:
	case VHOST_VDPA_GET_VRING_SIZE:
		return true;
	default:
		return false;
	}
}
EXPORT_SYMBOL_GPL(vhost_accel_known);

int vhost_accel_get_arg(struct vhost_accel_client *client, u32 cmd, void *arg,
			const void __user *uarg)
{
	bool config = cmd == VHOST_VDPA_GET_CONFIG ||
		      cmd == VHOST_VDPA_SET_CONFIG;
	/* GET_CONFIG is declared to read only, but its head comes in. */
	bool in = (_IOC_DIR(cmd) & _IOC_WRITE) || config;
	int len = _IOC_SIZE(cmd);

	if (in && copy_from_user(arg, uarg, len))
		return -EFAULT;
	if (!config)
		return len;
	len = vhost_accel_config_len(client, arg);
	if (len > 0 && copy_from_user(arg + sizeof(struct vhost_vdpa_config),
				      uarg + sizeof(struct vhost_vdpa_config),
				      len - sizeof(struct vhost_vdpa_config)))
		return -EFAULT;
	return len;
}
EXPORT_SYMBOL_GPL(vhost_accel_get_arg);

long vhost_accel_ioctl(struct vhost_accel_client *client, u32 cmd,
		       void __user *uarg)
{
	u8 arg[VHOST_ACCEL_MAX_ARG] __aligned(8) = {};
	int len, ret;

	if (!vhost_accel_known(cmd))
		return -ENOTTY;
	len = vhost_accel_get_arg(client, cmd, arg, uarg);
	if (len < 0)
		return len;
	if (mutex_lock_killable(&client->lock))
		return -EINTR;
	ret = vhost_accel_request(client, cmd, arg);
	mutex_unlock(&client->lock);
	if (!ret && (_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(uarg, arg, len))
		ret = -EFAULT;
	return ret;
}
EXPORT_SYMBOL_GPL(vhost_accel_ioctl);
