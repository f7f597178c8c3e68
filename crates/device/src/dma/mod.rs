//! What the device sees as memory: IOVAs, and how they lead to the client's pages.
//!
//! A [`DmaSpace`] is one IOMMU domain: a VFIO container, or the one address space of a vhost-mdev
//! or vhost-vdpa device. The front ends change it; the device looks through it with a [`DmaView`],
//! one view per chain. A change waits for the views that are open and is seen by all later ones, so
//! an unmap that has returned is an unmap: no access through the old mapping is under way or to
//! come.
//!
//! # Pinning
//! A kernel pins pages: it takes a reference that outlives what the process does to its page
//! tables. Userspace has nothing of the kind. To *pin* here means to make sure that the pages are
//! there and allow the access: a bad host address is an error of the request then. What the process
//! allows later makes no difference, as with pinned pages; what it unmaps, or cuts off the file
//! behind, is a fault of the device, which pinned pages would not be.

mod mapping;
mod memory;
mod space;
#[cfg(test)]
mod tests;
mod view;

pub use mapping::{Access, DmaFault, Region};
pub use memory::ClientMemory;
pub use space::{Cut, DmaSpace, PinPolicy};
pub use view::DmaView;

pub(crate) use memory::Span;
pub(crate) use view::Segment;

/// The size of the pages that mappings are made of, in bytes.
pub const PAGE_SIZE: u64 = 4096;
