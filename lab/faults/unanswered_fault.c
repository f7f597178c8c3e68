// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the client whose page faults nobody answers, of its log or of a buffer:
 * the device waits for it, but no request does, and a client that is killed dies.
 */
#include "client.h"

#include <linux/userfaultfd.h>
#include <sys/syscall.h>

#define LIMIT 20.0	/* seconds; it takes some milliseconds */
#define PAGE 4096ul

/* Memory that isn't there until somebody answers. */
static char *unanswered(void)
{
	char *m = CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct uffdio_register range = {
		.range = { (uint64_t)m, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = CHECK(syscall(SYS_userfaultfd, O_CLOEXEC));

	CHECK(ioctl(fd, UFFDIO_API, &api));
	CHECK(ioctl(fd, UFFDIO_REGISTER, &range));
	return m;
}

/* One frame from the first transmit buffer to the first receive buffer. */
static void frame(char *m, uint64_t to)
{
	desc_of(m, 0)[0] = (struct desc){ to, 256, 2 };
	desc_of(m, 1)[0] = (struct desc){ IOVA + BUFFER, 64 };
	avail_of(m, 0)->idx = avail_of(m, 1)->idx = 1;
}

/* Asks, when the device has had the time to get stuck, and says so in @m. */
static void ask(int fd, char *m)
{
	uint8_t status = 0;

	sleep(1);
	CHECK(ioctl(fd, VHOST_VDPA_GET_STATUS, &status));
	m[AREA - 1] = status & DRIVER_OK ? 1 : 2;
	pause();
}

static void log_of_mdev(char *m)
{
	int fd = open_owned("vhost-mdev", m), event = CHECK(eventfd(0, 0));
	uint64_t base = (uint64_t)unanswered();
	struct vhost_vring_file kick = { 1, event };

	negotiate(fd, NEEDED | BIT(26));
	CHECK(ioctl(fd, VHOST_SET_LOG_BASE, &base));
	vring(fd, 0, 16);
	vring(fd, 1, 16);
	CHECK(ioctl(fd, VHOST_SET_VRING_KICK, &kick));
	start(fd);
	frame(m, IOVA + BUFFER + PAGE);
	CHECK(eventfd_write(event, 1));
	ask(fd, m);
}

static void buffer_of_vfio(char *m)
{
	struct vfio v = vfio_open();
	uint64_t features = NEEDED, run = VHOST_DEVICE_S_RUNNING;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uint64_t)unanswered(),
		.iova = IOVA + AREA,
		.size = PAGE,
	};
	int q = 1;

	vfio_map(&v, m);
	CHECK(ioctl(v.container, VFIO_IOMMU_MAP_DMA, &map));
	CHECK(message(v.device, VHOST_SET_OWNER, NULL, 0, false));
	CHECK(message(v.device, VHOST_SET_FEATURES, &features, 8, false));
	message_vring(v.device, 0, 16);
	message_vring(v.device, 1, 16);
	CHECK(message(v.device, VHOST_DEVICE_SET_STATE, &run, 8, false));
	frame(m, IOVA + AREA);
	CHECK(pwrite(v.device, &q, sizeof(q), NOTIFY));
	ask(v.device, m);
}

static void try(const char *what, void (*client)(char *))
{
	char *m = area();
	volatile char *answer = &m[AREA - 1];
	pid_t pid = CHECK(fork());
	double end = now() + LIMIT;

	if (!pid)
		client(m);
	while (!*answer && now() < end)
		usleep(1000);
	EXPECT(*answer == 1, "%s: a request is not answered", what);
	EXPECT(!used_of(m, 1)->idx, "%s: the frame was sent", what);
	kill(pid, SIGKILL);
	end = now() + LIMIT;
	while (waitpid(pid, NULL, WNOHANG) != pid && now() < end)
		usleep(1000);
	if (now() >= end) {
		printf("FAILED: %s: the client is not dead %.0f s after it was killed\n", what, LIMIT);
		exit(1);
	}
}

/* The next client finds a device that works. */
static void works(void)
{
	char *m = area();
	int fd = open_owned("vhost-mdev", m);
	double end = now() + LIMIT;

	negotiate(fd, NEEDED);
	vring(fd, 0, 16);
	vring(fd, 1, 16);
	frame(m, IOVA + BUFFER + PAGE);
	start(fd);
	while (!used_of(m, 1)->idx && now() < end)
		usleep(1000);
	EXPECT(used_of(m, 1)->idx == 1, "the next client's frame is not sent");
	close(fd);
}

int main(void)
{
	try("a log on vhost-mdev", log_of_mdev);
	works();
	try("a buffer on VFIO", buffer_of_vfio);
	try("a log on vhost-mdev, again", log_of_mdev);
	printf("faults that nobody answers hold up nobody\n");
	return wrong;
}
