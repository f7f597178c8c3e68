// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: setup NODE
 *
 * What a VMM's requests cost on a vhost-vdpa device that no driver has, each kind by
 * itself, in ticks of the TSC: those of lab/run --icount are instructions. Of several
 * passes, which open the device anew, the median; a line for each kind: its name, how
 * many system calls, ticks.
 */
#include <x86intrin.h>
#include "vhost_vdpa.h"

#define PASSES 11

enum kind { OWNER, ONE_BY_ONE, BATCH, MMAP_EACH, MMAP_ALL, KINDS };
static const char *const names[KINDS] = {
	[OWNER] = "SET_OWNER",
	[ONE_BY_ONE] = "vring-requests",
	[BATCH] = "VRING_BATCH",
	[MMAP_EACH] = "mmap-each-doorbell",
	[MMAP_ALL] = "mmap-all-doorbells",
};
static uint64_t ticks[KINDS][PASSES];
static int calls[KINDS];
static uint64_t clock_costs;

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t since(uint64_t start)
{
	return __rdtsc() - start - clock_costs;
}

static void pass(const char *node, int nr, bool batched)
{
	bool batch = batched;
	int fd = vdpa_open(node, &batch), event = CHECK(eventfd(0, EFD_NONBLOCK));
	struct vhost_vring_request *requests;
	int n, q, i;
	uint64_t start;
	uint32_t vrings, done;
	char *pages, **each;

	if (batched && !batch)
		goto out;
	start = __rdtsc();
	CHECK(ioctl(fd, VHOST_SET_OWNER));
	ticks[OWNER][nr] = since(start);
	calls[OWNER] = 1;

	negotiate(fd, NEEDED);
	CHECK(ioctl(fd, VHOST_VDPA_GET_VQS_COUNT, &vrings));
	n = vrings * REQUESTS;
	requests = calloc(n, sizeof(*requests));
	for (q = 0; q < (int)vrings; q++)
		requests_of(&requests[q * REQUESTS], q, 256, IOVA + q * RING, event, event);
	if (batch) {
		start = __rdtsc();
		CHECK(run_batch(fd, requests, n, &done) ? -1 : 0);
		ticks[BATCH][nr] = since(start);
		calls[BATCH] = 1;
	} else {
		start = __rdtsc();
		for (i = 0; i < n; i++)
			CHECK(ioctl(fd, requests[i].request, &requests[i].state));
		ticks[ONE_BY_ONE][nr] = since(start);
		calls[ONE_BY_ONE] = n;
	}
	free(requests);

	each = calloc(vrings, sizeof(*each));
	start = __rdtsc();
	for (q = 0; q < (int)vrings; q++)
		each[q] = CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, q * 4096L));
	ticks[MMAP_EACH][nr] = since(start);
	calls[MMAP_EACH] = vrings;
	start = __rdtsc();
	pages = mmap(NULL, vrings * 4096L, PROT_WRITE, MAP_SHARED, fd, 0);
	ticks[MMAP_ALL][nr] = since(start);
	calls[MMAP_ALL] = pages == MAP_FAILED ? 0 : 1;

	/* A mapping holds the device as its descriptor does. */
	if (pages != MAP_FAILED)
		CHECK(munmap(pages, vrings * 4096L));
	for (q = 0; q < (int)vrings; q++)
		CHECK(munmap(each[q], 4096));
	free(each);
out:
	close(event);
	close(fd);
}

int main(int argc, char **argv)
{
	uint64_t start;
	int i;

	if (argc != 2)
		return 2;
	clock_costs = -1;
	for (i = 0; i < PASSES; i++) {
		start = __rdtsc();
		start = __rdtsc() - start;
		if (start < clock_costs)
			clock_costs = start;
	}
	for (i = 0; i < PASSES; i++) {
		pass(argv[1], i, false);
		pass(argv[1], i, true);
	}
	for (i = 0; i < KINDS; i++) {
		if (!calls[i])
			continue;
		qsort(ticks[i], PASSES, sizeof(ticks[i][0]), by_value);
		printf("%s %d %llu\n", names[i], calls[i], (unsigned long long)ticks[i][PASSES / 2]);
	}
	return 0;
}
