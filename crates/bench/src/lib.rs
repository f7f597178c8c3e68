//! Scenarios, benchmarks, results and reports.
//!
//! The same work through each interface, next to its **baseline**: the same system calls made bare
//! with libc. `cargo bench` times both with criterion and counts the crossings exactly; a
//! [`ResultFile`] keeps the figures, and [`report`] turns results into the mail, the comparison and
//! the README's table. `docs/measuring.md` says how each figure is taken and what it can't say.
//!
//! # Words
//! - **scenario**: a piece of work with a stable id, [`Scenario`];
//! - **configuration**: an interface in one of its ways, [`Configuration`];
//! - **client**: who makes the system calls, [`Client`]: the library, the baseline or a peer.

mod baseline;
mod client;
mod collect;
pub mod command_line;
mod compare;
mod configuration;
mod costs;
mod count;
mod devices;
mod distribution;
mod error;
mod guest;
mod half;
mod host;
mod library;
mod limits;
mod mark;
mod measured;
mod options;
mod paired;
mod peer;
mod placement;
mod plausible;
mod quiet;
mod repeat;
pub mod report;
mod results;
mod run;
mod scenario;
mod schema;
mod seeds;
mod selection;
mod session;
pub mod signals;
mod sizes;
mod staged;
mod store;
pub mod terminal;
mod timing;
mod traffic;
mod watch;

pub use client::Client;
pub use compare::{
    Comparison, CountChange, Figure, Incomparable, MedianChange, Missing, Only, RatioChange,
    THRESHOLD,
};
pub use configuration::{CONTROL, Configuration, Variant};
pub use count::count_crossings;
pub use devices::{External, Open};
pub use error::{Error, Result};
pub use host::{kernel_command_line, revision, software, utc_now};
pub use mark::{BEGIN, END, mark_crossings};
pub use options::RunOptions;
pub use plausible::Implausible;
pub use quiet::Quiet;
pub use results::{
    Clock, Cost, Crossings, Device, Difference, Distribution, Figures, Host, KernelHalf, Key,
    Limit, Mode, Over, Platform, Ratio, Repeat, ResultFile, Run, SCHEMA, Seeds, Setting, Spread,
    Timing, Unit,
};
pub use run::{Progress, run};
pub use scenario::{
    Act, Argument, BATCHES, Burst, EVENTFD_PAIRS, FRAMES, MIGRATED, REGIONS, STEP_PAIRS, Scenario,
    Step,
};
pub use schema::schema;
pub use seeds::ENOUGH;
pub use selection::Selection;
pub use sizes::{LIVE, MapSize, PAIRS};
pub use staged::Staged;
pub use store::{Results, load_all, load_crossings, write_all};
pub use vhost_accel_emulator as emulator;
