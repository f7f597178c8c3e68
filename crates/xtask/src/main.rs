//! `cargo xtask`: what of this repository's work is more than one cargo command.

mod api;
mod bench;
mod differential;
mod lab;
#[cfg(test)]
mod pages;
mod strace;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};
use vhost_accel_bench::terminal::note;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Boots a real Linux with the modules of kernel/ and runs the conformance suite in it, or COMMAND
    Lab(lab::Options),
    /// The same with User Mode Linux, a kernel that is an ordinary process: at the CPU's own speed
    Uml(lab::Options),
    /// Boots a real Linux with the modules and runs the comparison in it
    Bench(bench::Options),
    /// Makes all of the committed evidence anew: the comparison on the emulated kernel, on a real one with
    /// a clock that counts instructions, and on a real one under QEMU's translator
    Evidence,
    /// Sends the same requests to the emulated and a real kernel, and fails where they answer differently
    Differential(differential::Options),
    /// Compares the public API of core, uapi and vhost-accel with the snapshots that are committed
    Api(api::Options),
    /// Counts the crossings in a trace by strace of a program that marks what it measures
    Crossings(strace::Options),
}

fn main() -> ExitCode {
    let Cli { task } = Cli::parse();
    let done: Result<ExitCode, Box<dyn Error>> = match task {
        Task::Lab(options) => lab::run(&options).map_err(Into::into),
        Task::Uml(options) => lab::run(&options.in_user_mode()).map_err(Into::into),
        Task::Bench(options) => bench::run(&options).map_err(Into::into),
        Task::Differential(options) => differential::run(&options).map_err(Into::into),
        Task::Api(options) => api::run(&options).map_err(Into::into),
        Task::Evidence => bench::evidence().map_err(Into::into),
        Task::Crossings(options) => {
            strace::run(&options).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
    };
    done.unwrap_or_else(|error| {
        note(format_args!("cargo xtask: {error}"));
        // As lab/run: nothing is known of the command.
        ExitCode::from(lab::FAILED)
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
