// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins a client's memory for the device. A mapping is kept as it was made, to be
 * unmapped whole; the device's table has its runs of adjoining pages.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "include/uapi/vhost_accel.h"
#include "pin.h"

#define PIN_BATCH	(PAGE_SIZE / sizeof(struct page *))

/* Where runs go: the device's table, or one that will replace it. */
struct sink {
	struct vhost_accel *va;
	struct vhost_iotlb *table;
};

int vhost_accel_pin_init(struct vhost_accel_pin *pin)
{
	pin->maps = vhost_iotlb_alloc(0, 0);
	return pin->maps ? 0 : -ENOMEM;
}

void vhost_accel_pin_destroy(struct vhost_accel_pin *pin)
{
	if (pin->maps)
		vhost_iotlb_free(pin->maps);
	if (pin->mm)
		mmdrop(pin->mm);
}

void vhost_accel_unpin_run(const struct vhost_iotlb_map *map)
{
	unpin_user_page_range_dirty_lock(pfn_to_page(PHYS_PFN(map->addr)),
					 map->size >> PAGE_SHIFT,
					 map->perm & VHOST_MAP_WO);
}

static void charge(struct vhost_accel_pin *pin, struct mm_struct *mm)
{
	/* What an owner before mapped was charged to it, and so is the rest. */
	if (pin->mm == mm || pin->maps->nmaps)
		return;
	if (pin->mm)
		mmdrop(pin->mm);
	pin->mm = mm;
	mmgrab(mm);
}

static int sink_add(const struct sink *sink, u64 iova, u64 size, u64 pa,
		    u32 perm)
{
	if (sink->va)
		return sink->va->ops->dma_map(sink->va, iova, size, pa, perm);
	return vhost_iotlb_add_range(sink->table, iova, iova + size - 1, pa,
				     perm);
}

static void free_runs(struct vhost_iotlb *table, u64 first, u64 last)
{
	struct vhost_iotlb_map *map;

	while ((map = vhost_iotlb_itree_first(table, first, last))) {
		vhost_accel_unpin_run(map);
		vhost_iotlb_map_free(table, map);
		cond_resched();
	}
}

static void sink_remove(const struct sink *sink, u64 iova, u64 last)
{
	if (sink->va)
		sink->va->ops->dma_unmap(sink->va, iova, last);
	else
		free_runs(sink->table, iova, last);
}

/* Adds @n pinned pages, or unpins those that could not be added. */
static int add_run_pages(const struct sink *sink, u64 iova,
			 struct page **pages, unsigned long n, u32 perm)
{
	unsigned long first = 0, i;

	for (i = 1; i <= n; i++) {
		int ret;

		if (i < n &&
		    page_to_pfn(pages[i]) == page_to_pfn(pages[i - 1]) + 1)
			continue;
		ret = sink_add(sink, iova + (first << PAGE_SHIFT),
			       (i - first) << PAGE_SHIFT,
			       PFN_PHYS(page_to_pfn(pages[first])), perm);
		if (ret) {
			unpin_user_pages(pages + first, n - first);
			return ret;
		}
		first = i;
	}
	return 0;
}

