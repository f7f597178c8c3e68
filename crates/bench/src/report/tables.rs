//! The tables, each of one run.

use std::collections::BTreeSet;

use vhost_accel::{Interface, KickKind};

use super::evidence::Kind;
use super::numbers::{count, cpus, instructions, interval, percent, ratio, rows, scaled, work};
use super::table::Table;
use crate::{
    BATCHES, Burst, CONTROL, Client, Clock, Configuration, Cost, FRAMES, LIVE, MapSize, Over,
    ResultFile, STEP_PAIRS, Scenario, Step, Variant,
};

/// An interface in a sentence.
pub(super) fn name(interface: Interface) -> &'static str {
    match interface {
        Interface::VhostVdpa => interface.name(),
        _ => interface.thread_id(),
    }
}

/// `#2`, `#1/A batch`: an interface in one of its ways.
pub(super) fn way(configuration: Configuration) -> String {
    match configuration.variant {
        Variant::Plain => name(configuration.interface).to_owned(),
        variant => format!("{} {}", name(configuration.interface), variant.name()),
    }
}

/// The name of the first column and of the four.
pub(super) fn head(first: &str) -> Vec<String> {
    std::iter::once(first.to_owned())
        .chain(Interface::ALL.map(|interface| interface.thread_id().to_owned()))
        .collect()
}

/// A row for each scenario, and one for each further way of an interface.
pub(super) fn by_scenario(
    scenarios: impl IntoIterator<Item = Scenario>,
    cell: impl Fn(Scenario, Configuration) -> String,
) -> Vec<Vec<String>> {
    let mut table = Vec::new();
    for scenario in scenarios {
        let (main, own) = rows(scenario);
        let cells = main.into_iter().map(|configuration| {
            configuration
                .map_or_else(|| "-".to_owned(), |configuration| cell(scenario, configuration))
        });
        table.push(std::iter::once(scenario.to_string()).chain(cells).collect());
        for configuration in own {
            let cells = Interface::ALL.map(|interface| {
                if interface == configuration.interface {
                    cell(scenario, configuration)
                } else {
                    "-".to_owned()
                }
            });
            let name = format!("{scenario} {}", configuration.variant.name());
            table.push(std::iter::once(name).chain(cells).collect());
        }
    }
    // A row in which nothing was measured says nothing.
    table.retain(|row: &Vec<String>| row[1..].iter().any(|cell| cell != "-"));
    table
}

/// What a caption says about a run.
pub(super) fn on(file: &ResultFile) -> String {
    let host = &file.host;
    let (name, cpus) = (Kind::of(file).name(), cpus(host.cores));
    format!("{name}; {}, {cpus}, Linux {}", host.cpu, host.kernel)
}

/// Crossings of one iteration, by scenario.
pub(super) fn crossings(file: &ResultFile, scenarios: Vec<Scenario>) -> Table {
    Table {
        caption: "Crossings of one iteration, exact. N queue pairs are 2 N + 1 vrings.".to_owned(),
        head: head("scenario"),
        rows: by_scenario(scenarios, |scenario, configuration| {
            count(file.total(scenario, configuration))
        }),
    }
}

/// The formulas behind the counts of setup and teardown.
pub(super) fn laws(file: &ResultFile) -> Table {
    let law = |scenario, configuration: Option<Configuration>| {
        configuration
            .and_then(|configuration| file.setup_law(scenario, configuration))
            .map_or_else(|| "-".to_owned(), |law| law.to_string())
    };
    let row = |name: &str, scenario, configuration: fn(Interface) -> Option<Configuration>| {
        let cells = Interface::ALL.map(|interface| law(scenario, configuration(interface)));
        std::iter::once(name.to_owned()).chain(cells).collect()
    };
    let plain = |interface| Some(Configuration::plain(interface));
    let mut rows: Vec<Vec<String>> = vec![
        row("setup/N", Scenario::Setup, plain),
        row("setup-batched/N", Scenario::SetupBatched, Configuration::other),
        row("teardown/N", Scenario::Teardown, plain),
    ];
    rows.retain(|row| row[1..].iter().any(|cell| cell != "-"));
    Table {
        caption: "Crossings as a formula, N queue pairs.".to_owned(),
        head: head("crossings"),
        rows,
    }
}

