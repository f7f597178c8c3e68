//! Sets of queues.

use std::sync::atomic::{AtomicU64, Ordering};

/// Words enough for the 257 vrings of 128 pairs.
const WORDS: usize = 5;

/// A set of vring numbers, in words that are plain or atomic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QueueSet<W>([W; WORDS]);

impl QueueSet<AtomicU64> {
    pub(crate) fn insert(&self, queue: u16) {
        self.0[usize::from(queue) / 64].fetch_or(1 << (queue % 64), Ordering::SeqCst);
    }

    /// Takes a queue out. Returns whether it was there.
    pub(crate) fn remove(&self, queue: u16) -> bool {
        let bit = 1 << (queue % 64);
        self.0[usize::from(queue) / 64].fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    pub(crate) fn contains(&self, queue: u16) -> bool {
        self.0[usize::from(queue) / 64].load(Ordering::SeqCst) & (1 << (queue % 64)) != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| word.load(Ordering::SeqCst) == 0)
    }

    pub(crate) fn clear(&self) {
        self.0.iter().for_each(|word| word.store(0, Ordering::SeqCst));
    }
}

impl QueueSet<u64> {
    pub(crate) fn insert(&mut self, queue: u16) {
        self.0[usize::from(queue) / 64] |= 1 << (queue % 64);
    }

    pub(crate) fn contains(&self, queue: u16) -> bool {
        self.0[usize::from(queue) / 64] & (1 << (queue % 64)) != 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Moves the queues of `other` here.
    pub(crate) fn take(&mut self, other: &QueueSet<AtomicU64>) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            if theirs.load(Ordering::Relaxed) != 0 {
                *mine |= theirs.swap(0, Ordering::SeqCst);
            }
        }
    }

    /// The queues, ascending.
    pub(crate) fn iter(self) -> impl Iterator<Item = u16> {
        (0_u16..).step_by(64).zip(self.0).flat_map(|(first, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros() as u16)?;
                word &= word - 1;
                Some(first + bit)
            })
        })
    }
}
