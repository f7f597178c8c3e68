// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ABI of mainline's vhost-vdpa on the core of #2: what is measured here beside
 * #2 is the interface, and beside mainline's it is the implementation. docs/abi.md,
 * section 5, has what it answers, and section 6 where it doesn't answer like mainline.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>

#include "mdev.h"

#define BACKEND_FEATURES (BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2) | \
			  BIT_ULL(VHOST_BACKEND_F_IOTLB_BATCH) | \
			  BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID) | \
			  BIT_ULL(VHOST_BACKEND_F_SUSPEND) | \
			  BIT_ULL(VHOST_BACKEND_F_RESUME) | \
			  BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK) | \
			  BIT_ULL(VHOST_BACKEND_F_IOTLB_PERSIST))

/* The first bytes of either message; the rest says nothing. */
struct iotlb_message {
	__u32 type;
	__u32 asid;
	struct vhost_iotlb_msg iotlb;
};

static bool driver_ok(struct vhost_accel *va)
{
	return va->ops->get_status(va) & VIRTIO_CONFIG_S_DRIVER_OK;
}

static int set_backend_features(struct vhost_mdev *vm, u64 features)
{
	if (features & BIT_ULL(VHOST_BACKEND_F_DESC_ASID) &&
	    !(features & BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID)))
		return -EINVAL;
	if (features & ~BACKEND_FEATURES)
		return -EOPNOTSUPP;
	vm->backend_features = features;
	return 0;
}

/* A vDPA parent has no way to refuse: the device says what became of it. */
static int set_status(struct vhost_mdev *vm, u8 status)
{
	struct vhost_accel *va = vm->va;

	if (!status) {
		vhost_accel_client_reset(&vm->client);
		return 0;
	}
	if (va->ops->get_status(va) & ~status)
		return -EINVAL;
	va->ops->set_status(va, status);
	return 0;
}

/* The memory table is checked, as vhost does it, and not looked at again. */
static int set_mem_table(const struct vhost_memory __user *uarg)
{
	struct vhost_memory_region region;
	struct vhost_memory head;
	u32 i;

	if (copy_from_user(&head, uarg, sizeof(head)))
		return -EFAULT;
	if (head.padding)
		return -EOPNOTSUPP;
	if (head.nregions > 64)
		return -E2BIG;
	for (i = 0; i < head.nregions; i++) {
		if (copy_from_user(&region, &uarg->regions[i], sizeof(region)))
			return -EFAULT;
		if (region.guest_phys_addr + region.memory_size - 1 <
		    region.guest_phys_addr)
			return -EFAULT;
	}
	return 0;
}

/* There is one group of vrings, and one address space. */
static int group_request(u32 cmd, struct vhost_vring_state *state)
{
	switch (cmd) {
	case VHOST_VDPA_GET_VRING_GROUP:
		state->num = 0;
		return 0;
	case VHOST_VDPA_SET_GROUP_ASID:
		return state->index || state->num ? -EINVAL : -EOPNOTSUPP;
	default:
		return -EOPNOTSUPP;
	}
}

