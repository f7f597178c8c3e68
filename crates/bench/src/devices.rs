//! The devices that scenarios run on.

use std::path::{Path, PathBuf};

use vhost_accel_core::Interface;

use crate::error::{Error, Result};
use crate::scenario::PAIRS;

/// Queue pairs of an emulated device: as many as the largest setup uses.
pub(crate) const QUEUE_PAIRS: u16 = PAIRS[PAIRS.len() - 1];

/// The devices of the kernel that this thread sees.
#[derive(Debug)]
pub(crate) struct Devices(Vec<(Interface, PathBuf)>);

impl Devices {
    pub(crate) fn find() -> Result<Self> {
        let dir = Path::new("/sys/bus");
        let devices = vhost_accel::devices().map_err(Error::file(dir))?;
        Ok(Self(devices.iter().map(|uri| (uri.interface(), uri.path().to_owned())).collect()))
    }

    /// The paths of the devices behind `interface`, which are all alike.
    fn all(&self, interface: Interface) -> impl Iterator<Item = &Path> {
        let paths = self.0.iter().filter(move |(of, _)| *of == interface);
        paths.map(|(_, path)| path.as_path())
    }

    pub(crate) fn first(&self, interface: Interface) -> Result<&Path> {
        self.all(interface).next().ok_or(Error::NoDevice(interface))
    }

    pub(crate) fn second(&self, interface: Interface) -> Result<&Path> {
        self.all(interface).nth(1).ok_or(Error::NoDevice(interface))
    }
}
