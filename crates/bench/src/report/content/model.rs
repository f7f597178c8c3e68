//! The cost model: how far crossings explain what work takes.

use crate::report::document::{Block, Table};
use crate::report::evidence::{Evidence, Kind};
use crate::report::model::{
    Prediction, known_cause, mean_absolute_error, predictions, predictions_by,
};
use crate::report::numbers::{percent, work};
use crate::report::words::way;
use crate::{ResultFile, Scenario};

pub(super) fn model(evidence: &Evidence<'_>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for file in
        [evidence.real(), evidence.instructions(), evidence.emulated()].into_iter().flatten()
    {
        blocks.extend(of(evidence, file));
    }
    if blocks.is_empty() {
        return blocks;
    }
    blocks.insert(
        0,
        Block::paragraph(
            "How much of what work takes is in its crossings? Each kind of crossing has a price, measured \
             call by call in the baseline's `setup/1` of the same interface and variant, and the library's own \
             work between two crossings has one. Work is then predicted as the sum of its counts times \
             their prices. Setups of one pair are what the prices were taken from: a fit. Everything else \
             is a prediction. Work with a kind of crossing that `setup/1` doesn't have is not predicted.",
        ),
    );
    blocks
}

/// What the model says of `file`, by its own counts or, where it has none, by those of another run.
fn predicted(evidence: &Evidence<'_>, file: &ResultFile) -> Vec<Prediction> {
    match evidence.counts() {
        Some(counts) if file.crossings.is_empty() => predictions_by(file, counts),
        _ => predictions(file),
    }
}

fn of(evidence: &Evidence<'_>, file: &ResultFile) -> Vec<Block> {
    let all = predicted(evidence, file);
    let Some(mean) = mean_absolute_error(&all) else { return Vec::new() };
    let predictions: Vec<&Prediction> = all.iter().filter(|one| !one.fitted).collect();
    let off: Vec<&Prediction> = predictions.iter().copied().filter(|one| one.is_off()).collect();
    let kind = Kind::of(file).name();
    let mut families: Vec<(&str, Vec<Prediction>)> = Vec::new();
    for one in &predictions {
        let name = family(one.scenario);
        match families.iter_mut().find(|(other, _)| *other == name) {
            Some((_, list)) => list.push(**one),
            None => families.push((name, vec![**one])),
        }
    }
    let rows = families
        .iter()
        .map(|(name, list)| {
            let off = list.iter().filter(|one| one.is_off()).count();
            let mean = mean_absolute_error(list).map_or_else(|| "-".to_owned(), percent);
            vec![(*name).to_owned(), list.len().to_string(), mean, off.to_string()]
        })
        .collect();
    let head = ["predicted", "rows", "mean error", "off by over 10%"];
    let mut blocks = vec![
        Block::paragraph(format!(
            "The mean absolute error is {} over {} predictions; {} of them are off by more than 10% ({kind}).",
            percent(mean),
            predictions.len(),
            off.len()
        )),
        Block::Table(Table {
            caption: format!("The model's errors by kind of work ({kind})."),
            head: head.map(str::to_owned).to_vec(),
            rows,
        }),
    ];
    if !off.is_empty() {
        blocks.push(Block::Table(rows_of(
            format!("Predictions that are off by more than 10% ({kind})."),
            file,
            off.iter().copied(),
        )));
        let mut causes: Vec<String> = Vec::new();
        for cause in off.iter().filter_map(|one| known_cause(one.scenario)) {
            if !causes.iter().any(|other| other == &format!("{cause}.")) {
                causes.push(format!("{cause}."));
            }
        }
        blocks.push(Block::paragraph("What the model is known not to hold:"));
        blocks.push(Block::List(causes));
    }
    blocks
}

/// Every row of the model, for the appendix.
pub(super) fn all(evidence: &Evidence<'_>, file: &ResultFile) -> Option<Block> {
    let all = predicted(evidence, file);
    Block::table(rows_of(
        format!("The model's every row; * is the fit ({}).", Kind::of(file).name()),
        file,
        all.iter(),
    ))
}

fn rows_of<'a>(
    caption: String,
    file: &ResultFile,
    rows: impl Iterator<Item = &'a Prediction>,
) -> Table {
    let clock = file.run.clock;
    let rows = rows
        .map(|one| {
            let fit = if one.fitted { " *" } else { "" };
            vec![
                format!("{} {}{fit}", one.scenario, way(one.configuration)),
                work(clock, Some(one.predicted)),
                work(clock, Some(one.measured)),
                one.shown_error(),
            ]
        })
        .collect();
    let head = ["work", "predicted", "measured", "error"];
    Table { caption, head: head.map(str::to_owned).to_vec(), rows }
}

fn family(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Crossing(_) => "crossing",
        Scenario::Setup(_) => "setup",
        Scenario::SetupBatched(_) => "setup-batched",
        Scenario::SetupEventFd(_) => "setup-eventfd",
        Scenario::SetupStep(_) => "setup-step",
        Scenario::DmaMap(_) => "dma-map",
        Scenario::MemTable(_) => "mem-table",
        _ => "other",
    }
}
