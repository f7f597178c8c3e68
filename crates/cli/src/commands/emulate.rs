//! `emulate -- PROGRAM`: a whole program on an emulated kernel.
//!
//! There are two processes of ours. One is the emulated kernel and the program's parent. The other
//! started it and looks after it: a kernel that is killed can't say so to its program, which would
//! go on with ENOSYS from every call. If one of the two dies, the other ends the program.

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

use vhost_accel_bench::emulator::{EmulatedKernel, remove_leftovers};
use vhost_accel_bench::terminal::{Fault, note};

use crate::args::Emulate;
use crate::error::CliError;
use crate::family::{Family, Rest};

pub(crate) fn run(args: &Emulate) -> Result<ExitCode, CliError> {
    let family = Family::new(args.guard).map_err(CliError::Family)?;
    match args.guard {
        None => guard(family),
        Some(_) => emulate(family, args),
    }
}

/// Runs this command again as the one that is looked after.
fn guard(family: Family) -> Result<ExitCode, CliError> {
    let mut words = env::args_os();
    let mut command = Command::new(env::current_exe().map_err(CliError::Family)?);
    // `emulate` is the first word behind the program's: there are no options before it.
    command.args(words.by_ref().skip(1).take(1));
    command.arg("--guard").arg(std::process::id().to_string()).args(words);
    let kernel = command.spawn().map_err(CliError::Family)?;
    let status = family.wait(kernel.id(), Rest::Ends).map_err(CliError::Wait)?;
    remove_leftovers();
    match status.code().and_then(|code| u8::try_from(code).ok()) {
        Some(code) => Ok(ExitCode::from(code)),
        None => Err(CliError::Killed(status.signal().unwrap_or_default())),
    }
}

/// Is the emulated kernel.
fn emulate(family: Family, args: &Emulate) -> Result<ExitCode, CliError> {
    // clap wants at least one; an empty list can't be run.
    let Some((program, arguments)) = args.program.split_first() else {
        return Ok(ExitCode::from(Fault::Wrong.code()));
    };
    let kernel = EmulatedKernel::builder().queue_pairs(args.pairs).devices(args.devices).build()?;
    let mut command = Command::new(program);
    command.args(arguments);
    let child = kernel
        .spawn(command)
        .map_err(|source| CliError::Program { program: PathBuf::from(program), source })?;
    let status = family.wait(child.id(), Rest::GoesOn).map_err(CliError::Wait)?;
    if args.crossings {
        note(kernel.crossings().to_string().trim_end());
    }
    Ok(ExitCode::from(code(status)))
}

/// As a shell has it: a signal's number above 128.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
