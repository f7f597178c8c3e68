//! The suite that every backend passes on every kernel half.
//!
//! A [`Case`] is one named expectation, written against [`VhostAccel`](driver::core::VhostAccel)
//! alone. It runs on a [`Target`]: something that can be opened again and again. What comes out is
//! an [`Outcome`]: a case that the device lacks a means for is *not applicable* and says what it
//! needs, which is not a pass. The [`driver`] beneath is here too, to look at one thing by hand.
//!
//! ```no_run
//! # use vhost_accel_conformance::driver::core::{Result, VhostAccel};
//! # use vhost_accel_conformance::{Outcome, Target, cases};
//! # fn open() -> Result<Box<dyn VhostAccel>> { loop {} }
//! let target = Target::new(&open);
//! for case in cases() {
//!     match case.run(&target) {
//!         Outcome::Passed => eprintln!("{}: passed", case.name()),
//!         Outcome::NotApplicable(need) => eprintln!("{}: not applicable: {need}", case.name()),
//!         Outcome::Failed(failure) => eprintln!("{}: FAILED: {failure}", case.name()),
//!     }
//! }
//! ```
//!
//! # Words
//! - **loopback**: the device of `docs/abi.md`, which gives every frame back on the pair that it
//!   was sent on. Cases that need it find out by sending one.
//! - **fault**: what stops a vring; **quiet**: nothing happens for a little while.

mod case;
mod cases;
mod check;
mod outcome;
mod random;
mod target;

pub use case::Case;
pub use cases::cases;
pub use outcome::{Failure, Need, Outcome, Stop};
pub use target::{Target, hold};
pub use vhost_accel_driver as driver;
