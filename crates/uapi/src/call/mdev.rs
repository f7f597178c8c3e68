//! The DMA ioctls of a vhost-mdev.

use std::io;
use std::os::fd::AsFd;

use zerocopy::IntoBytes;

use super::{exchange, get, set_bytes};
use crate::mdev::{self as uapi, DmaInfo, DmaMap, DmaUnmap};

/// Maps memory of this process for the device.
///
/// # Safety
/// On success the device may access `map.size` bytes at `map.uaddr`, as `map.perm` says, until they
/// are unmapped, a memory table replaces them or the fd is closed: no Rust object whose validity or
/// aliasing that would break may lie there.
pub unsafe fn dma_map(fd: impl AsFd, map: &DmaMap) -> io::Result<()> {
    // SAFETY: the kernel reads a `DmaMap`; the caller allows the use of what it points to.
    unsafe { set_bytes(fd.as_fd(), uapi::MAP_DMA, map.as_bytes()) }
}

/// Unmaps the whole mappings in `size` bytes at `iova`, and says how many bytes those were.
///
/// # Errors
/// EINVAL if a mapping would be cut, ENOENT if there is none.
pub fn dma_unmap(fd: impl AsFd, iova: u64, size: u64) -> io::Result<u64> {
    exchange::<{ uapi::UNMAP_DMA }, _>(fd, DmaUnmap { iova, size }).map(|done| done.size)
}

/// What can be mapped.
pub fn dma_info(fd: impl AsFd) -> io::Result<DmaInfo> {
    get::<{ uapi::GET_DMA_INFO }, _>(fd)
}
