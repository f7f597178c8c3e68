//! `report`: the documents, and whether they are what results/ makes.

use std::process::ExitCode;

use vhost_accel_bench::report::{self, Evidence};
use vhost_accel_bench::{Error, ResultFile, load_all, signals};

use crate::args::Report;
use crate::error::CliError;
use crate::output;

/// Where figures go that are made from more than results/, unless said otherwise.
const OUT: &str = "target/vhost-accel";

pub(crate) fn run(args: &Report) -> Result<ExitCode, CliError> {
    if args.check {
        report::check(&args.root)?;
        output::line("the documents are what results/ makes, and it bears every claim")?;
        return Ok(ExitCode::SUCCESS);
    }
    // Nothing is left half-way.
    signals::watch(|_| false).map_err(CliError::Signal)?;
    let out = match (&args.out, args.merge.is_empty()) {
        (Some(out), _) => out.clone(),
        // What others measured is not committed, and no committed document is made from it.
        (None, false) => args.root.join(OUT),
        (None, true) => {
            report::write(&args.root)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let files: Vec<ResultFile> = load_all(&args.root)?.into_iter().map(|(_, file)| file).collect();
    let merged =
        args.merge.iter().map(|path| ResultFile::load(path)).collect::<Result<Vec<_>, _>>()?;
    let evidence = Evidence::new(&files).with(&merged);
    if evidence.is_empty() {
        return Err(Error::NoResults(args.root.join("results")).into());
    }
    report::write_evidence(&out, &evidence)?;
    output::line(out.join("measurements.html").display())?;
    // Its sentences are about what is committed.
    if merged.is_empty() && args.root.join(report::COMPARISON).exists() {
        output::line(report::write_html(&args.root, &out)?.display())?;
    }
    Ok(ExitCode::SUCCESS)
}
