//! One episode: a device, a state, requests, and a look at what became of it.

use std::io;
use std::os::fd::OwnedFd;

use vhost_accel_uapi::vfio as vfio_uapi;
use vhost_accel_uapi::vhost::{self as uapi, VringState};
use zerocopy::IntoBytes;

use crate::memory::{PAGE, place, place_well};
use crate::random::Random;
use crate::request::{Client, Kind, Line, Pool};
use crate::state::{self, State};
use crate::sys::{self, Answer};
use crate::{dma, vfio, vhost};

/// Requests of an episode.
pub(crate) const LENGTH: u64 = 20;

/// What an episode begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) lively: bool,
}

impl Opening {
    /// That of the episode with this number.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let kind = random.of(&[Kind::Vfio, Kind::Vfio, Kind::Mdev, Kind::Vdpa]);
        let state = random.of(&State::ALL);
        let coin = random.chance(50);
        Self { kind, state, lively: state.ran() || coin }
    }
}

/// Runs an episode. Each line comes with the status behind it.
pub(crate) fn run(
    opening: Opening,
    random: &mut Random,
    pool: &Pool,
) -> io::Result<Vec<(Line, String)>> {
    let client = Client::open(opening.kind, pool)?;
    state::bring(&client, opening.state);
    let mut lines = Vec::new();
    for _ in 0..LENGTH {
        let line = send(&client, random, opening.lively);
        lines.push((line, client.status()));
    }
    lines.extend(look(&client).into_iter().map(|line| (line, client.status())));
    Ok(lines)
}

fn send(client: &Client<'_>, random: &mut Random, lively: bool) -> Line {
    let pick = random.below(100);
    match (client.kind, &client.vfio) {
        (_, _) if pick < 4 => mapping(client, random),
        (_, _) if pick < 6 => second_open(client),
        (Kind::Vfio, Some(vfio)) => match pick {
            0..30 => vhost::ioctl(client, random, lively),
            30..55 => vfio::write_messages(client, random, lively),
            55..60 => vfio::read_message(client, random),
            60..65 => vfio::get(client, random),
            65..70 => vfio::region(client, random),
            70..78 => vfio::set_irqs(client, random),
            78..82 => vfio::info(client, random),
            82..84 => vfio::other(client, random),
            84..87 => vfio::group(client, vfio, random),
            87..90 => vfio::container(client, vfio, random),
            _ => dma::container(client, vfio, random, lively),
        },
        (Kind::Vfio, None) | (Kind::Mdev, _) => match pick {
            0..9 => plain(client, random),
            _ => vhost::ioctl(client, random, lively),
        },
        (Kind::Vdpa, _) => match pick {
            0..8 => plain(client, random),
            8..35 => dma::iotlb(client, random, lively),
            _ => vhost::ioctl(client, random, lively),
        },
    }
}

/// mmap(2) of the device.
fn mapping(client: &Client<'_>, random: &mut Random) -> Line {
    let base = match client.kind {
        Kind::Vfio => vfio_uapi::region_offset(random.of(&[1, 1, 1, 0, 2])),
        Kind::Mdev | Kind::Vdpa => 0,
    };
    let page = random.of(&[0_u64, 0, 1, 8, 9, 100, 0x1_0000]);
    let unaligned = if random.chance(5) { 16 } else { 0 };
    let len = random.of(&[PAGE, PAGE, PAGE, 1, 0, 2 * PAGE, 9 * PAGE, 10 * PAGE]);
    let prot = random.of(&[libc::PROT_WRITE, libc::PROT_WRITE, 3, libc::PROT_READ, 0]);
    let flags = random.of(&[libc::MAP_SHARED, libc::MAP_SHARED, 3, libc::MAP_PRIVATE]);
    let offset = base + page * PAGE + unaligned;
    let answer = sys::map_and_unmap(&client.fd, len, prot, flags, offset);
    let text = format!("{} mmap {len:#x} prot {prot} flags {flags} at {offset:#x}", name(client));
    client.answered(text, answer, &place_well(&[]))
}

/// Somebody else opens it.
fn second_open(client: &Client<'_>) -> Line {
    let opened = sys::open(&client.node, libc::O_RDWR);
    let answer = opened.map(|_: OwnedFd| 0).map_err(|error| error.raw_os_error().unwrap_or(0));
    client.answered(format!("{} second open", name(client)), Answer(answer), &place_well(&[]))
}

/// read(2) and write(2) where they mean nothing, or without a message.
fn plain(client: &Client<'_>, random: &mut Random) -> Line {
    let len = random.of(&[0_u64, 1, 8, 72]);
    let offset = random.of(&[None, Some(0), Some(8)]);
    let arg = place(random, &vec![0; len as usize]);
    let (word, answer) = match random.chance(50) {
        true => ("read", sys::read(&client.fd, arg.address, len, offset)),
        false => ("write", sys::write(&client.fd, arg.address, len, offset)),
    };
    let text = format!("{} plain {word} {len} at {offset:?}{}", name(client), arg.place);
    client.answered(text, answer, &arg)
}

fn name(client: &Client<'_>) -> &'static str {
    match client.kind {
        Kind::Vfio => "vfio",
        Kind::Mdev => "vhost-mdev",
        Kind::Vdpa => "vhost-vdpa",
    }
}

/// What can be seen of a device's state.
fn look(client: &Client<'_>) -> Vec<Line> {
    let asked = |name: String, request: u32, bytes: &[u8]| {
        let arg = place_well(bytes);
        let answer = client.ioctl(request, &arg);
        client.answered(format!("{} end {name}", self::name(client)), answer, &arg)
    };
    let mut lines = vec![
        asked("status".to_owned(), uapi::GET_STATUS, &[0xee]),
        asked("config".to_owned(), uapi::GET_CONFIG, &[[0, 0, 0, 0, 12, 0, 0, 0], [0; 8]].concat()),
    ];
    for index in 0..state::vrings(client) {
        let vring = VringState { index, num: 0xdddd };
        for (name, request) in [("base", uapi::GET_VRING_BASE), ("size", uapi::GET_VRING_SIZE)] {
            lines.push(asked(format!("{name} {index}"), request, vring.as_bytes()));
        }
    }
    lines
}
