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
	u64 at = nd->log_base + nr / 64 * sizeof(u64);
	struct page *page;
	void *bits;
	int ret;

	ret = pin_user_pages_fast(at & PAGE_MASK, 1, FOLL_WRITE, &page);
	if (ret != 1)
		return -EFAULT;
	bits = kmap_local_page(page);
	/* Bit n of little-endian 64-bit words: the kernel's own on x86. */
	set_bit_le(nr % 64 + (offset_in_page(at) / sizeof(u64)) * 64, bits);
	kunmap_local(bits);
	unpin_user_pages_dirty_lock(&page, 1, true);
	return 0;
}

/*
 * A bitmap that can't be written loses the bit, as vhost does: what the client
 * gave away is its own loss.
 */
void net_log_write(struct net_dev *nd, u64 iova, u32 len)
{
	u64 nr, last = (iova + len - 1) >> LOG_PAGE_SHIFT;
	bool mine = current->mm != nd->log_mm;

	if (!nd->log_base || !net_has(nd, VHOST_F_LOG_ALL) || !len)
		return;
	if (mine) {
		if (!mmget_not_zero(nd->log_mm))
			return;
		kthread_use_mm(nd->log_mm);
	}
	for (nr = iova >> LOG_PAGE_SHIFT; nr <= last; nr++)
		if (!log_page(nd, nr))
			nd->log_dirty = true;
	if (mine) {
		kthread_unuse_mm(nd->log_mm);
		mmput_async(nd->log_mm);
	}
}
