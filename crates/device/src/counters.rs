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

/// The live side of those that every device has. One thread counts most of them, any may read.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    pub(crate) kicks_eventfd: AtomicU64,
    pub(crate) kicks_doorbell: AtomicU64,
    pub(crate) kicks_region: AtomicU64,
    pub(crate) calls: AtomicU64,
    faults: [AtomicU64; FaultKind::ALL.len()],
}

impl Cells {
    pub(crate) fn fault(&self, kind: FaultKind) {
        count(&self.faults[kind as usize], 1);
    }

    pub(crate) fn snapshot(&self) -> Counters {
        let get = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Counters {
            kicks_eventfd: get(&self.kicks_eventfd),
            kicks_doorbell: get(&self.kicks_doorbell),
            kicks_region: get(&self.kicks_region),
            calls: get(&self.calls),
            faults: std::array::from_fn(|kind| get(&self.faults[kind])),
            ..Counters::default()
        }
    }
}

/// Adds to a counter.
pub(crate) fn count(cell: &AtomicU64, n: u64) {
    cell.fetch_add(n, Ordering::Relaxed);
}
