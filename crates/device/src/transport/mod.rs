//! What every device has: vrings, status, features, config space, kicks and calls, and a thread.

mod chain;
mod dirty;
mod doorbell;
mod function;
mod pass;
mod queues;
mod requests;
mod shared;
mod start;
mod vring;
mod wait;
mod worker;

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FAILED, VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_F_ACCESS_PLATFORM,
    VIRTIO_F_NOTIFICATION_DATA, VIRTIO_F_VERSION_1,
};
use virtio_bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};

use crate::counters::Counters;
use crate::dma::{ClientMemory, DmaSpace};
use crate::eventfd::Signal;
use crate::{Errno, lock};

pub(crate) use chain::Chain;
pub use doorbell::DoorbellPages;
pub(crate) use function::{Function, Walk};
pub(crate) use pass::{Bus, Pass};
pub(crate) use shared::Shared;
pub(crate) use vring::Ring;
pub(crate) use worker::run;

/// `VHOST_F_LOG_ALL`: log all write descriptors.
pub(crate) const VHOST_F_LOG_ALL: u32 = 26;

/// Features without which no device works.
pub(crate) const REQUIRED: u64 = 1 << VIRTIO_F_VERSION_1 | 1 << VIRTIO_F_ACCESS_PLATFORM;

/// The features that every device offers.
const FEATURES: u64 = REQUIRED
    | 1 << VIRTIO_F_NOTIFICATION_DATA
    | 1 << VIRTIO_RING_F_INDIRECT_DESC
    | 1 << VIRTIO_RING_F_EVENT_IDX;

/// The largest queue of any device.
const MAX_QUEUE_SIZE: u16 = 1024;

pub(crate) const DRIVER_OK: u8 = VIRTIO_CONFIG_S_DRIVER_OK as u8;
const FEATURES_OK: u8 = VIRTIO_CONFIG_S_FEATURES_OK as u8;

/// The status bits that a driver sets.
const DRIVER_BITS: u8 = (VIRTIO_CONFIG_S_ACKNOWLEDGE
    | VIRTIO_CONFIG_S_DRIVER
    | VIRTIO_CONFIG_S_DRIVER_OK
    | VIRTIO_CONFIG_S_FEATURES_OK
    | VIRTIO_CONFIG_S_FAILED) as u8;

/// The accelerator. See the [crate](crate).
#[derive(Debug)]
pub struct Device {
    pub(crate) shared: Arc<Shared>,
    function: Arc<dyn Function>,
    max_queue_size: u16,
    /// VHOST_F_LOG_ALL is offered.
    log: bool,
    control: Mutex<Control>,
}

/// What only the front ends need. Taken before any lock of [`Shared`], and never by the worker.
#[derive(Debug, Default)]
struct Control {
    dma: Option<Arc<DmaSpace>>,
    suspended: bool,
    doorbells: Option<Arc<DoorbellPages>>,
    /// A client has some of them mapped.
    doorbells_mapped: bool,
    worker: Option<JoinHandle<()>>,
}

impl Device {
    /// A device that does what `function` says, and that nobody has opened.
    ///
    /// # Errors
    /// EINVAL for a `max_queue_size` that is no power of two up to 1024; those of [`Self::new`].
    pub(crate) fn of(
        function: Arc<dyn Function>,
        max_queue_size: u16,
        log: bool,
    ) -> Result<Arc<Self>, Errno> {
        if !max_queue_size.is_power_of_two() || max_queue_size > MAX_QUEUE_SIZE {
            return Err(Errno::EINVAL);
        }
        let shared = Arc::new(Shared::new(function.queue_count())?);
        Ok(Arc::new(Self { shared, function, max_queue_size, log, control: Mutex::default() }))
    }

    /// How many vrings there are, a control queue included.
    pub fn queue_count(&self) -> u16 {
        self.shared.queue_count()
    }

    /// The largest size of a vring.
    pub fn max_queue_size(&self) -> u16 {
        self.max_queue_size
    }

    /// The virtio device id: 1, a network device.
    pub fn device_id(&self) -> u32 {
        self.function.id()
    }

    /// The features offered.
    pub fn device_features(&self) -> u64 {
        FEATURES | self.function.features() | u64::from(self.log) << VHOST_F_LOG_ALL
    }

