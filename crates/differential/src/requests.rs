//! What is sent: how a device is brought into a state, and one request by lot.

use std::io;
use std::os::fd::AsRawFd;

use vhost_accel_uapi::{ioc, mdev, vfio, vhost};
use zerocopy::IntoBytes;

use crate::device::{Device, Kind, name};
use crate::lot::Lot;
use crate::sys::{self, ARGUMENT, Answer, MEMORY, MEMORY_LEN, NOWHERE, PAGE, READ_ONLY};

/// VERSION_1 and ACCESS_PLATFORM, without which nothing is negotiated.
const REQUIRED: u64 = 3 << 32;
/// Where the device finds the memory.
const IOVA: u64 = 0x1_0000_0000;
/// Bytes between the rings of two vrings.
const RINGS: u64 = 4 * PAGE;

const QUEUES: [u32; 12] = [0, 0, 1, 1, 2, 3, 8, 9, 255, 65_535, 65_536, u32::MAX];
const NUMBERS: [u32; 16] =
    [0, 1, 2, 3, 7, 16, 255, 256, 256, 1024, 1025, 2048, 32_768, 65_535, 65_536, u32::MAX];
const STATUSES: [u8; 13] = [0, 0, 1, 3, 8, 11, 15, 4, 7, 0x0c, 0x40, 0x80, 0xff];
const LENGTHS: [u64; 10] = [0, 1, 4095, PAGE, PAGE, 2 * PAGE, MEMORY_LEN, 1 << 63, !0, !0xfff];
const ADDRESSES: [u64; 12] = [
    MEMORY,
    MEMORY,
    MEMORY + PAGE,
    MEMORY + 1,
    MEMORY + MEMORY_LEN - PAGE,
    MEMORY + MEMORY_LEN,
    READ_ONLY,
    READ_ONLY + PAGE,
    NOWHERE,
    0,
    !0xfff,
    1 << 63,
];
const IOVAS: [u64; 10] = [
    IOVA,
    IOVA,
    IOVA + PAGE,
    IOVA + 1,
    IOVA + MEMORY_LEN,
    IOVA - PAGE,
    0,
    1 << 40,
    1 << 63,
    !0xfff - PAGE,
];

/// Requests about a vring with a number.
const STATES: [(u32, &str); 9] = [
    (vhost::SET_VRING_NUM, "SET_VRING_NUM"),
    (vhost::SET_VRING_BASE, "SET_VRING_BASE"),
    (vhost::GET_VRING_BASE, "GET_VRING_BASE"),
    (vhost::SET_VRING_ENABLE, "SET_VRING_ENABLE"),
    (vhost::GET_VRING_GROUP, "GET_VRING_GROUP"),
    (vhost::SET_GROUP_ASID, "SET_GROUP_ASID"),
    (vhost::GET_VRING_DESC_GROUP, "GET_VRING_DESC_GROUP"),
    (vhost::GET_VRING_SIZE, "GET_VRING_SIZE"),
    (vhost::SET_VRING_BUSYLOOP_TIMEOUT, "SET_VRING_BUSYLOOP_TIMEOUT"),
];
/// Requests with a descriptor and a vring.
const FILES: [(u32, &str); 3] = [
    (vhost::SET_VRING_KICK, "SET_VRING_KICK"),
    (vhost::SET_VRING_CALL, "SET_VRING_CALL"),
    (vhost::SET_VRING_ERR, "SET_VRING_ERR"),
];
/// Requests with a descriptor alone.
const EVENTS: [(u32, &str); 2] =
    [(vhost::SET_CONFIG_CALL, "SET_CONFIG_CALL"), (vhost::SET_LOG_FD, "SET_LOG_FD")];
