//! Messages as the control column.

#![expect(unsafe_code, reason = "the dirty log's base is memory that the device writes")]

use std::io;
use std::os::fd::BorrowedFd;

use vhost_accel_vhost_ioctls::core::{
    Capabilities, Control, DoorbellArea, Failure, Features, Hva, KickWay, Kicker, Operation,
    QueueIndex, Reason, Status, Vring, VringBase,
};
use vhost_accel_vhost_ioctls::uapi::message::{HEADER_LEN, MAX_PAYLOAD, SET_STATE, STATE_RUNNING};
use vhost_accel_vhost_ioctls::uapi::vfio::{IRQ_INDEX_CONFIG, IRQ_INDEX_ERR, IRQ_INDEX_VQ};
use vhost_accel_vhost_ioctls::uapi::vhost::{self, VringAddr, VringState};
use vhost_accel_vhost_ioctls::{Held, vring_addr};

use crate::calls::set_calls;
use crate::exchange::{Exchange, MAX_CONFIG, Refused};
use crate::port::{Port, VfioPort};

/// Bytes of the messages that set up one vring: size, base, addresses and enable.
pub(crate) const VRING_LEN: usize =
    4 * HEADER_LEN + 3 * size_of::<VringState>() + size_of::<VringAddr>();

/// A device that is controlled by messages: #1/A.
#[derive(Debug)]
pub struct Messages<P = VfioPort> {
    // Before the device in `port`: a mapped page keeps the file from being released.
    pub(crate) doorbells: Option<DoorbellArea>,
    /// The fd offset of the NOTIFY region, if it can be written.
    pub(crate) notify: Option<u64>,
    pub(crate) offered: Features,
    pub(crate) held: Held,
    pub(crate) dialect: Dialect,
    pub(crate) batches: bool,
    /// Where messages are put together: as long as the longest write so far needed.
    pub(crate) buffer: Vec<u8>,
    /// The longest write that the kernel half takes.
    pub(crate) max_write: usize,
    pub(crate) port: P,
}

/// Which messages the kernel half takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// RFC v2 as posted. It has no status; this is what the driver would have written.
    Posted(Status),
    /// With the requests of the later series.
    Status,
}

