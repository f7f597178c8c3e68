//! The steps that every scenario is made of, which the library and the baseline each take in their
//! way.

use std::io;

use vhost_accel::{IovaRange, KickKind, QueueIndex, Vring, VringBase};
use vhost_accel_driver::Lease;

use crate::configuration::Configuration;
use crate::devices::Address;
use crate::error::Result;

/// An opened device. Its drop closes it.
///
/// The steps come in the order of [`VhostAccel`](vhost_accel::VhostAccel). An implementor makes
/// the crossings of its interface and nothing else between them.
#[allow(dead_code, reason = "steps are there for whatever scenarios are made of them")]
pub(crate) trait Session: Sized + 'static {
    /// What kicks one vring.
    type Kicker: std::fmt::Debug + 'static;

    /// How the one who opens it knows the device, before anything is measured.
    type Name: std::fmt::Debug;

    /// The name of the device at `address` for `configuration`.
    ///
    /// # Errors
    /// [`Error::NoBaseline`](crate::Error) of one that has no path.
    fn name(configuration: Configuration, address: &Address) -> Result<Self::Name>;

    /// Opens the device through `configuration`, and finds out what it is.
    fn open(configuration: Configuration, name: &Self::Name) -> Result<Self>;

    /// Lends memory: all of it as one change where the configuration's way has that.
    fn map_all(&mut self, leases: &[Lease]) -> Result<()>;

    /// Lends one piece of memory.
    fn map(&mut self, lease: &Lease) -> Result<()>;

    /// Takes it back.
    fn unmap(&mut self, range: IovaRange) -> Result<()>;

    /// Negotiates [`FEATURES`](crate::guest::FEATURES).
    fn negotiate(&mut self) -> Result<()>;

    /// Sets up vrings.
    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<()>;

    /// A kicker of `queue`.
    fn kicker(&mut self, queue: QueueIndex, kind: KickKind) -> Result<Self::Kicker>;

    /// DRIVER_OK.
    fn start(&mut self) -> Result<()>;

    /// Suspends every vring of a running device.
    fn suspend(&mut self) -> Result<()>;

    /// Where a suspended vring is to go on.
    fn base(&mut self, queue: QueueIndex) -> Result<VringBase>;

    /// Resets the device.
    fn reset(&mut self) -> Result<()>;

    /// One request that the kernel half refuses at sight.
    fn refused(&mut self) -> Result<()>;

    /// Enables a vring, which it is already: one request with an argument.
    fn enable(&mut self, queue: QueueIndex) -> Result<()>;

    /// Reads the status: one request with an answer.
    fn status(&mut self) -> Result<u8>;

    /// Kicks.
    fn kick(kicker: &Self::Kicker) -> io::Result<()>;

    /// Kicks `count` times, with nothing else in the loop.
    fn kicks(kicker: &Self::Kicker, count: u64) -> Result<()>;
}
