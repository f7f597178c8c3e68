//! Sends raw requests to the devices of all four interfaces, and says what came back.
//!
//! What is sent is drawn by lot from a seed: good requests, edges and nonsense, in every state of a
//! device; nothing of it depends on what was answered before. The program knows no kernel half. It
//! is run on both, and `cargo xtask differential` compares what it said: a line that differs is a
//! difference between the halves, or listed and argued for.
//!
//! A line is `EPISODE INTERFACE REQUEST -> ANSWER | STATE`. Requests that only VFIO's own are of
//! interface `vfio`, which is both of its interfaces. The answer is a number or an errno, and the
//! bytes of the argument that changed.
//!
//! # Words
//! - **episode**: a device is opened, brought to a [`State`](state::State), asked twenty things,
//!   looked at, and closed.
//! - **lively** episode: one in which the device may run. Nothing that makes a running device stop
//!   with a fault is sent there, because when it finds that out is its own affair. In the others,
//!   the **quiet** ones, everything is sent but what starts the device.
//! - **fixed** requests: what the list of differences is about. Every run sends them, so that a row
//!   that is no longer true is found.
//!
//! Not said is what a copy that fails half way leaves behind in the caller's memory.

mod dma;
mod episode;
mod fixed;
mod memory;
mod random;
mod request;
mod state;
mod sys;
mod vfio;
mod vhost;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::episode::{LENGTH, Opening};
use crate::random::Random;
use crate::request::Pool;

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

// ABI-DIFF-1
fn run(arguments: &Arguments) -> io::Result<()> {
    memory::map()?;
    let pool = Pool::new()?;
    let mut out = BufWriter::new(io::stdout().lock());
    for line in fixed::send(&pool)? {
        writeln!(out, "0 {} -> {} | fixed", line.request, line.answer)?;
    }
    for number in 1..=arguments.requests.div_ceil(LENGTH) {
        let mut random = Random::new(arguments.seed, number);
        let opening = Opening::draw(&mut random);
        let failed = |error| io::Error::other(format!("episode {number}, {opening:?}: {error}"));
        for (line, status) in episode::run(opening, &mut random, &pool).map_err(failed)? {
            let life = if opening.lively { "lively" } else { "quiet" };
            let (request, answer, state) = (&line.request, &line.answer, opening.state);
            writeln!(out, "{number} {request} -> {answer} | {state} {life} {status}")?;
        }
    }
    out.flush()
}
