//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use vhost_accel::{KickKind, Uri};

/// Vhost accelerators behind four kernel interfaces: #1/A, #1/B, #2 and vhost-vdpa.
#[derive(Debug, Parser)]
#[command(name = "vhost-accel", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The four interfaces, how each does what, and what its devices can do
    Interfaces(Interfaces),
    /// The devices of this machine, by URI
    Devices(Devices),
    /// What one device says of itself
    Probe(Probe),
    /// The conformance suite on one device (it is reset and its rings are used)
    Check(Check),
    /// Frames through the device and back, verified; their rate and latency
    Loopback(Loopback),
    /// Makes a device a vhost-user device, for QEMU or DPDK; docs/bridge.md says how
    ///
    /// Serves one front end after another, and ends by a signal. What a front end did wrong is said
    /// on stderr, and ends its session alone.
    Bridge(Bridge),
    /// Runs a program that sees the emulated devices
    ///
    /// Ends when the program and all that it has started have ended, with the program's exit code,
    /// or 128 and the number of the signal that it died of. SIGINT and SIGQUIT are the program's,
    /// as under a shell; SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 are passed on to it.
    #[command(after_help = "    N  PROGRAM ran, and ended so")]
    Emulate(Emulate),
    /// Writes the report and the documents from results/
    Report(Report),
    /// What changed from one run to another by more than noise
    ///
    /// It fails when something changed, and when the runs are not comparable.
    Compare(Compare),
    /// Writes the manual pages and the completions for shells
    ///
    /// A page for each command, and completions for bash, zsh and fish, where those are looked for
    /// below DIR. DIR is a directory such as /usr/local/share.
    Manual(Manual),
    /// Runs a device until it is killed, for `check`
    #[command(hide = true)]
    Hold(Hold),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Interfaces {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Devices {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) kernel: Kernel,
}

/// On which kernel half.
#[derive(Debug, clap::Args)]
pub(crate) struct Kernel {
    /// On an emulated kernel, made for this command
    #[arg(long)]
    pub(crate) emulated: bool,
    /// Queue pairs of the emulated device
    #[arg(long, value_name = "N", requires = "emulated",
          value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(crate) emulated_pairs: Option<u16>,
}

/// A device, and the kernel half that it is on.
#[derive(Debug, clap::Args)]
pub(crate) struct Device {
    /// INTERFACE:PATH[?OPTION=VALUE], for instance vhost-vdpa:/dev/vhost-vdpa-0
    #[arg(value_name = "URI")]
    pub(crate) uri: Uri,
    #[command(flatten)]
    pub(crate) kernel: Kernel,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Probe {
    #[command(flatten)]
    pub(crate) device: Device,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) device: Device,
    /// Only cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Lists the cases and runs none
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Loopback {
    #[command(flatten)]
    pub(crate) device: Device,
    /// Frames to send are those of this capture, pcap or pcapng
    #[arg(long, value_name = "IN")]
    pub(crate) pcap: Option<PathBuf>,
    /// Writes the frames that came back, as pcap
    #[arg(long, value_name = "OUT.pcap")]
    pub(crate) out: Option<PathBuf>,
    /// How many frames to generate
    #[arg(long, value_name = "N", default_value_t = 100_000, conflicts_with = "pcap",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) frames: u64,
    /// The size of a generated frame in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1500, conflicts_with = "pcap",
          value_parser = clap::value_parser!(u32).range(14..=9000))]
    pub(crate) size: u32,
    /// Queue pairs to spread them over
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(crate) pairs: u16,
    /// Frames in flight on each pair
    #[arg(long, value_name = "N", default_value_t = 32,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) window: u16,
    /// How to kick; the device's best way if not said
    #[arg(long, value_name = "KIND")]
    pub(crate) kick: Option<KickArg>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bridge {
    #[command(flatten)]
    pub(crate) device: Device,
    /// Where front ends connect. A socket that nobody listens at any more is replaced
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: PathBuf,
}

/// A kick kind by its name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum KickArg {
    Doorbell,
    Eventfd,
    RegionWrite,
}

impl From<KickArg> for KickKind {
    fn from(kick: KickArg) -> Self {
        match kick {
            KickArg::Doorbell => Self::Doorbell,
            KickArg::Eventfd => Self::EventFd,
            KickArg::RegionWrite => Self::RegionWrite,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Emulate {
    /// Queue pairs of each device
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(crate) pairs: u16,
    /// Devices of each kind
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) devices: u16,
    /// Prints the crossings by kind when the program has ended
    #[arg(long)]
    pub(crate) crossings: bool,
    /// The process that looks after this one, which started it for that
    #[arg(long, hide = true)]
    pub(crate) guard: Option<u32>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// Writes nothing; fails when a document disagrees with the results
    #[arg(long)]
    pub(crate) check: bool,
    /// The project's root, where results/ and docs/ are
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) root: PathBuf,
    /// Adds a result file that is not in results/, for the figures written by --out alone
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "check")]
    pub(crate) merge: Vec<PathBuf>,
    /// Writes all figures and charts, and the comparison as one HTML page, below this directory
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Compare {
    /// The run before
    #[arg(value_name = "A.json")]
    pub(crate) before: PathBuf,
    /// The run after
    #[arg(value_name = "B.json")]
    pub(crate) after: PathBuf,
    /// Medians that differ by no more than this percentage are not different
    #[arg(long, value_name = "PERCENT", default_value_t = 100.0 * vhost_accel_bench::THRESHOLD,
          value_parser = percent)]
    pub(crate) threshold: f64,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A share in hundredths.
fn percent(text: &str) -> Result<f64, Percent> {
    match text.trim_end_matches('%').trim_end().parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err(Percent),
    }
}

/// A text is no percentage.
#[derive(Debug, thiserror::Error)]
#[error("a percentage is a number that is not negative")]
struct Percent;

#[derive(Debug, clap::Args)]
pub(crate) struct Hold {
    #[arg(value_name = "URI")]
    pub(crate) uri: Uri,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Manual {
    /// The directory for data that doesn't depend on the machine
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_threshold_is_a_percentage() {
        assert_eq!(percent("2").ok(), Some(2.0));
        assert_eq!(percent("0.1 %").ok(), Some(0.1));
        for wrong in ["", "-1", "two", "inf"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
