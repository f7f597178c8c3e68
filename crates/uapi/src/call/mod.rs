//! System calls, one typed function each.
//!
//! Every crossing that a backend makes goes through here. A function makes exactly one system call,
//! unless its documentation says otherwise, returns the kernel's errno as an [`io::Error`] and
//! allocates nothing, unless its documentation says when.
//!
//! The fd must be of the kind that a function's module names. On another vhost driver, vhost-net
//! say, vring addresses are plain addresses of the process, and safe functions here could write to
//! its memory.
//!
//! A function is `unsafe` when the kernel goes on using the caller's memory after it has returned,
//! because the device may then read or write it at any time.

#![expect(unsafe_code, reason = "system calls; every other module of the crate is safe")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libc::{c_int, c_ulong};
use vmm_sys_util::ioctl::{
    ioctl, ioctl_with_mut_ptr, ioctl_with_mut_ref, ioctl_with_ptr, ioctl_with_ref,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{ioc, vhost as uapi};

pub mod iotlb;
pub mod mdev;
pub mod region;
pub mod vfio;
pub mod vhost;

/// Whether the kernel touches nothing but the encoded bytes of the argument: a tail behind the
/// argument, or memory that it points to, needs the caller's own reasons.
const fn is_plain(request: u32) -> bool {
    !matches!(
        request,
        uapi::SET_MEM_TABLE
            | uapi::SET_LOG_BASE
            | uapi::GET_CONFIG
            | uapi::SET_CONFIG
            | crate::mdev::MAP_DMA
    )
}

/// Stops compilation unless a safe ioctl of type 0xAF moves a `T` in direction `dir`.
const fn assert_plain<T>(request: u32, dir: u32) {
    assert!(ioc::ty(request) == uapi::TYPE && ioc::dir(request) == dir);
    assert!(ioc::size(request) == size_of::<T>() && is_plain(request));
}

/// A request without argument.
fn act<const REQUEST: u32>(fd: impl AsFd) -> io::Result<()> {
    const { assert_plain::<()>(REQUEST, ioc::NONE) };
    // SAFETY: the fd is open as long as it is borrowed, and the kernel reads no argument.
    check(unsafe { ioctl(&fd.as_fd(), c_ulong::from(REQUEST)) })
}

/// A request whose argument the kernel reads.
fn set<const REQUEST: u32, T: IntoBytes + Immutable>(fd: impl AsFd, arg: &T) -> io::Result<()> {
    const { assert_plain::<T>(REQUEST, ioc::WRITE) };
    // SAFETY: the fd is open as long as it is borrowed. The kernel reads as many bytes as the
    // number encodes, which is the size of `T`, and keeps no pointer to them: the request is a
    // plain one.
    check(unsafe { ioctl_with_ref(&fd.as_fd(), c_ulong::from(REQUEST), arg) })
}

/// A request whose argument the kernel fills.
fn get<const REQUEST: u32, T: FromBytes + IntoBytes>(fd: impl AsFd) -> io::Result<T> {
    const { assert_plain::<T>(REQUEST, ioc::READ) };
    let mut arg = T::new_zeroed();
    // SAFETY: the fd is open as long as it is borrowed. The kernel writes as many bytes as the
    // number encodes, which is the size of `T`, and any bytes are a `T`.
    check(unsafe { ioctl_with_mut_ref(&fd.as_fd(), c_ulong::from(REQUEST), &mut arg) })?;
    Ok(arg)
}

/// A request whose argument the kernel reads and writes back.
fn exchange<const REQUEST: u32, T: FromBytes + IntoBytes>(
    fd: impl AsFd,
    mut arg: T,
) -> io::Result<T> {
    const { assert_plain::<T>(REQUEST, ioc::READ | ioc::WRITE) };
    // SAFETY: the fd is open as long as it is borrowed. The kernel reads and writes as many bytes
    // as the number encodes, which is the size of `T`, and any bytes are a `T`.
    check(unsafe { ioctl_with_mut_ref(&fd.as_fd(), c_ulong::from(REQUEST), &mut arg) })?;
    Ok(arg)
}

/// A request whose argument, of a length that the argument itself says, the kernel reads.
///
/// # Safety
/// The kernel must read no more than `arg` has, whatever is in it; what the kernel does with memory
/// that `arg` points to is for the caller to allow.
unsafe fn set_bytes(fd: BorrowedFd<'_>, request: u32, arg: &[u8]) -> io::Result<()> {
    // SAFETY: the fd is open as long as it is borrowed; the caller vouches for the argument.
    check(unsafe { ioctl_with_ptr(&fd, c_ulong::from(request), arg.as_ptr()) })
}

/// A request whose argument, of a length that the argument itself says, the kernel reads and
/// writes.
///
/// # Safety
/// The kernel must read and write no more than `arg` has, whatever is in it.
unsafe fn exchange_bytes(fd: BorrowedFd<'_>, request: u32, arg: &mut [u8]) -> io::Result<()> {
    // SAFETY: the fd is open as long as it is borrowed; the caller vouches for the argument.
    check(unsafe { ioctl_with_mut_ptr(&fd, c_ulong::from(request), arg.as_mut_ptr()) })
}

/// Lends `len` zeroed bytes: from the stack up to `STACK`, else allocated.
fn with_bytes<const STACK: usize, R>(len: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut stack = [0; STACK];
    match stack.get_mut(..len) {
        Some(bytes) => f(bytes),
        None => f(&mut vec![0; len]),
    }
}

/// The number that stands for an eventfd or none.
fn raw(fd: Option<BorrowedFd<'_>>) -> i32 {
    fd.map_or(uapi::FILE_UNBIND, |fd| fd.as_raw_fd())
}

fn check(ret: c_int) -> io::Result<()> {
    if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// EINVAL, for what could not even be asked.
fn invalid() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}
