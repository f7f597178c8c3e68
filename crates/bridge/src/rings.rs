//! What a front end has said of its rings and memory, and what the device has of that.

#![expect(unsafe_code, reason = "lends a front end's memory to the device")]

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vhost_accel_driver::Config;
use vhost_accel_driver::core::{
    Capabilities, DmaMapping, Features, IovaRange, Kick, Phase, QueueIndex, VhostAccel, Vring,
};
use virtio_bindings::virtio_ids::VIRTIO_ID_NET;
use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_RX_EXTRA,
    VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_HASH_REPORT, VIRTIO_NET_F_RSS,
};

use crate::control::ControlQueue;
use crate::error::Refusal;
use crate::memory::{self, Region};
use crate::relay::Relay;

/// Commands on a control queue, which is none of vhost-user's business.
const COMMANDS: u64 = 1 << VIRTIO_NET_F_CTRL_GUEST_OFFLOADS
    | 1 << VIRTIO_NET_F_CTRL_RX
    | 1 << VIRTIO_NET_F_CTRL_RX_EXTRA
    | 1 << VIRTIO_NET_F_CTRL_VLAN
    | 1 << VIRTIO_NET_F_HASH_REPORT
    | 1 << VIRTIO_NET_F_RSS
    | Config::CTRL_VQ.bits()
    | Config::CTRL_MAC_ADDR.bits();

/// Where a ring is, in the front end's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) desc: u64,
    pub(crate) avail: u64,
    pub(crate) used: u64,
}

/// One ring as the front end has said it.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    pub(crate) size: u16,
    pub(crate) base: u16,
    pub(crate) addresses: Option<Addresses>,
    pub(crate) kick: Option<File>,
    pub(crate) call: Option<File>,
    pub(crate) error: Option<File>,
    pub(crate) enabled: bool,
    /// Whether the device has it.
    pub(crate) live: bool,
    relay: Option<Relay>,
}

impl Ring {
    fn is_ready(&self) -> bool {
        self.enabled && self.kick.is_some() && self.addresses.is_some()
    }
}

/// A device and its front end's memory and rings.
pub(crate) struct Accel {
    // First: the device closes before any memory goes.
    pub(crate) device: Box<dyn VhostAccel>,
    memory: Vec<Region>,
    control: Option<ControlQueue>,
    pub(crate) rings: Vec<Ring>,
    /// What the front end may accept.
    pub(crate) offered: Features,
    accepted: Features,
    /// Whether VHOST_USER_F_PROTOCOL_FEATURES is among what the front end has accepted.
    pub(crate) protocol: bool,
    /// Whether the front end may ask for an answer to any request: REPLY_ACK.
    pub(crate) answers: bool,
    /// The pairs that the device was told to be active.
    active: u16,
    /// Kicks that the bridge made.
    pub(crate) relayed: Arc<AtomicU64>,
}

impl Accel {
    /// Takes a device that was just opened.
    pub(crate) fn new(device: Box<dyn VhostAccel>) -> vhost_accel_driver::core::Result<Self> {
        let features = device.features()?;
        let mut withheld = features.undriven()
            | Features::LOG_ALL
            | Features::ACCESS_PLATFORM
            | Features::NOTIFICATION_DATA;
        if device.info().device_id == VIRTIO_ID_NET {
            withheld |= Features::from_bits_retain(COMMANDS);
            if !features.contains(Config::CTRL_VQ) {
                withheld |= Config::MQ;
            }
        }
        let mut accel = Self {
            device,
            memory: Vec::new(),
            control: None,
            rings: Vec::new(),
            offered: features - withheld,
            accepted: Features::empty(),
            protocol: false,
            answers: false,
            active: 0,
            relayed: Arc::default(),
        };
        accel.forget_rings();
        Ok(accel)
    }

    /// Whether rings come in pairs, with a control queue behind them.
    pub(crate) fn is_network(&self) -> bool {
        self.device.info().device_id == VIRTIO_ID_NET
    }

    fn forget_rings(&mut self) {
        let count = self.device.info().queue_count;
        let count = if self.is_network() { count / 2 * 2 } else { count };
        self.rings = (0..count).map(|_| Ring::default()).collect();
    }

    pub(crate) fn has(&self, capabilities: Capabilities) -> bool {
        self.device.info().capabilities.contains(capabilities)
    }

    /// The ring that the front end calls `index`.
    pub(crate) fn ring(&mut self, index: u32) -> Result<(QueueIndex, &mut Ring), Refusal> {
        let ring = usize::try_from(index).ok().and_then(|index| self.rings.get_mut(index));
        match (ring, u16::try_from(index)) {
            (Some(ring), Ok(index)) => Ok((QueueIndex(index), ring)),
            _ => Err(Refusal::Vring(index)),
        }
    }

    /// Takes the front end's choice of features.
    pub(crate) fn accept(&mut self, features: Features) -> Result<(), Refusal> {
        let unknown = features - self.offered;
        if !unknown.is_empty() {
            return Err(Refusal::Features(unknown.bits()));
        }
        if features != self.accepted && self.rings.iter().any(|ring| ring.live) {
            return Err(Refusal::Running("features"));
        }
        self.accepted = features;
        Ok(())
    }

