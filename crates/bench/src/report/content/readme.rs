//! The README's tables.

use std::fmt::Write as _;

use vhost_accel_core::{Interface, KickKind};

use crate::report::document::Table;
use crate::report::evidence::Evidence;
use crate::report::markdown::table;
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
        let caption =
            "**System calls from open to a running device**, exact on any kernel".to_owned();
        add(&mut out, evidence, file, Table { caption, head: columns(), rows });
    }
    if let Some(file) = evidence.real() {
        let caption = "**Time on a real kernel**".to_owned();
        add(
            &mut out,
            evidence,
            file,
            Table { caption, head: columns(), rows: medians(file, work()) },
        );
    }
    if let Some(file) = evidence.instructions() {
        let caption =
            "**Instructions on a real kernel**, user and kernel, client and device, counted by \
                       QEMU"
                .to_owned();
        add(
            &mut out,
            evidence,
            file,
            Table { caption, head: columns(), rows: medians(file, work()) },
        );
    }
    if let Some(file) = evidence.emulated() {
        let kicks = [KickKind::Doorbell, KickKind::EventFd].map(Scenario::Kick);
        let caption =
            "**Time of a kick to its caller**, which the emulated kernel doesn't trap".to_owned();
        add(
            &mut out,
            evidence,
            file,
            Table { caption, head: columns(), rows: medians(file, kicks) },
        );
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

/// Adds a table whose caption says where it is from.
fn add(out: &mut String, evidence: &Evidence<'_>, file: &ResultFile, table_: Table) {
    if table_.rows.is_empty() {
        return;
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let Table { caption, head, rows } = table_;
    let caption = format!("{caption}: {}, by `{}`.", evidence.source(file), file.run.command);
    // A String takes whatever is written to it.
    let _ = write!(out, "{}", table(&Table { caption, head, rows }));
}