/// Requests that are answered with a number.
const GETS: [(u32, &str); 10] = [
    (vhost::GET_FEATURES, "GET_FEATURES"),
    (vhost::GET_BACKEND_FEATURES, "GET_BACKEND_FEATURES"),
    (vhost::GET_DEVICE_ID, "GET_DEVICE_ID"),
    (vhost::GET_STATUS, "GET_STATUS"),
    (vhost::GET_VRING_NUM, "GET_VRING_NUM"),
    (vhost::GET_CONFIG_SIZE, "GET_CONFIG_SIZE"),
    (vhost::GET_VQS_COUNT, "GET_VQS_COUNT"),
    (vhost::GET_IOVA_RANGE, "GET_IOVA_RANGE"),
    (vhost::GET_AS_NUM, "GET_AS_NUM"),
    (vhost::GET_GROUP_NUM, "GET_GROUP_NUM"),
];
/// Requests without an argument.
const PLAIN: [(u32, &str); 4] = [
    (vhost::SET_OWNER, "SET_OWNER"),
    (vhost::RESET_OWNER, "RESET_OWNER"),
    (vhost::SUSPEND, "SUSPEND"),
    (vhost::RESUME, "RESUME"),
];

/// Brings a device that was just opened into one of its states.
pub(crate) fn prepare(device: &mut Device, lot: &mut Lot) -> io::Result<()> {
    if lot.once_in(12) {
        return Ok(());
    }
    let send = |request: u32, bytes: &[u8]| {
        sys::put(ARGUMENT, bytes);
        device.request(request, ARGUMENT).map_err(|errno| {
            io::Error::other(format!(
                "{}: request {request:#x}: {}",
                device.kind.name(),
                name(errno)
            ))
        })
    };
    send(vhost::SET_OWNER, &[])?;
    if device.kind == Kind::VhostVdpa {
        let v2 = 1_u64 << vhost::BACKEND_F_IOTLB_MSG_V2 | 1 << vhost::BACKEND_F_IOTLB_BATCH;
        send(vhost::SET_BACKEND_FEATURES, v2.as_bytes())?;
    }
    if !lot.once_in(4) {
        map(device, IOVA, MEMORY_LEN, MEMORY, 3).map_err(io::Error::from_raw_os_error)?;
    }
    if lot.once_in(4) {
        return Ok(());
    }
    send(vhost::SET_STATUS, &[1])?;
    send(vhost::SET_STATUS, &[3])?;
    send(vhost::SET_FEATURES, REQUIRED.as_bytes())?;
    send(vhost::SET_STATUS, &[11])?;
    if lot.once_in(3) {
        return Ok(());
    }
    for queue in 0..2 {
        send(vhost::SET_VRING_NUM, vhost::VringState { index: queue, num: 16 }.as_bytes())?;
        send(vhost::SET_VRING_ADDR, rings(queue).as_bytes())?;
        send(vhost::SET_VRING_ENABLE, vhost::VringState { index: queue, num: 1 }.as_bytes())?;
    }
    if lot.once_in(3) {
        return Ok(());
    }
    send(vhost::SET_STATUS, &[15])?;
    if lot.once_in(4) {
        send(vhost::SUSPEND, &[])?;
    }
    Ok(())
}

fn rings(queue: u32) -> vhost::VringAddr {
    let at = IOVA + u64::from(queue) * RINGS;
    vhost::VringAddr {
        index: queue,
        flags: 0,
        desc: at,
        used: at + 2 * PAGE,
        avail: at + PAGE,
        log: 0,
    }
}

/// Sends one request drawn by lot; what was sent and what came back.
pub(crate) fn one(device: &mut Device, lot: &mut Lot) -> String {
    match lot.below(12) {
        0 => value(device, lot),
        1 | 2 => state(device, lot),
        3 => file(device, lot),
        4 => address(device, lot),
        5 => status(device, lot),
        6 => config(device, lot),
        7 | 8 => dma(device, lot),
        9 => {
            let (request, name) = lot.one(&PLAIN);
            said(name, "", device.request(request, ARGUMENT), 0)
        }
        10 => unknown(device, lot),
        _ => special(device, lot),
    }
}

