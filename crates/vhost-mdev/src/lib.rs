//! Backend of #2: a vhost character device on the mdev bus, with DMA requests of its own.
//!
//! | | how |
//! |---|---|
//! | control, call, error | vhost ioctls (type 0xAF) on `/dev/vhost-mdev-N` |
//! | kick | SET_VRING_KICK eventfd, or a doorbell mapped from the same fd |
//! | DMA | [`MapUnmap`]: MAP and UNMAP ioctls; or [`MemTable`]: SET_MEM_TABLE |
//!
//! The mail of 9 July 2019 calls SET_MEM_TABLE too heavy and a new DMA API necessary; both are
//! here, on one fd, so that they can be compared. Section 4 of `docs/abi.md` is the contract.

mod map_unmap;
mod mem_table;
mod open;

pub use map_unmap::MapUnmap;
pub use mem_table::MemTable;
pub use open::{DmaStyle, VhostMdev, VhostMdevOptions, open, open_fd};
