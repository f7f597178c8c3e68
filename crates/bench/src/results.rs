//! What a run writes down: the schema of the files in `results/`.
//!
//! `docs/measuring.md` says what each field means to somebody who reads the file without this crate.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use vhost_accel_core::Interface;

use crate::scenario::Scenario;
use crate::subject::{Subject, Variant};

/// The version of the schema that this crate writes, and the only one that it reads.
pub const SCHEMA: u32 = 1;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultFile {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was run.
    pub run: Run,
    /// On what.
    pub host: Host,
    /// The device behind the interfaces.
    pub device: Device,
    /// Exact counts.
    pub crossings: Vec<Crossings>,
    /// Nanoseconds.
    pub timings: Vec<Timing>,
    /// How much longer one thing takes than another, in turns: the library than its floor, and, with
    /// the side of the floor, a request than one that carries nothing.
    pub ratios: Vec<Timing>,
}

/// What was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// When it ended, UTC, `2026-01-31T23:59:59Z`.
    pub date: String,
    /// The command that repeats it.
    pub command: String,
    /// The git revision; `None` outside a repository. With `-dirty` when the tree differed from it.
    pub revision: Option<String>,
    /// Whose code was on the other side of the system call.
    pub kernel_half: KernelHalf,
    /// How long it took its time.
    pub mode: Mode,
}

/// The code on the other side of the system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelHalf {
    /// The emulated kernel: counts are exact, nanoseconds relative only.
    Emulated,
    /// Kernel modules.
    Native,
}

impl fmt::Display for KernelHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Emulated => "emulated",
            Self::Native => "native",
        })
    }
}

/// How thorough a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Few short samples: shows that everything works, and the order of magnitude.
    Quick,
    /// The one to quote.
    Full,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quick => "quick",
            Self::Full => "full",
        })
    }
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub architecture: String,
    /// The CPU's model name.
    pub cpu: String,
    /// Its clock when the run ended, from /proc/cpuinfo; null where that doesn't say.
    pub cpu_mhz: Option<u32>,
    /// How many CPUs this process could run on.
    pub cores: usize,
    /// `/sys/devices/system/clocksource/clocksource0/current_clocksource`.
    pub clock_source: String,
    /// `/sys/devices/system/cpu/vulnerabilities`, without what the CPU is not affected by.
    pub mitigations: BTreeMap<String, String>,
}

/// The device behind the interfaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Queue pairs that it has.
    pub queue_pairs: u16,
    /// Entries of each vring that was set up.
    pub queue_size: u16,
}

/// Whose code made the system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The library: a backend behind `dyn VhostAccel`.
    Library,
    /// The same system calls made bare with libc.
    Floor,
}

impl Side {
    /// Both, in the order in which they are measured.
    pub const ALL: [Self; 2] = [Self::Library, Self::Floor];
}

/// What a figure belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The scenario's id.
    pub scenario: String,
    /// The interface's name.
    #[serde(with = "interface_name")]
    pub interface: Interface,
    /// Which of the interface's ways.
    pub variant: Variant,
    /// Library or floor.
    pub side: Side,
}

impl Key {
    /// The key of `scenario` as `side` does it through `subject`.
    pub fn new(scenario: Scenario, subject: Subject, side: Side) -> Self {
        Self {
            scenario: scenario.to_string(),
            interface: subject.interface,
            variant: subject.variant,
            side,
        }
    }

    /// The interface and its variant.
    pub fn subject(&self) -> Subject {
        Subject { interface: self.interface, variant: self.variant }
    }
}

impl fmt::Display for Key {
    /// As criterion is told: `setup/4/vfio-msg`, `setup/4/vfio-msg floor`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scenario, self.function())
    }
}

impl Key {
    /// The same for a ratio: `vfio-msg over floor`, `vfio-msg floor over none`.
    pub(crate) fn ratio_function(&self) -> String {
        match self.side {
            Side::Library => format!("{} over floor", self.function()),
            Side::Floor => format!("{} over none", self.function()),
        }
    }

    /// The part behind the scenario.
    pub(crate) fn function(&self) -> String {
        match self.side {
            Side::Library => self.subject().to_string(),
            Side::Floor => format!("{} floor", self.subject()),
        }
    }
}

/// How long one iteration took, or how much longer than another did: in the unit that it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// What was timed.
    #[serde(flatten)]
    pub key: Key,
    /// `ns`, or `1` for a ratio.
    pub unit: Unit,
    /// Samples; each is the mean of several iterations.
    pub n: usize,
    /// Iterations in all samples.
    pub iterations: u64,
    /// Mean of the samples.
    pub mean: f64,
    /// Median of the samples: the figure that the reports quote.
    pub median: f64,
    /// Lower bound of the median's 95 % confidence interval.
    pub lower: f64,
    /// Upper bound of the median's 95 % confidence interval.
    pub upper: f64,
    /// The smallest sample.
    pub min: f64,
    /// The 99th percentile of single iterations; only where a sample is one iteration and there are at
    /// least 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// Standard deviation of the samples.
    pub std_dev: f64,
}

/// The unit of a [`Timing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// None: a ratio.
    #[serde(rename = "1")]
    One,
}

/// How many system calls one iteration makes, counted by the kernel half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossings {
    /// What was counted.
    #[serde(flatten)]
    pub key: Key,
    /// All of them.
    pub total: u64,
    /// By kind, named as strace names them: `ioctl(VHOST_SET_VRING_NUM)`, `openat`, `mmap`.
    pub kinds: BTreeMap<String, u64>,
}

impl ResultFile {
    /// The timing of `scenario` as `side` did it through `subject`.
    pub fn timing(&self, scenario: Scenario, subject: Subject, side: Side) -> Option<&Timing> {
        let key = Key::new(scenario, subject, side);
        self.timings.iter().find(|timing| timing.key == key)
    }

    /// The ratio of `scenario` as `side` did it through `subject`: see [`ratios`](Self::ratios).
    pub fn ratio(&self, scenario: Scenario, subject: Subject, side: Side) -> Option<&Timing> {
        let key = Key::new(scenario, subject, side);
        self.ratios.iter().find(|ratio| ratio.key == key)
    }

    /// The crossings of `scenario` as `side` did it through `subject`.
    pub fn crossings(
        &self,
        scenario: Scenario,
        subject: Subject,
        side: Side,
    ) -> Option<&Crossings> {
        let key = Key::new(scenario, subject, side);
        self.crossings.iter().find(|counted| counted.key == key)
    }
}

mod interface_name {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use vhost_accel_core::Interface;

    pub(super) fn serialize<S: Serializer>(
        interface: &Interface,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(interface.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Interface, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}
