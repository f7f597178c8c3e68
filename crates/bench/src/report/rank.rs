//! Which interface does a piece of work best, by the best figure that there is.

use vhost_accel::Interface;

use super::evidence::{Evidence, Kind};
use super::numbers::said;
use super::words::{name, names, way};
use crate::{Clock, Configuration, LIVE, ResultFile, Scenario, Variant};

/// Figures that differ by no more than this share count as equal: each may be some percent off by
/// luck, as `run.reseeded` and the intervals of ratios in time say.
pub(super) const TIE: f64 = 0.03;

/// What figures are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basis {
    /// What the run's clock counted.
    Clock,
    /// Crossings.
    Crossings,
}

/// Interfaces in the order of what a piece of work costs on them.
#[derive(Clone, Debug)]
pub(super) struct Rank<'a> {
    file: &'a ResultFile,
    basis: Basis,
    /// The least first.
    places: Vec<Place>,
    /// Which could do it and have no figure.
    missing: Vec<Interface>,
}

/// An interface in the best of its ways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) configuration: Configuration,
    pub(super) scenario: Scenario,
    pub(super) figure: f64,
}

/// A use that an interface is put to, and what decides it.
#[derive(Clone, Debug)]
pub(super) struct Use<'a> {
    /// Who uses it.
    pub(super) name: &'static str,
    /// In half a sentence.
    pub(super) short: &'static str,
    /// The scenario that decides.
    pub(super) scenario: Scenario,
    /// Who does it best; none where it isn't measured.
    pub(super) rank: Option<Rank<'a>>,
    /// Who does it best with one request for one thing.
    pub(super) plain: Option<Rank<'a>>,
    /// Who makes the fewest crossings, where something else than crossings decides.
    pub(super) counted: Option<Rank<'a>>,
}

/// The uses for which the reports give a verdict.
pub(super) fn uses<'a>(evidence: &Evidence<'a>) -> Vec<Use<'a>> {
    let setup = |pairs| evidence.rank(&setups(pairs), Basis::Crossings);
    // The largest table that at least two interfaces get through.
    let churn = LIVE.into_iter().rev().find_map(|live| {
        let rank = evidence.any(Scenario::DmaChurn(live))?;
        Some((live, rank))
    });
    let of = |name, short, scenario, rank: Option<Rank<'a>>| {
        let counted = match scenario {
            Scenario::Setup(pairs) => evidence.counted(pairs),
            _ => None,
        };
        let counted =
            counted.filter(|_| rank.as_ref().is_some_and(|rank| rank.basis != Basis::Crossings));
        Use { name, short, scenario, rank, plain: evidence.plain(scenario), counted }
    };
    vec![
        of("A container", "a container", Scenario::Setup(1), setup(1)),
        of("A VM without a vIOMMU", "a VM without a vIOMMU", Scenario::Setup(4), setup(4)),
        of(
            "A VM with a vIOMMU",
            "a VM with a vIOMMU",
            Scenario::DmaChurn(churn.as_ref().map_or(LIVE[1], |(live, _)| *live)),
            churn.map(|(_, rank)| rank),
        ),
        of("Many queues", "64 queue pairs", Scenario::Setup(64), setup(64)),
    ]
}

/// The ways to a setup of so many pairs.
fn setups(pairs: u16) -> Vec<(Scenario, Configuration)> {
    let plain = Interface::ALL.map(|one| (Scenario::Setup(pairs), Configuration::plain(one)));
    let other = Interface::ALL
        .into_iter()
        .filter_map(|one| Some((Scenario::SetupBatched(pairs), Configuration::other(one)?)));
    plain.into_iter().chain(other).collect()
}

fn all_ways(scenario: Scenario) -> Vec<(Scenario, Configuration)> {
    scenario.configurations().map(|configuration| (scenario, configuration)).collect()
}

impl<'a> Evidence<'a> {
    /// Who does a piece of work best of the `ways` to it: by time where it was taken on a CPU, else
    /// by instructions, else by `last` on the emulated kernel.
    fn rank(&self, ways: &[(Scenario, Configuration)], last: Basis) -> Option<Rank<'a>> {
        let last_file = if last == Basis::Crossings { self.counts() } else { self.emulated() };
        let ranks =
            [(self.real(), Basis::Clock), (self.instructions(), Basis::Clock), (last_file, last)]
                .into_iter()
                .filter_map(|(file, basis)| Some(Rank::new(file?, basis, ways)))
                .filter(|rank| rank.of_thread().count() > 1);
        // A run that lacks one of them doesn't decide where another has all. Of equals the first.
        ranks.rev().max_by_key(|rank| rank.places.len())
    }

    /// Who makes the fewest crossings in a setup of so many pairs.
    fn counted(&self, pairs: u16) -> Option<Rank<'a>> {
        let rank = Rank::new(self.counts()?, Basis::Crossings, &setups(pairs));
        (rank.of_thread().count() > 1).then_some(rank)
    }

    /// Who does `scenario` best, in whatever way.
    pub(super) fn any(&self, scenario: Scenario) -> Option<Rank<'a>> {
        self.rank(&all_ways(scenario), Basis::Clock)
    }

    /// Who does `scenario` best, used plainly.
    pub(super) fn plain(&self, scenario: Scenario) -> Option<Rank<'a>> {
        let ways: Vec<_> = all_ways(scenario)
            .into_iter()
            .filter(|(_, way)| way.variant == Variant::Plain)
            .collect();
        let setup = matches!(scenario, Scenario::Setup(_) | Scenario::Teardown(_));
        self.rank(&ways, if setup { Basis::Crossings } else { Basis::Clock })
    }
}

