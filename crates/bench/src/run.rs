//! A whole run: exact counts, then times, then the result.

use std::path::PathBuf;
use std::time::SystemTime;

use crate::collect::Collector;
use crate::count::count_crossings;
use crate::devices::QUEUE_PAIRS;
use crate::error::Result;
use crate::results::{Device, Host, KernelHalf, Key, Mode, ResultFile, Run, SCHEMA, Side};
use crate::rig::QUEUE_SIZE;
use crate::scenario::{Argument, Scenario};
use crate::timing;

/// What to run and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// How thoroughly.
    pub mode: Mode,
    /// Only what criterion's filter, a regular expression on [`Key`]'s text, lets through.
    pub filter: Option<String>,
    /// Where criterion keeps its own files.
    pub criterion: PathBuf,
    /// The command that repeats the run.
    pub command: String,
    /// The git revision that is run.
    pub revision: Option<String>,
}

/// Runs every scenario on the emulated kernel: counts, then times.
///
/// # Errors
/// Those of the emulated kernel and of the scenarios.
pub fn run(options: &Options) -> Result<ResultFile> {
    // Before threads are given their CPUs.
    let host = Host::this();
    let crossings = count_crossings()?;
    let collector = Collector { dir: &options.criterion, since: SystemTime::now() };
    timing::all(options)?;
    let (mut timings, mut ratios) = (Vec::new(), Vec::new());
    for scenario in Scenario::all() {
        for subject in scenario.subjects() {
            for side in scenario.sides() {
                timings.extend(collector.timing(&Key::new(scenario, subject, side))?);
            }
            if scenario.has_library_side() {
                ratios.extend(collector.ratio(&Key::new(scenario, subject, Side::Library))?);
            }
            if scenario == Scenario::Crossing(Argument::In) {
                ratios.extend(collector.ratio(&Key::new(scenario, subject, Side::Floor))?);
            }
        }
    }
    Ok(ResultFile {
        schema: SCHEMA,
        run: Run {
            date: crate::utc_now(),
            command: options.command.clone(),
            revision: options.revision.clone(),
            kernel_half: KernelHalf::Emulated,
            mode: options.mode,
        },
        host,
        device: Device { queue_pairs: QUEUE_PAIRS, queue_size: QUEUE_SIZE },
        crossings,
        timings,
        ratios,
    })
}
