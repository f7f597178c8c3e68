// SPDX-License-Identifier: GPL-2.0-only
/*
 * A log eventfd that kicks as well: the device comes to rest all the same. And while
 * it runs, its thread is in the cgroup of who started it.
 */
#include "client.h"

#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void take(int event)
{
	uint64_t count;

	CHECK(read(event, &count, sizeof(count)));
}

static void comes_to_rest(const char *kind)
{
	char *m = area(), *log = area();
	uint64_t base = (uint64_t)log, features = NEEDED | BIT(26) | BIT(29);
	int fd = open_owned(kind, m), event = CHECK(eventfd(0, 0)), i;
	struct vhost_vring_file kick = { 1, event };
	struct pollfd signalled = { .fd = event, .events = POLLIN };

	negotiate(fd, features);
	CHECK(ioctl(fd, VHOST_SET_LOG_BASE, &base));
	CHECK(ioctl(fd, VHOST_SET_LOG_FD, &event));
	vring(fd, 0, 16);
	vring(fd, 1, 16);
	CHECK(ioctl(fd, VHOST_SET_VRING_KICK, &kick));
	start(fd);
	CHECK(eventfd_write(event, 1));
	/* It may be signalled some times, and is then left alone. */
	for (i = 0; i < 100; i++) {
		take(event);
		if (!CHECK(poll(&signalled, 1, 50)))
			break;
	}
	EXPECT(i < 100, "%s: every look at an empty ring asks for the next", kind);
	close(fd);
}

static void cgroup_of(int pid, char *cgroup)
{
	char name[64], *line = NULL;
	size_t size = 0;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	file = fopen(name, "r");
	cgroup[0] = 0;
	while (file && getline(&line, &size, file) > 0)
		if (!strncmp(line, "0::", 3))
			sscanf(line, "0::%63s", cgroup);
	if (file)
		fclose(file);
	free(line);
}

static void is_charged(const char *kind, const char *name)
{
	int fd = open_owned(kind, NULL), pid = worker(name);
	char cgroup[64];

	negotiate(fd, NEEDED);
	cgroup_of(pid, cgroup);
	EXPECT(!strcmp(cgroup, "/"), "%s: before the start the thread is in %s", kind, cgroup);
	start(fd);
	cgroup_of(pid, cgroup);
	EXPECT(!strcmp(cgroup, "/client"), "%s: the thread runs in %s", kind, cgroup);
	close(fd);
	cgroup_of(pid, cgroup);
	EXPECT(!strcmp(cgroup, "/"), "%s: after the close the thread is in %s", kind, cgroup);
}

int main(void)
{
	const char *at = "/sys/fs/cgroup";
	FILE *procs;

	comes_to_rest("vhost-mdev");

	if (mount("cgroup2", at, "cgroup2", 0, NULL) && errno != EBUSY)
		DIE(at);
	CHECK(mkdir("/sys/fs/cgroup/client", 0755));
	procs = fopen("/sys/fs/cgroup/client/cgroup.procs", "w");
	if (!procs || fprintf(procs, "0") < 0 || fclose(procs))
		DIE("cgroup.procs");
	is_charged("vhost-mdev", "vhost-mdev-0");
	is_charged("vhost-vdpa", "va0");
	printf("the device rests, and its client pays for it\n");
	return wrong;
}
