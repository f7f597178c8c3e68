//! The VFIO device: #1/B's ioctls, VFIO's own, and the regions that #1/A uses.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use vhost_accel_device::dma::PAGE_SIZE;
use vhost_accel_device::{Device, DoorbellPages, Errno};
use vhost_accel_uapi::vfio::{self, DeviceInfo, IrqInfo, IrqSet, RegionInfo};
use vhost_accel_uapi::{ioc, vhost};
use zerocopy::{FromZeros, IntoBytes};

use super::caps::Chain;
use super::group::Group;
use super::messages::Messages;
use super::vhost::{UserArgument, Vhost};
use super::{Answer, Front, Key, Mapping, Node};
use crate::call::{Call, UserBuf};
use crate::crossings::Kind;
use crate::task::Task;

const NOTIFY: u64 = vfio::region_offset(vfio::REGION_INDEX_NOTIFY);

/// The device of a group, to be opened by VFIO_GROUP_GET_DEVICE_FD.
pub(crate) struct VfioDeviceNode(pub(crate) Arc<Group>);

impl Node for VfioDeviceNode {
    fn key(&self) -> Key {
        Key::of(&self.0)
    }

    fn open(&self, task: &Arc<Task>, memfd: &OwnedFd) -> Result<Arc<dyn Front>, Errno> {
        let group = &self.0;
        let device = group.device();
        let doorbells = DoorbellPages::map(memfd, NOTIFY, device.queue_count())?;
        let dma = group.open_device()?;
        task.memory()
            .and_then(|memory| device.bind(memory, dma, Some(doorbells)))
            .inspect_err(|_| group.close_device())?;
        Ok(Arc::new(OpenVfioDevice {
            group: Arc::clone(group),
            vhost: Vhost::new(Arc::clone(device), group.policy()),
            messages: Messages::default(),
        }))
    }
}

struct OpenVfioDevice {
    group: Arc<Group>,
    vhost: Vhost,
    messages: Messages,
}

impl Front for OpenVfioDevice {
    fn ioctl(&self, call: &Call<'_>, request: u32, arg: u64) -> Result<Answer, Errno> {
        match request {
            vfio::DEVICE_GET_INFO => self.info(call, arg),
            vfio::DEVICE_GET_REGION_INFO => self.region_info(call, arg),
            vfio::DEVICE_GET_IRQ_INFO => self.irq_info(call, arg),
            vfio::DEVICE_SET_IRQS => self.set_irqs(call, arg),
            vfio::DEVICE_RESET => {
                self.device().reset();
                Ok(())
            }
            _ if ioc::ty(request) == vhost::TYPE => {
                self.vhost.request(request, UserArgument { call, address: arg })
            }
            _ => Err(Errno::ENOTTY),
        }?;
        Ok(Answer::OK)
    }

