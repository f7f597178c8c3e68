//! Container, group and device of VFIO, opened with `vfio-ioctls`.
//!
//! That crate opens, identifies and closes. What it would swallow (the results of region access and
//! reset), leave out (access flags, capabilities that it doesn't know) or allocate for (interrupts)
//! is called through `vhost_accel_uapi::call` on the same fds.

mod container;
mod device;
mod error;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use vfio_ioctls::{VfioContainer, VfioDevice};
use vhost_accel_core::{Dma, Error, Opening, Operation};
use vhost_accel_uapi::call;

pub use container::{Container, ElsewhereMapped};
pub use device::{Region, VfioFd};

/// An opened VFIO device, in a container of its own.
#[derive(Debug)]
pub struct Vfio {
    /// The device.
    pub device: Arc<VfioFd>,
    /// Its container: the DMA column. To be dropped after the device, or with it.
    pub container: Container,
}

/// Opens the mdev at `opening`'s path, its directory in sysfs.
///
/// # Errors
/// Those of open(2) and the VFIO ioctls: EBUSY when the group is in use, ENOENT without it or
/// without VFIO, EACCES without the right to them. [`Reason::Library`](vhost_accel_core::Reason)
/// where `vfio-ioctls` keeps no errno.
pub fn open(opening: &Opening) -> Result<Vfio, Error> {
    let container = VfioContainer::new(None)
        .map_err(error::reason)
        .map_err(opening.failed(Operation::OpenContainer))?;
    let container = Arc::new(container);
    let device = VfioDevice::new(opening.path(), container.clone(), false).map_err(|error| {
        let step = error::step(&error);
        opening.failed(step)(error::of_device(error, opening.path()))
    })?;
    let device = Arc::new(VfioFd::opened(device));
    Ok(Vfio { device, container: Container::opened(container) })
}

/// The device that somebody else has opened as `device`, out of a group in a container of theirs.
/// They need the group no longer.
///
/// # Errors
/// Those of VFIO_DEVICE_GET_INFO: ENOTTY for what is no VFIO device.
pub fn handed(opening: &Opening, device: OwnedFd) -> Result<Arc<VfioFd>, Error> {
    call::vfio::get_device_info(&device).map_err(opening.failed(Operation::Identify))?;
    Ok(Arc::new(VfioFd::handed(device)))
}

/// The container of a device that was handed over with it. The device is then the only one for
/// which memory is mapped in it, and all of that is unmapped when this is dropped. The last page of
/// IOVAs can't be mapped: EINVAL.
///
/// # Errors
/// Those of VFIO_IOMMU_GET_INFO: EINVAL without an IOMMU type, ENOTTY for what is no container.
pub fn handed_container(opening: &Opening, container: OwnedFd) -> Result<Container, Error> {
    let container = Container::handed(container);
    container.limits().map_err(opening.failed(Operation::OpenContainer))?;
    Ok(container)
}
