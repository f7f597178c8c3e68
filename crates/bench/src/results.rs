//! What a run writes down: the files in `results/`.
//!
//! `results/schema.json` says the same to somebody who reads a file without this crate. It is made
//! of these types, and their comments are its descriptions.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use vhost_accel::Interface;

use crate::client::Client;
use crate::configuration::{Configuration, Variant};
use crate::scenario::Scenario;

/// The version of the schema that this crate writes, and the only one that it reads.
pub const SCHEMA: u32 = 3;

const DATE: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$";
const SCENARIO: &str = "^[a-z0-9-]+(/[A-Za-z0-9-]+)*$";

/// A result of vhost-accel's benchmark: one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultFile {
    /// The version of the schema. A reader refuses any other.
    #[schemars(extend("const" = SCHEMA))]
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
    /// What each kind of crossing costs by itself.
    pub costs: Vec<Cost>,
    /// Where an interface could not go on.
    pub limits: Vec<Limit>,
}

/// What was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// When it ended, UTC, `2026-01-31T23:59:59Z`.
    #[schemars(regex(pattern = DATE))]
    pub date: String,
    /// The command that repeats it.
    pub command: String,
    /// The git revision, with `-dirty` when the tree differed from it; null outside a repository.
    pub revision: Option<String>,
    /// Whose code was on the other side of the system call.
    pub kernel_half: KernelHalf,
    /// How long it took its time.
    pub mode: Mode,
    /// What the clock counted.
    pub clock: Clock,
    /// What ran the kernel half.
    pub machine: Platform,
    /// What of the kernel half was otherwise than usual.
    pub setting: Setting,
    /// The command line of a native kernel; null for the emulated one.
    pub kernel_command_line: Option<String>,
    /// What it was built and run with, and the version of each: rustc, libc, QEMU.
    pub software: BTreeMap<String, String>,
    /// How long the run took, in seconds of the clock of the machine that it ran on.
    pub seconds: u64,
    /// Whether it was stopped before it had measured everything.
    pub interrupted: bool,
    /// How well this run came out the same when it was made again; only where the clock counts
    /// instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// What the same run gives in guests with other random seeds: addresses, hash keys, the order
    /// of free memory. Only where the clock counts instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<Seeds>,
}

/// What of the kernel half is otherwise than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// Nothing.
    Usual,
    /// vhost-vdpa's ABI is that of our module, on the core that #2 runs on, in place of mainline's.
    OwnControl,
    /// vhost-vdpa is mainline's with `patches/`.
    PatchedControl,
    /// The kernel does not clear memory that it allocates (`init_on_alloc=0`).
    NoInitOnAlloc,
    /// #1's devices are behind an IOMMU, and not mediated: memory is pinned when it is mapped.
    VfioIommu,
    /// Everything but the interface is alike: vhost-vdpa's ABI is that of our module, on the core
    /// that the others run on, #1 is behind an IOMMU, so that all pin memory when it is mapped, and
    /// each setup is on a device that has no more queue pairs than it sets up.
    Alike,
    /// Each setup is on a device that has no more queue pairs than it sets up.
    SizedDevice,
}

impl Setting {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Usual,
        Self::OwnControl,
        Self::PatchedControl,
        Self::NoInitOnAlloc,
        Self::VfioIommu,
        Self::SizedDevice,
        Self::Alike,
    ];

    /// As in a result file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::OwnControl => "own-control",
            Self::PatchedControl => "patched-control",
            Self::NoInitOnAlloc => "no-init-on-alloc",
            Self::VfioIommu => "vfio-iommu",
            Self::SizedDevice => "sized-device",
            Self::Alike => "alike",
        }
    }
}

/// What a run's clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// Time.
    Wall,
    /// Instructions of one CPU, user and kernel, client and device together.
    Instructions,
}

/// What ran the kernel half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// When the earlier of the two ended: the one whose file this is in.
    #[schemars(regex(pattern = DATE))]
    pub of: String,
    /// Medians that both have.
    pub compared: usize,
    /// How many of them differ by no more than a thousandth.
    pub within_thousandth: usize,
    /// Those that differ by more.
    pub beyond: Vec<Difference>,
}

/// The medians of the same run in several guests, each with another random seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    /// Guests, the one whose figures are in this file among them.
    #[schemars(range(min = 1))]
    pub boots: usize,
    /// Between what each median was.
    pub spread: Vec<Spread>,
}

