//! VFIO's own requests, and the regions: messages in CONFIG are interface #1/A.

use std::os::fd::AsRawFd;

use vhost_accel_uapi::vfio::{
    self, DeviceInfo, GroupStatus, IommuInfo, IrqInfo, IrqSet, RegionInfo,
};
use vhost_accel_uapi::{ioc, message};
use zerocopy::IntoBytes;

use crate::memory::{place, place_below, place_well};
use crate::random::Random;
use crate::request::{Client, Line, Vfio};
use crate::{sys, vhost};

const CONFIG: u64 = vfio::region_offset(vfio::REGION_INDEX_CONFIG);
const NOTIFY: u64 = vfio::region_offset(vfio::REGION_INDEX_NOTIFY);

/// A message, or several, mostly well formed.
pub(crate) fn write_messages(client: &Client<'_>, random: &mut Random, lively: bool) -> Line {
    let count = random.of(&[1, 1, 1, 1, 2, 3]);
    let mut bytes = Vec::new();
    let mut text = "vfio-msg write:".to_owned();
    for _ in 0..count {
        let (name, request) = vhost::draw(random);
        let mut body = vhost::body(client, random, request, lively, false);
        if message::payload_len(request, &body.bytes).is_none() || random.chance(3) {
            body.bytes.resize(random.of(&[0, 1, 4, 8, 12, 40]), 0x22);
        } else if ioc::size(request) == 0 {
            body.bytes.clear();
        }
        let mut flags = u32::from(message::is_get(request));
        if random.chance(4) {
            flags = random.of(&[0, 1, 2, u32::MAX]);
        }
        let mut size = body.bytes.len() as u32;
        if random.chance(4) {
            size = random.of(&[0, 1, 7, 8, 1024, 1025, u32::MAX]);
        }
        let high = if random.chance(2) { 1 << 32 } else { 0 };
        let header = message::Header { request: u64::from(request) | high, flags, size };
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&body.bytes);
        text += &format!(" [{name}{} flags {flags:#x} size {size:#x} high {high:#x}]", body.text);
    }
    let offset = if random.chance(3) { random.of(&[1, 16, 0xff_ffff]) } else { 0 };
    if random.chance(3) {
        bytes.truncate(random.of(&[0, 1, 15, 16, 17]));
        text += " truncated";
    }
    let arg = place(random, &bytes);
    let answer = sys::write(&client.fd, arg.address, bytes.len() as u64, Some(CONFIG + offset));
    client.answered(format!("{text} at {offset:#x}{}", arg.place), answer, &arg)
}

/// A read of the answer to a get, or of nothing.
pub(crate) fn read_message(client: &Client<'_>, random: &mut Random) -> Line {
    let len = random.of(&[24_u64, 24, 24, 20, 18, 17, 16, 28, 36, 0, 1, 23]);
    let offset = if random.chance(3) { random.of(&[1, 16]) } else { 0 };
    let arg = place(random, &vec![0; len as usize]);
    let answer = sys::read(&client.fd, arg.address, len, Some(CONFIG + offset));
    client.answered(format!("vfio-msg read {len} at {offset:#x}{}", arg.place), answer, &arg)
}

/// A get, and its answer read as it should be.
pub(crate) fn get(client: &Client<'_>, random: &mut Random) -> Line {
    let (name, request) = random.of(&[
        ("GET_FEATURES", vhost_accel_uapi::vhost::GET_FEATURES),
        ("GET_STATUS", vhost_accel_uapi::vhost::GET_STATUS),
        ("GET_VRING_BASE", vhost_accel_uapi::vhost::GET_VRING_BASE),
        ("GET_VRING_SIZE", vhost_accel_uapi::vhost::GET_VRING_SIZE),
        ("GET_VQS_COUNT", vhost_accel_uapi::vhost::GET_VQS_COUNT),
        ("GET_VRING_NUM", vhost_accel_uapi::vhost::GET_VRING_NUM),
    ]);
    let size = ioc::size(request);
    let header =
        message::Header { request: request.into(), flags: message::NEED_REPLY, size: size as u32 };
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(16 + size, 0);
    bytes[16] = random.of(&[0, 1, 8, 9]);
    let arg = place_well(&bytes);
    let len = bytes.len() as u64;
    let asked = sys::write(&client.fd, arg.address, len, Some(CONFIG));
    let request = format!("vfio-msg get {name} {} asked {asked}", bytes[16]);
    let arg = place_well(&vec![0; bytes.len()]);
    let answer = sys::read(&client.fd, arg.address, len, Some(CONFIG));
    client.answered(request, answer, &arg)
}

