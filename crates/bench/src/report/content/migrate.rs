//! What a move of running vrings takes.

use crate::report::document::{Block, Table};
use crate::report::evidence::Evidence;
use crate::report::numbers::count;
use crate::report::tables::{by_scenario, head, medians, on};
use crate::{MIGRATED, ResultFile, Scenario};

pub(super) fn migrate(evidence: &Evidence<'_>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    if let Some(file) = evidence.counts() {
        blocks.extend(Block::table(crossings(file)));
    }
    for file in
        [evidence.real(), evidence.instructions(), evidence.emulated()].into_iter().flatten()
    {
        blocks.extend(Block::table(Table {
            caption: format!(
                "What a move takes while the vrings stand still, median ({}).",
                on(file)
            ),
            head: head("migrate"),
            rows: medians(file, MIGRATED.map(Scenario::Migrate)),
        }));
    }
    if !blocks.is_empty() {
        blocks.push(Block::paragraph(
            "A running device is suspended and asks for the base of each vring; then the vrings run behind \
             another interface, which is not counted; then they are set up from those bases on a device of \
             the first interface, which was opened and given the memory before. Frames are exchanged at \
             each place. Memory is not copied: what a VMM does with the dirty log is its own time.",
        ));
    }
    blocks
}

fn crossings(file: &ResultFile) -> Table {
    Table {
        caption: "Crossings while the vrings stand still.".to_owned(),
        head: head("migrate"),
        rows: by_scenario(MIGRATED.map(Scenario::Migrate), |scenario, configuration| {
            count(file.total(scenario, configuration))
        }),
    }
}
