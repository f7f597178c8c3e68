//! The devices of an emulated kernel, and how they are reached.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vhost_accel_device::{Counters, Device};

/// How an emulated device is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// A mediated device behind VFIO: interfaces #1/A and #1/B.
    Vfio,
    /// `/dev/vhost-mdev-N`: interface #2.
    VhostMdev,
    /// `/dev/vhost-vdpa-N`.
    VhostVdpa,
}

impl DeviceKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Vfio, Self::VhostMdev, Self::VhostVdpa];

    pub(crate) fn path(self, number: u16) -> String {
        match self {
            Self::Vfio => format!("/sys/bus/mdev/devices/{}", uuid(self, number)),
            Self::VhostMdev => format!("/dev/vhost-mdev-{number}"),
            Self::VhostVdpa => format!("/dev/vhost-vdpa-{number}"),
        }
    }
}

/// A device of an emulated kernel.
#[derive(Debug)]
pub struct EmulatedDevice {
    pub(crate) kind: DeviceKind,
    pub(crate) number: u16,
    pub(crate) path: PathBuf,
    pub(crate) device: Arc<Device>,
}

impl EmulatedDevice {
    /// How it is reached.
    pub fn kind(&self) -> DeviceKind {
        self.kind
    }

    /// Its number among those of its kind.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// What a client opens: the directory in sysfs of a VFIO device, the character device
    /// otherwise.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the device has done since the kernel was built.
    pub fn counters(&self) -> Counters {
        self.device.counters()
    }
}

/// The name of mediated device `number`.
pub(crate) fn uuid(kind: DeviceKind, number: u16) -> String {
    format!("76686f73-7400-4000-8{:03x}-{number:012x}", kind as u8)
}
