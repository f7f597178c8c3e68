//! A device of each interface, bare.

#![expect(unsafe_code, reason = "ioctls with structures")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vhost_accel::{
    DmaMapping, Interface, IovaRange, KickKind, QueueIndex, Status, Vring, VringBase,
};
use vhost_accel_driver::{Lease, Region};
use vhost_accel_uapi::mdev::{self, DmaMap, DmaUnmap};
use vhost_accel_uapi::vhost::{
    self as uapi, Memory, MemoryRegion, MsgV2, VringAddr, VringFile, VringState,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::kick::{self, BareKicker, Way};
use super::message::Config;
use super::sys::{self, Pages, ioctl, ioctl_value};
use super::vfio::{Vfio, c_path};
use crate::configuration::{Configuration, Variant};
use crate::devices::Address;
use crate::error::{Error, Result};
use crate::guest::FEATURES;
use crate::session::Session;

/// `_IO(0xAF, 0xff)`: no interface has it.
const UNKNOWN: u32 = 0xafff;

/// An open device, driven by bare system calls.
#[derive(Debug)]
pub(crate) struct Baseline {
    doorbells: Vec<Pages>,
    file: OpenFile,
    wire: Wire,
    variant: Variant,
    vrings: u16,
    /// Features that it offers.
    features: u64,
    /// What is mapped, where every change sends it all.
    table: Vec<DmaMapping>,
    // Last: what was lent stays until the device is closed.
    lent: Vec<Arc<Region>>,
}

/// What was opened.
#[derive(Debug)]
enum OpenFile {
    Vfio(Vfio),
    Mdev(OwnedFd),
    Vdpa(OwnedFd),
}

/// How requests travel.
#[derive(Debug)]
enum Wire {
    Ioctl,
    Messages(Config),
}

impl OpenFile {
    fn fd(&self) -> &OwnedFd {
        match self {
            Self::Vfio(vfio) => vfio.fd(),
            Self::Mdev(fd) | Self::Vdpa(fd) => fd,
        }
    }
}

impl Baseline {
    /// A request that the kernel half reads.
    fn set<T: IntoBytes + Immutable>(
        &mut self,
        call: &'static str,
        request: u32,
        mut arg: T,
    ) -> Result<()> {
        match &mut self.wire {
            // SAFETY: the kernel reads a `T`, whose size the request's number encodes. What an
            // address in it lends is the caller's guest.
            Wire::Ioctl => unsafe { ioctl(call, self.file.fd(), request, &mut arg) }.map(drop),
            Wire::Messages(config) => config.send(self.file.fd(), request, arg.as_bytes()),
        }
    }

    /// A request that the kernel half answers.
    fn get<T: FromBytes + IntoBytes>(&mut self, call: &'static str, request: u32) -> Result<T> {
        self.exchange(call, request, T::new_zeroed())
    }

    /// A request whose argument says what is asked for.
    fn exchange<T: FromBytes + IntoBytes>(
        &mut self,
        call: &'static str,
        request: u32,
        mut arg: T,
    ) -> Result<T> {
        match &mut self.wire {
            // SAFETY: the kernel reads and writes a `T`, whose size the request's number encodes.
            Wire::Ioctl => unsafe { ioctl(call, self.file.fd(), request, &mut arg) }.map(drop)?,
            Wire::Messages(config) => config.ask(self.file.fd(), request, arg.as_mut_bytes())?,
        }
        Ok(arg)
    }

    fn act(&mut self, call: &'static str, request: u32) -> Result<()> {
        match &mut self.wire {
            Wire::Ioctl => ioctl_value(call, self.file.fd(), request, 0).map(drop),
            Wire::Messages(config) => config.send(self.file.fd(), request, &[]),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.wire {
            Wire::Ioctl => Ok(()),
            Wire::Messages(config) => config.flush(self.file.fd()),
        }
    }

    fn set_status(&mut self, status: Status) -> Result<()> {
        self.set("ioctl VHOST_VDPA_SET_STATUS", uapi::SET_STATUS, status.bits())
    }

    fn read_status(&mut self) -> Result<u8> {
        self.get("ioctl VHOST_VDPA_GET_STATUS", uapi::GET_STATUS)
    }

    /// Who it is, as `Identity` of the backends asks it.
    fn identify(&mut self, wanted: u64) -> Result<()> {
        let messages = matches!(self.wire, Wire::Messages(_));
        self.act("ioctl VHOST_SET_OWNER", uapi::SET_OWNER)?;
        if messages {
            self.features = self.get("ioctl VHOST_GET_FEATURES", uapi::GET_FEATURES)?;
        }
        let offered: u64 =
            self.get("ioctl VHOST_GET_BACKEND_FEATURES", uapi::GET_BACKEND_FEATURES)?;
        let accepted = offered & wanted;
        self.set("ioctl VHOST_SET_BACKEND_FEATURES", uapi::SET_BACKEND_FEATURES, accepted)?;
        if !messages {
            self.features = self.get("ioctl VHOST_GET_FEATURES", uapi::GET_FEATURES)?;
        }
        self.get::<u32>("ioctl VHOST_VDPA_GET_DEVICE_ID", uapi::GET_DEVICE_ID)?;
        if !messages {
            let count: u32 = self.get("ioctl VHOST_VDPA_GET_VQS_COUNT", uapi::GET_VQS_COUNT)?;
            self.vrings = count as u16;
        }
        self.get::<u16>("ioctl VHOST_VDPA_GET_VRING_NUM", uapi::GET_VRING_NUM)?;
        Ok(())
    }

    /// Maps the doorbells that one mmap(2) covers, from `queue`'s on where that is one page.
    fn map_doorbells(&mut self, queue: u16) -> Result<()> {
        let pages = match &self.file {
            OpenFile::Vfio(vfio) => Pages::map(vfio.fd(), vfio.notify.offset, self.vrings),
            OpenFile::Mdev(fd) => Pages::map(fd, 0, self.vrings),
            OpenFile::Vdpa(fd) => Pages::map(fd, u64::from(queue) * sys::PAGE as u64, 1),
        };
        self.doorbells.push(pages?);
        Ok(())
    }

    fn doorbell(&mut self, queue: QueueIndex) -> Result<BareKicker> {
        let number = usize::from(queue.0);
        let (at, page) = match &self.file {
            OpenFile::Vfio(_) | OpenFile::Mdev(_) => (0, queue.0),
            OpenFile::Vdpa(_) => (number, 0),
        };
        // Kickers are made from vring 0 on: a page that isn't there yet is the next one.
        if self.doorbells.len() <= at {
            self.map_doorbells(queue.0)?;
        }
        let pages = self.doorbells.get(at).ok_or(Error::Stuck("kickers are made in order"))?;
        Ok(BareKicker(Way::Store((pages.page(page), queue))))
    }

    fn send_iotlb(kind: &'static str, fd: &OwnedFd, message: &MsgV2) -> Result<()> {
        sys::write(kind, fd, message.as_bytes())
    }

    fn map_one(&mut self, mapping: &DmaMapping) -> Result<()> {
        let DmaMapping { iova, len, host, .. } = *mapping;
        match &self.file {
            OpenFile::Vfio(vfio) => vfio.map(mapping),
            OpenFile::Mdev(fd) => {
                let mut map = DmaMap {
                    iova: iova.0,
                    size: len,
                    uaddr: host.0,
                    perm: uapi::ACCESS_RW.into(),
                    flags: 0,
                };
                // SAFETY: the kernel reads the structure; the memory is lent as in `lend`.
                unsafe { ioctl("ioctl VHOST_MDEV_MAP_DMA", fd, mdev::MAP_DMA, &mut map) }.map(drop)
            }
            OpenFile::Vdpa(fd) => {
                let update = MsgV2::update(0, iova.0, len, host.0, uapi::ACCESS_RW);
                Self::send_iotlb("write iotlb UPDATE", fd, &update)
            }
        }
    }

    fn send_table(&mut self) -> Result<()> {
        let head = Memory { nregions: self.table.len() as u32, padding: 0 };
        let mut bytes = head.as_bytes().to_vec();
        for mapping in &self.table {
            let region = MemoryRegion {
                guest_phys_addr: mapping.iova.0,
                memory_size: mapping.len,
                userspace_addr: mapping.host.0,
                flags_padding: 0,
            };
            bytes.extend_from_slice(region.as_bytes());
        }
        let request = uapi::SET_MEM_TABLE;
        // SAFETY: the kernel reads the head and as many regions as it counts, which are there; the
        // memory is lent as in `lend`.
        unsafe { ioctl("ioctl VHOST_SET_MEM_TABLE", self.file.fd(), request, &mut bytes[..]) }
            .map(drop)
    }

    /// Keeps the memory until the device is closed: nobody holds a Rust reference to a region's.
    fn lend(&mut self, lease: &Lease) -> DmaMapping {
        if !self.lent.iter().any(|held| Arc::ptr_eq(held, lease.region())) {
            self.lent.push(Arc::clone(lease.region()));
        }
        lease.mapping()
    }
}

impl Session for Baseline {
    type Kicker = BareKicker;
    type Name = PathBuf;

    fn name(configuration: Configuration, address: &Address) -> Result<PathBuf> {
        address.path(configuration.interface).map(Path::to_owned)
    }

    fn open(configuration: Configuration, path: &PathBuf) -> Result<Self> {
        let batch = configuration.variant == Variant::Batch;
        let file = match configuration.interface {
            Interface::VfioMsg | Interface::VfioIoctl => OpenFile::Vfio(Vfio::open(path)?),
            Interface::VhostMdev => OpenFile::Mdev(sys::open(&c_path(path)?)?),
            Interface::VhostVdpa => OpenFile::Vdpa(sys::open(&c_path(path)?)?),
            Interface::Other(_) => return Err(Error::NoBaseline(configuration.interface)),
        };
        let (mut wire, mut vrings) = (Wire::Ioctl, 0);
        if let (OpenFile::Vfio(vfio), Interface::VfioMsg) = (&file, configuration.interface) {
            vfio.ask_messages()?;
            wire = Wire::Messages(Config::new(batch, vfio.config.offset));
            vrings = vfio.vrings as u16;
        }
        let mut baseline = Self {
            doorbells: Vec::new(),
            file,
            wire,
            variant: configuration.variant,
            vrings,
            features: 0,
            table: Vec::new(),
            lent: Vec::new(),
        };
        let bit = |number: u32| 1u64 << number;
        let mut wanted = bit(uapi::BACKEND_F_SUSPEND) | bit(uapi::BACKEND_F_RESUME);
        if configuration.interface == Interface::VhostVdpa {
            wanted |= bit(uapi::BACKEND_F_IOTLB_MSG_V2);
            wanted |= bit(uapi::BACKEND_F_ENABLE_AFTER_DRIVER_OK);
            wanted |= bit(uapi::BACKEND_F_IOTLB_PERSIST);
            wanted |= u64::from(batch) << uapi::BACKEND_F_IOTLB_BATCH;
        }
        baseline.identify(wanted)?;
        if matches!(baseline.file, OpenFile::Mdev(_) | OpenFile::Vdpa(_)) {
            // Whether there are doorbells, only mmap(2) tells.
            baseline.map_doorbells(0)?;
        }
        Ok(baseline)
    }

    fn map_all(&mut self, leases: &[Lease]) -> Result<()> {
        let mappings: Vec<_> = leases.iter().map(|lease| self.lend(lease)).collect();
        if self.variant == Variant::MemTable {
            self.table.extend(mappings);
            return self.send_table();
        }
        let batch = match &self.file {
            // A single change needs no batch around it.
            OpenFile::Vdpa(fd) if self.variant == Variant::Batch && mappings.len() > 1 => Some(fd),
            _ => None,
        };
        if let Some(fd) = batch {
            Self::send_iotlb("write iotlb BATCH_BEGIN", fd, &MsgV2::batch_begin(0))?;
        }
        let batch = batch.is_some();
        for mapping in &mappings {
            self.map_one(mapping)?;
        }
        if batch {
            Self::send_iotlb("write iotlb BATCH_END", self.file.fd(), &MsgV2::batch_end(0))?;
        }
        Ok(())
    }

    fn map(&mut self, lease: &Lease) -> Result<()> {
        let mapping = self.lend(lease);
        if self.variant != Variant::MemTable {
            return self.map_one(&mapping);
        }
        self.table.push(mapping);
        self.send_table()
    }

    fn unmap(&mut self, range: IovaRange) -> Result<()> {
        if self.variant == Variant::MemTable {
            self.table.retain(|mapping| mapping.range() != range);
            return self.send_table();
        }
        match &self.file {
            OpenFile::Vfio(vfio) => vfio.unmap(range),
            OpenFile::Mdev(fd) => {
                let mut unmap = DmaUnmap { iova: range.start.0, size: range.len };
                // SAFETY: the kernel reads and writes the structure.
                unsafe { ioctl("ioctl VHOST_MDEV_UNMAP_DMA", fd, mdev::UNMAP_DMA, &mut unmap) }
                    .map(drop)
            }
            OpenFile::Vdpa(fd) => {
                let invalidate = MsgV2::invalidate(0, range.start.0, range.len);
                Self::send_iotlb("write iotlb INVALIDATE", fd, &invalidate)
            }
        }
    }

    fn negotiate(&mut self) -> Result<()> {
        let known = Status::ACKNOWLEDGE | Status::DRIVER;
        self.set_status(known)?;
        let features = self.features & FEATURES.bits();
        self.set("ioctl VHOST_SET_FEATURES", uapi::SET_FEATURES, features)?;
        self.set_status(known | Status::FEATURES_OK)?;
        self.read_status().map(drop)
    }

    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<()> {
        for vring in vrings {
            let index = u32::from(vring.queue.0);
            let state = |num| VringState { index, num };
            let addr = VringAddr {
                index,
                flags: 0,
                desc: vring.desc.0,
                used: vring.used.0,
                avail: vring.avail.0,
                log: 0,
            };
            self.set("ioctl VHOST_SET_VRING_NUM", uapi::SET_VRING_NUM, state(vring.size.into()))?;
            if vring.base != VringBase::SPLIT_START {
                let base = state(vring.base.raw());
                self.set("ioctl VHOST_SET_VRING_BASE", uapi::SET_VRING_BASE, base)?;
            }
            self.set("ioctl VHOST_SET_VRING_ADDR", uapi::SET_VRING_ADDR, addr)?;
            if let (Wire::Ioctl, Some(call)) = (&self.wire, vring.call) {
                let file = VringFile { index, fd: call.as_raw_fd() };
                self.set("ioctl VHOST_SET_VRING_CALL", uapi::SET_VRING_CALL, file)?;
            }
            self.set("ioctl VHOST_VDPA_SET_VRING_ENABLE", uapi::SET_VRING_ENABLE, state(1))?;
        }
        self.flush()?;
        if let (Wire::Messages(_), OpenFile::Vfio(vfio)) = (&self.wire, &self.file) {
            let mut eventfds = vec![-1; usize::from(self.vrings)];
            for vring in vrings {
                let call = vring.call.map_or(-1, |call| call.as_raw_fd());
                eventfds[usize::from(vring.queue.0)] = call;
            }
            vfio.set_calls(&eventfds)?;
        }
        Ok(())
    }

    fn kicker(&mut self, queue: QueueIndex, kind: KickKind) -> Result<BareKicker> {
        match (kind, &self.file) {
            (KickKind::Doorbell, _) => self.doorbell(queue),
            (KickKind::EventFd, _) => {
                let eventfd: File = sys::eventfd()?;
                let (index, fd) = (u32::from(queue.0), eventfd.as_fd().as_raw_fd());
                let file = VringFile { index, fd };
                self.set("ioctl VHOST_SET_VRING_KICK", uapi::SET_VRING_KICK, file)?;
                Ok(BareKicker(Way::Write(eventfd)))
            }
            (KickKind::RegionWrite, OpenFile::Vfio(vfio)) => {
                let (fd, offset) = (vfio.fd().as_raw_fd(), vfio.notify.offset);
                Ok(BareKicker(Way::Pwrite(kick::Region { fd, offset, queue })))
            }
            _ => Err(Error::Stuck("no such way to kick")),
        }
    }

    fn start(&mut self) -> Result<()> {
        let known = Status::ACKNOWLEDGE | Status::DRIVER | Status::FEATURES_OK;
        self.set_status(known | Status::DRIVER_OK)?;
        self.flush()?;
        if matches!(self.file, OpenFile::Vdpa(_)) {
            // There a failed start shows in the status alone.
            self.read_status()?;
        }
        Ok(())
    }

    fn suspend(&mut self) -> Result<()> {
        self.act("ioctl VHOST_VDPA_SUSPEND", uapi::SUSPEND)?;
        self.flush()
    }

    fn base(&mut self, queue: QueueIndex) -> Result<VringBase> {
        let asked = VringState { index: queue.0.into(), num: 0 };
        let state = self.exchange("ioctl VHOST_GET_VRING_BASE", uapi::GET_VRING_BASE, asked)?;
        Ok(VringBase::from_raw(state.num))
    }

    fn reset(&mut self) -> Result<()> {
        self.set_status(Status::empty())?;
        self.flush()
    }

    fn refused(&mut self) -> Result<()> {
        sys::refused(self.file.fd(), UNKNOWN);
        Ok(())
    }

    fn enable(&mut self, queue: QueueIndex) -> Result<()> {
        let state = VringState { index: queue.0.into(), num: 1 };
        self.set("ioctl VHOST_VDPA_SET_VRING_ENABLE", uapi::SET_VRING_ENABLE, state)?;
        self.flush()
    }

    fn status(&mut self) -> Result<u8> {
        self.read_status()
    }

    #[inline]
    fn kick(kicker: &BareKicker) -> io::Result<()> {
        kicker.kick()
    }

    fn kicks(kicker: &BareKicker, count: u64) -> Result<()> {
        kicker.kicks(count)
    }
}
