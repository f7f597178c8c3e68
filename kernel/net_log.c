// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: one bit per 4 KiB page of IOVA space that the device wrote. Its
 * pages are pinned when the first bit in them is set, and kept.
 */
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/vhost_types.h>

#include "net.h"

#define LOG_PAGE_SHIFT	12

/*
 * Pages that are kept: bits for 128 GiB. They are charged to nobody, so that there
 * must be an end; one look may need more.
 */
#define LOG_PAGES	1024

static bool logs(const struct net_dev *nd)
{
	return nd->log_base && net_has(nd, VHOST_F_LOG_ALL);
}

static u64 log_address(const struct net_dev *nd, u64 nr)
{
	return nd->log_base + nr / BITS_PER_BYTE;
}

/* The page with bit @nr. EFAULT: a log without client memory behind it. */
static struct page *log_page(struct net_dev *nd, u64 nr)
{
	const struct net_missing missing = {
		.at = log_address(nd, nr) & PAGE_MASK,
		.log = true,
	};
	struct page *page = xa_load(&nd->log_pages, missing.at >> PAGE_SHIFT);

	return page ?: ERR_PTR(net_missing(nd, &missing));
}

static void log_bit(struct net_dev *nd, struct page *page, u64 nr)
{
	void *bits = kmap_local_page(page);

	/* Wherever the log begins: bit n of little-endian words is bit n % 8 of byte n / 8. */
	set_bit_le(offset_in_page(log_address(nd, nr)) * BITS_PER_BYTE +
		   nr % BITS_PER_BYTE, bits);
	kunmap_local(bits);
	nd->log_dirty = true;
}

static int log_range(struct net_dev *nd, u64 iova, u32 len, bool write)
{
	u64 nr, last = (iova + len - 1) >> LOG_PAGE_SHIFT;

	lockdep_assert_held(&nd->lock);
	if (!logs(nd) || !len)
		return 0;
	for (nr = iova >> LOG_PAGE_SHIFT; nr <= last; nr++) {
		struct page *page = log_page(nd, nr);

		if (IS_ERR(page))
			return PTR_ERR(page);
		if (write)
			log_bit(nd, page, nr);
	}
	return 0;
}

/* Whether a write can be logged; as net_log_write(). */
int net_log_check(struct net_dev *nd, u64 iova, u32 len)
{
	return log_range(nd, iova, len, false);
}

int net_log_write(struct net_dev *nd, u64 iova, u32 len)
{
	return log_range(nd, iova, len, true);
}

/* Without the lock, see net_find(): pins the log's page at @at. */
int net_log_find(struct net_dev *nd, u64 at)
{
	struct mm_struct *mm;
	struct page *page;
	u32 log;
	int ret;

	mutex_lock(&nd->lock);
	log = nd->log;
	mm = nd->log_mm;
	/* A client that is gone has no log. */
	if (mm && !mmget_not_zero(mm))
		mm = NULL;
	mutex_unlock(&nd->lock);
	if (!mm)
		return -EFAULT;

	kthread_use_mm(mm);
	ret = pin_user_pages_fast(at, 1, FOLL_WRITE | FOLL_LONGTERM, &page);
	kthread_unuse_mm(mm);
	mmput_async(mm);
	if (ret != 1)
		return -EFAULT;

	mutex_lock(&nd->lock);
	ret = -EAGAIN;
	if (log == nd->log)
		ret = xa_insert(&nd->log_pages, at >> PAGE_SHIFT, page,
				GFP_KERNEL);
	if (!ret)
		nd->nr_log_pages++;
	mutex_unlock(&nd->lock);
	if (ret)
		unpin_user_page(page);
	return ret;
}

static void forget_pages(struct net_dev *nd)
{
	unsigned long index;
	struct page *page;

	xa_for_each(&nd->log_pages, index, page)
		unpin_user_pages_dirty_lock(&page, 1, true);
	xa_destroy(&nd->log_pages);
	nd->nr_log_pages = 0;
}

void net_log_trim(struct net_dev *nd)
{
	lockdep_assert_held(&nd->lock);
	if (nd->nr_log_pages > LOG_PAGES)
		forget_pages(nd);
}

/* 0 for none. */
void net_log_set(struct net_dev *nd, struct mm_struct *mm, u64 base)
{
	lockdep_assert_held(&nd->lock);
	forget_pages(nd);
	nd->log++;
	if (nd->log_mm)
		mmdrop(nd->log_mm);
	nd->log_mm = base ? mm : NULL;
	nd->log_base = base;
	if (nd->log_mm)
		mmgrab(nd->log_mm);
}
