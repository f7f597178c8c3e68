// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's view of memory: a table of pinned pages by IOVA. Every access
 * is translated and checked for permission; what is not in the table is not
 * touched. Where the interface may find it, that is asked first, see net_find.c.
 */
#include <linux/highmem.h>
#include <linux/mm.h>

#include "net.h"

int net_dma_map(struct vhost_accel *va, u64 iova, u64 size, u64 pa, u32 perm)
{
	struct net_dev *nd = to_net(va);
	int ret;

	mutex_lock(&nd->lock);
	if (vhost_iotlb_itree_first(nd->iotlb, iova, iova + size - 1))
		ret = -EEXIST;
	else
		ret = vhost_iotlb_add_range(nd->iotlb, iova, iova + size - 1, pa,
					    perm);
	mutex_unlock(&nd->lock);
	return ret;
}

void net_dma_unmap(struct vhost_accel *va, u64 iova, u64 last)
{
	struct net_dev *nd = to_net(va);
	struct vhost_iotlb_map *map;

	mutex_lock(&nd->lock);
	net_rings_changed(nd);
	while ((map = vhost_iotlb_itree_first(nd->iotlb, iova, last))) {
		va->host->dma_release(va, map);
		vhost_iotlb_map_free(nd->iotlb, map);
		cond_resched();
	}
	mutex_unlock(&nd->lock);
}

struct vhost_iotlb *net_dma_swap(struct vhost_accel *va,
				 struct vhost_iotlb *iotlb)
{
	struct net_dev *nd = to_net(va);

	mutex_lock(&nd->lock);
	swap(nd->iotlb, iotlb);
	net_rings_changed(nd);
	mutex_unlock(&nd->lock);
	return iotlb;
}

void net_dma_flush(struct vhost_accel *va)
{
	struct net_dev *nd = to_net(va);

	mutex_lock(&nd->lock);
	net_rings_changed(nd);
	mutex_unlock(&nd->lock);
}

/* Where @iova is, or why that is not to be had. */
static int net_dma_find(struct net_dev *nd, u64 iova, u32 perm, u64 *pa)
{
	struct vhost_accel *va = &nd->va;
	struct vhost_iotlb_map *map;

	if (va->host->translate)
		return va->host->translate(va, iova, perm, pa);
	map = vhost_iotlb_itree_first(nd->iotlb, iova, iova);
	if (!map && va->host->dma_miss) {
		const struct net_missing missing = {
			.at = iova & PAGE_MASK,
			.perm = perm,
		};

		return net_missing(nd, &missing);
	}
	if (!map || (map->perm & perm) != perm)
		return -EFAULT;
	*pa = map->addr + (iova - map->start);
	return 0;
}

/* The page at @iova, or why it is not to be had; @len at most, and to its end. */
static void *net_dma_page(struct net_dev *nd, u64 iova, u32 *len, u32 perm)
{
	u32 offset = offset_in_page(iova);
	u64 pa;
	int ret;

	lockdep_assert_held(&nd->lock);
	*len = min_t(u64, *len, PAGE_SIZE - offset);
	ret = net_dma_find(nd, iova, perm, &pa);
	if (ret)
		return ERR_PTR(ret);
	return kmap_local_page(pfn_to_page(PHYS_PFN(pa))) + offset;
}

int net_dma_read(struct net_dev *nd, u64 iova, void *buf, u32 len)
{
	while (len) {
		u32 n = len;
		void *from = net_dma_page(nd, iova, &n, VHOST_MAP_RO);

		if (IS_ERR(from))
			return PTR_ERR(from);
		memcpy(buf, from, n);
		kunmap_local(from);
		iova += n;
		buf += n;
		len -= n;
	}
	return 0;
}

int net_dma_write(struct net_dev *nd, u64 iova, const void *buf, u32 len,
		  u64 log)
{
	while (len) {
		u32 n = len;
		int ret;
		void *to = net_dma_page(nd, iova, &n, VHOST_MAP_WO);

		if (IS_ERR(to))
			return PTR_ERR(to);
		memcpy(to, buf, n);
		kunmap_local(to);
		ret = net_log_write(nd, log, n);
		if (ret)
			return ret;
		iova += n;
		log += n;
		buf += n;
		len -= n;
	}
	return 0;
}

/* @faulty: 0 when @from could not be read, 1 when @to could not be written. */
int net_dma_copy(struct net_dev *nd, u64 to, u64 from, u32 len, int *faulty)
{
	while (len) {
		u32 n = len;
		void *src, *dst;
		int ret;

		*faulty = 0;
		src = net_dma_page(nd, from, &n, VHOST_MAP_RO);
		if (IS_ERR(src))
			return PTR_ERR(src);
		*faulty = 1;
		dst = net_dma_page(nd, to, &n, VHOST_MAP_WO);
		if (IS_ERR(dst)) {
			kunmap_local(src);
			return PTR_ERR(dst);
		}
		/* Nothing keeps a driver from giving the same memory twice. */
		memmove(dst, src, n);
		kunmap_local(dst);
		kunmap_local(src);
		ret = net_log_write(nd, to, n);
		if (ret)
			return ret;
		to += n;
		from += n;
		len -= n;
	}
	return 0;
}

/* EAGAIN: all the pages that are missing are on their list, or as many as it holds. */
static int net_dma_check(struct net_dev *nd, u64 iova, u32 len, u32 perm)
{
	int ret = 0;

	while (len && nd->nr_missing < NET_MAX_MISSING) {
		u32 n = len;
		void *at = net_dma_page(nd, iova, &n, perm);

		if (!IS_ERR(at))
			kunmap_local(at);
		else if (PTR_ERR(at) == -EAGAIN)
			ret = -EAGAIN;
		else
			return PTR_ERR(at);
		iova += n;
		len -= n;
	}
	return len ? -EAGAIN : ret;
}

int net_dma_check_read(struct net_dev *nd, u64 iova, u32 len)
{
	return net_dma_check(nd, iova, len, VHOST_MAP_RO);
}

int net_dma_check_write(struct net_dev *nd, u64 iova, u32 len, u64 log)
{
	return net_dma_check(nd, iova, len, VHOST_MAP_WO) ?:
	       net_log_check(nd, log, len);
}

int net_dma_read16(struct net_dev *nd, u64 iova, u16 *value)
{
	u32 n = sizeof(__le16);
	__le16 *at = net_dma_page(nd, iova, &n, VHOST_MAP_RO);

	if (IS_ERR(at))
		return PTR_ERR(at);
	*value = le16_to_cpu(READ_ONCE(*at));
	kunmap_local(at);
	return 0;
}

int net_dma_write16(struct net_dev *nd, u64 iova, u16 value, u64 log)
{
	u32 n = sizeof(__le16);
	__le16 *at = net_dma_page(nd, iova, &n, VHOST_MAP_WO);

	if (IS_ERR(at))
		return PTR_ERR(at);
	WRITE_ONCE(*at, cpu_to_le16(value));
	kunmap_local(at);
	return net_log_write(nd, log, n);
}
