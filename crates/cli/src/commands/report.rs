//! `report`: the mail, the documents, and whether they are what results/ makes.

use std::io::{self, Write};
use std::process::ExitCode;

use vhost_accel_bench::{load_all, report};

use crate::args::Report;
use crate::error::CliError;
use crate::output;

pub(crate) fn run(args: &Report) -> Result<ExitCode, CliError> {
    if args.check {
        report::check(&args.root)?;
        output::line("the documents are what results/ makes")?;
    } else if args.mail {
        let files: Vec<_> = load_all(&args.root)?.into_iter().map(|(_, file)| file).collect();
        if files.is_empty() {
            return Err(vhost_accel_bench::Error::NoResults(args.root.join("results")).into());
        }
        io::stdout().write_all(report::text(&files).as_bytes()).map_err(CliError::Output)?;
    } else {
        report::write(&args.root)?;
    }
    Ok(ExitCode::SUCCESS)
}
