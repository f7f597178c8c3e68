//! Where a vring goes on.

use std::fmt;

/// The base of a vring, as the kernel's GET_VRING_BASE gives and SET_VRING_BASE takes it.
///
/// It is one word with two readings, and which holds follows from the features that were
/// negotiated. Of a split ring it is the next available index. Of a packed ring (`RING_PACKED`) it
/// is an index and a wrap counter for each side; the available one is in the lower half, the used
/// one in the upper half (`struct vhost_vring_state` in `linux/vhost_types.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VringBase(u32);

impl VringBase {
    /// Where a new split ring starts; the default.
    pub const SPLIT_START: Self = Self::split(0);
    /// Where a new packed ring starts: with both wrap counters at 1 (virtio 1.2, 2.8.1).
    pub const PACKED_START: Self = Self(1 << 31 | 1 << 15);

    /// A split ring goes on at this available index.
    pub const fn split(avail: u16) -> Self {
        Self(avail as u32)
    }

    /// A packed ring goes on at these.
    pub const fn packed(avail: PackedIndex, used: PackedIndex) -> Self {
        Self((used.0 as u32) << 16 | avail.0 as u32)
    }

    /// What the kernel gave.
    pub const fn from_raw(num: u32) -> Self {
        Self(num)
    }

    /// What the kernel takes.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The next available index; `None` for more than 16 bits, which no split ring has.
    pub const fn as_split(self) -> Option<u16> {
        if self.0 >> 16 == 0 { Some(self.0 as u16) } else { None }
    }

    /// Where a packed ring's available and used side go on.
    pub const fn as_packed(self) -> (PackedIndex, PackedIndex) {
        (PackedIndex(self.0 as u16), PackedIndex((self.0 >> 16) as u16))
    }
}

impl From<u16> for VringBase {
    /// A split ring's.
    fn from(avail: u16) -> Self {
        Self::split(avail)
    }
}

impl fmt::Display for VringBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_split() {
            Some(avail) => avail.fmt(f),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

/// A place in a packed ring: an index of 15 bits, and the wrap counter in the bit above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackedIndex(u16);

impl PackedIndex {
    /// This index; `None` from 1 << 15 on, which no packed ring has.
    pub const fn new(index: u16, wrap: bool) -> Option<Self> {
        if index >> 15 == 0 { Some(Self((wrap as u16) << 15 | index)) } else { None }
    }

    /// The index.
    pub const fn index(self) -> u16 {
        self.0 & !(1 << 15)
    }

    /// The wrap counter.
    pub const fn wrap(self) -> bool {
        self.0 >> 15 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_base_has_16_bits() {
        assert_eq!(VringBase::default(), VringBase::SPLIT_START);
        assert_eq!((VringBase::split(0xffff).raw(), VringBase::SPLIT_START.raw()), (0xffff, 0));
        assert_eq!(VringBase::from_raw(0xffff).as_split(), Some(0xffff));
        assert_eq!(VringBase::from_raw(0x1_0000).as_split(), None);
        assert_eq!(VringBase::split(65530).to_string(), "65530");
        assert_eq!(VringBase::from_raw(0x8005_8007).to_string(), "0x80058007");
    }

    /// `last_avail_idx | last_avail_counter << 15`, and the used ones 16 bits up, as vhost_vdpa has
    /// it.
    #[test]
    fn a_packed_base_is_the_kernels_word() {
        let (avail, used) = (PackedIndex::new(7, true), PackedIndex::new(0x7fff, false));
        let base = VringBase::packed(avail.unwrap(), used.unwrap());
        assert_eq!(base.raw(), 0x7fff_8007);
        let (avail, used) = base.as_packed();
        assert_eq!((avail.index(), avail.wrap()), (7, true));
        assert_eq!((used.index(), used.wrap()), (0x7fff, false));
        assert_eq!(PackedIndex::new(0x8000, false), None);
        let (avail, used) = VringBase::PACKED_START.as_packed();
        assert_eq!((avail, used), (PackedIndex(0x8000), PackedIndex(0x8000)));
    }
}
