/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A frame to a device and back, step by step.
 *
 *   cc first_frame.c $(pkg-config --cflags --libs vhost_accel) -o first_frame
 *   ./first_frame vhost-vdpa:/dev/vhost-vdpa-0
 */
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vhost_accel.h>

#define IOVA (1ull << 32) /* where the device finds the memory */
#define LEN (1 << 16)
#define SIZE 8    /* entries of a ring */
#define HEADER 12 /* struct virtio_net_hdr_v1 */

static const char frame[] = "sixty bytes are the least that a network card puts on a wire";

static void check(int answer, const char *what)
{
	if (answer < 0) {
		fprintf(stderr, "%s: %s\n", what, vhost_accel_last_error());
		exit(1);
	}
}

int main(int argc, char **argv)
{
	char *memory = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vhost_accel_mapping mapping = {
		.iova = IOVA, .len = LEN, .host = memory, .access = VHOST_ACCEL_READ_WRITE,
	};
	struct vhost_accel_vring vrings[2];
	struct vhost_accel_device *device;
	struct vhost_accel_kicker *kicker;
	struct vring rings[2];
	int call = eventfd(0, 0);
	uint64_t accepted;

	if (argc != 2 || memory == MAP_FAILED || call < 0)
		return 2;
	check(vhost_accel_open(argv[1], &device), "open");
	check(vhost_accel_negotiate(device,
				    VHOST_ACCEL_F_VERSION_1 | VHOST_ACCEL_F_ACCESS_PLATFORM,
				    &accepted), "negotiate");
	check(vhost_accel_dma_map(device, &mapping), "map");

	/* Vring 0 receives and vring 1 transmits; each has a page, and a page for its buffer. */
	for (int i = 0; i < 2; i++) {
		char *page = memory + 4096 * i;
		struct vhost_accel_vring vring = { .queue = i, .size = SIZE, .enabled = 1 };

		vring_init(&rings[i], SIZE, page, 4);
		vring.desc = IOVA + ((char *)rings[i].desc - memory);
		vring.avail = IOVA + ((char *)rings[i].avail - memory);
		vring.used = IOVA + ((char *)rings[i].used - memory);
		vring.call = i ? -1 : call;
		vrings[i] = vring;
	}
	check(vhost_accel_setup_vrings(device, vrings, 2), "set up vrings");
	check(vhost_accel_kicker_open(device, 1, VHOST_ACCEL_KICK_BEST, -1, &kicker), "kicker");
	check(vhost_accel_start(device), "start");

	/* The driver's part: an empty buffer, then a frame behind an empty header. */
	rings[0].desc[0] = (struct vring_desc){ IOVA + 2 * 4096, 4096, VRING_DESC_F_WRITE, 0 };
	rings[1].desc[0] = (struct vring_desc){ IOVA + 3 * 4096, HEADER + sizeof(frame), 0, 0 };
	memcpy(memory + 3 * 4096 + HEADER, frame, sizeof(frame));
	for (int i = 0; i < 2; i++) {
		rings[i].avail->ring[0] = 0;
		__atomic_store_n(&rings[i].avail->idx, 1, __ATOMIC_RELEASE);
	}
	check(vhost_accel_kick(kicker), "kick");

	struct pollfd called = { .fd = call, .events = POLLIN };

	if (poll(&called, 1, 60000) != 1 ||
	    __atomic_load_n(&rings[0].used->idx, __ATOMIC_ACQUIRE) != 1) {
		fprintf(stderr, "the device gave nothing back\n");
		return 1;
	}
	printf("%s: %s\n", argv[1], memory + 2 * 4096 + HEADER);
	check(vhost_accel_kicker_close(kicker), "close the kicker");
	check(vhost_accel_close(device), "close");
	return memcmp(memory + 2 * 4096 + HEADER, frame, sizeof(frame)) != 0;
}
