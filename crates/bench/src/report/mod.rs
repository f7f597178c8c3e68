//! Reports: from results to the comparison in `docs/`, the posting and the README's table.
//!
//! Their sentences are written by people, in `docs/templates/`; what stands here fills in figures,
//! tables and charts, and holds each claim against the figures. [`write()`] makes the committed
//! documents anew, [`save`] does so with one more result, and [`check`] says whether they are what
//! the committed results make, and whether the results bear every claim.

mod chart;
mod evidence;
mod files;
mod html;
mod markdown;
mod numbers;
mod plain;
mod promises;
mod table;
mod tables;
mod template;

use std::fmt::Write as _;

pub use evidence::Evidence;
pub use files::{COMPARISON, Drift, check, save, write, write_evidence, write_html, write_pages};
pub use promises::{Promise, promises};

use crate::{Mode, ResultFile, Scenario};

/// The comparison table of one run, as a terminal shows it.
pub fn table(file: &ResultFile) -> String {
    let all = [
        tables::crossings(file, Scenario::all()),
        tables::times(file, Scenario::all()),
        tables::over_baseline(file),
        tables::externals(file),
    ];
    let mut out = String::new();
    for table in all {
        if !table.rows.is_empty() {
            out.push_str(&plain::text(&table));
            out.push('\n');
        }
    }
    match file.run.mode {
        // Its samples are too few for a promise to hold or to be broken.
        Mode::Quick => out.push_str("A quick run: it shows the order of magnitude, and no more.\n"),
        Mode::Full => {
            for promise in promises(file) {
                out.push_str(&plain::wrapped(&promise.sentence(file)));
            }
            if let Some(said) = tables::same_crossings(file) {
                let _ = writeln!(out, "{}", plain::wrapped(&said).trim_end());
            }
        }
    }
    out
}
