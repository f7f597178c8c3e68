//! SET_VRING_ENABLE before SET_FEATURES: QEMU sends it so for a network card, and the `vhost`
//! crate's handler refuses it, since VHOST_USER_F_PROTOCOL_FEATURES has not been accepted by then.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, recv};
use vhost::vhost_user::message::{FrontendReq, VhostUserHeaderFlag};
use vhost::vhost_user::{Error, Result, VhostUserBackendReqHandlerMut};

use crate::rings::Accel;

const VERSION: u32 = 1;
/// Request, flags and size, and the vring's number and state behind them.
const HEADER: usize = 12;
const BODY: usize = 8;

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// Waits for the next message, and whether it is such a one.
pub(crate) fn is_next(stream: &UnixStream) -> Result<bool> {
    let mut header = [0; HEADER];
    let peeked = retry_on_intr(|| recv(stream, &mut header[..], RecvFlags::PEEK));
    let (_, len) = peeked.map_err(|error| Error::SocketBroken(error.into()))?;
    let enable = number(&header, 0) == FrontendReq::SET_VRING_ENABLE as u32;
    let version = number(&header, 4) & !VhostUserHeaderFlag::NEED_REPLY.bits();
    Ok(len == HEADER && enable && version == VERSION && number(&header, 8) as usize == BODY)
}

/// Takes it, carries it out and answers.
pub(crate) fn take(mut stream: &UnixStream, accel: &mut Accel) -> Result<()> {
    let mut message = [0; HEADER + BODY];
    stream.read_exact(&mut message).map_err(Error::SocketBroken)?;
    let (index, state) = (number(&message, HEADER), number(&message, HEADER + 4));
    let done = match state {
        0 | 1 => accel.set_vring_enable(index, state == 1),
        _ => Err(Error::InvalidParam),
    };
    if accel.answers && number(&message, 4) & VhostUserHeaderFlag::NEED_REPLY.bits() != 0 {
        message[4..8].copy_from_slice(&(VERSION | VhostUserHeaderFlag::REPLY.bits()).to_ne_bytes());
        message[HEADER..].copy_from_slice(&u64::from(done.is_err()).to_ne_bytes());
        stream.write_all(&message).map_err(Error::SocketBroken)?;
    }
    done
}
