// SPDX-License-Identifier: GPL-2.0-only
/*
 * #1: an accelerator as a device on VFIO. Messages in its CONFIG region are #1/A,
 * vhost ioctls on its fd are #1/B; DMA is the container's.
 *
 *	echo UUID > /sys/class/mdev_bus/vfio_vhost/mdev_supported_types/.../create
 *
 * Without an IOMMU the mediated device itself is VFIO's. With one (iommu=1) a platform
 * device below it is, whose group VFIO gives a domain.
 */
#include <linux/mdev.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>

#include "vfio.h"

#define NOTIFY_BASE \
	(VFIO_VHOST_INDEX_TO_OFFSET(VFIO_VHOST_NOTIFY_REGION_INDEX))

static bool iommu;
module_param(iommu, bool, 0444);
MODULE_PARM_DESC(iommu, "Devices are behind an IOMMU, and not mediated");

static bool vfio_vhost_rearm(struct vhost_accel *va, u16 q)
{
	struct vfio_vhost *vv = va->private;

	return vhost_accel_rearm(&vv->client, q);
}

static const struct vhost_accel_host_ops vfio_host_ops = {
	.dma_miss = vfio_vhost_dma_miss,
	.dma_release = vfio_vhost_dma_release,
	.rearm = vfio_vhost_rearm,
};

static const struct vhost_accel_host_ops iommu_host_ops = {
	.translate = vfio_vhost_translate,
	.rearm = vfio_vhost_rearm,
};

/* Nothing is left of the last client; close_device() has seen to that. */
static int vfio_vhost_open_device(struct vfio_device *vdev)
{
	return 0;
}

static void vfio_vhost_close_device(struct vfio_device *vdev)
{
	struct vfio_vhost *vv = to_vfio_vhost(vdev);

	vhost_accel_client_close(&vv->client);
	vv->va->ops->dma_unmap(vv->va, 0, U64_MAX);
	vv->reply_len = 0;
}

static u64 notify_size(const struct vfio_vhost *vv)
{
	return (u64)vv->va->nvqs << PAGE_SHIFT;
}

static ssize_t vfio_vhost_kick(struct vfio_vhost *vv, const char __user *buf,
			       size_t count, u64 offset)
{
	int q;

	if (count != sizeof(q) || offset >= PAGE_SIZE)
		return -EINVAL;
	if (copy_from_user(&q, buf, sizeof(q)))
		return -EFAULT;
	if (q < 0 || q >= vv->va->nvqs)
		return -ENOBUFS;
	vv->va->ops->kick(vv->va, q);
	return count;
}

static ssize_t vfio_vhost_write(struct vfio_device *vdev, const char __user *buf,
				size_t count, loff_t *ppos)
{
	struct vfio_vhost *vv = to_vfio_vhost(vdev);
	u64 region = VFIO_VHOST_OFFSET_TO_INDEX(*ppos);
	u64 offset = *ppos - VFIO_VHOST_INDEX_TO_OFFSET(region);

	switch (region) {
	case VFIO_VHOST_CONFIG_REGION_INDEX:
		return vfio_vhost_msg_write(vv, buf, count, offset);
	case VFIO_VHOST_NOTIFY_REGION_INDEX:
		return vfio_vhost_kick(vv, buf, count, offset);
	default:
		return -EINVAL;
	}
}

static ssize_t vfio_vhost_read(struct vfio_device *vdev, char __user *buf,
			       size_t count, loff_t *ppos)
{
	struct vfio_vhost *vv = to_vfio_vhost(vdev);
	u64 region = VFIO_VHOST_OFFSET_TO_INDEX(*ppos);
	u64 offset = *ppos - VFIO_VHOST_INDEX_TO_OFFSET(region);

	switch (region) {
	case VFIO_VHOST_CONFIG_REGION_INDEX:
		return vfio_vhost_msg_read(vv, buf, count, offset);
	case VFIO_VHOST_NOTIFY_REGION_INDEX:
		if (offset >= notify_size(vv))
			return 0;
		count = min_t(u64, count, notify_size(vv) - offset);
		return clear_user(buf, count) ? -EFAULT : count;
	default:
		return -EINVAL;
	}
}

static int vfio_vhost_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct vfio_vhost *vv = to_vfio_vhost(vdev);

	return vhost_accel_mmap(&vv->client, vma, NOTIFY_BASE >> PAGE_SHIFT);
}

