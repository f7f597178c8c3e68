//! Messages and replies out of bytes.

use zerocopy::FromBytes;

use super::{Accepts, HEADER_LEN, Header, MAX_PAYLOAD, NEED_REPLY, is_get, is_taken, payload_len};

/// Why a write, or a message in it, is refused; [`errno`](Self::errno) is what the writer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Messages go to offset 0 of the region.
    #[error("a message was written to offset {offset:#x}")]
    Offset {
        /// Offset in the region.
        offset: u64,
    },
    /// The write is over the limit that the BATCH capability gives.
    #[error("a write of {len} bytes is over the limit of {max}")]
    WriteTooLong {
        /// Bytes of the write.
        len: usize,
        /// The limit.
        max: u32,
    },
    /// There are fewer bytes than a header has.
    #[error("{len} bytes are no message")]
    Short {
        /// Bytes that are there.
        len: usize,
    },
    /// The payload is over [`MAX_PAYLOAD`].
    #[error("a payload of {size} bytes is over the limit of {MAX_PAYLOAD}")]
    PayloadTooLong {
        /// Bytes that the header says.
        size: u32,
    },
    /// A flag other than [`NEED_REPLY`].
    #[error("flags {flags:#x} are unknown")]
    Flags {
        /// The header's flags.
        flags: u32,
    },
    /// The payload goes beyond the write's end.
    #[error("a payload of {size} bytes, of which {room} are there")]
    Truncated {
        /// Bytes that the header says.
        size: u32,
        /// Bytes that are there.
        room: usize,
    },
    /// There is no such message with these capabilities.
    #[error("request {request:#x} is unknown")]
    UnknownRequest {
        /// The header's request.
        request: u64,
    },
    /// The payload is not what the request takes.
    #[error("request {request:#x} does not take a payload of {size} bytes")]
    PayloadLen {
        /// The ioctl number.
        request: u32,
        /// Bytes that the header says.
        size: u32,
    },
    /// A get without [`NEED_REPLY`], or a set with it.
    #[error("request {request:#x} with flags {flags:#x}")]
    NeedReply {
        /// The ioctl number.
        request: u32,
        /// The header's flags.
        flags: u32,
    },
    /// Bytes follow the message, and there is no BATCH capability.
    #[error("{len} bytes follow the message")]
    Trailing {
        /// Bytes that follow.
        len: usize,
    },
    /// A get is not the last message of its batch.
    #[error("a get with {len} bytes behind it")]
    GetNotLast {
        /// Bytes that follow.
        len: usize,
    },
}

impl DecodeError {
    /// What the write fails with, if no message before this one succeeded.
    pub const fn errno(&self) -> i32 {
        match self {
            Self::UnknownRequest { .. } => libc::ENOTTY,
            _ => libc::EINVAL,
        }
    }
}

/// One message, checked: the request is taken, the payload has the size that the request wants, and
/// the flags go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The ioctl number.
    pub request: u32,
    /// [`NEED_REPLY`] for a get, 0 for a set.
    pub flags: u32,
    /// What the ioctl would be given.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// Bytes that the message has in a write.
    pub const fn encoded_len(&self) -> usize {
        HEADER_LEN + self.payload.len()
    }

    /// The payload as the structure that the request takes; `None` if `T` has another size.
    pub fn read<T: FromBytes>(&self) -> Option<T> {
        T::read_from_bytes(self.payload).ok()
    }
}

/// The messages of one write, in order. Each is checked when its turn comes, so that those before a
/// mistake can be carried out. Ends after the first mistake.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    accepts: Accepts,
}

/// Takes the messages out of `write`, which went to `offset` of the CONFIG region.
///
/// # Errors
/// What is wrong with the write as a whole: [`DecodeError::Offset`], [`DecodeError::WriteTooLong`],
/// or [`DecodeError::Short`] for a write of nothing.
pub fn messages(write: &[u8], offset: u64, accepts: Accepts) -> Result<Messages<'_>, DecodeError> {
    if offset != 0 {
        return Err(DecodeError::Offset { offset });
    }
    match accepts.max_batch {
        Some(max) if write.len() as u64 > u64::from(max) => {
            Err(DecodeError::WriteTooLong { len: write.len(), max })
        }
        _ if write.is_empty() => Err(DecodeError::Short { len: 0 }),
        _ => Ok(Messages { rest: write, accepts }),
    }
}

impl<'a> Messages<'a> {
    /// The first message of `rest`, which is not empty.
    fn decode(&self) -> Result<Message<'a>, DecodeError> {
        let bytes = self.rest;
        let short = DecodeError::Short { len: bytes.len() };
        let (header, rest) = Header::read_from_prefix(bytes).map_err(|_| short)?;
        let Header { request, flags, size } = header;
        if size as usize > MAX_PAYLOAD {
            return Err(DecodeError::PayloadTooLong { size });
        }
        if flags & !NEED_REPLY != 0 {
            return Err(DecodeError::Flags { flags });
        }
        let truncated = DecodeError::Truncated { size, room: rest.len() };
        let (payload, behind) = rest.split_at_checked(size as usize).ok_or(truncated)?;
        let request = match u32::try_from(request) {
            Ok(request) if is_taken(request, self.accepts) => request,
            _ => return Err(DecodeError::UnknownRequest { request }),
        };
        if payload_len(request, payload) != Some(size.into()) {
            return Err(DecodeError::PayloadLen { request, size });
        }
        if is_get(request) != (flags == NEED_REPLY) {
            return Err(DecodeError::NeedReply { request, flags });
        }
        match behind.len() {
            0 => {}
            len if self.accepts.max_batch.is_none() => return Err(DecodeError::Trailing { len }),
            len if is_get(request) => return Err(DecodeError::GetNotLast { len }),
            _ => {}
        }
        Ok(Message { request, flags, payload })
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = self.decode();
        self.rest = match &message {
            Ok(message) => &self.rest[message.encoded_len()..],
            Err(_) => &[],
        };
        Some(message)
    }
}

/// Why the bytes that were read are not the answer to a request. A kernel half that keeps to
/// `docs/abi.md` never gives cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// There are fewer bytes than a header has.
    #[error("{len} bytes are no reply")]
    Short {
        /// Bytes that were read.
        len: usize,
    },
    /// It answers something else.
    #[error("a reply to request {found:#x}, where {asked:#x} was asked")]
    Request {
        /// The request that was written.
        asked: u32,
        /// The header's request.
        found: u64,
    },
    /// A reply has no flags.
    #[error("a reply with flags {flags:#x}")]
    Flags {
        /// The header's flags.
        flags: u32,
    },
    /// The payload is not as long as the header says.
    #[error("a reply whose header says {size} bytes, with {len}")]
    PayloadLen {
        /// Bytes that the header says.
        size: u32,
        /// Bytes that were read.
        len: usize,
    },
}

/// The answer to `request` out of the bytes that were read.
///
/// # Errors
/// [`ReplyError`] if they are no such answer.
pub fn decode_reply(bytes: &[u8], request: u32) -> Result<&[u8], ReplyError> {
    let short = ReplyError::Short { len: bytes.len() };
    let (header, payload) = Header::read_from_prefix(bytes).map_err(|_| short)?;
    if header.request != u64::from(request) {
        return Err(ReplyError::Request { asked: request, found: header.request });
    }
    if header.flags != 0 {
        return Err(ReplyError::Flags { flags: header.flags });
    }
    if header.size as usize != payload.len() {
        return Err(ReplyError::PayloadLen { size: header.size, len: payload.len() });
    }
    Ok(payload)
}
