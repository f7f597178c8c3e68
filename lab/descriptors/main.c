// SPDX-License-Identifier: GPL-2.0-only
//
// What a device's descriptor answers to calls that are any file's. The same on a real kernel and on
// the emulated one: what is printed is compared with `expected`, which is what Linux 6.12 prints.
//
//	main [URI...]
//
// URIs are those of VHOST_ACCEL_URIS; the first of each kind counts. Without any, the emulated
// kernel's first devices.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *name(long ret)
{
	return ret < 0 ? strerrorname_np(errno) : "ok";
}

#define SAY(question, call) \
	do { \
		errno = 0; \
		printf("%s: %s: %s\n", kind, question, name(call)); \
	} while (0)

static int reopen(int fd, int flags)
{
	char link[64];
	int again;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	again = open(link, flags);
	if (again >= 0)
		close(again);
	return again;
}

static int how(int fd, uint64_t flags, uint64_t mode, uint64_t resolve, uint64_t more, size_t size)
{
	uint64_t words[4] = { flags, mode, resolve, more };
	char link[64];
	int again;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	again = syscall(SYS_openat2, AT_FDCWD, link, words, size);
	if (again >= 0)
		close(again);
	return again;
}

/* The name that /proc/devices has for a major. */
static void major_name(unsigned int number, char *into)
{
	FILE *devices = fopen("/proc/devices", "r");
	char line[128];
	unsigned int found;

	strcpy(into, "none");
	while (devices && fgets(line, sizeof(line), devices) && strncmp(line, "Block", 5)) {
		char word[64];

		if (sscanf(line, "%u %63s", &found, word) == 2 && found == number)
			strcpy(into, word);
	}
	if (devices)
		fclose(devices);
}

// ABI-NUM-2, ABI-NUM-4, ABI-NUM-6
static void any_file(const char *kind, int fd)
{
	int on = 1, off = 0, pipes[2], file = memfd_create("", 0);
	struct stat status;
	char major_is[64], path[64], held[256];
	ssize_t len;

	if (pipe(pipes) || ftruncate(file, 4096))
		exit(1);
	fstat(fd, &status);
	major_name(major(status.st_rdev), major_is);
	printf("%s: fstat: type %o, major of %s, size %lld\n", kind, status.st_mode & S_IFMT,
	       S_ISCHR(status.st_mode) ? major_is : "nobody", (long long)status.st_size);
	if (S_ISCHR(status.st_mode)) {
		snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/uevent", major(status.st_rdev),
			 minor(status.st_rdev));
		SAY("sysfs has its number", access(path, R_OK));
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, held, sizeof(held));
	printf("%s: its link is %s\n", kind, len > 5 && !strncmp(held, "/dev/", 5) ? "its path" :
	       len > 0 ? "no path" : "none");
	SAY("open again", reopen(fd, O_RDWR));
	SAY("open again, read only", reopen(fd, O_RDONLY));
	SAY("open again, truncating", reopen(fd, O_RDWR | O_TRUNC));
	SAY("open again as a directory", reopen(fd, O_RDONLY | O_DIRECTORY));
	SAY("open the link", reopen(fd, O_RDWR | O_NOFOLLOW));
	SAY("truncate", truncate(path, 0));
	SAY("openat2 too short", how(fd, O_RDWR, 0, 0, 0, 16));
	SAY("openat2 longer", how(fd, O_RDWR | O_DIRECTORY, 0, 0, 0, 32));
	SAY("openat2 longer and not zero", how(fd, O_RDWR, 0, 0, 1, 32));
	SAY("openat2 unknown flag", how(fd, O_RDWR | 1 << 30, 0, 0, 0, 24));
	SAY("openat2 mode without O_CREAT", how(fd, O_RDWR, 0600, 0, 0, 24));
	SAY("openat2 unknown limit", how(fd, O_RDWR, 0, 1 << 20, 0, 24));
	SAY("openat2 no magic links", how(fd, O_RDWR, 0, RESOLVE_NO_MAGICLINKS, 0, 24));
	SAY("openat2 no other mount", how(fd, O_RDWR, 0, RESOLVE_NO_XDEV, 0, 24));
	SAY("FIONCLEX", ioctl(fd, FIONCLEX));
	printf("%s: close on exec: %d\n", kind, fcntl(fd, F_GETFD));
	SAY("FIOCLEX", ioctl(fd, FIOCLEX));
	printf("%s: close on exec: %d\n", kind, fcntl(fd, F_GETFD));
	SAY("FIONBIO", ioctl(fd, FIONBIO, &on));
	printf("%s: non-blocking: %d\n", kind, !!(fcntl(fd, F_GETFL) & O_NONBLOCK));
	SAY("FIONBIO", ioctl(fd, FIONBIO, &off));
	SAY("FIOASYNC on", ioctl(fd, FIOASYNC, &on));
	SAY("FIOASYNC off", ioctl(fd, FIOASYNC, &off));
	SAY("FIOQSIZE", ioctl(fd, FIOQSIZE, held));
	SAY("FS_IOC_FIEMAP", ioctl(fd, _IOWR('f', 11, char[32]), memset(held, 0, 64)));
	SAY("F_GET_SEALS", fcntl(fd, F_GET_SEALS));
	SAY("F_SETLEASE", fcntl(fd, F_SETLEASE, F_RDLCK));
	SAY("F_DUPFD beyond the limit", fcntl(fd, F_DUPFD, 1 << 30));
	SAY("lseek", lseek(fd, 0, SEEK_SET));
	SAY("ftruncate", ftruncate(fd, 0));
	SAY("fallocate", fallocate(fd, 0, 0, 4096));
	SAY("fsync", fsync(fd));
	SAY("fdatasync", fdatasync(fd));
	SAY("sync_file_range", sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	SAY("readahead", readahead(fd, 0, 4096));
	SAY("splice from it", splice(fd, NULL, pipes[1], NULL, 16, 0));
	SAY("splice to it", splice(pipes[0], NULL, fd, NULL, 16, SPLICE_F_NONBLOCK));
	SAY("splice of nothing", splice(fd, NULL, pipes[1], NULL, 0, 0));
	SAY("tee from it", tee(fd, pipes[1], 16, 0));
	SAY("vmsplice to it", vmsplice(fd, &(struct iovec){ held, 16 }, 1, 0));
	SAY("openat relative to it", openat(fd, "x", O_RDONLY));
	SAY("readlinkat of it", readlinkat(fd, "", held, sizeof(held)));
	SAY("faccessat2 of it", syscall(SYS_faccessat2, fd, "", W_OK, AT_EMPTY_PATH));
	SAY("fchdir", fchdir(fd));
	SAY("getdents64", syscall(SYS_getdents64, fd, held, sizeof(held)));
	SAY("sendfile from it", sendfile(pipes[1], fd, NULL, 16));
	SAY("sendfile to it", sendfile(fd, file, NULL, 16));
	SAY("copy_file_range from it", copy_file_range(fd, NULL, file, NULL, 16, 0));
	SAY("copy_file_range to it", copy_file_range(file, NULL, fd, NULL, 16, 0));
	close(pipes[0]);
	close(pipes[1]);
	close(file);
}

