//! vhost ioctls as the control column.

#![expect(unsafe_code, reason = "the dirty log's base is memory that the device writes")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use vhost_accel_core::{
    Control, DoorbellArea, Failure, Features, Hva, KickWay, Kicker, Operation, QueueIndex, Reason,
    Status, Vring, VringBase,
};
use vhost_accel_uapi::call::vhost;
use vhost_accel_uapi::vhost::VringAddr;

use crate::held::Held;
use crate::identity::Identity;

/// A device that is controlled by vhost ioctls on `F`: #1/B, #2 and vhost-vdpa.
#[derive(Debug)]
pub struct VhostIoctls<F> {
    // Before `fd`: a mapped page keeps the file from being released.
    doorbells: Option<DoorbellArea>,
    offered: Features,
    held: Held,
    confirms_start: bool,
    fd: Arc<F>,
}

impl<F: AsFd + Send + Sync> VhostIoctls<F> {
    /// The device behind `fd`, which answered as `identity`.
    pub fn new(fd: Arc<F>, identity: &Identity, doorbells: Option<DoorbellArea>) -> Self {
        Self {
            doorbells,
            offered: identity.features,
            held: Held::new(identity.queue_count),
            confirms_start: false,
            fd,
        }
    }

    /// Reads the status back after DRIVER_OK and makes a start that the device didn't keep EIO: for
    /// a kernel half whose SET_STATUS can't fail, as with a vDPA parent.
    #[must_use]
    pub fn confirming_start(mut self) -> Self {
        self.confirms_start = true;
        self
    }

    fn setup_vring(&mut self, vring: &Vring<'_>) -> Result<(), Failure> {
        let queue = vring.queue;
        let index = u32::from(queue.0);
        vhost::set_vring_num(&self.fd, index, vring.size.into())
            .map_err(Failure::on(Operation::SetVringNum, queue))?;
        if self.held.begin(vring) {
            vhost::set_vring_base(&self.fd, index, vring.base.raw())
                .map_err(Failure::on(Operation::SetVringBase, queue))?;
        }
        vhost::set_vring_addr(&self.fd, &vring_addr(vring))
            .map_err(Failure::on(Operation::SetVringAddr, queue))?;
        if self.held.must_call(vring) {
            self.set_call(queue, vring.call).map_err(Failure::on(Operation::SetCall, queue))?;
        }
        if self.held.must_enable(vring) {
            self.enable_vring(queue, vring.enabled)
                .map_err(Failure::on(Operation::EnableVring, queue))?;
        }
        Ok(())
    }
}

/// The addresses of a vring as the kernel takes them.
pub fn vring_addr(vring: &Vring<'_>) -> VringAddr {
    VringAddr {
        index: vring.queue.0.into(),
        flags: 0,
        desc: vring.desc.0,
        used: vring.used.0,
        avail: vring.avail.0,
        log: 0,
    }
}

impl<F: AsFd + Send + Sync> Control for VhostIoctls<F> {
    fn device_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.fd.as_fd())
    }

    /// What was read at open: no crossing.
    fn features(&self) -> io::Result<Features> {
        Ok(self.offered)
    }

    fn set_features(&mut self, features: Features) -> io::Result<()> {
        vhost::set_features(&self.fd, features.bits())
    }

    fn status(&self) -> io::Result<Status> {
        vhost::get_status(&self.fd).map(Status::from_bits_retain)
    }

    fn set_status(&mut self, status: Status) -> io::Result<()> {
        vhost::set_status(&self.fd, status.bits())?;
        if status.is_empty() {
            self.held.clear();
        }
        let starts = status.contains(Status::DRIVER_OK);
        if self.confirms_start && starts && !self.status()?.contains(Status::DRIVER_OK) {
            return Err(io::Error::from_raw_os_error(libc::EIO));
        }
        Ok(())
    }

    fn config_size(&self) -> io::Result<u32> {
        vhost::get_config_size(&self.fd)
    }

    fn read_config(&self, offset: u32, data: &mut [u8]) -> io::Result<()> {
        vhost::get_config(&self.fd, offset, data)
    }

    fn write_config(&mut self, offset: u32, data: &[u8]) -> io::Result<()> {
        vhost::set_config(&self.fd, offset, data)
    }

    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<(), Failure> {
        vrings.iter().try_for_each(|vring| self.setup_vring(vring))
    }

    fn enable_vring(&mut self, queue: QueueIndex, enabled: bool) -> io::Result<()> {
        vhost::set_vring_enable(&self.fd, queue.0.into(), enabled)?;
        self.held.set_enabled(queue, enabled);
        Ok(())
    }

    fn vring_base(&self, queue: QueueIndex) -> io::Result<VringBase> {
        vhost::get_vring_base(&self.fd, queue.0.into()).map(VringBase::from_raw)
    }

    fn set_call(&mut self, queue: QueueIndex, call: Option<BorrowedFd<'_>>) -> io::Result<()> {
        vhost::set_vring_call(&self.fd, queue.0.into(), call)?;
        self.held.set_call(queue, call.is_some());
        Ok(())
    }

    fn set_error(&mut self, queue: QueueIndex, error: Option<BorrowedFd<'_>>) -> io::Result<()> {
        vhost::set_vring_err(&self.fd, queue.0.into(), error)
    }

    fn set_config_call(&mut self, call: Option<BorrowedFd<'_>>) -> io::Result<()> {
        vhost::set_config_call(&self.fd, call)
    }

    fn kicker(&mut self, queue: QueueIndex, way: KickWay<'_>) -> Result<Kicker, Failure> {
        let given = match (way, &mut self.doorbells) {
            (KickWay::Doorbell, Some(doorbells)) => {
                return Ok(Kicker::doorbell(queue, doorbells.doorbell(self.fd.as_fd(), queue)?));
            }
            (KickWay::EventFd(given), _) => given,
            _ => return Err(Reason::Unsupported(way.kind().capability()).into()),
        };
        let set = |fd: BorrowedFd<'_>| vhost::set_vring_kick(&self.fd, queue.0.into(), Some(fd));
        Ok(Kicker::eventfd(queue, given, set)?)
    }

    fn suspend(&mut self) -> io::Result<()> {
        vhost::suspend(&self.fd)
    }

    fn resume(&mut self) -> io::Result<()> {
        vhost::resume(&self.fd)
    }

    unsafe fn set_log_base(&mut self, base: Hva) -> io::Result<()> {
        // SAFETY: the caller promises that the bitmap is there and long enough until the log is
        // stopped; the kernel half writes it only with VHOST_F_LOG_ALL accepted.
        unsafe { vhost::set_log_base(&self.fd, base.0) }
    }
}
