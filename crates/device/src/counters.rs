//! What the device has done, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use super::fault::FaultKind;

/// How often the device did something, since it was made: a reset leaves them alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Kicks seen on a kick eventfd. Several writes that the device had no time to see are one.
    pub kicks_eventfd: u64,
    /// Doorbell stores seen. Several stores that the device had no time to see are one.
    pub kicks_doorbell: u64,
    /// Kicks by a write to the notify region: all of them.
    pub kicks_region: u64,
    /// Call eventfds signalled.
    pub calls: u64,
    /// Frames looped back.
    pub frames: u64,
    /// Bytes of those frames, without their headers.
    pub bytes: u64,
    /// Frames dropped because they did not fit the receive chain.
    pub rx_dropped: u64,
    /// Frames dropped because they were longer than any that the device forwards.
    pub tx_dropped: u64,
    /// Commands carried out or refused on the control queue.
    pub commands: u64,
    faults: [u64; FaultKind::ALL.len()],
}

impl Counters {
    /// How many vrings were stopped for this reason.
    pub fn faults(&self, kind: FaultKind) -> u64 {
        self.faults[kind as usize]
    }

    /// How many vrings were stopped for any reason.
    pub fn all_faults(&self) -> u64 {
        self.faults.iter().sum()
    }
}

/// The live side of [`Counters`]. One thread counts most of them, any may read.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) kicks_eventfd: AtomicU64,
    pub(super) kicks_doorbell: AtomicU64,
    pub(super) kicks_region: AtomicU64,
    pub(super) calls: AtomicU64,
    pub(super) frames: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) rx_dropped: AtomicU64,
    pub(super) tx_dropped: AtomicU64,
    pub(super) commands: AtomicU64,
    faults: [AtomicU64; FaultKind::ALL.len()],
}

impl Cells {
    pub(super) fn fault(&self, kind: FaultKind) {
        count(&self.faults[kind as usize], 1);
    }

    pub(super) fn snapshot(&self) -> Counters {
        let get = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Counters {
            kicks_eventfd: get(&self.kicks_eventfd),
            kicks_doorbell: get(&self.kicks_doorbell),
            kicks_region: get(&self.kicks_region),
            calls: get(&self.calls),
            frames: get(&self.frames),
            bytes: get(&self.bytes),
            rx_dropped: get(&self.rx_dropped),
            tx_dropped: get(&self.tx_dropped),
            commands: get(&self.commands),
            faults: std::array::from_fn(|kind| get(&self.faults[kind])),
        }
    }
}

/// Adds to a counter.
pub(super) fn count(cell: &AtomicU64, n: u64) {
    cell.fetch_add(n, Ordering::Relaxed);
}