impl<'a> Rank<'a> {
    fn new(file: &'a ResultFile, basis: Basis, ways: &[(Scenario, Configuration)]) -> Self {
        let figure = |scenario, configuration| match basis {
            Basis::Clock => file.median(scenario, configuration),
            Basis::Crossings => file.total(scenario, configuration).map(|count| count as f64),
        };
        let mut places: Vec<Place> = Interface::ALL
            .into_iter()
            .filter_map(|interface| {
                ways.iter()
                    .filter(|(_, configuration)| configuration.interface == interface)
                    .filter_map(|&(scenario, configuration)| {
                        Some(Place {
                            configuration,
                            scenario,
                            figure: figure(scenario, configuration)?,
                        })
                    })
                    .min_by(|a, b| a.figure.total_cmp(&b.figure))
            })
            .collect();
        places.sort_by(|a, b| a.figure.total_cmp(&b.figure));
        let mut missing = Interface::ALL.to_vec();
        missing.retain(|&one| {
            ways.iter().any(|(_, way)| way.interface == one)
                && places.iter().all(|place| place.configuration.interface != one)
        });
        Self { file, basis, places, missing }
    }

    /// The thread's three: the control is not to be chosen.
    fn of_thread(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| place.configuration.interface != Interface::VhostVdpa)
    }

    /// Which of the thread's three take the least, or as good as.
    pub(super) fn winners(&self) -> Vec<Interface> {
        let least = self.of_thread().next().map_or(0.0, |place| place.figure);
        let mut winners: Vec<Interface> = self
            .of_thread()
            .filter(|place| place.figure <= least * (1.0 + TIE))
            .map(|place| place.configuration.interface)
            .collect();
        winners.sort_by_key(|winner| Interface::ALL.iter().position(|one| one == winner));
        winners
    }

    /// `28 crossings on #2, 44 on #1/B, 47 on #1/A; vhost-vdpa takes 30`.
    pub(super) fn figures(&self) -> String {
        let mut thread: Vec<String> = Vec::new();
        for place in self.of_thread() {
            let figure = if thread.is_empty() { self.said(place) } else { self.bare(place) };
            thread.push(format!("{figure} on {}", way(place.configuration)));
        }
        let control =
            self.places.iter().find(|place| place.configuration.interface == Interface::VhostVdpa);
        let control = control.map_or_else(String::new, |place| {
            format!("; {} takes {}", way(place.configuration), self.bare(place))
        });
        let missing = match self.missing.as_slice() {
            [] => String::new(),
            missing => format!("; not measured: {}", names(missing)),
        };
        format!("{}{control}{missing}", thread.join(", "))
    }

    fn said(&self, place: &Place) -> String {
        match self.basis {
            Basis::Clock => said(self.file.run.clock, place.figure),
            Basis::Crossings => format!("{:.0} crossings", place.figure),
        }
    }

    /// Without a unit that stands there already.
    fn bare(&self, place: &Place) -> String {
        match (self.basis, self.file.run.clock) {
            (Basis::Clock, Clock::Instructions) => {
                self.said(place).trim_end_matches(" instructions").to_owned()
            }
            (Basis::Clock, Clock::Wall) => self.said(place),
            (Basis::Crossings, _) => format!("{:.0}", place.figure),
        }
    }

    /// What is compared: `instructions on a native kernel`.
    pub(super) fn by(&self) -> &'static str {
        match self.basis {
            Basis::Crossings => "crossings",
            Basis::Clock => Kind::of(self.file).name(),
        }
    }

    /// Whether it is only relative time, of the emulated kernel.
    pub(super) fn is_relative(&self) -> bool {
        self.basis == Basis::Clock && Evidence::one(self.file).emulated().is_some()
    }

    /// How many times the least of the thread's three the control takes.
    pub(super) fn control_over_best(&self) -> Option<f64> {
        let control = self
            .places
            .iter()
            .find(|place| place.configuration.interface == Interface::VhostVdpa)?;
        let best = self.of_thread().next().filter(|best| best.figure > 0.0)?;
        Some(control.figure / best.figure)
    }

    /// How the winner is used, where that isn't plainly.
    pub(super) fn needs_batches(&self) -> Option<String> {
        let best = self.of_thread().next()?;
        (best.configuration.variant == Variant::Batch)
            .then(|| name(best.configuration.interface).to_owned())
    }
}