/// A read or write of NOTIFY, or of where there is nothing.
pub(crate) fn region(client: &Client<'_>, random: &mut Random) -> Line {
    let base = random.of(&[NOTIFY, NOTIFY, NOTIFY, vfio::region_offset(2), vfio::region_offset(9)]);
    let offset = random.of(&[0_u64, 0, 0, 4, 0xffc, 0x1000, 0x8ff0, 0x9000, 0x10_0000]);
    let len = random.of(&[4_u64, 4, 4, 4, 0, 2, 8]);
    let queue = random.of(&[0_i32, 1, 8, 9, -1, 0x1_0000]);
    let mut bytes = queue.to_ne_bytes().to_vec();
    bytes.resize(len as usize, 0);
    let arg = place(random, &bytes);
    let at = Some(base + offset);
    let (name, answer) = match random.chance(60) {
        true => ("write", sys::write(&client.fd, arg.address, len, at)),
        false => ("read", sys::read(&client.fd, arg.address, len, at)),
    };
    let region = vfio::region_index(base);
    let text =
        format!("vfio region {region} {name} {len} at {offset:#x} queue {queue:#x}{}", arg.place);
    client.answered(text, answer, &arg)
}

/// VFIO_DEVICE_SET_IRQS.
pub(crate) fn set_irqs(client: &Client<'_>, random: &mut Random) -> Line {
    let count = random.of(&[0_u32, 1, 1, 1, 2, 3, 9, 10, u32::MAX]);
    let flags = random.of(&[0x24_u32, 0x24, 0x24, 0x24, 0x21, 0x22, 0x04, 0x0c, 0x14, 0x64, 0]);
    let index = random.of(&[0_u32, 0, 1, 1, 2, 3, u32::MAX]);
    let start = random.of(&[0_u32, 0, 0, 1, 8, 9, u32::MAX]);
    let mut fds = Vec::new();
    let mut names = String::new();
    for _ in 0..count.min(10) {
        let (name, fd) = client.pool.draw(random);
        fds.push(fd);
        names += " ";
        names += name;
    }
    let whole = (size_of::<IrqSet>() + size_of_val(&*fds)) as u32;
    let argsz = random.of(&[whole, whole, whole, whole, whole - 1, 20, 19, 0, u32::MAX]);
    let set = IrqSet { argsz, flags, index, start, count };
    let mut bytes = set.as_bytes().to_vec();
    bytes.extend_from_slice(fds.as_bytes());
    let arg = place(random, &bytes);
    let answer = client.ioctl(vfio::DEVICE_SET_IRQS, &arg);
    let text = format!(
        "vfio SET_IRQS {index:#x} {start:#x}+{count:#x} flags {flags:#x} argsz {argsz}:{names}{}",
        arg.place
    );
    client.answered(text, answer, &arg)
}

/// What says how long it is, of the device, its regions and interrupts.
pub(crate) fn info(client: &Client<'_>, random: &mut Random) -> Line {
    let argsz = random.of(&[0_u32, 8, 15, 16, 20, 24, 31, 32, 40, 63, 64, 72, 80, 128, u32::MAX]);
    let index = random.of(&[0_u32, 0, 1, 1, 2, 3, u32::MAX]);
    let (name, request, bytes) = match random.below(3) {
        0 => {
            let info = DeviceInfo { argsz, ..Default::default() };
            ("GET_INFO", vfio::DEVICE_GET_INFO, info.as_bytes().to_vec())
        }
        1 => {
            let info = RegionInfo { argsz, index, cap_offset: 7, ..Default::default() };
            ("GET_REGION_INFO", vfio::DEVICE_GET_REGION_INFO, info.as_bytes().to_vec())
        }
        _ => {
            let info = IrqInfo { argsz, index, ..Default::default() };
            ("GET_IRQ_INFO", vfio::DEVICE_GET_IRQ_INFO, info.as_bytes().to_vec())
        }
    };
    let arg = place(random, &bytes);
    let answer = client.ioctl(request, &arg);
    client.answered(format!("vfio {name} {index:#x} argsz {argsz}{}", arg.place), answer, &arg)
}

