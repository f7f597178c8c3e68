//! A fifth backend: no system call at all, the accelerator is a thread of this process.
//!
//! A backend is a choice in two columns. [`InProcess`] is the control column, what is asked of the
//! device; [`Space`] is the DMA column, what it may touch. [`Device`] joins them and does the rest.

#![expect(unsafe_code, reason = "the device gets access to memory that the caller names")]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use vhost_accel_core::{
    Access, Capabilities, Control, Device, DeviceInfo, Dma, DmaLimits, DmaMapping, Error, Failure,
    Features, Hva, Interface, InterfaceFacts, Iova, IovaRange, KickWay, Kicker, Operation,
    QueueIndex, Reason, Status, Subject, VhostAccel, Vring, VringBase,
};
use vhost_accel_device::dma::{self, ClientMemory, DmaSpace, PinPolicy};
use vhost_accel_device::{Device as Accelerator, DeviceConfig, Errno, eventfd};

/// Its name in errors, and the head of its column where interfaces are compared.
pub(crate) const IN_PROCESS: Interface = Interface::Other(&FACTS);
const FACTS: InterfaceFacts = InterfaceFacts::new("in-process", "#3", Capabilities::KICK_EVENTFD);

/// The control column.
struct InProcess(Arc<Accelerator>);

impl Drop for InProcess {
    fn drop(&mut self) {
        self.0.unbind();
    }
}

/// The device's own descriptor of an eventfd.
fn own(fd: Option<BorrowedFd<'_>>) -> io::Result<Option<OwnedFd>> {
    fd.map(|fd| eventfd::check(fd).map_err(io::Error::from).and_then(|()| fd.try_clone_to_owned()))
        .transpose()
}

impl Control for InProcess {
    fn features(&self) -> io::Result<Features> {
        Ok(Features::from_bits_retain(self.0.device_features()))
    }

    fn set_features(&mut self, features: Features) -> io::Result<()> {
        self.0.set_features(features.bits()).map_err(io::Error::from)
    }

    fn status(&self) -> io::Result<Status> {
        Ok(Status::from_bits_retain(self.0.status()))
    }

    fn set_status(&mut self, status: Status) -> io::Result<()> {
        self.0.set_status(status.bits()).map_err(io::Error::from)
    }

    fn config_size(&self) -> io::Result<u32> {
        Ok(self.0.config_size())
    }

    fn read_config(&self, offset: u32, data: &mut [u8]) -> io::Result<()> {
        self.0.read_config(offset, data).map_err(io::Error::from)
    }

    fn write_config(&mut self, offset: u32, data: &[u8]) -> io::Result<()> {
        self.0.write_config(offset, data).map_err(io::Error::from)
    }

    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<(), Failure> {
        for vring in vrings {
            let (queue, index) = (vring.queue, vring.queue.0);
            let (desc, avail, used) = (vring.desc.0, vring.avail.0, vring.used.0);
            let at = |step| move |errno| Failure::on(step, queue)(io::Error::from(errno));
            self.0.set_vring_num(index, vring.size.into()).map_err(at(Operation::SetVringNum))?;
            self.0.set_vring_base(index, vring.base.raw()).map_err(at(Operation::SetVringBase))?;
            self.0
                .set_vring_addr(index, desc, avail, used, None)
                .map_err(at(Operation::SetVringAddr))?;
            self.set_call(queue, vring.call).map_err(Failure::on(Operation::SetCall, queue))?;
            self.0.set_vring_enable(index, vring.enabled).map_err(at(Operation::EnableVring))?;
        }
        Ok(())
    }

    fn enable_vring(&mut self, queue: QueueIndex, enabled: bool) -> io::Result<()> {
        self.0.set_vring_enable(queue.0, enabled).map_err(io::Error::from)
    }

    fn vring_base(&self, queue: QueueIndex) -> io::Result<VringBase> {
        self.0.vring_base(queue.0).map(VringBase::split).map_err(io::Error::from)
    }

    fn set_call(&mut self, queue: QueueIndex, call: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.0.set_call(queue.0, own(call)?).map_err(io::Error::from)
    }

