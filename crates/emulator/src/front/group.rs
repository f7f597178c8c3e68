//! VFIO groups, of one device each.

use std::sync::{Arc, Mutex};

use vhost_accel_device::dma::DmaSpace;
use vhost_accel_device::{Device, Errno, lock};

use super::vhost::Policy;
use crate::iommu::Container;

/// A group and the device in it.
pub(crate) struct Group {
    device: Arc<Device>,
    policy: Policy,
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
    pub(crate) fn new(device: Arc<Device>, policy: Policy, uuid: String) -> Arc<Self> {
        Arc::new(Self { device, policy, uuid, state: Mutex::default() })
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy
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

    pub(crate) fn uuid(&self) -> &str {
        &self.uuid
    }

    /// The group's file is opened: EBUSY if it is already.
    pub(crate) fn open(&self) -> Result<(), Errno> {
        let mut state = lock(&self.state);
        if state.open {
            return Err(Errno::EBUSY);
        }
        state.open = true;
        Ok(())
    }

    /// The group's file is closed.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        match state.device_open {
            true => state.closing = true,
            false => state.close(),
        }
    }

    pub(crate) fn has_container(&self) -> bool {
        lock(&self.state).container.is_some()
    }

    /// The group joins `container`, None where its file is something else: EINVAL if it is in one,
    /// EBADFD.
    pub(crate) fn set_container(&self, container: Option<Arc<Container>>) -> Result<(), Errno> {
        let mut state = lock(&self.state);
        if state.container.is_some() {
            return Err(Errno::EINVAL);
        }
        // What VFIO answers for a descriptor of something else.
        let container = container.ok_or(Errno(libc::EBADFD))?;
        container.attach();
        state.container = Some(container);
        Ok(())
    }

    /// The group leaves its container: EINVAL if it is in none, EBUSY with the device open.
    pub(crate) fn unset_container(&self) -> Result<(), Errno> {
        let mut state = lock(&self.state);
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
}
