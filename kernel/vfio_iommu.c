// SPDX-License-Identifier: GPL-2.0-only
/*
 * An IOMMU for #1, in software: its domain's table is the one through which the device
 * reaches memory. VFIO then has a real domain to map into, and pins when it maps, in
 * bulk, as it does for hardware behind an IOMMU. The mediated way (vfio_dma.c) is what
 * is left without one.
 *
 * A device of this kind is a platform device, since the IOMMU core looks at devices of
 * a few buses only, and mdev's isn't among them.
 */
#include <linux/iommu.h>
#include <linux/maple_tree.h>
#include <linux/platform_device.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "vfio.h"

/* What a table's entry has of a page's number less its IOVA's. */
#define DELTA_MASK	(U64_MAX >> PAGE_SHIFT)
#define PERM_BITS	2

struct accel_domain {
	struct iommu_domain domain;
	/* Ranges of page numbers of IOVAs; see entry_of(). Read under RCU. */
	struct maple_tree table;
	/* Of the list; taken before a device's own. */
	struct mutex lock;
	struct list_head units;		/* attached devices */
};

static struct accel_domain *to_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct accel_domain, domain);
}

/* The same for all pages of a range that adjoin. */
static void *entry_of(u64 iova, phys_addr_t pa, u32 perm)
{
	u64 delta = (PHYS_PFN(pa) - (iova >> PAGE_SHIFT)) & DELTA_MASK;

	return xa_mk_value(delta << PERM_BITS | perm);
}

static phys_addr_t entry_address(void *entry, u64 iova)
{
	u64 delta = xa_to_value(entry) >> PERM_BITS;

	return PFN_PHYS(((iova >> PAGE_SHIFT) + delta) & DELTA_MASK) +
	       offset_in_page(iova);
}

/* With the device's lock held: until it is dropped the page stays the device's. */
int vfio_vhost_translate(struct vhost_accel *va, u64 iova, u32 perm, u64 *pa)
{
	struct vfio_vhost *vv = va->private;
	struct accel_domain *ad = READ_ONCE(vv->unit->domain);
	void *entry = ad ? mtree_load(&ad->table, iova >> PAGE_SHIFT) : NULL;

	if (!entry || (xa_to_value(entry) & perm) != perm)
		return -EFAULT;
	*pa = entry_address(entry, iova);
	return 0;
}

/* Nothing that was in the table before is in use any more. */
static void unit_flush(struct vfio_vhost_unit *unit)
{
	struct vhost_accel *va = READ_ONCE(unit->va);

	if (va)
		va->ops->dma_flush(va);
}

static void detach(struct vfio_vhost_unit *unit)
{
	struct accel_domain *ad = unit->domain;

	if (!ad)
		return;
	mutex_lock(&ad->lock);
	list_del(&unit->link);
	mutex_unlock(&ad->lock);
	WRITE_ONCE(unit->domain, NULL);
	unit_flush(unit);
}

static int blocked_attach(struct iommu_domain *domain, struct device *dev)
{
	detach(dev_iommu_priv_get(dev));
	return 0;
}

static const struct iommu_domain_ops blocked_ops = {
	.attach_dev = blocked_attach,
};

static struct iommu_domain blocked_domain = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &blocked_ops,
};

/*
 * The default, which the IOMMU core doesn't let be a blocked one. Nobody drives the
 * device but VFIO, so that it reaches nothing all the same.
 */
static struct iommu_domain default_domain = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &blocked_ops,
};

static int accel_default_domain_type(struct device *dev)
{
	return IOMMU_DOMAIN_IDENTITY;
}

static int domain_attach(struct iommu_domain *domain, struct device *dev)
{
	struct vfio_vhost_unit *unit = dev_iommu_priv_get(dev);
	struct accel_domain *ad = to_domain(domain);

	detach(unit);
	mutex_lock(&ad->lock);
	list_add(&unit->link, &ad->units);
	mutex_unlock(&ad->lock);
	WRITE_ONCE(unit->domain, ad);
	return 0;
}

static int domain_map(struct iommu_domain *domain, unsigned long iova,
		      phys_addr_t pa, size_t pgsize, size_t pgcount, int prot,
		      gfp_t gfp, size_t *mapped)
{
	struct accel_domain *ad = to_domain(domain);
	unsigned long first = iova >> PAGE_SHIFT;
	size_t size = pgsize * pgcount;
	u32 perm = 0;
	int ret;

	if (prot & IOMMU_READ)
		perm |= VHOST_MAP_RO;
	if (prot & IOMMU_WRITE)
		perm |= VHOST_MAP_WO;
	ret = mtree_insert_range(&ad->table, first,
				 first + (size >> PAGE_SHIFT) - 1,
				 entry_of(iova, pa, perm), gfp);
	if (!ret)
		*mapped += size;
	return ret;
}

static size_t domain_unmap(struct iommu_domain *domain, unsigned long iova,
			   size_t pgsize, size_t pgcount,
			   struct iommu_iotlb_gather *gather)
{
	struct accel_domain *ad = to_domain(domain);
	unsigned long first = iova >> PAGE_SHIFT;
	size_t size = pgsize * pgcount;

	/* Of a run that is cut the rest stays, which may take memory. */
	if (mtree_store_range(&ad->table, first,
			      first + (size >> PAGE_SHIFT) - 1, NULL,
			      GFP_KERNEL | __GFP_NOFAIL))
		return 0;
	return size;
}

