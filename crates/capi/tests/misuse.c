/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Every function of the library, used wrongly: it answers an errno, and goes on. */
#include <errno.h>
#include <stdio.h>
#include <vhost_accel.h>

static int wrong;

/* That `call` answers `expected`, and a failure has words. */
#define IS(call, expected) is(call, expected, #call)

static void is(int answer, int expected, const char *call)
{
	if (answer != expected || (answer < 0 && !*vhost_accel_last_error())) {
		fprintf(stderr, "%s answers %d and not %d: %s\n", call, answer, expected,
			vhost_accel_last_error());
		wrong = 1;
	}
}

/* A state without vrings, and one of a version to come. */
static const char nothing[] =
	"{\"version\":1,\"device_id\":1,\"features\":0,\"config\":[],\"vrings\":[]}";
static const char later[] =
	"{\"version\":2,\"device_id\":1,\"features\":0,\"config\":[],\"vrings\":[]}";

/* Every function that takes a device, with one that is none. */
static void no_device(struct vhost_accel_device *d, int expected)
{
	struct vhost_accel_vring vring = { .size = 8, .call = -1, .enabled = 1 };
	struct vhost_accel_mapping mapping = { .len = 4096, .access = VHOST_ACCEL_READ_WRITE };
	struct vhost_accel_dma_limits limits;
	struct vhost_accel_kicker *kicker;
	struct vhost_accel_info info;
	uint64_t word = 0;
	uint32_t half;
	uint8_t byte = 0;
	char text[8];
	int fd;

	IS(vhost_accel_close(d), expected);
	IS(vhost_accel_get_info(d, &info), expected);
	IS(vhost_accel_path(d, text, sizeof(text)), expected);
	IS(vhost_accel_device_fd(d, &fd), expected);
	IS(vhost_accel_phase(d), expected);
	IS(vhost_accel_features(d, &word), expected);
	IS(vhost_accel_negotiate(d, 0, &word), expected);
	IS(vhost_accel_negotiated(d, &word), expected);
	IS(vhost_accel_withheld(d, &word), expected);
	IS(vhost_accel_status(d, &byte), expected);
	IS(vhost_accel_config_size(d, &half), expected);
	IS(vhost_accel_read_config(d, 0, &byte, 1), expected);
	IS(vhost_accel_write_config(d, 0, &byte, 1), expected);
	IS(vhost_accel_setup_vring(d, &vring), expected);
	IS(vhost_accel_setup_vrings(d, &vring, 1), expected);
	IS(vhost_accel_enable_vring(d, 0, 1), expected);
	IS(vhost_accel_vring_base(d, 0, &half), expected);
	IS(vhost_accel_set_call(d, 0, -1), expected);
	IS(vhost_accel_set_error(d, 0, -1), expected);
	IS(vhost_accel_set_config_call(d, -1), expected);
	IS(vhost_accel_kicker_open(d, 0, VHOST_ACCEL_KICK_BEST, -1, &kicker), expected);
	IS(vhost_accel_dma_map(d, &mapping), expected);
	IS(vhost_accel_dma_map_all(d, &mapping, 1), expected);
	IS(vhost_accel_dma_unmap(d, 0, 4096), expected);
	IS(vhost_accel_dma_update(d, NULL, 0, &mapping, 1, 0), expected);
	IS(vhost_accel_get_dma_limits(d, &limits, NULL, 0), expected);
	IS(vhost_accel_set_dirty_log(d, &word, 8), expected);
	IS(vhost_accel_start(d), expected);
	IS(vhost_accel_suspend(d), expected);
	IS(vhost_accel_resume(d), expected);
	IS(vhost_accel_reset(d), expected);
	IS(vhost_accel_save(d, &vring, 1, text, sizeof(text)), expected);
	IS(vhost_accel_restore(d, nothing, NULL, 0), expected);
}


