//! The client's memory.
//!
//! It is reached through `/proc/PID/mem`, that of this process too. What was opened there stays the
//! memory that the process had then: who executes another program, or gets the number of a process
//! that is gone, is never reached by it. And the kernel looks at every address, so that memory that
//! is not there, or not any more, is an error and no signal.
//!
//! These accesses don't ask what the pages allow, as a device doesn't that has them pinned. Pinning
//! asks.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use super::PAGE_SIZE;
use crate::Errno;

/// A run of client addresses, without a hole in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The first byte's address in the client.
    pub(crate) host: u64,
    /// Bytes.
    pub(crate) len: usize,
}

/// Whose memory the addresses of a DMA mapping belong to.
#[derive(Clone, Debug)]
pub struct ClientMemory(Arc<Memory>);

#[derive(Debug)]
struct Memory {
    bytes: File,
    /// What is mapped, in text.
    maps: File,
}

impl ClientMemory {
    /// The memory that process `pid` has now, which must let this one trace it. Each access is a
    /// system call; an address that went bad is an error at any time.
    ///
    /// # Errors
    /// Those of opening the process's files in `/proc`: EACCES where it may not be traced.
    pub fn of_process(pid: u32) -> Result<Self, Errno> {
        let open = |name| {
            let write = name == "mem";
            let path = format!("/proc/{pid}/{name}");
            File::options().read(true).write(write).open(path)
        };
        Ok(Self(Arc::new(Memory { bytes: open("mem")?, maps: open("maps")? })))
    }

