//! What can go wrong, and the exit code that says so.

use std::io;
use std::path::PathBuf;

use pcap_file::PcapError;
use vhost_accel::OpenError;
use vhost_accel_bench::report::Drift;
use vhost_accel_bench::terminal::Fault;
use vhost_accel_conformance::driver;

use crate::unfit::Unfit;

/// A command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Device(#[from] vhost_accel::Error),
    #[error("cannot list the devices of this machine")]
    Devices(#[source] io::Error),
    #[error(transparent)]
    Emulator(#[from] vhost_accel_bench::emulator::Error),
    #[error(transparent)]
    Driver(#[from] driver::Error),
    #[error(transparent)]
    Bridge(#[from] vhost_accel_bridge::Error),
    #[error(transparent)]
    Bench(#[from] vhost_accel_bench::Error),
    #[error(transparent)]
    Drift(#[from] Drift),
    #[error("no case has {0:?} in its name; `check --list URI` lists them")]
    NoCase(String),
    #[error("{0}")]
    Hold(Box<str>),
    #[error("a histogram can't be that large")]
    Histogram,
    #[error("cannot run {}", program.display())]
    Program { program: PathBuf, source: vhost_accel_bench::emulator::Error },
    #[error("{}", path.display())]
    Capture { path: PathBuf, source: PcapError },
    #[error("{}: {source}", path.display())]
    Unfit { path: PathBuf, source: Unfit },
    #[error("{} pairs are wanted and {uri} has {has}", wanted)]
    Pairs { uri: String, wanted: u16, has: u16 },
    #[error("frame {number} on pair {pair} came back changed")]
    Changed { number: u64, pair: u16 },
    #[error("{lost} of {sent} frames did not come back within {seconds} s")]
    Lost { lost: u64, sent: u64, seconds: u64 },
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    #[error("cannot look after the program")]
    Family(#[source] io::Error),
    #[error("the emulated kernel was killed by signal {0}; its program ended with it")]
    Killed(i32),
    #[error("cannot take signals")]
    Signal(#[source] io::Error),
    #[error("cannot wait for the program")]
    Wait(#[source] io::Error),
}

impl CliError {
    /// Whose fault it is.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Open(error) => Fault::of_open(error),
            Self::Emulator(source) | Self::Program { source, .. } => Fault::of_emulator(source),
            Self::Bench(error) | Self::Drift(Drift::Unknown(error)) => error.fault(),
            Self::Capture { source: PcapError::IoError(error), .. } | Self::Output(error) => {
                Fault::of_output(error)
            }
            Self::NoCase(_)
            | Self::Pairs { .. }
            | Self::Unfit { .. }
            | Self::Bridge(vhost_accel_bridge::Error::InUse(_)) => Fault::Wrong,
            Self::Device(_)
            | Self::Devices(_)
            | Self::Bridge(_)
            | Self::Driver(_)
            | Self::Drift(Drift::Changed(_) | Drift::Refuted(_))
            | Self::Hold(_)
            | Self::Histogram
            | Self::Capture { .. }
            | Self::Changed { .. }
            | Self::Lost { .. }
            | Self::Signal(_)
            | Self::Family(_)
            | Self::Killed(_)
            | Self::Wait(_) => Fault::Failed,
        }
    }
}
