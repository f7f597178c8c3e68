// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-vdpa: a config callback is not called any more when vhost_vdpa, whose it
 * is, was unbound. What that had is poisoned where the kernel does so; then a
 * call ends the kernel.
 */
#include "client.h"

static void write_to(const char *path, const char *text)
{
	int fd = CHECK(open(path, O_WRONLY));

	CHECK(write(fd, text, strlen(text)));
	close(fd);
}

int main(void)
{
	int fd = open_owned("vhost-vdpa", NULL), event = CHECK(eventfd(0, 0)), i;
	uint8_t status = 0;

	CHECK(ioctl(fd, VHOST_VDPA_SET_CONFIG_CALL, &event));
	close(fd);
	write_to("/sys/bus/vdpa/drivers/vhost_vdpa/unbind", "va0");
	write_to("/sys/bus/vdpa/drivers/vhost_vdpa/bind", "va0");
	for (i = 0; i < 5000 && access(device("vhost-vdpa"), F_OK); i++)
		usleep(1000);

	/* The next one has a fault, of which it doesn't want to be told. */
	fd = open_owned("vhost-vdpa", NULL);
	negotiate(fd, NEEDED);
	vring(fd, 0, 16);
	vring(fd, 1, 16);
	start(fd);
	CHECK(ioctl(fd, VHOST_VDPA_GET_STATUS, &status));
	EXPECT(status & 0x40, "rings without memory are a fault");
	printf("a callback of a driver that was unbound is forgotten\n");
	return wrong;
}