/// Where the argument is: nearly always where it can be read and written.
fn place(lot: &mut Lot) -> (u64, &'static str) {
    match lot.below(12) {
        0 => (NOWHERE, " at nowhere"),
        1 => (READ_ONLY, " read-only"),
        _ => (ARGUMENT, ""),
    }
}

fn said(request: &str, argument: &str, answer: Answer, bytes: usize) -> String {
    let answer = match answer {
        Ok(value) => {
            let bytes = sys::take(ARGUMENT, bytes);
            let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{value} {bytes}")
        }
        Err(errno) => name(errno),
    };
    format!("{request} {argument} -> {}", answer.trim_end())
}

fn value(device: &Device, lot: &mut Lot) -> String {
    let (at, place) = place(lot);
    sys::put(ARGUMENT, &[0; 16]);
    match lot.below(3) {
        0 => {
            let features = lot.one(&[
                REQUIRED,
                0,
                1 << 32,
                REQUIRED | 1 << 5,
                REQUIRED | 1 << 34,
                REQUIRED | 1 << 63,
                REQUIRED | 1 << 29,
                REQUIRED | 1 << 26,
                !0,
            ]);
            sys::put(ARGUMENT, features.as_bytes());
            let answer = device.request(vhost::SET_FEATURES, at);
            said("SET_FEATURES", &format!("{features:x}{place}"), answer, 0)
        }
        1 => {
            let features = lot.one(&[0_u64, 2, 6, 0x3e, 0x7e, 0x80, 0x100, 0x17e, 1, 1 << 40, !0]);
            sys::put(ARGUMENT, features.as_bytes());
            let answer = device.request(vhost::SET_BACKEND_FEATURES, at);
            said("SET_BACKEND_FEATURES", &format!("{features:x}{place}"), answer, 0)
        }
        _ => {
            let (request, name) = lot.one(&GETS);
            let answer = device.request(request, at);
            // The status is in every line's state, without what may come a moment later.
            let bytes = if request == vhost::GET_STATUS { 0 } else { ioc::size(request) };
            said(name, place.trim_start(), answer, bytes)
        }
    }
}

fn state(device: &Device, lot: &mut Lot) -> String {
    let (request, name) = lot.one(&STATES);
    let (at, place) = place(lot);
    let state = vhost::VringState { index: lot.one(&QUEUES), num: lot.one(&NUMBERS) };
    sys::put(ARGUMENT, state.as_bytes());
    let answer = device.request(request, at);
    said(name, &format!("{} {}{place}", state.index, state.num), answer, size_of_val(&state))
}

/// A descriptor and what it is.
fn descriptor(device: &Device, lot: &mut Lot) -> (i32, &'static str) {
    lot.one(&[
        (device.eventfd.as_raw_fd(), "eventfd"),
        (device.eventfd.as_raw_fd(), "eventfd"),
        (-1, "none"),
        (-2, "-2"),
        (device.plain.as_raw_fd(), "no eventfd"),
        (1_000_000, "no descriptor"),
    ])
}

fn file(device: &Device, lot: &mut Lot) -> String {
    let (fd, what) = descriptor(device, lot);
    if lot.once_in(3) {
        let (request, name) = lot.one(&EVENTS);
        sys::put(ARGUMENT, fd.as_bytes());
        return said(name, what, device.request(request, ARGUMENT), 0);
    }
    let (request, name) = lot.one(&FILES);
    let index = lot.one(&QUEUES);
    sys::put(ARGUMENT, vhost::VringFile { index, fd }.as_bytes());
    said(name, &format!("{index} {what}"), device.request(request, ARGUMENT), 0)
}

