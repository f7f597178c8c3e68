//! Opening.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use vhost_accel_vhost_ioctls::core::{
    Capabilities, Device, Dma, DoorbellLayout, Interface, Opening, Operation, Result, VhostAccel,
};
use vhost_accel_vhost_ioctls::uapi::vhost::{BACKEND_F_RESUME, BACKEND_F_SUSPEND};
use vhost_accel_vhost_ioctls::{Identity, VhostIoctls, map_if_present};

use crate::map_unmap::MapUnmap;
use crate::mem_table::MemTable;

/// A device opened through #2, with `D` as its DMA column: [`MapUnmap`] or [`MemTable`].
pub type VhostMdev<D> = Device<VhostIoctls<File>, D>;

/// How DMA is programmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DmaStyle {
    /// VHOST_MDEV_MAP_DMA and VHOST_MDEV_UNMAP_DMA: one mapping, one ioctl.
    #[default]
    MapUnmap,
    /// VHOST_SET_MEM_TABLE: any change sends every mapping again.
    MemTable,
}

/// What can be chosen at open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VhostMdevOptions {
    /// How DMA is programmed.
    pub dma: DmaStyle,
}

/// Opens the character device at `path`: `/dev/vhost-mdev-N`.
///
/// # Errors
/// Those of open(2), EBUSY for a device that is open already, and of [`Identity::ask`].
pub fn open(path: impl AsRef<Path>, options: VhostMdevOptions) -> Result<Box<dyn VhostAccel>> {
    let opening = Opening::new(Interface::VhostMdev, path.as_ref());
    let file = OpenOptions::new().read(true).write(true).open(opening.path());
    let file = file.map_err(opening.failed(Operation::Open))?;
    opened(opening, file, options)
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
    options: VhostMdevOptions,
) -> Result<Box<dyn VhostAccel>> {
    opened(Opening::new(Interface::VhostMdev, path.as_ref()), fd.into(), options)
}

fn opened(opening: Opening, file: File, options: VhostMdevOptions) -> Result<Box<dyn VhostAccel>> {
    let opened = Opened::new(opening, file)?;
    Ok(match options.dma {
        DmaStyle::MapUnmap => {
            let dma = MapUnmap::new(Arc::clone(&opened.fd));
            Box::new(opened.with(Capabilities::DMA_ACCESS | Capabilities::DMA_INCREMENTAL, dma))
        }
        DmaStyle::MemTable => {
            let dma = MemTable::new(Arc::clone(&opened.fd));
            Box::new(opened.with(Capabilities::BATCH_DMA | Capabilities::ATOMIC_DMA, dma))
        }
    })
}

/// All but the DMA column.
struct Opened {
    opening: Opening,
    identity: Identity,
    fd: Arc<File>,
    control: VhostIoctls<File>,
    capabilities: Capabilities,
}

impl Opened {
    fn new(opening: Opening, file: File) -> Result<Self> {
        let fd = Arc::new(file);
        let wanted = 1 << BACKEND_F_SUSPEND | 1 << BACKEND_F_RESUME;
        let identity = Identity::ask(&opening, fd.as_fd(), wanted)?;
        let layout = DoorbellLayout::new(0, identity.queue_count, true);
        let doorbells =
            map_if_present(fd.as_fd(), layout).map_err(opening.failed(Operation::MakeKicker))?;
        let mut capabilities = identity.capabilities()
            | Capabilities::KICK_EVENTFD
            | Capabilities::ERROR_EVENT
            | Capabilities::DMA
            | Capabilities::DMA_ERRNO;
        capabilities.set(Capabilities::KICK_DOORBELL, doorbells.is_some());
        let control = VhostIoctls::new(Arc::clone(&fd), &identity, doorbells);
        Ok(Self { opening, identity, fd, control, capabilities })
    }

    fn with<D: Dma>(self, capabilities: Capabilities, dma: D) -> VhostMdev<D> {
        let capabilities = self.capabilities | capabilities;
        let info = self.identity.info(&self.opening, capabilities);
        Device::new(info, self.control, dma)
    }
}
