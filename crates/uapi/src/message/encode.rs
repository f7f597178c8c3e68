//! Messages and replies into bytes.

use zerocopy::{Immutable, IntoBytes};

use super::{Accepts, HEADER_LEN, Header, MAX_PAYLOAD, NEED_REPLY, is_get, is_taken, payload_len};
use crate::vhost::{self, Config};

/// Why a message was not put into the buffer. The buffer is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// #1/A has no such message, with any capability.
    #[error("request {request:#x} cannot be sent as a message")]
    UnknownRequest {
        /// The ioctl number.
        request: u32,
    },
    /// The payload is not what the request takes.
    #[error("request {request:#x} does not take a payload of {len} bytes")]
    PayloadLen {
        /// The ioctl number.
        request: u32,
        /// Bytes that were given.
        len: usize,
    },
    /// The payload is over [`MAX_PAYLOAD`].
    #[error("a payload of {len} bytes is over the limit of {MAX_PAYLOAD}")]
    PayloadTooLong {
        /// Bytes that were given.
        len: usize,
    },
    /// Nothing can follow a get in one write.
    #[error("a get must be the last message of a batch")]
    AfterGet,
    /// The buffer has no room for the message.
    #[error("the message needs {needed} bytes, the buffer has {room} left")]
    NoRoom {
        /// Bytes of the message.
        needed: usize,
        /// Bytes left.
        room: usize,
    },
}

/// Puts messages back to back into a buffer.
///
/// Without the BATCH capability a write carries one message: [`clear`](Self::clear) between them.
#[derive(Debug)]
pub struct Encoder<'a> {
    buf: &'a mut [u8],
    len: usize,
    ends_with_get: bool,
}

impl<'a> Encoder<'a> {
    /// An encoder that fills `buf`, whose length is the limit of the batch.
    pub fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0, ends_with_get: false }
    }

    /// Adds a message; a get is marked as needing its reply.
    ///
    /// # Errors
    /// [`EncodeError`]; the buffer then holds what it held.
    pub fn push<T: IntoBytes + Immutable + ?Sized>(
        &mut self,
        request: u32,
        payload: &T,
    ) -> Result<(), EncodeError> {
        self.push_parts(request, payload.as_bytes(), &[])
    }

    /// Adds a message without a reply, whose request is known when the program is compiled: so is
    /// then that there is such a message and that it takes a `T`.
    ///
    /// ```
    /// # use vhost_accel_uapi::{message::Encoder, vhost};
    /// let mut buf = [0; 64];
    /// Encoder::new(&mut buf).push_set::<{ vhost::SET_FEATURES }, u64>(&1)?;
    /// # Ok::<(), vhost_accel_uapi::message::EncodeError>(())
    /// ```
    /// Four bytes are no features:
    /// ```compile_fail
    /// # use vhost_accel_uapi::{message::Encoder, vhost};
    /// let mut buf = [0; 64];
    /// Encoder::new(&mut buf).push_set::<{ vhost::SET_FEATURES }, u32>(&1)?;
    /// # Ok::<(), vhost_accel_uapi::message::EncodeError>(())
    /// ```
    ///
    /// # Errors
    /// [`EncodeError::AfterGet`] and [`EncodeError::NoRoom`]; the buffer then holds what it held.
    #[inline]
    pub fn push_set<const REQUEST: u32, T: IntoBytes + Immutable>(
        &mut self,
        payload: &T,
    ) -> Result<(), EncodeError> {
        const {
            assert!(is_taken(REQUEST, Accepts::ALL) && !is_get(REQUEST));
            assert!(REQUEST != vhost::SET_CONFIG && crate::ioc::size(REQUEST) == size_of::<T>());
        }
        self.append(REQUEST, payload.as_bytes(), &[])
    }

    /// Adds a get whose payload says nothing: all but GET_VRING_BASE, GET_VRING_SIZE and
    /// GET_CONFIG.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_get(&mut self, request: u32) -> Result<(), EncodeError> {
        let zeroes = [0u8; 8];
        let len = crate::ioc::size(request);
        let payload = zeroes.get(..len).ok_or(EncodeError::PayloadLen { request, len })?;
        self.push(request, payload)
    }

    /// Adds a read of `len` bytes of config space.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_get_config(&mut self, offset: u32, len: usize) -> Result<(), EncodeError> {
        let zeroes = [0u8; MAX_PAYLOAD];
        let bytes = zeroes.get(..len).ok_or(EncodeError::PayloadTooLong { len })?;
        self.push_parts(vhost::GET_CONFIG, config(offset, len)?.as_bytes(), bytes)
    }

    /// Adds a write of config space.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_set_config(&mut self, offset: u32, bytes: &[u8]) -> Result<(), EncodeError> {
        self.push_parts(vhost::SET_CONFIG, config(offset, bytes.len())?.as_bytes(), bytes)
    }

    /// What is to be written to the region.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buf[..self.len]
    }

    /// Bytes that the messages have.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no message.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets every message.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
        self.ends_with_get = false;
    }

    fn push_parts(&mut self, request: u32, head: &[u8], tail: &[u8]) -> Result<(), EncodeError> {
        let size = head.len() + tail.len();
        if !is_taken(request, Accepts::ALL) {
            return Err(EncodeError::UnknownRequest { request });
        }
        if size > MAX_PAYLOAD {
            return Err(EncodeError::PayloadTooLong { len: size });
        }
        if payload_len(request, head) != Some(size as u64) {
            return Err(EncodeError::PayloadLen { request, len: size });
        }
        self.append(request, head, tail)
    }

    /// Adds a message that has been checked.
    #[inline]
    fn append(&mut self, request: u32, head: &[u8], tail: &[u8]) -> Result<(), EncodeError> {
        if self.ends_with_get {
            return Err(EncodeError::AfterGet);
        }
        let flags = if is_get(request) { NEED_REPLY } else { 0 };
        self.len += put(&mut self.buf[self.len..], request, flags, head, tail)?;
        self.ends_with_get = is_get(request);
        Ok(())
    }
}

/// Puts the answer to a get into `buf`, and says how many bytes it has. For the kernel half.
///
/// # Errors
/// [`EncodeError::PayloadTooLong`] and [`EncodeError::NoRoom`].
pub fn encode_reply(buf: &mut [u8], request: u32, payload: &[u8]) -> Result<usize, EncodeError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(EncodeError::PayloadTooLong { len: payload.len() });
    }
    put(buf, request, 0, payload, &[])
}

/// Writes a header and the two parts of its payload, whose length has been checked.
#[inline]
fn put(
    buf: &mut [u8],
    request: u32,
    flags: u32,
    head: &[u8],
    tail: &[u8],
) -> Result<usize, EncodeError> {
    let size = head.len() + tail.len();
    let needed = HEADER_LEN + size;
    let room = buf.len();
    let Some(out) = buf.get_mut(..needed) else {
        return Err(EncodeError::NoRoom { needed, room });
    };
    let header = Header { request: request.into(), flags, size: size as u32 };
    let (to_header, payload) = out.split_at_mut(HEADER_LEN);
    let (to_head, to_tail) = payload.split_at_mut(head.len());
    to_header.copy_from_slice(header.as_bytes());
    to_head.copy_from_slice(head);
    to_tail.copy_from_slice(tail);
    Ok(needed)
}

fn config(off: u32, len: usize) -> Result<Config, EncodeError> {
    let len = u32::try_from(len).map_err(|_| EncodeError::PayloadTooLong { len })?;
    Ok(Config { off, len })
}
