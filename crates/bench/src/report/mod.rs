//! Reports: from results to a mail, the comparison in `docs/`, and the README's tables.
//!
//! No number in them is typed by hand. [`write()`] makes the committed ones anew, [`save`] does so
//! with one more result, and [`check`] says whether they are what the committed results make.

mod chart;
mod claims;
mod content;
mod document;
mod evidence;
mod files;
mod html;
mod markdown;
mod model;
mod numbers;
mod plain;
mod plot;
mod rank;
mod tables;
mod words;

pub use claims::{Claim, claims};
pub use content::{RFC_V2, html, mail, markdown, readme_table, table, text};
pub use evidence::Evidence;
pub use files::{Drift, check, save, write, write_evidence, write_pages};
pub use model::{Prediction, mean_absolute_error, predictions};
