//! Setup: counts, their laws, its steps.

use vhost_accel::Interface;

use crate::report::chart::{Chart, figure};
use crate::report::document::{Block, Table};
use crate::report::evidence::Evidence;
use crate::report::numbers::{count, percent, work};
use crate::report::tables::{self, head, medians, on};
use crate::report::words::{each, name};
use crate::{Configuration, Cost, EVENTFD_PAIRS, PAIRS, ResultFile, Scenario, Step};

pub(super) fn setup(evidence: &Evidence<'_>, charts: &[Chart]) -> Vec<Block> {
    let mut blocks = vec![Block::paragraph(
        "A setup goes from open(2) to DRIVER_OK: N queue pairs and the control queue, two memory regions, \
         a call eventfd on each vring and a doorbell for each data vring. `setup` sends one request for \
         one thing. `setup-batched` hands several over as one: messages back to back in one write on \
         #1/A, VHOST_SET_MEM_TABLE on #2, batch hints around the IOTLB messages on vhost-vdpa (two \
         crossings more, so that the device sees one change). `setup-eventfd` has eventfds for kicks \
         instead of doorbells.",
    )];
    if let Some(file) = evidence.counts() {
        blocks.extend(Block::table(tables::laws(file)));
        blocks.extend(constant(file));
    }
    blocks.extend(figure(charts, "setup-crossings.svg"));
    for (file, plot) in [
        (evidence.real(), "setup-real.svg"),
        (evidence.instructions(), "setup-instructions.svg"),
        (evidence.emulated(), "setup-time.svg"),
    ] {
        let Some(file) = file else { continue };
        blocks.extend(Block::table(costs(file)));
        blocks.extend(figure(charts, plot));
    }
    for file in
        [evidence.real(), evidence.instructions(), evidence.emulated()].into_iter().flatten()
    {
        blocks.extend(Block::table(steps(file)));
    }
    for file in [evidence.real(), evidence.instructions()].into_iter().flatten() {
        blocks.extend(Block::table(prices(file)));
    }
    if let Some(file) = evidence.counts() {
        blocks.extend(Block::table(tables::kinds(file, 4)));
        blocks.extend(doorbell_pages(file));
    }
    blocks
}

/// What a kind of crossing costs where `interface` is used plainly.
fn price(file: &ResultFile, interface: Interface, kind: &str) -> Option<f64> {
    let configuration = Configuration::plain(interface);
    let of = |cost: &&Cost| {
        (cost.interface, cost.variant) == (interface, configuration.variant) && cost.kind == kind
    };
    file.costs.iter().find(of).map(|cost| cost.cost)
}