impl<P: Port> Messages<P> {
    /// The messages and the interrupts of vrings that this kernel half can do.
    fn try_setup(&mut self, vrings: &[Vring<'_>]) -> Result<(), Failure> {
        let Self { buffer, max_write, port, held, dialect, batches, .. } = self;
        let longest = (vrings.len() * VRING_LEN).min(*max_write);
        if buffer.len() < longest {
            buffer.resize(longest, 0);
        }
        let mut exchange = Exchange::new(buffer, port, *batches);
        for vring in vrings {
            send_vring(&mut exchange, held, *dialect, vring)?;
        }
        exchange.flush()?;
        set_calls(held, vrings, |start, run| port.set_irqs(IRQ_INDEX_VQ, start, run)).inspect_err(
            |_| {
                // By now every vring is set up. What can't be undone was not done.
                for vring in vrings {
                    let _ = self.enable_vring(vring.queue, false);
                    let _ = self.set_call(vring.queue, None);
                }
            },
        )
    }
}

/// Sends one message that has no reply, without allocating.
fn send<const REQUEST: u32, T: zerocopy::IntoBytes + zerocopy::Immutable>(
    port: &impl Port,
    payload: &T,
) -> io::Result<()> {
    let mut buffer = [0; HEADER_LEN + size_of::<VringAddr>()];
    Ok(Exchange::single(&mut buffer, port).send::<REQUEST, T>(payload)?)
}

/// Asks for something and reads the reply.
fn ask<T: zerocopy::FromBytes>(port: &impl Port, request: u32) -> io::Result<T> {
    let mut buffer = [0; HEADER_LEN + 8];
    Ok(Exchange::single(&mut buffer, port).ask(request)?)
}

fn send_vring<P: Port>(
    exchange: &mut Exchange<'_, P>,
    held: &mut Held,
    dialect: Dialect,
    vring: &Vring<'_>,
) -> Result<(), Refused> {
    let state = |num: u32| VringState { index: vring.queue.0.into(), num };
    exchange.send::<{ vhost::SET_VRING_NUM }, _>(&state(vring.size.into()))?;
    if held.begin(vring) {
        exchange.send::<{ vhost::SET_VRING_BASE }, _>(&state(vring.base.raw()))?;
    }
    exchange.send::<{ vhost::SET_VRING_ADDR }, _>(&vring_addr(vring))?;
    if dialect == Dialect::Status && held.must_enable(vring) {
        exchange.send::<{ vhost::SET_VRING_ENABLE }, _>(&state(vring.enabled.into()))?;
        held.set_enabled(vring.queue, vring.enabled);
    }
    Ok(())
}

impl<P: Port> Control for Messages<P> {
    fn device_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.port.file())
    }

    /// What was read at open: no crossing.
    fn features(&self) -> io::Result<Features> {
        Ok(self.offered)
    }

    fn set_features(&mut self, features: Features) -> io::Result<()> {
        send::<{ vhost::SET_FEATURES }, _>(&self.port, &features.bits())
    }

    fn status(&self) -> io::Result<Status> {
        match self.dialect {
            Dialect::Status => {
                ask::<u8>(&self.port, vhost::GET_STATUS).map(Status::from_bits_retain)
            }
            Dialect::Posted(status) => Ok(status),
        }
    }

    fn set_status(&mut self, status: Status) -> io::Result<()> {
        match &mut self.dialect {
            Dialect::Status => send::<{ vhost::SET_STATUS }, _>(&self.port, &status.bits())?,
            Dialect::Posted(current) => {
                if status.is_empty() {
                    self.port.reset()?;
                } else if status.contains(Status::DRIVER_OK) {
                    send::<{ SET_STATE }, _>(&self.port, &STATE_RUNNING)?;
                }
                *current = status;
            }
        }
        if status.is_empty() {
            self.held.clear();
        }
        Ok(())
    }

    fn negotiate(&mut self, features: Features) -> Result<Status, Failure> {
        let known = Status::ACKNOWLEDGE | Status::DRIVER;
        let settled = known | Status::FEATURES_OK;
        let mut exchange = Exchange::new(&mut self.buffer, &self.port, self.batches);
        match &mut self.dialect {
            Dialect::Status => {
                exchange.send::<{ vhost::SET_STATUS }, _>(&known.bits())?;
                exchange.send::<{ vhost::SET_FEATURES }, _>(&features.bits())?;
                exchange.send::<{ vhost::SET_STATUS }, _>(&settled.bits())?;
                let status: u8 = exchange.ask(vhost::GET_STATUS)?;
                Ok(Status::from_bits_retain(status))
            }
            Dialect::Posted(current) => {
                exchange.send::<{ vhost::SET_FEATURES }, _>(&features.bits())?;
                exchange.flush()?;
                *current = settled;
                Ok(settled)
            }
        }
    }

    fn config_size(&self) -> io::Result<u32> {
        ask(&self.port, vhost::GET_CONFIG_SIZE)
    }

    fn read_config(&self, offset: u32, data: &mut [u8]) -> io::Result<()> {
        let mut buffer = [0; HEADER_LEN + MAX_PAYLOAD];
        let mut exchange = Exchange::single(&mut buffer, &self.port);
        for (at, part) in (offset..).step_by(MAX_CONFIG).zip(data.chunks_mut(MAX_CONFIG)) {
            exchange.ask_config(at, part)?;
        }
        Ok(())
    }

    fn write_config(&mut self, offset: u32, data: &[u8]) -> io::Result<()> {
        let mut buffer = [0; HEADER_LEN + MAX_PAYLOAD];
        let mut exchange = Exchange::single(&mut buffer, &self.port);
        for (at, part) in (offset..).step_by(MAX_CONFIG).zip(data.chunks(MAX_CONFIG)) {
            exchange.send_config(at, part)?;
        }
        Ok(())
    }

    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<(), Failure> {
        if let Dialect::Posted(_) = self.dialect {
            // SET_STATE enables every vring that has addresses.
            if let Some(vring) = vrings.iter().find(|vring| !vring.enabled) {
                let reason = Reason::Unsupported(Capabilities::VIRTIO_STATUS);
                return Err(Failure::on(Operation::EnableVring, vring.queue)(reason));
            }
        }
        self.try_setup(vrings)
    }

    fn enable_vring(&mut self, queue: QueueIndex, enabled: bool) -> io::Result<()> {
        if let Dialect::Posted(_) = self.dialect {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        let state = VringState { index: queue.0.into(), num: enabled.into() };
        send::<{ vhost::SET_VRING_ENABLE }, _>(&self.port, &state)?;
        self.held.set_enabled(queue, enabled);
        Ok(())
    }

    fn vring_base(&self, queue: QueueIndex) -> io::Result<VringBase> {
        let mut buffer = [0; HEADER_LEN + size_of::<VringState>()];
        let base = Exchange::single(&mut buffer, &self.port).ask_base(queue.0.into())?;
        Ok(VringBase::from_raw(base))
    }

    fn set_call(&mut self, queue: QueueIndex, call: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.port.set_irqs(IRQ_INDEX_VQ, queue.0.into(), &[call])?;
        self.held.set_call(queue, call.is_some());
        Ok(())
    }

    fn set_error(&mut self, queue: QueueIndex, error: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.port.set_irqs(IRQ_INDEX_ERR, queue.0.into(), &[error])
    }

    fn set_config_call(&mut self, call: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.port.set_irqs(IRQ_INDEX_CONFIG, 0, &[call])
    }

    fn kicker(&mut self, queue: QueueIndex, way: KickWay<'_>) -> Result<Kicker, Failure> {
        match (way, &mut self.doorbells, self.notify) {
            (KickWay::Doorbell, Some(doorbells), _) => {
                Ok(Kicker::doorbell(queue, doorbells.doorbell(self.port.file(), queue)?))
            }
            (KickWay::RegionWrite, _, Some(offset)) => {
                Ok(Kicker::region_write(queue, self.port.weak_file(), offset))
            }
            // The messages have no room for a file descriptor.
            _ => Err(Reason::Unsupported(way.kind().capability()).into()),
        }
    }

    fn suspend(&mut self) -> io::Result<()> {
        send::<{ vhost::SUSPEND }, _>(&self.port, &())
    }

    fn resume(&mut self) -> io::Result<()> {
        send::<{ vhost::RESUME }, _>(&self.port, &())
    }

    unsafe fn set_log_base(&mut self, base: Hva) -> io::Result<()> {
        // Nothing is written there before the message is: the caller's promise reaches until the
        // log is stopped.
        send::<{ vhost::SET_LOG_BASE }, _>(&self.port, &base.0)
    }
}

#[cfg(test)]
mod tests;
