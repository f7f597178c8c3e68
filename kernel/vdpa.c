// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control: the same device on the vDPA bus, driven by mainline's vhost_vdpa
 * or virtio_vdpa. Devices come and go through vDPA's netlink management:
 *
 *	vdpa dev add name NAME mgmtdev vhost_accel_vdpa [mac MAC] [mtu MTU]
 *		[max_vqp PAIRS] [device_features FEATURES]
 */
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/nospec.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/vdpa.h>
#include <linux/vhost.h>
#include <uapi/linux/vdpa.h>
#include <linux/virtio_ids.h>

#include "vhost_accel.h"

struct accel_vdpa {
	struct vdpa_device vdpa;
	struct vhost_accel *va;
	/* Doorbells that were asked for, and are looked at until the next open. */
	unsigned long *asked;
	/* Of drivers that are bound to it. */
	struct notifier_block bound;
};

/* A driver of the kernel's own hands out physical addresses. */
#define ALL_MEMORY	BIT_ULL(63)

static struct vhost_accel *to_va(struct vdpa_device *vdpa)
{
	return container_of(vdpa, struct accel_vdpa, vdpa)->va;
}

/*
 * vhost_vdpa unpins a page before it tells us that it is unmapped. A reference
 * of our own keeps the memory ours until then.
 */
static void hold_pages(u64 pa, u64 size, bool hold)
{
	unsigned long pfn = PHYS_PFN(pa), left = size >> PAGE_SHIFT;

	while (left) {
		struct page *page = pfn_to_page(pfn);
		struct folio *folio = page_folio(page);
		unsigned long n = min_t(unsigned long, left,
						folio_nr_pages(folio) -
						folio_page_idx(folio, page));

		if (hold)
			folio_get(folio);
		else
			folio_put(folio);
		pfn += n;
		left -= n;
	}
}

static void accel_dma_release(struct vhost_accel *va,
			      const struct vhost_iotlb_map *map)
{
	if (map->size != ALL_MEMORY)
		hold_pages(map->addr, map->size, false);
}

static const struct vhost_accel_host_ops accel_host = {
	.dma_release = accel_dma_release,
};

static int accel_set_vq_address(struct vdpa_device *vdpa, u16 q, u64 desc,
				u64 avail, u64 used)
{
	struct vhost_accel *va = to_va(vdpa);
	const struct vhost_vring_addr addr = {
		.desc_user_addr = desc,
		.avail_user_addr = avail,
		.used_user_addr = used,
	};

	return va->ops->set_vq_addr(va, q, &addr);
}

/* Has no way to say no: a wrong size is not taken, and the queue won't run. */
static void accel_set_vq_num(struct vdpa_device *vdpa, u16 q, u32 num)
{
	struct vhost_accel *va = to_va(vdpa);

	va->ops->set_vq_num(va, q, num);
}

static void accel_kick_vq(struct vdpa_device *vdpa, u16 q)
{
	struct vhost_accel *va = to_va(vdpa);

	va->ops->kick(va, q);
}

static void accel_kick_vq_with_data(struct vdpa_device *vdpa, u32 data)
{
	struct vhost_accel *va = to_va(vdpa);
	u16 q = data & 0xffff;

	if (q < va->nvqs)
		va->ops->kick(va, q);
}

static void accel_set_vq_cb(struct vdpa_device *vdpa, u16 q,
			    struct vdpa_callback *cb)
{
	struct vhost_accel *va = to_va(vdpa);
	struct vhost_accel_signal signal = {
		.callback = cb->callback,
		.private = cb->private,
	};

	va->ops->set_signal(va, VHOST_ACCEL_CALL, q, &signal);
}

static void accel_set_vq_ready(struct vdpa_device *vdpa, u16 q, bool ready)
{
	struct vhost_accel *va = to_va(vdpa);

	va->ops->set_vq_enable(va, q, ready);
}

static bool accel_get_vq_ready(struct vdpa_device *vdpa, u16 q)
{
	struct vhost_accel *va = to_va(vdpa);

	return va->ops->get_vq_enable(va, q);
}

static int accel_set_vq_state(struct vdpa_device *vdpa, u16 q,
			      const struct vdpa_vq_state *state)
{
	struct vhost_accel *va = to_va(vdpa);

	return va->ops->set_vq_base(va, q, state->split.avail_index);
}

static int accel_get_vq_state(struct vdpa_device *vdpa, u16 q,
			      struct vdpa_vq_state *state)
{
	struct vhost_accel *va = to_va(vdpa);

