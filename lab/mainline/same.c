// SPDX-License-Identifier: GPL-2.0-only
/*
 * In the lab, with patches/: a batch does what its requests do one by one, a mapping of
 * several doorbells has those of as many vrings, and what is wrong with either is refused.
 */
#include "vhost_vdpa.h"

#define CTRL_VQ BIT(17)
#define MQ BIT(22)

static uint32_t vrings;

static void iotlb(int fd, uint64_t iova, uint64_t size, void *at)
{
	struct vhost_msg_v2 message = {
		.type = VHOST_IOTLB_MSG_V2,
		.iotlb = { .iova = iova, .size = size, .uaddr = (uint64_t)at, .perm = VHOST_ACCESS_RW,
			   .type = VHOST_IOTLB_UPDATE },
	};

	CHECK(write(fd, &message, sizeof(message)) == sizeof(message) ? 0 : -1);
}

static int open_negotiated(uint64_t features)
{
	bool batch = true;
	int fd = vdpa_open(device("vhost-vdpa"), &batch);

	EXPECT(batch, "VHOST_BACKEND_F_VRING_BATCH is not offered");
	CHECK(ioctl(fd, VHOST_SET_OWNER));
	negotiate(fd, NEEDED | features);
	CHECK(ioctl(fd, VHOST_VDPA_GET_VQS_COUNT, &vrings));
	return fd;
}

/* -errno of a batch, and how many were made. */
#define EXPECT_BATCH(fd, requests, count, want, want_done, what) do { \
	uint32_t done_; \
	int got_ = run_batch(fd, requests, count, &done_); \
	EXPECT(got_ == (want) && done_ == (uint32_t)(want_done), "%s: %d, %u made, for %d, %u", what, got_, \
	       done_, (want), (uint32_t)(want_done)); \
} while (0)

static void refused(void)
{
	struct vhost_vring_request few[3], *none = NULL;
	struct vhost_vring_state state = { 0, 0 };
	bool batch = false;
	int fd = vdpa_open(device("vhost-vdpa"), &batch);

	few[0] = few[1] = few[2] = (struct vhost_vring_request){
		.request = VHOST_SET_VRING_BASE, .state = { 0, 3 },
	};
	EXPECT_BATCH(fd, few, 1, -EOPNOTSUPP, -1, "not acknowledged");
	close(fd);

	batch = true;
	fd = vdpa_open(device("vhost-vdpa"), &batch);
	EXPECT_BATCH(fd, few, 1, -EPERM, -1, "without an owner");
	close(fd);

	fd = open_negotiated(0);
	EXPECT_BATCH(fd, few, 0, 0, 0, "none");
	EXPECT_BATCH(fd, none, 1, -EFAULT, 0, "an array that is not there");
	few[1].state.index = vrings;
	EXPECT_BATCH(fd, few, 3, -ENOBUFS, 1, "past the last vring");
	few[1].state.index = UINT32_MAX;
	EXPECT_BATCH(fd, few, 3, -ENOBUFS, 1, "the largest index");
	few[1].state.index = 0;
	few[1].reserved = 1;
	EXPECT_BATCH(fd, few, 3, -EINVAL, 1, "reserved");
	few[1].reserved = 0;
	few[1].request = VHOST_GET_VRING_BASE;
	EXPECT_BATCH(fd, few, 3, -EINVAL, 1, "a request that gives something");
	few[1].request = VHOST_SET_OWNER;
	EXPECT_BATCH(fd, few, 3, -EINVAL, 1, "a request that is not about a vring");
	few[1].request = VHOST_VDPA_VRING_BATCH;
	EXPECT_BATCH(fd, few, 3, -EINVAL, 1, "a batch");
	few[1] = (struct vhost_vring_request){ .request = VHOST_SET_VRING_KICK, .file = { 0, 12345 } };
	EXPECT_BATCH(fd, few, 3, -EBADF, 1, "a descriptor that is not there");
	few[1] = (struct vhost_vring_request){ .request = VHOST_SET_VRING_BASE, .state = { 1, 7 } };
	few[2].state.num = 5;
	EXPECT_BATCH(fd, few, 3, 0, 3, "three");
	CHECK(ioctl(fd, VHOST_GET_VRING_BASE, &state));
	EXPECT(state.num == 5, "the last of two bases is %u", state.num);
	state.index = 1;
	CHECK(ioctl(fd, VHOST_GET_VRING_BASE, &state));
	EXPECT(state.num == 7, "the other vring's base is %u", state.num);
	close(fd);
}

static void *try_map(int fd, uint32_t first, size_t pages, int prot, int flags)
{
	return mmap(NULL, pages * 4096, prot, flags, fd, first * 4096L);
}

