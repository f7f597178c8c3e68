//! A whole run: exact counts, then what things take, then the result.

use std::path::Path;
use std::time::Instant;

use crate::configuration::Configuration;
use crate::costs::costs;
use crate::count::count_crossings;
use crate::devices::configurations;
use crate::distribution::distributions;
use crate::error::{Error, Result};
use crate::guest::QUEUE_SIZE;
use crate::host::{kernel_command_line, software};
use crate::measured::Measured;
use crate::options::RunOptions;
use crate::placement::Placement;
use crate::plausible::plain_text;
use crate::results::{Clock, Device, Host, KernelHalf, ResultFile, Run, SCHEMA};
use crate::scenario::{Activity, Scenario};
use crate::timing::Timer;

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
/// Those of the kernel half and of the scenarios; [`Error::Nothing`] where a word of the selection
/// fits nothing; [`Error::Resume`] where the run that is to be resumed was another one.
pub fn run(options: &RunOptions, mut progress: impl FnMut(&Progress)) -> Result<ResultFile> {
    let begun = Instant::now();
    // Before threads are given their CPUs.
    let host = Host::this();
    let mut tell = |scenario: &str, done, all| {
        progress(&Progress { scenario: scenario.to_owned(), done, all });
    };
    if let Some(name) = options.selection.unknown() {
        return Err(Error::Nothing(name.to_owned()));
    }
    let all = configurations(&options.externals);
    let chosen: Vec<(Scenario, Vec<Configuration>)> = Scenario::all()
        .into_iter()
        .filter(|scenario| {
            options.clock == Clock::Wall || scenario.traits().activity != Activity::Awaited
        })
        .map(|scenario| (scenario, options.selection.among(scenario, all.iter().copied())))
        .filter(|(_, configurations)| !configurations.is_empty())
        .collect();
    if chosen.is_empty() {
        return Err(Error::Nothing(options.selection.words().join(" and ")));
    }
    let scenarios = chosen.len();
    tell("crossings", 0, scenarios);
    let crossings = match (&options.crossings, options.kernel_half) {
        (Some(counted), _) => counted.clone(),
        (None, KernelHalf::Emulated) => count_crossings(&options.externals)?,
        (None, KernelHalf::Native) => Vec::new(),
    };
    let mut file = ResultFile {
        schema: SCHEMA,
        run: Run {
            date: crate::utc_now(),
            command: plain_text(&options.command),
            revision: options.revision.clone(),
            kernel_half: options.kernel_half,
            mode: options.mode,
            clock: options.clock,
            machine: options.machine,
            seconds: 0,
            interrupted: true,
            setting: options.setting,
            kernel_command_line: match options.kernel_half {
                KernelHalf::Emulated => None,
                KernelHalf::Native => kernel_command_line(),
            },
            software: software(&[("libc", "ldd")]),
            repeat: None,
            seeds: None,
        },
        host,
        device: Device { queue_pairs: options.queue_pairs, queue_size: QUEUE_SIZE },
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
    for (done, (scenario, configurations)) in chosen.iter().enumerate() {
        let id = scenario.to_string();
        if measured.has(&id) {
            continue;
        }
        tell(&id, done, scenarios);
        // A kernel of its own, so that no device has a thread before a scenario has started one.
        let new = options.kernel_half.enter(|| {
            let mut new = Measured::default();
            Timer::new(options, placement, *scenario)?.time(configurations, &mut new)?;
            if options.clock == Clock::Wall && scenario.traits().spread {
                new.distributions = distributions(options, placement, *scenario, configurations)?;
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
        tell("costs", scenarios, scenarios);
        let configurations: Vec<Configuration> = Configuration::ALL
            .into_iter()
            .filter(|configuration| {
                chosen.iter().any(|(scenario, configurations)| {
                    matches!(scenario, Scenario::Setup(1) | Scenario::SetupBatched(1))
                        && configurations.contains(configuration)
                })
            })
            .collect();
        measured.costs = options
            .kernel_half
            .enter(|| costs(options, placement, &configurations, &measured, &file.crossings))?;
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