	state->split.avail_index = va->ops->get_vq_base(va, q);
	return 0;
}

static struct vdpa_notification_area
accel_get_vq_notification(struct vdpa_device *vdpa, u16 q)
{
	struct accel_vdpa *av = container_of(vdpa, struct accel_vdpa, vdpa);
	struct vdpa_notification_area area = {};

	/* vhost_vdpa asks for whatever page its client wants to map. */
	if (q >= av->va->nvqs)
		return area;
	q = array_index_nospec(q, av->va->nvqs);
	area.addr = page_to_phys(av->va->ops->doorbell(av->va, q));
	area.size = PAGE_SIZE;

	if (!test_and_set_bit(q, av->asked))
		av->va->ops->doorbell_mapped(av->va, q, true);
	return area;
}

static u16 accel_get_vq_size(struct vdpa_device *vdpa, u16 q)
{
	struct vhost_accel *va = to_va(vdpa);

	return va->ops->get_vq_num(va, q);
}

static u32 accel_get_vq_align(struct vdpa_device *vdpa)
{
	return PAGE_SIZE;
}

static u32 accel_get_vq_group(struct vdpa_device *vdpa, u16 q)
{
	return 0;
}

static u64 accel_get_device_features(struct vdpa_device *vdpa)
{
	return to_va(vdpa)->features;
}

static u64 accel_get_backend_features(const struct vdpa_device *vdpa)
{
	return BIT_ULL(VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK);
}

static int accel_set_driver_features(struct vdpa_device *vdpa, u64 features)
{
	struct vhost_accel *va = to_va(vdpa);

	return va->ops->set_features(va, features);
}

static u64 accel_get_driver_features(struct vdpa_device *vdpa)
{
	struct vhost_accel *va = to_va(vdpa);

	return va->ops->get_features(va);
}

static void accel_set_config_cb(struct vdpa_device *vdpa,
				struct vdpa_callback *cb)
{
	struct vhost_accel *va = to_va(vdpa);
	struct vhost_accel_signal signal = {
		.callback = cb->callback,
		.private = cb->private,
	};

	va->ops->set_signal(va, VHOST_ACCEL_CONFIG, 0, &signal);
}

static u16 accel_get_vq_num_max(struct vdpa_device *vdpa)
{
	return to_va(vdpa)->max_num;
}

static u32 accel_get_device_id(struct vdpa_device *vdpa)
{
	return to_va(vdpa)->device_id;
}

static u32 accel_get_vendor_id(struct vdpa_device *vdpa)
{
	return 0;
}

static u8 accel_get_status(struct vdpa_device *vdpa)
{
	struct vhost_accel *va = to_va(vdpa);

	return va->ops->get_status(va);
}

static void accel_set_status(struct vdpa_device *vdpa, u8 status)
{
	struct vhost_accel *va = to_va(vdpa);

	va->ops->set_status(va, status);
}

static int accel_reset(struct vdpa_device *vdpa)
{
	struct vhost_accel *va = to_va(vdpa);

	return va->ops->set_status(va, 0);
}

static int accel_suspend(struct vdpa_device *vdpa)
{
	struct vhost_accel *va = to_va(vdpa);

	return va->ops->suspend(va);
}

static int accel_resume(struct vdpa_device *vdpa)
{
	struct vhost_accel *va = to_va(vdpa);

	return va->ops->resume(va);
}

static size_t accel_get_config_size(struct vdpa_device *vdpa)
{
	return to_va(vdpa)->config_size;
}

static void accel_get_config(struct vdpa_device *vdpa, unsigned int offset,
			     void *buf, unsigned int len)
{
	struct vhost_accel *va = to_va(vdpa);

	/* vDPA's own core reads the whole of struct virtio_net_config. */
	memset(buf, 0, len);
	if (offset < va->config_size)
		va->ops->get_config(va, offset, buf,
				    min(len, va->config_size - offset));
}

static void accel_set_config(struct vdpa_device *vdpa, unsigned int offset,
			     const void *buf, unsigned int len)
{
	struct vhost_accel *va = to_va(vdpa);

	va->ops->set_config(va, offset, buf, len);
}

static int accel_dma_map(struct vdpa_device *vdpa, unsigned int asid, u64 iova,
			 u64 size, u64 pa, u32 perm, void *opaque)
{
	struct vhost_accel *va = to_va(vdpa);
	int ret;

	hold_pages(pa, size, true);
	ret = va->ops->dma_map(va, iova, size, pa, perm);
	if (ret)
		hold_pages(pa, size, false);
	return ret;
}