/* A node that isn't opened, and what its path answers. */
static void path_only(const char *kind, const char *path)
{
	int fd = open(path, O_PATH | O_RDWR), copy;
	struct stat status;
	char byte;

	SAY("O_PATH", fd);
	fstat(fd, &status);
	printf("%s: O_PATH is a character device: %d\n", kind, S_ISCHR(status.st_mode));
	printf("%s: O_PATH says so: %d\n", kind, !!(fcntl(fd, F_GETFL) & O_PATH));
	SAY("O_PATH read", read(fd, &byte, 1));
	SAY("O_PATH ioctl", ioctl(fd, FIOCLEX));
	SAY("O_PATH lseek", lseek(fd, 0, SEEK_SET));
	SAY("O_PATH F_SETFL", fcntl(fd, F_SETFL, 0));
	SAY("O_PATH fsync", fsync(fd));
	SAY("O_PATH mmap", mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	copy = dup(fd);
	SAY("O_PATH dup", copy);
	SAY("O_PATH opened", reopen(copy, O_RDWR));
	SAY("O_PATH openat relative to it", openat(fd, "x", O_RDONLY));
	SAY("a slash behind it", ({
		char slash[256];

		snprintf(slash, sizeof(slash), "%s/", path);
		open(slash, O_RDWR);
	}));
	SAY("O_DIRECTORY", open(path, O_RDONLY | O_DIRECTORY));
	SAY("O_CREAT | O_EXCL", open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
	SAY("truncate of the path", truncate(path, 0));
	SAY("mkdir", mkdir(path, 0700));
	close(copy);
	close(fd);
}

static void character_device(const char *kind, const char *path)
{
	int fd;
	uint32_t id;

	path_only(kind, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	any_file(kind, fd);
	SAY("the device lives", ioctl(fd, _IOR(0xAF, 0x70, uint32_t), &id));
	close(fd);
}

static void vfio(const char *path)
{
	char text[512], group[512], *kind = "group";
	int container, fd, device;
	ssize_t len;

	snprintf(text, sizeof(text), "%s/iommu_group", path);
	len = readlink(text, group, sizeof(group) - 1);
	if (len < 0) {
		perror(text);
		exit(1);
	}
	group[len] = 0;
	snprintf(text, sizeof(text), "/dev/vfio/%s", strrchr(group, '/') + 1);
	container = open("/dev/vfio/vfio", O_RDWR);
	fd = open(text, O_RDWR);
	if (container < 0 || fd < 0 || ioctl(fd, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
		perror(text);
		exit(1);
	}
	any_file("container", container);
	any_file(kind, fd);
	device = ioctl(fd, VFIO_GROUP_GET_DEVICE_FD, strrchr(path, '/') + 1);
	if (device < 0) {
		perror(path);
		exit(1);
	}
	kind = "device";
	any_file(kind, device);
	SAY("the device lives", ioctl(device, VFIO_DEVICE_RESET));
	close(device);
	close(fd);
	close(container);
}

static const char *path_of(int argc, char **argv, const char *scheme, const char *otherwise)
{
	size_t len = strlen(scheme);

	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], scheme, len)) {
			argv[i][strcspn(argv[i], "?")] = 0;
			return argv[i] + len;
		}
	return otherwise;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	character_device("vhost-mdev", path_of(argc, argv, "vhost-mdev:", "/dev/vhost-mdev-0"));
	character_device("vhost-vdpa", path_of(argc, argv, "vhost-vdpa:", "/dev/vhost-vdpa-0"));
	vfio(path_of(argc, argv, "vfio-ioctl:",
		     "/sys/bus/mdev/devices/76686f73-7400-4000-8000-000000000000"));
	return 0;
}
