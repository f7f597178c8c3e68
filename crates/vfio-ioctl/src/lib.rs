//! Backend of #1/B: vhost ioctls on the VFIO device fd (RFC v3, 28 August 2019).
//!
//! | | how |
//! |---|---|
//! | control, call, error | vhost ioctls (type 0xAF) on the VFIO device fd, beside VFIO's own |
//! | kick | SET_VRING_KICK eventfd, or a doorbell in the NOTIFY region |
//! | DMA | the VFIO container |
//!
//! Section 3 of `docs/abi.md` is the contract.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use vhost_accel_vfio::{Container, ElsewhereMapped, Region, VfioFd};
use vhost_accel_vhost_ioctls::core::{Capabilities, Device, Dma, Interface, Opening, Result};
use vhost_accel_vhost_ioctls::uapi::vhost::{BACKEND_F_RESUME, BACKEND_F_SUSPEND};
use vhost_accel_vhost_ioctls::{Identity, VhostIoctls};

/// A device opened through #1/B; `D` is the DMA column.
pub type VfioIoctl<D = Container> = Device<VhostIoctls<VfioFd>, D>;

/// Opens the mdev whose directory in sysfs is `path`: `/sys/bus/mdev/devices/UUID`.
///
/// # Errors
/// Those of [`vhost_accel_vfio::open`] and of [`Identity::ask`].
pub fn open(path: impl AsRef<Path>) -> Result<VfioIoctl> {
    let opening = Opening::new(Interface::VfioIoctl, path.as_ref());
    let vhost_accel_vfio::Vfio { device, container } = vhost_accel_vfio::open(&opening)?;
    opened(&opening, device, container, Container::CAPABILITIES)
}

/// Opens the device that somebody else has opened as `device`. Its container stays theirs, and
/// they map memory there. `path` is where it was opened, for messages.
///
/// This process becomes the device's owner. The one that opened it must not have become that.
///
/// # Errors
/// Those of [`vhost_accel_vfio::handed`] and of [`Identity::ask`]: EBUSY for a device that has an
/// owner.
pub fn open_fd(path: impl AsRef<Path>, device: OwnedFd) -> Result<VfioIoctl<ElsewhereMapped>> {
    let opening = Opening::new(Interface::VfioIoctl, path.as_ref());
    let device = vhost_accel_vfio::handed(&opening, device)?;
    opened(&opening, device, ElsewhereMapped, Capabilities::empty())
}

/// As [`open_fd`], with the container: memory is mapped through the device, and everything in the
/// container is unmapped with it.
///
/// # Errors
/// Those of [`open_fd`] and of [`vhost_accel_vfio::handed_container`].
pub fn open_fds(path: impl AsRef<Path>, device: OwnedFd, container: OwnedFd) -> Result<VfioIoctl> {
    let opening = Opening::new(Interface::VfioIoctl, path.as_ref());
    let device = vhost_accel_vfio::handed(&opening, device)?;
    let container = vhost_accel_vfio::handed_container(&opening, container)?;
    opened(&opening, device, container, Container::CAPABILITIES)
}

fn opened<D: Dma>(
    opening: &Opening,
    device: Arc<VfioFd>,
    dma: D,
    of_dma: Capabilities,
) -> Result<VfioIoctl<D>> {
    let wanted = 1 << BACKEND_F_SUSPEND | 1 << BACKEND_F_RESUME;
    let identity = Identity::ask(opening, device.as_fd(), wanted)?;
    let doorbells = device.notify_region().as_ref().and_then(Region::doorbells);
    let mut capabilities =
        identity.capabilities() | Capabilities::KICK_EVENTFD | Capabilities::ERROR_EVENT | of_dma;
    capabilities.set(Capabilities::KICK_DOORBELL, doorbells.is_some());
    let info = identity.info(opening, capabilities);
    Ok(Device::new(info, VhostIoctls::new(device, &identity, doorbells), dma))
}
