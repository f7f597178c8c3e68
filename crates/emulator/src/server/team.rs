//! Who serves a listener: one thread, until that one is held up.
//!
//! Who takes a system call may have to wait for a page of its client's memory that somebody is slow
//! to serve (userfaultfd, FUSE), and nobody else is to wait for that. There is no way to know
//! before. And threads that take turns at one listener cost more than a call does: each wakes on
//! another processor. So one thread serves, and a spare one looks now and then whether it still
//! does. If not, the spare begins to serve and starts another; and as long as a call is held up,
//! whoever takes the last call of those that wait starts one more before it serves.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard};
use std::thread::{self, Thread};
use std::time::Duration;

use vhost_accel_device::lock;

use crate::sys::seccomp::Listener;

/// How often the spare thread looks: a call that is held up holds up others for twice that at most.
const LOOK: Duration = Duration::from_millis(2);
/// After so many looks at a listener that is waited at, the spare thread sleeps until the next
/// call.
const LOOKS: u32 = 50;
/// How many wait for calls while one is held up.
const MOST_WAITING: usize = 4;

/// The threads of one listener.
#[derive(Debug)]
pub(crate) struct Team {
    pub(super) listener: Listener,
    /// Held while one waits, before Linux 6.11: a thread that waits in the kernel there would not
    /// learn that the last client is gone.
    turn: Mutex<()>,
    /// How many threads wait for a call, and how many serve one.
    waiting: AtomicUsize,
    serving: AtomicUsize,
    /// Calls taken so far.
    taken: AtomicU64,
    /// A call is held up.
    held_up: AtomicBool,
    /// The last client is gone.
    ended: AtomicBool,
    /// The spare thread, if it sleeps.
    spare: Mutex<Option<Thread>>,
    spare_sleeps: AtomicBool,
}

impl Team {
    pub(crate) fn new(listener: Listener) -> Self {
        Self {
            listener,
            turn: Mutex::default(),
            waiting: AtomicUsize::new(0),
            serving: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
            held_up: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            spare: Mutex::default(),
            spare_sleeps: AtomicBool::new(false),
        }
    }

    /// Whose turn it is to wait.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    /// A thread is going to wait for a call, unless enough do.
    pub(super) fn waits(&self) -> bool {
        let most = if self.held_up.load(SeqCst) { MOST_WAITING } else { 1 };
        let enough = self.waiting.fetch_add(1, SeqCst) >= most;
        if enough {
            self.waiting.fetch_sub(1, SeqCst);
        }
        !enough
    }

    /// A thread that waited has got a call. Whether another is to wait in its stead at once.
    pub(super) fn took_a_call(&self) -> bool {
        let last = self.waiting.fetch_sub(1, SeqCst) == 1;
        self.serving.fetch_add(1, SeqCst);
        self.taken.fetch_add(1, SeqCst);
        if self.spare_sleeps.load(SeqCst) {
            self.wake_spare();
        }
        last && self.held_up.load(SeqCst)
    }

    /// A thread that waited has got none.
    pub(super) fn took_nothing(&self) {
        self.waiting.fetch_sub(1, SeqCst);
    }

    /// A call was answered.
    pub(super) fn served(&self) {
        if self.serving.fetch_sub(1, SeqCst) == 1 {
            self.held_up.store(false, SeqCst);
        }
    }

    /// The last client is gone.
    pub(super) fn end(&self) {
        self.ended.store(true, SeqCst);
        self.wake_spare();
    }

    /// The spare thread: returns true when it is to serve and another is to be the spare, false
    /// when the last client is gone.
    pub(crate) fn stand_by(&self) -> bool {
        let mut before = None;
        let mut quiet = 0;
        while !self.ended.load(SeqCst) {
            let taken = self.taken.load(SeqCst);
            if self.waiting.load(SeqCst) > 0 || taken == 0 {
                before = None;
                quiet += 1;
            } else if before == Some(taken) {
                self.held_up.store(true, SeqCst);
                return true;
            } else {
                before = Some(taken);
                quiet = 0;
            }
            if quiet > LOOKS {
                self.sleep(taken);
                quiet = 0;
            } else {
                thread::sleep(LOOK);
            }
        }
        false
    }

    /// Sleeps until a call is taken, if none was since there were `taken`.
    fn sleep(&self, taken: u64) {
        *lock(&self.spare) = Some(thread::current());
        // Who takes a call counts it and then looks whether to wake us: one of the two sees the
        // other.
        self.spare_sleeps.store(true, SeqCst);
        while self.spare_sleeps.load(SeqCst)
            && self.taken.load(SeqCst) == taken
            && !self.ended.load(SeqCst)
        {
            thread::park();
        }
        self.spare_sleeps.store(false, SeqCst);
    }

    fn wake_spare(&self) {
        self.spare_sleeps.store(false, SeqCst);
        if let Some(spare) = lock(&self.spare).take() {
            spare.unpark();
        }
    }
}
