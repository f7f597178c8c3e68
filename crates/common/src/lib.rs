//! What more than one backend shares.
//!
//! | item | used by |
//! |---|---|
//! | [`Opening`], [`Identity`] | all: the first crossings, and errors before there is a device |
//! | [`VhostIoctls`] | vfio-ioctl, vhost-mdev, vhost-vdpa: vhost ioctls as the control column |
//! | [`Held`] | all: what the kernel half already holds of each vring, so that nothing is sent twice |
//! | [`vfio`] | vfio-msg, vfio-ioctl: container, group and device; the container as the DMA column |
//!
//! A fifth backend may use them as well; `docs/writing-a-backend.md` shows how.

mod doorbells;
mod held;
mod identity;
mod ioctls;
mod opening;
pub mod vfio;

pub use doorbells::map_if_present;
pub use held::Held;
pub use identity::Identity;
pub use ioctls::{VhostIoctls, vring_addr};
pub use opening::Opening;
