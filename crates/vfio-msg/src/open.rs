//! Opening.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use vhost_accel_vfio::{Container, ElsewhereMapped, Region, VfioFd};
use vhost_accel_vhost_ioctls::core::{
    Capabilities, Device, Dma, Error, Failure, Features, Interface, Opening, Operation, Reason,
    Status,
};
use vhost_accel_vhost_ioctls::uapi::call;
use vhost_accel_vhost_ioctls::uapi::message::Accepts;
use vhost_accel_vhost_ioctls::uapi::vfio::{
    IRQ_INDEX_ERR, IRQ_INDEX_VQ, REGION_INDEX_CONFIG, REGION_INDEX_NOTIFY,
    REGION_SUBTYPE_VHOST_CONFIG,
};
use vhost_accel_vhost_ioctls::uapi::vhost::{self, BACKEND_F_RESUME, BACKEND_F_SUSPEND};
use vhost_accel_vhost_ioctls::{Held, Identity};

use crate::control::{Dialect, Messages, VRING_LEN};
use crate::exchange::{Exchange, Refused};
use crate::port::{Port, VfioPort};

/// A device opened through #1/A; `D` is the DMA column.
pub type VfioMsg<D = Container> = Device<Messages, D>;

/// What can be chosen at open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VfioMsgOptions {
    /// Whether several messages go into one write, where the device takes that.
    pub batch: bool,
}

impl Default for VfioMsgOptions {
    /// With batches.
    fn default() -> Self {
        Self { batch: true }
    }
}

/// Opens the mdev whose directory in sysfs is `path`: `/sys/bus/mdev/devices/UUID`.
///
/// A device without the STATUS extension is RFC v2's: it says neither its virtio device id
/// (reported as 0) nor its largest vring (reported as virtio's 32768), and lacks
/// [`VIRTIO_STATUS`](Capabilities::VIRTIO_STATUS).
///
/// # Errors
/// Those of [`vhost_accel_vfio::open`] and of the messages, each with its step; [`Reason::Device`]
/// for a VFIO device that is no vfio-vhost device.
pub fn open(path: impl AsRef<Path>, options: VfioMsgOptions) -> Result<VfioMsg, Error> {
    let opening = Opening::new(Interface::VfioMsg, path.as_ref());
    let vhost_accel_vfio::Vfio { device, container } = vhost_accel_vfio::open(&opening)?;
    opened(&opening, device, options, container, Container::CAPABILITIES)
}

/// Opens the device that somebody else has opened as `device`. Its container stays theirs, and
/// they map memory there. `path` is where it was opened, for messages.
///
/// This process becomes the device's owner. The one that opened it must not have become that.
///
/// # Errors
/// Those of [`vhost_accel_vfio::handed`] and of the messages: EBUSY for a device that has an owner.
pub fn open_fd(
    path: impl AsRef<Path>,
    device: OwnedFd,
    options: VfioMsgOptions,
) -> Result<VfioMsg<ElsewhereMapped>, Error> {
    let opening = Opening::new(Interface::VfioMsg, path.as_ref());
    let device = vhost_accel_vfio::handed(&opening, device)?;
    opened(&opening, device, options, ElsewhereMapped, Capabilities::empty())
}

/// As [`open_fd`], with the container: memory is mapped through the device, and everything in the
/// container is unmapped with it.
///
/// # Errors
/// Those of [`open_fd`] and of [`vhost_accel_vfio::handed_container`].
pub fn open_fds(
    path: impl AsRef<Path>,
    device: OwnedFd,
    container: OwnedFd,
    options: VfioMsgOptions,
) -> Result<VfioMsg, Error> {
    let opening = Opening::new(Interface::VfioMsg, path.as_ref());
    let device = vhost_accel_vfio::handed(&opening, device)?;
    let container = vhost_accel_vfio::handed_container(&opening, container)?;
    opened(&opening, device, options, container, Container::CAPABILITIES)
}

