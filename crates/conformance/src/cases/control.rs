//! The control queue.

use vhost_accel_core::Capabilities;
use virtio_bindings::virtio_net::{
    VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_CTRL_MQ,
    VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_ERR, VIRTIO_NET_OK,
};

use super::{small, small_pairs};
use crate::case::Case;
use crate::check::{Stop, arrives, echoes, equal, healthy, holds, quiet, same};
use crate::random::frame;
use crate::target::Target;
use vhost_accel_driver::{Config, NetDriver};

pub(super) const CASES: &[Case] = &[
    Case::new("control::the_mac_is_set", the_mac_is_set).needing(Capabilities::VIRTIO_STATUS),
    Case::new("control::a_mac_of_the_wrong_length_is_refused", a_mac_of_the_wrong_length)
        .needing(Capabilities::VIRTIO_STATUS),
    Case::new("control::unknown_commands_are_refused", unknown_commands),
    Case::new("control::one_pair_is_active_at_first", one_pair_is_active_at_first),
    Case::new("control::a_pair_can_be_switched_off", a_pair_can_be_switched_off),
    Case::new("control::pair_counts_that_cannot_be_are_refused", bad_pair_counts),
    Case::new("control::many_commands_in_a_row", many_commands_in_a_row),
];

const OK: u8 = VIRTIO_NET_OK as u8;
const ERR: u8 = VIRTIO_NET_ERR as u8;
const MAC: [u8; 6] = [2, 0x11, 0x22, 0x33, 0x44, 0x55];

fn mac(driver: &mut NetDriver) -> Result<[u8; 6], Stop> {
    let mut bytes = [0; 6];
    driver.device().read_config(0, &mut bytes)?;
    Ok(bytes)
}

/// MAC / ADDR_SET with any bytes: the answer.
fn set_mac(driver: &mut NetDriver, data: &[u8]) -> Result<u8, Stop> {
    let (class, command) = (VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET);
    Ok(driver.command(class as u8, command as u8, data)?)
}

/// MQ / VQ_PAIRS_SET with any bytes: the answer.
fn set_pairs(driver: &mut NetDriver, data: &[u8]) -> Result<u8, Stop> {
    let (class, command) = (VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET);
    Ok(driver.command(class as u8, command as u8, data)?)
}

fn the_mac_is_set(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let before = mac(&mut driver)?;
    equal("the answer", set_mac(&mut driver, &MAC)?, OK)?;
    same("the MAC", &mac(&mut driver)?, &MAC)?;
    driver.restart()?;
    same("the MAC after a reset", &mac(&mut driver)?, &before)
}

fn a_mac_of_the_wrong_length(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let before = mac(&mut driver)?;
    for len in [0, 5, 7] {
        equal("the answer", set_mac(&mut driver, &[2; 7][..len])?, ERR)?;
    }
    same("the MAC", &mac(&mut driver)?, &before)?;
    equal("the answer to a good one", set_mac(&mut driver, &MAC)?, OK)
}

fn unknown_commands(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    // RX mode, VLAN, announce, offloads, and a class that doesn't exist.
    for (class, command) in [(0, 0), (2, 0), (3, 0), (5, 0), (0x7f, 9), (1, 9), (4, 9)] {
        equal("the answer", driver.command(class, command, &[0; 6])?, ERR)?;
    }
    healthy(&mut driver)?;
    echoes(&mut driver, 0, &frame(1, 60))
}

fn one_pair_is_active_at_first(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small_pairs(2))?;
    driver.setup()?;
    driver.start()?;
    let sent = frame(1, 100);
    driver.send(1, &[&sent])?;
    driver.tx(1).kick()?;
    quiet();
    equal("used chains of the inactive pair", driver.tx(1).used_count(), 0)?;
    echoes(&mut driver, 0, &frame(2, 100))?;
    driver.set_pairs(2)?;
    driver.tx(1).kick()?;
    arrives(&mut driver, 1, &sent)
}

fn a_pair_can_be_switched_off(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    echoes(&mut driver, 1, &frame(1, 100))?;
    crate::check::eventually("the chain comes back", || driver.tx(1).used_count() == 1)?;
    driver.set_pairs(1)?;
    let sent = frame(2, 100);
    driver.send(1, &[&sent])?;
    driver.tx(1).kick()?;
    quiet();
    equal("used chains of the inactive pair", driver.tx(1).used_count(), 0)?;
    echoes(&mut driver, 0, &frame(3, 100))?;
    driver.set_pairs(2)?;
    driver.tx(1).kick()?;
    arrives(&mut driver, 1, &sent)
}

fn bad_pair_counts(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    let beyond = target.pairs()? + 1;
    for pairs in [0, beyond, u16::MAX] {
        equal("the answer", set_pairs(&mut driver, &pairs.to_le_bytes())?, ERR)?;
    }
    equal("the answer to one byte", set_pairs(&mut driver, &[1])?, ERR)?;
    equal("the answer to three", set_pairs(&mut driver, &[1, 0, 0])?, ERR)?;
    echoes(&mut driver, 1, &frame(1, 100))
}

fn many_commands_in_a_row(target: &Target<'_>) -> Result<(), Stop> {
    let config = Config { base: 65500, ..small() };
    let mut driver = target.running(config)?;
    holds("a control queue", driver.features().contains(Config::CTRL_VQ))?;
    for last in 0..100 {
        equal("the answer", set_mac(&mut driver, &[2, 0, 0, 0, 0, last])?, OK)?;
    }
    if target.has(Capabilities::VIRTIO_STATUS)? {
        same("the MAC", &mac(&mut driver)?, &[2, 0, 0, 0, 0, 99])?;
    }
    equal("the used index", driver.control().ring().used_index(), 65500u16.wrapping_add(100))
}
