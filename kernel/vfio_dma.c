// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA through the VFIO container. With only emulated devices VFIO pins nothing
 * when it maps: a page is pinned when the device first touches it, and stays so
 * until the container unmaps it or the device is closed.
 */
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>

#include "vfio.h"

/*
 * How long a range that is being unmapped is not pinned again. VFIO asks for the
 * pages back before it takes the mapping away, and asks again if they were pinned
 * anew meanwhile; after ten times it gives up with a BUG().
 */
#define LEAVING_NS	(2 * NSEC_PER_MSEC)

void vfio_vhost_dma_init(struct vfio_vhost *vv)
{
	spin_lock_init(&vv->leaving.lock);
}

static void leave(struct vfio_vhost_leaving *leaving, u64 first, u64 last)
{
	u64 now = ktime_get_ns();

	spin_lock(&leaving->lock);
	if (now < leaving->until) {
		leaving->first = min(leaving->first, first);
		leaving->last = max(leaving->last, last);
	} else {
		leaving->first = first;
		leaving->last = last;
	}
	leaving->until = now + LEAVING_NS;
	spin_unlock(&leaving->lock);
}

static bool is_leaving(struct vfio_vhost_leaving *leaving, u64 iova)
{
	bool ret;

	spin_lock(&leaving->lock);
	ret = iova >= leaving->first && iova <= leaving->last &&
	      ktime_get_ns() < leaving->until;
	spin_unlock(&leaving->lock);
	return ret;
}

static int pin(struct vfio_vhost *vv, u64 iova, u32 perm, struct page **page)
{
	int prot = 0, ret;

	if (perm & VHOST_MAP_RO)
		prot |= IOMMU_READ;
	if (perm & VHOST_MAP_WO)
		prot |= IOMMU_WRITE;
	ret = vfio_pin_pages(&vv->vdev, iova, 1, prot, page);
	if (ret < 0)
		return ret;
	return ret == 1 ? 0 : -EFAULT;
}

/* Under the device's lock. */
int vfio_vhost_dma_miss(struct vhost_accel *va, u64 iova, u32 perm)
{
	struct vfio_vhost *vv = va->private;
	struct page *page;
	int ret;

	iova &= PAGE_MASK;
	if (is_leaving(&vv->leaving, iova))
		return -EAGAIN;
	/* All that the mapping allows: a page is pinned only once. */
	ret = pin(vv, iova, VHOST_MAP_RW, &page);
	if (ret == -EPERM)
		ret = pin(vv, iova, perm, &page);
	else if (!ret)
		perm = VHOST_MAP_RW;
	if (ret)
		return ret;
	ret = vhost_accel_dma_add(va, iova, PAGE_SIZE,
				  PFN_PHYS(page_to_pfn(page)), perm);
	if (ret)
		vfio_unpin_pages(&vv->vdev, iova, 1);
	return ret;
}

void vfio_vhost_dma_release(struct vhost_accel *va,
			    const struct vhost_iotlb_map *map)
{
	struct vfio_vhost *vv = va->private;

	vfio_unpin_pages(&vv->vdev, map->start, map->size >> PAGE_SHIFT);
}

void vfio_vhost_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	struct vfio_vhost *vv = to_vfio_vhost(vdev);
	u64 last = iova + length - 1;

	leave(&vv->leaving, iova, last);
	vv->va->ops->dma_unmap(vv->va, iova, last);
}
