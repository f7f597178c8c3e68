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
mod costs;
mod count;
mod devices;
mod distribution;
mod error;
mod floor;
mod half;
mod host;
mod library;
mod limits;
mod mark;
mod measured;
mod peer;
mod placement;
mod quiet;
mod repeat;
pub mod report;
mod results;
mod rig;
mod run;
mod scenario;
mod selection;
mod session;
mod stage;
mod store;
mod subject;
mod timing;
mod traffic;
mod turns;
mod watch;

pub use compare::{
    Comparison, CountChange, Figure, Incomparable, MedianChange, Missing, Only, RatioChange,
    THRESHOLD,
};
pub use count::count_crossings;
pub use error::{Error, Result};
pub use host::{revision, utc_now};
pub use mark::{BEGIN, END, mark_crossings};
pub use quiet::Quiet;
pub use results::{
    Clock, Cost, Crossings, Device, Difference, Distribution, Figures, Host, KernelHalf, Key,
    Limit, Machine, Mode, Over, Ratio, Repeat, ResultFile, Run, SCHEMA, Side, Timing, Unit,
};
pub use run::{Options, Progress, run};
pub use scenario::{
    Argument, BATCHES, CONTROL, EVENTFD_PAIRS, FRAMES, LIVE, MIGRATED, MapSize, PAIRS, REGIONS,
    STEP_PAIRS, Scenario, Step,
};
pub use selection::Selection;
pub use store::{load_all, load_crossings};
pub use subject::{Subject, Variant};
