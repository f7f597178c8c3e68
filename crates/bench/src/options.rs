//! What a run is asked for.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::devices::External;
use crate::guest::Waiting;
use crate::placement::Placement;
use crate::results::{Clock, Crossings, KernelHalf, Mode, Platform, Setting};
use crate::selection::Selection;

/// What to run and how.
#[derive(Debug)]
pub struct RunOptions {
    /// How thoroughly.
    pub mode: Mode,
    /// On whose code: the emulated kernel, or the devices of this machine.
    pub kernel_half: KernelHalf,
    /// What the clock of this machine counts.
    pub clock: Clock,
    /// What runs this machine.
    pub machine: Platform,
    /// What of the kernel half is otherwise than usual.
    pub setting: Setting,
    /// Queue pairs of a device, of a native one; the emulated ones have as many as the largest of
    /// [`PAIRS`](crate::PAIRS).
    pub queue_pairs: u16,
    /// What of it all.
    pub selection: Selection,
    /// Interfaces from outside, measured beside the four.
    pub externals: Vec<External>,
    /// Where criterion keeps its own files.
    pub criterion: PathBuf,
    /// Where what was measured so far is kept, until all is.
    pub partial: PathBuf,
    /// Whether to go on where the run that left [`partial`](Self::partial) behind was stopped.
    pub resume: bool,
    /// Counts that were taken otherwise: on a native kernel this program can't take them itself.
    pub crossings: Option<Vec<Crossings>>,
    /// The command that repeats the run.
    pub command: String,
    /// The git revision that is run.
    pub revision: Option<String>,
    /// Ends the run early when it is set; what was measured until then is its result.
    pub stop: &'static AtomicBool,
}

impl RunOptions {
    /// What suits the run: `placement` is where client and devices have been put, if there was a
    /// choice.
    pub(crate) fn waiting(&self, placement: Option<Placement>) -> Waiting {
        match (self.clock, placement) {
            (Clock::Wall, Some(_)) => Waiting::Watch,
            (Clock::Wall, None) | (Clock::Instructions, _) => Waiting::Yield,
        }
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