static long get_info(struct vfio_vhost *vv, void __user *uarg)
{
	const size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info = {};

	if (copy_from_user(&info, uarg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	/* PLATFORM: VFIO's userspace refuses a type that it doesn't know. */
	info.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PLATFORM |
		     VFIO_DEVICE_FLAGS_VHOST;
	info.num_regions = VFIO_VHOST_NUM_REGIONS;
	info.num_irqs = VFIO_VHOST_NUM_IRQS;
	return copy_to_user(uarg, &info, minsz) ? -EFAULT : 0;
}

static int add_type_cap(struct vfio_info_cap *caps, u32 subtype)
{
	struct vfio_region_info_cap_type cap = {
		.header.id = VFIO_REGION_INFO_CAP_TYPE,
		.header.version = 1,
		.type = VFIO_REGION_TYPE_VHOST,
		.subtype = subtype,
	};

	return vfio_info_add_capability(caps, &cap.header, sizeof(cap));
}

static int add_vhost_cap(struct vfio_info_cap *caps)
{
	struct vfio_region_info_cap_vhost cap = {
		.header.id = VFIO_REGION_INFO_CAP_VHOST,
		.header.version = 1,
		.flags = VFIO_VHOST_CAP_STATUS | VFIO_VHOST_CAP_BATCH,
		.max_batch = VHOST_VFIO_MAX_BATCH,
	};

	return vfio_info_add_capability(caps, &cap.header, sizeof(cap));
}

static long get_region_info(struct vfio_vhost *vv, void __user *uarg)
{
	const size_t minsz = offsetofend(struct vfio_region_info, offset);
	struct vfio_info_cap caps = {};
	struct vfio_region_info info;
	int ret;

	if (copy_from_user(&info, uarg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		     VFIO_REGION_INFO_FLAG_CAPS;
	info.offset = VFIO_VHOST_INDEX_TO_OFFSET(info.index);
	info.cap_offset = 0;
	switch (info.index) {
	case VFIO_VHOST_CONFIG_REGION_INDEX:
		info.size = VFIO_VHOST_CONFIG_REGION_SIZE;
		ret = add_type_cap(&caps, VFIO_REGION_SUBTYPE_VHOST_CONFIG);
		if (!ret)
			ret = add_vhost_cap(&caps);
		break;
	case VFIO_VHOST_NOTIFY_REGION_INDEX:
		info.size = notify_size(vv);
		info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
		ret = add_type_cap(&caps, VFIO_REGION_SUBTYPE_VHOST_NOTIFY);
		break;
	default:
		return -EINVAL;
	}
	if (ret)
		goto out;
	if (info.argsz < sizeof(info) + caps.size) {
		info.argsz = sizeof(info) + caps.size;
	} else {
		vfio_info_cap_shift(&caps, sizeof(info));
		info.cap_offset = sizeof(info);
		if (copy_to_user(uarg + sizeof(info), caps.buf, caps.size))
			ret = -EFAULT;
	}
	if (!ret && copy_to_user(uarg, &info, minsz))
		ret = -EFAULT;
out:
	kfree(caps.buf);
	return ret;
}

/* Subindexes of an interrupt index, 0: there is no such index. */
static u32 nr_subindexes(const struct vfio_vhost *vv, u32 index)
{
	switch (index) {
	case VFIO_VHOST_VQ_IRQ_INDEX:
	case VFIO_VHOST_ERR_IRQ_INDEX:
		return vv->va->nvqs;
	case VFIO_VHOST_CONFIG_IRQ_INDEX:
		return 1;
	default:
		return 0;
	}
}

static long get_irq_info(struct vfio_vhost *vv, void __user *uarg)
{
	const size_t minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, uarg, minsz))
		return -EFAULT;
	info.count = nr_subindexes(vv, info.index);
	if (info.argsz < minsz || !info.count)
		return -EINVAL;
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	return copy_to_user(uarg, &info, minsz) ? -EFAULT : 0;
}

static void set_irq(struct vfio_vhost *vv, u32 index, u16 q,
		    struct eventfd_ctx *ctx)
{
	static const enum vhost_accel_event events[] = {
		[VFIO_VHOST_VQ_IRQ_INDEX] = VHOST_ACCEL_CALL,
		[VFIO_VHOST_ERR_IRQ_INDEX] = VHOST_ACCEL_ERR,
		[VFIO_VHOST_CONFIG_IRQ_INDEX] = VHOST_ACCEL_CONFIG,
	};
	struct vhost_accel_signal signal = { .ctx = ctx };

	vv->va->ops->set_signal(vv->va, events[index], q, &signal);
}

/* All or none: every descriptor is looked at before the first takes effect. */
static long set_eventfds(struct vfio_vhost *vv, const struct vfio_irq_set *set,
			 const int __user *ufds)
{
	struct eventfd_ctx **ctxs;
	long ret = 0;
	u32 n = 0;
	int fd;

	ctxs = kvcalloc(set->count, sizeof(*ctxs), GFP_KERNEL);
	if (!ctxs)
		return -ENOMEM;
	for (n = 0; n < set->count; n++) {
		if (get_user(fd, ufds + n)) {
			ret = -EFAULT;
			goto put;
		}
		ctxs[n] = vhost_accel_eventfd(fd);
		if (IS_ERR(ctxs[n])) {
			ret = PTR_ERR(ctxs[n]);
			goto put;
		}
	}
	for (n = 0; n < set->count; n++)
		set_irq(vv, set->index, set->start + n, ctxs[n]);
	n = 0;
put:
	while (n--)
		if (ctxs[n])
			eventfd_ctx_put(ctxs[n]);
	kvfree(ctxs);
	return ret;
}

static long set_irqs(struct vfio_vhost *vv, void __user *uarg)
{
	const size_t minsz = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set set;
	u32 count, q;

	if (copy_from_user(&set, uarg, minsz))
		return -EFAULT;
	count = nr_subindexes(vv, set.index);
	if (set.argsz < minsz || set.start >= count ||
	    set.count > count - set.start)
		return -EINVAL;
	switch (set.flags) {
	case VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER:
		if (set.count)
			return -EINVAL;
		for (q = 0; q < count; q++)
			set_irq(vv, set.index, q, NULL);
		return 0;
	case VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER:
		if (!set.count || set.argsz - minsz < set.count * sizeof(int))
			return -EINVAL;
		return set_eventfds(vv, &set, uarg + minsz);
	default:
		return -EINVAL;
	}
}

static long vfio_vhost_ioctl(struct vfio_device *vdev, unsigned int cmd,
			     unsigned long arg)
{
	struct vfio_vhost *vv = to_vfio_vhost(vdev);
	void __user *uarg = (void __user *)arg;
	long ret;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return get_info(vv, uarg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return get_region_info(vv, uarg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return get_irq_info(vv, uarg);
	case VFIO_DEVICE_SET_IRQS:
		if (mutex_lock_killable(&vv->client.lock))
			return -EINTR;
		ret = set_irqs(vv, uarg);
		mutex_unlock(&vv->client.lock);
		return ret;
	case VFIO_DEVICE_RESET:
		if (mutex_lock_killable(&vv->client.lock))
			return -EINTR;
		vhost_accel_client_reset(&vv->client);
		mutex_unlock(&vv->client.lock);
		return 0;
	default:
		return vhost_accel_ioctl(&vv->client, cmd, uarg);
	}
}

static int vfio_vhost_init_device(struct vfio_device *vdev)
{
	static const struct vhost_accel_net_config usual;
	struct vfio_vhost *vv = to_vfio_vhost(vdev);
	int ret;

	vfio_vhost_dma_init(vv);
	if (iommu)
		vv->unit = vfio_vhost_unit_of(vdev->dev);
	vv->va = vhost_accel_net_create(dev_name(vdev->dev),
					vv->unit ? &iommu_host_ops :
						   &vfio_host_ops,
					vv, BIT_ULL(VHOST_F_LOG_ALL), &usual);
	if (IS_ERR(vv->va))
		return PTR_ERR(vv->va);
	ret = vhost_accel_client_init(&vv->client, vv->va, false);
	if (ret)
		vhost_accel_net_destroy(vv->va);
	else if (vv->unit)
		WRITE_ONCE(vv->unit->va, vv->va);
	return ret;
}

static void vfio_vhost_release_device(struct vfio_device *vdev)
{
	struct vfio_vhost *vv = to_vfio_vhost(vdev);

	if (vv->unit)
		WRITE_ONCE(vv->unit->va, NULL);
	vhost_accel_net_destroy(vv->va);
	vhost_accel_client_destroy(&vv->client);
}

#define VFIO_VHOST_OPS						\
	.name = "vfio-vhost",					\
	.init = vfio_vhost_init_device,				\
	.release = vfio_vhost_release_device,			\
	.open_device = vfio_vhost_open_device,			\
	.close_device = vfio_vhost_close_device,		\
	.read = vfio_vhost_read,				\
	.write = vfio_vhost_write,				\
	.ioctl = vfio_vhost_ioctl,				\
	.mmap = vfio_vhost_mmap

static const struct vfio_device_ops vfio_vhost_ops = {
	VFIO_VHOST_OPS,
	.dma_unmap = vfio_vhost_dma_unmap,
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
};

static const struct vfio_device_ops vfio_vhost_iommu_ops = {
	VFIO_VHOST_OPS,
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
};

static int vfio_vhost_add(struct device *dev)
{
	struct vfio_vhost *vv;
	int ret;

	vv = vfio_alloc_device(vfio_vhost, vdev, dev,
			       iommu ? &vfio_vhost_iommu_ops : &vfio_vhost_ops);
	if (IS_ERR(vv))
		return PTR_ERR(vv);
	if (iommu)
		ret = vfio_register_group_dev(&vv->vdev);
	else
		ret = vfio_register_emulated_iommu_dev(&vv->vdev);
	if (ret) {
		vfio_put_device(&vv->vdev);
		return ret;
	}
	dev_set_drvdata(dev, vv);
	return 0;
}

/* VFIO's core waits for who has it open. */
static void vfio_vhost_del(struct device *dev)
{
	struct vfio_vhost *vv = dev_get_drvdata(dev);

	vfio_unregister_group_dev(&vv->vdev);
	vfio_vhost_dma_wait(vv);
	vfio_put_device(&vv->vdev);
}

static int vfio_vhost_platform_probe(struct platform_device *pdev)
{
	return vfio_vhost_add(&pdev->dev);
}

static void vfio_vhost_platform_remove(struct platform_device *pdev)
{
	vfio_vhost_del(&pdev->dev);
}

static struct platform_driver vfio_vhost_platform_driver = {
	.driver.name = VFIO_VHOST_PLATFORM,
	.probe = vfio_vhost_platform_probe,
	.remove_new = vfio_vhost_platform_remove,
	.driver_managed_dma = true,
};

/* The driver may have had its reasons not to take it: those are in the kernel's log. */
static int vfio_vhost_add_platform(struct device *parent)
{
	struct platform_device *pdev = vfio_vhost_platform_add(parent);

	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	if (!dev_get_drvdata(&pdev->dev)) {
		platform_device_unregister(pdev);
		return -ENODEV;
	}
	dev_set_drvdata(parent, pdev);
	return 0;
}

static int vfio_vhost_probe(struct mdev_device *mdev)
{
	return iommu ? vfio_vhost_add_platform(mdev_dev(mdev)) :
		       vfio_vhost_add(mdev_dev(mdev));
}

static void vfio_vhost_remove(struct mdev_device *mdev)
{
	if (iommu)
		platform_device_unregister(dev_get_drvdata(mdev_dev(mdev)));
	else
		vfio_vhost_del(mdev_dev(mdev));
}

static unsigned int vfio_vhost_available(struct mdev_type *type)
{
	return 1U << MINORBITS;
}

static struct mdev_driver vfio_vhost_driver = {
	.device_api = VFIO_DEVICE_API_VHOST_STRING,
	.driver = {
		.name = "vfio_vhost",
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
	},
	.probe = vfio_vhost_probe,
	.remove = vfio_vhost_remove,
	.get_available = vfio_vhost_available,
};

static const struct class vfio_vhost_class = {
	.name = "vfio_vhost",
};

static struct mdev_type vfio_vhost_type = {
	.sysfs_name = "net",
	.pretty_name = "virtio-net loopback, VFIO device",
};

static struct mdev_type *vfio_vhost_types[] = { &vfio_vhost_type };
static struct mdev_parent vfio_vhost_parent;
static struct device *vfio_vhost_parent_dev;

static int __init vfio_vhost_init(void)
{
	int ret;

	if (iommu) {
		ret = vfio_vhost_iommu_init();
		if (ret)
			return ret;
	}
	ret = platform_driver_register(&vfio_vhost_platform_driver);
	if (ret)
		goto remove_iommu;
	ret = class_register(&vfio_vhost_class);
	if (ret)
		goto unregister_platform;
	ret = mdev_register_driver(&vfio_vhost_driver);
	if (ret)
		goto unregister_class;
	vfio_vhost_parent_dev = device_create(&vfio_vhost_class, NULL,
					      MKDEV(0, 0), NULL, "vfio_vhost");
	if (IS_ERR(vfio_vhost_parent_dev)) {
		ret = PTR_ERR(vfio_vhost_parent_dev);
		goto unregister_driver;
	}
	ret = mdev_register_parent(&vfio_vhost_parent, vfio_vhost_parent_dev,
				   &vfio_vhost_driver, vfio_vhost_types,
				   ARRAY_SIZE(vfio_vhost_types));
	if (ret)
		goto unregister_parent_dev;
	return 0;

unregister_parent_dev:
	device_unregister(vfio_vhost_parent_dev);
unregister_driver:
	mdev_unregister_driver(&vfio_vhost_driver);
unregister_class:
	class_unregister(&vfio_vhost_class);
unregister_platform:
	platform_driver_unregister(&vfio_vhost_platform_driver);
remove_iommu:
	if (iommu)
		vfio_vhost_iommu_exit();
	return ret;
}
module_init(vfio_vhost_init);

static void __exit vfio_vhost_exit(void)
{
	mdev_unregister_parent(&vfio_vhost_parent);
	device_unregister(vfio_vhost_parent_dev);
	mdev_unregister_driver(&vfio_vhost_driver);
	class_unregister(&vfio_vhost_class);
	platform_driver_unregister(&vfio_vhost_platform_driver);
	if (iommu)
		vfio_vhost_iommu_exit();
}
module_exit(vfio_vhost_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vhost-accel developers");
MODULE_DESCRIPTION("Accelerators as mediated devices on VFIO");