static int pin_pages(const struct sink *sink, u64 iova, u64 size, u64 uaddr,
		     u32 perm)
{
	unsigned int flags = FOLL_LONGTERM;
	unsigned long left = size >> PAGE_SHIFT;
	struct page **pages;
	u64 at = iova;
	int ret = 0;

	if (perm & VHOST_MAP_WO)
		flags |= FOLL_WRITE;
	pages = (struct page **)__get_free_page(GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	while (left && !ret) {
		long n = -EINTR;

		/* Pages that are there are pinned without asking for signals. */
		if (!fatal_signal_pending(current))
			n = pin_user_pages_fast(uaddr, min(left, PIN_BATCH),
						flags, pages);
		if (n <= 0) {
			ret = n == -ENOMEM || n == -EINTR ? n : -EFAULT;
			break;
		}
		ret = add_run_pages(sink, at, pages, n, perm);
		at += (u64)n << PAGE_SHIFT;
		uaddr += (u64)n << PAGE_SHIFT;
		left -= n;
		cond_resched();
	}
	free_page((unsigned long)pages);
	if (ret)
		sink_remove(sink, iova, iova + size - 1);
	return ret;
}

static int check_range(u64 iova, u64 size)
{
	if (!size || !PAGE_ALIGNED(iova | size) || iova + size - 1 < iova)
		return -EINVAL;
	return 0;
}

static int check_map(u64 iova, u64 size, u64 uaddr)
{
	return PAGE_ALIGNED(uaddr) ? check_range(iova, size) : -EINVAL;
}

/* One mapping into @maps and @sink; it was charged for. */
static int map_one(struct vhost_iotlb *maps, const struct sink *sink, u64 iova,
		   u64 size, u64 uaddr, u32 perm)
{
	int ret;

	if (uaddr + size - 1 < uaddr)
		return -EFAULT;
	ret = vhost_iotlb_add_range(maps, iova, iova + size - 1, uaddr, perm);
	if (ret)
		return ret;
	ret = pin_pages(sink, iova, size, uaddr, perm);
	if (ret)
		vhost_iotlb_del_range(maps, iova, iova + size - 1);
	return ret;
}

int vhost_accel_pin_map(struct vhost_accel_pin *pin, struct mm_struct *mm,
			u64 iova, u64 size, u64 uaddr, u32 perm)
{
	const struct sink sink = { .va = pin->va };
	int ret = check_map(iova, size, uaddr);

	if (ret)
		return ret;
	if (vhost_iotlb_itree_first(pin->maps, iova, iova + size - 1))
		return -EEXIST;
	if (pin->maps->nmaps >= VHOST_MDEV_MAX_MAPPINGS)
		return -ENOSPC;
	charge(pin, mm);
	ret = account_locked_vm(pin->mm, size >> PAGE_SHIFT, true);
	if (ret)
		return ret;
	ret = map_one(pin->maps, &sink, iova, size, uaddr, perm);
	if (ret)
		account_locked_vm(pin->mm, size >> PAGE_SHIFT, false);
	return ret;
}

/* Takes whole mappings away; their bytes. */
static u64 forget_maps(struct vhost_iotlb *maps, u64 first, u64 last)
{
	struct vhost_iotlb_map *map;
	u64 size = 0;

	while ((map = vhost_iotlb_itree_first(maps, first, last))) {
		size += map->size;
		vhost_iotlb_map_free(maps, map);
		cond_resched();
	}
	return size;
}

/* The same; what they were charged for is given back. */
static u64 uncharge_maps(struct vhost_accel_pin *pin, u64 first, u64 last)
{
	u64 size = forget_maps(pin->maps, first, last);

	if (size)
		account_locked_vm(pin->mm, size >> PAGE_SHIFT, false);
	return size;
}

static u64 bytes_of(struct vhost_iotlb *maps)
{
	struct vhost_iotlb_map *map;
	u64 size = 0;

	list_for_each_entry(map, &maps->list, link)
		size += map->size;
	return size;
}

int vhost_accel_pin_unmap(struct vhost_accel_pin *pin, u64 iova, u64 *size)
{
	u64 last = iova + *size - 1;
	struct vhost_iotlb_map *map;

	if (check_range(iova, *size))
		return -EINVAL;
	map = vhost_iotlb_itree_first(pin->maps, iova, iova);
	if (map && map->start < iova)
		return -EINVAL;
	map = vhost_iotlb_itree_first(pin->maps, last, last);
	if (map && map->last > last)
		return -EINVAL;
	if (!vhost_iotlb_itree_first(pin->maps, iova, last))
		return -ENOENT;
	pin->va->ops->dma_unmap(pin->va, iova, last);
	*size = uncharge_maps(pin, iova, last);
	return 0;
}

void vhost_accel_pin_invalidate(struct vhost_accel_pin *pin, u64 iova, u64 last)
{
	struct vhost_iotlb_map *map;

	while ((map = vhost_iotlb_itree_first(pin->maps, iova, last))) {
		pin->va->ops->dma_unmap(pin->va, map->start, map->last);
		uncharge_maps(pin, map->start, map->last);
	}
}

void vhost_accel_pin_unmap_all(struct vhost_accel_pin *pin)
{
	pin->va->ops->dma_unmap(pin->va, 0, U64_MAX);
	uncharge_maps(pin, 0, U64_MAX);
}

/*
 * All of it or nothing; the device sees one table or the other. For a moment both
 * are pinned, but only the larger one is charged for: the owner's limit is that of
 * what it has mapped.
 */
int vhost_accel_pin_replace(struct vhost_accel_pin *pin, struct mm_struct *mm,
			    const struct vhost_memory_region *regions, u32 n)
{
	struct vhost_iotlb *maps = vhost_iotlb_alloc(0, 0);
	struct sink sink = { .table = vhost_iotlb_alloc(0, 0) };
	u64 old, new = 0, most;
	int ret = -ENOMEM;
	u32 i;

	if (!maps || !sink.table)
		goto free;
	charge(pin, mm);
	old = bytes_of(pin->maps);
	most = old;
	for (i = 0; i < n; i++) {
		const struct vhost_memory_region *region = &regions[i];
		u64 iova = region->guest_phys_addr, size = region->memory_size;

		ret = check_map(iova, size, region->userspace_addr);
		if (!ret && vhost_iotlb_itree_first(maps, iova, iova + size - 1))
			ret = -EINVAL;
		if (!ret && check_add_overflow(new, size, &new))
			ret = -ENOMEM;
		if (!ret && new > most) {
			ret = account_locked_vm(pin->mm,
						(new - most) >> PAGE_SHIFT, true);
			if (!ret)
				most = new;
		}
		if (!ret)
			ret = map_one(maps, &sink, iova, size,
				      region->userspace_addr, VHOST_MAP_RW);
		if (ret)
			goto undo;
	}
	swap(pin->maps, maps);
	sink.table = pin->va->ops->dma_swap(pin->va, sink.table);
	old = new;
	ret = 0;
undo:
	free_runs(sink.table, 0, U64_MAX);
	forget_maps(maps, 0, U64_MAX);
	if (most > old)
		account_locked_vm(pin->mm, (most - old) >> PAGE_SHIFT, false);
free:
	if (maps)
		vhost_iotlb_free(maps);
	if (sink.table)
		vhost_iotlb_free(sink.table);
	return ret;
}
