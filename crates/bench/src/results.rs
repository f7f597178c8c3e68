//! What a run writes down: the schema of the files in `results/`.
//!
//! `docs/measuring.md` says what each field means to somebody who reads the file without this
//! crate.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use vhost_accel::Interface;

use crate::client::Client;
use crate::configuration::{Configuration, Variant};
use crate::scenario::Scenario;

/// The version of the schema that this crate writes, and the only one that it reads.
pub const SCHEMA: u32 = 2;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultFile {
    /// [`SCHEMA`]. `results/schema.json` says the same to a validator.
    pub schema: u32,
    /// What was run.
    pub run: Run,
    /// On what.
    pub host: Host,
    /// The device behind the interfaces.
    pub device: Device,
    /// Exact counts.
    pub crossings: Vec<Crossings>,
    /// What one iteration takes.
    pub timings: Vec<Timing>,
    /// How much longer one thing takes than another.
    pub ratios: Vec<Ratio>,
    /// Latencies of single iterations.
    pub distributions: Vec<Distribution>,
    /// What each kind of crossing costs by itself, for the cost model.
    pub costs: Vec<Cost>,
    /// Where an interface could not go on.
    pub limits: Vec<Limit>,
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
    /// What the clock counted.
    pub clock: Clock,
    /// What ran the kernel half.
    pub machine: Platform,
    /// How long the run took, in seconds of the clock of the machine that it ran on.
    pub seconds: u64,
    /// Whether it was stopped before it had measured everything.
    pub interrupted: bool,
    /// How well this run came out the same when it was made again; only where the clock counts
    /// instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// How far the same run comes out otherwise in a guest with another seed: hash keys, the
    /// order of free memory. Only where [`repeat`](Self::repeat) is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reseeded: Option<Repeat>,
}

/// What a run's clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// Time.
    Wall,
    /// Instructions of one CPU, user and kernel, client and device together.
    Instructions,
}

/// What ran the kernel half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// The host's own CPUs.
    Host,
    /// QEMU's translator: time on it is not a CPU's.
    Tcg,
    /// A virtual machine under KVM.
    Kvm,
}

/// A run and a later one of the same program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// When the earlier of the two ended: the one whose file this is in.
    pub of: String,
    /// Medians that both have.
    pub compared: usize,
    /// How many of them differ by no more than a thousandth.
    pub within_thousandth: usize,
    /// Those that differ by more.
    pub beyond: Vec<Difference>,
}

/// Two medians that differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Of what.
    #[serde(flatten)]
    pub key: Key,
    /// The median of the earlier run.
    pub before: f64,
    /// That of the later.
    pub now: f64,
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
    /// Who makes the system calls.
    #[serde(rename = "side")]
    pub client: Client,
}

impl Key {
    /// The key of `scenario` as `client` does it through `configuration`.
    pub fn new(scenario: Scenario, configuration: Configuration, client: Client) -> Self {
        Self {
            scenario: scenario.to_string(),
            interface: configuration.interface,
            variant: configuration.variant,
            client,
        }
    }

    /// The interface and its variant.
    pub fn configuration(&self) -> Configuration {
        Configuration { interface: self.interface, variant: self.variant }
    }
}

impl fmt::Display for Key {
    /// As criterion is told: `setup/4/vfio-msg`, `setup/4/vfio-msg floor`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scenario, self.function())
    }
}

impl Key {
    /// The part behind the scenario.
    pub(crate) fn function(&self) -> String {
        match self.client {
            Client::Library => self.configuration().to_string(),
            Client::Baseline => format!("{} floor", self.configuration()),
            Client::Peer => format!("{} peer", self.configuration()),
        }
    }
}

/// What was measured in samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Samples; each is the mean of several iterations.
    pub n: usize,
    /// Iterations in all samples.
    pub iterations: u64,
    /// Mean of the samples.
    pub mean: f64,
    /// Median of the samples: the figure that the reports quote.
    pub median: f64,
    /// Lower bound of the median's 95 % confidence interval, from the order of the samples alone.
    pub lower: f64,
    /// Its upper bound.
    pub upper: f64,
    /// The smallest sample.
    pub min: f64,
    /// The 99th percentile of the samples.
    pub p99: f64,
    /// Standard deviation of the samples.
    pub std_dev: f64,
}

/// What one iteration took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// What was timed.
    #[serde(flatten)]
    pub key: Key,
    /// In what.
    pub unit: Unit,
    /// How much.
    #[serde(flatten)]
    pub figures: Figures,
}

