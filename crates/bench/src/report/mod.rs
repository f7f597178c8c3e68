//! Reports: from results to a mail, the comparison in `docs/`, and the README's table.
//!
//! No number in them is typed by hand. [`write()`] makes the committed ones anew, and [`check`] says
//! whether they are what the committed results make.

mod claims;
mod content;
mod document;
mod files;
mod numbers;
mod plot;
mod tables;

pub use claims::{Claim, claims};
pub use content::{markdown, readme_table, table, text};
pub use files::{Drift, check, write, write_pages};
