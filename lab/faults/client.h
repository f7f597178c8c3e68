/* SPDX-License-Identifier: GPL-2.0-only */
/* A client of the native devices that does by hand what no library would. */
#ifndef CLIENT_H
#define CLIENT_H

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../kernel/include/uapi/vhost_accel.h"

/* What could not be tried at all, and what was tried and is wrong. */
#define DIE(what) do { \
	fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, what, strerror(errno)); \
	exit(2); \
} while (0)
#define CHECK(call) ({ \
	__auto_type ret_ = (call); \
	if (ret_ == (__typeof__(ret_))-1) \
		DIE(#call); \
	ret_; \
})
static int wrong __attribute__((unused));
#define EXPECT(so, ...) do { \
	if (!(so)) { \
		printf("FAILED: "); \
		printf(__VA_ARGS__); \
		printf("\n"); \
		fflush(stdout); \
		wrong = 1; \
	} \
} while (0)

#define ACKNOWLEDGE 1
#define DRIVER 2
#define DRIVER_OK 4
#define FEATURES_OK 8
#define BIT(n) (1ULL << (n))
#define NEEDED (BIT(32) | BIT(33))	/* VERSION_1, ACCESS_PLATFORM */
#define NOTIFY VFIO_VHOST_INDEX_TO_OFFSET(VFIO_VHOST_NOTIFY_REGION_INDEX)

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
struct avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};
struct used {
	uint16_t flags;
	uint16_t idx;
	struct {
		uint32_t id;
		uint32_t len;
	} ring[];
};

/* Memory of the client, and a vring's parts in it: one behind the other. */
#define AREA (2u << 20)
#define IOVA 0x100000ULL
#define RING 0x8000u
#define AVAIL 0x4000u
#define USED 0x6000u
#define BUFFER 0x180000u

