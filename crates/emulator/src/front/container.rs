//! `/dev/vfio/vfio`: a container with VFIO's type 1 v2 IOMMU.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use vhost_accel_device::Errno;
use vhost_accel_device::dma::{Access, DmaSpace, PAGE_SIZE, Region};
use vhost_accel_uapi::vfio::{self, DmaMap, DmaUnmap, IommuInfo, IovaRange};
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::caps::Chain;
use super::{Answer, Front, Node, last_of};
use crate::call::{Call, Key};
use crate::iommu::Container;
use crate::task::Task;

/// Opens a new container each time.
pub(crate) struct ContainerNode {
    /// How many mappings each takes.
    pub(crate) dma_entry_limit: u32,
}

impl Node for ContainerNode {
    fn key(&self) -> Key {
        Key::SHARED
    }

    fn open(&self, _: &Arc<Task>, _: &OwnedFd) -> Result<Arc<dyn Front>, Errno> {
        let limit = self.dma_entry_limit as usize;
        Ok(Arc::new(OpenContainer { container: Arc::default(), limit }))
    }
}

struct OpenContainer {
    container: Arc<Container>,
    limit: usize,
}

impl Front for OpenContainer {
    fn ioctl(&self, call: &Call<'_>, request: u32, arg: u64) -> Result<Answer, Errno> {
        match request {
            vfio::GET_API_VERSION => return Ok(Answer::Value(vfio::API_VERSION.into())),
            vfio::CHECK_EXTENSION => {
                let known = arg == u64::from(vfio::TYPE1V2_IOMMU);
                return Ok(Answer::Value(known.into()));
            }
            vfio::SET_IOMMU => {
                self.container.set_iommu(call.task, arg, self.limit)?;
                return Ok(Answer::OK);
            }
            _ => {}
        }
        let dma = self.container.dma().ok_or(Errno::EINVAL)?;
        match request {
            vfio::IOMMU_GET_INFO => get_info(call, &dma, arg),
            vfio::IOMMU_MAP_DMA => map(call, &dma, arg),
            vfio::IOMMU_UNMAP_DMA => unmap(call, &dma, arg),
            _ => Err(Errno::ENOTTY),
        }?;
        Ok(Answer::OK)
    }

    fn container(&self) -> Option<Arc<Container>> {
        Some(Arc::clone(&self.container))
    }

    fn release(&self) {}
}

/// The body of the capability that lists usable IOVAs: here there is one range.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct OneIovaRange {
    nr_iovas: u32,
    reserved: u32,
    range: IovaRange,
}

fn get_info(call: &Call<'_>, dma: &DmaSpace, arg: u64) -> Result<(), Errno> {
    // The structure as it was before it had capabilities: the least that a caller passes.
    const LEAST: usize = std::mem::offset_of!(IommuInfo, cap_offset);
    let mut info = IommuInfo::new_zeroed();
    call.read_bytes(arg, &mut info.as_mut_bytes()[..LEAST])?;
    if (info.argsz as usize) < LEAST {
        return Err(Errno::EINVAL);
    }
    let room = (info.argsz as usize).min(size_of::<IommuInfo>());
    let mut chain = Chain::new(size_of::<IommuInfo>());
    let range = IovaRange { start: 0, end: u64::MAX };
    let ranges = OneIovaRange { nr_iovas: 1, reserved: 0, range };
    chain.push(vfio::IOMMU_INFO_CAP_IOVA_RANGE, &ranges);
    chain.push(vfio::IOMMU_INFO_CAP_DMA_AVAIL, &(dma.available() as u32));
    (info.argsz, info.cap_offset) = chain.write(call, arg, info.argsz)?;
    info.flags = vfio::IOMMU_INFO_PGSIZES | vfio::IOMMU_INFO_CAPS;
    info.iova_pgsizes = !(PAGE_SIZE - 1);
    call.write_bytes(arg, &info.as_bytes()[..room])
}

fn map(call: &Call<'_>, dma: &DmaSpace, arg: u64) -> Result<(), Errno> {
    let map: DmaMap = call.read(arg)?;
    if (map.argsz as usize) < size_of::<DmaMap>() {
        return Err(Errno::EINVAL);
    }
    // The flags READ and WRITE have the numbers of the permissions; others are not known here.
    dma.map(Region {
        iova: map.iova,
        len: map.size,
        host: map.vaddr,
        access: Access::from_bits(map.flags)?,
    })
}

fn unmap(call: &Call<'_>, dma: &DmaSpace, arg: u64) -> Result<(), Errno> {
    let mut unmap: DmaUnmap = call.read(arg)?;
    if (unmap.argsz as usize) < size_of::<DmaUnmap>() || unmap.flags != 0 {
        return Err(Errno::EINVAL);
    }
    let last = last_of(unmap.iova, unmap.size).ok_or(Errno::EINVAL)?;
    unmap.size = dma.unmap_whole(unmap.iova..=last)?;
    call.write(arg, &unmap)
}
