//! Kicks with nothing around them.

#![expect(unsafe_code, reason = "a raw store and bare system calls are what the floor is")]

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;

use vhost_accel_core::QueueIndex;

use crate::error::{Error, Result};

/// Kicks one vring; dangling once its device is dropped.
#[derive(Debug)]
pub(crate) struct BareKicker(pub(super) Way);

#[derive(Debug)]
pub(super) enum Way {
    /// A 16-bit store to the page.
    Store(NonNull<u16>, QueueIndex),
    /// write(2) of 1 to an eventfd.
    Write(File),
    /// pwrite(2) of the vring's number.
    Pwrite { fd: RawFd, offset: u64, queue: QueueIndex },
}

impl BareKicker {
    #[inline]
    pub(super) fn kick(&self) -> io::Result<()> {
        match &self.0 {
            Way::Store(page, queue) => {
                store(*page, *queue);
                Ok(())
            }
            Way::Write(eventfd) => write(eventfd.as_raw_fd()),
            Way::Pwrite { fd, offset, queue } => pwrite(*fd, *offset, *queue),
        }
    }

    /// The way is chosen before the loop: in it there is the kick alone.
    pub(super) fn kicks(&self, count: u64) -> Result<()> {
        match &self.0 {
            Way::Store(page, queue) => repeat(count, || {
                store(black_box(*page), *queue);
                Ok(())
            }),
            Way::Write(eventfd) => {
                let fd = eventfd.as_raw_fd();
                repeat(count, || write(black_box(fd)))
            }
            Way::Pwrite { fd, offset, queue } => {
                repeat(count, || pwrite(black_box(*fd), *offset, *queue))
            }
        }
    }
}

fn repeat(count: u64, kick: impl Fn() -> io::Result<()>) -> Result<()> {
    for _ in 0..count {
        kick().map_err(Error::call("kick"))?;
    }
    Ok(())
}

#[inline]
fn store(page: NonNull<u16>, queue: QueueIndex) {
    // SAFETY: a doorbell page of a device that is open as long as its kickers are used: see `Floor`.
    unsafe { page.write_volatile(queue.0) }
}

#[inline]
fn write(fd: RawFd) -> io::Result<()> {
    let one = 1u64;
    // SAFETY: the kernel reads the eight bytes of `one`.
    check(unsafe { libc::write(fd, (&raw const one).cast(), 8) })
}

#[inline]
fn pwrite(fd: RawFd, offset: u64, queue: QueueIndex) -> io::Result<()> {
    let number = u32::from(queue.0);
    // SAFETY: the kernel reads the four bytes of `number`.
    check(unsafe { libc::pwrite(fd, (&raw const number).cast(), 4, offset as libc::off_t) })
}

#[inline]
fn check(ret: isize) -> io::Result<()> {
    if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
