//! `emulate -- PROGRAM`: a whole program on an emulated kernel.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use vhost_accel_emulator::EmulatedKernel;

use crate::args::Emulate;
use crate::error::CliError;

pub(crate) fn run(args: &Emulate) -> Result<ExitCode, CliError> {
    // clap wants at least one; an empty list can't be run.
    let Some((program, arguments)) = args.program.split_first() else {
        return Ok(ExitCode::from(crate::USAGE));
    };
    let kernel = EmulatedKernel::builder().queue_pairs(args.pairs).devices(args.devices).build()?;
    let mut command = Command::new(program);
    command.args(arguments);
    let mut child = kernel
        .spawn(command)
        .map_err(|source| CliError::Program { program: PathBuf::from(program), source })?;
    let status = child.wait().map_err(CliError::Wait)?;
    if args.crossings {
        eprint!("{}", kernel.crossings());
    }
    // As a shell has it: a signal's number above 128.
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