fn address(device: &Device, lot: &mut Lot) -> String {
    let (at, place) = place(lot);
    let mut addr = rings(lot.one(&[0, 0, 1, 1, 2]));
    let what = match lot.below(8) {
        0 => {
            addr.desc += 8;
            "desc + 8"
        }
        1 => {
            addr.avail += 1;
            "avail + 1"
        }
        2 => {
            addr.used += 2;
            "used + 2"
        }
        3 => {
            addr.flags = lot.one(&[1, 2, 1 << 31]);
            "flags"
        }
        4 => {
            addr.index = lot.one(&QUEUES);
            "index"
        }
        _ => "",
    };
    sys::put(ARGUMENT, addr.as_bytes());
    let answer = device.request(vhost::SET_VRING_ADDR, at);
    said("SET_VRING_ADDR", &format!("{} {:x} {what}{place}", addr.index, addr.flags), answer, 0)
}

fn status(device: &Device, lot: &mut Lot) -> String {
    let (at, place) = place(lot);
    let status = lot.one(&STATUSES);
    sys::put(ARGUMENT, &[status]);
    said("SET_STATUS", &format!("{status:02x}{place}"), device.request(vhost::SET_STATUS, at), 0)
}

fn config(device: &Device, lot: &mut Lot) -> String {
    let off = lot.one(&[0_u32, 6, 8, 10, 11, 12, 13, 1 << 31, u32::MAX]);
    let len = lot.one(&[0_u32, 1, 2, 4, 6, 12, 13, 64, u32::MAX]);
    sys::put(ARGUMENT, vhost::Config { off, len }.as_bytes());
    sys::put(ARGUMENT + 8, &[0; 64]);
    let (request, name) = lot.one(&[
        (vhost::GET_CONFIG, "GET_CONFIG"),
        (vhost::GET_CONFIG, "GET_CONFIG"),
        (vhost::SET_CONFIG, "SET_CONFIG"),
    ]);
    let answer = device.request(request, ARGUMENT);
    // Each device has a MAC of its own.
    let bytes = if request == vhost::GET_CONFIG && off >= 6 { 8 + len.min(8) as usize } else { 0 };
    said(name, &format!("{off} {len}"), answer, bytes)
}

/// Maps by the interface's own means.
fn map(device: &Device, iova: u64, size: u64, uaddr: u64, perm: u32) -> Answer {
    match (device.kind, &device.container) {
        (Kind::VfioMsg | Kind::VfioIoctl, Some(container)) => {
            let argsz = size_of::<vfio::DmaMap>() as u32;
            let map = vfio::DmaMap { argsz, flags: perm, vaddr: uaddr, iova, size };
            sys::put(ARGUMENT, map.as_bytes());
            sys::ioctl(container, vfio::IOMMU_MAP_DMA, ARGUMENT)
        }
        (Kind::VhostVdpa, _) => {
            let message = vhost::MsgV2::update(0, iova, size, uaddr, perm as u8);
            sys::put(ARGUMENT, message.as_bytes());
            sys::write(&device.fd, ARGUMENT, size_of::<vhost::MsgV2>() as u64)
        }
        (Kind::VhostMdev | Kind::VfioMsg | Kind::VfioIoctl, _) => {
            sys::put(ARGUMENT, mdev::DmaMap { iova, size, uaddr, perm, flags: 0 }.as_bytes());
            sys::ioctl(&device.fd, mdev::MAP_DMA, ARGUMENT)
        }
    }
}

fn unmap(device: &Device, iova: u64, size: u64) -> (Answer, usize) {
    match (device.kind, &device.container) {
        (Kind::VfioMsg | Kind::VfioIoctl, Some(container)) => {
            let argsz = size_of::<vfio::DmaUnmap>() as u32;
            sys::put(ARGUMENT, vfio::DmaUnmap { argsz, flags: 0, iova, size }.as_bytes());
            (sys::ioctl(container, vfio::IOMMU_UNMAP_DMA, ARGUMENT), size_of::<vfio::DmaUnmap>())
        }
        (Kind::VhostVdpa, _) => {
            let mut message = vhost::MsgV2::update(0, iova, size, 0, 0);
            message.iotlb.kind = 3;
            sys::put(ARGUMENT, message.as_bytes());
            (sys::write(&device.fd, ARGUMENT, size_of::<vhost::MsgV2>() as u64), 0)
        }
        (Kind::VhostMdev | Kind::VfioMsg | Kind::VfioIoctl, _) => {
            sys::put(ARGUMENT, mdev::DmaUnmap { iova, size }.as_bytes());
            (sys::ioctl(&device.fd, mdev::UNMAP_DMA, ARGUMENT), size_of::<mdev::DmaUnmap>())
        }
    }
}

