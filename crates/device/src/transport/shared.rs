//! What the front ends and the device's worker both hold.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use virtio_bindings::virtio_config::VIRTIO_CONFIG_S_NEEDS_RESET;
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
use vmm_sys_util::eventfd::EventFd;

use super::dirty::DirtyLog;
use super::doorbell::DoorbellPages;
use super::queues::QueueSet;
use super::vring::Vring;
use super::wait::wait;
use crate::counters::{Cells, count};
use crate::eventfd::{self, Signal};
use crate::fault::FaultKind;
use crate::{Errno, lock};

/// What epoll reports for the eventfd that wakes the worker. Not a vring's number.
const WAKE: u64 = u64::MAX;

/// # Locks
/// In this order: the vrings, ascending; `log`; then one of the others. The worker holds them for
/// one pass over a queue and waits for nobody meanwhile. It takes no lock of the front ends.
#[derive(Debug)]
pub(crate) struct Shared {
    vrings: Box<[Mutex<Vring>]>,
    pub(crate) status: AtomicU8,
    pub(crate) features: AtomicU64,
    pub(crate) config_call: Mutex<Option<Signal>>,
    pub(crate) log: RwLock<DirtyLog>,
    pub(crate) counters: Cells,
    /// How many vrings run: with none, there is no doorbell to watch.
    pub(crate) running: AtomicUsize,
    /// Front-end calls that want a vring. A mutex is not fair, and a busy worker takes it again at
    /// once: so the worker lets them go first.
    pub(crate) attention: AtomicU32,
    /// Queues whose kick eventfd was handed over just now: its first event is none of the client's.
    new_kicks: QueueSet<AtomicU64>,
    /// Kicks that need no eventfd and no doorbell: starts, and writes to the notify region.
    pub(crate) kicked: QueueSet<AtomicU64>,
    pub(crate) doorbells: Mutex<Option<Arc<DoorbellPages>>>,
    pub(crate) doorbells_changed: AtomicBool,
    pub(crate) stop: AtomicBool,
    /// The worker waits, or is about to, and must be woken.
    pub(crate) sleeping: AtomicBool,
    pub(crate) wake: EventFd,
    pub(crate) epoll: Epoll,
}

impl Shared {
    pub(crate) fn new(queue_count: u16) -> Result<Self, Errno> {
        eventfd::supported()?;
        let epoll = Epoll::new()?;
        let wake = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        let event = EpollEvent::new(EventSet::IN | EventSet::EDGE_TRIGGERED, WAKE);
        epoll.ctl(ControlOperation::Add, wake.as_raw_fd(), event)?;
        Ok(Self {
            vrings: (0..queue_count).map(|_| Mutex::default()).collect(),
            status: AtomicU8::new(0),
            features: AtomicU64::new(0),
            config_call: Mutex::default(),
            log: RwLock::default(),
            counters: Cells::default(),
            running: AtomicUsize::new(0),
            attention: AtomicU32::new(0),
            new_kicks: QueueSet::default(),
            kicked: QueueSet::default(),
            doorbells: Mutex::default(),
            doorbells_changed: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            wake,
            epoll,
        })
    }

    /// How many vrings there are.
    pub(crate) fn queue_count(&self) -> u16 {
        self.vrings.len() as u16 // made of as many
    }

    /// A vring, held still. `queue` is in range.
    pub(crate) fn vring(&self, queue: u16) -> MutexGuard<'_, Vring> {
        lock(&self.vrings[usize::from(queue)])
    }

    pub(crate) fn log(&self) -> RwLockReadGuard<'_, DirtyLog> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn negotiated(&self, feature: u32) -> bool {
        self.features.load(Ordering::Relaxed) & (1 << feature) != 0
    }

    /// Waits for kick eventfds and the worker's own, which is None to `seen`.
    ///
    /// A kick eventfd is never read, as vhost doesn't: each write is an edge. But epoll looks again
    /// before it reports an edge, and drops one whose count the client has read meanwhile, which a
    /// kernel's callback has seen. So the edge is waited for together with what an eventfd nearly
    /// always is, writable: it is reported then. That a client reads its kick eventfd is reported
    /// too, and taken for a kick, which may be the one that it read.
    pub(crate) fn wait_for_kicks(
        &self,
        timeout: Option<Duration>,
        mut seen: impl FnMut(Option<u16>),
    ) {
        let queues = u64::from(self.queue_count());
        wait(&self.epoll, timeout, |number, readable| {
            let queue = (number < queues).then_some(number as u16);
            if let Some(queue) = queue {
                if self.new_kicks.remove(queue) && !readable {
                    return;
                }
                if readable {
                    count(&self.counters.kicks_eventfd, 1);
                }
            }
            seen(queue);
        });
    }

    /// Waits for kicks of `queue` by `eventfd` from here on. A kick that it holds already counts.
    pub(crate) fn add_kick(&self, queue: u16, eventfd: &OwnedFd) -> Result<(), Errno> {
        // What is no eventfd may be neither readable nor writable, and never heard of below.
        eventfd::check(eventfd)?;
        let events = EventSet::IN | EventSet::OUT | EventSet::EDGE_TRIGGERED;
        let event = EpollEvent::new(events, u64::from(queue));
        self.new_kicks.insert(queue);
        if let Err(error) = self.epoll.ctl(ControlOperation::Add, eventfd.as_raw_fd(), event) {
            self.new_kicks.remove(queue);
            return Err(error.into());
        }
        // epoll reports at once that it is writable. Whoever hears of it, the worker or we, it must
        // be over before the client can kick: the kick would be taken for it.
        let mut heard = false;
        while self.new_kicks.contains(queue) {
            self.wait_for_kicks(Some(Duration::ZERO), |queue| {
                heard = true;
                queue.into_iter().for_each(|queue| self.mark(queue));
            });
            std::thread::yield_now();
        }
        if heard {
            // What was meant for the worker goes to the worker.
            let _ = self.wake.write(1);
        }
        Ok(())
    }

    /// Has the worker look at a queue at its next turn.
    pub(crate) fn mark(&self, queue: u16) {
        self.kicked.insert(queue);
    }

    /// Has the worker look whether there is something for it.
    pub(crate) fn wake(&self) {
        // Pairs with the worker: it says that it sleeps, then looks; we write, then look whether it
        // sleeps. One of us sees the other.
        if self.sleeping.load(Ordering::SeqCst) {
            let _ = self.wake.write(1);
        }
    }

    /// Stops a vring for good: until reset.
    pub(crate) fn fail(&self, vring: &mut Vring, kind: FaultKind) {
        if !vring.stop() {
            return;
        }
        vring.faulted = true;
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.counters.fault(kind);
        self.status.fetch_or(VIRTIO_CONFIG_S_NEEDS_RESET as u8, Ordering::Relaxed);
        if let Some(error) = &vring.error {
            error.raise();
        }
        if let Some(call) = &*lock(&self.config_call) {
            call.raise();
        }
    }

    pub(crate) fn kick(&self, queue: u16) {
        count(&self.counters.kicks_region, 1);
        self.mark(queue);
        self.wake();
    }
}