    fn set_error(&mut self, queue: QueueIndex, error: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.0.set_error(queue.0, own(error)?).map_err(io::Error::from)
    }

    fn set_config_call(&mut self, call: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.0.set_config_call(own(call)?).map_err(io::Error::from)
    }

    fn kicker(&mut self, queue: QueueIndex, way: KickWay<'_>) -> Result<Kicker, Failure> {
        let KickWay::EventFd(given) = way else {
            return Err(Reason::Unsupported(way.kind().capability()).into());
        };
        let set =
            |fd: BorrowedFd<'_>| self.0.set_kick(queue.0, own(Some(fd))?).map_err(io::Error::from);
        Ok(Kicker::eventfd(queue, given, set)?)
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.0.suspend().map_err(io::Error::from)
    }

    fn resume(&mut self) -> io::Result<()> {
        self.0.resume().map_err(io::Error::from)
    }

    unsafe fn set_log_base(&mut self, base: Hva) -> io::Result<()> {
        self.0.set_log_base(Some(base.0));
        Ok(())
    }
}

/// The DMA column.
struct Space(Arc<DmaSpace>);

impl Dma for Space {
    unsafe fn map(&mut self, mapping: &DmaMapping) -> io::Result<()> {
        let access = match mapping.access {
            Access::Read => dma::Access::Read,
            Access::Write => dma::Access::Write,
            Access::ReadWrite => dma::Access::ReadWrite,
        };
        let (iova, len, host) = (mapping.iova.0, mapping.len, mapping.host.0);
        if iova.checked_add(len).is_none_or(|end| end > IOVA_END) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        self.0.map(dma::Region { iova, len, host, access }).map_err(io::Error::from)
    }

    fn unmap(&mut self, range: IovaRange) -> io::Result<()> {
        let last = range.start.0 + (range.len - 1);
        match self.0.unmap_whole(range.start.0..=last) {
            Ok(0) => Err(io::Error::from_raw_os_error(libc::ENOENT)),
            Ok(_) => Ok(()),
            Err(cut) => Err(Errno::from(cut).into()),
        }
    }

    fn limits(&self) -> io::Result<DmaLimits> {
        let ranges = vec![IovaRange::new(Iova(0), IOVA_END)];
        Ok(DmaLimits::new(ranges, !(dma::PAGE_SIZE - 1), Some(MAX_MAPPINGS as u64)))
    }
}

const IOVA_END: u64 = 1 << 48;
const MAX_MAPPINGS: usize = 4096;

/// A device with this many queue pairs, as a kernel would find it when it starts.
pub(crate) fn accelerator(pairs: u16) -> io::Result<Arc<Accelerator>> {
    let mac = [2, 0, 0, 0, 0, 1];
    let config = DeviceConfig { pairs, max_queue_size: 1024, mac, mtu: 9000, log: true };
    Accelerator::new(config).map_err(io::Error::from)
}

/// Opens it, for one client at a time.
pub(crate) fn open(accelerator: &Arc<Accelerator>) -> Result<Box<dyn VhostAccel>, Error> {
    let (interface, path) = (IN_PROCESS, Arc::from(Path::new("a thread")));
    let failed = |errno| {
        let (path, reason) = (Arc::clone(&path), Reason::from(io::Error::from(errno)));
        Error::new(interface, path, Operation::Open, Subject::Device, reason)
    };
    let memory = ClientMemory::of_process(std::process::id()).map_err(failed)?;
    let space = Arc::new(DmaSpace::new(memory.clone(), PinPolicy::Eager, MAX_MAPPINGS));
    accelerator.bind(memory, Arc::clone(&space), None).map_err(failed)?;
    let info = DeviceInfo::new(
        interface,
        path,
        accelerator.device_id(),
        accelerator.queue_count(),
        accelerator.max_queue_size(),
        Capabilities::all()
            - Capabilities::KICK_DOORBELL
            - Capabilities::KICK_REGION_WRITE
            - Capabilities::BATCH_VRINGS
            - Capabilities::BATCH_DMA
            - Capabilities::ATOMIC_DMA,
    );
    Ok(Box::new(Device::new(info, InProcess(Arc::clone(accelerator)), Space(space))))
}
