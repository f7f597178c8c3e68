//! Backend of the control: mainline's vhost-vdpa, `/dev/vhost-vdpa-N`, since Linux 5.7.
//!
//! | | how |
//! |---|---|
//! | control, call | vhost ioctls (type 0xAF) |
//! | kick | SET_VRING_KICK eventfd, or a doorbell, where the parent has one |
//! | DMA | IOTLB messages v2 by write(2), with batch hints or without |
//!
//! It keeps to mainline and works on any vDPA device: what a parent lacks is a capability less.
//! Section 5 of `docs/abi.md` says what matters.

mod iotlb;
mod open;

pub use iotlb::Iotlb;
pub use open::{VhostVdpa, VhostVdpaOptions, open, open_fd};
