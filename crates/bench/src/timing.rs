//! Times, as criterion takes them.

use std::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkGroup, Criterion};
use vhost_accel_core::Interface;
use vhost_accel_emulator::EmulatedKernel;

use crate::devices::{Devices, QUEUE_PAIRS};
use crate::error::{Error, Result};
use crate::floor::Floor;
use crate::library::Library;
use crate::placement::Placement;
use crate::results::{Key, Mode, Side};
use crate::rig::Rig;
use crate::run::Options;
use crate::scenario::{Argument, MapSize, Scenario};
use crate::session::Session;
use crate::stage::Stage;
use crate::subject::Subject;
use crate::turns::{Ratio, take_turns};
use crate::watch::Clock;

/// Lets criterion time every scenario.
pub(crate) fn all(options: &Options) -> Result<()> {
    let placement = Placement::find();
    if let Some(placement) = placement {
        placement.enter();
    }
    for scenario in Scenario::all() {
        // A kernel of its own, so that no device has a thread before a scenario has started one.
        let kernel = EmulatedKernel::builder().queue_pairs(QUEUE_PAIRS).devices(2).build()?;
        kernel.run(|| Timer::new(options, placement, scenario)?.time())??;
    }
    Ok(())
}

/// One scenario on one kernel.
struct Timer<'a> {
    options: &'a Options,
    scenario: Scenario,
    devices: Devices,
    /// Memory for each of two devices that take turns.
    rigs: [Rig; 2],
}

impl<'a> Timer<'a> {
    fn new(options: &'a Options, placement: Option<Placement>, scenario: Scenario) -> Result<Self> {
        let devices = Devices::find()?;
        let rig = Rig::new(2 * QUEUE_PAIRS + 1)?;
        let twin = rig.twin()?;
        if let Some(placement) = placement.filter(|_| scenario.starts_device()) {
            for interface in Interface::ALL {
                for path in [devices.first(interface)?, devices.second(interface)?] {
                    // A device has a thread once it has run.
                    let subject = Subject::plain(interface);
                    Stage::<Floor>::new(Scenario::Setup(1), subject, path, &rig)?
                        .iterate(1, &mut Clock::new())?;
                }
            }
            placement.move_devices();
        }
        Ok(Self { options, scenario, devices, rigs: [rig, twin] })
    }

    fn time(&self) -> Result<()> {
        let scenario = self.scenario;
        let (mut clock, mut turns) = (self.criterion(), self.criterion().with_measurement(Ratio));
        for subject in scenario.subjects() {
            for side in scenario.sides() {
                let key = Key::new(scenario, subject, side);
                match side {
                    Side::Library => self.alone::<Library>(&mut clock, &key, subject),
                    Side::Floor => self.alone::<Floor>(&mut clock, &key, subject),
                }
                .map_err(Error::scenario(&key))?;
            }
            if scenario.has_library_side() {
                let key = Key::new(scenario, subject, Side::Library);
                self.in_turn::<Library>(&mut turns, &key, subject, scenario)
                    .map_err(Error::scenario(&key))?;
            }
            if scenario == Scenario::Crossing(Argument::In) {
                let key = Key::new(scenario, subject, Side::Floor);
                let bare = Scenario::Crossing(Argument::None);
                self.in_turn::<Floor>(&mut turns, &key, subject, bare)
                    .map_err(Error::scenario(&key))?;
            }
        }
        Ok(())
    }

    /// The scenario by itself: nanoseconds.
    fn alone<S: Session>(
        &self,
        criterion: &mut Criterion,
        key: &Key,
        subject: Subject,
    ) -> Result<()> {
        let path = self.devices.first(subject.interface)?;
        let (mut stage, mut failed) = (None, None);
        self.group(criterion).bench_function(key.function(), |bencher| {
            bencher.iter_custom(|count| {
                let mut clock = Clock::new();
                let done = attempt(&mut failed, || {
                    get(&mut stage, || {
                        Stage::<S>::new(self.scenario, subject, path, &self.rigs[0])
                    })?
                    .iterate(count, &mut clock)
                });
                done.map_or(GIVEN_UP * count as u32, |()| clock.total())
            });
        });
        failed.map_or(Ok(()), Err)
    }

    /// The scenario and the floor of `over`, taking turns on two devices that are alike: a ratio.
    fn in_turn<S: Session>(
        &self,
        criterion: &mut Criterion<Ratio>,
        key: &Key,
        subject: Subject,
        over: Scenario,
    ) -> Result<()> {
        let first = self.devices.first(subject.interface)?;
        let second = self.devices.second(subject.interface)?;
        let (mut stages, mut failed) = (None, None);
        self.group(criterion).bench_function(key.ratio_function(), |bencher| {
            bencher.iter_custom(|count| {
                let ratio = attempt(&mut failed, || {
                    let (of, over) = get(&mut stages, || {
                        let of = Stage::<S>::new(self.scenario, subject, first, &self.rigs[0])?;
                        Ok((of, Stage::<Floor>::new(over, subject, second, &self.rigs[1])?))
                    })?;
                    take_turns(of, over, count)
                });
                ratio.unwrap_or(1.0) * count as f64
            });
        });
        failed.map_or(Ok(()), Err)
    }

    fn group<'c, M: Measurement>(&self, criterion: &'c mut Criterion<M>) -> BenchmarkGroup<'c, M> {
        let mut group = criterion.benchmark_group(self.scenario.to_string());
        if let Scenario::DmaMap(MapSize::Gigantic) | Scenario::DmaUnmap(MapSize::Gigantic) =
            self.scenario
        {
            // Some pin all of it: a hundred times longer than anything else here.
            group.sample_size(10);
        }
        group
    }

    fn criterion(&self) -> Criterion<WallTime> {
        let criterion =
            Criterion::default().output_directory(&self.options.criterion).without_plots();
        let criterion = match self.options.mode {
            Mode::Full => criterion
                .sample_size(40)
                .warm_up_time(Duration::from_millis(200))
                .measurement_time(Duration::from_millis(600))
                .nresamples(10_000),
            Mode::Quick => criterion
                .sample_size(10)
                .warm_up_time(Duration::from_millis(20))
                .measurement_time(Duration::from_millis(100))
                .nresamples(1_000),
        };
        match &self.options.filter {
            Some(filter) => criterion.with_filter(filter.as_str()),
            None => criterion,
        }
    }
}

/// criterion can't be stopped: what an iteration takes once one has failed.
const GIVEN_UP: Duration = Duration::from_millis(1);

/// Does `work` unless something has failed before.
fn attempt<T>(failed: &mut Option<Error>, work: impl FnOnce() -> Result<T>) -> Option<T> {
    if failed.is_some() {
        return None;
    }
    work().map_err(|error| *failed = Some(error)).ok()
}

/// What is in `slot`, made when it is first asked for: criterion's filter may let nothing through.
fn get<T>(slot: &mut Option<T>, make: impl FnOnce() -> Result<T>) -> Result<&mut T> {
    match slot {
        Some(there) => Ok(there),
        none => Ok(none.insert(make()?)),
    }
}
