//! What makes a device the kind that it is. The transport knows nothing else of it.

use std::fmt::Debug;

use super::pass::Pass;
use super::shared::Shared;
use crate::counters::Counters;

/// A kind of virtio device, as the requests of a front end see it.
pub(crate) trait Function: Debug + Send + Sync {
    /// The virtio device id.
    fn id(&self) -> u32;

    /// How many vrings there are.
    fn queue_count(&self) -> u16;

    /// The features that this kind of device offers, besides those that all do.
    fn features(&self) -> u64;

    /// Bytes of config space.
    fn config_size(&self) -> usize;

    /// Reads config space from `start` on, all of `to` within its size.
    fn read_config(&self, start: usize, to: &mut [u8]);

    /// Writes config space from `start` on, all of `from` within its size.
    fn write_config(&self, shared: &Shared, start: usize, from: &[u8]);

    /// Goes back to how it was when it was made, but for what was counted. No vring runs.
    fn reset(&self);

    /// Fills in what it has counted itself.
    fn count(&self, counters: &mut Counters);

    /// The device's thread: [`run`](super::run) with its walk. The thread is made for the kind of
    /// device, so that a look at a queue is a plain call.
    fn run(&self, shared: &Shared);
}

/// What a device does with its queues, on its thread.
pub(crate) trait Walk {
    /// Does what a kick of `queue` asks for.
    fn look(&mut self, shared: &Shared, queue: u16) -> Pass;

    /// The queue that is likely to be kicked next when `queue` had work.
    fn partner(&self, _shared: &Shared, _queue: u16) -> Option<u16> {
        None
    }
}
