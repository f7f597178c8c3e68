//! `/dev/vfio/N`: a group of one device.

use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
};

use vhost_accel_uapi::vfio::{self, GroupStatus};

use super::{Answer, Front, Key, Node, container::Container, vfio_device::VfioDeviceNode};
use crate::{call::Call, files::Task, lock};
use vhost_accel_device::{Device, Errno, dma::DmaSpace};

/// A group and the device in it.
pub(crate) struct Group {
    device: Arc<Device>,
    uuid: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The group's file is there. An open device keeps it so, even if its descriptors are closed.
    open: bool,
    container: Option<Arc<Container>>,
    device_open: bool,
    /// The file's last descriptor was closed while the device was open.
    closing: bool,
}

impl State {
    fn close(&mut self) {
        if let Some(container) = self.container.take() {
            container.detach();
        }
        self.open = false;
        self.closing = false;
    }
}

impl Group {
    pub(crate) fn new(device: Arc<Device>, uuid: String) -> Arc<Self> {
        Arc::new(Self { device, uuid, state: Mutex::default() })
    }

    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// The device is opened: EBUSY if it is already, EINVAL without an IOMMU.
    pub(crate) fn open_device(&self) -> Result<Arc<DmaSpace>, Errno> {
        let mut state = lock(&self.state);
        let dma = state.container.as_ref().and_then(|container| container.dma());
        let dma = dma.ok_or(Errno::EINVAL)?;
        if state.device_open {
            return Err(Errno::EBUSY);
        }
        state.device_open = true;
        Ok(dma)
    }

    /// The device is closed.
    pub(crate) fn close_device(&self) {
        let mut state = lock(&self.state);
        state.device_open = false;
        if state.closing {
            state.close();
        }
    }
}

impl Node for Arc<Group> {
    fn key(&self) -> Key {
        Key::of(self)
    }

    fn open(&self, _: &Arc<Task>, _: &OwnedFd) -> Result<Arc<dyn Front>, Errno> {
        let mut state = lock(&self.state);
        if state.open {
            return Err(Errno::EBUSY);
        }
        state.open = true;
        Ok(Arc::new(OpenGroup(Arc::clone(self))))
    }
}

struct OpenGroup(Arc<Group>);

impl Front for OpenGroup {
    fn ioctl(&self, call: &Call<'_>, request: u32, arg: u64) -> Result<Answer, Errno> {
        // What this says depends on whether the device was closed just now.
        call.files.drain(Some(Key::of(&self.0)));
        match request {
            vfio::GROUP_GET_STATUS => self.status(call, arg),
            vfio::GROUP_SET_CONTAINER => self.set_container(call, arg),
            vfio::GROUP_UNSET_CONTAINER => self.unset_container(),
            vfio::GROUP_GET_DEVICE_FD => return self.get_device(call, arg),
            _ => Err(Errno::ENOTTY),
        }?;
        Ok(Answer::OK)
    }

    fn release(&self) {
        let mut state = lock(&self.0.state);
        match state.device_open {
            true => state.closing = true,
            false => state.close(),
        }
    }
}

impl OpenGroup {
    fn status(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        let mut status: GroupStatus = call.read(arg)?;
        if (status.argsz as usize) < size_of::<GroupStatus>() {
            return Err(Errno::EINVAL);
        }
        status.flags = vfio::GROUP_FLAGS_VIABLE;
        if lock(&self.0.state).container.is_some() {
            status.flags |= vfio::GROUP_FLAGS_CONTAINER_SET;
        }
        call.write(arg, &status)
    }

    fn set_container(&self, call: &Call<'_>, arg: u64) -> Result<(), Errno> {
        let fd: i32 = call.read(arg)?;
        if fd < 0 {
            return Err(Errno::EINVAL);
        }
        let container = match call.file(fd) {
            Some(found) => found.file.front.container(),
            None if call.has_descriptor(fd) => None,
            None => return Err(Errno::EBADF),
        };
        let mut state = lock(&self.0.state);
        if state.container.is_some() {
            return Err(Errno::EINVAL);
        }
        // What VFIO answers for a descriptor of something else.
        let container = container.ok_or(Errno(libc::EBADFD))?;
        container.attach();
        state.container = Some(container);
        Ok(())
    }

    fn unset_container(&self) -> Result<(), Errno> {
        let mut state = lock(&self.0.state);
        if state.container.is_none() {
            return Err(Errno::EINVAL);
        }
        if state.device_open {
            return Err(Errno::EBUSY);
        }
        if let Some(container) = state.container.take() {
            container.detach();
        }
        Ok(())
    }

    fn get_device(&self, call: &Call<'_>, arg: u64) -> Result<Answer, Errno> {
        let uuid = self.0.uuid.as_bytes();
        for (at, &wanted) in uuid.iter().chain(&[0]).enumerate() {
            let byte: u8 = call.read(arg.wrapping_add(at as u64))?;
            if byte != wanted {
                return Err(Errno(libc::ENODEV));
            }
        }
        Ok(Answer::File(Arc::new(VfioDeviceNode(Arc::clone(&self.0)))))
    }
}
