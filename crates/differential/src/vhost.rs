//! Requests of type 0xAF: as ioctls, and what they are as messages.

use std::fmt::Write;

use vhost_accel_uapi::vhost::{self, VringAddr, VringFile, VringState};
use vhost_accel_uapi::{ioc, mdev, message};
use zerocopy::IntoBytes;

use crate::dma;
use crate::memory::{NOWHERE, place};
use crate::random::Random;
use crate::request::{Client, Kind, Line};
use crate::state::{FEATURES, RING_IOVA, ring_addr};

/// The requests, by name.
const REQUESTS: &[(&str, u32)] = &[
    ("GET_FEATURES", vhost::GET_FEATURES),
    ("SET_FEATURES", vhost::SET_FEATURES),
    ("SET_OWNER", vhost::SET_OWNER),
    ("RESET_OWNER", vhost::RESET_OWNER),
    ("SET_MEM_TABLE", vhost::SET_MEM_TABLE),
    ("SET_LOG_BASE", vhost::SET_LOG_BASE),
    ("SET_LOG_FD", vhost::SET_LOG_FD),
    ("SET_VRING_NUM", vhost::SET_VRING_NUM),
    ("SET_VRING_ADDR", vhost::SET_VRING_ADDR),
    ("SET_VRING_BASE", vhost::SET_VRING_BASE),
    ("GET_VRING_BASE", vhost::GET_VRING_BASE),
    ("SET_VRING_KICK", vhost::SET_VRING_KICK),
    ("SET_VRING_CALL", vhost::SET_VRING_CALL),
    ("SET_VRING_ERR", vhost::SET_VRING_ERR),
    ("SET_VRING_BUSYLOOP_TIMEOUT", vhost::SET_VRING_BUSYLOOP_TIMEOUT),
    ("GET_VRING_BUSYLOOP_TIMEOUT", vhost::GET_VRING_BUSYLOOP_TIMEOUT),
    ("SET_BACKEND_FEATURES", vhost::SET_BACKEND_FEATURES),
    ("GET_BACKEND_FEATURES", vhost::GET_BACKEND_FEATURES),
    ("GET_DEVICE_ID", vhost::GET_DEVICE_ID),
    ("GET_STATUS", vhost::GET_STATUS),
    ("SET_STATUS", vhost::SET_STATUS),
    ("SET_STATUS", vhost::SET_STATUS),
    ("GET_CONFIG", vhost::GET_CONFIG),
    ("SET_CONFIG", vhost::SET_CONFIG),
    ("SET_VRING_ENABLE", vhost::SET_VRING_ENABLE),
    ("GET_VRING_NUM", vhost::GET_VRING_NUM),
    ("SET_CONFIG_CALL", vhost::SET_CONFIG_CALL),
    ("GET_IOVA_RANGE", vhost::GET_IOVA_RANGE),
    ("GET_CONFIG_SIZE", vhost::GET_CONFIG_SIZE),
    ("GET_AS_NUM", vhost::GET_AS_NUM),
    ("GET_VRING_GROUP", vhost::GET_VRING_GROUP),
    ("SET_GROUP_ASID", vhost::SET_GROUP_ASID),
    ("SUSPEND", vhost::SUSPEND),
    ("RESUME", vhost::RESUME),
    ("GET_VRING_DESC_GROUP", vhost::GET_VRING_DESC_GROUP),
    ("GET_VQS_COUNT", vhost::GET_VQS_COUNT),
    ("GET_GROUP_NUM", vhost::GET_GROUP_NUM),
    ("GET_VRING_SIZE", vhost::GET_VRING_SIZE),
    ("SET_STATE", message::SET_STATE),
    ("MAP_DMA", mdev::MAP_DMA),
    ("UNMAP_DMA", mdev::UNMAP_DMA),
    ("GET_DMA_INFO", mdev::GET_DMA_INFO),
];

const STATUS: [u8; 14] = [0, 0, 1, 3, 2, 11, 11, 15, 15, 0x8b, 0x4f, 0x10, 0x1f, 0xff];
const DRIVER_OK: u8 = 4;
const LOG_ALL: u64 = 1 << vhost::F_LOG_ALL;

/// A request as an ioctl of `client`'s device.
pub(crate) fn ioctl(client: &Client<'_>, random: &mut Random, lively: bool) -> Line {
    let interface = match client.kind {
        Kind::Vfio => "vfio-ioctl",
        Kind::Mdev => "vhost-mdev",
        Kind::Vdpa => "vhost-vdpa",
    };
    let (name, request) = draw(random);
    let body = body(client, random, request, lively, true);
    let arg = place(random, &body.bytes);
    let answer = client.ioctl(request, &arg);
    let text = format!("{interface} {name}{}{}", body.text, arg.place);
    client.answered(text, answer, &arg)
}

/// A request's name and number: known, known with something else in it, or nobody's.
pub(crate) fn draw(random: &mut Random) -> (String, u32) {
    let (name, request) = random.of(REQUESTS);
    match random.below(100) {
        0..92 => (name.to_owned(), request),
        92..96 => {
            let size = random.of(&[0_usize, 1, 4, 8, 16, 40, 64]);
            let dir = random.below(4) as u32;
            let changed = ioc::encode(dir, vhost::TYPE, ioc::nr(request), size);
            (format!("{changed:#010x}"), changed)
        }
        _ => {
            let ty = random.of(&[vhost::TYPE, vhost::TYPE, vhost::TYPE, 0xae, 0]);
            // What only some updates of Linux 6.12 have is not drawn.
            let number = random.next() as u8;
            let nr = if matches!(number, 0x84 | 0x85) { 0x60 } else { number };
            let request = ioc::encode(random.below(4) as u32, ty, nr, 8);
            (format!("{request:#010x}"), request)
        }
    }
}

