//! What goes to stdout: tables and JSON.

use std::io::{self, Write};

use serde::Serialize;
use vhost_accel_bench::terminal;

use crate::error::CliError;

/// Writes a table with its columns aligned.
pub(crate) fn table(head: &[&str], rows: Vec<Vec<String>>) -> Result<(), CliError> {
    let mut widths: Vec<usize> = head.iter().map(|name| name.len()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = io::stdout().lock();
    let head = head.iter().map(|&name| name.to_owned()).collect();
    for row in std::iter::once(head).chain(rows) {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(&row) {
            line.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", line.trim_end()).map_err(CliError::Output)?;
    }
    Ok(())
}

/// Writes one line.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), CliError> {
    terminal::print(text).map_err(CliError::Output)
}

/// Writes a value as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)
        .map_err(io::Error::from)
        .map_err(CliError::Output)?;
    writeln!(out).map_err(CliError::Output)
}