static int accel_dma_unmap(struct vdpa_device *vdpa, unsigned int asid,
			   u64 iova, u64 size)
{
	struct vhost_accel *va = to_va(vdpa);

	va->ops->dma_unmap(va, iova, iova + size - 1);
	return 0;
}

static int accel_reset_map(struct vdpa_device *vdpa, unsigned int asid)
{
	struct vhost_accel *va = to_va(vdpa);

	va->ops->dma_unmap(va, 0, U64_MAX);
	return 0;
}

/* Somebody else has the device now: nothing is left of who had it before. */
static void begin(struct accel_vdpa *av)
{
	struct vhost_accel *va = av->va;
	u16 q;

	va->ops->set_status(va, 0);
	for (q = 0; q < va->nvqs; q++)
		if (test_and_clear_bit(q, av->asked))
			va->ops->doorbell_mapped(va, q, false);
	va->ops->forget_client(va);
	va->ops->dma_unmap(va, 0, U64_MAX);
}

/*
 * vhost_vdpa asks when a client opens it, and only then. That is how we learn
 * that the one before has gone: its reset looks like any other, and it leaves its
 * config callback behind. The mappings of its doorbells went before it did.
 */
static struct vdpa_iova_range accel_get_iova_range(struct vdpa_device *vdpa)
{
	begin(container_of(vdpa, struct accel_vdpa, vdpa));
	return (struct vdpa_iova_range){ .last = U64_MAX };
}

/*
 * A driver is about to be bound. virtio_vdpa asks for no range and maps nothing:
 * all memory is the device's then, as without an IOMMU.
 */
static int accel_bound(struct notifier_block *bound, unsigned long action,
		       void *dev)
{
	struct accel_vdpa *av = container_of(bound, struct accel_vdpa, bound);

	if (action != BUS_NOTIFY_BIND_DRIVER || dev != &av->vdpa.dev)
		return NOTIFY_DONE;
	begin(av);
	return notifier_from_errno(av->va->ops->dma_map(av->va, 0, ALL_MEMORY, 0,
							VHOST_MAP_RW));
}

static u32 accel_get_generation(struct vdpa_device *vdpa)
{
	struct vhost_accel *va = to_va(vdpa);

	return va->ops->get_generation(va);
}

/* Also of a device that was never registered. */
static void accel_free(struct vdpa_device *vdpa)
{
	struct accel_vdpa *av = container_of(vdpa, struct accel_vdpa, vdpa);

	if (av->bound.notifier_call)
		bus_unregister_notifier(vdpa->dev.bus, &av->bound);
	bitmap_free(av->asked);
	if (!IS_ERR_OR_NULL(av->va))
		vhost_accel_net_destroy(av->va);
}

static const struct vdpa_config_ops accel_config_ops = {
	.set_vq_address = accel_set_vq_address,
	.set_vq_num = accel_set_vq_num,
	.kick_vq = accel_kick_vq,
	.kick_vq_with_data = accel_kick_vq_with_data,
	.set_vq_cb = accel_set_vq_cb,
	.set_vq_ready = accel_set_vq_ready,
	.get_vq_ready = accel_get_vq_ready,
	.set_vq_state = accel_set_vq_state,
	.get_vq_state = accel_get_vq_state,
	.get_vq_notification = accel_get_vq_notification,
	.get_vq_size = accel_get_vq_size,
	.get_vq_align = accel_get_vq_align,
	.get_vq_group = accel_get_vq_group,
	.get_device_features = accel_get_device_features,
	.get_backend_features = accel_get_backend_features,
	.set_driver_features = accel_set_driver_features,
	.get_driver_features = accel_get_driver_features,
	.set_config_cb = accel_set_config_cb,
	.get_vq_num_max = accel_get_vq_num_max,
	.get_device_id = accel_get_device_id,
	.get_vendor_id = accel_get_vendor_id,
	.get_status = accel_get_status,
	.set_status = accel_set_status,
	.reset = accel_reset,
	.suspend = accel_suspend,
	.resume = accel_resume,
	.get_config_size = accel_get_config_size,
	.get_config = accel_get_config,
	.set_config = accel_set_config,
	.get_generation = accel_get_generation,
	.get_iova_range = accel_get_iova_range,
	.dma_map = accel_dma_map,
	.dma_unmap = accel_dma_unmap,
	.reset_map = accel_reset_map,
	.free = accel_free,
};

