//! Errors that name what failed, on what, and why.

use std::error::Error as _;

use vhost_accel_driver::core::{
    Capabilities, Invalid, Iova, Kick, KickKind, Operation, QueueIndex, Reason, Subject, page_size,
};
use vhost_accel_driver::{Machine, Region};

use super::small;
use crate::case::Case;
use crate::check::{equal, fails, holds, refused};
use crate::outcome::Stop;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("errors::the_kernels_refusal_says_everything", the_kernels_refusal),
    Case::new("errors::a_second_open_says_everything", a_second_open),
    Case::new("errors::a_config_range_is_named", a_config_range)
        .needing(Capabilities::VIRTIO_STATUS),
    Case::new("errors::a_vring_is_named", a_vring_is_named),
    Case::new("errors::a_missing_capability_is_named", a_missing_capability_is_named),
    Case::new("errors::they_can_be_sent_and_boxed", they_can_be_sent_and_boxed),
];

/// What every error of this device starts with.
fn prefix(target: &Target<'_>) -> Result<String, Stop> {
    let info = target.info()?;
    Ok(format!("{} {}: ", info.interface, info.path.display()))
}

/// An errno as errors print it.
fn text(errno: i32) -> String {
    std::io::Error::from_raw_os_error(errno).to_string()
}

fn the_kernels_refusal(target: &Target<'_>) -> Result<(), Stop> {
    let errno = if target.has(Capabilities::DMA_ERRNO)? { libc::EEXIST } else { libc::EFAULT };
    let mut machine = Machine::new(target.open()?);
    let region = Region::new(page_size())?;
    let lease = region.at(Iova(6 << 30));
    machine.map(&lease)?;
    let error = refused("an overlap", machine.map(&lease), errno)?;
    let info = target.info()?;
    equal("the interface", error.interface(), info.interface)?;
    equal("the device", error.device(), &*info.path)?;
    equal("the operation", error.operation(), Operation::DmaMap)?;
    equal("the subject", error.subject(), Subject::Range(lease.range()))?;
    let range = format!("0x180000000+{:#x}", page_size());
    let expected = format!("{}map DMA {range}: {}", prefix(target)?, text(errno));
    equal("the text", error.to_string(), expected)?;
    let source = error.source().map(ToString::to_string);
    equal("the source", source, Some(text(errno)))
}

fn a_second_open(target: &Target<'_>) -> Result<(), Stop> {
    let first = target.open()?;
    let error = refused("a second open", target.try_open(), libc::EBUSY)?;
    equal("the operation", error.operation(), Operation::Open)?;
    equal("the interface", error.interface(), first.info().interface)?;
    equal("the device", error.device(), &*first.info().path)?;
    let shown = error.to_string();
    let (starts, ends) = (format!("{}open: ", prefix(target)?), text(libc::EBUSY));
    holds("the text begins with device and operation", shown.starts_with(&starts))?;
    holds("the text ends with the reason", shown.ends_with(&ends))
}

fn a_config_range(target: &Target<'_>) -> Result<(), Stop> {
    let device = target.open()?;
    let size = device.config_size()?;
    let error = refused("beyond the end", device.read_config(size, &mut [0; 3]), libc::EINVAL)?;
    let expected = format!("{}read config space {size}+3: {}", prefix(target)?, text(libc::EINVAL));
    equal("the text", error.to_string(), expected)
}

fn a_vring_is_named(target: &Target<'_>) -> Result<(), Stop> {
    let device = target.open()?;
    let count = device.info().queue_count;
    let error = fails("a vring out of range", device.vring_base(QueueIndex(count)))?;
    let (name, why) = (prefix(target)?, Invalid::Queue(count));
    let expected =
        format!("{name}get base of vring {count}: the device has vrings 0 to {}", count - 1);
    equal("the text", error.to_string(), expected)?;
    equal("the errno", error.errno(), None)?;
    equal("the source", error.source().map(ToString::to_string), Some(why.to_string()))
}

fn a_missing_capability_is_named(target: &Target<'_>) -> Result<(), Stop> {
    let mut device = target.open()?;
    let has = device.info().capabilities;
    // No interface has all three kinds.
    for kind in KickKind::ALL.into_iter().filter(|kind| !has.contains(kind.capability())) {
        let made = device.kicker(QueueIndex(1), Kick::Kind(kind));
        let error = fails("a kind that the device hasn't got", made)?;
        let expected = format!(
            "{}make kicker of vring 1: not supported here: needs {}",
            prefix(target)?,
            kind.capability()
        );
        equal("the text", error.to_string(), expected)?;
    }
    Ok(())
}

fn they_can_be_sent_and_boxed(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = vhost_accel_driver::NetDriver::open(target.open()?, small())?;
    let error = fails("a start", driver.device().start())?;
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
    let error = boxed.downcast_ref::<vhost_accel_driver::core::Error>();
    holds(
        "it is still the same error",
        error.is_some_and(|error| matches!(error.reason(), Reason::State(_))),
    )
}
