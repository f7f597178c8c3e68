//! What can go wrong, and the exit code that says so.

use std::io;
use std::path::PathBuf;

use vhost_accel::OpenError;
use vhost_accel_bench::report::Drift;
use vhost_accel_driver as driver;

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
    Emulator(#[from] vhost_accel_emulator::Error),
    #[error(transparent)]
    Driver(#[from] driver::Error),
    #[error(transparent)]
    Report(#[from] vhost_accel_bench::Error),
    /// A run that was to be compared can't be read: not one that has changed.
    #[error(transparent)]
    Compare(vhost_accel_bench::Error),
    #[error(transparent)]
    Drift(#[from] Drift),
    #[error("no case has {0:?} in its name; `check --list URI` lists them")]
    NoCase(String),
    #[error("{0}")]
    Hold(Box<str>),
    #[error("a histogram can't be that large")]
    Histogram,
    #[error("cannot run {}", program.display())]
    Program { program: PathBuf, source: vhost_accel_emulator::Error },
    #[error("{}", path.display())]
    Capture { path: PathBuf, source: pcap_file::PcapError },
    #[error("{}: frame {number} has {len} bytes; the device takes 14 to {most}", path.display())]
    FrameSize { path: PathBuf, number: u64, len: usize, most: usize },
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
    #[error("cannot wait for the program")]
    Wait(#[source] io::Error),
}

impl CliError {
    /// Whether another command line would have been right.
    pub(crate) fn is_usage(&self) -> bool {
        match self {
            Self::Open(error) => !matches!(error, OpenError::Device(_)),
            Self::Compare(_)
            | Self::NoCase(_)
            | Self::Program { .. }
            | Self::Pairs { .. }
            | Self::FrameSize { .. } => true,
            _ => false,
        }
    }
}
