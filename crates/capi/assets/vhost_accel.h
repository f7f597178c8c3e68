/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * libvhost_accel: drives a device that walks virtio rings by itself, whatever interface the
 * kernel gives it.
 *
 * Order of calls:
 *
 *   open --> negotiate --> setup_vrings --> start --> suspend --> resume
 *    ^                                       |           |
 *    +----------------- reset <--------------+-----------+
 *
 * dma_map, set_call and kicker_open may come at any time; a vring runs only once what it points
 * to is mapped. Wrong order is EBUSY and makes no system call.
 *
 * Answers. A function that returns an int returns 0 or more if it worked, and a negative errno if
 * it didn't: the kernel's, where the kernel was asked. vhost_accel_last_error has it in words.
 * What a failed call would have written is left as it was. An ability that is optional is a
 * capability (vhost_accel_get_info), and EOPNOTSUPP from a device that hasn't got it.
 *
 * Handles. A device, kicker or page is a number that has a pointer's type: it is not
 * dereferenced, and never stands for something else later. NULL is EINVAL; one that is closed, or
 * of another kind, is EBADF.
 *
 * Pointers. A pointer that is not a handle is NULL or points to what its type says, as many of it
 * as the count beside it says. NULL is EINVAL unless it is said what it means, and fine with a
 * count of 0; so is one that is not aligned. Nothing but vhost_accel_dma_map and
 * vhost_accel_set_dirty_log keeps a pointer beyond the call.
 *
 * File descriptors. -1 says "none", where none is possible. Others below 0 are EBADF. The library
 * closes only its own.
 *
 * Threads. Every function may be called by any thread at any time, with one exception: nobody may
 * be in vhost_accel_kick or vhost_accel_kick_with with a kicker that another thread closes. Calls
 * on one device wait for each other; kicks wait for nobody. After fork(2) the child has no
 * device: it may only execute a program.
 *
 * No function of the library unwinds, exits or calls back. A bug in it that is met is
 * ENOTRECOVERABLE, and so is every later call on that device but vhost_accel_close.
 *
 * Capabilities and features are named here as in VHOST_ACCEL_CAP_ and VHOST_ACCEL_F_ below.
 */

#ifndef VHOST_ACCEL_H
#define VHOST_ACCEL_H

#include <stddef.h>
#include <stdint.h>

/**
 * An interface that is none of the four.
 */
#define VHOST_ACCEL_OTHER 0

/**
 * #1/A: messages over VFIO device regions.
 */
#define VHOST_ACCEL_VFIO_MSG 1

/**
 * #1/B: vhost ioctls on the VFIO device fd.
 */
#define VHOST_ACCEL_VFIO_IOCTL 2

/**
 * #2: the vhost-mdev character device.
 */
#define VHOST_ACCEL_VHOST_MDEV 3

/**
 * The control: /dev/vhost-vdpa-N.
 */
#define VHOST_ACCEL_VHOST_VDPA 4

/**
 * A capability: kicks by a store into a mapped page.
 */
#define VHOST_ACCEL_CAP_KICK_DOORBELL (1 << 0)

/**
 * Kicks by eventfd.
 */
#define VHOST_ACCEL_CAP_KICK_EVENTFD (1 << 1)

/**
 * Kicks by pwrite(2) to the NOTIFY region.
 */
#define VHOST_ACCEL_CAP_KICK_REGION_WRITE (1 << 2)

/**
 * Many vrings are set up in a number of system calls that doesn't grow with them.
 */
#define VHOST_ACCEL_CAP_BATCH_VRINGS (1 << 3)

/**
 * Many DMA mappings are announced to the device as one change.
 */
#define VHOST_ACCEL_CAP_BATCH_DMA (1 << 4)

/**
 * vhost_accel_suspend.
 */
#define VHOST_ACCEL_CAP_SUSPEND (1 << 5)

/**
 * vhost_accel_resume.
 */
