//! What the library promises about its cost, held against a result.

use vhost_accel_core::{Interface, KickKind};

use super::numbers::{ratio, time};
use crate::{Argument, Over, ResultFile, Scenario, Side, Subject};

/// A promise and what was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What is promised.
    pub promise: &'static str,
    /// What was measured.
    pub measured: String,
    /// Whether it holds.
    pub holds: bool,
}

/// A trapped crossing whose argument is copied, over a bare one.
const COPY_LIMIT: f64 = 1.6;
/// kick/eventfd over a bare write(2).
const EVENTFD_LIMIT: f64 = 1.02;

/// The promises that `file` has figures for.
pub fn claims(file: &ResultFile) -> Vec<Claim> {
    [copied(file), doorbell(file), eventfd(file)].into_iter().flatten().collect()
}

fn copied(file: &ResultFile) -> Option<Claim> {
    let scenario = Scenario::Crossing(Argument::In);
    let (worst, interface) =
        worst(|subject| file.over(scenario, subject, Side::Floor, Over::Bare))?;
    Some(Claim {
        promise: "a trapped crossing with its argument copied costs at most 1.6 bare ones",
        measured: format!("{} ({interface})", ratio(Some(worst))),
        holds: worst <= COPY_LIMIT,
    })
}

fn doorbell(file: &ResultFile) -> Option<Claim> {
    let scenario = Scenario::Kick(KickKind::Doorbell);
    let difference =
        |subject| Some(file.median(scenario, subject)? - file.floor(scenario, subject)?);
    let (difference, interface) = worst(difference)?;
    // The floors are one and the same store: they differ by noise and nothing else.
    let floors = Interface::ALL.map(|interface| file.floor(scenario, Subject::plain(interface)));
    let floors = || floors.iter().copied().flatten();
    let spread = floors().fold(0.0, f64::max) - floors().fold(f64::INFINITY, f64::min);
    // Less than a cycle is how instructions happen to be paired, and no other instruction that waits.
    let cycle = file.host.cpu_mhz.map_or(0.0, |mhz| 1e3 / f64::from(mhz));
    let subject = Subject::plain(interface);
    Some(Claim {
        promise: "kick/doorbell is one store: within noise of a raw volatile store",
        measured: format!(
            "{} against {} ({interface}); raw stores to different devices differ by {}, a clock cycle \
             is {}",
            time(file.median(scenario, subject)),
            time(file.floor(scenario, subject)),
            time(Some(spread)),
            time(Some(cycle)),
        ),
        holds: difference <= spread.max(cycle),
    })
}

fn eventfd(file: &ResultFile) -> Option<Claim> {
    let scenario = Scenario::Kick(KickKind::EventFd);
    let (worst, interface) = worst(|subject| file.over_floor(scenario, subject))?;
    Some(Claim {
        promise: "kick/eventfd costs at most 1.02 bare write(2)",
        measured: format!("{} ({interface})", ratio(Some(worst))),
        holds: worst <= EVENTFD_LIMIT,
    })
}

/// The largest figure and whose it is.
fn worst(figure: impl Fn(Subject) -> Option<f64>) -> Option<(f64, Interface)> {
    Interface::ALL
        .into_iter()
        .filter_map(|interface| Some((figure(Subject::plain(interface))?, interface)))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
}
