//! `/dev/vhost-vdpa-N`, as `drivers/vhost/vdpa.c` of Linux 6.12 has it.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use vhost_accel_device::dma::{Access, DmaSpace, PAGE_SIZE, PinPolicy, Region};
use vhost_accel_device::{Device, DoorbellPages, Errno, lock};
use vhost_accel_uapi::vhost::{self, IotlbMsg};
use zerocopy::{FromZeros, IntoBytes};

use super::mem_table::read_mem_table;
use super::vhost::{Policy, UserArgument, Vhost};
use super::{Answer, Front, Key, Mapping, Node};
use crate::call::{Call, UserBuf};
use crate::crossings::Kind;
use crate::task::Task;

/// `max_mem_regions` of the vhost module, unless it was loaded with another.
const MAX_REGIONS: u32 = 64;

/// A number of the kernel's own, which vhost_vdpa lets out.
const ENOTSUPP: i32 = 524;

/// The device behind one `/dev/vhost-vdpa-N`.
pub(crate) struct VdpaNode {
    pub(crate) device: Arc<Device>,
    pub(crate) policy: Policy,
}

impl Node for VdpaNode {
    fn key(&self) -> Key {
        Key::of(&self.device)
    }

    fn open(&self, task: &Arc<Task>, memfd: &OwnedFd) -> Result<Arc<dyn Front>, Errno> {
        let memory = task.memory()?;
        let dma = Arc::new(DmaSpace::new(memory.clone(), PinPolicy::Eager, usize::MAX));
        let doorbells = DoorbellPages::map(memfd, 0, self.device.queue_count())?;
        self.device.bind(memory, Arc::clone(&dma), Some(doorbells))?;
        let vhost = Vhost::new(Arc::clone(&self.device), self.policy);
        let batch = Mutex::default();
        Ok(Arc::new(OpenVdpa { vhost, dma, batch }))
    }
}

struct OpenVdpa {
    vhost: Vhost,
    dma: Arc<DmaSpace>,
    batch: Mutex<Batch>,
}

#[derive(Default)]
struct Batch {
    /// The address space exists: mainline makes it when something is mapped, or a batch begins.
    has_space: bool,
}

/// What is written: an IOTLB message of either version, up to the end of what it says.
#[derive(Clone, Copy, Debug, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct Written {
    msg_type: u32,
    asid: u32,
    iotlb: IotlbMsg,
}

impl Front for OpenVdpa {
    fn ioctl(&self, call: &Call<'_>, request: u32, arg: u64) -> Result<Answer, Errno> {
        match request {
            vhost::SET_MEM_TABLE => {
                self.vhost.check_owner(call.task.tgid)?;
                set_mem_table(call, arg)
            }
            _ => self.vhost.request(request, UserArgument { call, address: arg }),
        }?;
        Ok(Answer::OK)
    }

    /// vhost_chr_write_iter. What can't be copied is taken for a short write, and a whole message
    /// is said to have been written however much of its padding there was.
    fn write(&self, call: &Call<'_>, buf: &UserBuf, _: Option<u64>) -> Result<u64, Errno> {
        buf.check().inspect_err(|_| call.count_syscall())?;
        let mut written = Written::new_zeroed();
        let copied = buf.gather(call, written.as_mut_bytes());
        call.count(Kind::of_iotlb(written.iotlb.kind));
        copied.map_err(|_| Errno::EINVAL)?;
        let asid = match written.msg_type {
            vhost::IOTLB_MSG => 0,
            vhost::IOTLB_MSG_V2 if !self.vhost.has_backend_feature(vhost::BACKEND_F_IOTLB_ASID) => {
                0
            }
            vhost::IOTLB_MSG_V2 => written.asid,
            _ => return Err(Errno::EINVAL),
        };
        let message = written.iotlb;
        if message.kind == vhost::IOTLB_UPDATE && message.size == 0 {
            return Err(Errno::EINVAL);
        }
        // Whatever is wrong with a message reaches the writer as this.
        self.message(call, asid, &message).map_err(|_| Errno::EFAULT)?;
        Ok(size_of::<vhost::MsgV2>() as u64)
    }

    fn mmap(&self, call: &Call<'_>, mapping: &Mapping) -> Result<(), Errno> {
        call.count(Kind::MmapDoorbell);
        let device = self.vhost.device();
        let one_page = mapping.len.div_ceil(PAGE_SIZE) == 1;
        let readable = mapping.prot & libc::PROT_READ != 0;
        let index = mapping.offset / PAGE_SIZE;
        if !one_page || !mapping.is_shared() || readable || index > u64::from(u16::MAX) {
            return Err(Errno::EINVAL);
        }
        if index >= u64::from(device.queue_count()) || !self.vhost.has_doorbells() {
            // What the parent says of a vring without a doorbell.
            return Err(Errno(ENOTSUPP));
        }
        device.set_doorbells_mapped(true);
        Ok(())
    }

    fn release(&self) {
        self.vhost.device().unbind();
        self.dma.unmap_all();
    }
}

impl OpenVdpa {
    /// vhost_vdpa_process_iotlb_msg. The device sees every change at once, so that a batch is
    /// nothing but a promise of more.
    fn message(&self, call: &Call<'_>, asid: u32, message: &IotlbMsg) -> Result<(), Errno> {
        self.vhost.check_owner(call.task.tgid)?;
        let mut batch = lock(&self.batch);
        if asid != 0 {
            return Err(Errno::EINVAL);
        }
        if matches!(message.kind, vhost::IOTLB_UPDATE | vhost::IOTLB_BATCH_BEGIN) {
            batch.has_space = true;
        }
        if !batch.has_space {
            return Err(Errno::EINVAL);
        }
        match message.kind {
            vhost::IOTLB_UPDATE => self.update(message),
            vhost::IOTLB_INVALIDATE => {
                let last = message.iova.wrapping_add(message.size).wrapping_sub(1);
                self.dma.unmap_touching(message.iova..=last);
                Ok(())
            }
            vhost::IOTLB_BATCH_BEGIN | vhost::IOTLB_BATCH_END => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }

    /// vhost_vdpa_process_iotlb_update and vhost_vdpa_pa_map, which maps the pages that the range
    /// touches.
    fn update(&self, message: &IotlbMsg) -> Result<(), Errno> {
        let &IotlbMsg { iova, size, uaddr, perm, .. } = message;
        iova.checked_add(size - 1).ok_or(Errno::EINVAL)?;
        let within = iova % PAGE_SIZE;
        let len = size
            .checked_add(within)
            .and_then(|len| len.checked_next_multiple_of(PAGE_SIZE))
            .ok_or(Errno::EINVAL)?;
        self.dma.map(Region {
            iova: iova - within,
            len,
            host: uaddr - uaddr % PAGE_SIZE,
            access: match perm & vhost::ACCESS_RW {
                0 => Access::None,
                some => Access::from_bits(some.into())?,
            },
        })
    }
}

/// vhost_set_memory: vhost keeps the table, and vhost-vdpa never looks at it.
fn set_mem_table(call: &Call<'_>, arg: u64) -> Result<(), Errno> {
    let regions = read_mem_table(call, arg, MAX_REGIONS)?;
    let ends_before_it_begins = |region: &vhost::MemoryRegion| {
        let first = region.guest_phys_addr;
        first.wrapping_add(region.memory_size).wrapping_sub(1) < first
    };
    if regions.iter().any(ends_before_it_begins) { Err(Errno(libc::EFAULT)) } else { Ok(()) }
}
