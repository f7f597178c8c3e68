//! What a device can do beyond the least that each can.

use std::fmt;

bitflags::bitflags! {
    /// The optional abilities of an opened device: of its interface, its kernel half and the
    /// device.
    ///
    /// An operation whose capability is absent answers [`Reason::Unsupported`](crate::Reason). The
    /// bits are stable: a new ability takes the next one.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Capabilities: u32 {
        /// [`KickKind::Doorbell`](crate::KickKind): a store into a mapped page.
        const KICK_DOORBELL = 1 << 0;
        /// [`KickKind::EventFd`](crate::KickKind).
        const KICK_EVENTFD = 1 << 1;
        /// [`KickKind::RegionWrite`](crate::KickKind): pwrite(2) to the NOTIFY region.
        const KICK_REGION_WRITE = 1 << 2;
        /// Many vrings are set up in a number of crossings that doesn't grow with them.
        const BATCH_VRINGS = 1 << 3;
        /// Many DMA mappings are announced to the device as one change.
        const BATCH_DMA = 1 << 4;
        /// [`VhostAccel::suspend`](crate::VhostAccel::suspend).
        const SUSPEND = 1 << 5;
        /// [`VhostAccel::resume`](crate::VhostAccel::resume).
        const RESUME = 1 << 6;
        /// [`VhostAccel::set_dirty_log`](crate::VhostAccel::set_dirty_log).
        const DIRTY_LOG = 1 << 7;
        /// A vring's fault is signalled on an eventfd of its own
        /// ([`VhostAccel::set_error`](crate::VhostAccel::set_error)).
        const ERROR_EVENT = 1 << 8;
        /// A DMA mapping can be read-only or write-only.
        const DMA_ACCESS = 1 << 9;
        /// A failed DMA request says why with an errno of its own: EEXIST for an overlap,
        /// ENOENT for an unmap of nothing. Without it: EFAULT for each failed map, silence for
        /// an unmap of nothing.
        const DMA_ERRNO = 1 << 10;
        /// One mapping is added or removed without sending the others again.
        const DMA_INCREMENTAL = 1 << 11;
        /// Virtio status, config space and vring enable can be reached: all but the #1/A of RFC v2
        /// as posted.
        const VIRTIO_STATUS = 1 << 12;
        /// [`VhostAccel::dma_update`](crate::VhostAccel::dma_update) is one change: the device
        /// finds the mappings as they were or as they will be, and nothing in between, even while
        /// it runs.
        const ATOMIC_DMA = 1 << 13;
        /// Memory is mapped through the device: [`dma_map`](crate::VhostAccel::dma_map) and its
        /// like. Without it somebody else does that, in a VFIO container of theirs.
        const DMA = 1 << 14;
    }
}

impl fmt::Display for Capabilities {
    /// The names in lower case, separated by blanks; `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (position, (name, _)) in self.iter_names().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            for letter in name.chars() {
                let letter = if letter == '_' { '-' } else { letter.to_ascii_lowercase() };
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable() {
        let both = Capabilities::KICK_DOORBELL | Capabilities::DMA_ERRNO;
        assert_eq!(both.to_string(), "kick-doorbell dma-errno");
        assert_eq!(Capabilities::empty().to_string(), "-");
    }
}
