//! The pieces of work that are measured, and their ids.

use std::fmt;

use vhost_accel_core::{Interface, KickKind};

use crate::results::Side;
use crate::subject::{Subject, Variant};

/// How many queue pairs the setup scenarios use.
pub const PAIRS: [u16; 4] = [1, 4, 16, 64];

/// One measured piece of work. Its `Display` is its id, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// `crossing/…`: one request to the device, told apart by the argument that it carries.
    Crossing(Argument),
    /// `setup/N`: open to DRIVER_OK with N queue pairs, each thing set by a request of its own.
    Setup(u16),
    /// `setup-batched/N`: the same with as few requests as the interface allows.
    SetupBatched(u16),
    /// `teardown/N`: the drop of what `setup/N` made.
    Teardown(u16),
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
        all.extend(PAIRS.map(Self::Setup));
        all.extend(PAIRS.map(Self::SetupBatched));
        all.extend(PAIRS.map(Self::Teardown));
        all.extend(MapSize::ALL.map(Self::DmaMap));
        all.extend(MapSize::ALL.map(Self::DmaUnmap));
        all
    }

    /// Who can do it. A fifth of an interface's ways is left out where it makes the same crossings
    /// as the plain one.
    pub fn subjects(self) -> impl Iterator<Item = Subject> {
        Subject::ALL.into_iter().filter(move |subject| self.fits(*subject))
    }

    fn fits(self, subject: Subject) -> bool {
        use Interface::VfioMsg;
        let plain = subject.variant == Variant::Plain;
        match self {
            Self::SetupBatched(_) => !plain,
            Self::DmaMap(_) | Self::DmaUnmap(_) => plain || subject.variant == Variant::MemTable,
            Self::Kick(kind) | Self::KickLatency(kind) => {
                let has_it = match kind {
                    KickKind::Doorbell => true,
                    KickKind::EventFd => subject.interface != VfioMsg,
                    KickKind::RegionWrite => subject.interface == VfioMsg,
                };
                plain && has_it
            }
            _ => plain,
        }
    }

    /// Who does it.
    pub fn sides(self) -> impl Iterator<Item = Side> {
        let sides = Side::ALL.into_iter();
        sides.filter(move |&side| side == Side::Floor || self.has_library_side())
    }

    /// Whether a device runs in it.
    pub(crate) fn starts_device(self) -> bool {
        !matches!(self, Self::Crossing(_) | Self::Kick(_) | Self::DmaMap(_) | Self::DmaUnmap(_))
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
            Self::Teardown(pairs) => write!(f, "teardown/{pairs}"),
            Self::Kick(kind) => write!(f, "kick/{kind}"),
            Self::KickLatency(kind) => write!(f, "kick-latency/{kind}"),
            Self::Call => f.write_str("call"),
            Self::RoundTrip => f.write_str("round-trip"),
            Self::DmaMap(size) => write!(f, "dma-map/{}", size.name()),
            Self::DmaUnmap(size) => write!(f, "dma-unmap/{}", size.name()),
        }
    }
}
