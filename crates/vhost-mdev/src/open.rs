//! Opening.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
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
    let opened = Opened::open(path.as_ref())?;
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
    fn open(path: &Path) -> Result<Self> {
        let opening = Opening::new(Interface::VhostMdev, path);
        let file = OpenOptions::new().read(true).write(true).open(path);
        let fd = Arc::new(file.map_err(opening.failed(Operation::Open))?);
        let wanted = 1 << BACKEND_F_SUSPEND | 1 << BACKEND_F_RESUME;
        let identity = Identity::ask(&opening, fd.as_fd(), wanted)?;
        let layout = DoorbellLayout::new(0, identity.queue_count, true);
        let doorbells =
            map_if_present(fd.as_fd(), layout).map_err(opening.failed(Operation::MakeKicker))?;
        let mut capabilities = identity.capabilities()
            | Capabilities::KICK_EVENTFD
            | Capabilities::ERROR_EVENT
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
