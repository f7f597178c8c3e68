//! vhost ioctls on a vfio-vhost device, a vhost-mdev or a vhost-vdpa.
//!
//! The errors are in section 2 of `docs/abi.md`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use zerocopy::IntoBytes;

use super::{act, exchange, exchange_bytes, get, invalid, raw, set, set_bytes, with_bytes};
use crate::mem_table::MemTable;
use crate::vhost::{self as uapi, Config, IovaRange, VringAddr, VringFile, VringState};

/// Features that the device offers.
pub fn get_features(fd: impl AsFd) -> io::Result<u64> {
    get::<{ uapi::GET_FEATURES }, _>(fd)
}

/// Accepts features.
pub fn set_features(fd: impl AsFd, features: u64) -> io::Result<()> {
    set::<{ uapi::SET_FEATURES }, _>(fd, &features)
}

/// Becomes the owner.
pub fn set_owner(fd: impl AsFd) -> io::Result<()> {
    act::<{ uapi::SET_OWNER }>(fd)
}

/// Resets the device and gives it up.
pub fn reset_owner(fd: impl AsFd) -> io::Result<()> {
    act::<{ uapi::RESET_OWNER }>(fd)
}

/// Replaces every DMA mapping by the table's regions.
///
/// # Safety
/// On success the device may read and write every region of the table until another table replaces
/// it or the fd is closed: no Rust object whose validity or aliasing that would break may lie
/// there, and the memory must stay mapped.
pub unsafe fn set_mem_table(fd: impl AsFd, table: &MemTable) -> io::Result<()> {
    if u32::try_from(table.len()).is_err() {
        return Err(invalid());
    }
    // SAFETY: the kernel reads the head and as many regions as it counts, which is what a
    // `MemTable` holds; the caller allows the regions' use.
    unsafe { set_bytes(fd.as_fd(), uapi::SET_MEM_TABLE, table.as_bytes()) }
}

/// Puts the dirty bitmap at `base`, an address of this process.
///
/// # Safety
/// With VHOST_F_LOG_ALL accepted the device sets bits from `base` on, one for each page of the
/// mapped IOVA space, until the base is changed or the device is reset: the bitmap must be there,
/// be long enough, and be read with atomics meanwhile.
pub unsafe fn set_log_base(fd: impl AsFd, base: u64) -> io::Result<()> {
    // SAFETY: the kernel reads 8 bytes; the caller allows the use of what they point to.
    unsafe { set_bytes(fd.as_fd(), uapi::SET_LOG_BASE, base.as_bytes()) }
}

/// The eventfd to signal when dirty bits were set; `None` takes it away.
pub fn set_log_fd(fd: impl AsFd, eventfd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    set::<{ uapi::SET_LOG_FD }, _>(fd, &raw(eventfd))
}

/// Size of a vring.
pub fn set_vring_num(fd: impl AsFd, index: u32, num: u32) -> io::Result<()> {
    set::<{ uapi::SET_VRING_NUM }, _>(fd, &VringState { index, num })
}

/// Addresses of a vring, IOVAs.
pub fn set_vring_addr(fd: impl AsFd, addr: &VringAddr) -> io::Result<()> {
    set::<{ uapi::SET_VRING_ADDR }, _>(fd, addr)
}

/// The available index that a vring goes on from.
pub fn set_vring_base(fd: impl AsFd, index: u32, base: u32) -> io::Result<()> {
    set::<{ uapi::SET_VRING_BASE }, _>(fd, &VringState { index, num: base })
}

/// The available index that a vring looks at next.
pub fn get_vring_base(fd: impl AsFd, index: u32) -> io::Result<u32> {
    exchange::<{ uapi::GET_VRING_BASE }, _>(fd, VringState { index, num: 0 }).map(|s| s.num)
}

/// The eventfd that kicks a vring; `None` takes it away.
pub fn set_vring_kick(
    fd: impl AsFd,
    index: u32,
    eventfd: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    set::<{ uapi::SET_VRING_KICK }, _>(fd, &VringFile { index, fd: raw(eventfd) })
}

/// The eventfd that a vring signals after used buffers; `None` takes it away.
pub fn set_vring_call(
    fd: impl AsFd,
    index: u32,
    eventfd: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    set::<{ uapi::SET_VRING_CALL }, _>(fd, &VringFile { index, fd: raw(eventfd) })
}

/// The eventfd that a vring signals on a fault; `None` takes it away.
pub fn set_vring_err(fd: impl AsFd, index: u32, eventfd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    set::<{ uapi::SET_VRING_ERR }, _>(fd, &VringFile { index, fd: raw(eventfd) })
}

/// Backend features that are offered, bits `BACKEND_F_*`.
pub fn get_backend_features(fd: impl AsFd) -> io::Result<u64> {
    get::<{ uapi::GET_BACKEND_FEATURES }, _>(fd)
}

/// Accepts backend features.
pub fn set_backend_features(fd: impl AsFd, features: u64) -> io::Result<()> {
    set::<{ uapi::SET_BACKEND_FEATURES }, _>(fd, &features)
}