    fn read(&self, call: &Call<'_>, buf: &UserBuf, offset: Option<u64>) -> Result<u64, Errno> {
        buf.check().inspect_err(|_| call.count_syscall())?;
        let (region, offset) = counted(call, offset, false);
        match region {
            vfio::REGION_INDEX_CONFIG => self.messages.read(call, buf, offset),
            vfio::REGION_INDEX_NOTIFY => {
                let len = buf.len().min(self.notify_size().saturating_sub(offset));
                buf.scatter(call, &vec![0; len as usize])?;
                Ok(len)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn write(&self, call: &Call<'_>, buf: &UserBuf, offset: Option<u64>) -> Result<u64, Errno> {
        buf.check().inspect_err(|_| call.count_syscall())?;
        let (region, offset) = counted(call, offset, true);
        match region {
            vfio::REGION_INDEX_CONFIG => self.messages.write(&self.vhost, call, buf, offset),
            vfio::REGION_INDEX_NOTIFY => self.kick(call, buf, offset),
            _ => Err(Errno::EINVAL),
        }
    }

    fn mmap(&self, call: &Call<'_>, mapping: &Mapping) -> Result<(), Errno> {
        call.count(Kind::MmapDoorbell);
        let doorbells = self.vhost.has_doorbells();
        if !doorbells
            || !mapping.is_shared()
            || !mapping.is_within(NOTIFY, self.device().queue_count())
        {
            return Err(Errno::EINVAL);
        }
        self.device().set_doorbells_mapped(true);
        Ok(())
    }

    fn release(&self) {
        self.device().unbind();
        self.group.close_device();
    }
}

/// Region and offset in it, of a transfer that is counted.
fn counted(call: &Call<'_>, offset: Option<u64>, write: bool) -> (u32, u64) {
    let offset = offset.unwrap_or(0);
    match Kind::of_region(offset, write) {
        Some(kind) => call.count(kind),
        None => call.count_syscall(),
    }
    let region = vfio::region_index(offset);
    (region, offset - vfio::region_offset(region))
}

impl OpenVfioDevice {
    fn device(&self) -> &Device {
        self.vhost.device()
    }

    fn notify_size(&self) -> u64 {
        u64::from(self.device().queue_count()) * PAGE_SIZE
    }

    fn kick(&self, call: &Call<'_>, buf: &UserBuf, offset: u64) -> Result<u64, Errno> {
        let mut queue = [0; 4];
        if buf.len() != queue.len() as u64 || offset >= PAGE_SIZE {
            return Err(Errno::EINVAL);
        }
        buf.gather(call, &mut queue)?;
        let queue = u16::try_from(i32::from_ne_bytes(queue)).map_err(|_| Errno::ENOBUFS)?;
        self.device().kick(queue)?;
        Ok(buf.len())
    }

    fn info(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        // Without the place of capabilities, which the device has none of.
        const LEN: usize = std::mem::offset_of!(DeviceInfo, cap_offset);
        let mut info = DeviceInfo::new_zeroed();
        call.read_bytes(arg, &mut info.as_mut_bytes()[..LEN])?;
        if (info.argsz as usize) < LEN {
            return Err(Errno::EINVAL);
        }
        info.flags =
            vfio::DEVICE_FLAGS_RESET | vfio::DEVICE_FLAGS_PLATFORM | vfio::DEVICE_FLAGS_VHOST;
        info.num_regions = vfio::NUM_REGIONS;
        info.num_irqs = vfio::NUM_IRQS;
        call.write_bytes(arg, &info.as_bytes()[..LEN])
    }

    fn region_info(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        let mut info: RegionInfo = call.read(arg)?;
        if (info.argsz as usize) < size_of::<RegionInfo>() {
            return Err(Errno::EINVAL);
        }
        let mut chain = Chain::new(size_of::<RegionInfo>());
        let region = |subtype: u32| [vfio::REGION_TYPE_VHOST, subtype];
        info.flags = vfio::REGION_INFO_FLAG_READ
            | vfio::REGION_INFO_FLAG_WRITE
            | vfio::REGION_INFO_FLAG_CAPS;
        info.offset = vfio::region_offset(info.index);
        match info.index {
            vfio::REGION_INDEX_CONFIG => {
                info.size = vfio::REGION_CONFIG_SIZE;
                let subtype = vfio::REGION_SUBTYPE_VHOST_CONFIG;
                chain.push(vfio::REGION_INFO_CAP_TYPE, &region(subtype));
                chain.push(vfio::REGION_INFO_CAP_VHOST, &Messages::capability());
            }
            vfio::REGION_INDEX_NOTIFY => {
                if self.vhost.has_doorbells() {
                    info.flags |= vfio::REGION_INFO_FLAG_MMAP;
                }
                info.size = self.notify_size();
                let subtype = vfio::REGION_SUBTYPE_VHOST_NOTIFY;
                chain.push(vfio::REGION_INFO_CAP_TYPE, &region(subtype));
            }
            _ => return Err(Errno::EINVAL),
        }
        (info.argsz, info.cap_offset) = chain.write(call, arg, info.argsz)?;
        call.write(arg, &info)
    }

    /// How many interrupts an index has. EINVAL: there is no such index.
    fn irq_count(&self, index: u32) -> Result<u32, Errno> {
        match index {
            vfio::IRQ_INDEX_VQ | vfio::IRQ_INDEX_ERR => Ok(self.device().queue_count().into()),
            vfio::IRQ_INDEX_CONFIG => Ok(1),
            _ => Err(Errno::EINVAL),
        }
    }

    fn irq_info(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        let mut info: IrqInfo = call.read(arg)?;
        if (info.argsz as usize) < size_of::<IrqInfo>() {
            return Err(Errno::EINVAL);
        }
        info.count = self.irq_count(info.index)?;
        info.flags = vfio::IRQ_INFO_EVENTFD;
        call.write(arg, &info)
    }

    fn set_irqs(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        const EVENTFDS: u32 = vfio::IRQ_SET_DATA_EVENTFD | vfio::IRQ_SET_ACTION_TRIGGER;
        const NOTHING: u32 = vfio::IRQ_SET_DATA_NONE | vfio::IRQ_SET_ACTION_TRIGGER;
        const HEAD: usize = size_of::<IrqSet>();
        let set: IrqSet = call.read(arg)?;
        let count = self.irq_count(set.index)?;
        let fits = set.start < count && set.count <= count - set.start;
        if !fits || (set.argsz as usize) < HEAD {
            return Err(Errno::EINVAL);
        }
        match (set.flags, set.count) {
            (NOTHING, 0) => {
                for subindex in 0..count {
                    self.set_irq(set.index, subindex as u16, None)?;
                }
                Ok(())
            }
            (EVENTFDS, 1..) => {
                let mut fds = vec![0_i32; set.count as usize];
                if (set.argsz as usize) < HEAD + size_of_val(&*fds) {
                    return Err(Errno::EINVAL);
                }
                let at = arg.wrapping_add(HEAD as u64);
                if let Err(unreadable) = call.read_bytes(at, fds.as_mut_bytes()) {
                    // Of those before the first that can't be read, a bad one has the word.
                    for place in (at..).step_by(size_of::<i32>()).take(fds.len()) {
                        call.eventfd(call.read(place)?)?;
                    }
                    return Err(unreadable);
                }
                // All or none: every descriptor is looked at before the first takes effect.
                let eventfds: Vec<_> =
                    fds.iter().map(|&fd| call.eventfd(fd)).collect::<Result<_, _>>()?;
                for (subindex, eventfd) in (set.start..).zip(eventfds) {
                    self.set_irq(set.index, subindex as u16, eventfd)?;
                }
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn set_irq(&self, index: u32, subindex: u16, eventfd: Option<OwnedFd>) -> Result<(), Errno> {
        match index {
            vfio::IRQ_INDEX_VQ => self.device().set_call(subindex, eventfd),
            vfio::IRQ_INDEX_ERR => self.device().set_error(subindex, eventfd),
            _ => self.device().set_config_call(eventfd),
        }
    }
}
