//! What the library promises about its cost, held against a result.

use vhost_accel::{Interface, KickKind};

use super::evidence::Kind;
use super::numbers::{instructions, ratio, time};
use super::tables::name;
use crate::{
    Argument, Client, Clock, Configuration, KernelHalf, Key, Over, Platform, ResultFile, Scenario,
};

/// A promise and what was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// What is promised.
    pub promise: &'static str,
    /// What was measured.
    pub measured: String,
    /// Whether it holds.
    pub holds: bool,
}

/// A trapped crossing whose argument is copied, over a bare one.
const COPY_LIMIT: f64 = 1.6;
/// kick/eventfd over a bare write(2), in time.
const EVENTFD_LIMIT: f64 = 1.02;
/// The same in instructions, which don't wander.
const EVENTFD_INSTRUCTIONS: f64 = 1.01;
/// setup/16 over the baseline, in instructions.
const SETUP_LIMIT: f64 = 1.05;
/// kick/doorbell, in instructions.
const DOORBELL_INSTRUCTIONS: f64 = 5.0;
/// The baseline's store, of a page and a number that it reads from memory.
const RAW_STORE: f64 = 3.0;
/// What is promised to repeat: the scenarios that no scheduler has a hand in.
const REPEATED: [&str; 3] = ["kick/", "setup/", "dma-map/"];

/// The promises that `file` has figures for: each is held against the kind of run that can tell.
pub fn promises(file: &ResultFile) -> Vec<Promise> {
    let run = &file.run;
    let all = match (run.kernel_half, run.clock, run.machine) {
        (_, Clock::Instructions, _) => {
            vec![eventfd_instructions(file), setup(file), doorbell_instructions(file), repeat(file)]
        }
        (KernelHalf::Emulated, ..) => vec![copied(file), doorbell(file), eventfd(file)],
        // A translator's time is not what a promise is about.
        (KernelHalf::Native, Clock::Wall, Platform::Tcg) => Vec::new(),
        (KernelHalf::Native, Clock::Wall, _) => vec![doorbell(file), eventfd(file)],
    };
    all.into_iter().flatten().collect()
}

impl Promise {
    /// A sentence that begins with the verdict.
    pub(super) fn sentence(&self, file: &ResultFile) -> String {
        let verdict = if self.holds { "Holds" } else { "DOES NOT HOLD" };
        format!("{verdict}: {}: {} ({}).", self.promise, self.measured, Kind::of(file).name())
    }
}

fn copied(file: &ResultFile) -> Option<Promise> {
    let scenario = Scenario::Crossing(Argument::In);
    let (worst, interface) =
        worst(|configuration| file.over(scenario, configuration, Client::Baseline, Over::Bare))?;
    Some(Promise {
        promise: "a trapped crossing with its argument copied costs at most 1.6 bare ones",
        measured: format!("{} on {}", ratio(Some(worst)), name(interface)),
        holds: worst <= COPY_LIMIT,
    })
}

fn doorbell(file: &ResultFile) -> Option<Promise> {
    let scenario = Scenario::Kick(KickKind::Doorbell);
    let difference = |configuration| {
        Some(file.median(scenario, configuration)? - file.baseline(scenario, configuration)?)
    };
    let (difference, interface) = worst(difference)?;
    // The baselines are one and the same store: they differ by noise and nothing else.
    let baselines =
        Interface::ALL.map(|interface| file.baseline(scenario, Configuration::plain(interface)));
    let baselines = || baselines.iter().copied().flatten();
    let spread = baselines().fold(0.0, f64::max) - baselines().fold(f64::INFINITY, f64::min);
    // Less than a cycle is how instructions happen to be paired, and no other instruction that
    // waits.
    let cycle = file.host.cpu_mhz.map_or(0.0, |mhz| 1e3 / f64::from(mhz));
    let configuration = Configuration::plain(interface);
    Some(Promise {
        promise: "kick/doorbell is one store: within noise of a raw volatile store",
        measured: format!(
            "{} against {} on {}; raw stores to different devices differ by {}, a clock cycle is {}",
            time(file.median(scenario, configuration)),
            time(file.baseline(scenario, configuration)),
            name(interface),
            time(Some(spread)),
            time(Some(cycle)),
        ),
        holds: difference <= spread.max(cycle),
    })
}

