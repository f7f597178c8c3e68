//! The messages of #1/A, put together by hand.

use std::os::fd::OwnedFd;

use vhost_accel_uapi::message::{HEADER_LEN, Header, NEED_REPLY};
use zerocopy::IntoBytes;

use super::sys;
use crate::error::Result;

/// The CONFIG region of an open device.
#[derive(Debug)]
pub(super) struct Config {
    /// Whether messages wait for the next flush.
    batch: bool,
    offset: u64,
    waiting: Vec<u8>,
}

impl Config {
    pub(super) fn new(batch: bool, offset: u64) -> Self {
        Self { batch, offset, waiting: Vec::with_capacity(32 << 10) }
    }

    fn push(&mut self, request: u32, flags: u32, payload: &[u8]) {
        let header = Header { request: request.into(), flags, size: payload.len() as u32 };
        self.waiting.extend_from_slice(header.as_bytes());
        self.waiting.extend_from_slice(payload);
    }

    /// A message without a reply.
    pub(super) fn send(&mut self, fd: &OwnedFd, request: u32, payload: &[u8]) -> Result<()> {
        self.push(request, 0, payload);
        if self.batch { Ok(()) } else { self.flush(fd) }
    }

    /// A message with a reply of as many bytes as `reply` has.
    pub(super) fn ask(&mut self, fd: &OwnedFd, request: u32, reply: &mut [u8]) -> Result<()> {
        self.push(request, NEED_REPLY, reply);
        self.flush(fd)?;
        let mut read = [0; HEADER_LEN + 8];
        let read = &mut read[..HEADER_LEN + reply.len()];
        sys::pread("pread CONFIG", fd, read, self.offset)?;
        reply.copy_from_slice(&read[HEADER_LEN..]);
        Ok(())
    }

    /// Writes what waits.
    pub(super) fn flush(&mut self, fd: &OwnedFd) -> Result<()> {
        if !self.waiting.is_empty() {
            sys::pwrite("pwrite CONFIG", fd, &self.waiting, self.offset)?;
            self.waiting.clear();
        }
        Ok(())
    }
}
