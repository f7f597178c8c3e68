//! A whole run: exact counts, then times, then the result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use vhost_accel_core::Interface;
use vhost_accel_emulator::EmulatedKernel;

use crate::collect;
use crate::error::{Error, Result};
use crate::floor::Floor;
use crate::library::Library;
use crate::placement::Placement;
use crate::results::{
    Crossings, Device, Host, KernelHalf, Key, Mode, ResultFile, Run, SCHEMA, Side,
};
use crate::rig::{QUEUE_SIZE, Rig};
use crate::scenario::{MapSize, PAIRS, Scenario};
use crate::session::Session;
use crate::stage::Stage;
use crate::subject::Subject;
use crate::watch::{Clock, Watch};

/// Queue pairs of the emulated device: as many as the largest setup uses.
const QUEUE_PAIRS: u16 = PAIRS[PAIRS.len() - 1];

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

/// Runs every scenario on the emulated kernel, and times it.
///
/// # Errors
/// Those of the emulated kernel and of the scenarios.
pub fn run(options: &Options) -> Result<ResultFile> {
    let crossings = count_crossings()?;
    let since = SystemTime::now();
    let placement = Placement::find();
    if let Some(placement) = placement {
        placement.enter();
    }
    let kernel = EmulatedKernel::builder().queue_pairs(QUEUE_PAIRS).build()?;
    kernel.run(|| time(options, placement))??;
    let mut timings = Vec::new();
    for key in keys() {
        timings.extend(collect::timing(&options.criterion, &key, since)?);
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
        host: Host::this(),
        device: Device { queue_pairs: QUEUE_PAIRS, queue_size: QUEUE_SIZE },
        crossings,
        timings,
    })
}

/// Everything that is measured, what belongs together next to each other.
pub fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    for scenario in Scenario::all() {
        for subject in scenario.subjects() {
            for side in sides(scenario) {
                keys.push(Key::new(scenario, subject, side));
            }
        }
    }
    keys
}

fn sides(scenario: Scenario) -> impl Iterator<Item = Side> {
    let sides = Side::ALL.into_iter();
    sides.filter(move |&side| side == Side::Floor || scenario.has_library_side())
}

/// The devices of the kernel that this thread sees.
struct Paths(Vec<(Interface, PathBuf)>);

impl Paths {
    fn find() -> Result<Self> {
        let dir = Path::new("/sys/bus");
        let devices = vhost_accel::devices().map_err(Error::file(dir))?;
        Ok(Self(devices.iter().map(|uri| (uri.interface(), uri.path().to_owned())).collect()))
    }

    fn of(&self, interface: Interface) -> Result<&Path> {
        self.0
            .iter()
            .find(|(of, _)| *of == interface)
            .map(|(_, path)| path.as_path())
            .ok_or(Error::NoDevice(interface))
    }
}

/// Counts the crossings of one iteration of every scenario, on an emulated kernel that traps every
/// system call.
///
/// # Errors
/// Those of the emulated kernel and of the scenarios.
pub fn count_crossings() -> Result<Vec<Crossings>> {
    let kernel =
        EmulatedKernel::builder().queue_pairs(QUEUE_PAIRS).count_everything(true).build()?;
    kernel.run(|| {
        let (paths, rig) = (Paths::find()?, Rig::new(2 * QUEUE_PAIRS + 1)?);
        let mut all = Vec::new();
        for scenario in Scenario::all() {
            for subject in scenario.subjects() {
                let path = paths.of(subject.interface)?;
                for side in sides(scenario) {
                    let mut counter = Counter::new(&kernel);
                    let done = match side {
                        Side::Library => {
                            once::<Library>(scenario, subject, path, &rig, &mut counter)
                        }
                        Side::Floor => once::<Floor>(scenario, subject, path, &rig, &mut counter),
                    };
                    let key = Key::new(scenario, subject, side);
                    done.map_err(Error::scenario(&key))?;
                    all.push(counter.into_crossings(key));
                }
            }
        }
        Ok(all)
    })?
}

