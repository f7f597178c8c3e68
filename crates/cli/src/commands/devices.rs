//! `devices`: what this machine has.

use std::process::ExitCode;

use serde::Serialize;
use vhost_accel_bench::terminal::note;

use crate::args::Devices;
use crate::error::CliError;
use crate::{output, target};

#[derive(Serialize)]
struct Row {
    uri: String,
    interface: &'static str,
    thread_id: &'static str,
}

pub(crate) fn run(args: &Devices) -> Result<ExitCode, CliError> {
    let found =
        target::on_kernel(&args.kernel, || vhost_accel::devices().map_err(CliError::Devices))?;
    let rows: Vec<Row> = found
        .iter()
        .map(|uri| Row {
            uri: uri.to_string(),
            interface: uri.interface().name(),
            thread_id: uri.interface().thread_id(),
        })
        .collect();
    if args.json {
        output::json(&rows)?;
    } else if rows.is_empty() {
        note("no vhost accelerators; --emulated shows emulated ones");
    } else {
        let rows = rows.iter().map(|row| vec![row.thread_id.to_owned(), row.uri.clone()]).collect();
        output::table(&["thread", "URI"], rows)?;
    }
    Ok(ExitCode::SUCCESS)
}
