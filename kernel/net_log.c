// SPDX-License-Identifier: GPL-2.0-only
/* The dirty log: one bit per 4 KiB page of IOVA space that the device wrote. */
#include <linux/highmem.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/vhost_types.h>

#include "net.h"

#define LOG_PAGE_SHIFT	12

static int log_page(struct net_dev *nd, u64 nr)
{
	u64 at = nd->log_base + nr / BITS_PER_BYTE;
	struct page *page;
	void *bits;
	int ret;

	ret = pin_user_pages_fast(at & PAGE_MASK, 1, FOLL_WRITE, &page);
	if (ret != 1)
		return -EFAULT;
	bits = kmap_local_page(page);
	/* Wherever the log begins: bit n of little-endian words is bit n % 8 of byte n / 8. */
	set_bit_le(offset_in_page(at) * BITS_PER_BYTE + nr % BITS_PER_BYTE, bits);
	kunmap_local(bits);
	unpin_user_pages_dirty_lock(&page, 1, true);
	return 0;
}

/* EFAULT: a log without client memory behind it. */
int net_log_write(struct net_dev *nd, u64 iova, u32 len)
{
	u64 nr, last = (iova + len - 1) >> LOG_PAGE_SHIFT;
	int ret = 0;

	if (!nd->log_base || !net_has(nd, VHOST_F_LOG_ALL) || !len)
		return 0;
	/* Only the device's own thread writes. A client that is gone faults. */
	if (!mmget_not_zero(nd->log_mm))
		return -EFAULT;
	kthread_use_mm(nd->log_mm);
	for (nr = iova >> LOG_PAGE_SHIFT; !ret && nr <= last; nr++)
		ret = log_page(nd, nr);
	kthread_unuse_mm(nd->log_mm);
	mmput_async(nd->log_mm);
	nd->log_dirty = true;
	return ret;
}