#define VHOST_ACCEL_CAP_RESUME (1 << 6)

/**
 * vhost_accel_set_dirty_log.
 */
#define VHOST_ACCEL_CAP_DIRTY_LOG (1 << 7)

/**
 * vhost_accel_set_error: a vring's fault is signalled on an eventfd of its own.
 */
#define VHOST_ACCEL_CAP_ERROR_EVENT (1 << 8)

/**
 * A DMA mapping can be read-only or write-only.
 */
#define VHOST_ACCEL_CAP_DMA_ACCESS (1 << 9)

/**
 * A failed DMA request says why: EEXIST for an overlap, ENOENT for an unmap of nothing.
 */
#define VHOST_ACCEL_CAP_DMA_ERRNO (1 << 10)

/**
 * One mapping is added or removed without sending the others again.
 */
#define VHOST_ACCEL_CAP_DMA_INCREMENTAL (1 << 11)

/**
 * Virtio status, config space and vring enable can be reached.
 */
#define VHOST_ACCEL_CAP_VIRTIO_STATUS (1 << 12)

/**
 * vhost_accel_dma_update is one change, also for memory that the device uses at that moment.
 */
#define VHOST_ACCEL_CAP_ATOMIC_DMA (1 << 13)

/**
 * Memory is mapped through the device: vhost_accel_dma_map and its like.
 */
#define VHOST_ACCEL_CAP_DMA (1 << 14)

/**
 * A feature: VIRTIO_F_VERSION_1. Our devices run with it and with the next one only.
 */
#define VHOST_ACCEL_F_VERSION_1 (1ull << 32)

/**
 * VIRTIO_F_ACCESS_PLATFORM: addresses are translated.
 */
#define VHOST_ACCEL_F_ACCESS_PLATFORM (1ull << 33)

/**
 * VHOST_F_LOG_ALL: the device logs the pages that it writes.
 */
#define VHOST_ACCEL_F_LOG_ALL (1ull << 26)

/**
 * Any kind of kick: the best that the device has, in the order of the three below.
 */
#define VHOST_ACCEL_KICK_BEST 0

/**
 * A store into a mapped page: no system call.
 */
#define VHOST_ACCEL_KICK_DOORBELL 1

/**
 * A write(2) of an eventfd, which KVM can make for a guest.
 */
#define VHOST_ACCEL_KICK_EVENTFD 2

/**
 * A pwrite(2) of the vring's number to the NOTIFY region.
 */
#define VHOST_ACCEL_KICK_REGION_WRITE 3

/**
 * A phase: opened or reset; nothing negotiated.
 */
#define VHOST_ACCEL_PHASE_FRESH 0

/**
 * Features are negotiated, the device does not run.
 */
#define VHOST_ACCEL_PHASE_NEGOTIATED 1

/**
 * The vrings run.
 */
#define VHOST_ACCEL_PHASE_RUNNING 2

/**
 * The vrings stand still and keep their state.
 */
#define VHOST_ACCEL_PHASE_SUSPENDED 3

/**
 * Access to mapped memory: the device reads it.
 */
#define VHOST_ACCEL_READ 1

/**
 * The device writes it.
 */
#define VHOST_ACCEL_WRITE 2

/**
 * Both.
 */
#define VHOST_ACCEL_READ_WRITE 3

/**
 * The number of mappings where the kernel doesn't say how many there can be.
 */
#define VHOST_ACCEL_UNKNOWN 18446744073709551615ull

/**
 * An open device. Any thread may use it; calls on one device wait for each other.
 */
struct vhost_accel_device;

/**
 * Kicks one vring. Any number of threads may kick with it at a time.
 */
struct vhost_accel_kicker;

/**
 * The page of one vring's doorbell, for somebody else to store into: a KVM guest through a memory
 * slot, or another process that maps the device's file descriptor. The address stays mapped until
 * the page is closed, so remove the memory slot first.
 */