/// How much longer one thing takes than another, the two taking turns; where the clock counts
/// instructions, the quotient of two medians.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// What was timed.
    #[serde(flatten)]
    pub key: Key,
    /// Over what.
    pub over: Over,
    /// How much longer.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What a [`Ratio`] divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// The baseline of the same configuration: what the library adds.
    #[serde(rename = "floor")]
    Baseline,
    /// The library on vhost-vdpa, used plainly: how the interface compares with the control.
    Control,
    /// The library on the same configuration: what a peer takes more.
    Library,
    /// The baseline's request that carries nothing: what an argument costs.
    Bare,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline => "floor",
            Self::Control => "control",
            Self::Library => "library",
            Self::Bare => "bare",
        })
    }
}

/// How single iterations were spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// What was timed.
    #[serde(flatten)]
    pub key: Key,
    /// In what.
    pub unit: Unit,
    /// Iterations.
    pub n: u64,
    /// The quickest.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The 99.9th.
    #[serde(rename = "p99.9")]
    pub p99_9: u64,
    /// The slowest.
    pub max: u64,
    /// Percentiles and what they are, rising: enough to draw the whole.
    pub curve: Vec<(f64, u64)>,
}

/// What a kind of crossing costs, measured call by call in the baseline's `setup/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The interface's name.
    #[serde(with = "interface_name")]
    pub interface: Interface,
    /// Which of the interface's ways.
    pub variant: Variant,
    /// The kind, as in [`Crossings::kinds`]; `userspace` is what is not in a system call, for each
    /// crossing of the library.
    pub kind: String,
    /// In what.
    pub unit: Unit,
    /// Calls that were measured.
    pub n: usize,
    /// Their mean, without the slowest and the quickest tenth; of `userspace`, which is what a
    /// setup takes beyond them, less than nothing where they were quicker in it than one by one.
    pub cost: f64,
}

/// A piece of work that an interface does not do to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// The scenario's id.
    pub scenario: String,
    /// The interface's name.
    #[serde(with = "interface_name")]
    pub interface: Interface,
    /// Which of the interface's ways.
    pub variant: Variant,
    /// The most mappings that the device allows at a time.
    pub mappings: u64,
}

/// The unit of a [`Timing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Instructions.
    #[serde(rename = "instructions")]
    Instructions,
}

/// How many system calls one iteration makes: on the emulated kernel counted by it, on a native one
/// by strace.
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
    /// The timing of `scenario` as `client` did it through `configuration`.
    pub fn timing(
        &self,
        scenario: Scenario,
        configuration: Configuration,
        client: Client,
    ) -> Option<&Timing> {
        let key = Key::new(scenario, configuration, client);
        self.timings.iter().find(|timing| timing.key == key)
    }

    /// How much longer `client` takes for `scenario` through `configuration` than what is said.
    pub fn ratio(
        &self,
        scenario: Scenario,
        configuration: Configuration,
        client: Client,
        over: Over,
    ) -> Option<&Ratio> {
        let key = Key::new(scenario, configuration, client);
        self.ratios.iter().find(|ratio| ratio.key == key && ratio.over == over)
    }

    /// How `scenario` was spread as `client` did it through `configuration`.
    pub fn distribution(
        &self,
        scenario: Scenario,
        configuration: Configuration,
        client: Client,
    ) -> Option<&Distribution> {
        let key = Key::new(scenario, configuration, client);
        self.distributions.iter().find(|distribution| distribution.key == key)
    }

    /// Where `configuration` had to stop in `scenario`.
    pub fn limit(&self, scenario: Scenario, configuration: Configuration) -> Option<&Limit> {
        let scenario = scenario.to_string();
        self.limits.iter().find(|limit| {
            limit.scenario == scenario
                && (limit.interface, limit.variant)
                    == (configuration.interface, configuration.variant)
        })
    }

    /// The crossings of `scenario` as `client` did it through `configuration`.
    pub fn crossings(
        &self,
        scenario: Scenario,
        configuration: Configuration,
        client: Client,
    ) -> Option<&Crossings> {
        let key = Key::new(scenario, configuration, client);
        self.crossings.iter().find(|counted| counted.key == key)
    }
}

mod interface_name {
    use std::sync::{Mutex, PoisonError};

    use serde::{Deserialize, Deserializer, Serializer};
    use vhost_accel::{Capabilities, Interface, InterfaceFacts, UnknownInterface};

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
        Ok(name.parse().unwrap_or_else(|UnknownInterface| external(name)))
    }

    /// One from outside, of which a file says no more than the name. What is known of it is kept
    /// for as long as the program runs.
    fn external(name: String) -> Interface {
        static KNOWN: Mutex<Vec<&'static InterfaceFacts>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = known.iter().find(|facts| facts.name == name) {
            return Interface::Other(facts);
        }
        let name = String::leak(name);
        let facts = InterfaceFacts::new(name, name, Capabilities::empty());
        known.push(Box::leak(Box::new(facts)));
        Interface::Other(known[known.len() - 1])
    }
}
