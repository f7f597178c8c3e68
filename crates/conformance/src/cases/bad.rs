//! Rings to spoil, and what has to become of their vring.

use std::os::fd::AsFd;
use std::sync::Arc;

use vhost_accel_driver::core::{Capabilities, Iova, QueueIndex};
use vhost_accel_driver::{Config, Descriptor, Event, NetDriver, RawRing, Region, write_desc};

use super::{small_pairs, watch};
use crate::check::{echoes, equal, faulted, signalled, untouched};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

/// Entries of the rings that are spoiled.
pub(super) const SIZE: u16 = 16;
/// Where the memory of bad chains is mapped; half of it for an indirect table.
pub(super) const PLACE: Iova = Iova(6 << 30);
pub(super) const TABLE: usize = 0x8000;

/// A ring to spoil, with memory that is mapped.
pub(super) struct Bad {
    pub(super) ring: RawRing,
    pub(super) memory: Arc<Region>,
}

impl Bad {
    pub(super) fn new(driver: &mut NetDriver, ring: RawRing) -> Result<Self, Stop> {
        let memory = Region::new(2 * TABLE)?;
        memory.fill(0, TABLE, 0xa5);
        driver.machine().map(&memory.at(PLACE))?;
        Ok(Self { ring, memory })
    }

    pub(super) fn read(&self, len: u32) -> Descriptor {
        Descriptor::readable(PLACE, len)
    }

    pub(super) fn write(&self, len: u32) -> Descriptor {
        Descriptor::writable(PLACE, len)
    }

    pub(super) fn desc(&self, index: u16, desc: Descriptor) {
        self.ring.set_desc(index, desc);
    }

    pub(super) fn table_iova(&self) -> Iova {
        Iova(PLACE.0 + TABLE as u64)
    }

    pub(super) fn table(&self, index: u16, desc: Descriptor) {
        write_desc(&self.memory, TABLE + Descriptor::SIZE * usize::from(index), desc);
    }

    pub(super) fn head(&self, head: u16) {
        self.ring.set_avail(0, head);
    }

    pub(super) fn index(&self, index: u16) {
        self.ring.set_avail_index(index);
    }
}

/// Error events of all queues of two pairs and of the control queue.
pub(super) fn error_events(
    target: &Target<'_>,
    driver: &mut NetDriver,
) -> Result<Vec<(QueueIndex, Event)>, Stop> {
    if !target.has(Capabilities::ERROR_EVENT)? {
        return Ok(Vec::new());
    }
    let control = driver.control().index();
    let queues = (0..4).map(QueueIndex).chain([control]);
    queues
        .map(|queue| {
            let event = Event::new()?;
            driver.device().set_error(queue, Some(event.as_fd()))?;
            Ok((queue, event))
        })
        .collect()
}

/// The vring has stopped and nothing of it came back; the second pair runs on.
// ABI-FAULT-16, ABI-FAULT-17, ABI-FAULT-18
#[track_caller]
pub(super) fn stopped(
    driver: &mut NetDriver,
    bad: &Bad,
    queue: QueueIndex,
    config: &Event,
    errors: &[(QueueIndex, Event)],
) -> Result<(), Stop> {
    faulted(driver, config)?;
    equal("the used index of the stopped vring", bad.ring.used_index(), 0)?;
    for (other, event) in errors {
        if *other == queue {
            signalled("the error event of the vring that stopped", event)?;
        } else {
            equal("the error event of another vring", event.take()?, 0)?;
        }
    }
    for seed in 0..3 {
        echoes(driver, 1, &frame(seed, 100))?;
    }
    equal("the used index later", bad.ring.used_index(), 0)
}

/// Spoils the first transmit queue.
pub(super) fn tx(target: &Target<'_>, spoil: impl FnOnce(&Bad)) -> Result<(), Stop> {
    tx_of(target, small_pairs(2), spoil)
}

/// Spoils the first transmit queue of a device with this driver.
pub(super) fn tx_of(
    target: &Target<'_>,
    config: Config,
    spoil: impl FnOnce(&Bad),
) -> Result<(), Stop> {
    let mut driver = target.running(config)?;
    let config = watch(&mut driver)?;
    let errors = error_events(target, &mut driver)?;
    let ring = driver.tx(0).ring().clone();
    let bad = Bad::new(&mut driver, ring)?;
    bad.desc(0, bad.read(100));
    bad.head(0);
    spoil(&bad);
    if bad.ring.avail_index() == 0 {
        bad.index(1);
    }
    driver.tx(0).kick()?;
    stopped(&mut driver, &bad, QueueIndex(1), &config, &errors)?;
    untouched("the memory of the chain", &bad.memory.bytes(0, TABLE), 0xa5)?;
    equal("frames that arrived", driver.rx(0).used_count(), 0)
}

/// Spoils the first receive queue before the device can have looked at it, and sends a frame for
/// it.
pub(super) fn rx(target: &Target<'_>, spoil: impl FnOnce(&Bad)) -> Result<(), Stop> {
    let mut driver = target.driver(small_pairs(2))?;
    driver.setup()?;
    let config = watch(&mut driver)?;
    let errors = error_events(target, &mut driver)?;
    let ring = driver.rx(0).ring().clone();
    let bad = Bad::new(&mut driver, ring)?;
    spoil(&bad);
    driver.start()?;
    driver.set_pairs(2)?;
    driver.send(0, &[&frame(1, 500)])?;
    stopped(&mut driver, &bad, QueueIndex(0), &config, &errors)
}

/// Spoils the control queue.
pub(super) fn control(target: &Target<'_>, spoil: impl FnOnce(&Bad)) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    let config = watch(&mut driver)?;
    let errors = error_events(target, &mut driver)?;
    let queue = driver.control().index();
    let ring = driver.control().ring().clone();
    let before = ring.used_index();
    let bad = Bad::new(&mut driver, ring)?;
    spoil(&bad);
    bad.ring.set_avail(before, 0);
    bad.index(before + 1);
    driver.control().kick()?;
    faulted(&mut driver, &config)?;
    equal("the used index of the control queue", bad.ring.used_index(), before)?;
    for (other, event) in &errors {
        if *other == queue {
            signalled("the error event of the control queue", event)?;
        } else {
            equal("the error event of another vring", event.take()?, 0)?;
        }
    }
    echoes(&mut driver, 0, &frame(1, 100))?;
    echoes(&mut driver, 1, &frame(2, 100))
}
