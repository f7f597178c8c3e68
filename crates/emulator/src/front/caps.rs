//! VFIO's capability chains: what follows an information structure where there is room for it.

use vhost_accel_device::Errno;
use vhost_accel_uapi::vfio::CapHeader;
use zerocopy::{Immutable, IntoBytes};

use crate::call::Call;

/// A chain being put together behind a structure of `base` bytes.
pub(crate) struct Chain {
    base: u32,
    bytes: Vec<u8>,
    last: Option<usize>,
}

impl Chain {
    pub(crate) fn new(base: usize) -> Self {
        Self { base: base as u32, bytes: Vec::new(), last: None }
    }

    /// Appends a capability: its header, then `body`, padded to 8 bytes as the kernel does.
    pub(crate) fn push(&mut self, id: u16, body: &(impl IntoBytes + Immutable)) {
        let start = self.bytes.len();
        if let Some(last) = self.last {
            let next = (self.base + start as u32).to_ne_bytes();
            let at = last + std::mem::offset_of!(CapHeader, next);
            self.bytes[at..at + next.len()].copy_from_slice(&next);
        }
        let header = CapHeader { id, version: 1, next: 0 };
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(body.as_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.last = Some(start);
    }

    /// Writes the chain behind the structure at `arg` if `argsz` has room for it. What `argsz` and
    /// `cap_offset` then are: where there is no room, the size it takes and 0.
    pub(crate) fn write(&self, call: &Call<'_>, arg: u64, argsz: u32) -> Result<(u32, u32), Errno> {
        let needed = self.base + self.bytes.len() as u32;
        if argsz < needed {
            return Ok((needed, 0));
        }
        call.write_bytes(arg.wrapping_add(self.base.into()), &self.bytes)?;
        Ok((argsz, self.base))
    }
}
