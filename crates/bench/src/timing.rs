//! What things take, as criterion measures it.

use std::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkGroup, Criterion};

use crate::client::Client;
use crate::collect::Collector;
use crate::configuration::{CONTROL, Configuration};
use crate::devices::{Devices, configurations};
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::limits::limit;
use crate::measured::Measured;
use crate::options::RunOptions;
use crate::paired::{Ratio as PairedRatio, paired};
use crate::placement::Placement;
use crate::results::{Clock, Figures, Key, Mode, Over, Platform, Ratio, Timing, Unit};
use crate::scenario::{Activity, Argument, Effort, Scenario};
use crate::watch;

/// How thoroughly a thing is measured.
#[derive(Clone, Copy, Debug)]
struct Thoroughness {
    /// Rounds in which every interface has its turn, forwards and backwards, so that what drifts
    /// drifts for all.
    rounds: usize,
    /// Samples in a round. criterion takes no fewer than 10.
    samples: usize,
    warm_up: Duration,
    measurement: Duration,
    /// Rounds of a ratio at the most; it is measured until its interval is narrow enough.
    ratio_rounds: usize,
}

/// A ratio is known well enough when its interval is narrower than this part of it.
const NARROW: f64 = 0.03;

impl Thoroughness {
    fn of(options: &RunOptions, scenario: Scenario) -> Self {
        let ms = Duration::from_millis;
        let heavy = scenario.traits().effort == Effort::Heavy;
        let rounds = |rounds| if heavy { 1 } else { rounds };
        match (options.clock, options.mode) {
            // The same again gives the same again.
            (Clock::Instructions, _) => {
                let samples = if heavy { 10 } else { 31 };
                // Long enough that a timer's tick spoils few samples, and that reading the clock is
                // no part of what a kick takes.
                Self { rounds: 1, samples, warm_up: ms(8), measurement: ms(16), ratio_rounds: 0 }
            }
            (Clock::Wall, Mode::Full) if options.machine == Platform::Tcg => Self {
                rounds: rounds(2),
                samples: 10,
                warm_up: ms(10),
                measurement: ms(50),
                ratio_rounds: 1,
            },
            (Clock::Wall, Mode::Full) => Self {
                rounds: rounds(3),
                samples: 12,
                warm_up: ms(30),
                measurement: ms(120),
                ratio_rounds: rounds(20),
            },
            (Clock::Wall, Mode::Quick) => Self {
                rounds: 1,
                samples: 10,
                warm_up: ms(5),
                measurement: ms(20),
                ratio_rounds: 1,
            },
        }
    }
}

/// One scenario on one kernel.
pub(crate) struct Timer<'a> {
    options: &'a RunOptions,
    scenario: Scenario,
    devices: Devices,
    /// Memory for each of two devices that take turns.
    guests: [Guest; 2],
    thoroughness: Thoroughness,
}

impl<'a> Timer<'a> {
    /// Prepares `scenario`.
    ///
    /// # Errors
    /// Those of the devices.
    pub(crate) fn new(
        options: &'a RunOptions,
        placement: Option<Placement>,
        scenario: Scenario,
    ) -> Result<Self> {
        let devices = Devices::find(&options.externals)?;
        let guest = Guest::new(options.queue_pairs, options.waiting(placement))?;
        let twin = guest.twin()?;
        let runs = scenario.traits().activity != Activity::Idle;
        if let Some(placement) = placement.filter(|_| runs) {
            let all = configurations(&options.externals);
            for configuration in Scenario::Setup(1).among(all) {
                let interface = configuration.interface;
                for place in [devices.first(interface)?, devices.second(interface)?] {
                    // An emulated device has a thread once it has run.
                    Scenario::Setup(1).prepare(configuration, Client::Library, &place, &guest)?(
                        1,
                        &mut watch::Clock::new(),
                    )?;
                }
            }
            placement.move_devices();
        }
        let thoroughness = Thoroughness::of(options, scenario);
        Ok(Self { options, scenario, devices, guests: [guest, twin], thoroughness })
    }

