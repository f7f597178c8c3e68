//! A verdict for each use, with the figures that decide.

use vhost_accel::{Interface, KickKind};

use crate::report::document::Block;
use crate::report::evidence::Evidence;
use crate::report::numbers::said;
use crate::report::rank::{Use, uses};
use crate::report::words::{each, join, names};
use crate::{Configuration, LIVE, MapSize, ResultFile, Scenario, Variant};

pub(super) fn verdicts(evidence: &Evidence<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (number, use_) in uses(evidence).iter().enumerate() {
        blocks.push(Block::Subheading(use_.name.to_owned()));
        let details = match number {
            0 => container(evidence, use_),
            1 => machine(evidence, use_),
            2 => viommu(evidence, use_),
            _ => queues(evidence, use_),
        };
        blocks.push(Block::paragraph(format!("{} {details}", verdict(use_)).trim().to_owned()));
    }
    blocks.push(Block::Subheading("What is open".to_owned()));
    blocks.push(Block::List(open(evidence)));
    blocks
}

/// The figure that decides, and who has it.
fn verdict(use_: &Use<'_>) -> String {
    let Some(rank) = &use_.rank else {
        return format!("Open: `{}` has not been measured on two interfaces.", use_.scenario);
    };
    let relative = if rank.is_relative() {
        " These are times of the emulated kernel, which say which takes longer and not how long."
    } else {
        ""
    };
    let counted = use_.counted.as_ref().map_or_else(String::new, |counted| {
        format!(" By crossings: {}. {}.", names(&counted.winners()), counted.figures())
    });
    format!(
        "{}. What decides is `{}` ({}): {}.{relative}{counted}",
        names(&rank.winners()),
        use_.scenario,
        rank.by(),
        rank.figures()
    )
}

/// Further figures of `scenario`, if there are any: a sentence that begins with `what`. Whose they
/// are is said where it isn't whose the use's are.
fn also(evidence: &Evidence<'_>, use_: &Use<'_>, what: &str, scenario: Scenario) -> String {
    let rank = match scenario {
        Scenario::MemTable(_) => evidence.any(scenario),
        _ => evidence.plain(scenario),
    };
    let Some(rank) = rank else { return String::new() };
    let same = use_.rank.as_ref().is_some_and(|of_use| of_use.by() == rank.by());
    let by = if same { String::new() } else { format!("; {}", rank.by()) };
    format!("{what} (`{scenario}`{by}): {}. ", rank.figures())
}

fn container(evidence: &Evidence<'_>, use_: &Use<'_>) -> String {
    format!(
        "A process that lends its own memory, has one queue pair or a few, and sets up often. {}{}{}",
        also(evidence, use_, "One request for one thing", Scenario::Setup(1)),
        also(evidence, use_, "The end of it", Scenario::Teardown(1)),
        also(evidence, use_, "Four pairs, one request for one thing", Scenario::Setup(4))
    )
}

fn machine(evidence: &Evidence<'_>, use_: &Use<'_>) -> String {
    let mut all = String::from(
        "Guest memory is lent once, and then the data path runs without the VMM: a guest's kick is an \
         ioeventfd or a store into a doorbell page that it has mapped. ",
    );
    all.push_str(&also(evidence, use_, "Eight regions", Scenario::MemTable(8)));
    all.push_str(&also(
        evidence,
        use_,
        "A kick by eventfd, to its caller",
        Scenario::Kick(KickKind::EventFd),
    ));
    all.push_str(&also(
        evidence,
        use_,
        "A gigabyte, until the device has used every page",
        Scenario::DmaReady(MapSize::Gigantic),
    ));
    all
}

fn viommu(evidence: &Evidence<'_>, use_: &Use<'_>) -> String {
    let few = Scenario::DmaChurn(LIVE[0]);
    let mut all = String::from(
        "A guest's IOMMU driver maps and unmaps all the time, next to many mappings that stay. ",
    );
    all.push_str(&also(evidence, use_, "With 64 of them", few));
    let table = Configuration::new(Interface::VhostMdev, Variant::MemTable);
    for file in evidence.quoted() {
        let limits: Vec<String> = LIVE
            .iter()
            .filter_map(|&live| {
                let scenario = Scenario::DmaChurn(live);
                let limit = file.limit(scenario, table)?;
                Some(format!("`{scenario}` (at most {} mappings)", limit.mappings))
            })
            .collect();
        if !limits.is_empty() {
            all.push_str(&format!(
                "By VHOST_SET_MEM_TABLE #2 can't do it at all beyond its table: not {}. ",
                join(&limits)
            ));
            break;
        }
    }
    if let Some((file, grows)) = grows(evidence, table) {
        all.push_str(&format!(
            "With 64 live mappings a table takes {} and MAP_DMA {}.",
            said(file.run.clock, grows.0),
            said(file.run.clock, grows.1)
        ));
    }
    all
}

/// dma-churn with the fewest mappings, by table and by a request for each.
fn grows<'a>(
    evidence: &Evidence<'a>,
    table: Configuration,
) -> Option<(&'a ResultFile, (f64, f64))> {
    let scenario = Scenario::DmaChurn(LIVE[0]);
    evidence.quoted().into_iter().find_map(|file| {
        let plain = file.median(scenario, Configuration::plain(table.interface))?;
        Some((file, (file.median(scenario, table)?, plain)))
    })
}

fn queues(evidence: &Evidence<'_>, use_: &Use<'_>) -> String {
    let plain = also(
        evidence,
        use_,
        "One request for one thing, as the thread had it",
        Scenario::Setup(64),
    );
    let pages = each(|interface| {
        let file = evidence.counts()?;
        let (scenario, configuration) = (Scenario::Setup(64), Configuration::plain(interface));
        let pages =
            file.of_kind(scenario, configuration, "mmap doorbell").filter(|&pages| pages > 0)?;
        Some(format!("{pages} of {}", file.total(scenario, configuration)?))
    });
    match pages {
        None => plain,
        Some(pages) => format!(
            "{plain}Beware of one difference that is not the design's: of the crossings of `setup/64`, doorbell \
             pages are {pages}; see Setup."
        ),
    }
}

/// What no figure says yet.
fn open(evidence: &Evidence<'_>) -> Vec<String> {
    let mut open = vec![
        "Hardware: the device is a virtio-net loopback in software on every kernel here. What a real \
         device takes to be programmed, or an IOMMU to be filled, is in no figure."
            .to_owned(),
    ];
    if evidence.real().is_none() {
        open.push(
            "Time on a CPU: no run under KVM or on bare metal is in. `vhost-accel report --merge FILE` \
             adds one."
                .to_owned(),
        );
    }
    if evidence.instructions().is_none() {
        open.push("Instructions of a native kernel: no such run is in.".to_owned());
    }
    if evidence.emulated().is_none() {
        open.push("The emulated kernel: no such run is in.".to_owned());
    }
    let kicks = Scenario::KickLatency(KickKind::Doorbell);
    let native = [evidence.real(), evidence.translated()];
    let latency = native.into_iter().flatten().any(|file| {
        Interface::ALL
            .into_iter()
            .any(|one| file.median(kicks, Configuration::plain(one)).is_some())
    });
    if !latency {
        open.push(
            "The latency of kicks and calls on a native kernel: with instructions for a clock, client and \
             device share one CPU, and a wait can't be told from work."
                .to_owned(),
        );
    }
    open
}
