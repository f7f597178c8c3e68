//! What things take, as criterion measures it.

use std::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkGroup, Criterion};
use vhost_accel_core::Interface;

use crate::baseline::Baseline;
use crate::client::Client;
use crate::collect::Collector;
use crate::configuration::Configuration;
use crate::devices::{Devices, QUEUE_PAIRS};
use crate::error::{Error, Result};
use crate::guest::{Guest, Waiting};
use crate::library::Library;
use crate::limits::limit;
use crate::measured::Measured;
use crate::options::RunOptions;
use crate::paired::{Ratio as PairedRatio, paired};
use crate::peer::Peer;
use crate::placement::Placement;
use crate::results::{Clock, Figures, Key, Mode, Over, Platform, Ratio, Timing, Unit};
use crate::scenario::{Argument, CONTROL, MapSize, Scenario};
use crate::session::Session;
use crate::stage::Stage;
use crate::watch;

/// How thoroughly a thing is measured.
#[derive(Clone, Copy, Debug)]
struct Thoroughness {
    /// Rounds in which every interface has its turn, forwards and backwards, so that what drifts drifts
    /// for all.
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
        let rounds = |rounds| if scenario.is_heavy() { 1 } else { rounds };
        match (options.clock, options.mode) {
            // The same again gives the same again.
            (Clock::Instructions, _) => {
                let samples = if scenario.is_heavy() { 10 } else { 31 };
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
        let devices = Devices::find()?;
        let guest = Guest::new(2 * QUEUE_PAIRS + 1, Waiting::of(options.clock, placement))?;
        let twin = guest.twin()?;
        if let Some(placement) = placement.filter(|_| scenario.starts_device()) {
            for interface in Interface::ALL {
                for place in [devices.first(interface)?, devices.second(interface)?] {
                    // An emulated device has a thread once it has run.
                    let configuration = Configuration::plain(interface);
                    Stage::<Baseline>::new(Scenario::Setup(1), configuration, place, &guest)?
                        .iterate(1, &mut watch::Clock::new())?;
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
                self.devices.first(configuration.interface)?.path,
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

    /// Whether a client is measured by itself. A baseline is there for what the library adds to it, which is
    /// measured in turns; by itself it is a figure of its own only for single requests and kicks.
    fn wants(&self, client: Client) -> bool {
        client != Client::Baseline
            || self.options.clock == Clock::Instructions
            || matches!(
                self.scenario,
                Scenario::Crossing(_) | Scenario::Kick(_) | Scenario::Setup(_)
            )
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
                match client {
                    Client::Library => self.alone::<Library>(&mut criterion, &key, configuration),
                    Client::Baseline => self.alone::<Baseline>(&mut criterion, &key, configuration),
                    Client::Peer => self.alone::<Peer>(&mut criterion, &key, configuration),
                }
                .map_err(Error::scenario(&key))?;
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
            let has = |client| scenario.clients(configuration).any(|one| one == client);
            if has(Client::Library) && has(Client::Baseline) {
                ratios.push((configuration, Client::Library, Over::Baseline));
            }
            let controlled = scenario.configurations().any(|one| one == CONTROL);
            if has(Client::Library)
                && controlled
                && configuration != CONTROL
                && !scenario.is_heavy()
            {
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
            let (same, bare) = (self.scenario, Scenario::Crossing(Argument::None));
            let ratio = match (client, over) {
                (Client::Library, Over::Control) => {
                    self.paired::<Library, Library>(&key, over, CONTROL, same)
                }
                (Client::Peer, _) => self.paired::<Peer, Library>(&key, over, configuration, same),
                (Client::Baseline, _) => {
                    self.paired::<Baseline, Baseline>(&key, over, configuration, bare)
                }
                (Client::Library, _) => {
                    self.paired::<Library, Baseline>(&key, over, configuration, same)
                }
            };
            let ratio = ratio.map_err(Error::scenario(&key))?;
            measured.ratios.extend(ratio.map(|figures| Ratio { key, over, figures }));
        }
        Ok(())
    }

    /// The same from medians: what doesn't drift needs no turns.
    fn quotients(&self, configurations: &[Configuration], measured: &mut Measured) {
        for (configuration, client, over) in self.ratios(configurations) {
            let key = Key::new(self.scenario, configuration, client);
            let below = match over {
                Over::Baseline => Key { client: Client::Baseline, ..key.clone() },
                Over::Library => Key { client: Client::Library, ..key.clone() },
                Over::Control => Key::new(self.scenario, CONTROL, Client::Library),
                Over::Bare => {
                    Key { scenario: Scenario::Crossing(Argument::None).to_string(), ..key.clone() }
                }
            };
            if let (Some(of), Some(by)) = (measured.figures(&key), measured.figures(&below)) {
                let figures = of.over(by);
                measured.ratios.push(Ratio { key, over, figures });
            }
        }
    }

    /// The scenario by itself.
    fn alone<S: Session>(
        &self,
        criterion: &mut Criterion,
        key: &Key,
        configuration: Configuration,
    ) -> Result<()> {
        let place = self.devices.first(configuration.interface)?;
        // Before criterion looks at the clock, and once: what is slow the first time is no estimate.
        let mut stage = Stage::<S>::new(self.scenario, configuration, place, &self.guests[0])?;
        stage.iterate(1, &mut watch::Clock::new())?;
        let mut failed = None;
        self.group(criterion).bench_function(key.function(), |bencher| {
            bencher.iter_custom(|count| {
                let mut clock = watch::Clock::new();
                let done = attempt(&mut failed, || stage.iterate(count, &mut clock));
                done.map_or(GIVEN_UP * count as u32, |()| clock.total())
            });
        });
        failed.map_or(Ok(()), Err)
    }

    /// The scenario and what it is compared with, taking turns on two devices that are alike, until the
    /// ratio is known.
    fn paired<A: Session, B: Session>(
        &self,
        key: &Key,
        over: Over,
        over_configuration: Configuration,
        over_scenario: Scenario,
    ) -> Result<Option<Figures>> {
        let first = self.devices.first(key.interface)?;
        let second = self.devices.second(over_configuration.interface)?;
        let (rounds, collector) = (self.thoroughness.ratio_rounds, self.collector());
        let (group, function) =
            (self.scenario.to_string(), format!("{} over {over}", key.function()));
        collector.forget(&group, &function, rounds)?;
        let mut known = None;
        for round in 0..rounds {
            if self.options.stopped() {
                return Ok(None);
            }
            let guests = &self.guests;
            let mut of = Stage::<A>::new(self.scenario, key.configuration(), first, &guests[0])?;
            let mut by = Stage::<B>::new(over_scenario, over_configuration, second, &guests[1])?;
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
        if let Scenario::DmaMap(MapSize::Gigantic) | Scenario::DmaUnmap(MapSize::Gigantic) =
            self.scenario
        {
            // Some pin all of it: a hundred times longer than anything else here.
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