    /// Measures `configurations`, as far as [`RunOptions::stop`] lets it.
    ///
    /// # Errors
    /// Those of the scenario.
    pub(crate) fn time(
        &self,
        configurations: &[Configuration],
        measured: &mut Measured,
    ) -> Result<()> {
        let mut able = Vec::new();
        for &configuration in configurations {
            match limit(
                self.scenario,
                configuration,
                &self.devices.first(configuration.interface)?,
            )? {
                Some(limit) => measured.limits.push(limit),
                None => able.push(configuration),
            }
        }
        let mut alone: Vec<(Configuration, Client)> = Vec::new();
        for &configuration in &able {
            let clients = self.scenario.clients(configuration);
            alone.extend(
                clients.filter(|&client| self.wants(client)).map(|client| (configuration, client)),
            );
        }
        self.all_alone(&mut alone, measured)?;
        match self.options.clock {
            Clock::Wall => self.all_paired(&able, measured),
            Clock::Instructions => {
                self.quotients(&able, measured);
                Ok(())
            }
        }
    }

    /// Whether a client is measured by itself. A baseline is there for what the library adds to it,
    /// which is measured in turns; by itself it is a figure of its own only for single requests and
    /// kicks.
    fn wants(&self, client: Client) -> bool {
        client != Client::Baseline
            || self.options.clock == Clock::Instructions
            || self.scenario.traits().baseline_alone
    }

    fn all_alone(
        &self,
        alone: &mut [(Configuration, Client)],
        measured: &mut Measured,
    ) -> Result<()> {
        let (rounds, collector) = (self.thoroughness.rounds, self.collector());
        let group = self.scenario.to_string();
        for (configuration, client) in alone.iter() {
            let key = Key::new(self.scenario, *configuration, *client);
            collector.forget(&group, &key.function(), rounds)?;
        }
        for round in 0..rounds {
            let mut criterion = self.criterion(round);
            for &(configuration, client) in alone.iter() {
                if self.options.stopped() {
                    return Ok(());
                }
                let key = Key::new(self.scenario, configuration, client);
                self.alone(&mut criterion, &key).map_err(Error::scenario(&key))?;
            }
            alone.reverse();
        }
        let unit = match self.options.clock {
            Clock::Wall => Unit::Nanoseconds,
            Clock::Instructions => Unit::Instructions,
        };
        alone.sort_unstable();
        for &(configuration, client) in alone.iter() {
            let key = Key::new(self.scenario, configuration, client);
            if let Some(figures) = collector.collect(&group, &key.function(), rounds)? {
                measured.timings.push(Timing { key, unit, figures });
            }
        }
        Ok(())
    }

    /// What is divided by what.
    fn ratios(&self, configurations: &[Configuration]) -> Vec<(Configuration, Client, Over)> {
        let mut ratios = Vec::new();
        let scenario = self.scenario;
        for &configuration in configurations {
            let heavy = scenario.traits().effort == Effort::Heavy;
            let has = |client| scenario.clients(configuration).any(|one| one == client);
            if has(Client::Library) && has(Client::Baseline) {
                ratios.push((configuration, Client::Library, Over::Baseline));
            }
            let controlled = scenario.configurations().any(|one| one == CONTROL);
            if has(Client::Library) && controlled && configuration != CONTROL && !heavy {
                ratios.push((configuration, Client::Library, Over::Control));
            }
            if has(Client::Peer) {
                ratios.push((configuration, Client::Peer, Over::Library));
            }
            if scenario == Scenario::Crossing(Argument::In) {
                ratios.push((configuration, Client::Baseline, Over::Bare));
            }
        }
        ratios
    }

    fn all_paired(&self, configurations: &[Configuration], measured: &mut Measured) -> Result<()> {
        for (configuration, client, over) in self.ratios(configurations) {
            let key = Key::new(self.scenario, configuration, client);
            let (by, scenario) = self.below(&key, over);
            let ratio = self.paired(&key, over, by, scenario);
            let ratio = ratio.map_err(Error::scenario(&key))?;
            measured.ratios.extend(ratio.map(|figures| Ratio { key, over, figures }));
        }
        Ok(())
    }

