// SPDX-License-Identifier: GPL-2.0-only
/*
 * #2: an accelerator as a mediated device with a character device of its own,
 * /dev/vhost-mdev-N, that takes vhost's ioctls and maps DMA itself.
 *
 *	echo UUID > /sys/class/mdev_bus/vhost_mdev/mdev_supported_types/.../create
 *
 * A second type of device, vhost_mdev-vdpa, has the control's ABI: mdev_vdpa.c.
 */
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>

#include "include/uapi/vhost_accel.h"
#include "mdev.h"

#define VHOST_MDEV_MINORS	BIT(MINORBITS)

static dev_t vhost_mdev_first;
static DEFINE_IDA(vhost_mdev_ida);

static void mdev_dma_release(struct vhost_accel *va,
			     const struct vhost_iotlb_map *map)
{
	vhost_accel_unpin_run(map);
}

static bool mdev_rearm(struct vhost_accel *va, u16 q)
{
	struct vhost_mdev *vm = va->private;

	return vhost_accel_rearm(&vm->client, q);
}

static const struct vhost_accel_host_ops mdev_host_ops = {
	.dma_release = mdev_dma_release,
	.rearm = mdev_rearm,
};

int vhost_mdev_open(struct inode *inode, struct file *file)
{
	struct vhost_mdev *vm = container_of(inode->i_cdev, struct vhost_mdev,
					     cdev);

	if (atomic_cmpxchg(&vm->opened, 0, 1))
		return -EBUSY;
	file->private_data = vm;
	return nonseekable_open(inode, file);
}

int vhost_mdev_release(struct inode *inode, struct file *file)
{
	struct vhost_mdev *vm = file->private_data;

	/* Stops the device; then nothing uses what is mapped. */
	vhost_accel_client_close(&vm->client);
	vhost_accel_pin_unmap_all(&vm->pin);
	vm->backend_features = 0;
	vm->address_space = false;
	atomic_set(&vm->opened, 0);
	complete(&vm->closed);
	return 0;
}

static long mdev_map(struct vhost_mdev *vm, void __user *uarg)
{
	struct vhost_mdev_dma_map map;
	int ret;

	if (copy_from_user(&map, uarg, sizeof(map)))
		return -EFAULT;
	ret = vhost_accel_check_owner(&vm->client);
	if (ret)
		return ret;
	if (map.flags || !map.perm || (map.perm & ~VHOST_MAP_RW))
		return -EINVAL;
	return vhost_accel_pin_map(&vm->pin, vm->client.mm, map.iova, map.size,
				   map.uaddr, map.perm);
}

static long mdev_unmap(struct vhost_mdev *vm, void __user *uarg)
{
	struct vhost_mdev_dma_unmap unmap;
	int ret;

	if (copy_from_user(&unmap, uarg, sizeof(unmap)))
		return -EFAULT;
	ret = vhost_accel_check_owner(&vm->client);
	if (!ret)
		ret = vhost_accel_pin_unmap(&vm->pin, unmap.iova, &unmap.size);
	if (!ret && copy_to_user(uarg, &unmap, sizeof(unmap)))
		ret = -EFAULT;
	return ret;
}