/// Which crossings a setup is made of.
pub(super) fn kinds(file: &ResultFile, pairs: u16) -> Table {
    let configurations = Interface::ALL.map(Configuration::plain);
    let counted = configurations.map(|configuration| {
        file.crossings(Scenario::Setup(pairs), configuration, Client::Library)
    });
    let mut kinds: Vec<&str> = counted
        .iter()
        .flatten()
        .flat_map(|counted| counted.kinds.keys().map(String::as_str))
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    let rows = kinds
        .into_iter()
        .map(|kind| {
            let cells = counted
                .map(|counted| count(counted.and_then(|counted| counted.kinds.get(kind)).copied()));
            std::iter::once(kind.to_owned()).chain(cells).collect()
        })
        .collect();
    Table {
        caption: format!("What setup/{pairs} is made of, by kind of crossing."),
        head: head("kind"),
        rows,
    }
}

/// The library's medians of some scenarios.
pub(super) fn medians(
    file: &ResultFile,
    scenarios: impl IntoIterator<Item = Scenario>,
) -> Vec<Vec<String>> {
    by_scenario(scenarios, |scenario, configuration| {
        work(file.run.clock, file.median(scenario, configuration))
    })
}

/// The library's medians.
pub(super) fn times(file: &ResultFile, scenarios: Vec<Scenario>) -> Table {
    let what = match file.run.clock {
        Clock::Wall => "Median time",
        Clock::Instructions => "Median instructions",
    };
    Table {
        caption: format!("{what} of one iteration, through the library ({}).", on(file)),
        head: head("scenario"),
        rows: medians(file, scenarios),
    }
}

/// The library's medians over the baseline's.
pub(super) fn over_baseline(file: &ResultFile) -> Table {
    Table {
        caption: format!(
            "The library over the baseline, the same system calls made bare with libc ({}).",
            Kind::of(file).name()
        ),
        head: head("scenario"),
        rows: by_scenario(Scenario::all(), |scenario, configuration| {
            ratio(file.over_baseline(scenario, configuration))
        }),
    }
}

/// The interfaces from outside that were measured beside the four.
pub(super) fn externals(file: &ResultFile) -> Table {
    let mut interfaces: Vec<Interface> =
        file.crossings.iter().map(|counted| counted.key.interface).collect();
    interfaces.extend(file.timings.iter().map(|timing| timing.key.interface));
    interfaces.retain(|interface| !Interface::ALL.contains(interface));
    interfaces.sort_unstable();
    interfaces.dedup();
    let mut rows = Vec::new();
    for interface in interfaces {
        let of = Configuration::plain(interface);
        for scenario in Scenario::all() {
            let (total, median) = (file.total(scenario, of), file.median(scenario, of));
            if total.is_some() || median.is_some() {
                let over = file.ratio(scenario, of, Client::Library, Over::Control);
                rows.push(vec![
                    format!("{scenario} {}", interface.thread_id()),
                    count(total),
                    work(file.run.clock, median),
                    interval(over.map(|ratio| &ratio.figures)),
                ]);
            }
        }
    }
    let head = ["scenario", "crossings", "median", "over control"];
    Table {
        caption: format!("Interfaces from outside, through their own backends ({}).", on(file)),
        head: head.map(str::to_owned).into(),
        rows,
    }
}

/// What a ratio is.
pub(super) const fn quotient(clock: Clock) -> &'static str {
    match clock {
        Clock::Wall => "measured in turns, with the median's 95% interval",
        Clock::Instructions => "one median over the other",
    }
}

/// The library on each interface over the library on the control.
pub(super) fn over_control(
    file: &ResultFile,
    scenarios: impl IntoIterator<Item = Scenario>,
) -> Table {
    let mut rows = by_scenario(scenarios, |scenario, configuration| {
        interval(
            file.ratio(scenario, configuration, Client::Library, Over::Control)
                .map(|ratio| &ratio.figures),
        )
    });
    // The control over itself is not measured: its column is there for its other ways.
    let last = Interface::ALL.len();
    let mut head = head("over control");
    if rows.iter().all(|row| row[last] == "-") {
        head.truncate(last);
        rows.iter_mut().for_each(|row| row.truncate(last));
    } else {
        head[last] = "control, other".to_owned();
    }
    Table {
        caption: format!(
            "The interface over vhost-vdpa used plainly, {} ({}).",
            quotient(file.run.clock),
            Kind::of(file).name()
        ),
        head,
        rows,
    }
}

