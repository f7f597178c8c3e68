//! vhost requests, as the backends of three interfaces make them by ioctl.
//!
//! | item | used by |
//! |---|---|
//! | [`VhostIoctls`] | #1/B, #2, vhost-vdpa: vhost ioctls as the control column |
//! | [`Identity`] | all: what a device says of itself in the first requests after open |
//! | [`Held`], [`vring_addr`] | all: what the kernel half already holds of a vring, and how it is told |
//! | [`map_if_present`] | #2, vhost-vdpa: whether there are doorbells |
//!
//! #1/A sends the same requests as messages. A fifth backend may use them as well;
//! `docs/writing-a-backend.md` shows how. The trait ([`core`]) and the ABI ([`uapi`]) that they
//! stand on come with them: a backend names this crate, and `vhost-accel-vfio` where it is on VFIO.

mod doorbells;
mod held;
mod identity;
mod ioctls;

pub use doorbells::map_if_present;
pub use held::Held;
pub use identity::Identity;
pub use ioctls::{VhostIoctls, vring_addr};
pub use {vhost_accel_core as core, vhost_accel_uapi as uapi};
