//! The `vhost-accel` command: look at vhost accelerators, test them, send traffic through them.
//!
//! Exit codes are those of [`EXIT_CODES`]; of a program run
//! by `emulate`, its own.

#![warn(clippy::print_stderr)] // it panics where stderr can't be written

mod args;
mod capture;
mod commands;
mod description;
mod error;
mod family;
mod frames;
mod output;
mod progress;
mod target;
mod unfit;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use vhost_accel_bench::terminal::{EXIT_CODES, Fault, note, one_line};

use crate::args::{Args, Command};
use crate::error::CliError;

/// Before what is said on stderr.
const NAME: &str = "vhost-accel";

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("VHOST_ACCEL_LOG"))
        .with_writer(|| Log)
        .init();
    let args = match parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let done = match args.command {
        Command::Interfaces(args) => commands::interfaces::run(&args),
        Command::Devices(args) => commands::devices::run(&args),
        Command::Probe(args) => commands::probe::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Loopback(args) => commands::loopback::run(&args),
        Command::Emulate(args) => commands::emulate::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Hold(args) => commands::check::run_hold(&args),
    };
    done.unwrap_or_else(|error| error.fault().end(NAME, &error))
}

/// The command line. Every command's help ends with the rule of exit codes.
fn parse() -> Result<Args, clap::Error> {
    let command = Args::command().after_help(EXIT_CODES);
    let command = command.mut_subcommands(|command| command.after_help(EXIT_CODES));
    Args::from_arg_matches(&command.try_get_matches()?)
}

/// Help and version go to stdout as they are; a mistake is one line that says what would be right.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let shown = error.print().and_then(|()| io::stdout().flush()).map_err(CliError::Output);
        return match shown {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => error.fault().end(NAME, &error),
        };
    }
    let text = error.render().to_string();
    let said = text.split("\n\n").filter(|part| !part.starts_with("Usage:"));
    let words: Vec<&str> = said
        .filter(|part| !part.starts_with("For more information"))
        .flat_map(str::split_whitespace)
        .collect();
    let line = words.join(" ");
    note(one_line(&format!("{NAME}: {} (see --help)", line.trim_start_matches("error: "))));
    ExitCode::from(Fault::Wrong.code())
}

/// Where events go: stderr, as [`note`] writes to it.
struct Log;

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // What can't be written is lost: tracing would say so on stderr.
        let _ = io::stderr().write_all(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
