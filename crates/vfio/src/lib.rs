//! Container, group and device of VFIO, opened with `vfio-ioctls`.
//!
//! That crate opens, identifies and closes. What it would swallow (the results of region access and
//! reset), leave out (access flags, capabilities that it doesn't know) or allocate for (interrupts)
//! is called through `vhost_accel_uapi::call` on the same fds.

mod container;
mod device;
mod error;

use std::sync::Arc;

use vfio_ioctls::{VfioContainer, VfioDevice};
use vhost_accel_core::{Error, Opening, Operation};

pub use container::Container;
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
    Ok(Vfio { device: Arc::new(VfioFd::new(device)), container: Container::new(container) })
}
