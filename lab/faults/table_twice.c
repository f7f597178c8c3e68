// SPDX-License-Identifier: GPL-2.0-only
/* #2: a memory table that takes the place of another needs the limit of one of them. */
#include "client.h"

#include <sys/resource.h>

#define SIZE (4ul << 20)

static int set_table(int fd, void *m, size_t size)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} table = {
		.head.nregions = 1,
		.region = { IOVA, size, (uint64_t)m },
	};

	return ioctl(fd, VHOST_SET_MEM_TABLE, &table) ? errno : 0;
}

static long locked(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "VmLck: %ld", &kib);
	fclose(file);
	return kib;
}

int main(void)
{
	struct rlimit limit = { SIZE * 3 / 2, SIZE * 3 / 2 };
	int fd = CHECK(open(device("vhost-mdev"), O_RDWR));
	char *m = CHECK(mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));

	CHECK(setrlimit(RLIMIT_MEMLOCK, &limit));
	CHECK(setgid(65534));
	CHECK(setuid(65534));
	CHECK(ioctl(fd, VHOST_SET_OWNER));
	EXPECT(!set_table(fd, m, SIZE), "the first table is refused");
	EXPECT(!set_table(fd, m, SIZE), "the same table again is refused");
	EXPECT(!set_table(fd, m + SIZE, SIZE), "another table of this size is refused");
	EXPECT(locked() == SIZE >> 10, "%ld KiB are charged for 4 MiB", locked());
	EXPECT(set_table(fd, m, 2 * SIZE) == ENOMEM, "a table beyond the limit is taken");
	EXPECT(locked() == SIZE >> 10, "%ld KiB are charged after a refusal", locked());
	EXPECT(!set_table(fd, m, SIZE / 2), "a smaller table is refused");
	EXPECT(locked() == SIZE >> 11, "%ld KiB are charged for 2 MiB", locked());
	EXPECT(!set_table(fd, m, SIZE), "a larger table is refused");
	EXPECT(locked() == SIZE >> 10, "%ld KiB are charged for 4 MiB once more", locked());
	/* A table that fails behind a region that was pinned. */
	EXPECT(set_table(fd, NULL, SIZE), "a table without memory is taken");
	EXPECT(locked() == SIZE >> 10, "%ld KiB are charged after a fault", locked());
	printf("a table is charged once\n");
	return wrong;
}