    /// Replaces the front end's memory. What stays where it was stays mapped.
    pub(crate) fn set_memory(&mut self, mut regions: Vec<Region>) -> Result<(), Refusal> {
        memory::check(&regions)?;
        let known = |regions: &[Region], one: &Region| {
            regions.iter().position(|other| other.is_same_memory(one))
        };
        let gone: Vec<IovaRange> = self
            .memory
            .iter()
            .filter(|old| known(&regions, old).is_none())
            .map(|old| old.dma().range())
            .collect();
        let new: Vec<DmaMapping> = regions
            .iter()
            .filter(|new| known(&self.memory, new).is_none())
            .map(Region::dma)
            .collect();
        // SAFETY: each of `new` is mapped in this process for as long as it is in `self.memory`:
        // until an update has taken it away, or the device is closed. No reference to it is ever
        // made. An update that fails has mapped none of them, and what it may have left of `gone`
        // is kept.
        unsafe { self.device.dma_update_suspended(&gone, &new)? };
        // The device has the old mapping of what was known, and goes on with that.
        for region in &mut regions {
            if let Some(position) = known(&self.memory, region) {
                let mut old = self.memory.swap_remove(position);
                old.moved_to(region);
                *region = old;
            }
        }
        self.memory = regions;
        Ok(())
    }

    /// Adds one region.
    pub(crate) fn add_memory(&mut self, region: Region) -> Result<(), Refusal> {
        if let Some(known) = self.memory.iter_mut().find(|known| known.is_same_memory(&region)) {
            known.times += 1;
            return Ok(());
        }
        let new = region.dma();
        self.memory.push(region);
        let mut mapped = memory::check(&self.memory);
        if mapped.is_ok() {
            // SAFETY: as in `set_memory`.
            mapped = unsafe { self.device.dma_map(&new) }.map_err(Refusal::from);
        }
        if mapped.is_err() {
            self.memory.pop();
        }
        mapped
    }

    /// Takes the region that `is_it` finds, at `guest`, away.
    pub(crate) fn remove_memory(
        &mut self,
        guest: u64,
        is_it: impl Fn(&Region) -> bool,
    ) -> Result<(), Refusal> {
        let position = self.memory.iter().position(is_it).ok_or(Refusal::NoRegion(guest))?;
        if self.memory[position].times > 1 {
            self.memory[position].times -= 1;
            return Ok(());
        }
        self.device.dma_unmap(self.memory[position].dma().range())?;
        self.memory.swap_remove(position);
        Ok(())
    }

    /// Hands every ring that has come to be ready to the device. Of a network card both of a pair
    /// are.
    pub(crate) fn run_ready(&mut self) -> Result<(), Refusal> {
        let network = self.is_network();
        let ready: Vec<usize> = (0..self.rings.len())
            .filter(|&index| {
                let partner = &self.rings[if network { index ^ 1 } else { index }];
                let ring = &self.rings[index];
                !ring.live && ring.is_ready() && (partner.live || partner.is_ready())
            })
            .collect();
        let Some(&first) = ready.first() else {
            return Ok(());
        };
        let late = self.device.phase() == Phase::Running;
        if !late {
            self.prepare()?;
        } else if self.has(Capabilities::SUSPEND | Capabilities::RESUME) {
            self.device.suspend()?;
        } else {
            return Err(Refusal::Late(first as u16));
        }
        for index in ready {
            self.hand_over(index)?;
        }
        if late {
            self.device.resume()?
        } else {
            self.device.start()?
        }
        self.tell_pairs()
    }

    /// Makes a device that doesn't run ready for its first ring.
    fn prepare(&mut self) -> Result<(), Refusal> {
        if self.device.phase() != Phase::Fresh {
            self.device.reset()?;
        }
        let mut wanted = self.accepted | Features::ACCESS_PLATFORM;
        if wanted.contains(Config::MQ) {
            wanted |= Config::CTRL_VQ;
        }
        let features = self.device.negotiate(wanted)?;
        self.active = 1;
        if self.is_network() && ControlQueue::is_for(features) {
            let control = match &mut self.control {
                Some(control) => control,
                none => {
                    let pairs = self.rings.len() as u16 / 2;
                    let control = ControlQueue::new(self.device.as_ref(), pairs)?;
                    // SAFETY: the queue owns the memory and makes no reference to it. It goes when
                    // the mapping is gone or the device is closed.
                    unsafe { self.device.dma_map(&control.dma())? };
                    none.insert(control)
                }
            };
            control.set_up(self.device.as_mut())?;
        }
        Ok(())
    }

