// SPDX-License-Identifier: GPL-2.0-only
/* A vDPA device offers the features that it was made with, which `vdpa` says since iproute2 6.2. */
#include "client.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vdpa.h>
#include <sys/socket.h>

struct request {
	struct nlmsghdr nl;
	struct genlmsghdr genl;
	char attributes[256];
};

static void attribute(struct request *request, uint16_t type, const void *data, size_t len)
{
	struct nlattr *at = (void *)((char *)request + NLMSG_ALIGN(request->nl.nlmsg_len));

	at->nla_type = type;
	at->nla_len = NLA_HDRLEN + len;
	memcpy((char *)at + NLA_HDRLEN, data, len);
	request->nl.nlmsg_len = NLMSG_ALIGN(request->nl.nlmsg_len) + NLA_ALIGN(at->nla_len);
}

static struct request begin(uint16_t family, uint8_t command)
{
	return (struct request){
		.nl = {
			.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN),
			.nlmsg_type = family,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
		.genl = { .cmd = command, .version = 1 },
	};
}

/* An errno, or 0; @answer is the first message that came back. */
static int ask(int fd, struct request *request, char *answer, size_t size)
{
	struct nlmsghdr *nl = (void *)answer;

	CHECK(send(fd, request, request->nl.nlmsg_len, 0));
	CHECK(recv(fd, answer, size, 0));
	return nl->nlmsg_type == NLMSG_ERROR ? -((struct nlmsgerr *)NLMSG_DATA(nl))->error : 0;
}

static uint16_t family(int fd)
{
	struct request request = begin(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	char answer[4096], ack[4096];
	struct nlmsghdr *nl = (void *)answer;
	struct nlattr *at = (void *)(answer + NLMSG_LENGTH(GENL_HDRLEN));

	attribute(&request, CTRL_ATTR_FAMILY_NAME, VDPA_GENL_NAME, sizeof(VDPA_GENL_NAME));
	if (ask(fd, &request, answer, sizeof(answer)))
		DIE("the vdpa family");
	CHECK(recv(fd, ack, sizeof(ack), 0));
	while ((char *)at < answer + nl->nlmsg_len) {
		if (at->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(uint16_t *)((char *)at + NLA_HDRLEN);
		at = (void *)((char *)at + NLA_ALIGN(at->nla_len));
	}
	exit(2);
}

static int add(int fd, uint16_t vdpa, uint64_t features)
{
	struct request request = begin(vdpa, VDPA_CMD_DEV_NEW);
	char answer[4096];

	attribute(&request, VDPA_ATTR_DEV_NAME, "other", 6);
	attribute(&request, VDPA_ATTR_MGMTDEV_DEV_NAME, "vhost_accel_vdpa", 17);
	attribute(&request, VDPA_ATTR_DEV_FEATURES, &features, sizeof(features));
	return ask(fd, &request, answer, sizeof(answer));
}

int main(void)
{
	int fd = CHECK(socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC)), i;
	uint64_t want = NEEDED | BIT(15) | BIT(29), got = 0;
	uint16_t vdpa = family(fd);
	const char *name = NULL;
	char path[32];

	EXPECT(add(fd, vdpa, BIT(32)) == EINVAL, "a device without ACCESS_PLATFORM");
	EXPECT(add(fd, vdpa, NEEDED | BIT(27)) == EINVAL, "a device with a feature that it hasn't");
	/* As for QEMU's shadow virtqueues: without INDIRECT_DESC and NOTIFICATION_DATA. */
	EXPECT(!add(fd, vdpa, want), "a device of some features is refused");
	for (i = 0; i < 20000 && !name; i++) {
		FILE *ls = popen("ls -d /sys/bus/vdpa/devices/other/vhost-vdpa-* 2>/dev/null", "r");
		char line[256];

		if (fscanf(ls, "%255s", line) == 1) {
			snprintf(path, sizeof(path), "/dev/%.20s", strrchr(line, '/') + 1);
			name = access(path, F_OK) ? NULL : path;
		}
		pclose(ls);
		usleep(1000);
	}
	i = CHECK(open(name ? name : "", O_RDWR));
	CHECK(ioctl(i, VHOST_GET_FEATURES, &got));
	close(i);
	EXPECT(got == want, "it offers %#llx", (unsigned long long)got);
	if (system("vdpa dev del other"))
		exit(2);
	printf("a device offers what it was made with\n");
	return wrong;
}