    /// Makes sure that every page of `len` bytes at `host` is there and can be read, or written if
    /// `write`: see [pinning](super#pinning).
    ///
    /// # Errors
    /// EFAULT when a page is not there or does not allow the access.
    pub fn pin(&self, host: u64, len: u64, write: bool) -> Result<(), Errno> {
        let end = host.checked_add(len).ok_or(Errno::EFAULT)?;
        let mut page = host & !(PAGE_SIZE - 1);
        while page < end {
            self.is_there(page)?;
            page = page.saturating_add(PAGE_SIZE);
        }
        let runs = self.0.runs(write).map_err(|_| Errno::EFAULT)?;
        let mut at = host;
        for run in runs {
            if run.contains(&at) {
                at = run.end;
            }
        }
        if at >= end { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// The run of pages around `host` that can be read, or written if `write`, so far as one
    /// mapping of the client goes. EFAULT: `host` is in none.
    pub(super) fn run_at(&self, host: u64, write: bool) -> Result<Range<u64>, Errno> {
        // What isn't there at all is found out cheaply.
        self.is_there(host)?;
        let runs = self.0.runs(write).map_err(|_| Errno::EFAULT)?;
        runs.into_iter().find(|run| run.contains(&host)).ok_or(Errno::EFAULT)
    }

    fn is_there(&self, host: u64) -> Result<(), Errno> {
        self.0.bytes.read_exact_at(&mut [0], host).map_err(|_| Errno::EFAULT)
    }

    /// Fills `to` from the start of `spans`. EFAULT where the client has no such memory.
    pub(super) fn gather(&self, spans: &[Span], to: &mut [u8]) -> Result<(), Errno> {
        let mut rest = to;
        for span in spans {
            let (part, next) = rest.split_at_mut(span.len.min(rest.len()));
            self.0.bytes.read_exact_at(part, span.host).map_err(|_| Errno::EFAULT)?;
            rest = next;
        }
        if rest.is_empty() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Copies `from` to the start of `spans`. EFAULT where the client has no such memory.
    pub(super) fn scatter(&self, spans: &[Span], from: &[u8]) -> Result<(), Errno> {
        let mut rest = from;
        for span in spans {
            let (part, next) = rest.split_at(span.len.min(rest.len()));
            self.0.bytes.write_all_at(part, span.host).map_err(|_| Errno::EFAULT)?;
            rest = next;
        }
        if rest.is_empty() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Reads a ring index: what the client wrote before it is seen after it. EFAULT.
    pub(super) fn load_u16(&self, host: u64) -> Result<u16, Errno> {
        // The kernel may copy byte by byte: an index is what two reads agree on.
        let mut last = None;
        loop {
            let mut bytes = [0; 2];
            self.gather(&[Span { host, len: 2 }], &mut bytes)?;
            fence(Ordering::Acquire);
            if last == Some(bytes) {
                return Ok(u16::from_le_bytes(bytes));
            }
            last = Some(bytes);
        }
    }

    /// Writes two bytes: what was written before them is seen before them. EFAULT.
    pub(super) fn store_u16(&self, host: u64, value: u16) -> Result<(), Errno> {
        fence(Ordering::Release);
        self.scatter(&[Span { host, len: 2 }], &value.to_le_bytes())
    }

    /// Writes the two bytes at `host + 2` so that the client sees both change at once. The eight
    /// bytes at `host` are written by nobody but the caller. EFAULT.
    pub(super) fn store_index(&self, host: u64, value: u16) -> Result<(), Errno> {
        // The kernel copies less than eight bytes one by one: 0x00ff would become 0x0100 by way of
        // 0x0000.
        let span = [Span { host, len: 8 }];
        let mut bytes = [0; 8];
        self.gather(&span, &mut bytes)?;
        bytes[2..4].copy_from_slice(&value.to_le_bytes());
        fence(Ordering::Release);
        self.scatter(&span, &bytes)
    }

    /// Sets bits of the byte at `host`. EFAULT.
    pub(crate) fn set_bits(&self, host: u64, bits: u8) -> Result<(), Errno> {
        // Read and write are two calls. A client that takes the bits in between gets some of them
        // again, which a dirty log allows; a second device doing the same could lose some, so they
        // take turns.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut byte = [0];
        let span = [Span { host, len: 1 }];
        self.gather(&span, &mut byte)?;
        if byte[0] & bits == bits {
            return Ok(());
        }
        self.scatter(&span, &[byte[0] | bits])
    }
}

impl Memory {
    /// The mappings that can be read, or written if `write`, ascending.
    fn runs(&self, write: bool) -> io::Result<Vec<Range<u64>>> {
        let mut text = Vec::new();
        loop {
            let filled = text.len();
            text.resize(filled + 4096, 0);
            let more = self.maps.read_at(&mut text[filled..], filled as u64)?;
            text.truncate(filled + more);
            if more == 0 {
                break;
            }
        }
        let lines = text.split(|&byte| byte == b'\n');
        Ok(lines.filter_map(|line| run(line, write)).collect())
    }
}

/// The addresses of a line of `/proc/PID/maps`, `from-to perms offset …` in hexadecimal, if the
/// permission is there.
fn run(line: &[u8], write: bool) -> Option<Range<u64>> {
    let space = line.iter().position(|&byte| byte == b' ')?;
    let (from, to) = std::str::from_utf8(&line[..space]).ok()?.split_once('-')?;
    let (at, letter) = if write { (2, b'w') } else { (1, b'r') };
    if line.get(space + at) != Some(&letter) {
        return None;
    }
    Some(u64::from_str_radix(from, 16).ok()?..u64::from_str_radix(to, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_what_can_be_read_and_written() {
        let line = b"7f00-8f00 rw-s 10000000000 00:01 1027    /memfd:x y (deleted)";
        assert_eq!(
            (run(line, false), run(line, true)),
            (Some(0x7f00..0x8f00), Some(0x7f00..0x8f00))
        );
        let line = b"7f00-8f00 r-xp 00000000 00:00 0 ";
        assert_eq!((run(line, false), run(line, true)), (Some(0x7f00..0x8f00), None));
        let line = b"7f00-8f00 ---p 00000000 00:00 0";
        assert_eq!((run(line, false), run(b"", false)), (None, None));
    }
}
