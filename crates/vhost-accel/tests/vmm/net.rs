//! The network card of a VMM, whose data path is an accelerator's.

#![expect(unsafe_code, reason = "lends the guest's memory to the device")]

use std::error::Error;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU64;

use vhost_accel::{
    Access, Capabilities, DeviceState, DirtyBitmap, DmaMapping, Features, Hva, Iova, IovaRange,
    Kick, Kicker, QueueIndex, Status, VhostAccel, Vring,
};
use virtio_queue::{Queue, QueueT};
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

/// A VMM has an error type of its own, which takes an [`OpenError`](vhost_accel::OpenError) and an
/// [`Error`](vhost_accel::Error).
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A queue as the guest's driver has set it up, and the eventfd that becomes its interrupt.
pub(crate) struct GuestQueue {
    pub(crate) index: QueueIndex,
    pub(crate) queue: Queue,
    pub(crate) call: OwnedFd,
}

impl GuestQueue {
    fn vring(&self) -> Vring<'_> {
        let queue = &self.queue;
        let parts = [queue.desc_table(), queue.avail_ring(), queue.used_ring()];
        let [desc, avail, used] = parts.map(Iova);
        Vring::new(self.index, queue.size(), desc, avail, used)
            .with_base(queue.next_avail().into())
            .with_call(Some(self.call.as_fd()))
    }
}

pub(crate) struct Net {
    // Before what the device writes to: fields are dropped in this order.
    device: Box<dyn VhostAccel>,
    kickers: Vec<Kicker>,
    dirty: Vec<AtomicU64>,
    memory: GuestMemoryMmap,
    viommu: bool,
}

impl Net {
    /// Opens the device that a URI names. Without a vIOMMU it gets all of the guest's memory.
    pub(crate) fn open(uri: &str, memory: GuestMemoryMmap, viommu: bool) -> Result<Self> {
        let mut device = vhost_accel::open(uri)?;
        if !viommu {
            // SAFETY: the memory stays mapped longer than the device is open, and vm-memory hands
            // out no references to it.
            unsafe { vhost_accel::map_guest_memory(&mut *device, &memory)? };
        }
        Ok(Self { device, kickers: Vec::new(), dirty: Vec::new(), memory, viommu })
    }

    /// What the guest is offered: not what the library can't drive, nor what is vhost's own.
    pub(crate) fn features(&self) -> Result<u64> {
        let offered = self.device.features()?;
        Ok((offered - offered.undriven() - Features::LOG_ALL).bits())
    }

    /// The guest reads config space.
    pub(crate) fn read_config(&self, offset: u32, data: &mut [u8]) -> Result<()> {
        Ok(self.device.read_config(offset, data)?)
    }

    /// The guest's driver has set DRIVER_OK.
    pub(crate) fn activate(&mut self, accepted: u64, queues: &[GuestQueue]) -> Result<()> {
        // The device translates addresses whether the guest knows of it or not.
        let accepted = Features::from_bits_retain(accepted) | Features::ACCESS_PLATFORM;
        self.device.negotiate(accepted)?;
        let vrings: Vec<_> = queues.iter().map(GuestQueue::vring).collect();
        self.device.setup_vrings(&vrings)?;
        self.kickers.clear();
        for queue in queues {
            self.kickers.push(self.device.kicker(queue.index, Kick::Best)?);
        }
        Ok(self.device.start()?)
    }

    /// The guest has notified one of the queues that were set up.
    pub(crate) fn notify(&self, queue: QueueIndex) -> io::Result<()> {
        let mut kickers = self.kickers.iter();
        kickers.find(|kicker| kicker.queue() == queue).map_or(Ok(()), Kicker::kick)
    }

    /// Says where the device signals that its config space or its status has changed.
    pub(crate) fn set_config_call(&mut self, call: BorrowedFd<'_>) -> Result<()> {
        Ok(self.device.set_config_call(Some(call))?)
    }

    /// Whether a vring has stopped because of what the guest put into it.
    pub(crate) fn needs_reset(&self) -> Result<bool> {
        Ok(self.device.status()?.contains(Status::NEEDS_RESET))
    }