static long mdev_dma_info(void __user *uarg)
{
	const struct vhost_mdev_dma_info info = {
		.iova_last = U64_MAX,
		.page_sizes = PAGE_MASK,
		.max_mappings = VHOST_MDEV_MAX_MAPPINGS,
		.max_regions = VHOST_MDEV_MAX_REGIONS,
	};

	return copy_to_user(uarg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long mdev_set_mem_table(struct vhost_mdev *vm,
			       struct vhost_memory __user *uarg)
{
	struct vhost_memory_region *regions;
	struct vhost_memory head;
	int ret;

	ret = vhost_accel_check_owner(&vm->client);
	if (ret)
		return ret;
	if (copy_from_user(&head, uarg, sizeof(head)))
		return -EFAULT;
	if (head.padding)
		return -EOPNOTSUPP;
	if (head.nregions > VHOST_MDEV_MAX_REGIONS)
		return -E2BIG;
	regions = memdup_array_user(uarg->regions, head.nregions,
				    sizeof(*regions));
	if (IS_ERR(regions))
		return PTR_ERR(regions);
	ret = vhost_accel_pin_replace(&vm->pin, vm->client.mm, regions,
				      head.nregions);
	kfree(regions);
	return ret;
}

static long vhost_mdev_ioctl(struct file *file, unsigned int cmd,
			     unsigned long arg)
{
	struct vhost_mdev *vm = file->private_data;
	void __user *uarg = (void __user *)arg;
	long ret;

	switch (cmd) {
	case VHOST_MDEV_MAP_DMA:
	case VHOST_MDEV_UNMAP_DMA:
	case VHOST_SET_MEM_TABLE:
		break;
	case VHOST_MDEV_GET_DMA_INFO:
		return mdev_dma_info(uarg);
	default:
		return vhost_accel_ioctl(&vm->client, cmd, uarg);
	}
	if (mutex_lock_killable(&vm->client.lock))
		return -EINTR;
	if (cmd == VHOST_MDEV_MAP_DMA)
		ret = mdev_map(vm, uarg);
	else if (cmd == VHOST_MDEV_UNMAP_DMA)
		ret = mdev_unmap(vm, uarg);
	else
		ret = mdev_set_mem_table(vm, uarg);
	mutex_unlock(&vm->client.lock);
	return ret;
}

int vhost_mdev_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vhost_mdev *vm = file->private_data;

	return vhost_accel_mmap(&vm->client, vma, 0);
}

static const struct file_operations vhost_mdev_fops = {
	.owner = THIS_MODULE,
	.open = vhost_mdev_open,
	.release = vhost_mdev_release,
	.unlocked_ioctl = vhost_mdev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vhost_mdev_mmap,
};

static const struct vhost_mdev_abi vhost_mdev_abi = {
	.fops = &vhost_mdev_fops,
	.node = "vhost-mdev-%d",
	.features = BIT_ULL(VHOST_F_LOG_ALL),
};

static void vhost_mdev_free(struct device *dev)
{
	struct vhost_mdev *vm = container_of(dev, struct vhost_mdev, dev);

	if (vm->created) {
		vhost_accel_net_destroy(vm->va);
		vhost_accel_client_destroy(&vm->client);
	}
	vhost_accel_pin_destroy(&vm->pin);
	ida_free(&vhost_mdev_ida, MINOR(dev->devt));
	kfree(vm);
}

static char *vhost_mdev_devnode(const struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0600;
	return NULL;
}

static const struct class vhost_mdev_class = {
	.name = "vhost_mdev",
	.devnode = vhost_mdev_devnode,
};

static struct mdev_type vhost_mdev_type = {
	.sysfs_name = "net",
	.pretty_name = "virtio-net loopback, vhost character device",
};

static struct mdev_type vhost_mdev_vdpa_type = {
	.sysfs_name = "vdpa",
	.pretty_name = "virtio-net loopback, vhost-vdpa's ABI",
};

static struct mdev_type *vhost_mdev_types[] = {
	&vhost_mdev_type,
	&vhost_mdev_vdpa_type,
};

static const struct vhost_mdev_abi *abi_of(const struct mdev_type *type)
{
	return type == &vhost_mdev_vdpa_type ? &vhost_mdev_vdpa_abi :
					       &vhost_mdev_abi;
}

static int vhost_mdev_probe(struct mdev_device *mdev)
{
	static const struct vhost_accel_net_config usual;
	const struct vhost_mdev_abi *abi = abi_of(mdev->type);
	struct vhost_mdev *vm;
	int ret, minor;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL);
	if (!vm)
		return -ENOMEM;
	minor = ida_alloc_max(&vhost_mdev_ida, VHOST_MDEV_MINORS - 1,
			      GFP_KERNEL);
	if (minor < 0) {
		kfree(vm);
		return minor;
	}
	init_completion(&vm->closed);
	device_initialize(&vm->dev);
	vm->dev.class = &vhost_mdev_class;
	vm->dev.parent = mdev_dev(mdev);
	vm->dev.release = vhost_mdev_free;
	vm->dev.devt = MKDEV(MAJOR(vhost_mdev_first), minor);
	ret = vhost_accel_pin_init(&vm->pin);
	if (ret)
		goto put;
	ret = dev_set_name(&vm->dev, abi->node, minor);
	if (ret)
		goto put;

	vm->va = vhost_accel_net_create(dev_name(&vm->dev), &mdev_host_ops, vm,
					abi->features, &usual);
	if (IS_ERR(vm->va)) {
		ret = PTR_ERR(vm->va);
		goto put;
	}
	ret = vhost_accel_client_init(&vm->client, vm->va, true);
	if (ret) {
		vhost_accel_net_destroy(vm->va);
		goto put;
	}
	vm->created = true;
	vm->pin.va = vm->va;

	cdev_init(&vm->cdev, abi->fops);
	vm->cdev.owner = THIS_MODULE;
	ret = cdev_device_add(&vm->cdev, &vm->dev);
	if (ret)
		goto put;
	dev_set_drvdata(mdev_dev(mdev), vm);
	return 0;

put:
	put_device(&vm->dev);
	return ret;
}

