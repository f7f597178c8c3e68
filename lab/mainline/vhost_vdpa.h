/* SPDX-License-Identifier: GPL-2.0-only */
/* What patches/ add to <linux/vhost.h> and <linux/vhost_types.h>. */
#ifndef VHOST_VDPA_H
#define VHOST_VDPA_H

#include "../faults/client.h"

#define VHOST_BACKEND_F_VRING_BATCH 9

struct vhost_vring_request {
	uint32_t request;
	uint32_t reserved;
	union {
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct vhost_vring_file file;
	};
};

struct vhost_vring_batch {
	uint32_t count;
	uint32_t done;
	uint64_t requests;
};

#define VHOST_VDPA_VRING_BATCH _IOWR(VHOST_VIRTIO, 0x86, struct vhost_vring_batch)

/* How many requests a vring needs before its device starts. */
#define REQUESTS 6

static inline void requests_of(struct vhost_vring_request *to, int q, unsigned int num,
			       uint64_t base, int kick, int call)
{
	struct vhost_vring_request all[REQUESTS] = {
		{ .request = VHOST_SET_VRING_NUM, .state = { q, num } },
		{ .request = VHOST_SET_VRING_BASE, .state = { q, 0 } },
		{ .request = VHOST_SET_VRING_ADDR, .addr = {
			.index = q,
			.desc_user_addr = base,
			.avail_user_addr = base + AVAIL,
			.used_user_addr = base + USED,
		} },
		{ .request = VHOST_SET_VRING_KICK, .file = { q, kick } },
		{ .request = VHOST_SET_VRING_CALL, .file = { q, call } },
		{ .request = VHOST_VDPA_SET_VRING_ENABLE, .state = { q, 1 } },
	};

	memcpy(to, all, sizeof(all));
}

/* The device with an owner; whether it takes batches, if that is asked. */
static inline int vdpa_open(const char *node, bool *batch)
{
	int fd = CHECK(open(node, O_RDWR));
	uint64_t features;

	CHECK(ioctl(fd, VHOST_GET_BACKEND_FEATURES, &features));
	*batch = *batch && features & BIT(VHOST_BACKEND_F_VRING_BATCH);
	features &= BIT(VHOST_BACKEND_F_IOTLB_MSG_V2) |
		    (*batch ? BIT(VHOST_BACKEND_F_VRING_BATCH) : 0);
	CHECK(ioctl(fd, VHOST_SET_BACKEND_FEATURES, &features));
	return fd;
}

static inline int run_batch(int fd, struct vhost_vring_request *requests, uint32_t count,
			    uint32_t *done)
{
	struct vhost_vring_batch batch = { .count = count, .done = -1, .requests = (uint64_t)requests };
	int ret = ioctl(fd, VHOST_VDPA_VRING_BATCH, &batch) ? -errno : 0;

	*done = batch.done;
	return ret;
}

#endif
