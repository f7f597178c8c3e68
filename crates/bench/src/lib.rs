//! Scenarios, benchmarks, results and reports.
//!
//! The same work through each interface, next to its **floor**: the same system calls made bare with
//! libc. `cargo bench` times both with criterion and counts the crossings exactly; a [`ResultFile`]
//! keeps the figures, and [`report`] turns results into the mail, the comparison and the README's
//! table. `docs/measuring.md` says how each figure is taken and what it can't say.
//!
//! # Words
//! - **scenario**: a piece of work with a stable id, [`Scenario`];
//! - **subject**: an interface in one of its ways, [`Subject`];
//! - **side**: who makes the system calls, [`Side`]: the library, or the floor.

mod collect;
mod compare;
mod count;
mod devices;
mod error;
mod floor;
mod host;
mod library;
mod placement;
pub mod report;
mod results;
mod rig;
mod run;
mod scenario;
mod session;
mod stage;
mod store;
mod subject;
mod timing;
mod traffic;
mod turns;
mod watch;

pub use compare::{
    Comparison, CountChange, Figure, Incomparable, MedianChange, Missing, Only, RatioChange, THRESHOLD,
};
pub use count::count_crossings;
pub use error::{Error, Result};
pub use host::{revision, utc_now};
pub use results::{
    Crossings, Device, Host, KernelHalf, Key, Mode, ResultFile, Run, SCHEMA, Side, Timing, Unit,
};
pub use run::{Options, run};
pub use scenario::{Argument, MapSize, PAIRS, Scenario};
pub use store::load_all;
pub use subject::{Subject, Variant};