/* A device that is in use stays until it is closed; nobody opens it any more. */
static void vhost_mdev_remove(struct mdev_device *mdev)
{
	struct vhost_mdev *vm = dev_get_drvdata(mdev_dev(mdev));

	cdev_device_del(&vm->cdev, &vm->dev);
	while (atomic_cmpxchg(&vm->opened, 0, 1))
		wait_for_completion(&vm->closed);
	put_device(&vm->dev);
}

static unsigned int vhost_mdev_available(struct mdev_type *type)
{
	return VHOST_MDEV_MINORS;
}

static struct mdev_driver vhost_mdev_driver = {
	.device_api = "vhost-mdev",
	.driver = {
		.name = "vhost_mdev",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
	},
	.probe = vhost_mdev_probe,
	.remove = vhost_mdev_remove,
	.get_available = vhost_mdev_available,
};

static struct mdev_parent vhost_mdev_parent;
static struct device *vhost_mdev_parent_dev;

static int __init vhost_mdev_init(void)
{
	int ret;

	ret = class_register(&vhost_mdev_class);
	if (ret)
		return ret;
	ret = alloc_chrdev_region(&vhost_mdev_first, 0, VHOST_MDEV_MINORS,
				  "vhost-mdev");
	if (ret)
		goto unregister_class;
	ret = mdev_register_driver(&vhost_mdev_driver);
	if (ret)
		goto unregister_chrdev;
	vhost_mdev_parent_dev = device_create(&vhost_mdev_class, NULL,
					      MKDEV(0, 0), NULL, "vhost_mdev");
	if (IS_ERR(vhost_mdev_parent_dev)) {
		ret = PTR_ERR(vhost_mdev_parent_dev);
		goto unregister_driver;
	}
	ret = mdev_register_parent(&vhost_mdev_parent, vhost_mdev_parent_dev,
				   &vhost_mdev_driver, vhost_mdev_types,
				   ARRAY_SIZE(vhost_mdev_types));
	if (ret)
		goto unregister_parent_dev;
	return 0;

unregister_parent_dev:
	device_unregister(vhost_mdev_parent_dev);
unregister_driver:
	mdev_unregister_driver(&vhost_mdev_driver);
unregister_chrdev:
	unregister_chrdev_region(vhost_mdev_first, VHOST_MDEV_MINORS);
unregister_class:
	class_unregister(&vhost_mdev_class);
	return ret;
}
module_init(vhost_mdev_init);

static void __exit vhost_mdev_exit(void)
{
	mdev_unregister_parent(&vhost_mdev_parent);
	device_unregister(vhost_mdev_parent_dev);
	mdev_unregister_driver(&vhost_mdev_driver);
	unregister_chrdev_region(vhost_mdev_first, VHOST_MDEV_MINORS);
	class_unregister(&vhost_mdev_class);
	ida_destroy(&vhost_mdev_ida);
}
module_exit(vhost_mdev_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vhost-accel developers");
MODULE_DESCRIPTION("Accelerators as mediated devices with a vhost character device");