    /// The features that the driver accepted.
    pub fn features(&self) -> u64 {
        self.shared.features.load(Ordering::Relaxed)
    }

    /// Accepts features.
    ///
    /// # Errors
    /// EBUSY after FEATURES_OK, unless nothing but VHOST_F_LOG_ALL changes on a device that offers
    /// it; EOPNOTSUPP for a bit that is not offered.
    pub fn set_features(&self, features: u64) -> Result<(), Errno> {
        let _control = self.control();
        let log_all = 1 << VHOST_F_LOG_ALL;
        let changed = features ^ self.features();
        let only_log = self.log && changed & !log_all == 0;
        if self.status() & FEATURES_OK != 0 && !only_log {
            return Err(Errno::EBUSY);
        }
        if features & !self.device_features() != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        self.shared.features.store(features, Ordering::Relaxed);
        // Waits for the pass that is under way: what is written from now on is logged.
        self.with_log(|log| log.enabled = features & log_all != 0);
        Ok(())
    }

    /// The virtio status.
    pub fn status(&self) -> u8 {
        self.shared.status.load(Ordering::Relaxed)
    }

    /// Adds status bits, or resets with 0. Bits that are not a driver's are ignored. FEATURES_OK
    /// does not stay without VERSION_1 and ACCESS_PLATFORM.
    ///
    /// # Errors
    /// EINVAL when a bit would be cleared, or for DRIVER_OK without FEATURES_OK; EAGAIN or ENOMEM
    /// when there is no thread to be had for DRIVER_OK. Nothing changes then.
    pub fn set_status(&self, status: u8) -> Result<(), Errno> {
        let mut control = self.control();
        if status == 0 {
            self.reset_all(&mut control);
            return Ok(());
        }
        let old = self.status();
        let mut added = status & DRIVER_BITS & !old;
        if added & FEATURES_OK != 0 && self.features() & REQUIRED != REQUIRED {
            added &= !FEATURES_OK;
        }
        let lacks_features = (old | added) & (DRIVER_OK | FEATURES_OK) == DRIVER_OK;
        if old & !status != 0 || lacks_features {
            return Err(Errno::EINVAL);
        }
        if added & DRIVER_OK != 0 {
            self.start_worker(&mut control)?;
        }
        self.shared.status.fetch_or(added, Ordering::Relaxed);
        if added & DRIVER_OK != 0 {
            self.start_vrings(&control);
        }
        Ok(())
    }

    /// Writes status 0: everything goes back to how it was when the device was opened, but for DMA
    /// mappings, doorbells and the config-change eventfd.
    pub fn reset(&self) {
        self.reset_all(&mut self.control());
    }

    /// Bytes of config space.
    pub fn config_size(&self) -> u32 {
        self.function.config_size() as u32
    }

    /// Reads config space.
    ///
    /// # Errors
    /// EINVAL for an empty range or one beyond the end.
    pub fn read_config(&self, offset: u32, to: &mut [u8]) -> Result<(), Errno> {
        self.function.read_config(self.config_start(offset, to.len())?, to);
        Ok(())
    }

    /// Writes config space. Of a network device only the MAC changes, and it only before DRIVER_OK
    /// and without CTRL_MAC_ADDR; other bytes are read-only, and writing them does nothing.
    ///
    /// # Errors
    /// EINVAL for an empty range or one beyond the end.
    pub fn write_config(&self, offset: u32, from: &[u8]) -> Result<(), Errno> {
        let start = self.config_start(offset, from.len())?;
        let _control = self.control();
        self.function.write_config(&self.shared, start, from);
        Ok(())
    }

    /// Sets, replaces or removes the eventfd for changes of status and config space. A reset keeps
    /// it.
    ///
    /// # Errors
    /// EAGAIN, EMFILE, ENFILE or ENOMEM where this process can't have what signals eventfds.
    pub fn set_config_call(&self, eventfd: Option<OwnedFd>) -> Result<(), Errno> {
        let signal = eventfd.map(Signal::new).transpose()?;
        *lock(&self.shared.config_call) = signal;
        Ok(())
    }

    /// Sets or removes the client address of the dirty log. Reset removes it too.
    pub fn set_log_base(&self, base: Option<u64>) {
        let _control = self.control();
        self.with_log(|log| log.set_base(base));
    }