#define EXPECT_NO_MAP(fd, first, pages, prot, flags, want, what) do { \
	void *at_ = try_map(fd, first, pages, prot, flags); \
	EXPECT(at_ == MAP_FAILED && errno == (want), "%s: %p, %s", what, at_, strerror(errno)); \
} while (0)

static void unmapped(void)
{
	int fd = open_negotiated(0);

	EXPECT_NO_MAP(fd, vrings, 1, PROT_WRITE, MAP_SHARED, EINVAL, "the doorbell behind the last");
	EXPECT_NO_MAP(fd, 65535, 1, PROT_WRITE, MAP_SHARED, EINVAL, "doorbell 65535");
	EXPECT_NO_MAP(fd, 0, vrings + 1, PROT_WRITE, MAP_SHARED, EINVAL, "one too many");
	EXPECT_NO_MAP(fd, vrings - 1, 2, PROT_WRITE, MAP_SHARED, EINVAL, "past the last");
	EXPECT_NO_MAP(fd, 0, 2, PROT_READ, MAP_SHARED, EINVAL, "to be read");
	EXPECT_NO_MAP(fd, 0, 2, PROT_WRITE, MAP_PRIVATE, EINVAL, "private");
	close(fd);
}

/* Offers @n descriptors, at the start of @q's table, and rings @doorbell. */
static void offer(char *m, int q, int n, char *doorbell)
{
	struct avail *avail = avail_of(m, q);
	uint16_t idx = avail->idx;

	for (int i = 0; i < n - 1; i++) {
		desc_of(m, q)[i].flags |= 1;
		desc_of(m, q)[i].next = i + 1;
	}
	avail->ring[idx % 256] = 0;
	__atomic_store_n(&avail->idx, idx + 1, __ATOMIC_SEQ_CST);
	if (doorbell)
		*(volatile uint16_t *)(doorbell + q * 4096L) = q;
}

/* Does the device take what has been offered? It looks at a vring whose doorbell rings. */
static bool taken(char *m, int q)
{
	for (double end = now() + 5; now() < end; usleep(100))
		if (__atomic_load_n(&used_of(m, q)->idx, __ATOMIC_ACQUIRE) == avail_of(m, q)->idx)
			return true;
	return false;
}

/* Vrings that a batch has set up run, and each page is the doorbell of its vring. */
static void rung(void)
{
	struct vhost_vring_request *requests;
	int fd = open_negotiated(CTRL_VQ | MQ), n = vrings - 1;
	char *m = area(), *doorbells;
	uint8_t *control = (void *)(m + BUFFER + 4096);

	iotlb(fd, IOVA, AREA, m);
	requests = calloc(vrings * REQUESTS, sizeof(*requests));
	for (int q = 0; q < (int)vrings; q++)
		requests_of(&requests[q * REQUESTS], q, 256, IOVA + q * RING, -1, -1);
	EXPECT_BATCH(fd, requests, vrings * REQUESTS, 0, vrings * REQUESTS, "all vrings");
	start(fd);
	doorbells = CHECK(try_map(fd, 0, vrings, PROT_WRITE, MAP_SHARED));

	/* All pairs: the control queue's doorbell is the last. */
	memcpy(control, (uint8_t[]){ 4, 0, n / 2, 0, 255 }, 5);
	desc_of(m, n)[0] = (struct desc){ .addr = IOVA + BUFFER + 4096, .len = 4 };
	desc_of(m, n)[1] = (struct desc){ .addr = IOVA + BUFFER + 4096 + 4, .len = 1, .flags = 2 };
	offer(m, n, 2, doorbells);
	EXPECT(taken(m, n) && control[4] == 0, "the control queue's doorbell: %u", control[4]);

	/* The second round is one of pages that have lost their neighbours. */
	for (int round = 0; round < 2; round++) {
		for (int q = 1; q < n; q += 2) {
			*desc_of(m, q - 1) = (struct desc){ .addr = IOVA + BUFFER + 2048,
							    .len = 2048, .flags = 2 };
			*desc_of(m, q) = (struct desc){ .addr = IOVA + BUFFER, .len = 72 };
			offer(m, q - 1, 1, NULL);
			offer(m, q, 1, doorbells);
			EXPECT(taken(m, q), "doorbell %d does not ring, round %d", q, round);
		}
		CHECK(munmap(doorbells + 2 * round * 4096, 4096));
	}
	close(fd);
}

int main(void)
{
	refused();
	unmapped();
	rung();
	printf("vhost_vdpa with patches/ does the same by fewer calls\n");
	return wrong;
}