/// The prices of the cost model.
fn prices(file: &ResultFile) -> Table {
    let mut kinds: Vec<&str> = file.costs.iter().map(|cost| cost.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let row = |kind: &str| {
        let cells =
            Interface::ALL.map(|interface| work(file.run.clock, price(file, interface, kind)));
        std::iter::once(kind.to_owned()).chain(cells).collect()
    };
    let rows = kinds.into_iter().map(row);
    Table {
        caption: format!(
            "What one crossing of each kind takes in the baseline's setup/1, on a device of 64 pairs; the \
             library's own work for each crossing as `userspace` ({}).",
            on(file)
        ),
        head: head("kind"),
        rows: rows.filter(|row: &Vec<String>| row[1..].iter().any(|cell| cell != "-")).collect(),
    }
}

/// Where one crossing is more than half of a setup, a count of crossings says little.
pub(super) fn dearest(file: &ResultFile) -> Option<Block> {
    let all: Vec<String> = Interface::ALL
        .into_iter()
        .filter_map(|interface| {
            let setup = file.median(Scenario::Setup(1), Configuration::plain(interface))?;
            let dearest = file
                .costs
                .iter()
                .filter(|cost| {
                    cost.interface == interface
                        && cost.variant == Configuration::plain(interface).variant
                })
                .max_by(|a, b| a.cost.total_cmp(&b.cost))?;
            (dearest.cost > setup / 2.0).then(|| {
                format!(
                    "On {} one crossing, {}, is {} of `setup/1`.",
                    name(interface),
                    dearest.kind,
                    percent(dearest.cost / setup),
                )
            })
        })
        .collect();
    let owner = all.iter().any(|sentence| sentence.contains("VHOST_SET_OWNER"));
    let why = if owner {
        " Linux's vhost allocates scatter lists for every vring of the device when it gets an owner \
         (vhost_dev_alloc_iovecs), which vhost_vdpa never uses: that part grows with the vrings that the \
         device has, not with those that are set up, and it is the implementation's and not the \
         interface's."
    } else {
        ""
    };
    (!all.is_empty()).then(|| Block::paragraph(format!("{}{why}", all.join(" "))))
}

/// Setups that don't grow with the number of pairs.
fn constant(file: &ResultFile) -> Option<Block> {
    let constant = each(|interface| {
        let way = Configuration::other(interface)?;
        let law = file.setup_law(Scenario::SetupBatched, way)?;
        (law.per_pair == 0).then(|| count(file.total(Scenario::SetupBatched(64), way)))
    })?;
    Some(Block::paragraph(format!(
        "Requests that travel together make a setup's crossings independent of the number of pairs: \
         {constant}. RFC v2 had no such batches; they are an extension of ours."
    )))
}

fn costs(file: &ResultFile) -> Table {
    let all = PAIRS
        .map(Scenario::Setup)
        .into_iter()
        .chain(PAIRS.map(Scenario::SetupBatched))
        .chain(EVENTFD_PAIRS.map(Scenario::SetupEventFd));
    Table {
        caption: format!("What a setup takes, median ({}).", on(file)),
        head: head("setup"),
        rows: medians(file, all),
    }
}

/// Where a setup's cost lies: each step and its share of all steps.
fn steps(file: &ResultFile) -> Table {
    let cost =
        |step, interface| file.median(Scenario::SetupStep(step), Configuration::plain(interface));
    let sum = |interface| -> Option<f64> {
        Step::ALL.into_iter().map(|step| cost(step, interface)).sum::<Option<f64>>()
    };
    let mut rows: Vec<Vec<String>> = Step::ALL
        .into_iter()
        .map(|step| {
            let cells = Interface::ALL.map(|interface| match cost(step, interface) {
                None => "-".to_owned(),
                Some(cost) => {
                    let share = sum(interface).filter(|&sum| sum > 0.0).map(|sum| cost / sum);
                    let share =
                        share.map_or_else(String::new, |share| format!(" {}", percent(share)));
                    format!("{}{share}", work(file.run.clock, Some(cost)))
                }
            });
            std::iter::once(Scenario::SetupStep(step).to_string()).chain(cells).collect()
        })
        .collect();
    rows.retain(|row: &Vec<String>| row[1..].iter().any(|cell| cell != "-"));
    Table {
        caption: format!(
            "The steps of `setup/{}`, each with its share of their sum ({}).",
            crate::STEP_PAIRS,
            on(file)
        ),
        head: head("step"),
        rows,
    }
}

/// A difference that is our kernel half's doing, not the interface's: it must not decide anything.
fn doorbell_pages(file: &ResultFile) -> Option<Block> {
    let pages = |interface| {
        let pages =
            file.of_kind(Scenario::Setup(64), Configuration::plain(interface), "mmap doorbell");
        pages.filter(|&pages| pages > 0)
    };
    let (control, own) = (pages(Interface::VhostVdpa)?, pages(Interface::VhostMdev)?);
    if control <= own {
        return None;
    }
    // One for each data vring.
    let more = 2 * 64_u64;
    let mut by_page = Vec::new();
    for interface in [Interface::VhostMdev, Interface::VhostVdpa] {
        let total = file.total(Scenario::Setup(64), Configuration::plain(interface))?;
        let total = total - pages(interface)? + more;
        by_page.push(format!("{total} on {}", name(interface)));
    }
    Some(Block::paragraph(format!(
        "Not every difference is the design's. vhost_vdpa as shipped maps one doorbell page at a time, \
         which makes {control} of its crossings at 64 pairs; the other three let one mmap(2) take all \
         pages ({own} on #2), because our kernel half chose so. Mapped page by page, as RFC v2 had it, \
         `setup/64` would take {}.",
        by_page.join(" and ")
    )))
}
