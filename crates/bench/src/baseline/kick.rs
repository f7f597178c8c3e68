//! Kicks with nothing around them.

#![expect(unsafe_code, reason = "a raw store and bare system calls are what the baseline is")]

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr::NonNull;

use vhost_accel::QueueIndex;

use crate::error::{Error, Result};

/// Kicks one vring; dangling once its device is dropped.
#[derive(Debug)]
pub(crate) struct BareKicker(pub(super) Way);

#[derive(Debug)]
pub(super) enum Way {
    /// A 16-bit store to the page.
    Store((NonNull<u16>, QueueIndex)),
    /// write(2) of 1 to an eventfd.
    Write(File),
    /// pwrite(2) of the vring's number.
    Pwrite(Region),
}

#[derive(Debug)]
pub(super) struct Region {
    pub(super) fd: RawFd,
    pub(super) offset: u64,
    pub(super) queue: QueueIndex,
}

impl BareKicker {
    #[inline]
    pub(super) fn kick(&self) -> io::Result<()> {
        match &self.0 {
            Way::Store((page, queue)) => {
                store(*page, *queue);
                Ok(())
            }
            Way::Write(eventfd) => write(eventfd.as_raw_fd()),
            Way::Pwrite(region) => pwrite(region),
        }
    }

    /// The way is chosen before the loop. In it there is the kick alone, of a queue that the
    /// compiler knows no more of than it knows of a library's kicker: what is kicked is read from
    /// memory.
    #[inline(never)]
    pub(super) fn kicks(&self, count: u64) -> Result<()> {
        match &self.0 {
            Way::Store(bell) => repeat(count, || {
                let bell = black_box(bell);
                store(bell.0, bell.1);
                Ok(())
            }),
            Way::Write(eventfd) => repeat(count, || write(black_box(eventfd).as_raw_fd())),
            Way::Pwrite(region) => repeat(count, || pwrite(black_box(region))),
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
    // SAFETY: a doorbell page of a device that is open as long as its kickers are used: see
    // `Baseline`.
    unsafe { page.write_volatile(queue.0) }
}

#[inline]
fn write(fd: RawFd) -> io::Result<()> {
    let one = 1u64;
    // SAFETY: the kernel reads the eight bytes of `one`.
    check(unsafe { libc::write(fd, (&raw const one).cast(), 8) })
}

#[inline]
fn pwrite(region: &Region) -> io::Result<()> {
    let number = u32::from(region.queue.0);
    let offset = region.offset as libc::off_t;
    // SAFETY: the kernel reads the four bytes of `number`.
    check(unsafe { libc::pwrite(region.fd, (&raw const number).cast(), 4, offset) })
}

#[inline]
fn check(ret: isize) -> io::Result<()> {
    if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