static inline char *area(void)
{
	return CHECK(mmap(NULL, AREA, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
}

static inline struct desc *desc_of(char *m, int q) { return (void *)(m + q * RING); }
static inline struct avail *avail_of(char *m, int q) { return (void *)(m + q * RING + AVAIL); }
static inline struct used *used_of(char *m, int q) { return (void *)(m + q * RING + USED); }

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* Without VHOST_ACCEL_URIS: the emulated kernel's. */
#define EMULATED "vhost-vdpa:/dev/vhost-vdpa-0 vhost-mdev:/dev/vhost-mdev-0 " \
	"vfio-msg:/sys/bus/mdev/devices/76686f73-7400-4000-8000-000000000000"

/* The path of the first device of a kind. */
static inline const char *device(const char *kind)
{
	const char *all = getenv("VHOST_ACCEL_URIS");
	char *uris = strdup(all ? all : EMULATED), *uri;
	size_t n = strlen(kind);

	for (uri = strtok(uris, " "); uri; uri = strtok(NULL, " "))
		if (!strncmp(uri, kind, n) && uri[n] == ':' && !strchr(uri, '?'))
			return uri + n + 1;
	fprintf(stderr, "there is no %s device\n", kind);
	exit(2);
}

struct vfio {
	int container;
	int group;
	int device;
};

static inline struct vfio vfio_open(void)
{
	const char *path = device("vfio-msg");
	char name[512], link[512] = "";
	struct vfio v;

	snprintf(name, sizeof(name), "%s/iommu_group", path);
	CHECK(readlink(name, link, sizeof(link) - 1));
	snprintf(name, sizeof(name), "/dev/vfio/%s", strrchr(link, '/') + 1);
	v.container = CHECK(open("/dev/vfio/vfio", O_RDWR));
	v.group = CHECK(open(name, O_RDWR));
	CHECK(ioctl(v.group, VFIO_GROUP_SET_CONTAINER, &v.container));
	CHECK(ioctl(v.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	v.device = CHECK(ioctl(v.group, VFIO_GROUP_GET_DEVICE_FD, strrchr(path, '/') + 1));
	return v;
}

static inline void vfio_map(const struct vfio *v, void *m)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uint64_t)m,
		.iova = IOVA,
		.size = AREA,
	};

	CHECK(ioctl(v->container, VFIO_IOMMU_MAP_DMA, &map));
}

/* #2's and vhost-vdpa's devices with an owner; #2's with @m mapped, if there is one. */
static inline int open_owned(const char *kind, void *m)
{
	struct vhost_mdev_dma_map map = { .iova = IOVA, .size = AREA, .uaddr = (uint64_t)m, .perm = 3 };
	int fd = CHECK(open(device(kind), O_RDWR));

	CHECK(ioctl(fd, VHOST_SET_OWNER));
	if (m)
		CHECK(ioctl(fd, VHOST_MDEV_MAP_DMA, &map));
	return fd;
}

static inline int set_status(int fd, uint8_t status)
{
	return ioctl(fd, VHOST_VDPA_SET_STATUS, &status);
}

/* From a reset device to one that takes its vrings' setup. */
static inline void negotiate(int fd, uint64_t features)
{
	CHECK(set_status(fd, 0));
	CHECK(set_status(fd, ACKNOWLEDGE | DRIVER));
	CHECK(ioctl(fd, VHOST_SET_FEATURES, &features));
	CHECK(set_status(fd, ACKNOWLEDGE | DRIVER | FEATURES_OK));
}

static inline void start(int fd)
{
	CHECK(set_status(fd, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK));
}

static inline struct vhost_vring_addr vring_addr(int q)
{
	uint64_t at = IOVA + q * RING;

	return (struct vhost_vring_addr){
		.index = q,
		.desc_user_addr = at,
		.avail_user_addr = at + AVAIL,
		.used_user_addr = at + USED,
	};
}

static inline void vring(int fd, int q, unsigned int num)
{
	struct vhost_vring_state state = { q, num };
	struct vhost_vring_addr addr = vring_addr(q);

	CHECK(ioctl(fd, VHOST_SET_VRING_NUM, &state));
	CHECK(ioctl(fd, VHOST_SET_VRING_ADDR, &addr));
	state.num = 1;
	CHECK(ioctl(fd, VHOST_VDPA_SET_VRING_ENABLE, &state));
}

/* One message of #1/A; the reply of a get takes its payload's place. */
static inline int message(int fd, uint64_t request, void *payload, uint32_t size, bool get)
{
	struct {
		struct vhost_vfio_op head;
		char payload[64];
	} op = { .head = { .request = request, .flags = get, .size = size } };
	ssize_t len = sizeof(op.head) + size;

	if (size)
		memcpy(op.payload, payload, size);
	if (pwrite(fd, &op, len, 0) != len)
		return -1;
	if (get) {
		if (pread(fd, &op, len, 0) != len)
			return -1;
		memcpy(payload, op.payload, size);
	}
	return 0;
}

static inline void message_vring(int fd, int q, uint32_t num)
{
	struct vhost_vring_state state = { q, num };
	struct vhost_vring_addr addr = vring_addr(q);

	CHECK(message(fd, VHOST_SET_VRING_NUM, &state, sizeof(state), false));
	CHECK(message(fd, VHOST_SET_VRING_ADDR, &addr, sizeof(addr), false));
}

/* The thread of the device that has this name. */
static inline int worker(const char *device)
{
	char name[300], want[32], got[32];
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	int pid = 0;

	snprintf(want, sizeof(want), "va-%.12s", device);
	while (!pid && (entry = readdir(proc))) {
		FILE *comm;

		snprintf(name, sizeof(name), "/proc/%s/comm", entry->d_name);
		comm = fopen(name, "r");
		if (!comm)
			continue;
		if (fscanf(comm, "%31s", got) == 1 && !strcmp(got, want))
			pid = atoi(entry->d_name);
		fclose(comm);
	}
	closedir(proc);
	if (!pid) {
		fprintf(stderr, "%s has no thread\n", want);
		exit(2);
	}
	return pid;
}

#endif
