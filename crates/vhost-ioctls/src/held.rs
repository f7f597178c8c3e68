//! What the kernel half holds of each vring.

use vhost_accel_core::{QueueIndex, Vring, VringBase};

/// What was given to the kernel half for each vring since the last reset.
///
/// A request that would change nothing is not sent: base 0 on a vring that has never had another,
/// the removal of a call eventfd that was never set. Allocates when it is made, and never again.
#[derive(Debug)]
pub struct Held {
    vrings: Vec<Marks>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    /// It was set up, so that its base may have moved.
    set_up: bool,
    call: bool,
    enabled: bool,
}

impl Held {
    /// Nothing is held for any of `count` vrings.
    pub fn new(count: u16) -> Self {
        Self { vrings: vec![Marks::default(); usize::from(count)] }
    }

    fn marks(&mut self, queue: QueueIndex) -> &mut Marks {
        &mut self.vrings[usize::from(queue.0)]
    }

    /// Whether the base must be written, and notes that the vring is being set up.
    pub fn begin(&mut self, vring: &Vring<'_>) -> bool {
        let marks = self.marks(vring.queue);
        std::mem::replace(&mut marks.set_up, true) || vring.base != VringBase::SPLIT_START
    }

    /// Whether enable must be written for a vring that is being set up: always to enable, to
    /// disable only what was enabled.
    pub fn must_enable(&mut self, vring: &Vring<'_>) -> bool {
        self.marks(vring.queue).enabled || vring.enabled
    }

    /// Whether call must be written for a vring that is being set up: always to set, to remove only
    /// what was set.
    pub fn must_call(&self, vring: &Vring<'_>) -> bool {
        self.has_call(vring.queue) || vring.call.is_some()
    }

    /// Whether the vring has a call eventfd.
    pub fn has_call(&self, queue: QueueIndex) -> bool {
        self.vrings[usize::from(queue.0)].call
    }

    /// Notes what was written.
    pub fn set_call(&mut self, queue: QueueIndex, call: bool) {
        self.marks(queue).call = call;
    }

    /// Notes what was written.
    pub fn set_enabled(&mut self, queue: QueueIndex, enabled: bool) {
        self.marks(queue).enabled = enabled;
    }

    /// A reset takes everything back.
    pub fn clear(&mut self) {
        self.vrings.fill(Marks::default());
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use vhost_accel_core::Iova;

    use super::*;

    fn vring(base: u16) -> Vring<'static> {
        let vring = Vring::new(QueueIndex(1), 8, Iova(0), Iova(0), Iova(0));
        vring.with_base(base.into()).disabled()
    }

    #[test]
    fn base_zero_is_written_only_over_another() {
        let mut held = Held::new(2);
        assert!(!held.begin(&vring(0)), "a fresh vring is at 0");
        assert!(held.begin(&vring(0)), "a vring that may have run is not");
        held.clear();
        assert!(held.begin(&vring(7)));
        assert!(held.begin(&vring(0)));
    }

    #[test]
    fn what_was_set_is_removed_and_nothing_else() {
        let mut held = Held::new(2);
        let null = std::fs::File::open("/dev/null").unwrap();
        assert!(!held.must_call(&vring(0)));
        assert!(held.must_call(&vring(0).with_call(Some(null.as_fd()))));
        held.set_call(QueueIndex(1), true);
        assert!(held.must_call(&vring(0)));
        assert!(!held.has_call(QueueIndex(0)));

        assert!(!held.must_enable(&vring(0)));
        let enabled = Vring::new(QueueIndex(1), 8, Iova(0), Iova(0), Iova(0));
        assert!(held.must_enable(&enabled));
        held.set_enabled(QueueIndex(1), true);
        assert!(held.must_enable(&vring(0)));
        held.clear();
        assert!(!held.must_enable(&vring(0)) && !held.must_call(&vring(0)));
    }
}
