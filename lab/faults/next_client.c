// SPDX-License-Identifier: GPL-2.0-only
/* What a client leaves for the next one of the same device: nothing. */
#include "client.h"

/*
 * A doorbell page of whichever interface. vhost_vdpa maps none to be read; but what
 * is there to be written can be read, from the first store on at the latest.
 */
static char *doorbell(const char *kind)
{
	off_t at = 0;
	char *page;
	int fd;

	if (strcmp(kind, "vfio-msg")) {
		fd = CHECK(open(device(kind), O_RDWR));
	} else {
		fd = vfio_open().device;
		at = NOTIFY;
	}
	page = CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, at));
	page[2048] = 0;
	return page;
}

/* Each in a process of its own: its end closes everything. */
static int as_client(int (*client)(const char *), const char *kind)
{
	int status;

	fflush(stdout);
	if (!CHECK(fork()))
		_exit(client(kind));
	CHECK(wait(&status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		exit(2);
	return WEXITSTATUS(status);
}

static int leave_a_word(const char *kind)
{
	strcpy(doorbell(kind) + 1024, "a word");
	return 0;
}

static int find_a_word(const char *kind)
{
	return !!strcmp(doorbell(kind) + 1024, "");
}

static int map_a_doorbell(const char *kind)
{
	doorbell(kind);
	return 0;
}

/* The thread of a device that runs and has no doorbell mapped sleeps until it is woken. */
static int is_looked_after(const char *kind)
{
	int fd = open_owned(kind, NULL), pid = worker("va0");
	long before = 0, after = 0;
	char name[64];

	negotiate(fd, NEEDED);
	start(fd);
	snprintf(name, sizeof(name), "/proc/%d/status", pid);
	for (int i = 0; i < 2; i++) {
		FILE *status = fopen(name, "r");
		char line[256];

		sleep(1);
		before = after;
		while (fgets(line, sizeof(line), status))
			sscanf(line, "voluntary_ctxt_switches: %ld", &after);
		fclose(status);
	}
	/* Some ten thousand with naps of 100 us. */
	return after - before > 100;
}

int main(void)
{
	static const char *const kinds[] = { "vhost-vdpa", "vhost-mdev", "vfio-msg" };

	for (int i = 0; i < 3; i++) {
		as_client(leave_a_word, kinds[i]);
		EXPECT(!as_client(find_a_word, kinds[i]),
		       "%s: the next client reads what was left in a doorbell page", kinds[i]);
	}
	as_client(map_a_doorbell, "vhost-vdpa");
	EXPECT(!as_client(is_looked_after, "vhost-vdpa"),
	       "vhost-vdpa: a doorbell that a client before had mapped is looked at");
	printf("nothing is left for the next client\n");
	return wrong;
}
