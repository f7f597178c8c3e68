//! Backend of #1/B: vhost ioctls on the VFIO device fd (RFC v3, 28 August 2019).
//!
//! | | how |
//! |---|---|
//! | control, call, error | vhost ioctls (type 0xAF) on the VFIO device fd, beside VFIO's own |
//! | kick | SET_VRING_KICK eventfd, or a doorbell in the NOTIFY region |
//! | DMA | the VFIO container |
//!
//! Section 3 of `docs/abi.md` is the contract.

use std::os::fd::AsFd;
use std::path::Path;

use vhost_accel_vfio::{Container, Region, VfioFd};
use vhost_accel_vhost_ioctls::core::{Capabilities, Device, Interface, Opening, Result};
use vhost_accel_vhost_ioctls::uapi::vhost::{BACKEND_F_RESUME, BACKEND_F_SUSPEND};
use vhost_accel_vhost_ioctls::{Identity, VhostIoctls};

/// A device opened through #1/B.
pub type VfioIoctl = Device<VhostIoctls<VfioFd>, Container>;

/// Opens the mdev whose directory in sysfs is `path`: `/sys/bus/mdev/devices/UUID`.
///
/// # Errors
/// Those of [`vhost_accel_vfio::open`] and of [`Identity::ask`].
pub fn open(path: impl AsRef<Path>) -> Result<VfioIoctl> {
    let opening = Opening::new(Interface::VfioIoctl, path.as_ref());
    let vhost_accel_vfio::Vfio { device, container } = vhost_accel_vfio::open(&opening)?;
    let wanted = 1 << BACKEND_F_SUSPEND | 1 << BACKEND_F_RESUME;
    let identity = Identity::ask(&opening, device.as_fd(), wanted)?;
    let doorbells = device.notify_region().as_ref().and_then(Region::doorbells);
    let mut capabilities = identity.capabilities()
        | Capabilities::KICK_EVENTFD
        | Capabilities::ERROR_EVENT
        | Capabilities::DMA_ACCESS
        | Capabilities::DMA_ERRNO
        | Capabilities::DMA_INCREMENTAL;
    capabilities.set(Capabilities::KICK_DOORBELL, doorbells.is_some());
    let info = identity.info(&opening, capabilities);
    Ok(Device::new(info, VhostIoctls::new(device, &identity, doorbells), container))
}