/* Before anything is made that has this name. */
static int check_name(struct vdpa_mgmt_dev *mgmt, const char *name)
{
	struct kernfs_node *there;

	if (!*name || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, ".."))
		return -EINVAL;
	there = sysfs_get_dirent(mgmt->device->kobj.sd, name);
	sysfs_put(there);
	return there ? -EEXIST : 0;
}

/* What is given must be good for something: 0 stands for what isn't given. */
static int take_config(struct vhost_accel_net_config *net,
		       const struct vdpa_dev_set_config *config)
{
	memset(net, 0, sizeof(*net));
	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MAX_VQP)) {
		net->pairs = config->net.max_vq_pairs;
		if (!net->pairs)
			return -EINVAL;
	}
	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MTU)) {
		net->mtu = config->net.mtu;
		if (!net->mtu)
			return -EINVAL;
	}
	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MACADDR)) {
		ether_addr_copy(net->mac, config->net.mac);
		if (is_zero_ether_addr(net->mac))
			return -EINVAL;
	}
	if (config->mask & BIT_ULL(VDPA_ATTR_DEV_FEATURES)) {
		net->features = config->device_features;
		if (!net->features)
			return -EINVAL;
	}
	return 0;
}

static int accel_dev_add(struct vdpa_mgmt_dev *mgmt, const char *name,
			 const struct vdpa_dev_set_config *config)
{
	struct vhost_accel_net_config net;
	struct accel_vdpa *av;
	int ret;

	ret = check_name(mgmt, name);
	if (!ret)
		ret = take_config(&net, config);
	if (ret)
		return ret;
	av = vdpa_alloc_device(struct accel_vdpa, vdpa, mgmt->device,
			       &accel_config_ops, 1, 1, name, false);
	if (IS_ERR(av))
		return PTR_ERR(av);
	av->vdpa.mdev = mgmt;
	av->vdpa.dma_dev = &av->vdpa.dev;
	ret = dma_coerce_mask_and_coherent(&av->vdpa.dev, DMA_BIT_MASK(64));
	if (ret)
		goto put;
	av->va = vhost_accel_net_create(dev_name(&av->vdpa.dev), &accel_host, av,
					0, &net);
	if (IS_ERR(av->va)) {
		ret = PTR_ERR(av->va);
		goto put;
	}
	av->asked = bitmap_zalloc(av->va->nvqs, GFP_KERNEL);
	if (!av->asked) {
		ret = -ENOMEM;
		goto put;
	}
	av->bound.notifier_call = accel_bound;
	ret = bus_register_notifier(av->vdpa.dev.bus, &av->bound);
	if (ret) {
		av->bound.notifier_call = NULL;
		goto put;
	}
	ret = _vdpa_register_device(&av->vdpa, av->va->nvqs);
	if (ret)
		goto put;
	return 0;

put:
	put_device(&av->vdpa.dev);
	return ret;
}

static void accel_dev_del(struct vdpa_mgmt_dev *mgmt, struct vdpa_device *vdpa)
{
	_vdpa_unregister_device(vdpa);
}

static const struct vdpa_mgmtdev_ops accel_mgmt_ops = {
	.dev_add = accel_dev_add,
	.dev_del = accel_dev_del,
};

static struct virtio_device_id accel_ids[] = {
	{ VIRTIO_ID_NET, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static struct vdpa_mgmt_dev accel_mgmt = {
	.id_table = accel_ids,
	.ops = &accel_mgmt_ops,
	.config_attr_mask = BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MAX_VQP) |
			    BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MTU) |
			    BIT_ULL(VDPA_ATTR_DEV_NET_CFG_MACADDR) |
			    BIT_ULL(VDPA_ATTR_DEV_FEATURES),
	.max_supported_vqs = 2 * 128 + 1,
};

static int __init accel_vdpa_init(void)
{
	int ret;

	accel_mgmt.supported_features = vhost_accel_net_features();
	accel_mgmt.device = root_device_register("vhost_accel_vdpa");
	if (IS_ERR(accel_mgmt.device))
		return PTR_ERR(accel_mgmt.device);
	ret = vdpa_mgmtdev_register(&accel_mgmt);
	if (ret)
		root_device_unregister(accel_mgmt.device);
	return ret;
}
module_init(accel_vdpa_init);

static void __exit accel_vdpa_exit(void)
{
	vdpa_mgmtdev_unregister(&accel_mgmt);
	root_device_unregister(accel_mgmt.device);
}
module_exit(accel_vdpa_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The vhost-accel developers");
MODULE_DESCRIPTION("The sample accelerator on the vDPA bus");