fn dma(device: &Device, lot: &mut Lot) -> String {
    let (iova, size) = (lot.one(&IOVAS), lot.one(&LENGTHS));
    if lot.once_in(3) {
        let (answer, bytes) = unmap(device, iova, size);
        return said("UNMAP", &format!("{iova:x} {size:x}"), answer, bytes);
    }
    let (uaddr, perm) = (lot.one(&ADDRESSES), lot.one(&[3, 3, 3, 1, 2, 0, 4, 7]));
    let answer = map(device, iova, size, uaddr, perm);
    said("MAP", &format!("{iova:x} {size:x} {uaddr:x} {perm}"), answer, 0)
}

fn unknown(device: &Device, lot: &mut Lot) -> String {
    // Of a known type with numbers that nobody has, and of another type.
    let ty = lot.one(&[vhost::TYPE, vhost::TYPE, vhost::TYPE, 0xae, 0]);
    let nr = lot.one(&[0x03, 0x05, 0x06, 0x08, 0x13, 0x14, 0x30, 0x60, 0x6f, 0x83, 0x93, 0xff]);
    let size = lot.one(&[0, 1, 4, 8, 16, 40, 1024]);
    let request = ioc::encode(lot.one(&[0, 1, 2, 3]), ty, nr, size);
    sys::put(ARGUMENT, &[0; 1040]);
    let (at, place) = place(lot);
    said(&format!("{request:#010x}"), place.trim_start(), device.request(request, at), 0)
}

/// What only this kind of device has.
fn special(device: &Device, lot: &mut Lot) -> String {
    if lot.once_in(3) {
        return doorbell(device, lot);
    }
    match device.kind {
        Kind::VhostVdpa => iotlb(device, lot),
        Kind::VhostMdev => table(device, lot),
        Kind::VfioMsg => message(device, lot),
        Kind::VfioIoctl => vfio_request(device, lot),
    }
}

fn doorbell(device: &Device, lot: &mut Lot) -> String {
    let base = match device.kind {
        Kind::VfioMsg | Kind::VfioIoctl => vfio::region_offset(vfio::REGION_INDEX_NOTIFY),
        Kind::VhostMdev | Kind::VhostVdpa => 0,
    };
    let page = lot.one(&[0_u64, 1, 8, 9, 10, 255, 65_536]);
    let pages = lot.one(&[1_u64, 1, 1, 2, 9, 10]);
    let prot = lot.one(&[
        libc::PROT_WRITE,
        libc::PROT_WRITE,
        libc::PROT_READ | libc::PROT_WRITE,
        libc::PROT_READ,
    ]);
    let flags = lot.one(&[libc::MAP_SHARED, libc::MAP_SHARED, libc::MAP_PRIVATE]);
    let answer = sys::mmap(&device.fd, pages * PAGE, prot, flags, base + page * PAGE);
    said("mmap", &format!("{page} {pages} {prot} {flags}"), answer, 0)
}

fn iotlb(device: &Device, lot: &mut Lot) -> String {
    let mut message = vhost::MsgV2::update(0, IOVA + MEMORY_LEN, PAGE, MEMORY, 3);
    message.msg_type = lot.one(&[2, 2, 2, 1, 0, 3]);
    message.asid = lot.one(&[0, 0, 0, 1, u32::MAX]);
    message.iotlb.kind = lot.one(&[2, 3, 5, 6, 1, 4, 0, 255]);
    sys::put(ARGUMENT, message.as_bytes());
    let len = lot.one(&[72_u64, 72, 72, 71, 73, 40, 39, 4, 0]);
    let answer = sys::write(&device.fd, ARGUMENT, len);
    let what = format!("{} {} {} {len}", message.msg_type, message.asid, message.iotlb.kind);
    said("write iotlb", &what, answer, 0)
}

