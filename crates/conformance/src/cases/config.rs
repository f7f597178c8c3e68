//! Config space.

use vhost_accel_driver::Config;
use vhost_accel_driver::core::{Capabilities, Operation, Subject};

use super::small;
use crate::case::Case;
use crate::check::{equal, holds, refused, same};
use crate::outcome::Stop;
use crate::target::Target;

const fn case(name: &'static str, run: fn(&Target<'_>) -> Result<(), Stop>) -> Case {
    Case::new(name, run).needing(Capabilities::VIRTIO_STATUS)
}

pub(super) const CASES: &[Case] = &[
    case("config::the_loopback_has_its_fields", the_loopback_has_its_fields),
    case("config::pieces_agree_with_the_whole", pieces_agree_with_the_whole),
    case("config::beyond_the_end_is_refused", beyond_the_end_is_refused),
    case("config::a_write_beyond_the_end_changes_nothing", a_write_beyond_the_end),
    case("config::read_only_fields_stay", read_only_fields_stay),
    case("config::the_mac_can_be_written_before_the_start", the_mac_can_be_written),
    case("config::the_mac_stays_with_a_control_queue_for_it", the_mac_stays_with_ctrl_mac_addr),
    case("config::the_mac_stays_while_running", the_mac_stays_while_running),
    case("config::reset_brings_the_mac_back", reset_brings_the_mac_back),
];

fn whole(device: &dyn vhost_accel_driver::core::VhostAccel) -> Result<Vec<u8>, Stop> {
    let mut bytes = vec![0; device.config_size()? as usize];
    device.read_config(0, &mut bytes)?;
    Ok(bytes)
}

// ABI-NET-15
fn the_loopback_has_its_fields(target: &Target<'_>) -> Result<(), Stop> {
    target.need_loopback()?;
    let bytes = whole(target.open()?.as_ref())?;
    equal("the size of config space", bytes.len(), 12)?;
    let field = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    holds("a MAC that isn't all zero", bytes[..6] != [0; 6])?;
    equal("the multicast bit of the MAC", bytes[0] & 1, 0)?;
    equal("the link status", field(6), 1)?;
    equal("the most pairs", field(8), target.pairs()?)?;
    holds("an MTU of 68 at least", field(10) >= 68)
}

fn pieces_agree_with_the_whole(target: &Target<'_>) -> Result<(), Stop> {
    let device = target.open()?;
    let bytes = whole(device.as_ref())?;
    for len in 1..=bytes.len() {
        for start in 0..=bytes.len() - len {
            let mut piece = vec![0xee; len];
            device.read_config(start as u32, &mut piece)?;
            same("a piece of config space", &piece, &bytes[start..start + len])?;
        }
    }
    Ok(())
}

/// Ranges that don't lie in a config space of `size` bytes.
fn outside(size: u32) -> [(u32, usize); 4] {
    [(size, 1), (size - 1, 2), (0, size as usize + 1), (u32::MAX - 1, 4)]
}

// ABI-NET-16
fn beyond_the_end_is_refused(target: &Target<'_>) -> Result<(), Stop> {
    let device = target.open()?;
    for (offset, len) in outside(device.config_size()?) {
        let mut data = vec![0xee; len];
        let read = device.read_config(offset, &mut data);
        let error = refused("a read beyond the end", read, libc::EINVAL)?;
        equal("the operation", error.operation(), Operation::ReadConfig)?;
        equal("the subject", error.subject(), Subject::Config { offset, len })?;
    }
    Ok(())
}

// ABI-NET-16
fn a_write_beyond_the_end(target: &Target<'_>) -> Result<(), Stop> {
    let mut device = target.open()?;
    let before = whole(device.as_ref())?;
    for (offset, len) in outside(device.config_size()?) {
        let written = device.write_config(offset, &vec![0xee; len]);
        let error = refused("a write beyond the end", written, libc::EINVAL)?;
        equal("the operation", error.operation(), Operation::WriteConfig)?;
        equal("the subject", error.subject(), Subject::Config { offset, len })?;
    }
    same("config space", &whole(device.as_ref())?, &before)
}

// ABI-NET-17, ABI-NET-18
fn read_only_fields_stay(target: &Target<'_>) -> Result<(), Stop> {
    target.need_loopback()?;
    let mut device = target.open()?;
    device.negotiate(Config::REQUIRED)?;
    let before = whole(device.as_ref())?;
    device.write_config(6, &[0xee; 6])?;
    same("config space", &whole(device.as_ref())?, &before)?;
    // A write over both changes the one and leaves the other.
    device.write_config(0, &[2; 12])?;
    let after = whole(device.as_ref())?;
    same("the MAC", &after[..6], &[2; 6])?;
    same("the fields behind it", &after[6..], &before[6..])
}

const MAC: [u8; 6] = [2, 0, 0, 0xc0, 0xff, 0xee];

// ABI-NET-17
fn the_mac_can_be_written(target: &Target<'_>) -> Result<(), Stop> {
    target.need_loopback()?;
    let mut device = target.open()?;
    device.negotiate(Config::REQUIRED)?;
    device.write_config(0, &MAC)?;
    same("the MAC", &whole(device.as_ref())?[..6], &MAC)?;
    device.write_config(5, &[0x11])?;
    same("the MAC", &whole(device.as_ref())?[..6], &[2, 0, 0, 0xc0, 0xff, 0x11])
}

// ABI-NET-17
fn the_mac_stays_with_ctrl_mac_addr(target: &Target<'_>) -> Result<(), Stop> {
    target.need_loopback()?;
    let mut device = target.open()?;
    device.negotiate(Config::REQUIRED | Config::CTRL_VQ | Config::CTRL_MAC_ADDR)?;
    let before = whole(device.as_ref())?;
    device.write_config(0, &MAC)?;
    same("config space", &whole(device.as_ref())?, &before)
}

// ABI-NET-17
fn the_mac_stays_while_running(target: &Target<'_>) -> Result<(), Stop> {
    let mut config = small();
    config.features -= Config::CTRL_MAC_ADDR;
    let mut driver = target.running(config)?;
    let before = whole(driver.device())?;
    driver.device().write_config(0, &MAC)?;
    same("config space", &whole(driver.device())?, &before)
}

// ABI-STATUS-3
fn reset_brings_the_mac_back(target: &Target<'_>) -> Result<(), Stop> {
    target.need_loopback()?;
    let mut device = target.open()?;
    let before = whole(device.as_ref())?;
    device.negotiate(Config::REQUIRED)?;
    device.write_config(0, &MAC)?;
    holds("the MAC has changed", whole(device.as_ref())? != before)?;
    device.reset()?;
    same("config space after a reset", &whole(device.as_ref())?, &before)
}
