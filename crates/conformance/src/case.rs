//! A named expectation and what becomes of it.

use std::fmt;

use vhost_accel_driver::core::Capabilities;

use crate::outcome::{Outcome, Stop};
use crate::target::Target;

/// One named expectation of a device.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    needs: Capabilities,
    pairs: u16,
    run: fn(&Target<'_>) -> Result<(), Stop>,
}

impl Case {
    pub(crate) const fn new(name: &'static str, run: fn(&Target<'_>) -> Result<(), Stop>) -> Self {
        Self { name, needs: Capabilities::empty(), pairs: 2, run }
    }

    /// The same, for devices with these capabilities.
    pub(crate) const fn needing(mut self, needs: Capabilities) -> Self {
        self.needs = self.needs.union(needs);
        self
    }

    /// The same, best run on a device with this many pairs.
    pub(crate) const fn on_pairs(mut self, pairs: u16) -> Self {
        self.pairs = pairs;
        self
    }

    /// `group::what_is_expected`, the same for every interface.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The capabilities without which it is not applicable.
    pub const fn needs(&self) -> Capabilities {
        self.needs
    }

    /// The queue pairs of the device that it is best run on, where that can be chosen.
    pub const fn pairs(&self) -> u16 {
        self.pairs
    }

    /// Runs it.
    pub fn run(&self, target: &Target<'_>) -> Outcome {
        let ended = target.need(self.needs).and_then(|()| (self.run)(target));
        match ended {
            Ok(()) => Outcome::Passed,
            Err(Stop::NotApplicable(need)) => Outcome::NotApplicable(need),
            Err(Stop::Failed(failure)) => Outcome::Failed(failure),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}