/// A request of VFIO's type that the device doesn't have, or DEVICE_RESET.
pub(crate) fn other(client: &Client<'_>, random: &mut Random) -> Line {
    let nr = random.of(&[0_u8, 1, 2, 3, 4, 5, 6, 11, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 30]);
    let request = ioc::io(vfio::TYPE, vfio::BASE + nr);
    let arg = place(random, &[0; 24]);
    let answer = client.ioctl(request, &arg);
    client.answered(format!("vfio device request {nr}{}", arg.place), answer, &arg)
}

/// A request to the group.
pub(crate) fn group(client: &Client<'_>, vfio: &Vfio, random: &mut Random) -> Line {
    let sent = |name: String, request, bytes: &[u8], random: &mut Random| {
        let arg = place(random, bytes);
        let answer = sys::ioctl(&vfio.group, request, arg.address);
        client.answered(format!("vfio group {name}{}", arg.place), answer, &arg)
    };
    match random.below(6) {
        0 | 1 => {
            let argsz = random.of(&[0_u32, 7, 8, 9]);
            let status = GroupStatus { argsz, flags: 0 };
            let name = format!("GET_STATUS argsz {argsz}");
            sent(name, vfio::GROUP_GET_STATUS, status.as_bytes(), random)
        }
        2 => {
            let (name, fd) = match random.below(3) {
                0 => ("container", vfio.container.as_raw_fd()),
                _ => client.pool.draw(random),
            };
            let name = format!("SET_CONTAINER {name}");
            sent(name, vfio::GROUP_SET_CONTAINER, fd.as_bytes(), random)
        }
        3 => sent("UNSET_CONTAINER".to_owned(), vfio::GROUP_UNSET_CONTAINER, &[], random),
        4 => {
            let mut name = vfio.uuid.as_bytes_with_nul().to_vec();
            // Not just this device's: another open of it is a matter of its own, sent once.
            let at = random.below(name.len() as u64 - 1) as usize;
            name[at] = b'x';
            // User Mode Linux says ENOMEM of a string at an address of the kernel's own, others
            // EFAULT.
            let arg = place_below(random, &name);
            let answer = sys::ioctl(&vfio.group, vfio::GROUP_GET_DEVICE_FD, arg.address);
            let text = format!("vfio group GET_DEVICE_FD other {at}{}", arg.place);
            client.answered(text, answer, &arg)
        }
        _ => {
            let nr = random.of(&[0_u8, 1, 2, 7, 9, 12, 13, 16, 20]);
            sent(format!("request {nr}"), ioc::io(vfio::TYPE, vfio::BASE + nr), &[0; 16], random)
        }
    }
}

/// A request to the container that maps nothing.
pub(crate) fn container(client: &Client<'_>, vfio: &Vfio, random: &mut Random) -> Line {
    let plain = |name: String, request, number: u64| {
        let answer = sys::ioctl(&vfio.container, request, number);
        client.answered(format!("vfio container {name}"), answer, &place_well(&[]))
    };
    match random.below(5) {
        0 => plain("GET_API_VERSION".to_owned(), vfio::GET_API_VERSION, 0),
        1 => {
            let extension = random.of(&[0_u64, 2, 3, 3, 5, 7, 8, 100, u64::MAX]);
            let name = format!("CHECK_EXTENSION {extension:#x}");
            plain(name, vfio::CHECK_EXTENSION, extension)
        }
        2 => {
            let kind = random.of(&[0_u64, 1, 2, 3, 8, u64::MAX]);
            plain(format!("SET_IOMMU {kind:#x}"), vfio::SET_IOMMU, kind)
        }
        3 => {
            let nr = random.of(&[3_u8, 4, 5, 6, 7, 8, 9, 10, 11, 18, 19, 25]);
            let arg = place(random, &[0; 24]);
            let request = ioc::io(vfio::TYPE, vfio::BASE + nr);
            let answer = sys::ioctl(&vfio.container, request, arg.address);
            client.answered(format!("vfio container request {nr}{}", arg.place), answer, &arg)
        }
        _ => {
            // Without room for capabilities, which differ and are asked for once.
            let argsz = random.of(&[0_u32, 15, 16, 20]);
            let info = IommuInfo { argsz, ..Default::default() };
            let arg = place(random, info.as_bytes());
            let answer = sys::ioctl(&vfio.container, vfio::IOMMU_GET_INFO, arg.address);
            let text = format!("vfio container GET_INFO argsz {argsz}{}", arg.place);
            client.answered(text, answer, &arg)
        }
    }
}