/* Every function that takes a kicker or a page, with one that is none. */
static void no_kicker(void *k, int expected)
{
	struct vhost_accel_page_info info;
	struct vhost_accel_page *page;
	int fd;

	IS(vhost_accel_kick(k), expected);
	IS(vhost_accel_kick_with(k, 1), expected);
	IS(vhost_accel_kicker_queue(k), expected);
	IS(vhost_accel_kicker_kind(k), expected);
	IS(vhost_accel_kicker_eventfd(k, &fd), expected);
	IS(vhost_accel_page_open(k, &page, &info), expected);
	IS(vhost_accel_kicker_close(k), expected);
	IS(vhost_accel_page_close(k), expected);
}

/* Pointers that are NULL where something is wanted or given, and values that stand for nothing. */
static void bad_arguments(struct vhost_accel_device *d)
{
	struct vhost_accel_vring vring = { .size = 8, .call = -1, .enabled = 2 };
	struct vhost_accel_mapping mapping = { .len = 4096, .access = 4 };
	struct vhost_accel_kicker *kicker;
	char *odd = (char *)&mapping + 1;
	const int minus_two = -2;

	IS(vhost_accel_get_info(d, NULL), -EINVAL);
	IS(vhost_accel_get_info(d, (void *)odd), -EINVAL);
	IS(vhost_accel_path(d, NULL, 8), -EINVAL);
	IS(vhost_accel_devices(NULL, 8), -EINVAL);
	IS(vhost_accel_device_fd(d, NULL), -EINVAL);
	IS(vhost_accel_features(d, NULL), -EINVAL);
	IS(vhost_accel_negotiate(d, 0, NULL), -EINVAL);
	IS(vhost_accel_negotiated(d, NULL), -EINVAL);
	IS(vhost_accel_withheld(d, NULL), -EINVAL);
	IS(vhost_accel_status(d, NULL), -EINVAL);
	IS(vhost_accel_config_size(d, NULL), -EINVAL);
	IS(vhost_accel_read_config(d, 0, NULL, 1), -EINVAL);
	IS(vhost_accel_write_config(d, 0, NULL, 1), -EINVAL);
	IS(vhost_accel_setup_vring(d, NULL), -EINVAL);
	IS(vhost_accel_setup_vring(d, &vring), -EINVAL);
	IS(vhost_accel_setup_vrings(d, NULL, 1), -EINVAL);
	IS(vhost_accel_setup_vrings(d, &vring, (size_t)-1), -EINVAL);
	IS(vhost_accel_enable_vring(d, 0, 2), -EINVAL);
	IS(vhost_accel_vring_base(d, 0, NULL), -EINVAL);
	IS(vhost_accel_set_call(d, 0, -2), -EBADF);
	IS(vhost_accel_set_error(d, 0, -2), -EBADF);
	IS(vhost_accel_set_config_call(d, -2), -EBADF);
	IS(vhost_accel_kicker_open(d, 0, VHOST_ACCEL_KICK_BEST, -1, NULL), -EINVAL);
	IS(vhost_accel_kicker_open(d, 0, 9, -1, &kicker), -EINVAL);
	IS(vhost_accel_kicker_open(d, 0, VHOST_ACCEL_KICK_DOORBELL, 0, &kicker), -EINVAL);
	IS(vhost_accel_kicker_open(d, 0, VHOST_ACCEL_KICK_EVENTFD, -2, &kicker), -EBADF);
	IS(vhost_accel_dma_map(d, NULL), -EINVAL);
	IS(vhost_accel_dma_map(d, &mapping), -EINVAL);
	IS(vhost_accel_dma_map_all(d, NULL, 1), -EINVAL);
	IS(vhost_accel_dma_update(d, NULL, 1, NULL, 0, 0), -EINVAL);
	IS(vhost_accel_dma_update(d, NULL, 0, NULL, 1, 0), -EINVAL);
	IS(vhost_accel_dma_update(d, NULL, 0, NULL, 0, 2), -EINVAL);
	IS(vhost_accel_get_dma_limits(d, NULL, NULL, 0), -EINVAL);
	IS(vhost_accel_set_dirty_log(d, (void *)odd, 8), -EINVAL);
	IS(vhost_accel_save(d, NULL, 1, odd, 1), -EINVAL);
	IS(vhost_accel_save(d, &vring, 1, odd, 1), -EINVAL);
	IS(vhost_accel_restore(d, NULL, NULL, 0), -EINVAL);
	IS(vhost_accel_restore(d, "no state", NULL, 0), -EINVAL);
	IS(vhost_accel_restore(d, "\xff", NULL, 0), -EINVAL);
	IS(vhost_accel_restore(d, later, NULL, 0), -EINVAL);
	IS(vhost_accel_restore(d, nothing, NULL, 1), -EINVAL);
	IS(vhost_accel_restore(d, nothing, &minus_two, 1), -EINVAL);
	/* Nothing at all is fine. */
	IS(vhost_accel_dma_map_all(d, NULL, 0), 0);
	IS(vhost_accel_dma_update(d, NULL, 0, NULL, 0, 0), 0);
}