static int vring_request(struct vhost_mdev *vm, u32 cmd, void *arg)
{
	struct vhost_vring_state *state = arg;
	struct vhost_vring_file *file = arg;
	struct eventfd_ctx *ctx;
	int ret = vhost_accel_check_owner(&vm->client);

	if (ret)
		return ret;
	if (state->index >= vm->va->nvqs)
		return -ENOBUFS;
	switch (cmd) {
	case VHOST_SET_VRING_NUM:
		if (state->num > U16_MAX || !is_power_of_2(state->num))
			return -EINVAL;
		vhost_accel_request(&vm->client, cmd, arg);
		return 0;
	case VHOST_SET_VRING_BASE:
	case VHOST_SET_VRING_ADDR:
		ret = vhost_accel_request(&vm->client, cmd, arg);
		return ret == -EBUSY ? -EINVAL : ret;
	case VHOST_SET_VRING_ERR:
		/* A parent never signals it. */
		ctx = vhost_accel_eventfd(file->fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
		if (ctx)
			eventfd_ctx_put(ctx);
		return 0;
	case VHOST_VDPA_SET_VRING_ENABLE:
		vhost_accel_request(&vm->client, cmd, arg);
		return 0;
	case VHOST_VDPA_GET_VRING_GROUP:
	case VHOST_VDPA_GET_VRING_DESC_GROUP:
	case VHOST_VDPA_SET_GROUP_ASID:
		return group_request(cmd, arg);
	default:
		return vhost_accel_request(&vm->client, cmd, arg);
	}
}

static int vdpa_request(struct vhost_mdev *vm, u32 cmd, void *arg)
{
	int ret;

	switch (cmd) {
	case VHOST_SET_FEATURES:
		ret = vhost_accel_request(&vm->client, cmd, arg);
		return ret == -EOPNOTSUPP ? -EINVAL : ret;
	case VHOST_GET_BACKEND_FEATURES:
		*(u64 *)arg = BACKEND_FEATURES;
		return 0;
	case VHOST_SET_BACKEND_FEATURES:
		return set_backend_features(vm, *(u64 *)arg);
	case VHOST_VDPA_SET_STATUS:
		return set_status(vm, *(u8 *)arg);
	case VHOST_VDPA_SET_CONFIG:
		vhost_accel_request(&vm->client, cmd, arg);
		return 0;
	case VHOST_VDPA_GET_AS_NUM:
	case VHOST_VDPA_GET_GROUP_NUM:
		*(u32 *)arg = 1;
		return 0;
	case VHOST_VDPA_SUSPEND:
	case VHOST_VDPA_RESUME:
		if (!driver_ok(vm->va))
			return 0;
		return vhost_accel_request(&vm->client, cmd, arg);
	case VHOST_SET_OWNER:
	case VHOST_GET_FEATURES:
	case VHOST_VDPA_GET_DEVICE_ID:
	case VHOST_VDPA_GET_STATUS:
	case VHOST_VDPA_GET_CONFIG:
	case VHOST_VDPA_GET_VRING_NUM:
	case VHOST_VDPA_SET_CONFIG_CALL:
	case VHOST_VDPA_GET_IOVA_RANGE:
	case VHOST_VDPA_GET_CONFIG_SIZE:
	case VHOST_VDPA_GET_VQS_COUNT:
		return vhost_accel_request(&vm->client, cmd, arg);
	default:
		return vring_request(vm, cmd, arg);
	}
}

/* Requests whose argument isn't read before it is known whether they are taken. */
static int early(struct vhost_mdev *vm, u32 cmd, void __user *uarg)
{
	struct vhost_accel *va = vm->va;
	int ret;

	switch (cmd) {
	case VHOST_SET_LOG_BASE:
	case VHOST_SET_LOG_FD:
		return -ENOTTY;
	case VHOST_SET_MEM_TABLE:
		ret = vhost_accel_check_owner(&vm->client);
		return ret ?: set_mem_table(uarg);
	case VHOST_SET_FEATURES:
		return va->ops->get_status(va) & VIRTIO_CONFIG_S_FEATURES_OK ?
		       -EBUSY : 1;
	default:
		return 1;
	}
}

static bool known(u32 cmd)
{
	switch (cmd) {
	case VHOST_VDPA_GET_AS_NUM:
	case VHOST_VDPA_GET_GROUP_NUM:
	case VHOST_VDPA_GET_VRING_GROUP:
	case VHOST_VDPA_GET_VRING_DESC_GROUP:
	case VHOST_VDPA_SET_GROUP_ASID:
		return true;
	case VHOST_RESET_OWNER:
		return false;
	default:
		return vhost_accel_known(cmd);
	}
}

/* It is taken for one about a vring. */
static int unknown(struct vhost_mdev *vm, const u32 __user *uarg)
{
	int ret = vhost_accel_check_owner(&vm->client);
	u32 index;

	if (ret)
		return ret;
	if (get_user(index, uarg))
		return -EFAULT;
	return index < vm->va->nvqs ? -ENOTTY : -ENOBUFS;
}

static long vdpa_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vhost_mdev *vm = file->private_data;
	void __user *uarg = (void __user *)arg;
	u8 buf[VHOST_ACCEL_MAX_ARG] __aligned(8) = {};
	int len = _IOC_SIZE(cmd), ret;

	if (mutex_lock_killable(&vm->client.lock))
		return -EINTR;
	ret = early(vm, cmd, uarg);
	if (ret <= 0)
		goto out;
	if (!known(cmd)) {
		ret = unknown(vm, uarg);
		goto out;
	}
	ret = vhost_accel_get_arg(&vm->client, cmd, buf, uarg);
	if (ret < 0)
		goto out;
	len = ret;
	ret = vdpa_request(vm, cmd, buf);
	if (!ret && (_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(uarg, buf, len))
		ret = -EFAULT;
out:
	mutex_unlock(&vm->client.lock);
	return ret;
}

static int update(struct vhost_mdev *vm, const struct vhost_iotlb_msg *msg)
{
	u64 first = msg->iova & PAGE_MASK;
	u64 size = PAGE_ALIGN(msg->size + offset_in_page(msg->iova));

	if (msg->iova + msg->size - 1 < msg->iova)
		return -EINVAL;
	return vhost_accel_pin_map(&vm->pin, vm->client.mm, first, size,
				   msg->uaddr & PAGE_MASK,
				   msg->perm & VHOST_MAP_RW);
}

static int iotlb_message(struct vhost_mdev *vm,
			 const struct iotlb_message *message, u32 asid)
{
	const struct vhost_iotlb_msg *msg = &message->iotlb;
	int ret = vhost_accel_check_owner(&vm->client);

	if (ret)
		return ret;
	if (asid)
		return -EINVAL;
	switch (msg->type) {
	case VHOST_IOTLB_UPDATE:
		vm->address_space = true;
		return update(vm, msg);
	case VHOST_IOTLB_INVALIDATE:
		if (!vm->address_space)
			return -EINVAL;
		vhost_accel_pin_invalidate(&vm->pin, msg->iova,
					   msg->iova + msg->size - 1);
		return 0;
	case VHOST_IOTLB_BATCH_BEGIN:
		vm->address_space = true;
		return 0;
	case VHOST_IOTLB_BATCH_END:
		return vm->address_space ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static ssize_t vdpa_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct vhost_mdev *vm = iocb->ki_filp->private_data;
	struct iotlb_message message;
	u32 asid = 0;
	int ret;

	if (!copy_from_iter_full(&message, sizeof(message), from))
		return -EINVAL;
	if (message.type != VHOST_IOTLB_MSG && message.type != VHOST_IOTLB_MSG_V2)
		return -EINVAL;
	if (message.iotlb.type == VHOST_IOTLB_UPDATE && !message.iotlb.size)
		return -EINVAL;
	if (mutex_lock_killable(&vm->client.lock))
		return -EINTR;
	if (message.type == VHOST_IOTLB_MSG_V2 &&
	    vm->backend_features & BIT_ULL(VHOST_BACKEND_F_IOTLB_ASID))
		asid = message.asid;
	ret = iotlb_message(vm, &message, asid);
	mutex_unlock(&vm->client.lock);
	return ret ? -EFAULT : sizeof(struct vhost_msg_v2);
}

/* One page each, which can't be read: so mainline has it. */
static int vdpa_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vhost_mdev *vm = file->private_data;

	if (vma_pages(vma) != 1 || !(vma->vm_flags & VM_SHARED) ||
	    vma->vm_flags & VM_READ || vma->vm_pgoff > U16_MAX)
		return -EINVAL;
	if (vma->vm_pgoff >= vm->va->nvqs)
		return -ENOTSUPP;
	return vhost_mdev_mmap(file, vma);
}

static const struct file_operations vdpa_fops = {
	.owner = THIS_MODULE,
	.open = vhost_mdev_open,
	.release = vhost_mdev_release,
	.write_iter = vdpa_write_iter,
	.unlocked_ioctl = vdpa_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vdpa_mmap,
};

const struct vhost_mdev_abi vhost_mdev_vdpa_abi = {
	.fops = &vdpa_fops,
	.node = "vhost-vdpa-own-%d",
};
