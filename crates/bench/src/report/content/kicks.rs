//! Kicks and calls: what they cost and how they are spread.

use vhost_accel::KickKind;

use crate::report::chart::{Chart, figure};
use crate::report::document::{Block, Table};
use crate::report::evidence::{Evidence, Kind};
use crate::report::numbers::time;
use crate::report::tables::{head, medians, on};
use crate::report::words::each_figure;
use crate::{Client, Clock, Configuration, Platform, ResultFile, Scenario};

pub(super) fn kicks(evidence: &Evidence<'_>, charts: &[Chart]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (file, plot) in [
        (evidence.real(), "kick-real.svg"),
        (evidence.instructions(), "kick-instructions.svg"),
        (evidence.emulated(), "kick-time.svg"),
    ] {
        let Some(file) = file else { continue };
        blocks.extend(costs(file));
        blocks.extend(figure(charts, plot));
    }
    for (file, plots) in [
        (evidence.real(), ["latency-kick-real.svg", "latency-call-real.svg"]),
        (evidence.translated(), ["", ""]),
        (evidence.emulated(), ["latency-kick.svg", "latency-call.svg"]),
    ] {
        let Some(file) = file else { continue };
        blocks.extend(Block::table(latencies(file)));
        blocks.extend(Block::table(spread(file)));
        blocks.extend(plots.into_iter().filter_map(|plot| figure(charts, plot)));
    }
    if blocks.is_empty() {
        return blocks;
    }
    blocks.push(Block::paragraph(
        "One difference of latencies on a native kernel is a device's and not an interface's. Our modules for \
         #1 and #2 take an idle vring's doorbell page away, so that the next store faults and wakes the \
         device. A vDPA parent can't do that to a page that vhost_vdpa mapped: it naps, 100 µs at a time, and \
         looks. The emulated kernel naps on all four.",
    ));
    blocks
}

/// What a kick costs its caller.
fn costs(file: &ResultFile) -> Option<Block> {
    let kick = |kind| {
        each_figure(file.run.clock, |interface| {
            file.median(Scenario::Kick(kind), Configuration::plain(interface))
        })
    };
    let all: Vec<String> = [
        (KickKind::Doorbell, "A doorbell is a store into a mapped page"),
        (
            KickKind::EventFd,
            "An eventfd is a write(2), which KVM makes for a guest without leaving the kernel",
        ),
        (
            KickKind::RegionWrite,
            "A write to the NOTIFY region is a pwrite(2) that the driver handles",
        ),
    ]
    .into_iter()
    .filter_map(|(kind, what)| Some(format!("{what}: {}.", kick(kind)?)))
    .collect();
    if all.is_empty() {
        return None;
    }
    let kind = Kind::of(file).name();
    let note = match file.run.clock {
        Clock::Instructions => " Four instructions of each are the loop's.",
        Clock::Wall => "",
    };
    Some(Block::paragraph(format!(
        "What a kick costs its caller ({kind}). {}{note}",
        all.join(" ")
    )))
}

fn all() -> impl Iterator<Item = Scenario> {
    let latencies = KickKind::ALL.map(Scenario::KickLatency);
    latencies.into_iter().chain([Scenario::Call, Scenario::RoundTrip])
}

fn latencies(file: &ResultFile) -> Table {
    let warning = if file.run.machine == Platform::Tcg {
        " A translator's time is not a CPU's, and its ratios need not be either."
    } else {
        ""
    };
    Table {
        caption: format!("Latencies, median ({}).{warning}", on(file)),
        head: head("latency"),
        rows: medians(file, all()),
    }
}

/// Percentiles of single iterations.
fn spread(file: &ResultFile) -> Table {
    let mut rows = Vec::new();
    for scenario in all() {
        for configuration in scenario.configurations() {
            let Some(spread) = file.distribution(scenario, configuration, Client::Library) else {
                continue;
            };
            let cells = [spread.min, spread.p50, spread.p99, spread.p99_9, spread.max]
                .map(|ns| time(Some(ns as f64)));
            let name = format!("{scenario} {}", configuration.interface.thread_id());
            rows.push(std::iter::once(name).chain(cells).collect());
        }
    }
    let head = ["single iterations", "min", "p50", "p99", "p99.9", "max"];
    Table {
        caption: format!("How latencies are spread ({}).", on(file)),
        head: head.map(str::to_owned).to_vec(),
        rows,
    }
}
