// SPDX-License-Identifier: GPL-2.0-only
/* #1/A: SET_STATE STOPPED while frames are sent keeps the base that the used ring has. */
#include "client.h"

#define SIZE 256
#define ROUNDS 300

static void set_state(int fd, uint64_t state)
{
	CHECK(message(fd, VHOST_DEVICE_SET_STATE, &state, sizeof(state), false));
}

/* Keeps both rings full. */
static void feed(char *m, int fd)
{
	int q = 1;

	for (;;) {
		for (int i = 0; i < 2; i++)
			avail_of(m, i)->idx = used_of(m, i)->idx + SIZE;
		__sync_synchronize();
		CHECK(pwrite(fd, &q, sizeof(q), NOTIFY));
	}
}

int main(void)
{
	char *m = area();
	struct vfio v = vfio_open();
	int behind = 0;
	uint64_t frames = 0;

	vfio_map(&v, m);
	CHECK(message(v.device, VHOST_SET_OWNER, NULL, 0, false));
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t features = NEEDED;
		struct vhost_vring_state base = { 1 };
		uint8_t none = 0;
		pid_t feeder;

		memset(m, 0, BUFFER);
		CHECK(message(v.device, VHOST_VDPA_SET_STATUS, &none, 1, false));
		CHECK(message(v.device, VHOST_SET_FEATURES, &features, 8, false));
		for (int q = 0; q < 2; q++) {
			struct vhost_vring_state first = { q };

			for (int i = 0; i < SIZE; i++) {
				desc_of(m, q)[i] = (struct desc){ IOVA + BUFFER, 64, q ? 0 : 2 };
				avail_of(m, q)->ring[i] = i;
			}
			message_vring(v.device, q, SIZE);
			CHECK(message(v.device, VHOST_SET_VRING_BASE, &first, sizeof(first), false));
		}
		set_state(v.device, VHOST_DEVICE_S_RUNNING);
		feeder = CHECK(fork());
		if (!feeder)
			feed(m, v.device);
		/* So much is to be under way, however busy the machine is. */
		while (used_of(m, 1)->idx < 1000 + 37 * round % 1000)
			usleep(100);
		set_state(v.device, VHOST_DEVICE_S_STOPPED);
		kill(feeder, SIGKILL);
		waitpid(feeder, NULL, 0);
		CHECK(message(v.device, VHOST_GET_VRING_BASE, &base, sizeof(base), true));
		behind += (uint16_t)base.num != used_of(m, 1)->idx;
		frames += used_of(m, 1)->idx;
	}
	EXPECT(!behind, "%d of %d stops kept a base that is behind the used ring", behind, ROUNDS);
	printf("%d stops, %llu frames\n", ROUNDS, (unsigned long long)frames);
	return wrong;
}