/* Ranges, sizes, addresses and queues that the device hasn't got. It is negotiated and maps `m`. */
static void out_of_range(struct vhost_accel_device *d, const struct vhost_accel_info *info,
			 const struct vhost_accel_mapping *m, const struct vhost_accel_vring *right)
{
	int errnos = info->capabilities & VHOST_ACCEL_CAP_DMA_ERRNO;
	struct vhost_accel_mapping mapping = *m;
	struct vhost_accel_vring vring = *right;
	uint16_t none = info->queue_count;
	struct vhost_accel_kicker *kicker;

	IS(vhost_accel_dma_map(d, m), errnos ? -EEXIST : -EFAULT);
	mapping.iova *= 2;
	mapping.len = 0;
	IS(vhost_accel_dma_map(d, &mapping), -EINVAL);
	mapping.len = 4095;
	IS(vhost_accel_dma_map(d, &mapping), -EINVAL);
	mapping.iova = ~4095ull;
	mapping.len = 8192;
	IS(vhost_accel_dma_map(d, &mapping), -EINVAL);
	IS(vhost_accel_dma_unmap(d, 4 * m->iova, 4096), errnos ? -ENOENT : 0);
	IS(vhost_accel_dma_unmap(d, 4 * m->iova, 0), -EINVAL);

	vring.size = 7;
	IS(vhost_accel_setup_vring(d, &vring), -EINVAL);
	vring = *right;
	vring.desc++;
	IS(vhost_accel_setup_vring(d, &vring), -EINVAL);
	vring = *right;
	vring.avail++;
	IS(vhost_accel_setup_vring(d, &vring), -EINVAL);
	vring = *right;
	vring.used += 2;
	IS(vhost_accel_setup_vring(d, &vring), -EINVAL);
	vring = *right;
	vring.base = 1u << 16;
	IS(vhost_accel_setup_vring(d, &vring), -EINVAL);
	vring = *right;
	vring.queue = none;
	IS(vhost_accel_setup_vring(d, &vring), -ENOBUFS);
	IS(vhost_accel_enable_vring(d, none, 1), -ENOBUFS);
	IS(vhost_accel_set_call(d, none, -1), -ENOBUFS);
	IS(vhost_accel_kicker_open(d, none, VHOST_ACCEL_KICK_BEST, -1, &kicker), -ENOBUFS);
}

