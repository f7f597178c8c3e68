//! `/dev/vfio/N`, opened.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use vhost_accel_device::Errno;
use vhost_accel_device::dma::PAGE_SIZE;
use vhost_accel_uapi::vfio::{self, GroupStatus};

use super::group::Group;
use super::vfio_device::VfioDeviceNode;
use super::{Answer, Front, Node};
use crate::call::{Call, Key};
use crate::task::Task;

impl Node for Arc<Group> {
    fn key(&self) -> Key {
        Key::of(self)
    }

    fn open(&self, _: &Arc<Task>, _: &OwnedFd) -> Result<Arc<dyn Front>, Errno> {
        (**self).open()?;
        Ok(Arc::new(OpenGroup(Arc::clone(self))))
    }
}

struct OpenGroup(Arc<Group>);

impl Front for OpenGroup {
    fn ioctl(&self, call: &Call<'_>, request: u32, arg: u64) -> Result<Answer, Errno> {
        // What this says depends on whether the device was closed just now.
        call.files.settle(Key::of(&self.0));
        match request {
            vfio::GROUP_GET_STATUS => self.status(call, arg),
            vfio::GROUP_SET_CONTAINER => self.set_container(call, arg),
            vfio::GROUP_UNSET_CONTAINER => self.0.unset_container(),
            vfio::GROUP_GET_DEVICE_FD => return self.get_device(call, arg),
            _ => Err(Errno::ENOTTY),
        }?;
        Ok(Answer::OK)
    }

    fn release(&self) {
        self.0.close();
    }
}

impl OpenGroup {
    fn status(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        let mut status: GroupStatus = call.read(arg)?;
        if (status.argsz as usize) < size_of::<GroupStatus>() {
            return Err(Errno::EINVAL);
        }
        status.flags = vfio::GROUP_FLAGS_VIABLE;
        if self.0.has_container() {
            status.flags |= vfio::GROUP_FLAGS_CONTAINER_SET;
        }
        call.write(arg, &status)
    }

    fn set_container(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        let fd: i32 = call.read(arg)?;
        let container = match call.container(fd) {
            Some(container) => container,
            None if call.has_descriptor(fd) => None,
            None => return Err(Errno::EBADF),
        };
        self.0.set_container(container)
    }

    fn get_device(&self, call: &Call<'_>, arg: u64) -> Result<Answer, Errno> {
        // The name is taken whole, and then looked at.
        let mut name = Vec::new();
        loop {
            match call.read(arg.wrapping_add(name.len() as u64))? {
                0_u8 => break,
                _ if name.len() + 1 == PAGE_SIZE as usize => return Err(Errno::EINVAL),
                byte => name.push(byte),
            }
        }
        if name != self.0.uuid().as_bytes() {
            return Err(Errno(libc::ENODEV));
        }
        Ok(Answer::File(Arc::new(VfioDeviceNode(Arc::clone(&self.0)))))
    }
}
