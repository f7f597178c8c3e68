//! The tables that several reports share.

use vhost_accel::Interface;

use super::document::Table;
use super::evidence::Kind;
use super::numbers::{count, cpus, interval, ratio, rows, work};
use crate::{Client, Clock, Configuration, Over, ResultFile, Scenario};

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
pub(super) fn crossings(file: &ResultFile) -> Table {
    Table {
        caption: "Crossings of one iteration, exact. N queue pairs are 2 N + 1 vrings.".to_owned(),
        head: head("scenario"),
        rows: by_scenario(Scenario::all(), |scenario, configuration| {
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

/// All of the library's medians.
pub(super) fn times(file: &ResultFile) -> Table {
    let what = match file.run.clock {
        Clock::Wall => "Median time",
        Clock::Instructions => "Median instructions",
    };
    Table {
        caption: format!("{what} of one iteration, through the library ({}).", on(file)),
        head: head("scenario"),
        rows: medians(file, Scenario::all()),
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