fn once<S: Session>(
    scenario: Scenario,
    subject: Subject,
    path: &Path,
    rig: &Rig,
    watch: &mut impl Watch,
) -> Result<()> {
    Stage::<S>::new(scenario, subject, path, rig)?.iterate(1, watch)
}

/// Counts what the kernel half saw in between.
struct Counter<'a> {
    kernel: &'a EmulatedKernel,
    before: vhost_accel_emulator::Crossings,
    kinds: BTreeMap<String, u64>,
}

impl<'a> Counter<'a> {
    fn new(kernel: &'a EmulatedKernel) -> Self {
        Self { kernel, before: kernel.crossings(), kinds: BTreeMap::new() }
    }

    fn into_crossings(self, key: Key) -> Crossings {
        Crossings { key, total: self.kinds.values().sum(), kinds: self.kinds }
    }
}

impl Watch for Counter<'_> {
    fn start(&mut self) {
        self.before = self.kernel.crossings();
    }

    fn stop(&mut self) {
        let between = self.kernel.crossings() - &self.before;
        for (kind, count) in between.iter() {
            *self.kinds.entry(kind.to_owned()).or_default() += count;
        }
    }
}

/// Lets criterion time every scenario.
fn time(options: &Options, placement: Option<Placement>) -> Result<()> {
    let (paths, rig) = (Paths::find()?, Rig::new(2 * QUEUE_PAIRS + 1)?);
    if let Some(placement) = placement {
        for subject in Interface::ALL.map(Subject::plain) {
            // A device has a thread once it has run.
            let path = paths.of(subject.interface)?;
            once::<Floor>(Scenario::Setup(1), subject, path, &rig, &mut Clock::new())?;
        }
        placement.move_devices();
    }
    let mut criterion = configured(options);
    for scenario in Scenario::all() {
        let mut group = criterion.benchmark_group(scenario.to_string());
        if let Scenario::DmaMap(MapSize::Gigantic) | Scenario::DmaUnmap(MapSize::Gigantic) =
            scenario
        {
            // Some pin all of it: a hundred times longer than anything else here.
            group.sample_size(10);
        }
        for subject in scenario.subjects() {
            let path = paths.of(subject.interface)?;
            for side in sides(scenario) {
                let key = Key::new(scenario, subject, side);
                match side {
                    Side::Library => bench(&mut group, &key, || {
                        Stage::<Library>::new(scenario, subject, path, &rig)
                    }),
                    Side::Floor => bench(&mut group, &key, || {
                        Stage::<Floor>::new(scenario, subject, path, &rig)
                    }),
                }
                .map_err(Error::scenario(&key))?;
            }
        }
        group.finish();
    }
    Ok(())
}

fn configured(options: &Options) -> Criterion {
    let criterion = Criterion::default().output_directory(&options.criterion).without_plots();
    let criterion = match options.mode {
        Mode::Full => criterion
            .sample_size(40)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_millis(1_200))
            .nresamples(10_000),
        Mode::Quick => criterion
            .sample_size(10)
            .warm_up_time(Duration::from_millis(50))
            .measurement_time(Duration::from_millis(150))
            .nresamples(1_000),
    };
    match &options.filter {
        Some(filter) => criterion.with_filter(filter.as_str()),
        None => criterion,
    }
}

/// Times what `prepare` makes ready, if criterion's filter lets it through.
fn bench<'a, S: Session>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    key: &Key,
    prepare: impl Fn() -> Result<Stage<'a, S>>,
) -> Result<()> {
    let (mut stage, mut failed) = (None, None);
    group.bench_function(key.function(), |bencher| {
        bencher.iter_custom(|count| {
            let mut clock = Clock::new();
            let mut iterate = || {
                let stage = match &mut stage {
                    Some(stage) => stage,
                    none => none.insert(prepare()?),
                };
                stage.iterate(count, &mut clock)
            };
            if failed.is_none() {
                failed = iterate().err();
            }
            if failed.is_some() {
                // criterion can't be stopped; give it something to end on.
                return Duration::from_millis(count);
            }
            clock.total()
        });
    });
    failed.map_or(Ok(()), Err)
}
