//! A vhost-user front end as a backend of `VhostAccel`, on the `vhost` crate's: the driver of the
//! project runs on the bridge with it, as QEMU's would.

#![expect(unsafe_code, reason = "an eventfd of the vhost crate's, and memory that a caller names")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use vhost::vhost_user::message::{VhostUserHeaderFlag, VhostUserProtocolFeatures};
use vhost::vhost_user::{Frontend, VhostUserFrontend};
use vhost::{VhostBackend, VhostUserMemoryRegionInfo, VringConfigData};
use vhost_accel::{Capabilities, Features, Interface, Iova, IovaRange, QueueIndex, Status};
use vhost_accel::{
    Control, Device, DeviceInfo, Dma, DmaFailure, DmaLimits, DmaMapping, Failure, Hva,
    InterfaceFacts, KickWay, Kicker, Reason, Vring, VringBase,
};
use vhost_accel_driver::{Config, Guest, NetDriver};
use vmm_sys_util::eventfd::EventFd;

const FACTS: InterfaceFacts = InterfaceFacts::new("vhost-user", "-", Capabilities::KICK_EVENTFD);
/// VHOST_USER_F_PROTOCOL_FEATURES.
pub(crate) const PROTOCOL_FEATURES: u64 = 1 << 30;

fn failed(error: vhost::Error) -> io::Error {
    io::Error::other(error)
}

pub(crate) fn event(fd: BorrowedFd<'_>) -> io::Result<EventFd> {
    let fd = fd.try_clone_to_owned()?.into_raw_fd();
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { EventFd::from_raw_fd(fd) })
}

/// Connects as far as the protocol features, with answers to all.
pub(crate) fn connect(path: &Path, rings: u16) -> Frontend {
    negotiate(UnixStream::connect(path).unwrap(), rings)
}

/// The same on a socket that is connected.
pub(crate) fn negotiate(stream: UnixStream, rings: u16) -> Frontend {
    let mut frontend = Frontend::from_stream(stream, rings.into());
    frontend.set_owner().unwrap();
    assert_ne!(frontend.get_features().unwrap() & PROTOCOL_FEATURES, 0);
    let protocol = frontend.get_protocol_features().unwrap();
    assert!(protocol.contains(VhostUserProtocolFeatures::MQ | VhostUserProtocolFeatures::CONFIG));
    frontend.set_protocol_features(protocol).unwrap();
    frontend.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
    frontend
}

/// A memory region as a front end says it.
pub(crate) fn said(mapping: &DmaMapping, file: BorrowedFd<'_>) -> VhostUserMemoryRegionInfo {
    VhostUserMemoryRegionInfo {
        guest_phys_addr: mapping.iova.0,
        memory_size: mapping.len,
        userspace_addr: mapping.host.0,
        mmap_offset: 0,
        mmap_handle: file.as_raw_fd(),
    }
}

/// A driver on a bridge with a guest of its own, and the front end beneath.
pub(crate) fn driver(frontend: Frontend, config: Config, rings: u16) -> (NetDriver, Lines) {
    let guest = Guest::new(config, rings).unwrap();
    let files = guest.leases().iter().map(|lease| {
        let file = lease.region().file().unwrap().try_clone_to_owned().unwrap();
        (lease.mapping(), file)
    });
    let memory = Memory { files: files.collect(), mapped: Vec::new(), frontend };
    let lines = Lines(Arc::new(Mutex::new(memory)));
    let capabilities = Capabilities::KICK_EVENTFD | Capabilities::VIRTIO_STATUS;
    let (interface, path) = (Interface::Other(&FACTS), Path::new("-").into());
    let info = DeviceInfo::new(interface, path, 1, rings, 1024, capabilities);
    let control = Rings { lines: lines.clone(), status: Status::empty() };
    let device = Device::new(info, control, Table(lines.clone()));
    (NetDriver::new(Box::new(device), guest), lines)
}

struct Memory {
    files: Vec<(DmaMapping, OwnedFd)>,
    mapped: Vec<DmaMapping>,
    frontend: Frontend,
}

impl Memory {
    /// The front end's address of what the guest has at `iova`.
    fn user(&self, iova: Iova) -> u64 {
        let inside = |one: &&DmaMapping| (one.iova.0..one.iova.0 + one.len).contains(&iova.0);
        let region = self.mapped.iter().find(inside).unwrap();
        region.host.0 + (iova.0 - region.iova.0)
    }

    fn send(&self) -> io::Result<()> {
        let table = self.mapped.iter().map(|one| {
            let (_, file) = self.files.iter().find(|(known, _)| known == one).unwrap();
            said(one, file.as_fd())
        });
        self.frontend.set_mem_table(&table.collect::<Vec<_>>()).map(|_| ()).map_err(failed)
    }
}

/// A front end, its memory and its requests.
#[derive(Clone)]
pub(crate) struct Lines(Arc<Mutex<Memory>>);

impl Lines {
    fn with<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a request.
    pub(crate) fn ask<T>(
        &self,
        work: impl FnOnce(&mut Frontend) -> vhost::Result<T>,
    ) -> io::Result<T> {
        self.with(|memory| work(&mut memory.frontend)).map_err(failed)
    }

    /// Adds memory to the table and sends all of it, or takes it out again.
    pub(crate) fn change(&self, mapping: DmaMapping, file: Option<OwnedFd>) -> io::Result<()> {
        self.with(|memory| {
            match file {
                Some(file) => {
                    memory.files.push((mapping, file));
                    memory.mapped.push(mapping);
                }
                None => memory.mapped.retain(|one| *one != mapping),
            }
            memory.send()
        })
    }

