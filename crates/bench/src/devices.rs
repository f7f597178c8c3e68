//! The devices that scenarios run on.

use std::path::{Path, PathBuf};

use vhost_accel_core::Interface;

use crate::error::{Error, Result};
use crate::scenario::PAIRS;

/// Queue pairs of an emulated device: as many as the largest setup uses.
pub(crate) const QUEUE_PAIRS: u16 = PAIRS[PAIRS.len() - 1];

/// Where a scenario runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The device.
    pub(crate) path: &'a Path,
    /// One behind another interface.
    pub(crate) elsewhere: (Interface, &'a Path),
}

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

    fn nth(&self, interface: Interface, nth: usize) -> Result<&Path> {
        self.all(interface).nth(nth).ok_or(Error::NoDevice(interface))
    }

    fn place(&self, interface: Interface, nth: usize) -> Result<Place<'_>> {
        // The one after it, the first after the last.
        let mut others = Interface::ALL.into_iter().cycle().skip_while(|&one| one != interface);
        let other = others.nth(1).unwrap_or(interface);
        let path = self.nth(interface, nth)?;
        Ok(Place { path, elsewhere: (other, self.nth(other, nth)?) })
    }

    pub(crate) fn first(&self, interface: Interface) -> Result<Place<'_>> {
        self.place(interface, 0)
    }

    /// Another like it: neither device of one place is that of another's.
    pub(crate) fn second(&self, interface: Interface) -> Result<Place<'_>> {
        self.place(interface, 1)
    }
}
