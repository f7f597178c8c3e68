//! What is compared: an interface, used in one of its ways.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vhost_accel::{Interface, KickKind};

/// One of the ways in which an interface can be used, where it has several.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// One request for one thing.
    Plain,
    /// Several messages in one write (#1/A), IOTLB messages between batch hints (vhost-vdpa).
    Batch,
    /// DMA by VHOST_SET_MEM_TABLE (#2).
    MemTable,
}

impl Variant {
    /// The name in tables and results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Batch => "batch",
            Self::MemTable => "mem-table",
        }
    }
}

/// An interface in one of its ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Configuration {
    /// The interface.
    pub interface: Interface,
    /// Which way.
    pub variant: Variant,
}

/// What there is to know of a configuration.
struct Facts {
    configuration: Configuration,
    /// The option in its URI.
    option: &'static str,
    /// Whether memory is lent otherwise than in the plain variant.
    changes_dma: bool,
}

const fn facts(
    interface: Interface,
    variant: Variant,
    option: &'static str,
    changes_dma: bool,
) -> Facts {
    Facts { configuration: Configuration::new(interface, variant), option, changes_dma }
}

const FACTS: [Facts; 7] = [
    facts(Interface::VfioMsg, Variant::Plain, "?batch=off", false),
    facts(Interface::VfioMsg, Variant::Batch, "", false),
    facts(Interface::VfioIoctl, Variant::Plain, "", false),
    facts(Interface::VhostMdev, Variant::Plain, "", false),
    facts(Interface::VhostMdev, Variant::MemTable, "?dma=mem-table", true),
    facts(Interface::VhostVdpa, Variant::Plain, "?iotlb=plain", false),
    facts(Interface::VhostVdpa, Variant::Batch, "", true),
];

/// What every interface is compared with.
pub const CONTROL: Configuration = Configuration::plain(Interface::VhostVdpa);

impl Configuration {
    /// All that the four interfaces have, in the order in which tables show them.
    pub const ALL: [Self; FACTS.len()] = {
        let mut all = [CONTROL; FACTS.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = FACTS[at].configuration;
            at += 1;
        }
        all
    };

    /// `interface` used as `variant` says.
    pub const fn new(interface: Interface, variant: Variant) -> Self {
        Self { interface, variant }
    }

    /// The plain way of `interface`.
    pub const fn plain(interface: Interface) -> Self {
        Self::new(interface, Variant::Plain)
    }

    /// The other way of `interface`, where it has one: its setup takes the fewest requests.
    pub fn other(interface: Interface) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.interface == interface && !one.is_plain())
    }

    /// Whether one thing takes one request.
    pub fn is_plain(self) -> bool {
        self.variant == Variant::Plain
    }

    /// Whether it can be kicked so.
    pub(crate) fn has_kick(self, kind: KickKind) -> bool {
        self.interface.facts().kicks.contains(kind.capability())
    }

    /// The kind of kick that costs its caller least.
    pub(crate) fn best_kick(self) -> KickKind {
        let mut kinds = KickKind::ALL.into_iter();
        kinds.find(|&kind| self.has_kick(kind)).unwrap_or(KickKind::Doorbell)
    }

    /// Whether its system calls have been written down bare.
    pub(crate) fn has_baseline(self) -> bool {
        self.facts().is_some()
    }

    pub(crate) fn changes_dma(self) -> bool {
        self.facts().is_some_and(|facts| facts.changes_dma)
    }

    pub(crate) fn option(self) -> &'static str {
        self.facts().map_or("", |facts| facts.option)
    }

    /// Nothing is known of an interface from outside.
    fn facts(self) -> Option<&'static Facts> {
        FACTS.iter().find(|facts| facts.configuration == self)
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variant {
            Variant::Plain => self.interface.fmt(f),
            variant => f.pad(&format!("{} {}", self.interface, variant.name())),
        }
    }
}