/// The argument of a request.
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) text: String,
}

impl Body {
    fn number(bytes: &[u8], value: u64) -> Self {
        Self { bytes: bytes.to_vec(), text: format!(" {value:#x}") }
    }
}

/// An argument for `request`. Without `descriptors` those are numbers like others.
pub(crate) fn body(
    client: &Client<'_>,
    random: &mut Random,
    request: u32,
    lively: bool,
    descriptors: bool,
) -> Body {
    let queue = random.of(&[0_u32, 0, 1, 2, 3, 7, 8, 9, 255, 0x1_0000, u32::MAX]);
    let vring = |num: u32| Body {
        bytes: VringState { index: queue, num }.as_bytes().to_vec(),
        text: format!(" vring {queue:#x} {num:#x}"),
    };
    match request {
        vhost::SET_FEATURES => {
            let mut features = match random.below(5) {
                0 | 1 => FEATURES,
                2 => FEATURES | LOG_ALL,
                3 => random.next() & random.next(),
                _ => FEATURES | 1 << random.below(64),
            };
            if lively {
                features &= !LOG_ALL;
            }
            Body::number(features.as_bytes(), features)
        }
        vhost::SET_BACKEND_FEATURES => {
            let features = match random.below(3) {
                0 => random.next() & 0x3fe,
                1 => 1 << random.below(64),
                _ => random.of(&[0, 0x30, 0x3e, 0x17e, 0x17c, 0x1fe, 0xf7]),
            };
            Body::number(features.as_bytes(), features)
        }
        vhost::SET_STATUS => {
            let mut status = random.of(&STATUS);
            if !lively {
                status &= !DRIVER_OK;
            }
            Body::number(&[status], status.into())
        }
        message::SET_STATE => {
            let states = if lively { [0_u64, 1, 1, 2] } else { [0, 0, 2, u64::MAX] };
            let state = random.of(&states);
            Body::number(state.as_bytes(), state)
        }
        vhost::GET_CONFIG | vhost::SET_CONFIG => config(random),
        vhost::SET_VRING_ADDR => vring_addr(random, queue, lively),
        vhost::SET_VRING_BASE => {
            let lasting = if lively { 0 } else { random.next() as u32 & 0xffff };
            vring(random.of(&[0, lasting, 0x1_0000, u32::MAX]))
        }
        vhost::SET_VRING_NUM => {
            vring(random.of(&[256, 256, 1, 2, 1024, 2048, 3, 0, 0x8000, 0x1_0000, u32::MAX]))
        }
        vhost::SET_VRING_KICK | vhost::SET_VRING_CALL | vhost::SET_VRING_ERR if descriptors => {
            let (name, fd) = client.pool.draw(random);
            let bytes = VringFile { index: queue, fd }.as_bytes().to_vec();
            Body { bytes, text: format!(" vring {queue:#x} {name}") }
        }
        vhost::SET_CONFIG_CALL | vhost::SET_LOG_FD if descriptors => {
            let (name, fd) = client.pool.draw(random);
            Body { bytes: fd.as_bytes().to_vec(), text: format!(" {name}") }
        }
        vhost::SET_LOG_BASE => {
            let base = random.of(&[0, NOWHERE, 0x1000, u64::MAX]);
            Body::number(base.as_bytes(), base)
        }
        vhost::SET_MEM_TABLE => dma::table(random, lively),
        mdev::MAP_DMA => dma::mdev_map(random),
        mdev::UNMAP_DMA => dma::mdev_unmap(random, lively),
        _ if ioc::size(request) == 1 => {
            let byte = random.of(&[0_u8, 1, 2, 0xff]);
            Body::number(&[byte], byte.into())
        }
        // Everything else that has an argument: a vring and a number, and something behind.
        _ => {
            let mut body = vring(random.of(&[0, 1, 2, 0x100, u32::MAX]));
            body.bytes.resize(ioc::size(request).max(8), 0x11);
            body
        }
    }
}

fn config(random: &mut Random) -> Body {
    let off = random.of(&[0_u32, 0, 6, 8, 11, 12, 13, 0xffff_fff8, u32::MAX]);
    let mut len = random.of(&[0_u32, 1, 2, 6, 12, 12, 13, 0x100, 0x10_0000, u32::MAX]);
    if off == 0 && len < 6 {
        len = 0;
    }
    let mut bytes = [off, len].as_bytes().to_vec();
    let contents = random.next() as u8;
    bytes.resize(8 + len.min(64) as usize, contents);
    Body { bytes, text: format!(" {off:#x} {len:#x} {contents:02x}") }
}

fn vring_addr(random: &mut Random, index: u32, lively: bool) -> Body {
    let mut addr = ring_addr(index);
    if !lively {
        let any = |random: &mut Random| random.of(&[0, RING_IOVA, NOWHERE, 0x1000, u64::MAX << 12]);
        addr.desc = any(random);
        addr.avail = any(random);
        addr.used = any(random);
    }
    match random.below(12) {
        0 => addr.flags = random.of(&[1, 2, 3, u32::MAX]),
        1 => addr.desc |= random.of(&[1, 2, 4, 8]),
        2 => addr.avail |= 1,
        3 => addr.used |= random.of(&[1, 2]),
        4 => addr.log = random.of(&[1, 2, 3, 4, 0x1000, u64::MAX]),
        _ => {}
    }
    let VringAddr { flags, desc, used, avail, log, .. } = addr;
    let mut text = format!(" vring {index:#x} flags {flags:#x}");
    let _ = write!(text, " desc {desc:#x} avail {avail:#x} used {used:#x} log {log:#x}");
    Body { bytes: addr.as_bytes().to_vec(), text }
}
