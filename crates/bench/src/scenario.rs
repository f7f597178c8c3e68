//! The pieces of work that are measured, and their ids.

use std::fmt;

use vhost_accel_core::{Interface, KickKind};

use crate::client::Client;
use crate::configuration::{Configuration, Variant};

/// How many queue pairs the setup scenarios use.
pub const PAIRS: [u16; 4] = [1, 4, 16, 64];
/// How many queue pairs `setup-eventfd` uses, which every peer can do too.
pub const EVENTFD_PAIRS: [u16; 2] = [1, 16];
/// How many queue pairs the setup has whose steps are measured one by one.
pub const STEP_PAIRS: u16 = 16;
/// How many queue pairs the `migrate` scenarios move.
pub const MIGRATED: [u16; 2] = [1, 16];
/// How many mappings are live in the `dma-churn` scenarios.
pub const LIVE: [u32; 4] = [64, 4_096, 65_536, 1_048_576];
/// How many regions the `mem-table` scenarios hand over.
pub const REGIONS: [u16; 4] = [1, 8, 64, 509];
/// How many frames a kick of the `throughput` scenarios is for.
pub const BATCHES: [u16; 3] = [1, 8, 64];
/// How long the frames of the `throughput` scenarios are, in bytes.
pub const FRAMES: [u16; 2] = [64, 1_500];

/// What every interface is compared with.
pub const CONTROL: Configuration = Configuration::plain(Interface::VhostVdpa);

/// One measured piece of work. Its `Display` is its id, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// `crossing/…`: one request to the device, told apart by the argument that it carries.
    Crossing(Argument),
    /// `setup/N`: open to DRIVER_OK with N queue pairs, each thing set by a request of its own.
    Setup(u16),
    /// `setup-batched/N`: the same with as few requests as the interface allows.
    SetupBatched(u16),
    /// `setup-eventfd/N`: `setup/N` with eventfds for kicks instead of doorbells.
    SetupEventFd(u16),
    /// `setup-step/STEP`: one step of `setup/16`.
    SetupStep(Step),
    /// `teardown/N`: the drop of what `setup/N` made.
    Teardown(u16),
    /// `migrate/N`: N running queue pairs left behind and entered again, with a stay behind another
    /// interface in between.
    Migrate(u16),
    /// `kick/KIND`: what a kick costs its caller.
    Kick(KickKind),
    /// `kick-latency/KIND`: from the kick until the device has used the buffer.
    KickLatency(KickKind),
    /// `call`: from the kick until a thread that sleeps on the call eventfd is awake.
    Call,
    /// `round-trip`: a frame sent until the same frame is in the receiver's hand.
    RoundTrip,
    /// `dma-map/SIZE`: one mapping added.
    DmaMap(MapSize),
    /// `dma-unmap/SIZE`: one mapping removed.
    DmaUnmap(MapSize),
    /// `dma-ready/SIZE`: one mapping added, until the device has used every page of it.
    DmaReady(MapSize),
    /// `dma-churn/LIVE`: one page mapped, used by the device and unmapped, while so many other mappings
    /// of a page are live: what a vIOMMU asks for.
    DmaChurn(u32),
    /// `mem-table/N`: N regions of memory handed over, where nothing was mapped.
    MemTable(u16),
    /// `throughput/BATCH/BYTES`: frames through the device and back, so many for a kick.
    Throughput {
        /// Frames for a kick.
        batch: u16,
        /// Bytes of a frame.
        bytes: u16,
    },
}

/// The steps of a setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Open the device, and find out what it is.
    Open,
    /// Lend it two regions of memory.
    Dma,
    /// Negotiate features.
    Negotiate,
    /// Set up the vrings with their call eventfds.
    Vrings,
    /// Make a doorbell kicker for each data vring.
    Kickers,
    /// DRIVER_OK.
    Start,
}

impl Step {
    /// All, in their order.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Dma, Self::Negotiate, Self::Vrings, Self::Kickers, Self::Start];

    const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Dma => "dma",
            Self::Negotiate => "negotiate",
            Self::Vrings => "vrings",
            Self::Kickers => "kickers",
            Self::Start => "start",
        }
    }
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Argument {
    /// Nothing: an unknown ioctl, which is refused. A bare round trip to the kernel half.
    None,
    /// A vring's index and a number, read by the kernel half: vring enable.
    In,
    /// 64 bits, written by the kernel half: get features.
    Out,
}

/// How much a DMA mapping covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapSize {
    /// 4 KiB.
    Page,
    /// 2 MiB.
    Huge,
    /// 1 GiB.
    Gigantic,
}

impl MapSize {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Page, Self::Huge, Self::Gigantic];

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Page => 4 << 10,
            Self::Huge => 2 << 20,
            Self::Gigantic => 1 << 30,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Page => "4K",
            Self::Huge => "2M",
            Self::Gigantic => "1G",
        }
    }
}

impl Scenario {
    /// All of them, in the order in which they run and are shown.
    pub fn all() -> Vec<Self> {
        let mut all: Vec<_> =
            [Argument::None, Argument::In, Argument::Out].map(Self::Crossing).into();
        all.extend(KickKind::ALL.map(Self::Kick));
        all.extend(KickKind::ALL.map(Self::KickLatency));
        all.extend([Self::Call, Self::RoundTrip]);
        for bytes in FRAMES {
            all.extend(BATCHES.map(|batch| Self::Throughput { batch, bytes }));
        }
        all.extend(PAIRS.map(Self::Setup));
        all.extend(PAIRS.map(Self::SetupBatched));
        all.extend(EVENTFD_PAIRS.map(Self::SetupEventFd));
        all.extend(Step::ALL.map(Self::SetupStep));
        all.extend(PAIRS.map(Self::Teardown));
        all.extend(MIGRATED.map(Self::Migrate));
        all.extend(MapSize::ALL.map(Self::DmaMap));
        all.extend(MapSize::ALL.map(Self::DmaUnmap));
        all.extend(MapSize::ALL.map(Self::DmaReady));
        all.extend(LIVE.map(Self::DmaChurn));
        all.extend(REGIONS.map(Self::MemTable));
        all
    }

