//! The accelerator: a virtio-net loopback that walks rings by itself, in userspace.
//!
//! One [`Device`] stands behind an interface's front end, which turns system calls into calls of
//! its methods. What they mean is in `docs/abi.md`, section 1; errors are the errnos written there.
//!
//! # Rooms
//! `transport` is what every virtio device has: vrings, status, features, kicks, calls, the dirty
//! log and the thread. What makes it a network device is in `net`, behind two traits, which the
//! requests and the thread use. `net` knows `transport`, which knows no kind of device.
//!
//! # Threads
//! A device has one thread of its own, `vhost-accel-N`, started by the first DRIVER_OK and ended
//! when the device is dropped. While no vring runs it sleeps and holds nothing of the client's. The
//! methods may be called from any thread: each has had its effect when it returns. Stopping
//! (suspend, reset, disabling a vring, unbinding) returns when the device is at a chain boundary,
//! an unmap of a [`dma::DmaSpace`] when no access to what was unmapped is under way.
//!
//! # Kicks
//! The device looks at a ring when it was kicked, once when the vring starts, and then until it
//! finds it empty; an available index that nobody kicked for is left alone. Kick eventfds are
//! waited for with
//! `epoll` and never read, as in vhost; a kick that the client itself reads is one all the same.
//! Doorbell pages are polled: those of queues that had work within 50 µs all the time, the others
//! every 100 µs, as long as the front end says that a client has any.

mod counters;
pub mod dma;
mod errno;
pub mod eventfd;
mod fault;
mod lock;
mod net;
#[cfg(test)]
mod tests;
mod transport;

pub use crate::counters::Counters;
pub use crate::errno::Errno;
pub use crate::fault::FaultKind;
pub use crate::lock::lock;
pub use crate::net::DeviceConfig;
pub use crate::transport::{Device, DoorbellPages};
