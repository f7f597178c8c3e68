//! VFIO ioctls on a device and on a container.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{exchange_bytes, invalid, raw, set_bytes, with_bytes};
use crate::caps::Caps;
use crate::vfio::{
    self as uapi, DeviceInfo, DmaMap, DmaUnmap, IRQ_SET_ACTION_TRIGGER, IRQ_SET_DATA_EVENTFD,
    IRQ_SET_DATA_NONE, IommuInfo, IrqInfo, IrqSet, RegionInfo,
};

/// What a device has.
pub fn get_device_info(device: impl AsFd) -> io::Result<DeviceInfo> {
    let mut info = DeviceInfo { argsz: argsz::<DeviceInfo>(), ..Default::default() };
    // SAFETY: the kernel writes no more than `argsz`, the structure's size.
    unsafe { exchange_bytes(device.as_fd(), uapi::DEVICE_GET_INFO, info.as_mut_bytes()) }?;
    Ok(info)
}

/// What a region is. `buf` takes the structure and its capabilities; 256 bytes are plenty for the
/// regions of a vfio-vhost device.
///
/// When the answer's `argsz` is more than `buf` has, the kernel left the capabilities out.
///
/// # Errors
/// EINVAL if there is no such region, or if `buf` has less than the structure's 32 bytes.
pub fn get_region_info(
    device: impl AsFd,
    index: u32,
    buf: &mut [u8],
) -> io::Result<(RegionInfo, Caps<'_>)> {
    let request = RegionInfo { argsz: room(buf), index, ..Default::default() };
    // SAFETY: the kernel writes no more than `argsz`, the buffer's size.
    let info =
        unsafe { get_with_caps(device.as_fd(), uapi::DEVICE_GET_REGION_INFO, request, buf) }?;
    let has_caps = info.flags & uapi::REGION_INFO_FLAG_CAPS != 0;
    Ok((info, Caps::new(buf, if has_caps { info.cap_offset } else { 0 })))
}

/// How many interrupts an index has.
pub fn get_irq_info(device: impl AsFd, index: u32) -> io::Result<IrqInfo> {
    let mut info = IrqInfo { argsz: argsz::<IrqInfo>(), index, ..Default::default() };
    // SAFETY: the kernel writes no more than `argsz`, the structure's size.
    unsafe { exchange_bytes(device.as_fd(), uapi::DEVICE_GET_IRQ_INFO, info.as_mut_bytes()) }?;
    Ok(info)
}

/// The eventfd that interrupt `subindex` of `index` signals; `None` takes it away.
pub fn set_irq(
    device: impl AsFd,
    index: u32,
    subindex: u32,
    eventfd: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    set_irqs(device, index, subindex, &[eventfd])
}

