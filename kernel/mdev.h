/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Character devices on mediated devices: #2, and the control's ABI. Both are one
 * core: they differ by the requests that a client makes, and by nothing else.
 */
#ifndef _VHOST_ACCEL_MDEV_H
#define _VHOST_ACCEL_MDEV_H

#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/device.h>

#include "client.h"
#include "pin.h"
#include "vhost_accel.h"

struct file;
struct file_operations;
struct inode;
struct vm_area_struct;

/**
 * struct vhost_mdev_abi - what makes one ABI another
 * @fops: what its clients do
 * @node: name of its nodes, with the number
 * @features: features beside the device's
 */
struct vhost_mdev_abi {
	const struct file_operations *fops;
	const char *node;
	u64 features;
};

struct vhost_mdev {
	struct device dev;
	struct cdev cdev;
	struct vhost_accel *va;
	struct vhost_accel_client client;
	struct vhost_accel_pin pin;
	atomic_t opened;
	struct completion closed;
	bool created;		/* va and client are there */
	/* The control's, under the client's lock. */
	u64 backend_features;	/* that were accepted */
	bool address_space;	/* something was mapped, or announced */
};

int vhost_mdev_open(struct inode *inode, struct file *file);
int vhost_mdev_release(struct inode *inode, struct file *file);
int vhost_mdev_mmap(struct file *file, struct vm_area_struct *vma);

extern const struct vhost_mdev_abi vhost_mdev_vdpa_abi;

#endif
