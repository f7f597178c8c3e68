//! `cargo xtask`: what of this repository's work is more than one cargo command.
//!
//! Exit codes are those of [`EXIT_CODES`](vhost_accel_bench::terminal::EXIT_CODES), and besides
//! those that the help of a task names.

#![warn(clippy::print_stderr)] // it panics where stderr can't be written

mod api;
#[cfg(test)]
mod arrows;
mod bench;
mod differential;
mod error;
mod lab;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod rules;
mod strace;
#[cfg(test)]
mod style;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use vhost_accel_bench::{command_line, signals};

use crate::error::TaskError;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Boots a real Linux with the modules of kernel/ and runs the conformance suite in it, or
    /// COMMAND
    #[command(after_help = lab::CODES)]
    Lab(lab::Options),
    /// The same with User Mode Linux, a kernel that is an ordinary process: at the CPU's own speed
    #[command(after_help = lab::CODES)]
    Uml(lab::Options),
    /// Boots a real Linux with the modules and runs the comparison in it
    Bench(bench::Options),
    /// Makes all of the committed evidence anew: the comparison on the emulated kernel, on a real
    /// one with a clock that counts instructions, and on a real one under QEMU's translator
    Evidence,
    /// Sends the same requests to the emulated and a real kernel, and fails where they answer
    /// differently
    Differential(differential::Options),
    /// Compares the public API of core, uapi and vhost-accel with the snapshots that are committed
    #[command(after_help = api::CODES)]
    Api(api::Options),
    /// Counts the crossings in a trace by strace of a program that marks what it measures
    Crossings(strace::Options),
}

/// Before what is said on stderr.
const NAME: &str = "cargo xtask";

fn main() -> ExitCode {
    let cli: Cli = match command_line::parse(NAME) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    run(cli.task).unwrap_or_else(|error| {
        let code = error.fault().end(NAME, &error);
        // As lab/run: nothing is known of the command.
        if matches!(error, TaskError::Lab(_)) { ExitCode::from(lab::FAILED) } else { code }
    })
}

fn run(task: Task) -> Result<ExitCode, TaskError> {
    signals::watch(|_| false).map_err(TaskError::Signals)?;
    Ok(match task {
        Task::Lab(options) => lab::run(&options)?,
        Task::Uml(options) => lab::run(&options.in_user_mode())?,
        Task::Bench(options) => bench::run(&options)?,
        Task::Differential(options) => differential::run(&options)?,
        Task::Api(options) => api::run(&options)?,
        Task::Evidence => bench::evidence()?,
        Task::Crossings(options) => strace::run(&options)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
