//! The dirty log: where a device marks the pages that it writes, and what that covers.

use crate::address::{Hva, Iova, IovaRange};

/// A page of the log, which a bit stands for, whatever the size of the machine's pages.
const PAGE: u64 = 4096;

/// Memory of this process for a dirty log: bit *n* is the 4 KiB page *n* of IOVA space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirtyBitmap {
    /// Where it begins, aligned to 8 bytes.
    pub host: Hva,
    /// How many bytes it has: whole words of 8.
    pub len: u64,
}

impl DirtyBitmap {
    /// `len` bytes of this process from `host` on.
    pub const fn new(host: Hva, len: u64) -> Self {
        Self { host, len }
    }

    /// How many bytes cover every address up to `last`: whole words, in which atomics are.
    pub const fn bytes_for(last: Iova) -> u64 {
        (last.0 / (PAGE * u64::BITS as u64) + 1) * (u64::BITS / u8::BITS) as u64
    }

    /// The last address that it has a bit for; `None` for one of no bytes.
    pub const fn last(&self) -> Option<Iova> {
        match self.len.checked_sub(1) {
            // A bit more than there are pages is no use, and no harm.
            Some(last) => Some(Iova(
                last.saturating_mul(u8::BITS as u64 * PAGE)
                    .saturating_add(u8::BITS as u64 * PAGE - 1),
            )),
            None => None,
        }
    }
}

/// What a device may write, as far as a log must know it.
#[derive(Debug, Default)]
pub(crate) struct Writable {
    /// No mapping for writing ends behind this.
    last: Option<Iova>,
    /// Where the log ends that is on.
    logged: Option<Iova>,
}

impl Writable {
    pub(crate) const fn new() -> Self {
        Self { last: None, logged: None }
    }

    /// The last address that may be mapped for writing.
    pub(crate) const fn last(&self) -> Option<Iova> {
        self.last
    }

    /// The log ends here, or is off.
    pub(crate) fn log(&mut self, end: Option<Iova>) {
        self.logged = end;
    }

    /// Where the log that is on ends, if that is before `range` does.
    pub(crate) fn beyond_log(&self, range: IovaRange) -> Option<Iova> {
        self.logged.filter(|&end| range.last().is_some_and(|last| last > end))
    }

    pub(crate) fn mapped(&mut self, range: IovaRange) {
        self.last = self.last.max(range.last());
    }

    pub(crate) fn unmapped(&mut self, range: IovaRange) {
        let end = range.last();
        if self.last.is_some() && end >= self.last && self.last >= Some(range.start) {
            self.last = range.start.0.checked_sub(1).map(Iova);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, len: u64) -> IovaRange {
        IovaRange::new(Iova(start), len)
    }

    #[test]
    fn a_byte_covers_eight_pages() {
        let covers = |len| DirtyBitmap::new(Hva(0), len).last();
        assert_eq!(covers(0), None);
        assert_eq!(covers(1), Some(Iova(0x7fff)));
        assert_eq!(covers(8), Some(Iova(0x3_ffff)));
        assert_eq!(covers(u64::MAX), Some(Iova(u64::MAX)));
        for last in [0, 0xfff, 0x3_ffff, 0x4_0000, u64::MAX] {
            let len = DirtyBitmap::bytes_for(Iova(last));
            assert!(covers(len) >= Some(Iova(last)), "{last:#x}");
            assert!(len.is_multiple_of(8) && covers(len - 8) < Some(Iova(last)), "{last:#x}");
        }
    }

    #[test]
    fn what_may_be_written_ends_with_the_last_mapping() {
        let mut writable = Writable::new();
        writable.mapped(range(0x1000, 0x1000));
        writable.mapped(range(0x8000, 0x1000));
        writable.mapped(range(0x4000, 0x1000));
        assert_eq!(writable.last(), Some(Iova(0x8fff)));
        writable.unmapped(range(0x1000, 0x1000));
        assert_eq!(writable.last(), Some(Iova(0x8fff)));
        writable.unmapped(range(0x8000, 0x2000));
        assert_eq!(writable.last(), Some(Iova(0x7fff)));
        // Behind everything.
        writable.unmapped(range(0x10000, 0x1000));
        assert_eq!(writable.last(), Some(Iova(0x7fff)));
        writable.unmapped(range(0, u64::MAX));
        assert_eq!(writable.last(), None);
    }
}