struct vhost_accel_page;

/**
 * Memory of this process for the device. Its parts are whole pages.
 */
struct vhost_accel_mapping {
    /**
     * Where the device finds it.
     */
    uint64_t iova;
    /**
     * How many bytes.
     */
    uint64_t len;
    /**
     * Where this process has it.
     */
    void *host;
    /**
     * What the device may do: VHOST_ACCEL_READ_WRITE, or with DMA_ACCESS one of the two.
     */
    uint32_t access;
    /**
     * 0.
     */
    uint32_t reserved;
};

/**
 * A range of IOVAs.
 */
struct vhost_accel_range {
    /**
     * The first address.
     */
    uint64_t start;
    /**
     * How many bytes.
     */
    uint64_t len;
};

/**
 * What can be mapped.
 */
struct vhost_accel_dma_limits {
    /**
     * The sizes that a mapping may be made of, a bit each: 4 KiB is bit 12.
     */
    uint64_t page_sizes;
    /**
     * How many mappings there can be at a time, for VFIO how many more; VHOST_ACCEL_UNKNOWN where
     * the kernel doesn't say.
     */
    uint64_t max_mappings;
};

/**
 * What a device is and can do. It doesn't change while the device is open.
 */
struct vhost_accel_info {
    /**
     * The interface: VHOST_ACCEL_VFIO_MSG and so on.
     */
    uint32_t interface;
    /**
     * The virtio device id: 1 is a network device.
     */
    uint32_t device_id;
    /**
     * VHOST_ACCEL_CAP_ bits. What asks for one that is missing is EOPNOTSUPP.
     */
    uint32_t capabilities;
    /**
     * How many vrings there are.
     */
    uint16_t queue_count;
    /**
     * The most entries that a vring may have.
     */
    uint16_t max_queue_size;
};

/**
 * Where a page is.
 */
struct vhost_accel_page_info {
    /**
     * Where this process has it. It can be written, and is not to be read.
     */
    void *address;
    /**
     * Bytes.
     */
    uint64_t len;
    /**
     * Where it begins on the device's file descriptor, for mmap(2) with PROT_WRITE and MAP_SHARED.
     */
    uint64_t offset;
    /**
     * The vring that a store kicks. What is stored is its number in 16 bits.
     */
    uint32_t queue;
    /**
     * 0.
     */
    uint32_t reserved;
};

/**
 * A vring as it is set up.
 */