    /// Sets, replaces or removes the eventfd that is signalled when log bits were set.
    ///
    /// # Errors
    /// EAGAIN, EMFILE, ENFILE or ENOMEM where this process can't have what signals eventfds.
    pub fn set_log_fd(&self, eventfd: Option<OwnedFd>) -> Result<(), Errno> {
        let signal = eventfd.map(Signal::new).transpose()?;
        let _control = self.control();
        self.with_log(|log| log.signal = signal);
        Ok(())
    }

    /// Stops all vrings at a chain boundary. They may be changed then.
    ///
    /// # Errors
    /// EINVAL without DRIVER_OK.
    pub fn suspend(&self) -> Result<(), Errno> {
        let mut control = self.control();
        if self.status() & DRIVER_OK == 0 {
            return Err(Errno::EINVAL);
        }
        control.suspended = true;
        let _attention = self.attention();
        for queue in 0..self.queue_count() {
            self.stop_vring(&mut self.shared.vring(queue));
        }
        Ok(())
    }

    /// Goes on after a suspend, with a look at every ring.
    ///
    /// # Errors
    /// None: what is not suspended stays as it is. The `Result` is the request's.
    pub fn resume(&self) -> Result<(), Errno> {
        let mut control = self.control();
        if std::mem::take(&mut control.suspended) {
            self.start_vrings(&control);
        }
        Ok(())
    }

    /// Opens the device: for a client whose log is in `client`'s memory, with the address space
    /// `dma`, and with `doorbells` that a client may map, one page per vring.
    ///
    /// # Errors
    /// EBUSY when it is open; EINVAL for another number of doorbell pages.
    pub fn bind(
        &self,
        client: ClientMemory,
        dma: Arc<DmaSpace>,
        doorbells: Option<DoorbellPages>,
    ) -> Result<(), Errno> {
        let mut control = self.control();
        if control.dma.is_some() {
            return Err(Errno::EBUSY);
        }
        if doorbells.as_ref().is_some_and(|pages| pages.len() != usize::from(self.queue_count())) {
            return Err(Errno::EINVAL);
        }
        self.reset_all(&mut control);
        control.dma = Some(dma);
        control.doorbells = doorbells.map(Arc::new);
        self.with_log(|log| log.memory = Some(client));
        Ok(())
    }

    /// Closes the device: resets it and lets go of all that was the client's. What is mapped in the
    /// address space stays.
    pub fn unbind(&self) {
        let mut control = self.control();
        self.reset_all(&mut control);
        *lock(&self.shared.config_call) = None;
        self.watch_doorbells(None);
        control.doorbells = None;
        control.doorbells_mapped = false;
        control.dma = None;
        self.with_log(|log| log.memory = None);
    }

    /// Says whether a client has doorbell pages mapped: only then does the device look at them. A
    /// doorbell rung before is not lost, and saying the same again does nothing.
    pub fn set_doorbells_mapped(&self, mapped: bool) {
        let mut control = self.control();
        let mapped = mapped && control.doorbells.is_some();
        if control.doorbells_mapped == mapped {
            return;
        }
        control.doorbells_mapped = mapped;
        self.watch_doorbells(control.doorbells.as_ref().filter(|_| mapped));
        // Starts with a look at the rings: a bell may have rung when nobody watched.
        (0..self.queue_count()).for_each(|queue| self.shared.mark(queue));
        self.shared.wake();
    }

    /// What the device has done since it was made.
    pub fn counters(&self) -> Counters {
        let mut counters = self.shared.counters.snapshot();
        self.function.count(&mut counters);
        counters
    }

    /// Where a range of config space starts.
    fn config_start(&self, offset: u32, len: usize) -> Result<usize, Errno> {
        let start = usize::try_from(offset).map_err(|_| Errno::EINVAL)?;
        match start.checked_add(len) {
            Some(end) if end <= self.function.config_size() && len > 0 => Ok(start),
            _ => Err(Errno::EINVAL),
        }
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        lock(&self.control)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = self.shared.wake.write(1);
        let worker = self.control.get_mut().unwrap_or_else(PoisonError::into_inner).worker.take();
        if let Some(worker) = worker {
            let _ = worker.join();
        }
    }
}
