//! #1/A: messages in the CONFIG region.

use std::os::fd::OwnedFd;
use std::sync::Mutex;

use vhost_accel_device::{Errno, lock};
use vhost_accel_uapi::message::{self, Accepts, HEADER_LEN, MAX_BATCH, MAX_PAYLOAD, Message};
use vhost_accel_uapi::vfio;
use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_DRIVER_OK,
    VIRTIO_CONFIG_S_FEATURES_OK,
};

use super::vhost::{Argument, Vhost};
use crate::call::{Call, UserBuf};

/// The status of a device that RFC v2's "running" stands for.
const RUNNING: u8 = (VIRTIO_CONFIG_S_ACKNOWLEDGE
    | VIRTIO_CONFIG_S_DRIVER
    | VIRTIO_CONFIG_S_FEATURES_OK
    | VIRTIO_CONFIG_S_DRIVER_OK) as u8;

/// The messages of one open device: the reply that is to be read.
#[derive(Default)]
pub(crate) struct Messages {
    pending: Mutex<Option<Vec<u8>>>,
}

impl Messages {
    /// The body of the capability that says what is taken: both extensions.
    pub(crate) fn capability() -> [u32; 2] {
        [vfio::VHOST_CAP_STATUS | vfio::VHOST_CAP_BATCH, MAX_BATCH]
    }

    /// A write to the region: one message or several.
    pub(crate) fn write(
        &self,
        vhost: &Vhost,
        call: &Call<'_>,
        buf: &UserBuf,
        offset: u64,
    ) -> Result<u64, Errno> {
        if offset != 0 || buf.len() > u64::from(MAX_BATCH) {
            return Err(Errno::EINVAL);
        }
        // Most writes are one message; a batch takes as much as it needs.
        let mut small = [0; 256];
        let mut large = Vec::new();
        let bytes = match small.get_mut(..buf.len() as usize) {
            Some(bytes) => bytes,
            None => {
                large.resize(buf.len() as usize, 0);
                &mut large[..]
            }
        };
        buf.gather(call, bytes)?;
        let malformed = |error: message::DecodeError| Errno(error.errno());
        let mut done = 0;
        for message in message::messages(bytes, offset, Accepts::ALL).map_err(malformed)? {
            let carried_out = message
                .map_err(malformed)
                .and_then(|message| self.carry_out(vhost, call, &message));
            match carried_out {
                Ok(len) => done += len,
                // As write(2): the rest, written again, says what is wrong with it.
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(done)
    }

    /// Carries out one message. Its length.
    fn carry_out(
        &self,
        vhost: &Vhost,
        call: &Call<'_>,
        message: &Message<'_>,
    ) -> Result<u64, Errno> {
        let mut payload = [0; MAX_PAYLOAD];
        let payload = &mut payload[..message.payload.len()];
        payload.copy_from_slice(message.payload);
        if message.request == message::SET_STATE {
            set_state(vhost, message.read().ok_or(Errno::EINVAL)?)?;
        } else {
            let caller = call.task.tgid;
            vhost.request(message.request, Payload { bytes: &mut *payload, caller })?;
        }
        if message::is_get(message.request) {
            let mut reply = vec![0; HEADER_LEN + payload.len()];
            message::encode_reply(&mut reply, message.request, payload)
                .map_err(|_| Errno::EINVAL)?;
            *lock(&self.pending) = Some(reply);
        }
        Ok(message.encoded_len() as u64)
    }

    /// A read of the region: the reply, of just its size.
    pub(crate) fn read(&self, call: &Call<'_>, buf: &UserBuf, offset: u64) -> Result<u64, Errno> {
        if offset != 0 {
            return Err(Errno::EINVAL);
        }
        let mut pending = lock(&self.pending);
        let reply = pending.as_ref().ok_or(Errno::EAGAIN)?;
        if buf.len() != reply.len() as u64 {
            return Err(Errno::EINVAL);
        }
        buf.scatter(call, reply)?;
        *pending = None;
        Ok(buf.len())
    }
}

/// RFC v2's own way to start and stop: all vrings at once.
fn set_state(vhost: &Vhost, state: u64) -> Result<(), Errno> {
    let device = vhost.device();
    let queues = 0..device.queue_count();
    match state {
        message::STATE_RUNNING => {
            device.set_status(device.status() | RUNNING)?;
            // One without addresses doesn't run for being enabled.
            for queue in queues {
                device.set_vring_enable(queue, true)?;
            }
            Ok(())
        }
        message::STATE_STOPPED => {
            // At a chain boundary: what is read next is what is kept. EINVAL: nothing runs.
            match device.suspend() {
                Ok(()) | Err(Errno::EINVAL) => {}
                Err(errno) => return Err(errno),
            }
            let bases: Vec<_> = queues.map(|queue| (queue, device.vring_base(queue))).collect();
            device.reset();
            for (queue, base) in bases {
                device.set_vring_base(queue, base?.into())?;
            }
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// The argument of a message: its payload.
struct Payload<'a> {
    bytes: &'a mut [u8],
    caller: u32,
}

impl Payload<'_> {
    fn part(&mut self, offset: u64, len: usize) -> Result<&mut [u8], Errno> {
        let part =
            usize::try_from(offset).ok().and_then(|at| self.bytes.get_mut(at..)?.get_mut(..len));
        part.ok_or(Errno::EINVAL)
    }
}

impl Argument for Payload<'_> {
    fn load(&self, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        let from =
            usize::try_from(offset).ok().and_then(|at| self.bytes.get(at..)?.get(..into.len()));
        into.copy_from_slice(from.ok_or(Errno::EINVAL)?);
        Ok(())
    }

    fn store(&mut self, offset: u64, from: &[u8]) -> Result<(), Errno> {
        self.part(offset, from.len())?.copy_from_slice(from);
        Ok(())
    }

    /// No request with a descriptor has a message.
    fn eventfd(&self, _: i32) -> Result<Option<OwnedFd>, Errno> {
        Err(Errno::ENOTTY)
    }

    fn caller(&self) -> u32 {
        self.caller
    }
}
