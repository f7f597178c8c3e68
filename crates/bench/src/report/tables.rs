//! The tables that the reports are made of.

use vhost_accel_core::{Interface, KickKind};

use super::document::Table;
use super::numbers::{batched, count, ratio, rows, time};
use crate::{MapSize, PAIRS, ResultFile, Scenario, Side, Subject};

/// The name of the first column and of the four.
fn head(first: &str) -> Vec<String> {
    std::iter::once(first.to_owned())
        .chain(Interface::ALL.map(|interface| interface.thread_id().to_owned()))
        .collect()
}

/// A row for each scenario, and one for each further way of an interface.
fn by_scenario(
    scenarios: impl IntoIterator<Item = Scenario>,
    cell: impl Fn(Scenario, Subject) -> String,
) -> Vec<Vec<String>> {
    let mut table = Vec::new();
    for scenario in scenarios {
        let (main, own) = rows(scenario);
        let cells = main.into_iter().map(|subject| {
            subject.map_or_else(|| "-".to_owned(), |subject| cell(scenario, subject))
        });
        table.push(std::iter::once(scenario.to_string()).chain(cells).collect());
        for subject in own {
            let cells = Interface::ALL.map(|interface| {
                if interface == subject.interface {
                    cell(scenario, subject)
                } else {
                    "-".to_owned()
                }
            });
            let name = format!("{scenario} {}", subject.variant.name());
            table.push(std::iter::once(name).chain(cells).collect());
        }
    }
    // A row in which nothing was measured says nothing.
    table.retain(|row: &Vec<String>| row[1..].iter().any(|cell| cell != "-"));
    table
}

/// Crossings of one iteration, by scenario.
pub(super) fn crossings(file: &ResultFile) -> Table {
    Table {
        caption: "Crossings of one iteration, exact. N queue pairs are 2 N + 1 vrings.".to_owned(),
        head: head("scenario"),
        rows: by_scenario(Scenario::all(), |scenario, subject| {
            count(file.total(scenario, subject))
        }),
    }
}

/// The formulas behind the counts of setup and teardown.
pub(super) fn laws(file: &ResultFile) -> Table {
    let law = |scenario, subject: Option<Subject>| {
        subject
            .and_then(|subject| file.setup_law(scenario, subject))
            .map_or_else(|| "-".to_owned(), |law| law.to_string())
    };
    let row = |name: &str, scenario, subject: fn(Interface) -> Option<Subject>| {
        let cells = Interface::ALL.map(|interface| law(scenario, subject(interface)));
        std::iter::once(name.to_owned()).chain(cells).collect()
    };
    let plain = |interface| Some(Subject::plain(interface));
    Table {
        caption: "The same as a formula, N queue pairs.".to_owned(),
        head: head("crossings"),
        rows: vec![
            row("setup/N", Scenario::Setup, plain),
            row("setup-batched/N", Scenario::SetupBatched, batched),
            row("teardown/N", Scenario::Teardown, plain),
        ],
    }
}

/// Which crossings a setup is made of.
pub(super) fn kinds(file: &ResultFile, pairs: u16) -> Table {
    let subjects = Interface::ALL.map(Subject::plain);
    let counted =
        subjects.map(|subject| file.crossings(Scenario::Setup(pairs), subject, Side::Library));
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

/// The library's medians.
pub(super) fn times(file: &ResultFile) -> Table {
    Table {
        caption: "Median time of one iteration, through the library.".to_owned(),
        head: head("scenario"),
        rows: by_scenario(Scenario::all(), |scenario, subject| {
            time(file.median(scenario, subject))
        }),
    }
}

/// The library's medians over the floor's.
pub(super) fn over_floor(file: &ResultFile) -> Table {
    Table {
        caption: "The same as a multiple of the floor: the same system calls made bare with libc."
            .to_owned(),
        head: head("scenario"),
        rows: by_scenario(Scenario::all(), |scenario, subject| {
            ratio(file.over_floor(scenario, subject))
        }),
    }
}

/// What the README shows.
pub(super) fn summary(file: &ResultFile) -> Table {
    let mut rows = Vec::new();
    let counted =
        PAIRS.map(Scenario::Setup).into_iter().chain(PAIRS.map(Scenario::SetupBatched)).filter(
            |scenario| {
                let ends = [PAIRS[0], PAIRS[PAIRS.len() - 1]];
                matches!(scenario, Scenario::Setup(pairs) | Scenario::SetupBatched(pairs)
                if ends.contains(pairs))
            },
        );
    for mut row in by_scenario(counted, |scenario, subject| count(file.total(scenario, subject))) {
        row[0] = format!("{}, crossings", row[0]);
        rows.push(row);
    }
    let timed = KickKind::ALL.map(Scenario::Kick).into_iter().chain([
        Scenario::Call,
        Scenario::RoundTrip,
        Scenario::DmaMap(MapSize::Huge),
    ]);
    for mut row in by_scenario(timed, |scenario, subject| time(file.median(scenario, subject))) {
        row[0] = format!("{}, time", row[0]);
        rows.push(row);
    }
    let mut head = head("");
    for (column, interface) in head[1..].iter_mut().zip(Interface::ALL) {
        *column = format!("{column} {interface}");
    }
    Table { caption: String::new(), head, rows }
}