/// Where a setup's cost lies: each step and its share of all steps.
pub(super) fn steps(file: &ResultFile) -> Table {
    let cost =
        |step, interface| file.median(Scenario::SetupStep(step), Configuration::plain(interface));
    let sum = |interface| -> Option<f64> {
        Step::ALL.into_iter().map(|step| cost(step, interface)).sum::<Option<f64>>()
    };
    let cell = |step, interface| {
        let cost = cost(step, interface)?;
        let share = sum(interface).filter(|&sum| sum > 0.0).map(|sum| percent(cost / sum));
        Some(format!("{} {}", work(file.run.clock, Some(cost)), share.unwrap_or_default()))
    };
    let mut rows: Vec<Vec<String>> = Step::ALL
        .into_iter()
        .map(|step| {
            let cells = Interface::ALL
                .map(|interface| cell(step, interface).unwrap_or_else(|| "-".to_owned()));
            std::iter::once(Scenario::SetupStep(step).to_string()).chain(cells).collect()
        })
        .collect();
    rows.retain(|row: &Vec<String>| row[1..].iter().any(|cell| cell != "-"));
    Table {
        caption: format!("The steps of `setup/{STEP_PAIRS}`, each with its share of their sum."),
        head: head("step"),
        rows,
    }
}

/// What each kind of crossing costs.
pub(super) fn prices(file: &ResultFile) -> Table {
    let mut kinds: Vec<&str> = file.costs.iter().map(|cost| cost.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let price = |interface, kind: &str| {
        let of = Configuration::plain(interface);
        let is_it = |cost: &&Cost| {
            (cost.interface, cost.variant) == (of.interface, of.variant) && cost.kind == kind
        };
        file.costs.iter().find(is_it).map(|cost| cost.cost)
    };
    let mut rows: Vec<Vec<String>> = kinds
        .into_iter()
        .map(|kind| {
            let cells =
                Interface::ALL.map(|interface| work(file.run.clock, price(interface, kind)));
            std::iter::once(kind.to_owned()).chain(cells).collect()
        })
        .collect();
    rows.retain(|row| row[1..].iter().any(|cell| cell != "-"));
    Table {
        caption: format!(
            "What one crossing of each kind takes in the baseline's `setup/1`, on a device of {} \
             pairs; `userspace` is the library's own work for each crossing.",
            file.device.queue_pairs
        ),
        head: head("kind"),
        rows,
    }
}

/// How single iterations are spread.
pub(super) fn spread(file: &ResultFile) -> Table {
    let mut rows = Vec::new();
    for scenario in Scenario::all() {
        for configuration in scenario.configurations() {
            let Some(spread) = file.distribution(scenario, configuration, Client::Library) else {
                continue;
            };
            let cells = [spread.min, spread.p50, spread.p99, spread.p99_9, spread.max]
                .map(|figure| work(file.run.clock, Some(figure as f64)));
            let name = format!("{scenario} {}", way(configuration));
            rows.push(std::iter::once(name).chain(cells).collect());
        }
    }
    let head = ["single iterations", "min", "p50", "p99", "p99.9", "max"];
    Table {
        caption: "How single iterations are spread. Their median is no sample's: a sample is the \
                  mean of many iterations, slow ones too."
            .to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows,
    }
}

/// Frames in a second, or what a frame takes in instructions.
pub(super) fn throughput(file: &ResultFile) -> Table {
    let scenarios = FRAMES
        .into_iter()
        .flat_map(|bytes| BATCHES.map(|batch| Scenario::Throughput(Burst { batch, bytes })));
    let rows = by_scenario(scenarios, |scenario, configuration| {
        let Scenario::Throughput(Burst { batch, .. }) = scenario else { return "-".to_owned() };
        let batch = f64::from(batch);
        let median = file.median(scenario, configuration).filter(|&median| median > 0.0);
        match file.run.clock {
            Clock::Wall => rate(median.map(|ns| batch * 1e9 / ns)),
            Clock::Instructions => instructions(median.map(|count| count / batch)),
        }
    });
    let what = match file.run.clock {
        Clock::Wall => "Frames in a second",
        Clock::Instructions => "Instructions of a frame, client and device and kernel together",
    };
    Table {
        caption: format!("{what}, by frames for a kick and their bytes."),
        head: head("frames/bytes"),
        rows,
    }
}

/// The `vhost` crate over the library, scenario by scenario.
pub(super) fn peer(file: &ResultFile) -> Table {
    let clock = file.run.clock;
    let rows = Scenario::all()
        .into_iter()
        .filter_map(|scenario| {
            let over = file.ratio(scenario, CONTROL, Client::Peer, Over::Library)?;
            let peer = file.timing(scenario, CONTROL, Client::Peer);
            Some(vec![
                scenario.to_string(),
                work(clock, peer.map(|timing| timing.figures.median)),
                work(clock, file.median(scenario, CONTROL)),
                interval(Some(&over.figures)),
            ])
        })
        .collect();
    Table {
        caption: format!(
            "The `vhost` crate of rust-vmm on vhost-vdpa, by eventfds alone, over the library, {}.",
            quotient(clock)
        ),
        head: ["on vhost-vdpa", "vhost crate", "library", "over library"]
            .map(str::to_owned)
            .to_vec(),
        rows,
    }
}

/// Where an interface could not go on.
pub(super) fn limits(file: &ResultFile) -> Table {
    let rows = file
        .limits
        .iter()
        .map(|limit| {
            let configuration = Configuration::new(limit.interface, limit.variant);
            vec![limit.scenario.clone(), way(configuration), limit.mappings.to_string()]
        })
        .collect();
    Table {
        caption: "Where an interface could not go on.".to_owned(),
        head: ["not done to the end", "by", "mappings, at most"].map(str::to_owned).to_vec(),
        rows,
    }
}

/// What other random seeds change by more than a thousandth.
pub(super) fn seeds(file: &ResultFile) -> Table {
    let seeds = file.run.seeds.as_ref();
    let clock = file.run.clock;
    let rows = seeds
        .into_iter()
        .flat_map(|seeds| &seeds.spread)
        .filter(|spread| spread.key.client == Client::Library && spread.width() > 1e-3)
        .map(|spread| {
            vec![
                format!("{} {}", spread.key.scenario, way(spread.key.configuration())),
                work(clock, Some(spread.low)),
                work(clock, Some(spread.median)),
                work(clock, Some(spread.high)),
                format!("{:.2}%", spread.width() * 100.0),
            ]
        })
        .collect();
    Table {
        caption: format!(
            "Figures that differ by more than 0.1% between the least and the greatest of {} boots with \
             other random seeds.",
            seeds.map_or(0, |seeds| seeds.boots)
        ),
        head: ["seeds", "least", "median", "greatest", "width"].map(str::to_owned).to_vec(),
        rows,
    }
}

/// Runs of one kind on several machines, side by side.
pub(super) fn machines(runs: &[&ResultFile]) -> Table {
    let key = [
        Scenario::Setup(1),
        Scenario::Setup(64),
        Scenario::Kick(KickKind::Doorbell),
        Scenario::Kick(KickKind::EventFd),
        Scenario::KickLatency(KickKind::Doorbell),
        Scenario::Call,
        Scenario::RoundTrip,
        Scenario::DmaReady(MapSize::Huge),
        Scenario::DmaChurn(LIVE[1]),
    ];
    let mut rows = Vec::new();
    for scenario in key {
        for interface in Interface::ALL {
            let cells = runs.iter().map(|file| {
                work(file.run.clock, file.median(scenario, Configuration::plain(interface)))
            });
            let row = std::iter::once(format!("{scenario} {}", name(interface))).chain(cells);
            rows.push(row.collect::<Vec<_>>());
        }
    }
    rows.retain(|row| row[1..].iter().any(|cell| cell != "-"));
    let head = std::iter::once("scenario".to_owned())
        .chain((1..=runs.len()).map(|number| format!("M{number}")))
        .collect();
    Table { caption: "Machines side by side, median.".to_owned(), head, rows }
}

/// Whether a backend makes a crossing that the baseline doesn't make.
pub(super) fn same_crossings(file: &ResultFile) -> Option<String> {
    let mut compared = false;
    let mut differ = BTreeSet::new();
    for counted in file.crossings.iter().filter(|counted| counted.key.client == Client::Library) {
        let baseline = file.crossings.iter().find(|other| {
            other.key.client == Client::Baseline
                && other.key.scenario == counted.key.scenario
                && other.key.configuration() == counted.key.configuration()
        });
        let Some(baseline) = baseline else { continue };
        compared = true;
        if baseline.kinds != counted.kinds {
            differ.insert(counted.key.to_string());
        }
    }
    if !compared {
        return None;
    }
    Some(if differ.is_empty() {
        "No backend makes a crossing that the baseline doesn't make: their counts are the same, \
         kind by kind, in every scenario that both do."
            .to_owned()
    } else {
        let differ: Vec<String> = differ.into_iter().collect();
        format!("Crossings differ from the baseline's in: {}.", differ.join(", "))
    })
}

/// So many a second, three digits.
fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| scaled(rate, ["/s", "k/s", "M/s"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_digits() {
        let rates = [12.0, 1_234.0, 999_600.0, 12_345_678.0].map(|one| rate(Some(one)));
        assert_eq!(rates, ["12.0/s", "1.23k/s", "1.00M/s", "12.3M/s"]);
    }
}