    /// The guest has reset the device. Its memory stays mapped.
    pub(crate) fn reset(&mut self) -> Result<()> {
        self.kickers.clear();
        self.device.reset()?;
        self.dirty.clear();
        Ok(())
    }

    /// The guest's IOMMU driver has mapped pages.
    pub(crate) fn iommu_map(
        &mut self,
        iova: Iova,
        at: GuestAddress,
        len: u64,
        access: Access,
    ) -> Result<()> {
        // Not every interface can leave a page read-only to the device.
        let fine = self.device.info().capabilities.contains(Capabilities::DMA_ACCESS);
        let access = if fine { access } else { Access::ReadWrite };
        self.memory.get_slice(at, usize::try_from(len)?)?;
        let host = Hva::from(self.memory.get_host_address(at)?);
        // SAFETY: the range was just found in the guest's memory, which is as in `open`.
        unsafe { self.device.dma_map(&DmaMapping::new(iova, len, host, access))? };
        Ok(())
    }

    /// The guest's IOMMU driver has unmapped pages. The device doesn't touch them afterwards.
    pub(crate) fn iommu_unmap(&mut self, range: IovaRange) -> Result<()> {
        Ok(self.device.dma_unmap(range)?)
    }

    /// Migration begins: the device marks each page that it writes. False: this one can't.
    pub(crate) fn start_log(&mut self) -> Result<bool> {
        if !self.device.info().capabilities.contains(Capabilities::DIRTY_LOG) || self.viommu {
            return Ok(false);
        }
        // A bit for each page of IOVA space, which without a vIOMMU is the guest's memory.
        let bytes = DirtyBitmap::bytes_for(Iova(self.memory.last_addr().0));
        self.dirty.resize_with(bytes as usize / 8, AtomicU64::default);
        let bitmap = DirtyBitmap::new(Hva::from(self.dirty.as_mut_ptr()), bytes);
        // SAFETY: the bitmap stays until the device is reset or closed. Its words are used as
        // atomics only.
        unsafe { self.device.set_dirty_log(Some(bitmap))? };
        Ok(true)
    }

    /// The words of the dirty log: bit *n* is page *n*.
    pub(crate) fn dirty(&self) -> &[AtomicU64] {
        &self.dirty
    }

    /// Stands still, and notes in `queues` where each goes on.
    pub(crate) fn pause(&mut self, queues: &mut [GuestQueue]) -> Result<()> {
        self.device.suspend()?;
        for GuestQueue { index, queue, .. } in queues {
            // Without packed rings a base is an available index.
            if let Some(next) = self.device.vring_base(*index)?.as_split() {
                queue.set_next_avail(next);
                queue.set_next_used(next);
            }
        }
        Ok(())
    }

    /// Stands still, and is what another device goes on from: what a VMM sends to the other side.
    pub(crate) fn save(&mut self, queues: &[GuestQueue]) -> Result<String> {
        let vrings: Vec<_> = queues.iter().map(GuestQueue::vring).collect();
        Ok(serde_json::to_string(&DeviceState::save(&mut *self.device, &vrings)?)?)
    }

    /// Goes on from what was saved, on this device or another, through the same interface or
    /// another.
    pub(crate) fn load(&mut self, saved: &str, queues: &[GuestQueue]) -> Result<()> {
        let state: DeviceState = serde_json::from_str(saved)?;
        let call_of = |index| queues.iter().find(|queue| queue.index == index);
        state.restore(&mut *self.device, |index| call_of(index).map(|queue| queue.call.as_fd()))?;
        if let Some(bytes) = state.config_kept(&*self.device)? {
            return Err(format!("the guest would see other bytes {bytes:?} of its device").into());
        }
        self.kickers.clear();
        for queue in queues {
            self.kickers.push(self.device.kicker(queue.index, Kick::Best)?);
        }
        Ok(self.device.start()?)
    }

    /// Goes on after a pause.
    pub(crate) fn resume(&mut self) -> Result<()> {
        Ok(self.device.resume()?)
    }
}
