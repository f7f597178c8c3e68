//! The three address spaces, as three types.

use std::fmt;

use crate::doorbell::page_size;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

address! {
    /// An I/O virtual address: what the device puts on its bus, translated by the kernel half.
    Iova
}
address! {
    /// A host virtual address: memory of this process.
    Hva
}
address! {
    /// A guest physical address. Without a vIOMMU a VMM maps it at the same [`Iova`].
    Gpa
}

impl From<Gpa> for Iova {
    /// The identity that holds without a vIOMMU.
    fn from(gpa: Gpa) -> Self {
        Iova(gpa.0)
    }
}

impl<T> From<*mut T> for Hva {
    fn from(pointer: *mut T) -> Self {
        Hva(pointer.addr() as u64)
    }
}

/// A range of I/O virtual addresses, `start` to `start + len - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IovaRange {
    /// The first address.
    pub start: Iova,
    /// How many bytes.
    pub len: u64,
}

impl IovaRange {
    /// The range that starts at `start` and is `len` bytes long.
    pub const fn new(start: Iova, len: u64) -> Self {
        Self { start, len }
    }

    /// Every address that a mapping can have but those of the last page, whose end no length can
    /// say.
    pub fn every_page() -> Self {
        Self::new(Iova(0), u64::MAX - (page_size() as u64 - 1))
    }

    /// The last address in the range; `None` when the range is empty or wraps around.
    pub const fn last(&self) -> Option<Iova> {
        match self.len.checked_sub(1) {
            Some(offset) => match self.start.0.checked_add(offset) {
                Some(last) => Some(Iova(last)),
                None => None,
            },
            None => None,
        }
    }
}

impl fmt::Display for IovaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}", self.start, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_of_a_range() {
        assert_eq!(IovaRange::new(Iova(0x1000), 0x1000).last(), Some(Iova(0x1fff)));
        assert_eq!(IovaRange::new(Iova(u64::MAX), 1).last(), Some(Iova(u64::MAX)));
        assert_eq!(IovaRange::new(Iova(u64::MAX), 2).last(), None);
        assert_eq!(IovaRange::new(Iova(0), 0).last(), None);
    }
}
