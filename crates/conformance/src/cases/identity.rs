//! What a device says about itself.

use vhost_accel_driver::core::{Access, Capabilities, Iova, Kick, KickKind, QueueIndex, Reason};
use vhost_accel_driver::{Config, DirtyLog, Event, Machine, Region};

use crate::case::Case;
use crate::check::{equal, fails, holds};
use crate::outcome::Stop;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("identity::info_is_sound", info_is_sound),
    Case::new("identity::info_is_the_same_at_every_open", info_is_the_same_at_every_open),
    Case::new("identity::a_loopback_is_a_network_device", a_loopback_is_a_network_device),
    Case::new("identity::what_is_no_capability_is_unsupported", unsupported),
];

fn info_is_sound(target: &Target<'_>) -> Result<(), Stop> {
    let device = target.open()?;
    let info = device.info();
    holds("a virtio device id", info.device_id != 0)?;
    holds("at least one vring", info.queue_count > 0)?;
    holds("a maximum size that is a power of two", info.max_queue_size.is_power_of_two())?;
    holds("a path", !info.path.as_os_str().is_empty())?;
    let kicks = KickKind::ALL.map(KickKind::capability);
    let kicks = kicks.into_iter().fold(Capabilities::empty(), Capabilities::union);
    holds("a way to kick", info.capabilities.intersects(kicks))
}

fn info_is_the_same_at_every_open(target: &Target<'_>) -> Result<(), Stop> {
    let first = target.open()?.info().clone();
    let device = target.open()?;
    let second = device.info();
    equal("interface", second.interface, first.interface)?;
    equal("path", &second.path, &first.path)?;
    equal("device id", second.device_id, first.device_id)?;
    equal("vrings", second.queue_count, first.queue_count)?;
    equal("maximum size", second.max_queue_size, first.max_queue_size)?;
    equal("capabilities", second.capabilities, first.capabilities)
}

// ABI-VRING-1, ABI-VRING-3
fn a_loopback_is_a_network_device(target: &Target<'_>) -> Result<(), Stop> {
    target.need_loopback()?;
    let info = target.info()?;
    equal("virtio device id", info.device_id, 1)?;
    equal("maximum size", info.max_queue_size, 1024)?;
    equal("vrings: pairs and a control queue", info.queue_count % 2, 1)?;
    if !info.capabilities.contains(Capabilities::VIRTIO_STATUS) {
        return Ok(());
    }
    let mut pairs = [0; 2];
    target.open()?.read_config(8, &mut pairs)?;
    equal("pairs in config space", u16::from_le_bytes(pairs), info.queue_count / 2)
}

/// Asks for everything that the device says it can't do, and then shows that it still works.
fn unsupported(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = Machine::new(target.open()?);
    let has = machine.device().info().capabilities;
    let refused =
        |what, lacking: Capabilities, result: Result<(), vhost_accel_driver::core::Error>| {
            if has.contains(lacking) {
                return Ok(());
            }
            let error = fails(what, result)?;
            match error.reason() {
                Reason::Unsupported(missing) => equal(what, *missing, lacking),
                reason => equal(what, reason.to_string(), Reason::Unsupported(lacking).to_string()),
            }
        };
    let queue = QueueIndex(0);
    for kind in KickKind::ALL.into_iter().filter(|kind| !has.contains(kind.capability())) {
        let made = machine.device_mut().kicker(queue, Kick::Kind(kind));
        refused("a kicker of this kind", kind.capability(), made.map(drop))?;
    }
    if !has.contains(Capabilities::ERROR_EVENT) {
        let event = Event::new()?;
        let set = machine.device_mut().set_error(queue, Some(std::os::fd::AsFd::as_fd(&event)));
        refused("an error event", Capabilities::ERROR_EVENT, set)?;
    }
    if !has.contains(Capabilities::DMA_ACCESS) {
        let region = Region::new(1)?;
        for access in [Access::Read, Access::Write] {
            let mapped = machine.map(&region.at(Iova(1 << 32)).with(access));
            refused("one-way access", Capabilities::DMA_ACCESS, mapped)?;
        }
    }
    machine.device_mut().negotiate(Config::REQUIRED)?;
    if !has.contains(Capabilities::DIRTY_LOG) {
        refused("a dirty log", Capabilities::DIRTY_LOG, machine.log(Some(&DirtyLog::new()?)))?;
    }
    if !has.contains(Capabilities::SUSPEND) {
        refused("suspend", Capabilities::SUSPEND, machine.device_mut().suspend())?;
    }
    if !has.contains(Capabilities::RESUME) {
        refused("resume", Capabilities::RESUME, machine.device_mut().resume())?;
    }
    equal("what is negotiated", machine.device().negotiated(), Some(Config::REQUIRED))
}