    /// What `key` is divided by: who does it, and what.
    fn below(&self, key: &Key, over: Over) -> ((Configuration, Client), Scenario) {
        let (same, scenario) = (key.configuration(), self.scenario);
        match over {
            Over::Baseline => ((same, Client::Baseline), scenario),
            Over::Library => ((same, Client::Library), scenario),
            Over::Control => ((CONTROL, Client::Library), scenario),
            Over::Bare => ((same, Client::Baseline), Scenario::Crossing(Argument::None)),
        }
    }

    /// The same from medians: what doesn't drift needs no turns.
    fn quotients(&self, configurations: &[Configuration], measured: &mut Measured) {
        for (configuration, client, over) in self.ratios(configurations) {
            let key = Key::new(self.scenario, configuration, client);
            let ((by, below), scenario) = self.below(&key, over);
            let below = Key::new(scenario, by, below);
            if let (Some(of), Some(by)) = (measured.figures(&key), measured.figures(&below)) {
                let figures = of.over(by);
                measured.ratios.push(Ratio { key, over, figures });
            }
        }
    }

    /// The scenario by itself.
    fn alone(&self, criterion: &mut Criterion, key: &Key) -> Result<()> {
        let place = self.devices.first(key.interface)?;
        let guest = &self.guests[0];
        // Before criterion looks at the clock, and once: what is slow the first time is no
        // estimate.
        let mut work = self.scenario.prepare(key.configuration(), key.client, &place, guest)?;
        work(1, &mut watch::Clock::new())?;
        let mut failed = None;
        self.group(criterion).bench_function(key.function(), |bencher| {
            bencher.iter_custom(|count| {
                let mut clock = watch::Clock::new();
                let done = attempt(&mut failed, || work(count, &mut clock));
                done.map_or(GIVEN_UP * count as u32, |()| clock.total())
            });
        });
        failed.map_or(Ok(()), Err)
    }

    /// The scenario and what it is compared with, taking turns on two devices that are alike, until
    /// the ratio is known.
    fn paired(
        &self,
        key: &Key,
        over: Over,
        (by_configuration, by_client): (Configuration, Client),
        by_scenario: Scenario,
    ) -> Result<Option<Figures>> {
        let first = self.devices.first(key.interface)?;
        let second = self.devices.second(by_configuration.interface)?;
        let (rounds, collector) = (self.thoroughness.ratio_rounds, self.collector());
        let (group, function) =
            (self.scenario.to_string(), format!("{} over {over}", key.function()));
        collector.forget(&group, &function, rounds)?;
        let mut known = None;
        for round in 0..rounds {
            if self.options.stopped() {
                return Ok(None);
            }
            let [here, there] = &self.guests;
            let (configuration, client) = (key.configuration(), key.client);
            let mut of = self.scenario.prepare(configuration, client, &first, here)?;
            let mut by = by_scenario.prepare(by_configuration, by_client, &second, there)?;
            let mut failed = None;
            let mut criterion = self.criterion(round).with_measurement(PairedRatio);
            self.group(&mut criterion).bench_function(&function, |bencher| {
                bencher.iter_custom(|count| {
                    let ratio = attempt(&mut failed, || paired(&mut of, &mut by, count));
                    ratio.unwrap_or(1.0) * count as f64
                });
            });
            if let Some(error) = failed {
                return Err(error);
            }
            known = collector.collect(&group, &function, round + 1)?;
            if known.as_ref().is_some_and(|figures: &Figures| figures.width() < NARROW) {
                break;
            }
        }
        Ok(known)
    }

    fn group<'c, M: Measurement>(&self, criterion: &'c mut Criterion<M>) -> BenchmarkGroup<'c, M> {
        let mut group = criterion.benchmark_group(self.scenario.to_string());
        if self.scenario.traits().effort == Effort::Long {
            group.sample_size(10);
        }
        group
    }

    fn collector(&self) -> Collector<'a> {
        Collector::new(&self.options.criterion)
    }

    fn criterion(&self, round: usize) -> Criterion<WallTime> {
        let Thoroughness { samples, warm_up, measurement, .. } = self.thoroughness;
        Criterion::default()
            .output_directory(&self.collector().round(round))
            .without_plots()
            .sample_size(samples)
            .warm_up_time(warm_up)
            .measurement_time(measurement)
            // Its own estimates are not used.
            .nresamples(10)
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
