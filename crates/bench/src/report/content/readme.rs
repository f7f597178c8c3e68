//! The README's tables.

use std::fmt::Write as _;

use vhost_accel::{Interface, KickKind};

use crate::report::document::Table;
use crate::report::evidence::Evidence;
use crate::report::markdown::{inline, table};
use crate::report::numbers::count;
use crate::report::tables::{by_scenario, head, medians};
use crate::{LIVE, MapSize, ResultFile, Scenario};

/// The tables between the markers in the README. Empty without results.
pub fn readme_table(evidence: &Evidence<'_>) -> String {
    let mut out = String::new();
    if let Some(file) = evidence.counts() {
        let rows = by_scenario(setups(), |scenario, configuration| {
            count(file.total(scenario, configuration))
        });
        let title = ["System calls from open to a running device", ", exact on any kernel"];
        add(&mut out, evidence, file, title, rows);
    }
    if let Some(file) = evidence.real() {
        add(&mut out, evidence, file, ["Time on a real kernel", ""], medians(file, work()));
    }
    if let Some(file) = evidence.instructions() {
        let title = [
            "Instructions on a real kernel",
            ", user and kernel, client and device, counted by QEMU",
        ];
        add(&mut out, evidence, file, title, medians(file, work()));
    }
    if let Some(file) = evidence.emulated() {
        let kicks = [KickKind::Doorbell, KickKind::EventFd].map(Scenario::Kick);
        let title = ["Time of a kick to its caller", ", which the emulated kernel doesn't trap"];
        add(&mut out, evidence, file, title, medians(file, kicks));
    }
    out
}

fn columns() -> Vec<String> {
    let mut head = head("");
    for (column, interface) in head.iter_mut().skip(1).zip(Interface::ALL) {
        *column = format!("{column} {interface}");
    }
    head
}

fn setups() -> [Scenario; 4] {
    [Scenario::Setup(1), Scenario::Setup(64), Scenario::SetupBatched(1), Scenario::SetupBatched(64)]
}

fn work() -> [Scenario; 7] {
    [
        Scenario::Setup(1),
        Scenario::Setup(64),
        Scenario::SetupBatched(64),
        Scenario::Kick(KickKind::Doorbell),
        Scenario::Kick(KickKind::EventFd),
        Scenario::DmaReady(MapSize::Huge),
        Scenario::DmaChurn(LIVE[0]),
    ]
}

/// Adds a table whose caption, a title and what follows it, says where it is from.
fn add(
    out: &mut String,
    evidence: &Evidence<'_>,
    file: &ResultFile,
    [title, more]: [&str; 2],
    rows: Vec<Vec<String>>,
) {
    if rows.is_empty() {
        return;
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let more = format!("{more}: {}, by `{}`.", evidence.source(file), file.run.command);
    let table = table(&Table { caption: String::new(), head: columns(), rows });
    // A String takes whatever is written to it.
    let _ = write!(out, "**{}**{}\n\n{table}", inline(title), inline(&more));
}
