//! The device's control queue, in memory of the bridge's: vhost-user leaves it to the bridge to say
//! which queue pairs are active.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vhost_accel_driver::core::{
    DmaMapping, Features, Iova, Kick, Kicker, QueueIndex, VhostAccel, page_size,
};
use vhost_accel_driver::{Config, Descriptor, Event, RawRing, Region};
use virtio_bindings::virtio_net::{
    VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_OK,
};

use crate::error::Refusal;

/// Entries: one command has two descriptors.
const SIZE: u16 = 2;
/// How long a device may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// An answer that no device gives.
const NO_ANSWER: u8 = 0x5a;

/// The control queue.
#[derive(Debug)]
pub(crate) struct ControlQueue {
    queue: QueueIndex,
    region: Arc<Region>,
    /// Where the device finds `region`.
    iova: Iova,
    ring: RawRing,
    call: Event,
    kicker: Option<Kicker>,
    next: u16,
}

impl ControlQueue {
    /// That of a device with `pairs` queue pairs and MQ negotiated, in memory that is to be mapped
    /// yet.
    pub(crate) fn new(device: &dyn VhostAccel, pairs: u16) -> Result<Self, Refusal> {
        let len = RawRing::bytes(SIZE) + page_size();
        // At the end of the device's addresses, far from where a guest has memory.
        let ranges = device.dma_limits()?.ranges;
        let last = ranges.iter().filter_map(|range| range.last()).max().unwrap_or_default();
        let iova = Iova((last.0 & !0xfffff).saturating_sub(0x10_0000));
        let region = Region::new(len)?;
        let ring = RawRing::new(&region, 0, SIZE, iova);
        let call = Event::new().map_err(Refusal::system("eventfd"))?;
        let queue = Config::control_queue(Config::MQ, pairs);
        Ok(Self { queue, region, iova, ring, call, kicker: None, next: 0 })
    }

    /// Whether `features` need it.
    pub(crate) fn is_for(features: Features) -> bool {
        features.contains(Config::MQ | Config::CTRL_VQ)
    }

    /// Its memory.
    pub(crate) fn dma(&self) -> DmaMapping {
        self.region.at(self.iova).mapping()
    }

    /// Sets it up, new, on a device that doesn't run.
    pub(crate) fn set_up(&mut self, device: &mut dyn VhostAccel) -> Result<(), Refusal> {
        self.ring.clear(0);
        self.next = 0;
        device.setup_vring(&self.ring.vring(self.queue).with_call(Some(self.call.as_fd())))?;
        self.kicker = Some(device.kicker(self.queue, Kick::Best)?);
        Ok(())
    }

    /// Makes `pairs` queue pairs of the running device active.
    pub(crate) fn set_pairs(&mut self, pairs: u16) -> Result<(), Refusal> {
        let kicker = self.kicker.as_ref().ok_or(Refusal::Control("it is not set up"))?;
        let (class, command) = (VIRTIO_NET_CTRL_MQ as u8, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET as u8);
        let [low, high] = pairs.to_le_bytes();
        let at = RawRing::bytes(SIZE);
        let iova = Iova(self.iova.0 + at as u64);
        self.region.write(at, &[class, command, low, high, NO_ANSWER]);
        self.ring.set_desc(0, Descriptor::readable(iova, 4).then(1));
        self.ring.set_desc(1, Descriptor::writable(Iova(iova.0 + 4), 1));
        self.ring.set_avail(self.next, 0);
        self.ring.set_used_event(self.next);
        self.next = self.next.wrapping_add(1);
        self.ring.set_avail_index(self.next);
        kicker.kick().map_err(Refusal::system("kick"))?;
        let end = Instant::now() + LIMIT;
        while self.ring.used_index() != self.next {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refusal::Control("no answer"));
            }
            self.call.wait(left).map_err(Refusal::system("poll"))?;
        }
        match self.region.bytes(at + 4, 1)[..] {
            [answer] if u32::from(answer) == VIRTIO_NET_OK => Ok(()),
            _ => Err(Refusal::Control("it refused the number of queue pairs")),
        }
    }
}
