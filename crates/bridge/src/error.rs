//! What a front end is refused, and what ends the bridge.

use std::io;
use std::path::Path;

/// A request can't be carried out: the front end's session ends.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The device refused.
    #[error(transparent)]
    Device(#[from] vhost_accel_driver::core::Error),
    /// Memory or an eventfd of the bridge's own can't be had.
    #[error(transparent)]
    Own(#[from] vhost_accel_driver::Error),
    /// Features that were not offered.
    #[error("the features {0:#x} are not offered")]
    Features(u64),
    /// What only a stopped vring or device takes.
    #[error("{0} can't change while vrings run")]
    Running(&'static str),
    /// A memory region that wraps around, is longer than its file or can't be mapped.
    #[error("cannot map the memory region at guest address {guest:#x}")]
    Map {
        /// Where the guest has it.
        guest: u64,
        /// Why.
        source: io::Error,
    },
    /// Two regions have an address in common.
    #[error("two memory regions at guest address {0:#x}")]
    Overlap(u64),
    /// A region that is to be removed and isn't there.
    #[error("there is no such memory region at guest address {0:#x}")]
    NoRegion(u64),
    /// An address of a vring that is in no region.
    #[error("the front end's address {0:#x} is in no memory region")]
    Address(u64),
    /// A vring that the device hasn't got, or that the bridge drives itself.
    #[error("there is no vring {0} for a front end")]
    Vring(u32),
    /// A size or base that no split ring has.
    #[error("vring {vring}: no ring has the size or base {value}")]
    Number {
        /// Which.
        vring: u16,
        /// The number.
        value: u32,
    },
    /// A vring without a kick would have to be polled; the device waits for kicks.
    #[error("vring {0}: a vring without a kick would have to be polled")]
    Polled(u16),
    /// A vring comes when others run, and the device can't be suspended for it.
    #[error("vring {0} is late, and the device can't suspend those that run")]
    Late(u16),
    /// The device did not carry out a command of the bridge's.
    #[error("the device's control queue: {0}")]
    Control(&'static str),
    /// A system call of the bridge's failed.
    #[error("{call}")]
    System {
        /// Which.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl Refusal {
    /// For `map_err`: `call` failed.
    pub(crate) fn system<E: Into<io::Error>>(call: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { call, source: source.into() }
    }
}

/// The bridge can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The device can't be asked, or can't be made as it was at open.
    #[error(transparent)]
    Device(#[from] vhost_accel_driver::core::Error),
    /// There is something at the socket's path that is no socket, or that somebody listens at.
    #[error("{} is in use", .0.display())]
    InUse(Box<Path>),
    /// The socket can't be made or used.
    #[error("{}", path.display())]
    Socket {
        /// Its path.
        path: Box<Path>,
        /// Why.
        source: io::Error,
    },
}
