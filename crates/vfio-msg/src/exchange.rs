//! Messages to the CONFIG region, one or several a write, and replies from it.

use std::io;

use vhost_accel_vhost_ioctls::core::{Failure, Operation, QueueIndex};
use vhost_accel_vhost_ioctls::uapi::message::{
    self, EncodeError, Encoder, HEADER_LEN, Header, MAX_PAYLOAD, SET_STATE,
};
use vhost_accel_vhost_ioctls::uapi::vhost;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::port::Port;

/// A message was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    step: Option<Operation>,
    queue: Option<QueueIndex>,
    source: io::Error,
}

impl Refused {
    /// What the message that `bytes` begin with was about.
    fn at(bytes: &[u8], source: io::Error) -> Self {
        let (request, payload) = match Header::read_from_prefix(bytes) {
            Ok((header, payload)) => (header.request as u32, payload),
            Err(_) => return Self { step: None, queue: None, source },
        };
        let step = match request {
            vhost::SET_OWNER => Operation::SetOwner,
            vhost::GET_FEATURES => Operation::GetFeatures,
            vhost::SET_FEATURES => Operation::SetFeatures,
            vhost::GET_BACKEND_FEATURES | vhost::SET_BACKEND_FEATURES => Operation::BackendFeatures,
            vhost::GET_DEVICE_ID | vhost::GET_VRING_NUM => Operation::Identify,
            vhost::GET_STATUS => Operation::GetStatus,
            vhost::SET_STATUS | SET_STATE => Operation::SetStatus,
            vhost::SET_VRING_NUM => Operation::SetVringNum,
            vhost::SET_VRING_BASE => Operation::SetVringBase,
            vhost::SET_VRING_ADDR => Operation::SetVringAddr,
            vhost::SET_VRING_ENABLE => Operation::EnableVring,
            _ => return Self { step: None, queue: None, source },
        };
        let of_vring = matches!(
            step,
            Operation::SetVringNum
                | Operation::SetVringBase
                | Operation::SetVringAddr
                | Operation::EnableVring
        );
        let index = u32::read_from_prefix(payload).ok().filter(|_| of_vring);
        let queue = index.map(|(index, _)| QueueIndex(index as u16));
        Self { step: Some(step), queue, source }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let Refused { step, queue, source } = refused;
        Self::new(step, queue, source.into())
    }
}

impl From<Refused> for io::Error {
    /// For an operation that is one message.
    fn from(refused: Refused) -> Self {
        refused.source
    }
}

impl From<EncodeError> for Refused {
    fn from(error: EncodeError) -> Self {
        let source = io::Error::new(io::ErrorKind::InvalidInput, error);
        Self { step: None, queue: None, source }
    }
}

/// Sends messages: each by itself, or as many in one write as the buffer has room for.
#[derive(Debug)]
pub(crate) struct Exchange<'a, P> {
    encoder: Encoder<'a>,
    port: &'a P,
    batches: bool,
}

impl<'a, P: Port> Exchange<'a, P> {
    /// One message a write; `buffer` has room for the longest.
    pub(crate) fn single(buffer: &'a mut [u8], port: &'a P) -> Self {
        Self { encoder: Encoder::new(buffer), port, batches: false }
    }

    /// With `batches`, messages gather in `buffer` until it is full, or [`flush`](Self::flush).
    pub(crate) fn new(buffer: &'a mut [u8], port: &'a P, batches: bool) -> Self {
        Self { encoder: Encoder::new(buffer), port, batches }
    }

    /// Sends a message that has no reply.
    #[inline]
    pub(crate) fn send<const REQUEST: u32, T: IntoBytes + Immutable>(
        &mut self,
        payload: &T,
    ) -> Result<(), Refused> {
        self.push(|encoder| encoder.push_set::<REQUEST, T>(payload))?;
        if self.batches { Ok(()) } else { self.flush() }
    }

    /// Sends a message together with those that wait, and reads its reply.
    pub(crate) fn ask<T: FromBytes>(&mut self, request: u32) -> Result<T, Refused> {
        self.push(|encoder| encoder.push_get(request))?;
        self.flush()?;
        let mut reply = [0; HEADER_LEN + 8];
        self.reply(request, &mut reply[..HEADER_LEN + size_of::<T>()], |payload| {
            T::read_from_bytes(payload).ok()
        })
    }

