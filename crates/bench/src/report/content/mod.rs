//! What the reports say, section by section.

mod answer;
mod appendix;
mod arguments;
mod dma;
mod kicks;
mod library;
mod method;
mod migrate;
mod model;
mod readme;
mod setup;
mod throughput;
mod verdict;

use std::collections::BTreeMap;

use super::chart::{self, Chart};
use super::document::{Block, section};
use super::evidence::Evidence;
use super::{html as page, markdown as md, plain, plot, tables};
use crate::{Result, ResultFile};

pub use readme::readme_table;

/// The Message-ID of the mail to answer: the posting of RFC v2.
pub const RFC_V2: &str = "<20190703091339.1847-1-tiwei.bie@intel.com>";
const SUBJECT: &str = "Re: [RFC v2] vhost: introduce mdev based hardware vhost backend";
/// What is answered, as it was asked.
const QUESTION: &str = "\
On Tue, Jul 09, 2019, Tiwei Bie wrote:
> I'm not sure which one is the best choice we all want..
> Which one (#1/A, #1/B, or #2) would you prefer?
";
const TITLE: &str = "One device, four interfaces";

/// A mail ready for `git send-email`: plain text of at most 72 columns. It answers the mail with
/// the Message-ID `in_reply_to`, with its angle brackets or without. Empty without results.
pub fn mail(evidence: &Evidence<'_>, in_reply_to: &str) -> String {
    if evidence.is_empty() {
        return String::new();
    }
    let id = in_reply_to.trim().trim_start_matches('<').trim_end_matches('>');
    let body = plain::text(&blocks(evidence, &chart::all(evidence), true));
    format!("Subject: {SUBJECT}\nIn-Reply-To: <{id}>\nReferences: <{id}>\n\n{QUESTION}\n{body}")
}

/// The mail about `files`.
pub fn text(files: &[ResultFile]) -> String {
    mail(&Evidence::new(files), RFC_V2)
}

/// `docs/design-comparison.md`. Empty without results.
pub fn markdown(evidence: &Evidence<'_>) -> String {
    if evidence.is_empty() {
        return String::new();
    }
    let body = md::markdown(&blocks(evidence, &chart::all(evidence), false));
    format!(
        "# {TITLE}\n\n<!-- Written by `vhost-accel report` from results/; do not edit. -->\n\n{body}"
    )
}

/// `docs/design-comparison.html`: one page that needs nothing else. Empty without results.
///
/// # Errors
/// [`Error::Plot`](crate::Error::Plot).
pub fn html(evidence: &Evidence<'_>) -> Result<String> {
    if evidence.is_empty() {
        return Ok(String::new());
    }
    let charts = chart::all(evidence);
    let plots = charts
        .iter()
        .map(|chart| Ok((chart.file, plot::draw(chart)?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    Ok(page::page(TITLE, &blocks(evidence, &charts, false), &plots))
}

/// The comparison table of one run, as a terminal shows it.
pub fn table(file: &ResultFile) -> String {
    let mut blocks = Vec::new();
    let all = [tables::crossings, tables::times, tables::over_baseline, tables::externals];
    blocks.extend(all.into_iter().filter_map(|table| Block::table(table(file))));
    blocks.extend(section("What the library promises", library::promises(file)));
    plain::text(&blocks)
}

/// The answer first, the tables last. A mail has its plots elsewhere.
fn blocks(evidence: &Evidence<'_>, charts: &[Chart], mail: bool) -> Vec<Block> {
    let mut blocks = answer::answer(evidence, mail);
    blocks.extend(section("Verdict by use", verdict::verdicts(evidence)));
    if mail {
        blocks.extend(section("The thread's arguments", arguments::arguments(evidence)));
        blocks.extend(section("Method and limits", method::method(evidence)));
    }
    blocks.extend(section("Setup", setup::setup(evidence, charts)));
    blocks.extend(section("Migration", migrate::migrate(evidence)));
    blocks.extend(section("Kicks and calls", kicks::kicks(evidence, charts)));
    blocks.extend(section("DMA", dma::dma(evidence, charts)));
    blocks.extend(section("Throughput", throughput::throughput(evidence)));
    blocks.extend(section("The cost of a crossing, as a model", model::model(evidence)));
    blocks.extend(section("What the library adds", library::library(evidence)));
    blocks.extend(section("Against vhost-vdpa", appendix::control(evidence)));
    if !mail {
        blocks.extend(section("The thread's arguments", arguments::arguments(evidence)));
        blocks.extend(section("Method and limits", method::method(evidence)));
    }
    blocks.extend(section("Machines", appendix::machines(evidence)));
    let all = if mail { appendix::short(evidence) } else { appendix::tables(evidence) };
    blocks.extend(section("All counts and times", all));
    blocks
}