fn eventfd(file: &ResultFile) -> Option<Promise> {
    let scenario = Scenario::Kick(KickKind::EventFd);
    let (worst, interface) = worst(|configuration| file.over_baseline(scenario, configuration))?;
    Some(Promise {
        promise: "kick/eventfd takes at most 1.02 of the time of a bare write(2)",
        measured: format!("{} on {}", ratio(Some(worst)), name(interface)),
        holds: worst <= EVENTFD_LIMIT,
    })
}

/// The library's instructions over the baseline's.
fn quotient(file: &ResultFile, scenario: Scenario) -> Option<(f64, Interface)> {
    worst(|configuration| {
        let baseline = file.baseline(scenario, configuration).filter(|&baseline| baseline > 0.0)?;
        Some(file.median(scenario, configuration)? / baseline)
    })
}

fn of_baseline(
    file: &ResultFile,
    scenario: Scenario,
    promise: &'static str,
    limit: f64,
) -> Option<Promise> {
    let (worst, interface) = quotient(file, scenario)?;
    let configuration = Configuration::plain(interface);
    Some(Promise {
        promise,
        measured: format!(
            "{worst:.4} on {}, {} over {}",
            name(interface),
            instructions(file.median(scenario, configuration)),
            instructions(file.baseline(scenario, configuration)),
        ),
        holds: worst <= limit,
    })
}

fn eventfd_instructions(file: &ResultFile) -> Option<Promise> {
    let promise = "kick/eventfd takes at most 1.01 of the instructions of a bare write(2)";
    of_baseline(file, Scenario::Kick(KickKind::EventFd), promise, EVENTFD_INSTRUCTIONS)
}

fn setup(file: &ResultFile) -> Option<Promise> {
    let promise = "setup/16 takes at most 1.05 of the instructions of the baseline";
    of_baseline(file, Scenario::Setup(16), promise, SETUP_LIMIT)
}

fn doorbell_instructions(file: &ResultFile) -> Option<Promise> {
    // The loop is the same on both sides, and there is nothing else in it but the store.
    let scenario = Scenario::Kick(KickKind::Doorbell);
    let more = |configuration| {
        Some(file.median(scenario, configuration)? - file.baseline(scenario, configuration)?)
    };
    let (more, interface) = worst(more)?;
    // The baselines' own loops differ by less than this.
    let kick = ((more + RAW_STORE) * 10.0).round() / 10.0;
    Some(Promise {
        promise: "kick/doorbell takes at most 5 instructions",
        measured: format!(
            "{kick:.1} on {}: {more:.1} more than a raw store's {RAW_STORE:.0} (load where, load what, store)",
            name(interface)
        ),
        holds: kick <= DOORBELL_INSTRUCTIONS,
    })
}

fn repeat(file: &ResultFile) -> Option<Promise> {
    let repeat = file.run.repeat.as_ref()?;
    let promised = |key: &Key| REPEATED.iter().any(|begins| key.scenario.starts_with(begins));
    let of = file.timings.iter().filter(|timing| promised(&timing.key)).count();
    let (beyond, worst) = repeat.beyond(promised);
    let seeds = file.run.seeds.as_ref().map(|seeds| {
        let meant = || seeds.spread.iter().filter(|spread| promised(&spread.key));
        let within = meant().filter(|spread| spread.width() <= 1e-3).count();
        let widths = meant().map(|spread| (spread.width(), &spread.key));
        let worst = widths.max_by(|(a, _), (b, _)| a.total_cmp(b));
        let (boots, of) = (seeds.boots, meant().count());
        format!("; over {boots} random seeds {within} of {of}{}", furthest(worst))
    });
    Some(Promise {
        promise: "kick, setup and dma-map repeat: their medians are within 0.1% when the run is made again",
        measured: format!(
            "{} of {of} are{}, and of all medians {} of {}{}",
            of.saturating_sub(beyond),
            furthest(worst),
            repeat.within_thousandth,
            repeat.compared,
            seeds.unwrap_or_default(),
        ),
        holds: of > 0 && beyond == 0,
    })
}

fn furthest(worst: Option<(f64, &Key)>) -> String {
    let said = |(off, key)| format!(" ({key} differs most, by {:.2}%)", off * 100.0);
    worst.map(said).unwrap_or_default()
}

/// The largest figure and whose it is.
fn worst(figure: impl Fn(Configuration) -> Option<f64>) -> Option<(f64, Interface)> {
    Interface::ALL
        .into_iter()
        .filter_map(|interface| Some((figure(Configuration::plain(interface))?, interface)))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
}
