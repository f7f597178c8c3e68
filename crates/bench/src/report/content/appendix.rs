//! The tables that are looked up and not read.

use vhost_accel::{Interface, KickKind};

use super::model;
use crate::report::document::{Block, Table};
use crate::report::evidence::{Evidence, Kind};
use crate::report::numbers::{cpus, work};
use crate::report::tables::{crossings, externals, over_baseline, over_control, times};
use crate::report::words::name;
use crate::{Configuration, LIVE, MapSize, ResultFile, Scenario};

/// Each interface over vhost-vdpa.
pub(super) fn control(evidence: &Evidence<'_>) -> Vec<Block> {
    let main = || {
        let mut all: Vec<Scenario> = [1, 64].map(Scenario::Setup).into();
        all.extend([1, 64].map(Scenario::SetupBatched));
        all.push(Scenario::Teardown(1));
        all.extend(KickKind::ALL.map(Scenario::Kick));
        all.extend(KickKind::ALL.map(Scenario::KickLatency));
        all.extend([Scenario::Call, Scenario::RoundTrip]);
        all.extend(MapSize::ALL.map(Scenario::DmaReady));
        all.extend(LIVE.map(Scenario::DmaChurn));
        all
    };
    evidence
        .quoted()
        .into_iter()
        .filter_map(|file| Block::table(over_control(file, main())))
        .collect()
}

/// What of it a mailing list takes: the kernel's lists refuse a mail of more than 100,000 bytes.
pub(super) fn short(evidence: &Evidence<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(file) = evidence.counts() {
        blocks.extend(Block::table(crossings(file)));
    }
    blocks.extend(evidence.quoted().into_iter().filter_map(|file| Block::table(times(file))));
    blocks.push(Block::paragraph(
        "docs/design-comparison.md has the plots, and for each run everything over its baseline and over \
         vhost-vdpa and the model's every row.",
    ));
    blocks
}

/// Everything that was measured.
pub(super) fn tables(evidence: &Evidence<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(file) = evidence.counts() {
        blocks.extend(Block::table(crossings(file)));
    }
    for file in evidence.quoted() {
        blocks.extend(Block::table(times(file)));
        blocks.extend(Block::table(over_baseline(file)));
        blocks.extend(Block::table(externals(file)));
        blocks.extend(Block::table(over_control(file, Scenario::all())));
        blocks.extend(model::all(evidence, file));
    }
    blocks
}

/// Runs of the same kind on several machines, side by side.
pub(super) fn machines(evidence: &Evidence<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (kind, runs) in evidence.machines() {
        blocks.push(Block::paragraph(format!(
            "{} machines have a run of this kind: {}. The text above quotes the latest full run.",
            runs.len(),
            kind.name()
        )));
        let legend = (1..)
            .zip(&runs)
            .map(|(number, file)| {
                format!(
                    "M{number}: {}, {}, Linux {}, {}: {}",
                    file.host.cpu,
                    cpus(file.host.cores),
                    file.host.kernel,
                    file.run.date,
                    evidence.source(file)
                )
            })
            .collect();
        blocks.push(Block::List(legend));
        blocks.extend(Block::table(side_by_side(kind, &runs)));
    }
    blocks
}

fn side_by_side(kind: Kind, runs: &[&ResultFile]) -> Table {
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
    Table { caption: format!("Machines side by side, median ({}).", kind.name()), head, rows }
}
