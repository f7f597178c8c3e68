/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every interface of ours has in common: the vhost requests of docs/abi.md,
 * section 2, kick eventfds, and doorbells that are mapped.
 */
#ifndef _VHOST_ACCEL_CLIENT_H
#define _VHOST_ACCEL_CLIENT_H

#include <linux/mutex.h>
#include <linux/types.h>

#include "vhost_accel.h"

struct file;
struct vm_area_struct;
struct vhost_accel_kick;

/* Room for the argument of any request but the memory table. */
#define VHOST_ACCEL_MAX_ARG	64

/**
 * struct vhost_accel_client - who has the device open
 * @va: the device
 * @lock: one request at a time
 * @mm: the owner's memory, or NULL
 * @iova_range: GET_IOVA_RANGE is there: the interface maps DMA itself
 * @kicks: kick eventfds, one per vring
 * @map_lock: protects the four below
 * @mapping: of the file whose doorbells are mapped
 * @map_base: page offset of the first doorbell in it
 * @map_mms: whose address spaces have doorbells mapped
 * @map_keep: not all of those are known, so no doorbell is taken away
 */
struct vhost_accel_client {
	struct vhost_accel *va;
	/* One request at a time; taken before the device's own. */
	struct mutex lock;
	struct mm_struct *mm;
	bool iova_range;
	struct vhost_accel_kick *kicks;
	/* Under mmap_lock in mmap(), so nothing may fault under it. */
	struct mutex map_lock;
	struct address_space *mapping;
	pgoff_t map_base;
	struct list_head map_mms;
	bool map_keep;
};

int vhost_accel_client_init(struct vhost_accel_client *client,
			    struct vhost_accel *va, bool iova_range);
/* The last file is gone: resets, forgets the owner. Mappings were removed. */
void vhost_accel_client_close(struct vhost_accel_client *client);
void vhost_accel_client_destroy(struct vhost_accel_client *client);

int vhost_accel_check_owner(const struct vhost_accel_client *client);
void vhost_accel_client_reset(struct vhost_accel_client *client);
/* Of a request and its argument in kernel memory; the caller holds @lock. */
int vhost_accel_request(struct vhost_accel_client *client, u32 cmd, void *arg);
/* Whether it is a request of docs/abi.md, section 2. */
bool vhost_accel_known(u32 cmd);
/* Copies the argument of a known request into @arg; its bytes, or an error. */
int vhost_accel_get_arg(struct vhost_accel_client *client, u32 cmd, void *arg,
			const void __user *uarg);
/* EINVAL or the bytes of a request's argument, of which the head is at hand. */
int vhost_accel_config_len(const struct vhost_accel_client *client,
			   const void *head);
long vhost_accel_ioctl(struct vhost_accel_client *client, u32 cmd,
		       void __user *arg);

/* The eventfd behind @fd, NULL for -1. */
struct eventfd_ctx *vhost_accel_eventfd(int fd);

/* @base: page offset of the first doorbell in the file. */
int vhost_accel_mmap(struct vhost_accel_client *client,
		     struct vm_area_struct *vma, pgoff_t base);
/* Unmaps a doorbell; false: not now, somebody's mappings are being looked at. */
bool vhost_accel_rearm(struct vhost_accel_client *client, u16 q);

#endif