    /// Asks for the base of a vring.
    pub(crate) fn ask_base(&mut self, index: u32) -> Result<u32, Refused> {
        let state = vhost::VringState { index, num: 0 };
        self.push(|encoder| encoder.push(vhost::GET_VRING_BASE, &state))?;
        self.flush()?;
        let mut reply = [0; HEADER_LEN + size_of::<vhost::VringState>()];
        self.reply(vhost::GET_VRING_BASE, &mut reply, |payload| {
            vhost::VringState::read_from_bytes(payload).ok().map(|state| state.num)
        })
    }

    /// Reads config space; at most [`MAX_CONFIG`] bytes.
    pub(crate) fn ask_config(&mut self, offset: u32, data: &mut [u8]) -> Result<(), Refused> {
        self.push(|encoder| encoder.push_get_config(offset, data.len()))?;
        self.flush()?;
        let len = HEADER_LEN + size_of::<vhost::Config>() + data.len();
        let mut reply = [0; HEADER_LEN + MAX_PAYLOAD];
        self.reply(vhost::GET_CONFIG, &mut reply[..len], |payload| {
            data.copy_from_slice(payload.get(size_of::<vhost::Config>()..)?);
            Some(())
        })
    }

    /// Writes config space; at most [`MAX_CONFIG`] bytes.
    pub(crate) fn send_config(&mut self, offset: u32, data: &[u8]) -> Result<(), Refused> {
        self.encoder.push_set_config(offset, data)?;
        self.flush()
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) -> Result<(), Refused> {
        let sent = write_all(self.port, self.encoder.as_bytes());
        self.encoder.clear();
        sent
    }