struct vhost_accel_vring {
    /**
     * Which vring, from 0.
     */
    uint16_t queue;
    /**
     * Entries: a power of two, at most max_queue_size.
     */
    uint16_t size;
    /**
     * Where to go on: 0 for a new ring, else what vhost_accel_vring_base read.
     */
    uint32_t base;
    /**
     * The descriptor table, an IOVA aligned to 16 bytes.
     */
    uint64_t desc;
    /**
     * The available (driver) ring, an IOVA aligned to 2 bytes.
     */
    uint64_t avail;
    /**
     * The used (device) ring, an IOVA aligned to 4 bytes.
     */
    uint64_t used;
    /**
     * The call eventfd, -1 for a vring that is polled. 0 is a file descriptor.
     */
    int call;
    /**
     * 1 for a vring that runs from the start, 0 for one that waits for vhost_accel_enable_vring.
     */
    uint32_t enabled;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Says in words why the last call on this thread that failed did so: the device, the operation,
 * the vring or range, and the reason. "" if none has failed. Never NULL.
 *
 * The text is the library's, and stays as it is until the next call on this thread that fails, or
 * the thread's end. Calls that succeed and calls on other threads leave it alone.
 */
const char *vhost_accel_last_error(void);

/**
 * The version of the library, "0.1.0" for one. The text is static.
 */
const char *vhost_accel_version(void);

/**
 * Lets the device use memory of this process.
 *
 * Until a vhost_accel_dma_unmap of a range that covers it, or the close of the device, that memory
 * must stay mapped in this process, and writable if the device may write. The device reads and
 * writes it at any time.
 *
 * EINVAL for an empty, wrapping or misaligned range. With DMA_ERRNO: EEXIST for an overlap, ENOSPC
 * beyond the limit; without it EFAULT. A host address that is none is EFAULT where the interface
 * pins at once, and stops the vring that touches it where it doesn't. EOPNOTSUPP for one-way
 * access without DMA_ACCESS.
 */
int vhost_accel_dma_map(struct vhost_accel_device *device,
                        const struct vhost_accel_mapping *mapping);

/**
 * Maps all `count` or none, with BATCH_DMA as one change. As vhost_accel_dma_map for each.
 */
int vhost_accel_dma_map_all(struct vhost_accel_device *device,
                            const struct vhost_accel_mapping *mappings,
                            size_t count);

/**
 * Takes every mapping inside the range away. When it has answered 0, the device no longer touches
 * them. The range may cover several mappings and gaps between them, and cuts none.
 *
 * With DMA_ERRNO: EINVAL if it would cut one, ENOENT if there is nothing. Without it a mapping
 * that the range touches is removed, whole or that part of it, and nothing is no error.
 */
int vhost_accel_dma_unmap(struct vhost_accel_device *device, uint64_t iova, uint64_t len);

/**
 * Takes the mappings in `unmap_count` ranges away and then maps `map_count`. Here a range in which
 * there is nothing is no error. One range from 0 on of 2^64 - 4096 bytes makes `map` all that is
 * mapped.
 *
 * With ATOMIC_DMA it is one change, all or none, and memory in use may be part of it. Without it a
 * running device may meet the moment between, and stops the vring that does; with `suspended` 1
 * the vrings stand still meanwhile. What was unmapped before a failure stays so then, and none of
 * `map` is mapped.
 *
 * As vhost_accel_dma_unmap and vhost_accel_dma_map; with `suspended` also as vhost_accel_suspend
 * and vhost_accel_resume.
 */
int vhost_accel_dma_update(struct vhost_accel_device *device,
                           const struct vhost_accel_range *unmap,
                           size_t unmap_count,
                           const struct vhost_accel_mapping *map,
                           size_t map_count,
                           uint32_t suspended);

/**
 * What can be mapped. Answers how many ranges of IOVAs there are; the first `capacity` of them are
 * put into `ranges`, which may be NULL if that is 0.
 */
int vhost_accel_get_dma_limits(struct vhost_accel_device *device,
                               struct vhost_accel_dma_limits *limits,
                               struct vhost_accel_range *ranges,
                               size_t capacity);

/**
 * Starts, moves or, with NULL, stops the log of pages that the device writes: bit n of the bitmap
 * is the 4 KiB page n of IOVA space. Possible while running.
 *
 * The bitmap has len bytes, whole words of 8, and is aligned to 8 bytes. It must be memory of this
 * process as in vhost_accel_dma_map until the log is stopped or the device is reset or closed.
 * While there is a log, memory beyond what it covers can't be mapped for writing.
 *
 * EOPNOTSUPP without DIRTY_LOG, EBUSY before vhost_accel_negotiate, EINVAL for a bitmap that
 * doesn't cover every address that is mapped for writing.
 */
int vhost_accel_set_dirty_log(struct vhost_accel_device *device, uint64_t *bitmap, uint64_t len);

/**
 * The features that the device offers.
 */
int vhost_accel_features(struct vhost_accel_device *device, uint64_t *features);

/**
 * Negotiates features. `wanted` is cut down to what the device offers and the library can drive;
 * `accepted` is what holds now.
 *
 * EBUSY unless the device is fresh. ENODEV when the device refuses: VERSION_1 and ACCESS_PLATFORM
 * may be missing, and the message says what is. It wants a reset then.
 */
int vhost_accel_negotiate(struct vhost_accel_device *device, uint64_t wanted, uint64_t *accepted);

/**
 * The features that were negotiated; 0 while the device is fresh. Makes no system call.
 */
int vhost_accel_negotiated(struct vhost_accel_device *device, uint64_t *features);

/**
 * What the last vhost_accel_negotiate took out of what was wanted and offered, because the library
 * can't drive it. Makes no system call.
 */
int vhost_accel_withheld(struct vhost_accel_device *device, uint64_t *features);

/**
 * The virtio device status, as the device has it: 0x40, DEVICE_NEEDS_RESET, tells of a stopped
 * vring.
 */
int vhost_accel_status(struct vhost_accel_device *device, uint8_t *status);

/**
 * The size of config space in bytes. EOPNOTSUPP without VIRTIO_STATUS, also from the next two.
 */
int vhost_accel_config_size(struct vhost_accel_device *device, uint32_t *size);

/**
 * Reads `size` bytes of config space from `offset` on. EINVAL beyond its end.
 */
int vhost_accel_read_config(struct vhost_accel_device *device,
                            uint32_t offset,
                            uint8_t *buffer,
                            size_t size);

/**
 * Writes `size` bytes of config space from `offset` on. What is read-only stays. EINVAL beyond its
 * end.
 */
int vhost_accel_write_config(struct vhost_accel_device *device,
                             uint32_t offset,
                             const uint8_t *buffer,
                             size_t size);

/**
 * Makes a kicker of this kind, VHOST_ACCEL_KICK_BEST for the best that the device has.
 *
 * `eventfd` is -1, or with VHOST_ACCEL_KICK_EVENTFD the caller's own, one that KVM signals for
 * instance. The kicker has a duplicate of it.
 *
 * EOPNOTSUPP for a kind that the device hasn't got, ENOBUFS for a vring that it hasn't got, EMFILE
 * for more than 65535 kickers.
 */
int vhost_accel_kicker_open(struct vhost_accel_device *device,
                            uint16_t queue,
                            uint32_t kind,
                            int eventfd,
                            struct vhost_accel_kicker **kicker);

/**
 * Closes a kicker. No thread may be in a kick with it meanwhile: that would be as with close(2) of
 * a file descriptor that is in use.
 */
int vhost_accel_kicker_close(struct vhost_accel_kicker *kicker);

/**
 * Kicks: tells the device that the vring has work. The rings have to be written before, as virtio
 * says.
 *
 * EAGAIN for an eventfd whose counter is full, which is a kick that nobody has taken yet; ENODEV
 * for a region write to a device that is closed.
 */
int vhost_accel_kick(struct vhost_accel_kicker *kicker);

/**
 * Kicks, and says where the driver will go on, with VIRTIO_F_NOTIFICATION_DATA. Only a doorbell
 * carries that; the other kinds kick.
 */
int vhost_accel_kick_with(struct vhost_accel_kicker *kicker, uint16_t next);

/**
 * Answers which vring it kicks.
 */
int vhost_accel_kicker_queue(struct vhost_accel_kicker *kicker);

/**
 * Answers how it kicks: VHOST_ACCEL_KICK_DOORBELL and so on.
 */
int vhost_accel_kicker_kind(struct vhost_accel_kicker *kicker);

/**
 * The eventfd that it signals, -1 for another kind. It is the kicker's, and is closed with it.
 */
int vhost_accel_kicker_eventfd(struct vhost_accel_kicker *kicker, int *eventfd);

/**
 * Lists the devices of this machine, as URIs with a newline behind each, without opening one.
 *
 * Answers the length of the list. As much of it as fits is put into `buffer`, with a zero behind
 * it, as snprintf(3) does: an answer of `size` or more says that it is not all. `buffer` may be
 * NULL if `size` is 0.
 */
int vhost_accel_devices(char *buffer, size_t size);

/**
 * Opens a device: INTERFACE:PATH[?OPTION=VALUE], "vhost-vdpa:/dev/vhost-vdpa-0" for one. README.md
 * lists the interfaces and options.
 *
 * EINVAL for a text that is no URI, EBUSY for a device that is in use, ENODEV for what is no such
 * device; else open(2)'s, and those of the requests that follow it.
 */
int vhost_accel_open(const char *uri, struct vhost_accel_device **device);

/**
 * Closes a device, which resets it and unmaps everything. The handle is invalid from then on.
 * Calls on the device that other threads are in come to their end first.
 *
 * Kickers and pages of the device have to be closed too, before or after it. A kick reaches nobody
 * after it: it does no harm, and by a region write it is ENODEV.
 */
int vhost_accel_close(struct vhost_accel_device *device);

/**
 * Opens the device that a URI names by an fd of it that somebody else has opened, to read and
 * write: a process that may, for one that is in a sandbox. The URI's path is for messages alone.
 * The fd stays the caller's; the device has a duplicate of it, and is closed when both are.
 *
 * On VFIO it is the device's fd, from a group in a container of a type 1 IOMMU. The container
 * stays the caller's, who maps memory there, for all its devices at once. The device has no
 * VHOST_ACCEL_CAP_DMA, and its dirty log can't be held against what is mapped.
 *
 * This process becomes the device's owner. The one that opened it must not have become that.
 *
 * EBADF for what is no fd, and those of vhost_accel_open.
 */
int vhost_accel_open_fd(const char *uri, int fd, struct vhost_accel_device **device);

/**
 * As vhost_accel_open_fd, on VFIO, with the device's container: memory is mapped through the
 * device. Everything in the container is unmapped with it, so no other device may be in it. The
 * last page of IOVAs can't be mapped.
 *
 * EOPNOTSUPP for the other interfaces, and those of vhost_accel_open_fd.
 */
int vhost_accel_open_fds(const char *uri,
                         int fd,
                         int container,
                         struct vhost_accel_device **device);

/**
 * What the device is and can do.
 */
int vhost_accel_get_info(struct vhost_accel_device *device, struct vhost_accel_info *info);

/**
 * The path that was opened. Answers its length and fills `buffer` as vhost_accel_devices does.
 */
int vhost_accel_path(struct vhost_accel_device *device, char *buffer, size_t size);

/**
 * The file descriptor that the device is open as, -1 where there is no single one. It is the
 * library's: it may be duplicated and mapped, and is closed with the device.
 *
 * With it the offset of a page is something that another process can map. Requests that are made
 * with it behind the library's back change what the library believes of the device.
 */
int vhost_accel_device_fd(struct vhost_accel_device *device, int *fd);

/**
 * Answers where the device stands in the order of calls: VHOST_ACCEL_PHASE_FRESH and so on.
 */
int vhost_accel_phase(struct vhost_accel_device *device);

/**
 * The page of a kicker by doorbell. It outlives the kicker. EOPNOTSUPP for a kicker of another
 * kind.
 *
 * When the device is closed, private memory takes the page's place: a store then does no harm and
 * reaches nobody.
 */
int vhost_accel_page_open(struct vhost_accel_kicker *kicker,
                          struct vhost_accel_page **page,
                          struct vhost_accel_page_info *info);

/**
 * Closes a page.
 */
int vhost_accel_page_close(struct vhost_accel_page *page);

/**
 * DRIVER_OK: the enabled vrings run, and look for work once without a kick.
 *
 * EBUSY unless features are negotiated, EINVAL without a vring that is set up.
 */
int vhost_accel_start(struct vhost_accel_device *device);

/**
 * Makes every vring stand still. When it has answered, ring state is final and may be read and
 * changed.
 *
 * EOPNOTSUPP without SUSPEND, EBUSY unless running.
 */
int vhost_accel_suspend(struct vhost_accel_device *device);

/**
 * Goes on after a suspend. EOPNOTSUPP without RESUME, EBUSY unless suspended.
 */
int vhost_accel_resume(struct vhost_accel_device *device);

/**
 * Resets, in whatever phase: features, vrings, eventfds and config space go back to what they were
 * at open. DMA mappings stay. A kicker by eventfd is to be made anew.
 */
int vhost_accel_reset(struct vhost_accel_device *device);

/**
 * Saves a device for vhost_accel_restore, of this process or another, through the same interface
 * or another: writes it to `text` as snprintf(3) does, and answers how long it is without the zero
 * at the end. It is JSON, and has a version.
 *
 * The vrings are given as they were set up; `enabled` is what holds now, and neither `base` nor
 * `call` matters. A device that runs is suspended, and stays so, also after an error.
 *
 * Not saved: memory and its mappings, eventfds, the dirty log, and what a guest has set through a
 * control queue.
 *
 * EBUSY of a device without negotiated features, EOPNOTSUPP of one that runs and lacks SUSPEND.
 */
int vhost_accel_save(struct vhost_accel_device *device,
                     const struct vhost_accel_vring *vrings,
                     size_t count,
                     char *text,
                     size_t size);

/**
 * Makes a fresh device what vhost_accel_save saved; vhost_accel_start is left to the caller.
 * `calls` has the call eventfd of each vring, or -1, in the order in which they were saved. Memory
 * can be mapped before or after.
 *
 * Config space is written where it differs. A device keeps of it what is read-only.
 *
 * EINVAL for a text that no library of this version has written, and for another number of
 * eventfds than of vrings; EXDEV for another kind of device, and for features that it doesn't
 * offer; ENOBUFS and EINVAL for a vring that it hasn't got or that is too large; EBUSY unless it
 * is fresh. These change nothing; after another error the device is reset.
 */
int vhost_accel_restore(struct vhost_accel_device *device,
                        const char *text,
                        const int *calls,
                        size_t count);

/**
 * Sets up one vring: see vhost_accel_setup_vrings.
 */
int vhost_accel_setup_vring(struct vhost_accel_device *device,
                            const struct vhost_accel_vring *vring);

/**
 * Sets up `count` vrings. When one fails, those before it are disabled again and lose their call
 * eventfd. Addresses are not looked at now: one that isn't mapped stops the vring when it runs.
 *
 * EBUSY before vhost_accel_negotiate and while running; ENOBUFS for a vring that the device hasn't
 * got; EINVAL for a size, alignment or base that no vring has. These make no system call.
 */
int vhost_accel_setup_vrings(struct vhost_accel_device *device,
                             const struct vhost_accel_vring *vrings,
                             size_t count);

/**
 * Enables (1) or disables (0) a vring, at any time after it was set up.
 */
int vhost_accel_enable_vring(struct vhost_accel_device *device, uint16_t queue, uint32_t enabled);

/**
 * Where the device goes on: the next available index that it will look at. Stable only while the
 * device is suspended or stopped.
 */
int vhost_accel_vring_base(struct vhost_accel_device *device, uint16_t queue, uint32_t *base);

/**
 * Sets, replaces or with -1 removes the eventfd that the device signals after using buffers. The
 * device keeps its own reference: the caller's descriptor can be closed. Also of the two below.
 */
int vhost_accel_set_call(struct vhost_accel_device *device, uint16_t queue, int call);

/**
 * Sets, replaces or with -1 removes the eventfd that the device signals when the vring stops on an
 * error. EOPNOTSUPP without ERROR_EVENT.
 */
int vhost_accel_set_error(struct vhost_accel_device *device, uint16_t queue, int error);

/**
 * Sets, replaces or with -1 removes the eventfd that the device signals when its config space or
 * its status changes.
 */
int vhost_accel_set_config_call(struct vhost_accel_device *device, int call);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* VHOST_ACCEL_H */
