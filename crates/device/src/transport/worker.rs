//! The device's own thread: it finds out who kicked, and works until nobody did.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::doorbell::DoorbellPages;
use super::function::Walk;
use super::queues::QueueSet;
use super::shared::Shared;
use super::wait::quiet_thread;
use crate::counters::count;
use crate::lock;

/// How long after its last work a queue's doorbell is polled, and the worker does not sleep.
const HOT: Duration = Duration::from_micros(50);

/// How long a doorbell goes unseen at most while its queue is not polled.
const NAP: Duration = Duration::from_micros(100);

/// Turns between two looks at the kick eventfds while the worker does not sleep: a look is a system
/// call, the rest of a turn is not.
const TURNS_PER_LOOK: u32 = 8;

/// Runs until `shared.stop`.
pub(crate) fn run(shared: &Shared, walk: impl Walk) {
    quiet_thread();
    let mut worker = Worker {
        shared,
        walk,
        pending: QueueSet::default(),
        doorbells: None,
        armed: QueueSet::default(),
        hot: Vec::with_capacity(shared.queue_count().into()),
        worked: Instant::now(),
        scanned: Instant::now(),
        turns: 0,
    };
    while !shared.stop.load(Ordering::Acquire) {
        worker.turn();
    }
}

struct Worker<'a, W> {
    shared: &'a Shared,
    walk: W,
    /// Kicked and not done with.
    pending: QueueSet<u64>,
    doorbells: Option<Arc<DoorbellPages>>,
    /// Queues whose doorbell is known to have been idle: their page was initialized.
    armed: QueueSet<u64>,
    /// Queues that had work lately, and when.
    hot: Vec<(u16, Instant)>,
    worked: Instant,
    scanned: Instant,
    turns: u32,
}

impl<W: Walk> Worker<'_, W> {
    fn turn(&mut self) {
        let shared = self.shared;
        while shared.attention.load(Ordering::Acquire) != 0 {
            thread::yield_now();
        }
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(TURNS_PER_LOOK) {
            self.look_at_kicks(Some(Duration::ZERO));
        }
        // The marks before the pages: whoever marks a queue has said before which pages to watch,
        // so that the look below never is at a queue whose new page stays unwatched.
        self.pending.take(&shared.kicked);
        if shared.doorbells_changed.swap(false, Ordering::AcqRel) {
            self.doorbells.clone_from(&lock(&shared.doorbells));
            self.armed = QueueSet::default();
        }
        let now = Instant::now();
        self.look_at_doorbells(now);
        if !self.pending.is_empty() {
            self.work(now);
        } else if now.duration_since(self.worked) < HOT {
            std::hint::spin_loop();
        } else {
            self.sleep();
        }
    }

    fn work(&mut self, now: Instant) {
        let pending = std::mem::take(&mut self.pending);
        for queue in pending.iter() {
            if let Some(doorbells) = &self.doorbells
                && !self.armed.contains(queue)
            {
                // What it reads before it was ever idle is no kick; the look at the ring is now.
                doorbells.take(queue.into());
                self.armed.insert(queue);
            }
            let pass = self.walk.look(self.shared, queue);
            if pass.more {
                self.pending.insert(queue);
            }
            if pass.work > 0 {
                self.worked = now;
                self.heat(queue, now);
                if let Some(partner) = self.walk.partner(self.shared, queue) {
                    self.heat(partner, now);
                }
            }
        }
    }

    fn heat(&mut self, queue: u16, now: Instant) {
        match self.hot.iter_mut().find(|(hot, _)| *hot == queue) {
            Some((_, last)) => *last = now,
            None => self.hot.push((queue, now)),
        }
    }

    fn look_at_kicks(&mut self, timeout: Option<Duration>) {
        let pending = &mut self.pending;
        self.shared.wait_for_kicks(timeout, |queue| {
            queue.into_iter().for_each(|queue| pending.insert(queue));
        });
    }

    fn look_at_doorbells(&mut self, now: Instant) {
        let Some(doorbells) = &self.doorbells else { return };
        let Self { armed, pending, hot, .. } = self;
        let counters = &self.shared.counters;
        let mut look = |queue: u16| {
            if doorbells.take(queue.into()) {
                count(&counters.kicks_doorbell, 1);
                pending.insert(queue);
            }
        };
        if now.duration_since(self.scanned) >= NAP {
            self.scanned = now;
            hot.retain(|(_, last)| now.duration_since(*last) < HOT);
            armed.iter().for_each(look);
        } else {
            for (queue, _) in hot.iter().filter(|(queue, _)| armed.contains(*queue)) {
                look(*queue);
            }
        }
    }

    /// Sleeps until someone kicks or wakes us, or for a nap if there are doorbells to look at.
    fn sleep(&mut self) {
        let shared = self.shared;
        shared.sleeping.store(true, Ordering::SeqCst);
        let nothing = shared.kicked.is_empty()
            && !shared.stop.load(Ordering::SeqCst)
            && !shared.doorbells_changed.load(Ordering::SeqCst);
        if nothing {
            let naps = self.doorbells.is_some() && shared.running.load(Ordering::Relaxed) > 0;
            self.look_at_kicks(naps.then_some(NAP));
        }
        shared.sleeping.store(false, Ordering::SeqCst);
        // Whatever woke us, the doorbells are due.
        if self.doorbells.is_some() {
            self.scanned = self.scanned.checked_sub(NAP).unwrap_or(self.scanned);
        }
    }
}
