//! DMA: mappings, tables, a vIOMMU's work.

use vhost_accel::Interface;

use crate::report::chart::{Chart, figure};
use crate::report::document::{Block, Table};
use crate::report::evidence::Evidence;
use crate::report::numbers::said;
use crate::report::tables::{head, medians, on};
use crate::report::words::{each, way};
use crate::{Configuration, LIVE, MapSize, REGIONS, ResultFile, Scenario, Variant};

pub(super) fn dma(evidence: &Evidence<'_>, charts: &[Chart]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (file, plot) in [
        (evidence.real(), "churn-real.svg"),
        (evidence.instructions(), "churn-instructions.svg"),
        (evidence.emulated(), "churn-time.svg"),
    ] {
        let Some(file) = file else { continue };
        blocks.extend(Block::table(mappings(file)));
        blocks.extend(growth(file));
        blocks.extend(figure(charts, plot));
    }
    if blocks.is_empty() {
        return blocks;
    }
    blocks.push(Block::paragraph(
        "One difference is our kernel half's and not the interface's: #2 and vhost-vdpa pin at map, while a \
         VFIO container whose devices are all mediated ones neither pins nor maps at VFIO_IOMMU_MAP_DMA; \
         the pages are pinned when the device first touches them. `dma-map` therefore flatters #1, and \
         `dma-ready`, which ends when the device has used every page, does not. A device with an IOMMU \
         domain of its own behind the container would pin at map as well.",
    ));
    blocks.push(Block::paragraph(
        "`mem-table/N` lends N regions where nothing was lent before: by one VHOST_SET_MEM_TABLE on #2 \
         (mem-table), by a request for each elsewhere. `dma-churn/N` maps one page, has the device use it, \
         and unmaps it, next to N mappings that stay; a table must carry all of them again, twice.",
    ));
    for file in evidence.quoted() {
        if let Some(limits) = Block::table(limits(file)) {
            blocks.push(limits);
            break;
        }
    }
    blocks
}

fn mappings(file: &ResultFile) -> Table {
    let all = MapSize::ALL
        .map(Scenario::DmaMap)
        .into_iter()
        .chain(MapSize::ALL.map(Scenario::DmaUnmap))
        .chain(MapSize::ALL.map(Scenario::DmaReady))
        .chain(LIVE.map(Scenario::DmaChurn))
        .chain(REGIONS.map(Scenario::MemTable));
    Table {
        caption: format!("Mappings, median ({}).", on(file)),
        head: head("DMA"),
        rows: medians(file, all),
    }
}

/// What the first and the last `dma-churn` that an interface gets through take.
fn growth(file: &ResultFile) -> Option<Block> {
    let ends = |configuration: Configuration| {
        let mut done = LIVE
            .into_iter()
            .filter_map(|live| Some((live, file.median(Scenario::DmaChurn(live), configuration)?)));
        let first = done.next()?;
        let last = done.next_back()?;
        Some(format!(
            "{} at {} and {} at {}",
            said(file.run.clock, first.1),
            first.0,
            said(file.run.clock, last.1),
            last.0
        ))
    };
    let grown = each(|interface| ends(Configuration::plain(interface)))?;
    let table = Configuration::new(Interface::VhostMdev, Variant::MemTable);
    let table = ends(table)
        .map_or_else(String::new, |ends| format!(" By VHOST_SET_MEM_TABLE: {ends} live mappings."));
    Some(Block::paragraph(format!(
        "How the work of a vIOMMU grows with the number of live mappings: {grown}.{table}"
    )))
}

/// Where an interface could not go on.
fn limits(file: &ResultFile) -> Table {
    let rows = file
        .limits
        .iter()
        .map(|limit| {
            let configuration = Configuration::new(limit.interface, limit.variant);
            vec![limit.scenario.clone(), way(configuration), limit.mappings.to_string()]
        })
        .collect();
    let head = ["not done to the end", "by", "mappings, at most"];
    Table {
        caption: format!("Where an interface could not go on ({}).", on(file)),
        head: head.map(str::to_owned).to_vec(),
        rows,
    }
}
