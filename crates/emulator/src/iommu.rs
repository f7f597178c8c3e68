//! VFIO containers: groups with one address space.

use std::sync::{Arc, Mutex};

use vhost_accel_device::dma::{DmaSpace, PinPolicy};
use vhost_accel_device::{Errno, lock};
use vhost_accel_uapi::vfio;

use crate::task::Task;

/// A container: the groups in it and their address space. Lives as long as its file or a group in
/// it.
#[derive(Default)]
pub(crate) struct Container {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    groups: u32,
    dma: Option<Arc<DmaSpace>>,
}

impl Container {
    /// A group joins.
    pub(crate) fn attach(&self) {
        lock(&self.state).groups += 1;
    }

    /// A group leaves; with the last one go the IOMMU and its mappings.
    pub(crate) fn detach(&self) {
        let mut state = lock(&self.state);
        state.groups -= 1;
        if state.groups == 0
            && let Some(dma) = state.dma.take()
        {
            dma.unmap_all();
        }
    }

    /// The address space, once an IOMMU was chosen.
    pub(crate) fn dma(&self) -> Option<Arc<DmaSpace>> {
        lock(&self.state).dma.clone()
    }

    /// Chooses the IOMMU. EINVAL without a group or twice, ENODEV for another kind.
    pub(crate) fn set_iommu(&self, task: &Task, kind: u64, limit: usize) -> Result<(), Errno> {
        let mut state = lock(&self.state);
        if state.groups == 0 || state.dma.is_some() {
            return Err(Errno::EINVAL);
        }
        if kind != u64::from(vfio::TYPE1V2_IOMMU) {
            return Err(Errno(libc::ENODEV));
        }
        let dma = DmaSpace::new(task.memory()?, PinPolicy::Lazy, limit);
        state.dma = Some(Arc::new(dma));
        Ok(())
    }
}
