//! The memory that requests are about: at the same addresses in every run.

use std::io;

use crate::random::Random;
use crate::sys;

pub(crate) const PAGE: u64 = 4096;

/// Where arguments lie: 20 pages, then nothing. A batch of messages is the longest.
const ARGS: u64 = 0x4_0000_0000;
const ARGS_LEN: u64 = 20 * PAGE;
/// The same memory, to be read only.
const ARGS_READABLE: u64 = 0x4_1000_0000;
/// What the device may have, 16 pages, then nothing.
pub(crate) const PLAY: u64 = 0x4_2000_0000;
pub(crate) const PLAY_PAGES: u64 = 16;
/// What can be read only, 4 pages.
pub(crate) const READABLE: u64 = 0x4_3000_0000;
/// The one ring that all vrings have: empty, 1024 entries.
pub(crate) const RING: u64 = 0x4_4000_0000;
pub(crate) const RING_LEN: u64 = 8 * PAGE;
/// Where nothing is mapped.
pub(crate) const NOWHERE: u64 = 0x4_5000_0000;

/// What an argument's bytes are before a request.
const FILL: u8 = 0xa5;

/// Maps all of it. Once in a process.
pub(crate) fn map() -> io::Result<()> {
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let args = sys::memfd(ARGS_LEN)?;
    sys::map_at(ARGS, ARGS_LEN, both, Some(&args))?;
    sys::map_at(ARGS_READABLE, ARGS_LEN, libc::PROT_READ, Some(&args))?;
    sys::map_at(PLAY, PLAY_PAGES * PAGE, both, None)?;
    sys::map_at(READABLE, 4 * PAGE, libc::PROT_READ, None)?;
    sys::map_at(RING, RING_LEN, both, None)
}

/// An argument in place.
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub(crate) address: u64,
    /// Whether what comes back is to be looked at, and how long it may be.
    looked_at: Option<usize>,
    /// For the trace.
    pub(crate) place: &'static str,
    before: Vec<u8>,
}

/// Puts `bytes` somewhere: mostly where they can be read and written.
pub(crate) fn place(random: &mut Random, bytes: &[u8]) -> Arg {
    let kind = random.below(100);
    place_as(kind, bytes)
}

/// The same, but at no address of the kernel's own.
pub(crate) fn place_below(random: &mut Random, bytes: &[u8]) -> Arg {
    place_as(random.below(98), bytes)
}

/// Puts `bytes` where they can be read and written.
pub(crate) fn place_well(bytes: &[u8]) -> Arg {
    place_as(0, bytes)
}

fn place_as(kind: u64, bytes: &[u8]) -> Arg {
    let len = bytes.len() as u64;
    let room = bytes.len().max(64) + 64;
    let mut before = vec![FILL; room];
    before[..bytes.len()].copy_from_slice(bytes);
    sys::store(ARGS, &before);
    let (address, looked_at, place) = match kind {
        0..84 => (ARGS, Some(room), ""),
        84..89 => (ARGS_READABLE, Some(room), " read-only"),
        89..94 if len > 1 => {
            // The last byte is missing.
            let address = ARGS + ARGS_LEN - (len - 1);
            sys::store(address, &bytes[..bytes.len() - 1]);
            (address, None, " cut")
        }
        94..97 => (NOWHERE, None, " nowhere"),
        97 => (0, None, " null"),
        _ => (0xffff_8000_0000_0000, None, " kernel"),
    };
    Arg { address, looked_at, place, before }
}

impl Arg {
    /// The bytes that the kernel changed: from the first to the last of them, with its offset.
    /// Where `without` stands among them there are zeroes.
    pub(crate) fn changed(&self, without: &[u8]) -> Option<(usize, Vec<u8>)> {
        let mut after = vec![0; self.looked_at?];
        sys::load(ARGS, &mut after);
        if !without.is_empty()
            && let Some(at) = after.windows(without.len()).position(|part| part == without)
        {
            after[at..at + without.len()].fill(0);
        }
        let differs = |(a, b): (&u8, &u8)| a != b;
        let first = self.before.iter().zip(&after).position(differs)?;
        let last = self.before.iter().zip(&after).rposition(differs)?;
        Some((first, after[first..=last].to_vec()))
    }

    /// What stands in an argument now.
    pub(crate) fn bytes_at<const N: usize>(&self, offset: u64) -> [u8; N] {
        let mut bytes = [0; N];
        sys::load(ARGS + offset, &mut bytes);
        bytes
    }
}
