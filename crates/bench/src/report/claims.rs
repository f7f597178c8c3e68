//! What the library promises about its cost, held against a result.

use vhost_accel_core::{Interface, KickKind};

use super::numbers::{ratio, time};
use crate::{Argument, ResultFile, Scenario, Subject};

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
    let over_bare = |subject| {
        let copied = file.floor(Scenario::Crossing(Argument::In), subject)?;
        Some(copied / file.floor(Scenario::Crossing(Argument::None), subject)?)
    };
    let (worst, interface) = worst(over_bare)?;
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
    let subject = Subject::plain(interface);
    Some(Claim {
        promise: "kick/doorbell is one store: within noise of a raw volatile store",
        measured: format!(
            "{} against {} ({interface}), while raw stores on different devices differ by {}",
            time(file.median(scenario, subject)),
            time(file.floor(scenario, subject)),
            time(Some(spread)),
        ),
        holds: difference <= spread,
    })
}

fn eventfd(file: &ResultFile) -> Option<Claim> {
    let scenario = Scenario::Kick(KickKind::EventFd);
    // One and the same code on each interface, so its samples are taken together.
    let (mut library, mut floor) = (0.0, 0.0);
    for subject in scenario.subjects() {
        library += file.median(scenario, subject)?;
        floor += file.floor(scenario, subject)?;
    }
    let ratio_of_sums = library / floor;
    let each: Vec<String> =
        scenario.subjects().map(|subject| ratio(file.over_floor(scenario, subject))).collect();
    Some(Claim {
        promise: "kick/eventfd costs at most 1.02 bare write(2)",
        measured: format!("{} ({} one by one)", ratio(Some(ratio_of_sums)), each.join(", ")),
        holds: ratio_of_sums <= EVENTFD_LIMIT,
    })
}

/// The largest figure and whose it is.
fn worst(figure: impl Fn(Subject) -> Option<f64>) -> Option<(f64, Interface)> {
    Interface::ALL
        .into_iter()
        .filter_map(|interface| Some((figure(Subject::plain(interface))?, interface)))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
}
