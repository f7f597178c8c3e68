//! The devices that scenarios run on.

use std::path::{Path, PathBuf};

use vhost_accel::{Interface, VhostAccel};

use crate::configuration::Configuration;
use crate::error::{Error, Result};

/// An interface whose backend is not among these crates, to be measured beside the four.
#[derive(Clone, Copy, Debug)]
pub struct External {
    /// The interface, an [`Interface::Other`].
    pub interface: Interface,
    /// Opens a device. There are two that are alike, 0 and 1, with as many queue pairs as the
    /// largest of [`PAIRS`](crate::PAIRS).
    pub open: Open,
}

/// How a device is opened, by its number.
pub type Open = fn(usize) -> vhost_accel::Result<Box<dyn VhostAccel>>;

/// How a device is known.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Path(PathBuf),
    External(Open, usize),
}

impl Address {
    /// The path, which whoever makes system calls opens.
    pub(crate) fn path(&self, interface: Interface) -> Result<&Path> {
        match self {
            Self::Path(path) => Ok(path),
            Self::External(..) => Err(Error::NoBaseline(interface)),
        }
    }
}

/// Where a scenario runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) device: &'a Address,
    /// One behind another interface.
    pub(crate) elsewhere: (Interface, &'a Address),
}

/// The devices of the kernel that this thread sees, and those from outside.
#[derive(Debug)]
pub(crate) struct Devices(Vec<(Interface, Address)>);

impl Devices {
    pub(crate) fn find(externals: &[External]) -> Result<Self> {
        let dir = Path::new("/sys/bus");
        let found = vhost_accel::devices().map_err(Error::file(dir))?;
        let known = found.iter().map(|uri| (uri.interface(), Address::Path(uri.path().to_owned())));
        let external = externals.iter().flat_map(|&External { interface, open }| {
            [0, 1].map(|number| (interface, Address::External(open, number)))
        });
        Ok(Self(known.chain(external).collect()))
    }

    fn nth(&self, interface: Interface, nth: usize) -> Result<&Address> {
        // Those behind one interface are all alike.
        let mut devices = self.0.iter().filter(|(of, _)| *of == interface);
        devices.nth(nth).map(|(_, device)| device).ok_or(Error::NoDevice(interface))
    }

    fn place(&self, interface: Interface, nth: usize) -> Result<Place<'_>> {
        // The one after it, the first after the last; of one from outside, the first.
        let all = Interface::ALL;
        let at = all.iter().position(|&one| one == interface);
        let other = all[at.map_or(0, |at| (at + 1) % all.len())];
        let device = self.nth(interface, nth)?;
        Ok(Place { device, elsewhere: (other, self.nth(other, nth)?) })
    }

    pub(crate) fn first(&self, interface: Interface) -> Result<Place<'_>> {
        self.place(interface, 0)
    }

    /// Another like it: neither device of one place is that of another's.
    pub(crate) fn second(&self, interface: Interface) -> Result<Place<'_>> {
        self.place(interface, 1)
    }
}

/// The configurations of the four interfaces and of `externals`, which have one each.
pub(crate) fn configurations(externals: &[External]) -> Vec<Configuration> {
    let external = externals.iter().map(|external| Configuration::plain(external.interface));
    Configuration::ALL.into_iter().chain(external).collect()
}
