//! What is compared: an interface, used in one of its ways.

use std::fmt;

use serde::{Deserialize, Serialize};
use vhost_accel_core::Interface;

/// One of the ways in which an interface can be used, where it has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

impl Configuration {
    /// All there are, in the order in which tables show them.
    pub const ALL: [Self; 7] = [
        Self::new(Interface::VfioMsg, Variant::Plain),
        Self::new(Interface::VfioMsg, Variant::Batch),
        Self::new(Interface::VfioIoctl, Variant::Plain),
        Self::new(Interface::VhostMdev, Variant::Plain),
        Self::new(Interface::VhostMdev, Variant::MemTable),
        Self::new(Interface::VhostVdpa, Variant::Plain),
        Self::new(Interface::VhostVdpa, Variant::Batch),
    ];

    /// `interface` used as `variant` says.
    pub const fn new(interface: Interface, variant: Variant) -> Self {
        Self { interface, variant }
    }

    /// The plain way of `interface`.
    pub const fn plain(interface: Interface) -> Self {
        Self::new(interface, Variant::Plain)
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
