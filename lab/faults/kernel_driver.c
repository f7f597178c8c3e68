// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own driver on the device, before and after a client of vhost_vdpa:
 * a network interface of several pairs on which frames come back.
 */
#include "client.h"

#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define PROTOCOL 0x88b5		/* for experiments */
#define FRAMES 2000
#define PAIRS 4

static void bind_to(const char *driver, const char *from)
{
	char name[128];

	snprintf(name, sizeof(name), "/sys/bus/vdpa/drivers/%s/unbind", from);
	for (int i = 0; i < 2; i++) {
		int fd = CHECK(open(name, O_WRONLY));

		CHECK(write(fd, "va0", 3));
		close(fd);
		snprintf(name, sizeof(name), "/sys/bus/vdpa/drivers/%s/bind", driver);
	}
}

/* The interface of the device, as soon as there is one. */
static void find_interface(char *name)
{
	double end = now() + 20;

	while (now() < end) {
		FILE *ls = popen("ls /sys/bus/vdpa/devices/va0/virtio*/net 2>/dev/null", "r");
		int found = fscanf(ls, "%15s", name);

		pclose(ls);
		if (found == 1)
			return;
		usleep(10000);
	}
	printf("FAILED: there is no interface\n");
	exit(1);
}

static void as_interface(void)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_SCHANNELS, .combined_count = PAIRS };
	int fd = CHECK(socket(AF_PACKET, SOCK_RAW, htons(PROTOCOL))), back = 0;
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(PROTOCOL) };
	struct ethhdr frame[16] = { { .h_proto = htons(PROTOCOL) } };
	struct ifreq ifr = { 0 };

	find_interface(ifr.ifr_name);
	CHECK(ioctl(fd, SIOCGIFINDEX, &ifr));
	at.sll_ifindex = ifr.ifr_ifindex;
	/* By the control queue, both of them. */
	CHECK(ioctl(fd, SIOCGIFHWADDR, &ifr));
	ifr.ifr_hwaddr.sa_data[5] ^= 1;
	CHECK(ioctl(fd, SIOCSIFHWADDR, &ifr));
	ifr.ifr_flags = IFF_UP;
	CHECK(ioctl(fd, SIOCSIFFLAGS, &ifr));
	ifr.ifr_data = (void *)&channels;
	CHECK(ioctl(fd, SIOCETHTOOL, &ifr));
	CHECK(bind(fd, (void *)&at, sizeof(at)));

	memset(frame[0].h_dest, 0xff, ETH_ALEN);
	for (uint32_t n = 0; n < FRAMES; n++) {
		struct pollfd some = { .fd = fd, .events = POLLIN };

		memcpy(&frame[1], &n, sizeof(n));
		CHECK(send(fd, frame, sizeof(frame), 0));
		/* All of them may be on their way, but not all in one queue. */
		if (n % 64 != 63 && n != FRAMES - 1)
			continue;
		while (back <= (int)n && CHECK(poll(&some, 1, 20000)) == 1)
			back += CHECK(recv(fd, frame, sizeof(frame), 0)) == sizeof(frame);
		frame[0].h_proto = htons(PROTOCOL);
	}
	EXPECT(back == FRAMES, "%d of %d frames came back", back, FRAMES);
	close(fd);
}

/* Rings in what isn't mapped, which for virtio_vdpa was all memory, are a fault. */
static void as_client(void)
{
	uint8_t status = 0;
	int fd, i;

	for (i = 0; i < 20000 && access(device("vhost-vdpa"), F_OK); i++)
		usleep(1000);
	fd = open_owned("vhost-vdpa", NULL);
	negotiate(fd, NEEDED);
	vring(fd, 0, 16);
	vring(fd, 1, 16);
	start(fd);
	CHECK(ioctl(fd, VHOST_VDPA_GET_STATUS, &status));
	EXPECT(status & 0x40, "a client that has mapped nothing reaches memory");
	close(fd);
}

int main(void)
{
	if (system("modprobe -a virtio_vdpa virtio_net"))
		exit(2);
	as_client();
	bind_to("virtio_vdpa", "vhost_vdpa");
	as_interface();
	bind_to("vhost_vdpa", "virtio_vdpa");
	as_client();
	bind_to("virtio_vdpa", "vhost_vdpa");
	as_interface();
	bind_to("vhost_vdpa", "virtio_vdpa");
	printf("the kernel's driver sent %d frames, twice\n", FRAMES);
	return wrong;
}
