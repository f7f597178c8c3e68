//! The command line of `cargo bench`.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use vhost_accel::Interface;
use vhost_accel_bench::{Platform, Setting};

/// The four interfaces side by side: crossings, times, ratios.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --", no_binary_name = false)]
pub(crate) struct Arguments {
    /// Only what has this in `SCENARIO/INTERFACE`: `setup/4/vfio-msg`
    #[arg(conflicts_with = "save")]
    pub(crate) filter: Option<String>,
    /// Only these scenarios, by id or its first parts: `setup/4`, `dma-churn`
    #[arg(long, value_name = "ID", conflicts_with = "save")]
    pub(crate) scenario: Vec<String>,
    /// Only these interfaces
    #[arg(long, value_name = "NAME", conflicts_with = "save")]
    pub(crate) interface: Vec<Interface>,
    /// Few short samples
    #[arg(long, conflicts_with = "save")]
    pub(crate) quick: bool,
    /// Writes the result into results/ and makes docs/ and the README anew
    #[arg(long, conflicts_with = "native")]
    pub(crate) save: bool,
    /// Goes on where the run before was stopped
    #[arg(long)]
    pub(crate) resume: bool,
    /// On this machine's own devices, two of each interface, and not on the emulated kernel
    #[arg(long)]
    pub(crate) native: bool,
    /// This machine's clock counts instructions, and it has one CPU: QEMU's icount
    #[arg(long, requires = "native")]
    pub(crate) instructions: bool,
    /// What runs this machine
    #[arg(long, value_enum, value_name = "WHAT", default_value = "host")]
    pub(crate) machine: MachineArg,
    /// Queue pairs that each of them has
    #[arg(long, value_name = "N", requires = "native", default_value = "64", hide = true)]
    pub(crate) queue_pairs: u16,
    /// What of the kernel half is otherwise than usual
    #[arg(long, value_name = "SETTING", requires = "native", value_parser = setting, hide = true)]
    pub(crate) setting: Option<Setting>,
    /// Where results go, instead of target/vhost-accel
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Where criterion's own files go, instead of `criterion` in there
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// Counts of crossings, taken by strace
    #[arg(long, value_name = "FILE", requires = "native")]
    pub(crate) crossings: Option<PathBuf>,
    /// The command that the result says repeats it
    #[arg(long, value_name = "COMMAND", hide = true)]
    pub(crate) as_command: Option<String>,
    /// The git revision, where git can't be asked
    #[arg(long, value_name = "REVISION", hide = true)]
    pub(crate) revision: Option<String>,
    /// Does every scenario once, between marks for strace
    #[arg(long, hide = true, requires = "native")]
    pub(crate) mark: bool,
    /// Prints the crossings that the emulated kernel counts, as JSON
    #[arg(long, hide = true, conflicts_with = "native")]
    pub(crate) count: bool,
    /// cargo says so
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

/// A machine by its name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MachineArg {
    /// A CPU of its own
    Host,
    /// QEMU's translator
    Tcg,
    /// KVM
    Kvm,
}

/// A setting by its name.
fn setting(name: &str) -> Result<Setting, String> {
    let found = Setting::ALL.into_iter().find(|setting| setting.name() == name);
    found.ok_or_else(|| format!("{name:?} is no setting"))
}

impl From<MachineArg> for Platform {
    fn from(machine: MachineArg) -> Self {
        match machine {
            MachineArg::Host => Self::Host,
            MachineArg::Tcg => Self::Tcg,
            MachineArg::Kvm => Self::Kvm,
        }
    }
}

impl Arguments {
    /// The command that repeats the run.
    pub(crate) fn command(&self) -> String {
        if let Some(command) = &self.as_command {
            return command.clone();
        }
        let mut words = Vec::new();
        for (wanted, word) in [
            (self.quick, "--quick"),
            (self.native, "--native"),
            (self.instructions, "--instructions"),
        ] {
            words.extend(wanted.then(|| word.to_owned()));
        }
        words.extend(self.scenario.iter().map(|id| format!("--scenario {id}")));
        words.extend(self.interface.iter().map(|name| format!("--interface {name}")));
        words.extend(self.filter.clone());
        if words.is_empty() {
            "cargo bench".to_owned()
        } else {
            format!("cargo bench -- {}", words.join(" "))
        }
    }
}
