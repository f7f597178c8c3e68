//! A guest on a device.

use std::ops::{Deref, DerefMut};

use vhost_accel_core::{Kick, VhostAccel};
use virtio_bindings::virtio_net::{
    VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_CTRL_MQ,
    VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
};

use super::Error;
use super::config::Config;
use super::guest::Guest;
use super::machine::Machine;

/// A virtio-net driver: a [`Guest`] on a device. It sends and receives through the guest that it
/// dereferences to.
///
/// ```no_run
/// # use vhost_accel_driver::{Config, Error, NetDriver};
/// # use vhost_accel_core::VhostAccel;
/// # fn example(device: Box<dyn VhostAccel>) -> Result<(), Error> {
/// let mut driver = NetDriver::open(device, Config::pairs(2))?;
/// driver.run()?;
/// driver.send(1, &[b"hello, world, in sixty bytes or so"])?;
/// if driver.wait(1, std::time::Duration::from_secs(1))? {
///     driver.receive(1, |frame| assert_eq!(frame, b"hello, world, in sixty bytes or so"))?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct NetDriver {
    // Before `guest`: the device closes before any memory goes.
    machine: Machine,
    guest: Guest,
}

impl NetDriver {
    /// A new guest on a device that was just opened. Makes no crossing to it.
    ///
    /// # Errors
    /// As [`Guest::new`].
    pub fn open(device: Box<dyn VhostAccel>, config: Config) -> Result<Self, Error> {
        let guest = Guest::new(config, device.info().queue_count)?;
        Ok(Self::new(device, guest))
    }

    /// A guest on a device that was just opened. Makes no crossing.
    pub fn new(device: Box<dyn VhostAccel>, guest: Guest) -> Self {
        Self { machine: Machine::new(device), guest }
    }

    /// Closes the device.
    pub fn close(self) -> Guest {
        let mut guest = self.guest;
        drop(self.machine);
        for queue in guest.queues_mut() {
            queue.kicker = None;
        }
        guest
    }

    /// The device with the memory that it was lent.
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// The device.
    pub fn device(&mut self) -> &mut dyn VhostAccel {
        self.machine.device_mut()
    }

    /// Lends the guest's memory to the device.
    ///
    /// # Errors
    /// As [`VhostAccel::dma_map_all`].
    pub fn map(&mut self) -> Result<(), Error> {
        Ok(self.machine.map_all(self.guest.leases())?)
    }

    /// Negotiates features, empties the rings, and fills the receive queues.
    ///
    /// # Errors
    /// As [`VhostAccel::negotiate`]; [`Error::Pairs`] when without MQ there is one pair, and more
    /// were wanted.
    pub fn negotiate(&mut self) -> Result<(), Error> {
        let wanted = Config::REQUIRED | self.guest.config().features;
        let features = self.machine.device_mut().negotiate(wanted)?;
        if self.guest.config().pairs > 1 && !features.contains(Config::MQ) {
            return Err(Error::Pairs(1));
        }
        self.guest.clear(features);
        Ok(())
    }

    /// Sets every queue up, with its call, and makes its kicker.
    ///
    /// # Errors
    /// As [`VhostAccel::setup_vrings`] and [`VhostAccel::kicker`].
    pub fn setup_queues(&mut self) -> Result<(), Error> {
        let vrings: Vec<_> = self.guest.queues().map(|queue| queue.vring()).collect();
        self.machine.device_mut().setup_vrings(&vrings)?;
        self.make_kickers()
    }

    /// Makes every queue's kicker anew, which an eventfd kicker needs after a reset.
    ///
    /// # Errors
    /// As [`VhostAccel::kicker`].
    pub fn make_kickers(&mut self) -> Result<(), Error> {
        let kick = self.guest.config().kick.map_or(Kick::Best, Kick::Kind);
        let device = self.machine.device_mut();
        for queue in self.guest.queues_mut() {
            queue.kicker = Some(device.kicker(queue.index(), kick)?);
        }
        Ok(())
    }

    /// [`map`](Self::map), [`negotiate`](Self::negotiate) and [`setup_queues`](Self::setup_queues):
    /// everything before the start.
    ///
    /// # Errors
    /// As those.
    pub fn setup(&mut self) -> Result<(), Error> {
        self.map()?;
        self.negotiate()?;
        self.setup_queues()
    }

    /// Starts the device. One pair is active.
    ///
    /// # Errors
    /// As [`VhostAccel::start`].
    pub fn start(&mut self) -> Result<(), Error> {
        Ok(self.machine.device_mut().start()?)
    }

    /// [`setup`](Self::setup), [`start`](Self::start), and every pair made active.
    ///
    /// # Errors
    /// As those, and [`set_pairs`](Self::set_pairs).
    pub fn run(&mut self) -> Result<(), Error> {
        self.setup()?;
        self.start()?;
        match self.guest.config().pairs {
            1 => Ok(()),
            pairs => self.set_pairs(pairs),
        }
    }

    /// Resets the device and sets it up and running again; its memory stays mapped.
    ///
    /// # Errors
    /// As the steps of [`run`](Self::run).
    pub fn restart(&mut self) -> Result<(), Error> {
        self.machine.device_mut().reset()?;
        self.negotiate()?;
        self.setup_queues()?;
        self.start()?;
        match self.guest.config().pairs {
            1 => Ok(()),
            pairs => self.set_pairs(pairs),
        }
    }

    /// VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET: how many pairs are active.
    ///
    /// # Errors
    /// As [`Guest::order`].
    pub fn set_pairs(&mut self, pairs: u16) -> Result<(), Error> {
        let (class, command) = (VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET);
        self.guest.order(class as u8, command as u8, &pairs.to_le_bytes())
    }

    /// VIRTIO_NET_CTRL_MAC_ADDR_SET.
    ///
    /// # Errors
    /// As [`Guest::order`].
    pub fn set_mac(&mut self, mac: [u8; 6]) -> Result<(), Error> {
        let (class, command) = (VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET);
        self.guest.order(class as u8, command as u8, &mac)
    }
}

impl Deref for NetDriver {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        &self.guest
    }
}

impl DerefMut for NetDriver {
    fn deref_mut(&mut self) -> &mut Guest {
        &mut self.guest
    }
}
