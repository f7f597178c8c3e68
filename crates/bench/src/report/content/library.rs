//! What the library adds to bare system calls, and what a peer adds.

use std::collections::BTreeSet;

use crate::report::claims::claims;
use crate::report::document::{Block, Table};
use crate::report::evidence::Evidence;
use crate::report::numbers::{interval, work};
use crate::report::tables::{on, quotient};
use crate::{CONTROL, Client, Over, ResultFile, Scenario};

pub(super) fn library(evidence: &Evidence<'_>) -> Vec<Block> {
    let mut blocks: Vec<Block> = evidence.quoted().into_iter().flat_map(sentences).collect();
    if let Some(file) = evidence.counts() {
        blocks.extend(crossings(file));
    }
    let peers: Vec<Block> = evidence.quoted().into_iter().filter_map(peer).collect();
    if !peers.is_empty() {
        blocks.push(Block::Subheading("A peer".to_owned()));
        blocks.push(Block::paragraph(
            "The `vhost` crate of rust-vmm drives vhost-vdpa too, by eventfds alone. It did the same work on \
             the same device; above 1 it takes more than this library.",
        ));
        blocks.extend(peers);
    }
    blocks
}

/// What the library promises, and whether one run bears it out.
pub(super) fn promises(file: &ResultFile) -> Vec<Block> {
    let mut blocks = sentences(file);
    blocks.extend(crossings(file));
    blocks
}

fn sentences(file: &ResultFile) -> Vec<Block> {
    claims(file).iter().map(|claim| Block::paragraph(claim.sentence(file))).collect()
}

/// Whether a backend makes a crossing that the baseline doesn't make.
fn crossings(file: &ResultFile) -> Option<Block> {
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
    Some(Block::paragraph(if differ.is_empty() {
        "No backend makes a crossing that the baseline doesn't make: the counts of library and baseline are \
         the same, kind by kind, in every scenario that both do."
            .to_owned()
    } else {
        let differ: Vec<String> = differ.into_iter().collect();
        format!("Crossings differ from the baseline's in: {}.", differ.join(", "))
    }))
}

/// The peer over the library, scenario by scenario.
fn peer(file: &ResultFile) -> Option<Block> {
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
    let head = ["on vhost-vdpa", "vhost crate", "library", "over library"];
    Block::table(Table {
        caption: format!(
            "The `vhost` crate over the library, {} ({}).",
            quotient(file.run.clock),
            on(file)
        ),
        head: head.map(str::to_owned).to_vec(),
        rows,
    })
}
