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

static bool among(const struct net_missing *pages, u32 n,
		  const struct net_missing *page)
{
	u32 i;

	for (i = 0; i < n; i++)
		if (pages[i].at == page->at && pages[i].log == page->log &&
		    pages[i].perm == page->perm)
			return true;
	return false;
}

/*
 * EFAULT: it was looked for, and isn't there. EAGAIN: net_find() is to look for it, and
 * for what else is on the list.
 */
int net_missing(struct net_dev *nd, const struct net_missing *missing)
{
	lockdep_assert_held(&nd->lock);
	if (among(nd->absent, min_t(u32, nd->nr_absent, NET_MAX_ABSENT), missing))
		return -EFAULT;
	if (nd->nr_missing < NET_MAX_MISSING &&
	    !among(nd->missing, nd->nr_missing, missing))
		nd->missing[nd->nr_missing++] = *missing;
	return -EAGAIN;
}

/* The look that something was missing for has ended. */
void net_found(struct net_dev *nd)
{
	lockdep_assert_held(&nd->lock);
	nd->nr_absent = 0;
	nd->nr_missing = 0;
	net_log_trim(nd);
}

static int find_memory(struct net_dev *nd, const struct net_missing *missing)
{
	bool known;

	/* With another permission it may be on the list twice. */
	mutex_lock(&nd->lock);
	known = vhost_iotlb_itree_first(nd->iotlb, missing->at, missing->at);
	mutex_unlock(&nd->lock);
	return known ? 0 : nd->va.host->dma_miss(&nd->va, missing->at,
						 missing->perm);
}

/*
 * The worker's, without the lock: finds what the last look was missing. True: look
 * again. False: what is missing may be there later.
 */
bool net_find(struct net_dev *nd)
{
	u32 i, n;
	int ret = 0;

	/* The list is the worker's own. */
	n = nd->nr_missing;
	if (!n)
		return false;
	mutex_lock(&nd->lock);
	nd->finding = true;
	mutex_unlock(&nd->lock);

	for (i = 0; i < n; i++) {
		const struct net_missing *missing = &nd->missing[i];

		ret = missing->log ? net_log_find(nd, missing->at) :
				     find_memory(nd, missing);
		if (ret)
			break;
		cond_resched();
	}

	mutex_lock(&nd->lock);
	/* What follows was read in vain if this can't be had: it is listed again. */
	if (ret && ret != -EAGAIN && !signal_pending(current))
		nd->absent[nd->nr_absent++ % NET_MAX_ABSENT] = nd->missing[i];
	nd->nr_missing = 0;
	nd->finding = false;
	flush_signals(current);
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
