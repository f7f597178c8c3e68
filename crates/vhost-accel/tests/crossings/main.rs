//! What each operation of each backend crosses: section 6 of `docs/abi.md`.

#![expect(unsafe_code, reason = "maps memory for the device")]
#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

mod life;
mod vfio_ioctl;
mod vfio_msg;
mod vhost_ioctls;
mod vhost_mdev;
mod vhost_vdpa;
