//! `report`: the mail, the documents, and whether they are what results/ makes.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use vhost_accel_bench::report::{self, Evidence};
use vhost_accel_bench::{Error, ResultFile, load_all, signals};

use crate::args::Report;
use crate::error::CliError;
use crate::output;

/// Where documents go that are made from more than results/, unless said otherwise.
const OUT: &str = "target/vhost-accel";

pub(crate) fn run(args: &Report) -> Result<ExitCode, CliError> {
    if args.check {
        report::check(&args.root)?;
        output::line("the documents are what results/ makes")?;
        return Ok(ExitCode::SUCCESS);
    }
    // Nothing is left half-way.
    signals::watch(|_| false).map_err(CliError::Signal)?;
    // What others measured is not committed, and no committed document is made from it.
    let out = match (&args.out, args.merge.is_empty()) {
        (Some(out), _) => Some(out.clone()),
        (None, false) => Some(args.root.join(OUT)),
        (None, true) => None,
    };
    if !args.mail && out.is_none() {
        report::write(&args.root)?;
        return Ok(ExitCode::SUCCESS);
    }
    let files: Vec<ResultFile> = load_all(&args.root)?.into_iter().map(|(_, file)| file).collect();
    let merged =
        args.merge.iter().map(|path| ResultFile::load(path)).collect::<Result<Vec<_>, _>>()?;
    let evidence = Evidence::new(&files).with(&merged);
    if evidence.is_empty() {
        return Err(Error::NoResults(args.root.join("results")).into());
    }
    if args.mail {
        let id = args.in_reply_to.as_deref().unwrap_or(report::RFC_V2);
        let mail = report::mail(&evidence, id);
        io::stdout().write_all(mail.as_bytes()).map_err(CliError::Output)?;
    } else {
        let out: PathBuf = out.unwrap_or_default();
        report::write_evidence(&out, &evidence)?;
        output::line(out.join("design-comparison.html").display())?;
    }
    Ok(ExitCode::SUCCESS)
}