static void domain_flush(struct iommu_domain *domain)
{
	struct accel_domain *ad = to_domain(domain);
	struct vfio_vhost_unit *unit;

	mutex_lock(&ad->lock);
	list_for_each_entry(unit, &ad->units, link)
		unit_flush(unit);
	mutex_unlock(&ad->lock);
}

static void domain_sync(struct iommu_domain *domain,
			struct iommu_iotlb_gather *gather)
{
	domain_flush(domain);
}

static phys_addr_t domain_address(struct iommu_domain *domain, dma_addr_t iova)
{
	void *entry = mtree_load(&to_domain(domain)->table, iova >> PAGE_SHIFT);

	return entry ? entry_address(entry, iova) : 0;
}

static void domain_free(struct iommu_domain *domain)
{
	struct accel_domain *ad = to_domain(domain);

	mtree_destroy(&ad->table);
	kfree(ad);
}

static struct iommu_domain *domain_alloc(struct device *dev)
{
	struct accel_domain *ad = kzalloc(sizeof(*ad), GFP_KERNEL);

	if (!ad)
		return NULL;
	mt_init_flags(&ad->table, MT_FLAGS_USE_RCU);
	mutex_init(&ad->lock);
	INIT_LIST_HEAD(&ad->units);
	ad->domain.geometry.aperture_end = U64_MAX;
	ad->domain.geometry.force_aperture = true;
	return &ad->domain;
}

static bool accel_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY;
}

static struct vfio_vhost_iommu {
	struct iommu_device iommu;
	struct platform_device *dev;
	struct fwnode_handle *fwnode;
} accel_iommu;

static struct iommu_device *accel_probe_device(struct device *dev)
{
	struct vfio_vhost_unit *unit = kzalloc(sizeof(*unit), GFP_KERNEL);

	if (!unit)
		return ERR_PTR(-ENOMEM);
	dev_iommu_priv_set(dev, unit);
	return &accel_iommu.iommu;
}

static void accel_release_device(struct device *dev)
{
	struct vfio_vhost_unit *unit = dev_iommu_priv_get(dev);

	detach(unit);
	dev_iommu_priv_set(dev, NULL);
	kfree(unit);
}

static const struct iommu_ops accel_iommu_ops = {
	.owner = THIS_MODULE,
	.capable = accel_capable,
	.probe_device = accel_probe_device,
	.release_device = accel_release_device,
	.device_group = generic_device_group,
	.domain_alloc_paging = domain_alloc,
	.def_domain_type = accel_default_domain_type,
	.identity_domain = &default_domain,
	.blocked_domain = &blocked_domain,
	.pgsize_bitmap = PAGE_MASK,
	.default_domain_ops = &(const struct iommu_domain_ops){
		.attach_dev = domain_attach,
		.map_pages = domain_map,
		.unmap_pages = domain_unmap,
		.flush_iotlb_all = domain_flush,
		.iotlb_sync = domain_sync,
		.iova_to_phys = domain_address,
		.free = domain_free,
	},
};

/* A platform device behind the IOMMU; a driver may be bound to it when this returns. */
struct platform_device *vfio_vhost_platform_add(struct device *parent)
{
	struct platform_device *pdev;
	int ret;

	pdev = platform_device_alloc(VFIO_VHOST_PLATFORM, PLATFORM_DEVID_AUTO);
	if (!pdev)
		return ERR_PTR(-ENOMEM);
	pdev->dev.parent = parent;
	ret = iommu_fwspec_init(&pdev->dev, accel_iommu.fwnode);
	if (!ret)
		ret = platform_device_add(pdev);
	if (ret) {
		platform_device_put(pdev);
		return ERR_PTR(ret);
	}
	return pdev;
}

struct vfio_vhost_unit *vfio_vhost_unit_of(struct device *dev)
{
	return dev_iommu_priv_get(dev);
}

int vfio_vhost_iommu_init(void)
{
	int ret;

	accel_iommu.fwnode = fwnode_create_software_node(NULL, NULL);
	if (IS_ERR(accel_iommu.fwnode))
		return PTR_ERR(accel_iommu.fwnode);
	accel_iommu.dev = platform_device_alloc("vhost-accel-iommu",
						PLATFORM_DEVID_NONE);
	ret = -ENOMEM;
	if (!accel_iommu.dev)
		goto remove_node;
	device_set_node(&accel_iommu.dev->dev, accel_iommu.fwnode);
	ret = platform_device_add(accel_iommu.dev);
	if (ret) {
		platform_device_put(accel_iommu.dev);
		goto remove_node;
	}
	ret = iommu_device_sysfs_add(&accel_iommu.iommu, &accel_iommu.dev->dev,
				     NULL, "vhost-accel-iommu");
	if (ret)
		goto remove_device;
	ret = iommu_device_register(&accel_iommu.iommu, &accel_iommu_ops,
				    &accel_iommu.dev->dev);
	if (ret)
		goto remove_sysfs;
	return 0;

remove_sysfs:
	iommu_device_sysfs_remove(&accel_iommu.iommu);
remove_device:
	platform_device_unregister(accel_iommu.dev);
remove_node:
	fwnode_remove_software_node(accel_iommu.fwnode);
	return ret;
}

void vfio_vhost_iommu_exit(void)
{
	iommu_device_unregister(&accel_iommu.iommu);
	iommu_device_sysfs_remove(&accel_iommu.iommu);
	platform_device_unregister(accel_iommu.dev);
	fwnode_remove_software_node(accel_iommu.fwnode);
}