    /// Sets a ring up, whatever runs.
    pub(crate) fn set_up(&self, vring: &Vring<'_>) -> io::Result<()> {
        let queue = usize::from(vring.queue.0);
        let user = |iova| self.with(|memory| memory.user(iova));
        let config = VringConfigData {
            queue_max_size: 1024,
            queue_size: vring.size,
            flags: 0,
            desc_table_addr: user(vring.desc),
            used_ring_addr: user(vring.used),
            avail_ring_addr: user(vring.avail),
            log_addr: None,
        };
        self.ask(|frontend| frontend.set_vring_num(queue, vring.size))?;
        self.ask(|frontend| frontend.set_vring_base(queue, vring.base.as_split().unwrap()))?;
        self.ask(|frontend| frontend.set_vring_addr(queue, &config))?;
        if let Some(call) = vring.call {
            let call = event(call)?;
            self.ask(|frontend| frontend.set_vring_call(queue, &call))?;
        }
        self.ask(|frontend| frontend.set_vring_enable(queue, vring.enabled))
    }

    /// Hands over a kick.
    pub(crate) fn set_kick(&self, queue: QueueIndex, kick: BorrowedFd<'_>) -> io::Result<()> {
        let kick = event(kick)?;
        self.ask(|frontend| frontend.set_vring_kick(queue.0.into(), &kick))
    }
}

/// The control column.
struct Rings {
    lines: Lines,
    /// The front end's own.
    status: Status,
}

/// The DMA column.
struct Table(Lines);

impl Control for Rings {
    fn features(&self) -> io::Result<Features> {
        let features = self.lines.ask(|frontend| frontend.get_features())?;
        Ok(Features::from_bits_retain(features & !PROTOCOL_FEATURES))
    }

    fn set_features(&mut self, features: Features) -> io::Result<()> {
        self.lines.ask(|frontend| frontend.set_features(features.bits() | PROTOCOL_FEATURES))
    }

    fn status(&self) -> io::Result<Status> {
        Ok(self.status)
    }

    fn set_status(&mut self, status: Status) -> io::Result<()> {
        if status.is_empty() {
            self.lines.ask(|frontend| frontend.reset_device())?;
        }
        self.status = status;
        Ok(())
    }

    fn config_size(&self) -> io::Result<u32> {
        Ok(12)
    }

    fn read_config(&self, offset: u32, data: &mut [u8]) -> io::Result<()> {
        let flags = vhost::vhost_user::message::VhostUserConfigFlags::empty();
        let (_, read) = self
            .lines
            .ask(|frontend| frontend.get_config(offset, data.len() as u32, flags, data))?;
        data.copy_from_slice(&read);
        Ok(())
    }

    fn write_config(&mut self, offset: u32, data: &[u8]) -> io::Result<()> {
        let flags = vhost::vhost_user::message::VhostUserConfigFlags::WRITABLE;
        self.lines.ask(|frontend| frontend.set_config(offset, flags, data))
    }

    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<(), Failure> {
        for vring in vrings {
            self.lines.set_up(vring)?;
        }
        Ok(())
    }

    fn enable_vring(&mut self, queue: QueueIndex, enabled: bool) -> io::Result<()> {
        self.lines.ask(|frontend| frontend.set_vring_enable(queue.0.into(), enabled))
    }

    fn vring_base(&self, queue: QueueIndex) -> io::Result<VringBase> {
        let base = self.lines.ask(|frontend| frontend.get_vring_base(queue.0.into()))?;
        Ok(VringBase::split(base as u16))
    }

    fn set_call(&mut self, queue: QueueIndex, call: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let call = event(call.unwrap())?;
        self.lines.ask(|frontend| frontend.set_vring_call(queue.0.into(), &call))
    }

    fn set_error(&mut self, queue: QueueIndex, error: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let error = event(error.unwrap())?;
        self.lines.ask(|frontend| frontend.set_vring_err(queue.0.into(), &error))
    }

    fn set_config_call(&mut self, _: Option<BorrowedFd<'_>>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn kicker(&mut self, queue: QueueIndex, way: KickWay<'_>) -> Result<Kicker, Failure> {
        let KickWay::EventFd(given) = way else {
            return Err(Reason::Unsupported(way.kind().capability()).into());
        };
        Ok(Kicker::eventfd(queue, given, |fd| self.lines.set_kick(queue, fd))?)
    }

    fn suspend(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn resume(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    unsafe fn set_log_base(&mut self, _: Hva) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Dma for Table {
    unsafe fn map(&mut self, mapping: &DmaMapping) -> io::Result<()> {
        self.0.with(|memory| {
            memory.mapped.push(*mapping);
            memory.send()
        })
    }

    unsafe fn map_all(&mut self, mappings: &[DmaMapping]) -> Result<(), DmaFailure> {
        self.0.with(|memory| {
            memory.mapped.extend(mappings);
            Ok(memory.send()?)
        })
    }

    fn unmap(&mut self, range: IovaRange) -> io::Result<()> {
        self.0.with(|memory| {
            memory.mapped.retain(|one| one.range() != range);
            memory.send()
        })
    }

    fn limits(&self) -> io::Result<DmaLimits> {
        Ok(DmaLimits::new(vec![IovaRange::every_page()], 4096, None))
    }
}