/// The eventfds that interrupts from `start` on of `index` signal, in one call; `None` takes one
/// away. Allocates for more than 512.
///
/// # Errors
/// EINVAL if there is no eventfd at all, or an interrupt is out of range.
pub fn set_irqs(
    device: impl AsFd,
    index: u32,
    start: u32,
    eventfds: &[Option<BorrowedFd<'_>>],
) -> io::Result<()> {
    const HEAD: usize = size_of::<IrqSet>();
    const FD: usize = size_of::<i32>();
    if eventfds.is_empty() {
        return Err(invalid());
    }
    let len = HEAD + eventfds.len() * FD;
    let head = IrqSet {
        argsz: u32::try_from(len).map_err(|_| invalid())?,
        flags: IRQ_SET_DATA_EVENTFD | IRQ_SET_ACTION_TRIGGER,
        index,
        start,
        count: u32::try_from(eventfds.len()).map_err(|_| invalid())?,
    };
    with_bytes::<{ HEAD + 512 * FD }, _>(len, |arg| {
        arg[..HEAD].copy_from_slice(head.as_bytes());
        for (slot, eventfd) in arg[HEAD..].chunks_exact_mut(FD).zip(eventfds) {
            slot.copy_from_slice(&raw(*eventfd).to_ne_bytes());
        }
        // SAFETY: the kernel reads the head and `count` numbers behind it, which are there, and
        // refuses an `argsz` that says otherwise.
        unsafe { set_bytes(device.as_fd(), uapi::DEVICE_SET_IRQS, arg) }
    })
}

/// Takes the eventfds of a whole index away.
pub fn clear_irqs(device: impl AsFd, index: u32) -> io::Result<()> {
    let flags = IRQ_SET_DATA_NONE | IRQ_SET_ACTION_TRIGGER;
    let arg = IrqSet { argsz: argsz::<IrqSet>(), flags, index, start: 0, count: 0 };
    // SAFETY: the kernel reads the structure; without data nothing is behind it.
    unsafe { set_bytes(device.as_fd(), uapi::DEVICE_SET_IRQS, arg.as_bytes()) }
}

/// Resets the device.
pub fn device_reset(device: impl AsFd) -> io::Result<()> {
    // SAFETY: the kernel reads and writes no argument.
    unsafe { set_bytes(device.as_fd(), uapi::DEVICE_RESET, &[]) }
}

/// Maps `size` bytes at `vaddr` of this process to `iova`; `flags` are `DMA_MAP_FLAG_*`.
///
/// # Safety
/// On success the container's devices may access the memory, as `flags` say, until it is unmapped
/// or the container is closed: no Rust object whose validity or aliasing that would break may lie
/// there.
pub unsafe fn map_dma(
    container: impl AsFd,
    iova: u64,
    size: u64,
    vaddr: u64,
    flags: u32,
) -> io::Result<()> {
    let map = DmaMap { argsz: argsz::<DmaMap>(), flags, vaddr, iova, size };
    // SAFETY: the kernel reads a `DmaMap`; the caller allows the use of what it points to.
    unsafe { set_bytes(container.as_fd(), uapi::IOMMU_MAP_DMA, map.as_bytes()) }
}

/// Unmaps the whole mappings in `size` bytes at `iova`, and says how many bytes those were: 0 if
/// there was none.
///
/// # Errors
/// EINVAL if a mapping would be cut.
pub fn unmap_dma(container: impl AsFd, iova: u64, size: u64) -> io::Result<u64> {
    let mut unmap = DmaUnmap { argsz: argsz::<DmaUnmap>(), flags: 0, iova, size };
    // SAFETY: the kernel reads and writes a `DmaUnmap`; without flags nothing is behind it.
    unsafe { exchange_bytes(container.as_fd(), uapi::IOMMU_UNMAP_DMA, unmap.as_mut_bytes()) }?;
    Ok(unmap.size)
}

/// What the container can map. `buf` takes the structure and its capabilities: the usable IOVAs and
/// how many mappings are free; 1024 bytes have room for more than 50 ranges.
///
/// When the answer's `argsz` is more than `buf` has, the kernel left the capabilities out.
///
/// # Errors
/// EINVAL if the container has no IOMMU type, or if `buf` has less than the structure's 24 bytes.
pub fn iommu_get_info(container: impl AsFd, buf: &mut [u8]) -> io::Result<(IommuInfo, Caps<'_>)> {
    let request = IommuInfo { argsz: room(buf), ..Default::default() };
    // SAFETY: the kernel writes no more than `argsz`, the buffer's size.
    let info = unsafe { get_with_caps(container.as_fd(), uapi::IOMMU_GET_INFO, request, buf) }?;
    let has_caps = info.flags & uapi::IOMMU_INFO_CAPS != 0;
    Ok((info, Caps::new(buf, if has_caps { info.cap_offset } else { 0 })))
}

/// Puts `head` at the front of `buf`, makes the call, and reads the head back.
///
/// # Safety
/// The kernel must read and write no more than `buf` has.
unsafe fn get_with_caps<T: FromBytes + IntoBytes + Immutable>(
    fd: BorrowedFd<'_>,
    request: u32,
    head: T,
    buf: &mut [u8],
) -> io::Result<T> {
    head.write_to_prefix(buf).map_err(|_| invalid())?;
    // SAFETY: the caller vouches for the length.
    unsafe { exchange_bytes(fd, request, buf) }?;
    T::read_from_prefix(buf).map(|(info, _)| info).map_err(|_| invalid())
}

/// The size of a structure as its `argsz`.
const fn argsz<T>() -> u32 {
    assert!(size_of::<T>() <= u32::MAX as usize);
    size_of::<T>() as u32
}

/// The size of a buffer as an `argsz`; what doesn't fit in 32 bits is not offered.
fn room(buf: &[u8]) -> u32 {
    u32::try_from(buf.len()).unwrap_or(u32::MAX)
}
