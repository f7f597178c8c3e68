//! The `vhost-accel` command: look at vhost accelerators, test them, send traffic through them.
//!
//! Exit codes are those of [`EXIT_CODES`](vhost_accel_bench::terminal::EXIT_CODES); of a program
//! run by `emulate`, its own.

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

use vhost_accel_bench::command_line;

use crate::args::{Args, Command};

/// Before what is said on stderr.
const NAME: &str = "vhost-accel";

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("VHOST_ACCEL_LOG"))
        .with_writer(|| Log)
        .init();
    let args: Args = match command_line::parse(NAME) {
        Ok(args) => args,
        Err(code) => return code,
    };
    let done = match args.command {
        Command::Interfaces(args) => commands::interfaces::run(&args),
        Command::Devices(args) => commands::devices::run(&args),
        Command::Probe(args) => commands::probe::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Loopback(args) => commands::loopback::run(&args),
        Command::Bridge(args) => commands::bridge::run(&args),
        Command::Emulate(args) => commands::emulate::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Manual(args) => commands::manual::run(&args),
        Command::Hold(args) => commands::check::run_hold(&args),
    };
    done.unwrap_or_else(|error| error.fault().end(NAME, &error))
}

/// Where events go: stderr, as [`note`](vhost_accel_bench::terminal::note) writes to it.
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
