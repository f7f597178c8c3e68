//! Frames through the device and back.

use crate::report::document::{Block, Table};
use crate::report::evidence::Evidence;
use crate::report::numbers::{instructions, scaled};
use crate::report::tables::{by_scenario, head, on};
use crate::{BATCHES, Burst, Clock, FRAMES, ResultFile, Scenario};

pub(super) fn throughput(evidence: &Evidence<'_>) -> Vec<Block> {
    let mut blocks: Vec<Block> = evidence.quoted().into_iter().filter_map(frames).collect();
    if !blocks.is_empty() {
        blocks.push(Block::paragraph(
            "Kicks are by doorbell, so that nothing of an interface is on this path but what its call and \
             its device's wake-up take. A difference that doesn't stand in every run is noise or placement.",
        ));
    }
    blocks
}

/// Frames in a second, or what a frame takes in instructions.
fn frames(file: &ResultFile) -> Option<Block> {
    let scenarios = FRAMES
        .into_iter()
        .flat_map(|bytes| BATCHES.map(|batch| Scenario::Throughput(Burst { batch, bytes })));
    let rows = by_scenario(scenarios, |scenario, configuration| {
        let Scenario::Throughput(Burst { batch, .. }) = scenario else { return "-".to_owned() };
        let batch = f64::from(batch);
        let median = file.median(scenario, configuration).filter(|&median| median > 0.0);
        match file.run.clock {
            Clock::Wall => rate(median.map(|ns| batch * 1e9 / ns)),
            Clock::Instructions => instructions(median.map(|count| count / batch)),
        }
    });
    let what = match file.run.clock {
        Clock::Wall => "Frames in a second",
        Clock::Instructions => "Instructions of a frame, client and device and kernel together",
    };
    Block::table(Table {
        caption: format!("{what}, by frames for a kick and their bytes ({}).", on(file)),
        head: head("frames/bytes"),
        rows,
    })
}

/// So many a second, three digits.
fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| scaled(rate, ["/s", "k/s", "M/s"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_digits() {
        let rates = [12.0, 1_234.0, 999_600.0, 12_345_678.0].map(|one| rate(Some(one)));
        assert_eq!(rates, ["12.0/s", "1.23k/s", "1.00M/s", "12.3M/s"]);
    }
}