fn table(device: &Device, lot: &mut Lot) -> String {
    if lot.once_in(4) {
        sys::put(ARGUMENT, &[0; 40]);
        return said("GET_DMA_INFO", "", sys::ioctl(&device.fd, mdev::GET_DMA_INFO, ARGUMENT), 32);
    }
    if lot.once_in(4) {
        let base = lot.one(&[MEMORY, MEMORY + 1, NOWHERE, 0]);
        sys::put(ARGUMENT, base.as_bytes());
        return said(
            "SET_LOG_BASE",
            &format!("{base:x}"),
            device.request(vhost::SET_LOG_BASE, ARGUMENT),
            0,
        );
    }
    let nregions = lot.one(&[0_u32, 1, 1, 2, 2, 510, u32::MAX]);
    let padding = lot.one(&[0_u32, 0, 0, 0, 1]);
    sys::put(ARGUMENT, vhost::Memory { nregions, padding }.as_bytes());
    let mut what = format!("{nregions} {padding}");
    for index in 0..nregions.min(2) {
        let region = vhost::MemoryRegion {
            guest_phys_addr: lot.one(&[IOVA, IOVA + MEMORY_LEN, IOVA + 1, 0]),
            memory_size: lot.one(&[PAGE, PAGE, MEMORY_LEN, 0, 1, 1 << 63]),
            userspace_addr: lot.one(&[MEMORY, MEMORY, READ_ONLY, NOWHERE, MEMORY + 1]),
            flags_padding: lot.one(&[0, 0, 0, 1]),
        };
        what += &format!(
            " ({:x} {:x} {:x} {})",
            region.guest_phys_addr, region.memory_size, region.userspace_addr, region.flags_padding
        );
        sys::put(ARGUMENT + 8 + 32 * u64::from(index), region.as_bytes());
    }
    said("SET_MEM_TABLE", &what, device.request(vhost::SET_MEM_TABLE, ARGUMENT), 0)
}

fn message(device: &Device, lot: &mut Lot) -> String {
    if lot.once_in(4) {
        let len = lot.one(&[0_u64, 4, 16, 17, 24]);
        let offset = lot.one(&[0_u64, 1, 1 << 24]);
        let answer = sys::pread(&device.fd, ARGUMENT, len, offset);
        return said("pread", &format!("{len} {offset}"), answer, 0);
    }
    if lot.once_in(4) {
        let base = vfio::region_offset(vfio::REGION_INDEX_NOTIFY);
        let (queue, len) = (lot.one(&QUEUES), lot.one(&[4_u64, 4, 2, 8, 0]));
        let offset = lot.one(&[0_u64, 0, 4, PAGE]);
        sys::put(ARGUMENT, &u64::from(queue).to_le_bytes());
        let answer = sys::pwrite(&device.fd, ARGUMENT, len, base + offset);
        return said("pwrite NOTIFY", &format!("{queue} {len} {offset}"), answer, 0);
    }
    let (request, name) = lot.one(&GETS);
    let flags = lot.one(&[1_u32, 1, 0, 2, 3]);
    let size =
        lot.one(&[ioc::size(request) as u32, ioc::size(request) as u32, 0, 3, 1024, 1025, !0]);
    let len =
        lot.one(&[16 + u64::from(size).min(1024), 16 + u64::from(size).min(1024), 15, 16, 2000]);
    let offset = lot.one(&[0_u64, 0, 0, 0, 8]);
    sys::put(ARGUMENT, &[0; 2048]);
    sys::put(ARGUMENT, &u64::from(request).to_le_bytes());
    sys::put(ARGUMENT + 8, &flags.to_le_bytes());
    sys::put(ARGUMENT + 12, &size.to_le_bytes());
    let answer = sys::pwrite(&device.fd, ARGUMENT, len, offset);
    said("message", &format!("{name} {flags} {size} {len} {offset}"), answer, 0)
}

