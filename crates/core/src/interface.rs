//! The four interfaces that are compared.

use std::fmt;
use std::str::FromStr;

/// One way in which a kernel hands a vhost accelerator to userspace.
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
}

impl Interface {
    /// All four, in the order in which tables show them.
    pub const ALL: [Self; 4] = [Self::VfioMsg, Self::VfioIoctl, Self::VhostMdev, Self::VhostVdpa];

    /// The name in URIs, results and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VfioMsg => "vfio-msg",
            Self::VfioIoctl => "vfio-ioctl",
            Self::VhostMdev => "vhost-mdev",
            Self::VhostVdpa => "vhost-vdpa",
        }
    }

    /// What the mail of 9 July 2019 calls it.
    pub const fn thread_id(self) -> &'static str {
        match self {
            Self::VfioMsg => "#1/A",
            Self::VfioIoctl => "#1/B",
            Self::VhostMdev => "#2",
            Self::VhostVdpa => "control",
        }
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
}