    /// Adds a message to those that wait, and sends them first if it has no room behind them.
    #[inline]
    fn push(
        &mut self,
        push: impl Fn(&mut Encoder<'a>) -> Result<(), EncodeError>,
    ) -> Result<(), Refused> {
        match push(&mut self.encoder) {
            Err(EncodeError::NoRoom { .. }) if !self.encoder.is_empty() => {
                self.flush()?;
                Ok(push(&mut self.encoder)?)
            }
            pushed => Ok(pushed?),
        }
    }

    fn reply<T>(
        &mut self,
        request: u32,
        room: &mut [u8],
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T, Refused> {
        let read = self.port.read(room).and_then(|len| {
            let payload = message::decode_reply(&room[..len], request).map_err(broken)?;
            parse(payload).ok_or_else(|| broken("a reply of another length than was asked for"))
        });
        read.map_err(|source| {
            let asked = Header { request: request.into(), flags: 0, size: 0 };
            Refused::at(asked.as_bytes(), source)
        })
    }
}

/// The most bytes of config space that one message carries.
pub(crate) const MAX_CONFIG: usize = MAX_PAYLOAD - size_of::<vhost::Config>();

fn broken<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Writes every message. A short count says how far the kernel came; writing the rest brings the
/// errno of the message that it stopped at, or goes on.
fn write_all(port: &impl Port, messages: &[u8]) -> Result<(), Refused> {
    let mut rest = messages;
    while !rest.is_empty() {
        let written = match port.write(rest) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        };
        let written = written.map_err(|source| Refused::at(rest, source))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vhost_accel_vhost_ioctls::uapi::message::encode_reply;

    use super::*;
    use crate::port::tests::Recorder;

    fn state(index: u32, num: u32) -> vhost::VringState {
        vhost::VringState { index, num }
    }

    fn send_three(exchange: &mut Exchange<'_, Recorder>) -> Result<(), Refused> {
        exchange.send::<{ vhost::SET_VRING_NUM }, _>(&state(0, 256))?;
        exchange.send::<{ vhost::SET_VRING_NUM }, _>(&state(1, 256))?;
        exchange.send::<{ vhost::SET_VRING_ENABLE }, _>(&state(1, 1))?;
        exchange.flush()
    }

    #[test]
    fn each_message_is_a_write_or_all_are_one() {
        let (mut buffer, apart) = ([0; 128], Recorder::default());
        send_three(&mut Exchange::new(&mut buffer, &apart, false)).unwrap();
        let together = Recorder::default();
        send_three(&mut Exchange::new(&mut buffer, &together, true)).unwrap();
        let (apart, together) = (apart.take_writes(), together.take_writes());
        assert_eq!(apart.iter().map(Vec::len).collect::<Vec<_>>(), [24, 24, 24]);
        assert_eq!(together, [apart.concat()]);
        // The first: request 0x4008af10, no flags, 8 bytes: vring 0, 256 entries.
        let first =
            [0x10, 0xaf, 8, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(apart[0], first);
    }

    #[test]
    fn a_full_buffer_is_written_between_two_messages() {
        let (mut buffer, port) = ([0; 50], Recorder::default());
        send_three(&mut Exchange::new(&mut buffer, &port, true)).unwrap();
        let lengths: Vec<_> = port.take_writes().iter().map(Vec::len).collect();
        assert_eq!(lengths, [48, 24]);
    }

    // ABI-CROSS-19
    #[test]
    fn a_short_count_leads_to_the_message_at_fault() {
        let (mut buffer, port) = ([0; 128], Recorder::default());
        port.answer([Ok(48), Err(libc::EBUSY)]);
        let refused = send_three(&mut Exchange::new(&mut buffer, &port, true)).unwrap_err();
        assert_eq!(refused.step, Some(Operation::EnableVring));
        assert_eq!(refused.queue, Some(QueueIndex(1)));
        assert_eq!(refused.source.raw_os_error(), Some(libc::EBUSY));
        let writes = port.take_writes();
        assert_eq!(writes.iter().map(Vec::len).collect::<Vec<_>>(), [72, 24]);
        assert_eq!(writes[1], writes[0][48..]);
    }

    #[test]
    fn a_short_count_that_was_no_failure_goes_on() {
        let (mut buffer, port) = ([0; 128], Recorder::default());
        port.answer([Ok(24), Ok(48)]);
        send_three(&mut Exchange::new(&mut buffer, &port, true)).unwrap();
        assert_eq!(port.take_writes().len(), 2);
    }

    #[test]
    fn the_first_message_at_fault_needs_no_second_write() {
        let (mut buffer, port) = ([0; 128], Recorder::default());
        port.answer([Err(libc::EINVAL)]);
        let refused = send_three(&mut Exchange::new(&mut buffer, &port, true)).unwrap_err();
        assert_eq!(
            (refused.step, refused.queue),
            (Some(Operation::SetVringNum), Some(QueueIndex(0)))
        );
        assert_eq!(port.take_writes().len(), 1);
    }

    #[test]
    fn a_get_ends_its_batch_and_its_reply_is_checked() {
        let (mut buffer, port) = ([0; 128], Recorder::default());
        let mut reply = vec![0; 17];
        encode_reply(&mut reply, vhost::GET_STATUS, &[11]).unwrap();
        port.reply(&reply);
        let mut exchange = Exchange::new(&mut buffer, &port, true);
        exchange.send::<{ vhost::SET_STATUS }, _>(&3u8).unwrap();
        assert_eq!(exchange.ask::<u8>(vhost::GET_STATUS).unwrap(), 11);
        let writes = port.take_writes();
        assert_eq!(writes.iter().map(Vec::len).collect::<Vec<_>>(), [34]);
        assert_eq!(writes[0][17 + 8], 1, "the get asks for its reply");

        // A reply to something else is not taken for one.
        port.reply(&reply);
        let mut exchange = Exchange::single(&mut buffer, &port);
        let refused = exchange.ask::<u8>(vhost::GET_VRING_NUM).unwrap_err();
        assert_eq!(refused.source.kind(), io::ErrorKind::InvalidData);
        assert_eq!(refused.step, Some(Operation::Identify));
    }

    #[test]
    fn config_space_travels_behind_its_head() {
        let (mut buffer, port) = ([0; HEADER_LEN + MAX_PAYLOAD], Recorder::default());
        let mut reply = vec![0; 16 + 8 + 2];
        let payload = [8, 0, 0, 0, 2, 0, 0, 0, 4, 0];
        encode_reply(&mut reply, vhost::GET_CONFIG, &payload).unwrap();
        port.reply(&reply);
        let mut data = [0; 2];
        Exchange::single(&mut buffer, &port).ask_config(8, &mut data).unwrap();
        assert_eq!(data, [4, 0]);
        Exchange::single(&mut buffer, &port).send_config(0, &[7; 6]).unwrap();
        let writes = port.take_writes();
        assert_eq!(writes[0].len(), 16 + 8 + 2);
        assert_eq!(writes[1][16..], [0, 0, 0, 0, 6, 0, 0, 0, 7, 7, 7, 7, 7, 7]);
    }
}