/* What may not come while the vrings run, and while they stand still. */
static void running(struct vhost_accel_device *d, const struct vhost_accel_info *info,
		    const struct vhost_accel_vring *vring)
{
	int suspends = info->capabilities & VHOST_ACCEL_CAP_SUSPEND;
	int resumes = info->capabilities & VHOST_ACCEL_CAP_RESUME;
	const int polled = -1, minus_two = -2;
	uint64_t features = 77;
	char state[1024], small[8];
	int len;

	IS(vhost_accel_setup_vring(d, vring), 0);
	IS(vhost_accel_start(d), 0);
	IS(vhost_accel_start(d), -EBUSY);
	IS(vhost_accel_setup_vring(d, vring), -EBUSY);
	IS(vhost_accel_negotiate(d, ~0ull, &features), -EBUSY);
	/* What a failed call would have written is left as it was. */
	IS(features == 77, 1);
	IS(vhost_accel_resume(d), resumes ? -EBUSY : -EOPNOTSUPP);
	IS(vhost_accel_suspend(d), suspends ? 0 : -EOPNOTSUPP);
	if (suspends) {
		IS(vhost_accel_suspend(d), -EBUSY);
		IS(vhost_accel_start(d), -EBUSY);
		len = vhost_accel_save(d, vring, 1, state, sizeof(state));
		IS(len > 0 && (size_t)len < sizeof(state) && !state[len], 1);
		IS(vhost_accel_save(d, vring, 1, NULL, 0), len);
		IS(vhost_accel_save(d, vring, 1, small, sizeof(small)), len);
		IS(small[sizeof(small) - 1], 0);
		IS(vhost_accel_restore(d, state, &polled, 1), -EBUSY);
		IS(vhost_accel_resume(d), resumes ? 0 : -EOPNOTSUPP);
	} else {
		IS(vhost_accel_save(d, vring, 1, state, sizeof(state)), -EOPNOTSUPP);
	}
	IS(vhost_accel_reset(d), 0);
	IS(vhost_accel_phase(d), VHOST_ACCEL_PHASE_FRESH);
	IS(vhost_accel_setup_vring(d, vring), -EBUSY);
	IS(vhost_accel_save(d, vring, 1, small, sizeof(small)), -EBUSY);
	if (suspends) {
		IS(vhost_accel_restore(d, state, &minus_two, 1), -EBADF);
		IS(vhost_accel_restore(d, state, &polled, 1), 0);
		IS(vhost_accel_phase(d), VHOST_ACCEL_PHASE_NEGOTIATED);
		IS(vhost_accel_start(d), 0);
		IS(vhost_accel_reset(d), 0);
	}
}

/* A kicker of each kind that is there outlives the device, and a kick then does no harm. */
static void kick_after_close(struct vhost_accel_device *d, const struct vhost_accel_info *info)
{
	static const struct { uint32_t kind, capability; int closed; } kinds[] = {
		{ VHOST_ACCEL_KICK_DOORBELL, VHOST_ACCEL_CAP_KICK_DOORBELL, 0 },
		{ VHOST_ACCEL_KICK_EVENTFD, VHOST_ACCEL_CAP_KICK_EVENTFD, 0 },
		{ VHOST_ACCEL_KICK_REGION_WRITE, VHOST_ACCEL_CAP_KICK_REGION_WRITE, -ENODEV },
	};
	struct vhost_accel_kicker *kickers[3] = { NULL, NULL, NULL };

	for (int i = 0; i < 3; i++) {
		int there = info->capabilities & kinds[i].capability;

		IS(vhost_accel_kicker_open(d, 0, kinds[i].kind, -1, &kickers[i]),
		   there ? 0 : -EOPNOTSUPP);
		IS(vhost_accel_kick(kickers[i]), there ? 0 : -EINVAL);
	}
	IS(vhost_accel_close(d), 0);
	for (int i = 0; i < 3; i++) {
		if (!kickers[i])
			continue;
		IS(vhost_accel_kick(kickers[i]), kinds[i].closed);
		IS(vhost_accel_kick_with(kickers[i], 1), kinds[i].closed);
		IS(vhost_accel_kicker_close(kickers[i]), 0);
	}
}

