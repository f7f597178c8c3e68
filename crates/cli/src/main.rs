//! The `vhost-accel` command: look at vhost accelerators, test them, send traffic through them.
//!
//! Exit codes: 0 done; 1 a device or a test failed, or `compare` found changes; 2 the command line was
//! wrong, or `compare` can't read its files. Of a program run by `emulate`, its own.

mod args;
mod commands;
mod description;
mod error;
mod family;
mod frames;
mod output;
mod progress;
mod target;

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Args, Command};

/// The exit code for a command line that can't be carried out.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("VHOST_ACCEL_LOG"))
        .with_writer(std::io::stderr)
        .init();
    let args = match Args::try_parse() {
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
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vhost-accel: {}", one_line(&error));
            if error.is_usage() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// Help and version go to stdout as they are; a mistake is one line that says what would be right.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    ) {
        let shown = error.print();
        let asked = error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        return if shown.is_ok() && asked { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
    }
    let text = error.render().to_string();
    let said = text.split("\n\n").filter(|part| !part.starts_with("Usage:"));
    let words: Vec<&str> = said
        .filter(|part| !part.starts_with("For more information"))
        .flat_map(str::split_whitespace)
        .collect();
    let line = words.join(" ");
    eprintln!("vhost-accel: {} (see --help)", line.trim_start_matches("error: "));
    ExitCode::from(USAGE)
}

/// An error and its sources, each said once.
fn one_line(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            // Writing to a String doesn't fail.
            let _ = write!(line, ": {text}");
        }
        source = cause.source();
    }
    line
}