fn vfio_request(device: &Device, lot: &mut Lot) -> String {
    let argsz = |lot: &mut Lot, whole: usize| {
        lot.one(&[whole as u32, whole as u32, whole as u32 - 4, 0, 64, u32::MAX])
    };
    sys::put(ARGUMENT, &[0; 256]);
    match lot.below(4) {
        0 => {
            let info = vfio::IrqInfo {
                argsz: argsz(lot, size_of::<vfio::IrqInfo>()),
                flags: 0,
                index: lot.one(&[0, 1, 2, 3, u32::MAX]),
                count: 0,
            };
            sys::put(ARGUMENT, info.as_bytes());
            let answer = sys::ioctl(&device.fd, vfio::DEVICE_GET_IRQ_INFO, ARGUMENT);
            said("GET_IRQ_INFO", &format!("{} {}", info.argsz, info.index), answer, 16)
        }
        1 => {
            let info = vfio::RegionInfo {
                argsz: argsz(lot, size_of::<vfio::RegionInfo>()),
                flags: 0,
                index: lot.one(&[0, 1, 2, u32::MAX]),
                cap_offset: 0,
                size: 0,
                offset: 0,
            };
            sys::put(ARGUMENT, info.as_bytes());
            let answer = sys::ioctl(&device.fd, vfio::DEVICE_GET_REGION_INFO, ARGUMENT);
            said("GET_REGION_INFO", &format!("{} {}", info.argsz, info.index), answer, 32)
        }
        2 => {
            let (fd, what) = descriptor(device, lot);
            let set = vfio::IrqSet {
                argsz: lot.one(&[24, 24, 24, 20, 28, 16]),
                flags: lot.one(&[0x24, 0x24, 0x21, 0x22, 0x20, 0x04, 0x0c, 0x2c]),
                index: lot.one(&[0, 0, 1, 2, 3]),
                start: lot.one(&[0, 0, 1, 8, 9, u32::MAX]),
                count: lot.one(&[1, 1, 0, 2, u32::MAX]),
            };
            sys::put(ARGUMENT, set.as_bytes());
            sys::put(ARGUMENT + 20, fd.as_bytes());
            sys::put(ARGUMENT + 24, (-1_i32).as_bytes());
            let answer = sys::ioctl(&device.fd, vfio::DEVICE_SET_IRQS, ARGUMENT);
            let what = format!(
                "{} {:x} {} {} {} {what}",
                set.argsz, set.flags, set.index, set.start, set.count
            );
            said("SET_IRQS", &what, answer, 0)
        }
        _ => {
            let (fd, request, name) = match (&device.group, &device.container) {
                (Some(group), Some(container)) => {
                    let argument = lot.one(&[0_u64, 1, 3, 8, ARGUMENT]);
                    if lot.once_in(2) {
                        sys::put(ARGUMENT, &8_u32.to_le_bytes());
                        (group, vfio::GROUP_GET_STATUS, "GROUP_GET_STATUS")
                    } else {
                        let (request, name) = lot.one(&[
                            (vfio::GET_API_VERSION, "GET_API_VERSION"),
                            (vfio::SET_IOMMU, "SET_IOMMU"),
                            (vfio::DEVICE_RESET, "DEVICE_RESET of a container"),
                        ]);
                        let answer = sys::ioctl(container, request, argument);
                        return said(name, &format!("{argument:x}"), answer, 0);
                    }
                }
                _ => return said("nothing", "", Ok(0), 0),
            };
            said(name, "", sys::ioctl(fd, request, ARGUMENT), 8)
        }
    }
}
