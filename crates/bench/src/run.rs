//! A whole run: exact counts, then what things take, then the result.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::costs::costs;
use crate::count::count_crossings;
use crate::devices::QUEUE_PAIRS;
use crate::distribution::distributions;
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::placement::Placement;
use crate::results::{
    Clock, Crossings, Device, Host, KernelHalf, Machine, Mode, ResultFile, Run, SCHEMA,
};
use crate::rig::QUEUE_SIZE;
use crate::scenario::Scenario;
use crate::selection::Selection;
use crate::subject::Subject;
use crate::timing::Timer;

/// What to run and how.
#[derive(Debug)]
pub struct Options {
    /// How thoroughly.
    pub mode: Mode,
    /// On whose code: the emulated kernel, or the devices of this machine.
    pub kernel_half: KernelHalf,
    /// What the clock of this machine counts.
    pub clock: Clock,
    /// What runs this machine.
    pub machine: Machine,
    /// What of it all.
    pub selection: Selection,
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

impl Options {
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// How far a run is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What is measured now.
    pub scenario: String,
    /// Scenarios behind it.
    pub done: usize,
    /// Scenarios in all.
    pub all: usize,
}

/// Runs every scenario that was chosen: counts, then times. Tells `progress` how far it is.
///
/// # Errors
/// Those of the kernel half and of the scenarios; [`Error::Resume`] where the run that is to be resumed
/// was another one.
pub fn run(options: &Options, mut progress: impl FnMut(&Progress)) -> Result<ResultFile> {
    let begun = Instant::now();
    // Before threads are given their CPUs.
    let host = Host::this();
    let mut tell = |scenario: &str, done, all| {
        progress(&Progress { scenario: scenario.to_owned(), done, all });
    };
    let chosen: Vec<(Scenario, Vec<Subject>)> = Scenario::all()
        .into_iter()
        .filter(|scenario| options.clock == Clock::Wall || scenario.counts_instructions())
        .map(|scenario| (scenario, options.selection.subjects(scenario)))
        .filter(|(_, subjects)| !subjects.is_empty())
        .collect();
    let all = chosen.len();
    tell("crossings", 0, all);
    let crossings = match (&options.crossings, options.kernel_half) {
        (Some(counted), _) => counted.clone(),
        (None, KernelHalf::Emulated) => count_crossings()?,
        (None, KernelHalf::Native) => Vec::new(),
    };
    let mut file = ResultFile {
        schema: SCHEMA,
        run: Run {
            date: crate::utc_now(),
            command: options.command.clone(),
            revision: options.revision.clone(),
            kernel_half: options.kernel_half,
            mode: options.mode,
            clock: options.clock,
            machine: options.machine,
            seconds: 0,
            interrupted: true,
            repeat: None,
            reseeded: None,
        },
        host,
        device: Device { queue_pairs: QUEUE_PAIRS, queue_size: QUEUE_SIZE },
        crossings,
        timings: Vec::new(),
        ratios: Vec::new(),
        distributions: Vec::new(),
        costs: Vec::new(),
        limits: Vec::new(),
    };
    let mut before = 0;
    let mut measured = if options.resume {
        let partial = resumed(&options.partial, &file)?;
        before = partial.run.seconds;
        Measured::of(&partial)
    } else {
        Measured::default()
    };
    let placement = Placement::find();
    if let Some(placement) = placement {
        placement.enter();
    }
    for (done, (scenario, subjects)) in chosen.iter().enumerate() {
        let id = scenario.to_string();
        if measured.has(&id) {
            continue;
        }
        tell(&id, done, all);
        // A kernel of its own, so that no device has a thread before a scenario has started one.
        let new = options.kernel_half.enter(|| {
            let mut new = Measured::default();
            Timer::new(options, placement, *scenario)?.time(subjects, &mut new)?;
            if options.clock == Clock::Wall && scenario.is_latency() {
                new.distributions = distributions(options, placement, *scenario, subjects)?;
            }
            Ok(new)
        })?;
        if options.stopped() {
            // A scenario comes whole or not at all.
            break;
        }
        measured.extend(new);
        complete(&mut file, &measured, before + begun.elapsed().as_secs());
        file.save(&options.partial)?;
    }
    if !options.stopped() {
        tell("costs", all, all);
        let subjects: Vec<Subject> = Subject::ALL
            .into_iter()
            .filter(|subject| {
                chosen.iter().any(|(scenario, subjects)| {
                    matches!(scenario, Scenario::Setup(1) | Scenario::SetupBatched(1))
                        && subjects.contains(subject)
                })
            })
            .collect();
        measured.costs = options
            .kernel_half
            .enter(|| costs(options, placement, &subjects, &measured, &file.crossings))?;
        file.run.interrupted = false;
    }
    complete(&mut file, &measured, before + begun.elapsed().as_secs());
    Ok(file)
}

fn complete(file: &mut ResultFile, measured: &Measured, seconds: u64) {
    let Measured { timings, ratios, distributions, costs, limits } = measured.clone();
    file.run.date = crate::utc_now();
    file.run.seconds = seconds;
    file.timings = timings;
    file.ratios = ratios;
    file.distributions = distributions;
    file.costs = costs;
    file.limits = limits;
}

/// What a run was stopped with, if it was a run of this.
fn resumed(path: &Path, now: &ResultFile) -> Result<ResultFile> {
    let then = ResultFile::load(path)?;
    let of = |file: &ResultFile| {
        let run = &file.run;
        let what = (run.kernel_half, run.mode, run.clock, run.machine);
        (what, run.command.clone(), run.revision.clone(), file.host.cpu.clone())
    };
    if of(&then) == of(now) { Ok(then) } else { Err(Error::Resume(path.to_owned())) }
}
