//! The scenarios' steps through the `vhost` crate, on vhost-vdpa.
//!
//! Used as its documentation and its users do: no call that the work doesn't need, and none left
//! out that ours makes for a reason that holds here too. What it lacks (doorbells, batch hints, a
//! status after a start) it is not asked for.

#![expect(unsafe_code, reason = "an `EventFd` of a borrowed descriptor")]

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vhost::vdpa::VhostVdpa;
use vhost::vhost_kern::VhostKernFeatures;
use vhost::vhost_kern::vdpa::VhostKernVdpa;
use vhost::{VhostBackend, VringConfigData};
use vhost_accel::{IovaRange, KickKind, QueueIndex, Status, Vring, VringBase};
use vhost_accel_driver::{Lease, Region};
use vhost_accel_uapi::vhost as uapi;
use vm_memory::GuestMemoryMmap;
use vmm_sys_util::eventfd::EventFd;

use crate::configuration::Configuration;
use crate::devices::Address;
use crate::error::{Error, Result};
use crate::guest::{FEATURES, QUEUE_SIZE};
use crate::session::Session;

/// A device behind `VhostKernVdpa`.
pub(crate) struct Peer {
    device: VhostKernVdpa<Arc<GuestMemoryMmap>>,
    // Last: what was lent stays until the device is closed.
    lent: Vec<Arc<Region>>,
    /// Features that the device offers.
    features: u64,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("fd", &self.device.as_raw_fd()).finish_non_exhaustive()
    }
}

/// What the peer says went wrong.
fn failed(call: &'static str) -> impl FnOnce(vhost::Error) -> Error {
    move |error| Error::Call { call, source: io::Error::other(error) }
}

impl Peer {
    fn lend(&mut self, lease: &Lease) {
        if !self.lent.iter().any(|held| Arc::ptr_eq(held, lease.region())) {
            self.lent.push(Arc::clone(lease.region()));
        }
    }
}

impl Session for Peer {
    type Kicker = EventFd;
    type Name = PathBuf;

    fn name(configuration: Configuration, address: &Address) -> Result<PathBuf> {
        address.path(configuration.interface).map(Path::to_owned)
    }

    fn open(_: Configuration, path: &PathBuf) -> Result<Self> {
        let path = path.to_str().ok_or(Error::Stuck("a path that is no text"))?;
        let memory = Arc::new(GuestMemoryMmap::new());
        let mut device = VhostKernVdpa::new(path, memory).map_err(failed("open"))?;
        device.set_owner().map_err(failed("VHOST_SET_OWNER"))?;
        let offered = device.get_backend_features().map_err(failed("get_backend_features"))?;
        let bit = |number: u32| 1u64 << number;
        let wanted = bit(uapi::BACKEND_F_IOTLB_MSG_V2)
            | bit(uapi::BACKEND_F_SUSPEND)
            | bit(uapi::BACKEND_F_RESUME);
        let accepted = offered & wanted;
        device.set_backend_features(accepted).map_err(failed("set_backend_features"))?;
        let features = device.get_features().map_err(failed("get_features"))?;
        device.get_device_id().map_err(failed("get_device_id"))?;
        device.get_vqs_count().map_err(failed("get_vqs_count"))?;
        device.get_vring_num().map_err(failed("get_vring_num"))?;
        Ok(Self { device, features, lent: Vec::new() })
    }

    fn map_all(&mut self, leases: &[Lease]) -> Result<()> {
        leases.iter().try_for_each(|lease| self.map(lease))
    }

    fn map(&mut self, lease: &Lease) -> Result<()> {
        self.lend(lease);
        let mapping = lease.mapping();
        let host = std::ptr::with_exposed_provenance(mapping.host.0 as usize);
        self.device.dma_map(mapping.iova.0, mapping.len, host, false).map_err(failed("dma_map"))
    }

    fn unmap(&mut self, range: IovaRange) -> Result<()> {
        self.device.dma_unmap(range.start.0, range.len).map_err(failed("dma_unmap"))
    }

    fn negotiate(&mut self) -> Result<()> {
        let known = Status::ACKNOWLEDGE | Status::DRIVER;
        self.device.set_status(known.bits()).map_err(failed("set_status"))?;
        self.device
            .set_features(self.features & FEATURES.bits())
            .map_err(failed("set_features"))?;
        let status = known | Status::FEATURES_OK;
        self.device.set_status(status.bits()).map_err(failed("set_status"))?;
        self.status().map(drop)
    }

    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<()> {
        for vring in vrings {
            let index = usize::from(vring.queue.0);
            self.device.set_vring_num(index, vring.size).map_err(failed("set_vring_num"))?;
            let config = VringConfigData {
                queue_max_size: QUEUE_SIZE,
                queue_size: vring.size,
                flags: 0,
                desc_table_addr: vring.desc.0,
                used_ring_addr: vring.used.0,
                avail_ring_addr: vring.avail.0,
                log_addr: None,
            };
            self.device.set_vring_addr(index, &config).map_err(failed("set_vring_addr"))?;
            if let Some(call) = vring.call {
                // It takes nothing but an `EventFd`.
                // SAFETY: the descriptor is open as long as it is borrowed, and is not closed here.
                let call = ManuallyDrop::new(unsafe { EventFd::from_raw_fd(call.as_raw_fd()) });
                self.device.set_vring_call(index, &call).map_err(failed("set_vring_call"))?;
            }
            self.device.set_vring_enable(index, true).map_err(failed("set_vring_enable"))?;
        }
        Ok(())
    }

    fn kicker(&mut self, queue: QueueIndex, kind: KickKind) -> Result<EventFd> {
        if kind != KickKind::EventFd {
            return Err(Error::Stuck("the peer kicks by eventfd alone"));
        }
        let eventfd = EventFd::new(libc::EFD_CLOEXEC).map_err(Error::call("eventfd"))?;
        let index = usize::from(queue.0);
        self.device.set_vring_kick(index, &eventfd).map_err(failed("set_vring_kick"))?;
        Ok(eventfd)
    }

    fn start(&mut self) -> Result<()> {
        let status = Status::ACKNOWLEDGE | Status::DRIVER | Status::FEATURES_OK | Status::DRIVER_OK;
        self.device.set_status(status.bits()).map_err(failed("set_status"))?;
        self.status().map(drop)
    }

    fn suspend(&mut self) -> Result<()> {
        self.device.suspend().map_err(failed("suspend"))
    }

    fn base(&mut self, queue: QueueIndex) -> Result<VringBase> {
        let base = self.device.get_vring_base(usize::from(queue.0));
        base.map(VringBase::from_raw).map_err(failed("get_vring_base"))
    }

    fn reset(&mut self) -> Result<()> {
        self.device.set_status(0).map_err(failed("set_status"))
    }

    fn refused(&mut self) -> Result<()> {
        Err(Error::Stuck("the peer has no method for a request that is always refused"))
    }

    fn enable(&mut self, queue: QueueIndex) -> Result<()> {
        let index = usize::from(queue.0);
        self.device.set_vring_enable(index, true).map_err(failed("set_vring_enable"))
    }

    fn status(&mut self) -> Result<u8> {
        self.device.get_status().map_err(failed("get_status"))
    }

    #[inline]
    fn kick(kicker: &EventFd) -> io::Result<()> {
        kicker.write(1)
    }

    #[inline(never)] // as the baseline's: the loop by itself
    fn kicks(kicker: &EventFd, count: u64) -> Result<()> {
        for _ in 0..count {
            std::hint::black_box(kicker).write(1).map_err(Error::call("kick"))?;
        }
        Ok(())
    }
}