/// What a median was in several guests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Spread {
    /// Of what.
    #[serde(flatten)]
    pub key: Key,
    /// The least.
    #[schemars(range(min = 0.0))]
    pub low: f64,
    /// The one in the middle: the figure that the reports quote.
    #[schemars(range(min = 0.0))]
    pub median: f64,
    /// The greatest.
    #[schemars(range(min = 0.0))]
    pub high: f64,
}

/// Two medians that differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Difference {
    /// Of what.
    #[serde(flatten)]
    pub key: Key,
    /// The median of the earlier run.
    #[schemars(range(min = 0.0))]
    pub before: f64,
    /// That of the later.
    #[schemars(range(min = 0.0))]
    pub now: f64,
}

/// The code on the other side of the system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(range(min = 1))]
    pub cores: usize,
    /// `/sys/devices/system/clocksource/clocksource0/current_clocksource`.
    pub clock_source: String,
    /// `/sys/devices/system/cpu/vulnerabilities`, without what the CPU is not affected by.
    pub mitigations: BTreeMap<String, String>,
}

/// The device behind the interfaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Queue pairs that it has.
    #[schemars(range(min = 1))]
    pub queue_pairs: u16,
    /// Entries of each vring that was set up.
    #[schemars(range(min = 1, max = 32768))]
    pub queue_size: u16,
}

/// What a figure belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// The scenario's id, as in docs/measuring.md: `setup/4`, `kick/doorbell`.
    #[schemars(regex(pattern = SCENARIO))]
    pub scenario: String,
    /// The interface's name.
    #[serde(with = "interface_name")]
    #[schemars(schema_with = "interface_name::schema")]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Samples; each is the mean of several iterations.
    pub n: usize,
    /// Iterations in all samples.
    pub iterations: u64,
    /// Mean of the samples.
    #[schemars(range(min = 0.0))]
    pub mean: f64,
    /// Median of the samples: the figure that the reports quote.
    #[schemars(range(min = 0.0))]
    pub median: f64,
    /// Lower bound of the median's 95 % confidence interval, from the order of the samples alone.
    #[schemars(range(min = 0.0))]
    pub lower: f64,
    /// Its upper bound.
    #[schemars(range(min = 0.0))]
    pub upper: f64,
    /// The smallest sample.
    #[schemars(range(min = 0.0))]
    pub min: f64,
    /// The 99th percentile of the samples.
    #[schemars(range(min = 0.0))]
    pub p99: f64,
    /// Standard deviation of the samples.
    #[schemars(range(min = 0.0))]
    pub std_dev: f64,
}

/// What one iteration took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
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

/// What a ratio divides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
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
    /// Percentiles, 0 to 100, and what they are, rising: enough to draw the whole.
    #[schemars(schema_with = "curve")]
    pub curve: Vec<(f64, u64)>,
}

/// What a kind of crossing costs, measured call by call in the baseline's `setup/1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Cost {
    /// The interface's name.
    #[serde(with = "interface_name")]
    #[schemars(schema_with = "interface_name::schema")]
    pub interface: Interface,
    /// Which of the interface's ways.
    pub variant: Variant,
    /// The kind, as in the counts; `userspace` is what is not in a system call, for each
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Limit {
    /// The scenario's id, as in docs/measuring.md: `setup/4`, `kick/doorbell`.
    #[schemars(regex(pattern = SCENARIO))]
    pub scenario: String,
    /// The interface's name.
    #[serde(with = "interface_name")]
    #[schemars(schema_with = "interface_name::schema")]
    pub interface: Interface,
    /// Which of the interface's ways.
    pub variant: Variant,
    /// The most mappings that the device allows at a time.
    pub mappings: u64,
}

/// What a figure is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Crossings {
    /// What was counted.
    #[serde(flatten)]
    pub key: Key,
    /// All of them.
    pub total: u64,
    /// By kind, named as strace names them, with the request: `ioctl VHOST_SET_VRING_NUM`.
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

fn curve(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "array",
            "prefixItems": [
                { "type": "number", "minimum": 0, "maximum": 100 },
                { "type": "integer", "minimum": 0 },
            ],
            "items": false,
            "minItems": 2,
        },
    })
}

mod interface_name {
    use std::sync::{Mutex, PoisonError};

    use schemars::{Schema, SchemaGenerator, json_schema};
    use serde::{Deserialize, Deserializer, Serializer};
    use vhost_accel::{Capabilities, Interface, InterfaceFacts, UnknownInterface};

    /// Those of this repository: what is committed is of no other.
    pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": Interface::ALL.map(Interface::name) })
    }

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
