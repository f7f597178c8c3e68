// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that the worker finds missing while it looks at a ring: of the dirty log,
 * and of memory where the interface finds it at the first touch. To find one may be
 * a page fault in the client's memory, and that may last: a userfaultfd or a file
 * system in userspace answers when it likes. So the worker lets go of the device's
 * lock, finds the page, and begins with the ring's next chain once more. A reset ends
 * the search, as a signal does with a thread that is killed.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "net.h"

/* So many bytes of one access are found together. */
#define FIND_MOST	(16 * PAGE_SIZE)

static bool same(const struct net_missing *a, const struct net_missing *b)
{
	return a->at >> PAGE_SHIFT == b->at >> PAGE_SHIFT && a->log == b->log &&
	       a->perm == b->perm;
}

/* EFAULT: it was looked for, and isn't there. EAGAIN: net_find() is to look. */
int net_missing(struct net_dev *nd, const struct net_missing *missing)
{
	u32 i;

	lockdep_assert_held(&nd->lock);
	for (i = 0; i < min_t(u32, nd->nr_absent, NET_MAX_ABSENT); i++)
		if (same(&nd->absent[i], missing))
			return -EFAULT;
	nd->missing = *missing;
	return -EAGAIN;
}

/* The look that something was missing for has ended. */
void net_found(struct net_dev *nd)
{
	lockdep_assert_held(&nd->lock);
	nd->nr_absent = 0;
	nd->missing = (struct net_missing){};
	net_log_trim(nd);
}

static int find_memory(struct net_dev *nd, const struct net_missing *missing)
{
	u64 first = missing->at >> PAGE_SHIFT, pages, i;
	int ret;

	pages = 1 + ((offset_in_page(missing->at) +
		      min_t(u32, missing->len, FIND_MOST) - 1) >> PAGE_SHIFT);
	/* What isn't there further on is a fault when it is its turn. */
	for (i = 0; i < pages; i++) {
		bool known;

		mutex_lock(&nd->lock);
		known = vhost_iotlb_itree_first(nd->iotlb,
						(first + i) << PAGE_SHIFT,
						(first + i) << PAGE_SHIFT);
		mutex_unlock(&nd->lock);
		if (known)
			continue;
		ret = nd->va.host->dma_miss(&nd->va, (first + i) << PAGE_SHIFT,
					    missing->perm);
		if (ret)
			return i ? 0 : ret;
	}
	return 0;
}

/*
 * The worker's, without the lock: finds what the last look was missing. True: look
 * again. False: what is missing may be there later.
 */
bool net_find(struct net_dev *nd)
{
	struct net_missing missing;
	bool ended;
	int ret;

	mutex_lock(&nd->lock);
	missing = nd->missing;
	nd->missing = (struct net_missing){};
	nd->finding = missing.len;
	mutex_unlock(&nd->lock);
	if (!missing.len)
		return false;

	ret = missing.log ? net_log_find(nd, missing.at) :
			    find_memory(nd, &missing);

	mutex_lock(&nd->lock);
	nd->finding = false;
	ended = signal_pending(current);
	flush_signals(current);
	if (ret && ret != -EAGAIN && !ended)
		nd->absent[nd->nr_absent++ % NET_MAX_ABSENT] = missing;
	mutex_unlock(&nd->lock);
	wake_up_all(&nd->looked);
	return ret != -EAGAIN;
}

/* Ends the search that is under way. The device must not be running any more. */
void net_end_search(struct net_dev *nd)
{
	lockdep_assert_held(&nd->lock);
	if (nd->finding)
		send_sig(SIGKILL, nd->worker, 1);
}

/* Without the lock, after net_end_search(): nothing of the client is looked for. */
void net_wait_for_search(struct net_dev *nd)
{
	wait_event(nd->looked, !READ_ONCE(nd->finding));
}
