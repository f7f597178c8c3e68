//! The scenarios' steps through the library.

use std::hint::black_box;
use std::io;

use vhost_accel::{IovaRange, Kick, KickKind, Kicker, QueueIndex, Vring, VringBase};
use vhost_accel_driver::{Lease, Machine};

use crate::configuration::Configuration;
use crate::devices::{Address, Open};
use crate::error::{Error, Result};
use crate::guest::FEATURES;
use crate::session::Session;

/// A device behind `dyn VhostAccel`.
#[derive(Debug)]
pub(crate) struct Library {
    machine: Machine,
}

/// What a device is opened by.
#[derive(Debug)]
pub(crate) enum Name {
    Uri(String),
    External(Open, usize),
}

impl Library {
    /// How many mappings the device allows, or that more can be made; `None` where it doesn't say.
    pub(crate) fn max_mappings(&self) -> Result<Option<u64>> {
        Ok(self.machine.device().dma_limits()?.max_mappings)
    }
}

impl Session for Library {
    type Kicker = Kicker;
    type Name = Name;

    fn name(configuration: Configuration, address: &Address) -> Result<Name> {
        let (interface, option) = (configuration.interface, configuration.option());
        Ok(match address {
            Address::Path(path) => Name::Uri(format!("{interface}:{}{option}", path.display())),
            Address::External(open, number) => Name::External(*open, *number),
        })
    }

    fn open(_: Configuration, name: &Name) -> Result<Self> {
        let device = match name {
            Name::Uri(uri) => vhost_accel::open(uri)?,
            Name::External(open, number) => open(*number)?,
        };
        Ok(Self { machine: Machine::new(device) })
    }

    fn map_all(&mut self, leases: &[Lease]) -> Result<()> {
        Ok(self.machine.map_all(leases)?)
    }

    fn map(&mut self, lease: &Lease) -> Result<()> {
        Ok(self.machine.map(lease)?)
    }

    fn unmap(&mut self, range: IovaRange) -> Result<()> {
        Ok(self.machine.unmap(range)?)
    }

    fn negotiate(&mut self) -> Result<()> {
        self.machine.device_mut().negotiate(FEATURES)?;
        Ok(())
    }

    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<()> {
        Ok(self.machine.device_mut().setup_vrings(vrings)?)
    }

    fn kicker(&mut self, queue: QueueIndex, kind: KickKind) -> Result<Kicker> {
        Ok(self.machine.device_mut().kicker(queue, Kick::Kind(kind))?)
    }

    fn start(&mut self) -> Result<()> {
        Ok(self.machine.device_mut().start()?)
    }

    fn suspend(&mut self) -> Result<()> {
        Ok(self.machine.device_mut().suspend()?)
    }

    fn base(&mut self, queue: QueueIndex) -> Result<VringBase> {
        Ok(self.machine.device().vring_base(queue)?)
    }

    fn reset(&mut self) -> Result<()> {
        Ok(self.machine.device_mut().reset()?)
    }

    fn refused(&mut self) -> Result<()> {
        Err(Error::Stuck("the library has no method for a request that is always refused"))
    }

    fn enable(&mut self, queue: QueueIndex) -> Result<()> {
        Ok(self.machine.device_mut().enable_vring(queue, true)?)
    }

    fn status(&mut self) -> Result<u8> {
        Ok(self.machine.device().status()?.bits())
    }

    #[inline]
    fn kick(kicker: &Kicker) -> io::Result<()> {
        kicker.kick()
    }

    #[inline(never)] // as the baseline's: the loop by itself
    fn kicks(kicker: &Kicker, count: u64) -> Result<()> {
        for _ in 0..count {
            black_box(kicker).kick().map_err(Error::call("kick"))?;
        }
        Ok(())
    }
}