int main(int argc, char **argv)
{
	static char memory[3 * 4096] __attribute__((aligned(4096)));
	const struct vhost_accel_mapping mapping = {
		.iova = 1ull << 32, .len = sizeof(memory), .host = memory,
		.access = VHOST_ACCEL_READ_WRITE,
	};
	const struct vhost_accel_vring vring = {
		.size = 8, .desc = mapping.iova, .avail = mapping.iova + 4096,
		.used = mapping.iova + 8192, .call = -1, .enabled = 1,
	};
	struct vhost_accel_device *device = NULL, *second;
	struct vhost_accel_page_info where;
	struct vhost_accel_kicker *kicker;
	struct vhost_accel_page *page;
	struct vhost_accel_info info;
	uint64_t features;
	uint32_t base;
	char odd[4096];

	if (argc != 2)
		return 2;
	no_device(NULL, -EINVAL);
	no_device((void *)odd, -EBADF);
	no_kicker(NULL, -EINVAL);
	no_kicker(odd, -EBADF);
	IS(vhost_accel_open(NULL, &device), -EINVAL);
	IS(vhost_accel_open(argv[1], NULL), -EINVAL);
	IS(vhost_accel_open("no URI", &device), -EINVAL);
	IS(vhost_accel_open("\xff", &device), -EINVAL);
	IS(vhost_accel_open_fd(NULL, 0, &device), -EINVAL);
	IS(vhost_accel_open_fd("no URI", 0, &device), -EINVAL);
	IS(vhost_accel_open_fd("vhost-vdpa:/x", -1, &device), -EBADF);
	IS(vhost_accel_open_fd("vhost-vdpa:/x", 9999, &device), -EBADF);
	IS(vhost_accel_open_fd("vhost-vdpa:/x", 0, NULL), -EINVAL);
	IS(vhost_accel_open_fds(NULL, 0, 0, &device), -EINVAL);
	IS(vhost_accel_open_fds("no URI", 0, 0, &device), -EINVAL);
	IS(vhost_accel_open_fds("vfio-msg:/x", -1, 0, &device), -EBADF);
	IS(vhost_accel_open_fds("vfio-msg:/x", 0, 9999, &device), -EBADF);
	IS(vhost_accel_open_fds("vfio-msg:/x", 0, 0, NULL), -EINVAL);
	IS(vhost_accel_open_fds("vhost-vdpa:/x", 0, 0, &device), -EOPNOTSUPP);
	IS(device != NULL, 0);

	IS(vhost_accel_open(argv[1], &device), 0);
	second = NULL;
	if (vhost_accel_open(argv[1], &second) >= 0 || second)
		IS(0, -EBUSY);
	bad_arguments(device);
	no_kicker(device, -EBADF);

	/* Out of order. */
	IS(vhost_accel_phase(device), VHOST_ACCEL_PHASE_FRESH);
	IS(vhost_accel_start(device), -EBUSY);
	IS(vhost_accel_suspend(device), -EBUSY);
	IS(vhost_accel_resume(device), -EBUSY);
	IS(vhost_accel_negotiated(device, &features), 0);
	IS(features != 0, 0);
	IS(vhost_accel_negotiate(device, ~0ull, &features), 0);
	IS(vhost_accel_negotiate(device, ~0ull, &features), -EBUSY);
	IS(vhost_accel_phase(device), VHOST_ACCEL_PHASE_NEGOTIATED);
	IS(vhost_accel_start(device), -EINVAL);
	IS(vhost_accel_get_info(device, &info), 0);
	IS(vhost_accel_vring_base(device, info.queue_count, &base), -ENOBUFS);
	IS(vhost_accel_read_config(device, 1u << 31, (uint8_t *)odd, 1), -EINVAL);

	/* A page outlives its kicker, and both the device. */
	IS(vhost_accel_kicker_open(device, 0, VHOST_ACCEL_KICK_DOORBELL, -1, &kicker), 0);
	IS(vhost_accel_kicker_queue(kicker), 0);
	IS(vhost_accel_kicker_kind(kicker), VHOST_ACCEL_KICK_DOORBELL);
	IS(vhost_accel_page_open(kicker, NULL, &where), -EINVAL);
	IS(vhost_accel_page_open(kicker, &page, NULL), -EINVAL);
	IS(vhost_accel_page_open(kicker, &page, &where), 0);
	IS(vhost_accel_kick(kicker), 0);
	IS(vhost_accel_kicker_close(kicker), 0);
	no_kicker(kicker, -EBADF);
	*(volatile uint16_t *)where.address = 0;
	IS(vhost_accel_close(device), 0);
	no_device(device, -EBADF);
	*(volatile uint16_t *)where.address = 0;
	IS(vhost_accel_page_close(page), 0);
	IS(vhost_accel_page_close(page), -EBADF);

	/* What was refused left nothing behind. */
	IS(vhost_accel_open(argv[1], &device), 0);
	IS(vhost_accel_setup_vring(device, &vring), -EBUSY);
	IS(vhost_accel_negotiate(device, VHOST_ACCEL_F_VERSION_1 | VHOST_ACCEL_F_ACCESS_PLATFORM,
				 &features), 0);
	IS(vhost_accel_dma_map(device, &mapping), 0);
	out_of_range(device, &info, &mapping, &vring);
	running(device, &info, &vring);
	kick_after_close(device, &info);
	return wrong;
}
