//! Opening.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use vhost_accel_vhost_ioctls::core::{
    Capabilities, Device, DoorbellLayout, Interface, Opening, Operation, Result,
};
use vhost_accel_vhost_ioctls::uapi::vhost::{
    BACKEND_F_ENABLE_AFTER_DRIVER_OK, BACKEND_F_IOTLB_BATCH, BACKEND_F_IOTLB_MSG_V2,
    BACKEND_F_IOTLB_PERSIST, BACKEND_F_RESUME, BACKEND_F_SUSPEND,
};
use vhost_accel_vhost_ioctls::{Identity, VhostIoctls, map_if_present};

use crate::iotlb::Iotlb;

/// A device opened through vhost-vdpa.
pub type VhostVdpa = Device<VhostIoctls<File>, Iotlb>;

/// What can be chosen at open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VhostVdpaOptions {
    /// Whether several mappings are announced as one change, where the device offers it.
    pub batch: bool,
}

impl Default for VhostVdpaOptions {
    /// With batches.
    fn default() -> Self {
        Self { batch: true }
    }
}

/// The backend features that the driver accepts, a bit for each number.
fn wanted(options: VhostVdpaOptions) -> u64 {
    let numbers = [
        BACKEND_F_IOTLB_MSG_V2,
        BACKEND_F_SUSPEND,
        BACKEND_F_RESUME,
        // A vring may be enabled while the device runs.
        BACKEND_F_ENABLE_AFTER_DRIVER_OK,
        // Without it a parent drops its mappings on reset, as those before Linux 6.7 did.
        BACKEND_F_IOTLB_PERSIST,
    ];
    let plain = numbers.into_iter().fold(0, |bits, number| bits | 1 << number);
    plain | u64::from(options.batch) << BACKEND_F_IOTLB_BATCH
}

/// Opens the character device at `path`: `/dev/vhost-vdpa-N`.
///
/// # Errors
/// Those of open(2), EBUSY for a device that is open already, and of [`Identity::ask`].
pub fn open(path: impl AsRef<Path>, options: VhostVdpaOptions) -> Result<VhostVdpa> {
    let opening = Opening::new(Interface::VhostVdpa, path.as_ref());
    let file = OpenOptions::new().read(true).write(true).open(opening.path());
    let file = file.map_err(opening.failed(Operation::Open))?;
    opened(&opening, file, options)
}

/// Opens the device that somebody else has opened as `fd`, to read and write: a process that may,
/// for one that is in a sandbox. `path` is where it was opened, for messages.
///
/// This process becomes the device's owner. The one that opened it must not have become that.
///
/// # Errors
/// Those of [`Identity::ask`]: EBUSY for a device that has an owner.
pub fn open_fd(
    path: impl AsRef<Path>,
    fd: OwnedFd,
    options: VhostVdpaOptions,
) -> Result<VhostVdpa> {
    opened(&Opening::new(Interface::VhostVdpa, path.as_ref()), fd.into(), options)
}

fn opened(opening: &Opening, file: File, options: VhostVdpaOptions) -> Result<VhostVdpa> {
    let fd = Arc::new(file);
    let identity = Identity::ask(opening, fd.as_fd(), wanted(options))?;
    let layout = DoorbellLayout::new(0, identity.queue_count, false);
    let doorbells =
        map_if_present(fd.as_fd(), layout).map_err(opening.failed(Operation::MakeKicker))?;
    let batches = identity.backend_features & (1 << BACKEND_F_IOTLB_BATCH) != 0;
    let mut capabilities = identity.capabilities()
        | Capabilities::KICK_EVENTFD
        | Capabilities::DMA
        | Capabilities::DMA_ACCESS
        | Capabilities::DMA_INCREMENTAL;
    capabilities.set(Capabilities::KICK_DOORBELL, doorbells.is_some());
    capabilities.set(Capabilities::BATCH_DMA, batches);
    // There are no SET_LOG requests, whatever the parent's features say.
    capabilities.remove(Capabilities::DIRTY_LOG);
    let info = identity.info(opening, capabilities);
    let control = VhostIoctls::new(Arc::clone(&fd), &identity, doorbells).confirming_start();
    Ok(Device::new(info, control, Iotlb::new(fd, batches)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backend_features_are_bit_numbers() {
        assert_eq!(wanted(VhostVdpaOptions { batch: true }), 0b1_0111_0110);
        assert_eq!(wanted(VhostVdpaOptions { batch: false }), 0b1_0111_0010);
    }
}