/// The virtio device id.
pub fn get_device_id(fd: impl AsFd) -> io::Result<u32> {
    get::<{ uapi::GET_DEVICE_ID }, _>(fd)
}

/// The virtio device status.
pub fn get_status(fd: impl AsFd) -> io::Result<u8> {
    get::<{ uapi::GET_STATUS }, _>(fd)
}

/// Sets the virtio device status; 0 resets.
pub fn set_status(fd: impl AsFd, status: u8) -> io::Result<()> {
    set::<{ uapi::SET_STATUS }, _>(fd, &status)
}

/// Fills `buf` from config space at `offset`. Allocates when `buf` is over 256 bytes.
pub fn get_config(fd: impl AsFd, offset: u32, buf: &mut [u8]) -> io::Result<()> {
    with_config(offset, buf.len(), |arg| {
        // SAFETY: the kernel reads the head and writes as many bytes behind it as the head says,
        // which are there.
        unsafe { exchange_bytes(fd.as_fd(), uapi::GET_CONFIG, arg) }?;
        buf.copy_from_slice(&arg[size_of::<Config>()..]);
        Ok(())
    })
}

/// Writes `bytes` to config space at `offset`. Allocates when they are over 256.
pub fn set_config(fd: impl AsFd, offset: u32, bytes: &[u8]) -> io::Result<()> {
    with_config(offset, bytes.len(), |arg| {
        arg[size_of::<Config>()..].copy_from_slice(bytes);
        // SAFETY: the kernel reads the head and as many bytes behind it as the head says, which are
        // there.
        unsafe { set_bytes(fd.as_fd(), uapi::SET_CONFIG, arg) }
    })
}

/// Lends a [`Config`] head with `len` zeroed bytes behind it.
fn with_config(
    off: u32,
    len: usize,
    f: impl FnOnce(&mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    const HEAD: usize = size_of::<Config>();
    let head = Config { off, len: u32::try_from(len).map_err(|_| invalid())? };
    with_bytes::<{ HEAD + 256 }, _>(HEAD + len, |arg| {
        arg[..HEAD].copy_from_slice(head.as_bytes());
        f(arg)
    })
}

/// Enables or disables a vring.
pub fn set_vring_enable(fd: impl AsFd, index: u32, enable: bool) -> io::Result<()> {
    set::<{ uapi::SET_VRING_ENABLE }, _>(fd, &VringState { index, num: enable.into() })
}

/// The largest vring size.
pub fn get_vring_num(fd: impl AsFd) -> io::Result<u16> {
    get::<{ uapi::GET_VRING_NUM }, _>(fd)
}

/// The eventfd to signal when config space changed; `None` takes it away.
pub fn set_config_call(fd: impl AsFd, eventfd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    set::<{ uapi::SET_CONFIG_CALL }, _>(fd, &raw(eventfd))
}

/// IOVAs that can be mapped.
pub fn get_iova_range(fd: impl AsFd) -> io::Result<IovaRange> {
    get::<{ uapi::GET_IOVA_RANGE }, _>(fd)
}

/// Bytes of config space.
pub fn get_config_size(fd: impl AsFd) -> io::Result<u32> {
    get::<{ uapi::GET_CONFIG_SIZE }, _>(fd)
}

/// Number of address spaces.
pub fn get_as_num(fd: impl AsFd) -> io::Result<u32> {
    get::<{ uapi::GET_AS_NUM }, _>(fd)
}

/// The group that a vring belongs to.
pub fn get_vring_group(fd: impl AsFd, index: u32) -> io::Result<u32> {
    exchange::<{ uapi::GET_VRING_GROUP }, _>(fd, VringState { index, num: 0 }).map(|s| s.num)
}

/// The group that a vring's descriptor table belongs to.
pub fn get_vring_desc_group(fd: impl AsFd, index: u32) -> io::Result<u32> {
    exchange::<{ uapi::GET_VRING_DESC_GROUP }, _>(fd, VringState { index, num: 0 }).map(|s| s.num)
}

/// Gives a group an address space.
pub fn set_group_asid(fd: impl AsFd, group: u32, asid: u32) -> io::Result<()> {
    set::<{ uapi::SET_GROUP_ASID }, _>(fd, &VringState { index: group, num: asid })
}

/// Stops every vring at a chain boundary.
pub fn suspend(fd: impl AsFd) -> io::Result<()> {
    act::<{ uapi::SUSPEND }>(fd)
}

/// Goes on after [`suspend`].
pub fn resume(fd: impl AsFd) -> io::Result<()> {
    act::<{ uapi::RESUME }>(fd)
}

/// Number of vrings.
pub fn get_vqs_count(fd: impl AsFd) -> io::Result<u32> {
    get::<{ uapi::GET_VQS_COUNT }, _>(fd)
}

/// Number of vring groups.
pub fn get_group_num(fd: impl AsFd) -> io::Result<u32> {
    get::<{ uapi::GET_GROUP_NUM }, _>(fd)
}

/// The size that a vring has now.
pub fn get_vring_size(fd: impl AsFd, index: u32) -> io::Result<u32> {
    exchange::<{ uapi::GET_VRING_SIZE }, _>(fd, VringState { index, num: 0 }).map(|s| s.num)
}
