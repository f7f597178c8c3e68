// SPDX-License-Identifier: GPL-2.0-only
/* #1/A: a client that is killed in the middle of a long batch of messages dies at once. */
#include "client.h"

#define PAIRS 4
#define SIZE 1024
#define LIMIT 20.0	/* seconds; it takes some ten milliseconds */

/* Frames that no receive queue has room for, so that each is looked for in all of it. */
static void client(char *m)
{
	static struct {
		uint64_t request;
		uint32_t flags;
		uint32_t size;
		struct vhost_vring_state state;
	} batch[VHOST_VFIO_MAX_BATCH / 24];
	uint64_t features = NEEDED | BIT(15) | BIT(17) | BIT(22), run = VHOST_DEVICE_S_RUNNING;
	unsigned char *command = (void *)(m + BUFFER + 0x10000);
	struct vfio v = vfio_open();
	int q, ctrl = 2 * PAIRS;
	unsigned int i;

	vfio_map(&v, m);
	CHECK(message(v.device, VHOST_SET_OWNER, NULL, 0, false));
	CHECK(message(v.device, VHOST_SET_FEATURES, &features, 8, false));
	for (q = 0; q < ctrl; q++) {
		for (i = 0; i < SIZE; i++) {
			desc_of(m, q)[i] = (struct desc){ IOVA + BUFFER, q & 1 ? 60000 : 1, q & 1 ? 0 : 2 };
			avail_of(m, q)->ring[i] = i;
		}
		avail_of(m, q)->idx = SIZE;
		message_vring(v.device, q, SIZE);
	}
	/* VQ_PAIRS_SET */
	memcpy(command, (unsigned char []){ 4, 0, PAIRS, 0, 99 }, 5);
	desc_of(m, ctrl)[0] = (struct desc){ IOVA + BUFFER + 0x10000, 4, 1, 1 };
	desc_of(m, ctrl)[1] = (struct desc){ IOVA + BUFFER + 0x10004, 1, 2 };
	avail_of(m, ctrl)->idx = 1;
	message_vring(v.device, ctrl, 16);
	CHECK(message(v.device, VHOST_DEVICE_SET_STATE, &run, 8, false));
	while (command[4] == 99)
		usleep(1000);

	/* Somebody keeps the transmit queues full. */
	if (!CHECK(fork())) {
		for (;;) {
			for (q = 1; q < ctrl; q += 2) {
				avail_of(m, q)->idx = used_of(m, q)->idx + SIZE;
				CHECK(pwrite(v.device, &q, sizeof(q), NOTIFY));
			}
			usleep(1000);
		}
	}
	for (i = 0; i < sizeof(batch) / sizeof(batch[0]); i++) {
		batch[i].request = VHOST_VDPA_SET_VRING_ENABLE;
		batch[i].size = sizeof(batch[i].state);
		batch[i].state = (struct vhost_vring_state){ ctrl, i & 1 };
	}
	for (;;) {
		m[AREA - 1] = 1;
		CHECK(pwrite(v.device, batch, sizeof(batch), 0));
	}
}

int main(void)
{
	char *m = area();
	pid_t pid = CHECK(fork());
	double began, took;

	if (!pid) {
		setpgid(0, 0);
		client(m);
	}
	while (!*(volatile char *)&m[AREA - 1])
		usleep(1000);
	usleep(100000);
	began = now();
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, WNOHANG) != pid && now() < began + LIMIT)
		usleep(1000);
	took = now() - began;
	kill(-pid, SIGKILL);
	EXPECT(took < LIMIT, "the client is not dead %.0f s after it was killed", took);
	printf("dead %.3f s after it was killed\n", took);
	return wrong;
}
