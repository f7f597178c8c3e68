//! #2: `/dev/vhost-mdev-N`.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use vhost_accel_device::dma::{Access, DmaSpace, PAGE_SIZE, PinPolicy, Region};
use vhost_accel_device::{Device, DoorbellPages, Errno};
use vhost_accel_uapi::{mdev, vhost};

use super::mem_table::read_mem_table;
use super::vhost::{Policy, UserArgument, Vhost};
use super::{Answer, Front, Key, Mapping, Node, last_of};
use crate::call::{Call, UserBuf};
use crate::crossings::Kind;
use crate::task::Task;

/// The device behind one `/dev/vhost-mdev-N`.
pub(crate) struct MdevNode {
    pub(crate) device: Arc<Device>,
    pub(crate) policy: Policy,
}

impl Node for MdevNode {
    fn key(&self) -> Key {
        Key::of(&self.device)
    }

    fn open(&self, task: &Arc<Task>, memfd: &OwnedFd) -> Result<Arc<dyn Front>, Errno> {
        let memory = task.memory()?;
        let dma = DmaSpace::new(memory.clone(), PinPolicy::Eager, mdev::MAX_MAPPINGS as usize);
        let dma = Arc::new(dma);
        let doorbells = DoorbellPages::map(memfd, 0, self.device.queue_count())?;
        self.device.bind(memory, Arc::clone(&dma), Some(doorbells))?;
        let vhost = Vhost::new(Arc::clone(&self.device), self.policy);
        Ok(Arc::new(OpenMdev { vhost, dma }))
    }
}

struct OpenMdev {
    vhost: Vhost,
    dma: Arc<DmaSpace>,
}

impl Front for OpenMdev {
    fn ioctl(&self, call: &Call<'_>, request: u32, arg: u64) -> Result<Answer, Errno> {
        match request {
            mdev::MAP_DMA => self.map(call, arg),
            mdev::UNMAP_DMA => self.unmap(call, arg),
            mdev::GET_DMA_INFO => call.write(
                arg,
                &mdev::DmaInfo {
                    iova_first: 0,
                    iova_last: u64::MAX,
                    page_sizes: !(PAGE_SIZE - 1),
                    max_mappings: mdev::MAX_MAPPINGS,
                    max_regions: mdev::MAX_REGIONS,
                },
            ),
            vhost::SET_MEM_TABLE => self.set_mem_table(call, arg),
            _ => self.vhost.request(request, UserArgument { call, address: arg }),
        }?;
        Ok(Answer::OK)
    }

    fn read(&self, call: &Call<'_>, _: &UserBuf, offset: Option<u64>) -> Result<u64, Errno> {
        call.count_syscall();
        Err(not_for_reading(offset))
    }

    fn write(&self, call: &Call<'_>, _: &UserBuf, offset: Option<u64>) -> Result<u64, Errno> {
        call.count_syscall();
        Err(not_for_reading(offset))
    }

    fn mmap(&self, call: &Call<'_>, mapping: &Mapping) -> Result<(), Errno> {
        call.count(Kind::MmapDoorbell);
        if !self.vhost.has_doorbells() {
            return Err(Errno(libc::ENODEV));
        }
        let device = self.vhost.device();
        if !mapping.is_shared() || !mapping.is_within(0, device.queue_count()) {
            return Err(Errno::EINVAL);
        }
        device.set_doorbells_mapped(true);
        Ok(())
    }

    fn release(&self) {
        self.vhost.device().unbind();
        self.dma.unmap_all();
    }
}

/// Of a file without a position one can't ask for a place in it.
fn not_for_reading(offset: Option<u64>) -> Errno {
    match offset {
        Some(_) => Errno(libc::ESPIPE),
        None => Errno::EINVAL,
    }
}

impl OpenMdev {
    fn map(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        let map: mdev::DmaMap = call.read(arg)?;
        self.vhost.check_owner(call.task.tgid)?;
        if map.flags != 0 {
            return Err(Errno::EINVAL);
        }
        self.dma.map(Region {
            iova: map.iova,
            len: map.size,
            host: map.uaddr,
            access: Access::from_bits(map.perm)?,
        })
    }

    fn unmap(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        let mut unmap: mdev::DmaUnmap = call.read(arg)?;
        self.vhost.check_owner(call.task.tgid)?;
        let last = last_of(unmap.iova, unmap.size).ok_or(Errno::EINVAL)?;
        unmap.size = self.dma.unmap_whole(unmap.iova..=last)?;
        if unmap.size == 0 {
            return Err(Errno::ENOENT);
        }
        call.write(arg, &unmap)
    }

    fn set_mem_table(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        self.vhost.check_owner(call.task.tgid)?;
        let regions = read_mem_table(call, arg, mdev::MAX_REGIONS)?;
        let regions: Vec<Region> = regions
            .iter()
            .map(|region| Region {
                iova: region.guest_phys_addr,
                len: region.memory_size,
                host: region.userspace_addr,
                access: Access::ReadWrite,
            })
            .collect();
        self.dma.replace_all(&regions)
    }
}
