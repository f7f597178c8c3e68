// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA through the VFIO container. With only emulated devices VFIO pins nothing
 * when it maps: a page is pinned when the device first touches it, and stays so
 * until the container unmaps it or the device is closed.
 */
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/task_work.h>

#include "vfio.h"

/*
 * VFIO asks for the pages of a range back before it takes the mapping away, and
 * asks again if they were pinned anew meanwhile; after ten times it gives up with
 * a BUG(). So a range is not pinned while the thread that unmaps it is on its way:
 * it comes back to userspace when the mapping is gone. A kernel thread doesn't; it
 * closes a container, and its ranges are left alone for so long.
 */
#define LEAVING_NS	(2 * NSEC_PER_MSEC)

struct leaving_range {
	struct callback_head work;
	struct list_head list;
	struct vfio_vhost *vv;
	u64 first;
	u64 last;
};

void vfio_vhost_dma_init(struct vfio_vhost *vv)
{
	mutex_init(&vv->pin_lock);
	spin_lock_init(&vv->leaving.lock);
	INIT_LIST_HEAD(&vv->leaving.ranges);
	init_waitqueue_head(&vv->leaving.left);
}

/* Once nothing is unmapped any more: until the last thread that did is back. */
void vfio_vhost_dma_wait(struct vfio_vhost *vv)
{
	struct vfio_vhost_leaving *leaving = &vv->leaving;

	wait_event(leaving->left, list_empty_careful(&leaving->ranges));
	/* Whoever took the last one off the list holds the lock a little longer. */
	spin_lock(&leaving->lock);
	spin_unlock(&leaving->lock);
}

static void has_left(struct callback_head *work)
{
	struct leaving_range *range =
		container_of(work, struct leaving_range, work);
	struct vfio_vhost_leaving *leaving = &range->vv->leaving;

	spin_lock(&leaving->lock);
	list_del(&range->list);
	wake_up(&leaving->left);
	spin_unlock(&leaving->lock);
	kfree(range);
	module_put(THIS_MODULE);
}

static bool leave_with_thread(struct vfio_vhost *vv, u64 first, u64 last)
{
	struct vfio_vhost_leaving *leaving = &vv->leaving;
	struct leaving_range *range;

	if (current->flags & PF_KTHREAD)
		return false;
	range = kmalloc(sizeof(*range), GFP_KERNEL);
	if (!range)
		return false;
	range->vv = vv;
	range->first = first;
	range->last = last;
	init_task_work(&range->work, has_left);
	spin_lock(&leaving->lock);
	list_add(&range->list, &leaving->ranges);
	spin_unlock(&leaving->lock);
	/* The device is open: the module is held by VFIO as yet. */
	__module_get(THIS_MODULE);
	if (!task_work_add(current, &range->work, TWA_RESUME))
		return true;
	has_left(&range->work);
	return false;
}

static void leave(struct vfio_vhost *vv, u64 first, u64 last)
{
	struct vfio_vhost_leaving *leaving = &vv->leaving;
	u64 now;

	if (leave_with_thread(vv, first, last))
		return;
	now = ktime_get_ns();
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
	struct leaving_range *range;
	bool ret;

	spin_lock(&leaving->lock);
	ret = iova >= leaving->first && iova <= leaving->last &&
	      ktime_get_ns() < leaving->until;
	list_for_each_entry(range, &leaving->ranges, list)
		ret |= iova >= range->first && iova <= range->last;
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

static int pin_and_map(struct vfio_vhost *vv, u64 iova, u32 perm)
{
	struct page *page;
	int ret;

	lockdep_assert_held(&vv->pin_lock);
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
	ret = vv->va->ops->dma_map(vv->va, iova, PAGE_SIZE,
				   PFN_PHYS(page_to_pfn(page)), perm);
	if (ret)
		vfio_unpin_pages(&vv->vdev, iova, 1);
	return ret;
}

/* The device's lock isn't held: the client may take its time with a page. */
int vfio_vhost_dma_miss(struct vhost_accel *va, u64 iova, u32 perm)
{
	struct vfio_vhost *vv = va->private;
	int ret;

	mutex_lock(&vv->pin_lock);
	ret = pin_and_map(vv, iova & PAGE_MASK, perm);
	mutex_unlock(&vv->pin_lock);
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

	leave(vv, iova, last);
	/* A page that is being pinned is in the table after this, or was not pinned. */
	mutex_lock(&vv->pin_lock);
	vv->va->ops->dma_unmap(vv->va, iova, last);
	mutex_unlock(&vv->pin_lock);
}
