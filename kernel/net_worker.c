// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's thread and what wakes it: kicks, and stores into doorbell pages.
 *
 * A doorbell is hot for a while after its last work, and polled. Then it is
 * re-armed: the client's mapping is taken away, so that the next store faults
 * and wakes us. An interface that can't do that has its doorbells looked at
 * every DOORBELL_NAP_NS while the device runs.
 *
 * What happens to a vring that doesn't run wakes nobody: who starts it has every
 * ring looked at. Starting and kicking both write, have a full barrier, and then
 * read what the other writes, so that one of them sees the other.
 */
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/virtio_config.h>

#include "net.h"

/* From any context. */
void net_kick(struct vhost_accel *va, u16 q)
{
	struct net_dev *nd = to_net(va);

	/* What was put into the ring, before whether it runs. */
	smp_mb();
	if (net_vq_runs(nd, &nd->vqs[q]) && !test_and_set_bit(q, nd->kicked))
		wake_up_process(nd->worker);
}

/*
 * Returns when every queue that is marked now was looked at. EINTR: the caller is
 * being killed and has not waited for it.
 */
int net_wait_for_look(struct net_dev *nd)
{
	/* A full barrier: that a vring runs, before the look at it. */
	int ticket = atomic_inc_return(&nd->looks_asked);

	wake_up_process(nd->worker);
	if (wait_event_killable(nd->looked,
				atomic_read(&nd->looks_done) - ticket >= 0))
		return -EINTR;
	return 0;
}

/*
 * In the fault handler, the page mapped: the store comes when it has returned.
 * How long that is waited for is counted from when the worker runs. The page of
 * a vring that doesn't run stays hot, and is polled from its start on.
 */
void net_doorbell_touched(struct vhost_accel *va, u16 q)
{
	struct net_dev *nd = to_net(va);

	set_bit(q, nd->open);
	WRITE_ONCE(nd->vqs[q].hot_until, 0);
	WRITE_ONCE(nd->vqs[q].awaited, true);
	/* Both before the bit. */
	smp_mb__before_atomic();
	if (!test_and_set_bit(q, nd->hot) && net_vq_runs(nd, &nd->vqs[q]))
		wake_up_process(nd->worker);
}

/*
 * A worker that sleeps has no nap to take until the first doorbell is mapped. Of
 * one that is mapped before the device runs it learns when that is started.
 */
void net_doorbell_mapped(struct vhost_accel *va, u16 q, bool mapped)
{
	struct net_dev *nd = to_net(va);

	if (mapped) {
		set_bit(q, nd->open);
		atomic_inc(&nd->vqs[q].mapped);
	} else {
		atomic_dec(&nd->vqs[q].mapped);
	}
	if (va->host->rearm)
		return;
	if (!mapped)
		atomic_dec(&nd->naps);
	/* A full barrier: the nap, before whether the device runs. */
	else if (atomic_inc_return(&nd->naps) == 1 &&
		 READ_ONCE(nd->status) & VIRTIO_CONFIG_S_DRIVER_OK)
		wake_up_process(nd->worker);
}

static bool doorbell_rung(struct net_vq *vq)
{
	u32 *word = page_address(vq->doorbell);

	return READ_ONCE(*word) != DOORBELL_IDLE &&
	       xchg(word, DOORBELL_IDLE) != DOORBELL_IDLE;
}

/* Is there a doorbell to be polled? */
static bool any_hot(struct net_dev *nd)
{
	u16 q;

	for_each_set_bit(q, nd->hot, nd->va.nvqs)
		if (net_vq_runs(nd, &nd->vqs[q]))
			return true;
	return false;
}

/* Looks at a hot doorbell; rings on, or lets it cool and re-arms it. */
static void poll_hot(struct net_dev *nd, u16 q)
{
	struct net_vq *vq = &nd->vqs[q];

	if (!doorbell_rung(vq)) {
		u64 now = ktime_get_ns();

		if (!cmpxchg(&vq->hot_until, 0, now + vq->patience) ||
		    now < READ_ONCE(vq->hot_until))
			return;
		/*
		 * Between the fault and its store lies a way that may take
		 * longer than this, on a busy or a virtual CPU: then the next
		 * fault is given more time, or none would ever get through.
		 */
		if (READ_ONCE(vq->awaited))
			vq->patience = min(2 * vq->patience, DOORBELL_MOST_NS);
		clear_bit(q, nd->hot);
		if (!nd->va.host->rearm)
			return;
		if (!nd->va.host->rearm(&nd->va, q)) {
			WRITE_ONCE(vq->hot_until, now + vq->patience);
			set_bit(q, nd->hot);
			return;
		}
		/* A store from before the mapping went is in the page now. */
		if (!doorbell_rung(vq))
			return;
		set_bit(q, nd->hot);
	}
	WRITE_ONCE(vq->awaited, false);
	vq->patience = DOORBELL_HOT_NS;
	WRITE_ONCE(vq->hot_until, ktime_get_ns() + DOORBELL_HOT_NS);
	set_bit(q, nd->kicked);
}

