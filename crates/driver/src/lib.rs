//! A virtio-net driver over [`VhostAccel`](vhost_accel_core::VhostAccel): guest memory, rings,
//! kicks.
//!
//! - [`Region`] and [`Lease`]: memory, and a part of it at the address where the device is to find
//!   it.
//! - [`Machine`]: a device together with the memory lent to it.
//! - [`RawRing`]: a split virtqueue that can be made to hold anything; [`Queue`] drives one
//!   properly.
//! - [`Guest`]: memory and queues of a network card without a device; [`NetDriver`]: with one.
//!
//! Sending and receiving allocates nothing.

mod config;
mod event;
mod guest;
mod machine;
mod memory;
mod net;
mod queue;
mod ring;

pub use config::{Config, HEADER};
pub use event::Event;
pub use guest::Guest;
pub use machine::{DirtyLog, Machine};
pub use memory::{Lease, Region};
pub use net::NetDriver;
pub use queue::Queue;
pub use ring::{Descriptor, INDIRECT, NEXT, RawRing, Used, WRITE, write_desc};
pub use vhost_accel_core as core;

use std::io;

use vhost_accel_core::QueueIndex;

/// The driver can't go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation on the device failed.
    #[error(transparent)]
    Device(#[from] vhost_accel_core::Error),
    /// A system call of the driver's own failed.
    #[error("{call}")]
    System {
        /// Which.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A queue is used before [`NetDriver::setup`].
    #[error("the queues are not set up")]
    NotSetUp,
    /// The device gave back a chain that it doesn't have.
    #[error("vring {queue}: the device gave back a chain {id} that it doesn't have")]
    Used {
        /// The vring.
        queue: QueueIndex,
        /// What it said.
        id: u32,
    },
    /// A received frame has fewer bytes or other buffers than its header says.
    #[error("vring {queue}: a received frame is cut short")]
    Short {
        /// The vring.
        queue: QueueIndex,
    },
    /// A frame is longer than a buffer.
    #[error("a frame of {len} bytes doesn't fit a buffer of {room}")]
    TooLong {
        /// Of the frame.
        len: usize,
        /// For a frame.
        room: usize,
    },
    /// The device hasn't got that many queue pairs.
    #[error("the device has {0} queue pairs")]
    Pairs(u16),
    /// The device did not answer within the limit.
    #[error("timed out waiting for {0}")]
    Timeout(&'static str),
    /// The device has no control queue, or it was not negotiated.
    #[error("no control queue")]
    NoControlQueue,
    /// The control queue answered VIRTIO_NET_ERR.
    #[error("the device refused the control command {class}/{command}")]
    Command {
        /// The class, VIRTIO_NET_CTRL_*.
        class: u8,
        /// The command.
        command: u8,
    },
}
