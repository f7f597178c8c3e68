//! Messages of interface #1/A: vhost requests written to a vfio-vhost device's CONFIG region.
//!
//! A message is a 16-byte [`Header`] (C `struct vhost_vfio_op`) and its payload, the bytes that the
//! ioctl of the same number would take. A *set* is one write. A *get* is a write with
//! [`NEED_REPLY`], then a read of a header and the answer. With the BATCH capability one write may
//! carry several messages back to back; they are carried out in order, and as write(2) does, a
//! short count says how many bytes of them succeeded.
//!
//! [`Encoder`] puts messages into a buffer, [`messages`] takes them out again; both refuse what the
//! table "Messages" of `docs/abi.md` refuses. [`encode_reply`] and [`decode_reply`] are for the
//! answer. Nothing here allocates.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{ioc, vfio, vhost};

mod decode;
mod encode;

pub use decode::{DecodeError, Message, Messages, ReplyError, decode_reply, messages};
pub use encode::{EncodeError, Encoder, encode_reply};

#[cfg(target_endian = "big")]
compile_error!("vfio-vhost messages are little-endian");

/// Bytes of a [`Header`].
pub const HEADER_LEN: usize = size_of::<Header>();
/// Bytes that a payload may have: RFC v2's limit. `VHOST_VFIO_MAX_PAYLOAD`.
pub const MAX_PAYLOAD: usize = 1024;
/// Bytes that our kernel halves take in one write, with the BATCH capability.
/// `VHOST_VFIO_MAX_BATCH`.
pub const MAX_BATCH: u32 = 65536;
/// Flag of a get, and of nothing else: `VHOST_VFIO_NEED_REPLY`.
pub const NEED_REPLY: u32 = 1;

/// Starts ([`STATE_RUNNING`]) or stops ([`STATE_STOPPED`]) the device, u64: RFC v2's
/// `VHOST_DEVICE_SET_STATE`. It shares its number, but not its encoding, with
/// [`vhost::GET_DEVICE_ID`].
pub const SET_STATE: u32 = ioc::iow::<u64>(vhost::TYPE, 0x70);
/// `VHOST_DEVICE_S_STOPPED`.
pub const STATE_STOPPED: u64 = 0;
/// `VHOST_DEVICE_S_RUNNING`.
pub const STATE_RUNNING: u64 = 1;

/// Head of every message and reply: `struct vhost_vfio_op` without its payload.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Header {
    /// An ioctl number of type 0xAF.
    pub request: u64,
    /// [`NEED_REPLY`] or 0.
    pub flags: u32,
    /// Bytes of the payload.
    pub size: u32,
}

/// What a kernel half takes: announced by [`vfio::RegionCapVhost`], or RFC v2's own without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    /// Whether the requests that RFC v2 did not have are taken: status, config space, vring enable.
    pub status: bool,
    /// Bytes that one write of several messages may have; `None`: one message a write.
    pub max_batch: Option<u32>,
}

impl Accepts {
    /// RFC v2: no capability.
    pub const RFC: Self = Self { status: false, max_batch: None };
    /// Both extensions.
    pub const ALL: Self = Self { status: true, max_batch: Some(MAX_BATCH) };
}

impl From<vfio::RegionCapVhost> for Accepts {
    fn from(cap: vfio::RegionCapVhost) -> Self {
        Self {
            status: cap.flags & vfio::VHOST_CAP_STATUS != 0,
            max_batch: (cap.flags & vfio::VHOST_CAP_BATCH != 0).then_some(cap.max_batch),
        }
    }
}

/// Whether a kernel half with these capabilities takes the request as a message.
#[inline]
pub const fn is_taken(request: u32, accepts: Accepts) -> bool {
    match request {
        vhost::GET_FEATURES
        | vhost::SET_FEATURES
        | vhost::SET_OWNER
        | vhost::RESET_OWNER
        | vhost::SET_LOG_BASE
        | vhost::SET_VRING_NUM
        | vhost::SET_VRING_ADDR
        | vhost::SET_VRING_BASE
        | vhost::GET_VRING_BASE
        | vhost::GET_BACKEND_FEATURES
        | vhost::SET_BACKEND_FEATURES
        | SET_STATE => true,
        vhost::GET_DEVICE_ID
        | vhost::GET_STATUS
        | vhost::SET_STATUS
        | vhost::GET_CONFIG
        | vhost::SET_CONFIG
        | vhost::SET_VRING_ENABLE
        | vhost::GET_VRING_NUM
        | vhost::GET_CONFIG_SIZE
        | vhost::SUSPEND
        | vhost::RESUME
        | vhost::GET_VQS_COUNT
        | vhost::GET_VRING_SIZE => accepts.status,
        _ => false,
    }
}

/// Whether the request has an answer to read.
#[inline]
pub const fn is_get(request: u32) -> bool {
    ioc::dir(request) & ioc::READ != 0
}

/// Bytes of payload that the request wants: what its number encodes, but for config space 8 and as
/// many as the `len` in `payload` says. `None` if that `len` isn't there.
#[inline]
pub fn payload_len(request: u32, payload: &[u8]) -> Option<u64> {
    let encoded = ioc::size(request) as u64;
    match request {
        vhost::GET_CONFIG | vhost::SET_CONFIG => {
            let (config, _) = vhost::Config::read_from_prefix(payload).ok()?;
            Some(encoded + u64::from(config.len))
        }
        _ => Some(encoded),
    }
}
