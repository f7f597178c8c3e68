//! The four interfaces that are compared, and any other.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::capability::Capabilities;

/// One way in which a kernel hands a vhost accelerator to userspace.
///
/// The comparison has these four and no more; whatever comes later is an [`Other`](Self::Other).
/// The order is that of [`ALL`](Self::ALL); others come behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interface {
    /// #1/A: messages written to and read from a VFIO device region (RFC v2, 3 July 2019).
    VfioMsg,
    /// #1/B: vhost ioctls on the VFIO device fd (RFC v3, 28 August 2019).
    VfioIoctl,
    /// #2: a vhost character device on the mdev bus, with DMA requests of its own.
    VhostMdev,
    /// The control: `/dev/vhost-vdpa-N`, what Linux 5.7 shipped.
    VhostVdpa,
    /// One whose backend is not among these crates.
    Other(&'static InterfaceFacts),
}

/// What there is to know of an interface without a device. Its name tells it from others.
#[derive(Debug)]
#[non_exhaustive]
pub struct InterfaceFacts {
    /// The name in URIs, results and reports.
    pub name: &'static str,
    /// The head of its column in tables: of the four, what the mail of 9 July 2019 calls them.
    pub label: &'static str,
    /// The kinds of kick that it has, as [`KickKind::capability`](crate::KickKind::capability).
    pub kicks: Capabilities,
}

impl InterfaceFacts {
    /// An interface of this name, with this head of its column and these kinds of kick.
    pub const fn new(name: &'static str, label: &'static str, kicks: Capabilities) -> Self {
        Self { name, label, kicks }
    }
}

impl PartialEq for InterfaceFacts {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for InterfaceFacts {}

impl PartialOrd for InterfaceFacts {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InterfaceFacts {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(other.name)
    }
}

impl Hash for InterfaceFacts {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Interface {
    /// The four, in the order in which tables show them.
    pub const ALL: [Self; 4] = [Self::VfioMsg, Self::VfioIoctl, Self::VhostMdev, Self::VhostVdpa];

    /// What there is to know of it.
    pub const fn facts(self) -> &'static InterfaceFacts {
        const BELL: Capabilities = Capabilities::KICK_DOORBELL;
        const NOTIFY: Capabilities = BELL.union(Capabilities::KICK_REGION_WRITE);
        const VHOST: Capabilities = BELL.union(Capabilities::KICK_EVENTFD);
        match self {
            Self::VfioMsg => &InterfaceFacts { name: "vfio-msg", label: "#1/A", kicks: NOTIFY },
            Self::VfioIoctl => &InterfaceFacts { name: "vfio-ioctl", label: "#1/B", kicks: VHOST },
            Self::VhostMdev => &InterfaceFacts { name: "vhost-mdev", label: "#2", kicks: VHOST },
            Self::VhostVdpa => {
                &InterfaceFacts { name: "vhost-vdpa", label: "control", kicks: VHOST }
            }
            Self::Other(facts) => facts,
        }
    }

    /// Its number, which is stable: 1 to 4 in the order of [`ALL`](Self::ALL), 0 for any other.
    pub const fn number(self) -> u32 {
        match self {
            Self::Other(_) => 0,
            Self::VfioMsg => 1,
            Self::VfioIoctl => 2,
            Self::VhostMdev => 3,
            Self::VhostVdpa => 4,
        }
    }

    /// The name in URIs, results and reports.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// What the mail of 9 July 2019 calls it; of another, its label.
    pub const fn thread_id(self) -> &'static str {
        self.facts().label
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is none of the four interfaces'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an interface; the four are vfio-msg, vfio-ioctl, vhost-mdev and vhost-vdpa")]
pub struct UnknownInterface;

impl FromStr for Interface {
    type Err = UnknownInterface;

    /// The one of the four that has this name: nobody here knows another's.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|interface| interface.name() == name).ok_or(UnknownInterface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for interface in Interface::ALL {
            assert_eq!(interface.name().parse(), Ok(interface));
        }
        assert_eq!("vfio".parse::<Interface>(), Err(UnknownInterface));
    }

    #[test]
    fn another_has_its_own_name_and_comes_last() {
        let of = |label| InterfaceFacts { name: "fifth", label, kicks: Capabilities::empty() };
        let (one, same) = (Box::leak(Box::new(of("#3"))), Box::leak(Box::new(of("#4"))));
        let other = Interface::Other(one);
        assert_eq!((other.to_string().as_str(), other.thread_id()), ("fifth", "#3"));
        assert_eq!(other, Interface::Other(same));
        assert!(Interface::ALL.into_iter().all(|interface| interface < other));
    }
}