fn opened<D: Dma>(
    opening: &Opening,
    device: Arc<VfioFd>,
    options: VfioMsgOptions,
    dma: D,
    of_dma: Capabilities,
) -> Result<VfioMsg<D>, Error> {
    let Regions { config, notify } = Regions::find(opening, &device)?;
    let accepts = accepted(opening, &device, config)?;
    let vrings = device.irq_count(IRQ_INDEX_VQ);
    let queue_count = u16::try_from(vrings).ok().filter(|&count| count > 0).ok_or_else(|| {
        opening.failed(Operation::Identify)(Reason::Device("it has no interrupts for its vrings"))
    })?;

    let max_batch = accepts.max_batch.map(|bytes| bytes as usize);
    let max_batch = max_batch.filter(|&bytes| options.batch && bytes >= VRING_LEN);
    let mut buffer = vec![0; VRING_LEN];
    let port = VfioPort { device: Arc::clone(&device), config: config.offset };
    let mut exchange = Exchange::new(&mut buffer, &port, max_batch.is_some());
    let identity = ask(&mut exchange, accepts.status, queue_count)
        .map_err(|refused| failed(opening, refused.into()))?;

    let doorbells = notify.as_ref().and_then(Region::doorbells);
    let notify = notify.filter(Region::is_writable).map(|region| region.offset);
    let mut capabilities = identity.capabilities() | of_dma;
    let reports_errors = device.irq_count(IRQ_INDEX_ERR) >= vrings;
    capabilities.set(Capabilities::VIRTIO_STATUS, accepts.status);
    capabilities.set(Capabilities::KICK_DOORBELL, doorbells.is_some());
    capabilities.set(Capabilities::KICK_REGION_WRITE, notify.is_some());
    capabilities.set(Capabilities::ERROR_EVENT, reports_errors);
    capabilities.set(Capabilities::BATCH_VRINGS, max_batch.is_some());
    let control = Messages {
        doorbells,
        notify,
        offered: identity.features,
        held: Held::new(queue_count),
        dialect: if accepts.status { Dialect::Status } else { Dialect::Posted(Status::empty()) },
        batches: max_batch.is_some(),
        buffer,
        max_write: max_batch.unwrap_or(VRING_LEN),
        port,
    };
    Ok(Device::new(identity.info(opening, capabilities), control, dma))
}

struct Regions {
    config: Region,
    notify: Option<Region>,
}

impl Regions {
    /// By their type; by RFC v2's indexes where no region has one.
    fn find(opening: &Opening, device: &VfioFd) -> Result<Self, Error> {
        let regions = match device.vhost_region(REGION_SUBTYPE_VHOST_CONFIG) {
            Some(config) => Some(Self { config, notify: device.notify_region() }),
            None => device
                .region(REGION_INDEX_CONFIG)
                .map(|config| Self { config, notify: device.region(REGION_INDEX_NOTIFY) }),
        };
        let none = Reason::Device("it has no region for messages");
        regions
            .filter(|regions| regions.config.is_writable())
            .ok_or_else(|| opening.failed(Operation::Identify)(none))
    }
}

/// What the CONFIG region announces; `vfio-ioctls` drops capabilities that it doesn't know.
fn accepted(opening: &Opening, device: &Arc<VfioFd>, config: Region) -> Result<Accepts, Error> {
    if !config.has_capabilities() {
        return Ok(Accepts::RFC);
    }
    let mut room = [0; 512];
    let (_, caps) = call::vfio::get_region_info(device, config.index, &mut room)
        .map_err(opening.failed(Operation::Identify))?;
    Ok(caps.vhost().map_or(Accepts::RFC, Accepts::from))
}

/// Becomes the owner and asks who the device is. A set waits for the next get, to go with it where
/// several messages may.
fn ask<P: Port>(
    exchange: &mut Exchange<'_, P>,
    status: bool,
    queue_count: u16,
) -> Result<Identity, Refused> {
    exchange.send::<{ vhost::SET_OWNER }, _>(&())?;
    let features = exchange.ask(vhost::GET_FEATURES)?;
    let mut identity = Identity {
        device_id: 0,
        queue_count,
        max_queue_size: 1 << 15,
        features: Features::from_bits_retain(features),
        backend_features: 0,
    };
    if status {
        let offered: u64 = exchange.ask(vhost::GET_BACKEND_FEATURES)?;
        identity.backend_features = offered & (1 << BACKEND_F_SUSPEND | 1 << BACKEND_F_RESUME);
        if identity.backend_features != 0 {
            exchange.send::<{ vhost::SET_BACKEND_FEATURES }, _>(&identity.backend_features)?;
        }
        identity.device_id = exchange.ask(vhost::GET_DEVICE_ID)?;
        identity.max_queue_size = exchange.ask(vhost::GET_VRING_NUM)?;
    }
    Ok(identity)
}

fn failed(opening: &Opening, failure: Failure) -> Error {
    opening.failed(failure.step.unwrap_or(Operation::Identify))(failure.reason)
}
