//! The accelerator: a virtio-net loopback that walks rings by itself, in userspace.
//!
//! One [`Device`] stands behind an interface's front end, which turns system calls into calls of its
//! methods. What they mean is in `docs/abi.md`, section 1; errors are the errnos written there.
//!
//! # Threads
//! A device has one thread of its own, `vhost-accel-N`, started by the first DRIVER_OK and ended when
//! the device is dropped. While no vring runs it sleeps and holds nothing of the client's. The methods
//! may be called from any thread: each has had its effect when it returns. Stopping (suspend, reset,
//! disabling a vring, unbinding) returns when the device is at a chain boundary, an unmap of a
//! [`DmaSpace`] when no access to what was unmapped is under way.
//!
//! # Kicks
//! The device looks at a ring when it was kicked, once when the vring starts, and then until it finds
//! it empty; an available index that nobody kicked for is left alone. Kick eventfds are waited for with
//! `epoll` and never read, as in vhost; a kick that the client itself reads is one all the same. Doorbell pages are polled: those of queues that had work within
//! 50 µs all the time, the others every 100 µs, as long as the front end says that a client has any.

mod chain;
mod config;
mod control;
mod counters;
mod dirty;
pub mod dma;
mod doorbell;
mod errno;
pub mod eventfd;
mod fault;
mod net;
mod queues;
mod requests;
mod shared;
mod start;
#[cfg(test)]
mod tests;
mod vring;
mod wait;
mod worker;

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FAILED, VIRTIO_CONFIG_S_FEATURES_OK,
};
use virtio_bindings::virtio_ids::VIRTIO_ID_NET;
use virtio_bindings::virtio_net::VIRTIO_NET_F_CTRL_MAC_ADDR;

use crate::config::{CONFIG_SIZE, REQUIRED, VHOST_F_LOG_ALL};
use crate::dma::{ClientMemory, DmaSpace};
use crate::eventfd::Signal;
use crate::shared::{Shared, lock};

pub use crate::config::DeviceConfig;
pub use crate::counters::Counters;
pub use crate::doorbell::DoorbellPages;
pub use crate::errno::Errno;
pub use crate::fault::FaultKind;

const DRIVER_OK: u8 = VIRTIO_CONFIG_S_DRIVER_OK as u8;
const FEATURES_OK: u8 = VIRTIO_CONFIG_S_FEATURES_OK as u8;

/// The status bits that a driver sets.
const DRIVER_BITS: u8 = (VIRTIO_CONFIG_S_ACKNOWLEDGE
    | VIRTIO_CONFIG_S_DRIVER
    | VIRTIO_CONFIG_S_DRIVER_OK
    | VIRTIO_CONFIG_S_FEATURES_OK
    | VIRTIO_CONFIG_S_FAILED) as u8;

/// The accelerator. See the [module](self).
#[derive(Debug)]
pub struct Device {
    shared: Arc<Shared>,
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
    /// A device that nobody has opened.
    ///
    /// # Errors
    /// EINVAL for a `config` outside the limits of its fields; EMFILE or ENOMEM when the kernel gives
    /// no epoll or eventfd; ENOSYS or EAGAIN when it has no asynchronous I/O, or no more of it.
    pub fn new(config: DeviceConfig) -> Result<Arc<Self>, Errno> {
        config.check()?;
        let shared = Arc::new(Shared::new(config)?);
        Ok(Arc::new(Self { shared, control: Mutex::default() }))
    }

    /// How many vrings there are, the control queue included.
    pub fn queue_count(&self) -> u16 {
        self.shared.config.queue_count()
    }

    /// The largest size of a vring.
    pub fn max_queue_size(&self) -> u16 {
        self.shared.config.max_queue_size
    }

    /// The virtio device id: 1, a network device.
    pub fn device_id(&self) -> u32 {
        VIRTIO_ID_NET
    }

    /// The features offered.
    pub fn device_features(&self) -> u64 {
        self.shared.config.features()
    }

    /// The features that the driver accepted.
    pub fn features(&self) -> u64 {
        self.shared.features.load(Ordering::Relaxed)
    }

    /// Accepts features.
    ///
    /// # Errors
    /// EBUSY after FEATURES_OK, unless nothing but VHOST_F_LOG_ALL changes on a device that offers it;
    /// EOPNOTSUPP for a bit that is not offered.
    pub fn set_features(&self, features: u64) -> Result<(), Errno> {
        let _control = self.control();
        let log_all = 1 << VHOST_F_LOG_ALL;
        let changed = features ^ self.features();
        let only_log = self.shared.config.log && changed & !log_all == 0;
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

    /// Adds status bits, or resets with 0. Bits that are not a driver's are ignored. FEATURES_OK does
    /// not stay without VERSION_1 and ACCESS_PLATFORM.
    ///
    /// # Errors
    /// EINVAL when a bit would be cleared, or for DRIVER_OK without FEATURES_OK; EAGAIN or ENOMEM when
    /// there is no thread to be had for DRIVER_OK. Nothing changes then.
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
        CONFIG_SIZE as u32
    }

    /// Reads config space.
    ///
    /// # Errors
    /// EINVAL for an empty range or one beyond the end.
    pub fn read_config(&self, offset: u32, to: &mut [u8]) -> Result<(), Errno> {
        let space = self.shared.config.space(*lock(&self.shared.mac));
        to.copy_from_slice(&space[config_range(offset, to.len())?]);
        Ok(())
    }

    /// Writes config space. Only the MAC changes, and it only before DRIVER_OK and without
    /// CTRL_MAC_ADDR; other bytes are read-only, and writing them does nothing.
    ///
    /// # Errors
    /// EINVAL for an empty range or one beyond the end.
    pub fn write_config(&self, offset: u32, from: &[u8]) -> Result<(), Errno> {
        let range = config_range(offset, from.len())?;
        let _control = self.control();
        if self.status() & DRIVER_OK == 0 && !self.shared.negotiated(VIRTIO_NET_F_CTRL_MAC_ADDR) {
            for (byte, new) in lock(&self.shared.mac).iter_mut().skip(range.start).zip(from) {
                *byte = *new;
            }
        }
        Ok(())
    }

    /// Sets, replaces or removes the eventfd for changes of status and config space. A reset keeps it.
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

    /// Opens the device: for a client whose log is in `client`'s memory, with the address space `dma`,
    /// and with `doorbells` that a client may map, one page per vring.
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
        self.shared.counters.snapshot()
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

fn config_range(offset: u32, len: usize) -> Result<std::ops::Range<usize>, Errno> {
    let start = usize::try_from(offset).map_err(|_| Errno::EINVAL)?;
    match start.checked_add(len) {
        Some(end) if end <= CONFIG_SIZE && len > 0 => Ok(start..end),
        _ => Err(Errno::EINVAL),
    }
}