static void poll_naps(struct net_dev *nd)
{
	u16 q;

	for (q = 0; q < nd->va.nvqs; q++) {
		struct net_vq *vq = &nd->vqs[q];

		if (atomic_read(&vq->mapped) && doorbell_rung(vq)) {
			WRITE_ONCE(vq->hot_until,
				   ktime_get_ns() + DOORBELL_HOT_NS);
			set_bit(q, nd->hot);
			set_bit(q, nd->kicked);
		}
	}
}

/* As net_process(), with everything at hand that can be found. */
static int look_at(struct net_dev *nd, u16 q)
{
	int ret;

	do {
		mutex_lock(&nd->lock);
		ret = net_process(nd, q);
		if (ret != -EAGAIN)
			net_found(nd);
		mutex_unlock(&nd->lock);
	} while (ret == -EAGAIN && net_find(nd));
	return ret;
}

/* Looks at every queue that was kicked; -EAGAIN if one must be asked later. */
static int look_at_kicked(struct net_dev *nd)
{
	int again = 0;
	u16 q;

	for_each_set_bit(q, nd->kicked, nd->va.nvqs) {
		int ret;

		clear_bit(q, nd->kicked);
		/* The bit before what the kick announces. */
		smp_mb__after_atomic();
		ret = look_at(nd, q);
		if (ret > 0 || ret == -EAGAIN)
			set_bit(q, nd->kicked);
		if (ret == -EAGAIN)
			again = ret;
		/* Work keeps a doorbell that is mapped hot. */
		if (ret > 0 && test_bit(q, nd->hot))
			WRITE_ONCE(nd->vqs[q].hot_until,
				   ktime_get_ns() + DOORBELL_HOT_NS);
		cond_resched();
	}
	return again;
}

/*
 * Who is to ring a hot doorbell may wait for this very CPU: then it is not polled
 * but looked at after a while.
 */
static bool may_spin(struct net_dev *nd)
{
	return any_hot(nd) && single_task_running();
}

static void wait_for_work(struct net_dev *nd)
{
	ktime_t nap = ns_to_ktime(DOORBELL_NAP_NS);

	set_current_state(TASK_INTERRUPTIBLE);
	if (!bitmap_empty(nd->kicked, nd->va.nvqs) ||
	    atomic_read(&nd->looks_asked) != atomic_read(&nd->looks_done) ||
	    may_spin(nd) || kthread_should_stop()) {
		__set_current_state(TASK_RUNNING);
		return;
	}
	if (any_hot(nd))
		nap = ns_to_ktime(DOORBELL_HOT_NS / 4);
	else if (!atomic_read(&nd->naps) ||
		 !(READ_ONCE(nd->status) & VIRTIO_CONFIG_S_DRIVER_OK))
		nap = KTIME_MAX;
	schedule_hrtimeout(&nap, HRTIMER_MODE_REL);
}

int net_worker(void *data)
{
	struct net_dev *nd = data;
	u16 q;

	/* It ends a search, see net_end_search(). */
	allow_kernel_signal(SIGKILL);
	while (!kthread_should_stop()) {
		int asked = atomic_read_acquire(&nd->looks_asked);

		for_each_set_bit(q, nd->hot, nd->va.nvqs)
			if (net_vq_runs(nd, &nd->vqs[q]))
				poll_hot(nd, q);
		if (atomic_read(&nd->naps))
			poll_naps(nd);
		if (look_at_kicked(nd) == -EAGAIN)
			usleep_range(20, 50);
		if (asked != atomic_read(&nd->looks_done)) {
			atomic_set_release(&nd->looks_done, asked);
			wake_up_all(&nd->looked);
		}
		if (may_spin(nd)) {
			cpu_relax();
			cond_resched();
		} else {
			wait_for_work(nd);
		}
	}
	return 0;
}