    /// Sets ring `index` up on a device that stands still.
    fn hand_over(&mut self, index: usize) -> Result<(), Refusal> {
        let (ring, queue) = (&mut self.rings[index], QueueIndex(index as u16));
        let (Some(at), Some(kick)) = (ring.addresses, &ring.kick) else {
            return Err(Refusal::Polled(queue.0));
        };
        let iova = |user| memory::iova(&self.memory, user);
        let vring = Vring::new(queue, ring.size, iova(at.desc)?, iova(at.avail)?, iova(at.used)?)
            .with_base(ring.base.into())
            .with_call(ring.call.as_ref().map(AsFd::as_fd));
        self.device.setup_vring(&vring)?;
        ring.relay = relay(self.device.as_mut(), queue, kick, &self.relayed)?;
        ring.live = true;
        let error = ring.error.as_ref().map(AsFd::as_fd);
        if error.is_some() && self.has(Capabilities::ERROR_EVENT) {
            let error = self.rings[index].error.as_ref().map(AsFd::as_fd);
            self.device.set_error(queue, error)?;
        }
        Ok(())
    }

    /// Gives a ring that the device has another kick.
    pub(crate) fn kick_anew(&mut self, queue: QueueIndex) -> Result<(), Refusal> {
        let ring = &mut self.rings[usize::from(queue.0)];
        if let (true, Some(kick)) = (ring.live, &ring.kick) {
            ring.relay = None;
            ring.relay = relay(self.device.as_mut(), queue, kick, &self.relayed)?;
        }
        Ok(())
    }

    /// Enables or disables a ring that the device has, and says which pairs are active.
    pub(crate) fn enable(&mut self, queue: QueueIndex, enabled: bool) -> Result<(), Refusal> {
        let ring = &mut self.rings[usize::from(queue.0)];
        ring.enabled = enabled;
        if !ring.live {
            return self.run_ready();
        }
        self.device.enable_vring(queue, enabled)?;
        self.tell_pairs()
    }

    /// Tells a device with a control queue how many pairs are active: up to the last that is
    /// enabled.
    fn tell_pairs(&mut self) -> Result<(), Refusal> {
        let last = self.rings.iter().rposition(|ring| ring.live && ring.enabled).unwrap_or(0);
        let pairs = last as u16 / 2 + 1;
        if let Some(control) = self.control.as_mut().filter(|_| pairs != self.active) {
            control.set_pairs(pairs)?;
            self.active = pairs;
        }
        Ok(())
    }

    /// Stops a ring. Where it is to go on.
    pub(crate) fn stop(&mut self, queue: QueueIndex) -> Result<u16, Refusal> {
        let index = usize::from(queue.0);
        self.rings[index].kick = None;
        if !self.rings[index].live {
            return Ok(self.rings[index].base);
        }
        let last = self.rings.iter().filter(|ring| ring.live).count() == 1;
        let wanted =
            if last { Capabilities::SUSPEND } else { Capabilities::SUSPEND | Capabilities::RESUME };
        let still = self.has(wanted);
        if still {
            self.device.suspend()?;
        }
        self.device.enable_vring(queue, false)?;
        let base = self.device.vring_base(queue)?;
        let base = base.as_split().ok_or(Refusal::Number { vring: queue.0, value: base.raw() })?;
        let ring = &mut self.rings[index];
        (ring.base, ring.live, ring.relay) = (base, false, None);
        if last {
            self.device.reset()?;
        } else if still {
            self.device.resume()?;
        }
        Ok(base)
    }

    /// RESET_DEVICE: the device and the rings are as at first, the memory stays.
    pub(crate) fn reset(&mut self) -> vhost_accel_driver::core::Result<()> {
        self.forget_rings();
        self.device.reset()
    }

    /// Makes all as it was before the front end came.
    pub(crate) fn forget(&mut self) -> vhost_accel_driver::core::Result<()> {
        self.reset()?;
        self.accepted = Features::empty();
        (self.protocol, self.answers) = (false, false);
        let own = self.control.as_ref().map(|control| control.dma().range());
        let all: Vec<_> = self.memory.iter().map(|one| one.dma().range()).chain(own).collect();
        if !all.is_empty() {
            // SAFETY: nothing is mapped.
            unsafe { self.device.dma_update(&all, &[])? };
        }
        self.memory.clear();
        self.control = None;
        Ok(())
    }

    /// Takes the count of kicks that the bridge made.
    pub(crate) fn take_relayed(&self) -> u64 {
        self.relayed.swap(0, Ordering::Relaxed)
    }
}

/// Hands a kick eventfd to the device, or to a relay where it can't take one.
fn relay(
    device: &mut dyn VhostAccel,
    queue: QueueIndex,
    kick: &File,
    count: &Arc<AtomicU64>,
) -> Result<Option<Relay>, Refusal> {
    if device.info().capabilities.contains(Capabilities::KICK_EVENTFD) {
        device.kicker(queue, Kick::EventFd(kick.as_fd()))?;
        return Ok(None);
    }
    let kicker = device.kicker(queue, Kick::Best)?;
    let kick = kick.try_clone().map_err(Refusal::system("dup"))?;
    let relay = Relay::start(kick, kicker, Arc::clone(count));
    relay.map(Some).map_err(Refusal::system("start a thread for kicks"))
}
