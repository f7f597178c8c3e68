//! Sends raw requests to a device, and says what came back.
//!
//! What is sent is drawn by lot from a seed: good requests, edges and nonsense, in every state of a device.
//! The program knows no kernel half. It is run on both, and `cargo xtask differential` compares what it
//! said: a line that differs is a difference between the halves, or listed and argued for.
//!
//! A line is `EPISODE INTERFACE REQUEST ARGUMENT -> ANSWER BYTES STATE`. An episode begins with an open and
//! ends with the close. Memory, descriptors and addresses are the same on every kernel.

mod device;
mod lot;
mod requests;
mod sys;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::device::{Device, Kind};
use crate::lot::Lot;

/// Requests of an episode.
const LENGTH: u64 = 24;

#[derive(Debug, Parser)]
struct Arguments {
    /// Requests to send
    #[arg(long, value_name = "N", default_value_t = 4_000)]
    requests: u64,
    /// What is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "differential: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    sys::map_all()?;
    let mut out = BufWriter::new(io::stdout().lock());
    for episode in 0..arguments.requests.div_ceil(LENGTH) {
        // Each begins anew: what one kernel did otherwise is gone with the device.
        let mut lot = Lot::new(arguments.seed.wrapping_mul(1 << 32).wrapping_add(episode));
        let kind = lot.one(&Kind::ALL);
        let mut device = Device::open(kind)?;
        requests::prepare(&mut device, &mut lot)?;
        for _ in 0..LENGTH {
            let said = requests::one(&mut device, &mut lot);
            writeln!(out, "{episode} {} {said} {}", kind.name(), device.state())?;
        }
    }
    out.flush()
}