    /// Who can do it. A fifth of an interface's ways is left out where it makes the same crossings
    /// as the plain one.
    pub fn configurations(self) -> impl Iterator<Item = Configuration> {
        Configuration::ALL.into_iter().filter(move |configuration| self.fits(*configuration))
    }

    fn fits(self, configuration: Configuration) -> bool {
        use Interface::VfioMsg;
        let plain = configuration.variant == Variant::Plain;
        match self {
            Self::SetupBatched(_) => !plain,
            Self::SetupEventFd(_) => plain && configuration.interface != VfioMsg,
            // Messages travel alone there, but batch hints do change what crosses.
            Self::MemTable(_) => plain || configuration.interface != VfioMsg,
            Self::DmaMap(_) | Self::DmaUnmap(_) | Self::DmaReady(_) | Self::DmaChurn(_) => {
                plain || configuration.variant == Variant::MemTable
            }
            Self::Kick(kind) | Self::KickLatency(kind) => {
                let has_it = match kind {
                    KickKind::Doorbell => true,
                    KickKind::EventFd => configuration.interface != VfioMsg,
                    KickKind::RegionWrite => configuration.interface == VfioMsg,
                };
                plain && has_it
            }
            _ => plain,
        }
    }

    /// Who does it through `configuration`.
    pub fn clients(self, configuration: Configuration) -> impl Iterator<Item = Client> {
        Client::ALL.into_iter().filter(move |&client| match client {
            Client::Library => self.has_library_side(),
            Client::Baseline => !self.is_heavy(),
            Client::Peer => configuration == CONTROL && self.has_peer(),
        })
    }

    /// Whether it takes so long to prepare or to do that it is done by the library alone.
    pub(crate) fn is_heavy(self) -> bool {
        match self {
            Self::DmaReady(size) => size == MapSize::Gigantic,
            Self::DmaChurn(live) => live > LIVE[1],
            _ => false,
        }
    }

    /// Whether its crossings are counted: not where those before the measured part take long, and the
    /// measured part is that of a scenario which is counted.
    pub(crate) fn is_counted(self) -> bool {
        match self {
            Self::DmaChurn(live) => live <= LIVE[0],
            Self::DmaReady(size) => size != MapSize::Gigantic,
            _ => true,
        }
    }

    /// Whether instructions on one CPU say anything of it: not where somebody waits for a device that
    /// polls, which is then counted polling.
    pub(crate) fn counts_instructions(self) -> bool {
        !matches!(self, Self::KickLatency(_) | Self::Call | Self::RoundTrip)
    }

    /// Whether the `vhost` crate can do it: it has neither doorbells nor batch hints.
    fn has_peer(self) -> bool {
        match self {
            Self::Crossing(argument) => argument != Argument::None,
            Self::Kick(kind) | Self::KickLatency(kind) => kind == KickKind::EventFd,
            Self::SetupEventFd(_) | Self::DmaMap(_) | Self::DmaUnmap(_) | Self::MemTable(_) => true,
            _ => false,
        }
    }

    /// Whether a device runs in it.
    pub(crate) fn starts_device(self) -> bool {
        !matches!(
            self,
            Self::Crossing(_)
                | Self::Kick(_)
                | Self::DmaMap(_)
                | Self::DmaUnmap(_)
                | Self::MemTable(_)
        )
    }

    /// Whether the library does it: a refused request is something that it has no method for.
    pub fn has_library_side(self) -> bool {
        self != Self::Crossing(Argument::None)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crossing(Argument::None) => f.write_str("crossing/none"),
            Self::Crossing(Argument::In) => f.write_str("crossing/in"),
            Self::Crossing(Argument::Out) => f.write_str("crossing/out"),
            Self::Setup(pairs) => write!(f, "setup/{pairs}"),
            Self::SetupBatched(pairs) => write!(f, "setup-batched/{pairs}"),
            Self::SetupEventFd(pairs) => write!(f, "setup-eventfd/{pairs}"),
            Self::SetupStep(step) => write!(f, "setup-step/{}", step.name()),
            Self::Teardown(pairs) => write!(f, "teardown/{pairs}"),
            Self::Migrate(pairs) => write!(f, "migrate/{pairs}"),
            Self::Kick(kind) => write!(f, "kick/{kind}"),
            Self::KickLatency(kind) => write!(f, "kick-latency/{kind}"),
            Self::Call => f.write_str("call"),
            Self::RoundTrip => f.write_str("round-trip"),
            Self::DmaMap(size) => write!(f, "dma-map/{}", size.name()),
            Self::DmaUnmap(size) => write!(f, "dma-unmap/{}", size.name()),
            Self::DmaReady(size) => write!(f, "dma-ready/{}", size.name()),
            Self::DmaChurn(live) => write!(f, "dma-churn/{live}"),
            Self::MemTable(regions) => write!(f, "mem-table/{regions}"),
            Self::Throughput { batch, bytes } => write!(f, "throughput/{batch}/{bytes}"),
        }
    }
}
