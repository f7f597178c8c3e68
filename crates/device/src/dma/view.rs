//! The device's look through an address space.

use std::sync::RwLockReadGuard;

use super::mapping::{Access, DmaFault, Table};
use super::memory::{ClientMemory, Span};

/// A run of IOVAs, as a descriptor has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) iova: u64,
    pub(crate) len: u64,
}

/// An address space, held still. Dropping it lets changes through, so hold it for one chain only.
#[derive(Debug)]
pub struct DmaView<'a> {
    table: RwLockReadGuard<'a, Table>,
    memory: &'a ClientMemory,
}

impl<'a> DmaView<'a> {
    pub(super) fn new(table: RwLockReadGuard<'a, Table>, memory: &'a ClientMemory) -> Self {
        Self { table, memory }
    }

    /// Reads `to.len()` bytes at `iova`.
    ///
    /// # Errors
    /// A [`DmaFault`]; `to` holds nothing of use then.
    pub fn read(&self, iova: u64, to: &mut [u8]) -> Result<(), DmaFault> {
        let len = to.len() as u64;
        let span = self.span(iova, len, Access::Read)?;
        if span.len == to.len() {
            self.memory.gather(&[span], to).map_err(|_| DmaFault::Host)
        } else {
            self.read_all([Segment { iova, len }], &mut Vec::new(), to)
        }
    }

    /// Writes `from` at `iova`.
    ///
    /// # Errors
    /// A [`DmaFault`]; nothing was written then, unless it is [`DmaFault::Host`].
    pub fn write(&self, iova: u64, from: &[u8]) -> Result<(), DmaFault> {
        let len = from.len() as u64;
        let span = self.span(iova, len, Access::Write)?;
        if span.len == from.len() {
            self.memory.scatter(&[span], from).map_err(|_| DmaFault::Host)
        } else {
            self.write_all([Segment { iova, len }], &mut Vec::new(), from)
        }
    }

    /// Reads a ring index: what the client wrote before it is seen by reads after it. An odd
    /// address is none that a ring can have: [`DmaFault::Unmapped`].
    ///
    /// # Errors
    /// A [`DmaFault`].
    pub fn load_u16(&self, iova: u64) -> Result<u16, DmaFault> {
        let host = self.index(iova, Access::Read)?;
        self.memory.load_u16(host).map_err(|_| DmaFault::Host)
    }

    /// Writes two bytes: what was written before them is seen by the client before them.
    ///
    /// # Errors
    /// As [`load_u16`](Self::load_u16); nothing was written then.
    pub fn store_u16(&self, iova: u64, value: u16) -> Result<(), DmaFault> {
        let host = self.index(iova, Access::Write)?;
        self.memory.store_u16(host, value).map_err(|_| DmaFault::Host)
    }

    /// Writes the index of the used ring at `iova`, whose first eight bytes only the device writes:
    /// the client sees the old index or the new one, in another process too.
    ///
    /// # Errors
    /// As [`load_u16`](Self::load_u16); nothing was written then.
    pub(crate) fn store_used_index(&self, iova: u64, index: u16) -> Result<(), DmaFault> {
        let span = self.span(iova, 8, Access::Write)?;
        if span.len < 8 || !iova.is_multiple_of(2) {
            return self.store_u16(iova.checked_add(2).ok_or(DmaFault::Unmapped)?, index);
        }
        self.memory.store_index(span.host, index).map_err(|_| DmaFault::Host)
    }

    /// Fills `to` from `segments`, which hold at least as much, once all of them are translated.
    /// `spans` is scratch space.
    pub(crate) fn read_all(
        &self,
        segments: impl IntoIterator<Item = Segment>,
        spans: &mut Vec<Span>,
        to: &mut [u8],
    ) -> Result<(), DmaFault> {
        self.translate(segments, Access::Read, spans)?;
        self.memory.gather(spans, to).map_err(|_| DmaFault::Host)
    }

    /// Spreads `from` over `segments`, which hold at least as much, once all of them are
    /// translated: on a fault of translation nothing was written. `spans` is scratch space.
    pub(crate) fn write_all(
        &self,
        segments: impl IntoIterator<Item = Segment>,
        spans: &mut Vec<Span>,
        from: &[u8],
    ) -> Result<(), DmaFault> {
        self.translate(segments, Access::Write, spans)?;
        self.memory.scatter(spans, from).map_err(|_| DmaFault::Host)
    }

    /// Whether all of `segments` may be written. `spans` is scratch space.
    pub(crate) fn writable(
        &self,
        segments: impl IntoIterator<Item = Segment>,
        spans: &mut Vec<Span>,
    ) -> Result<(), DmaFault> {
        self.translate(segments, Access::Write, spans)
    }

    fn translate(
        &self,
        segments: impl IntoIterator<Item = Segment>,
        access: Access,
        spans: &mut Vec<Span>,
    ) -> Result<(), DmaFault> {
        spans.clear();
        for segment in segments {
            let Segment { mut iova, mut len } = segment;
            while len > 0 {
                let span = self.span(iova, len, access)?;
                spans.push(span);
                len -= span.len as u64;
                // Not past the last IOVA unless the segment ends there, and then nothing follows.
                iova = match iova.checked_add(span.len as u64) {
                    Some(next) => next,
                    None if len == 0 => break,
                    None => return Err(DmaFault::Unmapped),
                };
            }
        }
        Ok(())
    }

    /// The client memory of the range's first bytes, as many as one mapping holds; pinned.
    fn span(&self, iova: u64, len: u64, access: Access) -> Result<Span, DmaFault> {
        let (&start, mapping) = self.table.range(..=iova).next_back().ok_or(DmaFault::Unmapped)?;
        let offset = iova - start;
        if offset >= mapping.len {
            return Err(DmaFault::Unmapped);
        }
        if !mapping.access.allows(access) {
            return Err(DmaFault::Permission);
        }
        let len = len.min(mapping.len - offset);
        if len > 0 {
            mapping.pin(self.memory, offset, len)?;
        }
        let host = mapping.host + offset;
        let len = usize::try_from(len).map_err(|_| DmaFault::Host)?;
        Ok(Span { host, len })
    }

    /// The host address of a ring index: never split, because mappings are page-aligned.
    fn index(&self, iova: u64, access: Access) -> Result<u64, DmaFault> {
        if !iova.is_multiple_of(2) {
            return Err(DmaFault::Unmapped);
        }
        Ok(self.span(iova, 2, access)?.host)
    }
}
