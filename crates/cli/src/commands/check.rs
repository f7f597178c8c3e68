//! `check URI`: the conformance suite on any device.

use std::process::{Command, ExitCode};

use vhost_accel::{Uri, open_uri};
use vhost_accel_conformance::{Case, Outcome, Stop, Target, cases, hold};

use crate::args::{Check, Hold, Kernel};
use crate::error::CliError;
use crate::progress::Progress;
use crate::{output, target};

/// How many cases ended which way.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    not_applicable: usize,
}

pub(crate) fn run(args: &Check) -> Result<ExitCode, CliError> {
    let chosen: Vec<&Case> = cases()
        .iter()
        .filter(|case| args.filter.as_ref().is_none_or(|part| case.name().contains(&**part)))
        .collect();
    if chosen.is_empty() {
        return Err(CliError::NoCase(args.filter.clone().unwrap_or_default()));
    }
    if args.list {
        chosen.iter().try_for_each(|case| output::line(case.name()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut tally, mut progress) = (Tally::default(), Progress::new(chosen.len() as u64, "cases"));
    for (done, case) in chosen.into_iter().enumerate() {
        progress.at(done as u64, || case.name().to_owned());
        let kernel = Kernel {
            emulated: args.device.kernel.emulated,
            emulated_pairs: args.device.kernel.emulated_pairs.or(Some(case.pairs())),
        };
        let outcome = target::on_kernel(&kernel, || run_case(case, &args.device.uri))?;
        let name = case.name();
        match outcome {
            Outcome::Passed => {
                tally.passed += 1;
                progress.line(format_args!("{name}: passed"))?;
            }
            Outcome::NotApplicable(need) => {
                tally.not_applicable += 1;
                progress.line(format_args!("{name}: not applicable, {need}"))?;
            }
            Outcome::Failed(failure) => {
                tally.failed += 1;
                progress.line(format_args!("{name}: FAILED: {failure}"))?;
            }
        }
    }
    drop(progress);
    let Tally { passed, failed, not_applicable } = tally;
    output::line(format_args!(
        "{passed} passed, {failed} failed, {not_applicable} not applicable"
    ))?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one case. A device that can't be opened at all is the command's error, not the case's.
fn run_case(case: &Case, uri: &Uri) -> Result<Outcome, CliError> {
    drop(open_uri(uri)?);
    let open = || match open_uri(uri) {
        Ok(device) => Ok(device),
        Err(vhost_accel::OpenError::Device(error)) => Err(error),
        Err(error) => unreachable!("it was opened a moment ago: {error}"),
    };
    let client = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("hold").arg(uri.to_string());
        Ok(command)
    };
    Ok(case.run(&Target::new(&open).with_client(&client)))
}

/// `hold URI`: the client process that a case kills.
pub(crate) fn run_hold(args: &Hold) -> Result<ExitCode, CliError> {
    match hold(open_uri(&args.uri)?) {
        Err(Stop::Failed(failure)) => Err(CliError::Hold(failure.to_string().into())),
        Err(Stop::NotApplicable(need)) => Err(CliError::Hold(need.to_string().into())),
    }
}
