//! Suspend and resume.

use std::collections::HashMap;
use std::os::fd::AsFd;

use vhost_accel_driver::core::{Capabilities, DeviceState, Iova, QueueIndex, VringBase};
use vhost_accel_driver::{Config, Queue};

use super::{moved, small, small_pairs};
use crate::case::Case;
use crate::check::{LIMIT, echoes, equal, eventually, healthy, quiet, received, same};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

const fn case(name: &'static str, run: fn(&Target<'_>) -> Result<(), Stop>) -> Case {
    Case::new(name, run).needing(Capabilities::SUSPEND).needing(Capabilities::RESUME)
}

pub(super) const CASES: &[Case] = &[
    case("suspend::nothing_moves_while_suspended", nothing_moves),
    case("suspend::a_kick_while_suspended_is_not_lost", a_kick_is_not_lost),
    case("suspend::traffic_goes_on_in_order", traffic_goes_on_in_order),
    case("suspend::rings_can_be_moved_while_suspended", rings_can_be_moved),
    case("suspend::every_vring_stands_still", every_vring_stands_still),
    case("suspend::a_saved_state_goes_on", a_saved_state_goes_on),
];

// ABI-SUSPEND-1, ABI-SUSPEND-2
fn nothing_moves(target: &Target<'_>) -> Result<(), Stop> {
    let config = Config { tx_buffer: 9216, rx_buffer: 9216, ..Config::default() };
    let mut driver = target.running(config)?;
    let sent = frame(1, 9000);
    equal("frames sent", driver.send(0, &[&sent[..]; 200])?, 200)?;
    eventually("the first frame arrives", || driver.rx(0).has_used())?;
    driver.device().suspend()?;
    let regions: Vec<_> = driver.leases().iter().map(|lease| lease.region().clone()).collect();
    let before: Vec<_> = regions.iter().map(|region| region.bytes(0, region.len())).collect();
    let (rx, tx) = (driver.rx(0).ring().used_index(), driver.tx(0).ring().used_index());
    equal("the transmit base", driver.device().vring_base(QueueIndex(1))?, tx.into())?;
    equal("the receive base", driver.device().vring_base(QueueIndex(0))?, rx.into())?;
    equal("chains of both directions", rx, tx)?;
    driver.tx(0).kick()?;
    quiet();
    for (region, before) in regions.iter().zip(&before) {
        same("memory while suspended", &region.bytes(0, region.len()), before)?;
    }
    driver.device().resume()?;
    eventually("all frames arrive", || driver.rx(0).used_count() == 200)?;
    received(&mut driver, 0, &[&sent[..]; 200])
}

// ABI-SUSPEND-1, ABI-SUSPEND-3
fn a_kick_is_not_lost(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    driver.device().suspend()?;
    let sent = frame(1, 100);
    driver.send(0, &[&sent])?;
    driver.tx(0).kick()?;
    quiet();
    equal("chains used while suspended", driver.tx(0).used_count(), 0)?;
    driver.device().resume()?;
    eventually("the frame arrives", || driver.rx(0).has_used())?;
    received(&mut driver, 0, &[&sent])
}

/// Suspended again and again in the middle of traffic, a device loses and doubles nothing.
fn traffic_goes_on_in_order(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(Config { tx_buffer: 2048, ..small() })?;
    let frames: Vec<_> = (0..400).map(|seed| frame(seed, 60 + seed as usize * 4)).collect();
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let (mut sent, mut got) = (0, Vec::new());
    let end = std::time::Instant::now() + LIMIT;
    while got.len() < all.len() && std::time::Instant::now() < end {
        sent += driver.send(0, &all[sent..])?;
        driver.device().suspend()?;
        driver.receive(0, |frame| got.push(frame.to_vec()))?;
        driver.device().resume()?;
        if got.len() < sent {
            driver.wait(0, LIMIT)?;
            driver.receive(0, |frame| got.push(frame.to_vec()))?;
        }
    }
    equal("frames that arrived", got.len(), frames.len())?;
    for (got, want) in got.iter().zip(&frames) {
        same("the frame that arrived", got, want)?;
    }
    healthy(&mut driver)
}

/// The rings get other addresses, with what is in them.
// ABI-SUSPEND-2
fn rings_can_be_moved(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(Config { features: Config::MRG_RXBUF, ..small() })?;
    for seed in 0..5 {
        echoes(&mut driver, 0, &frame(seed, 100))?;
    }
    eventually("the chains come back", || driver.tx(0).ring().used_index() == 5)?;
    driver.device().suspend()?;
    // The same memory at a second place, and no longer at the first.
    let rings = driver.leases()[0].clone();
    let by = (6u64 << 30) - rings.range().start.0;
    driver.machine().map(&rings.region().at(Iova(rings.range().start.0 + by)))?;
    let vrings: Vec<_> = driver.queues().map(Queue::polled_vring).collect();
    for vring in vrings {
        let base = driver.device().vring_base(vring.queue)?;
        equal("the base", base, VringBase::split(5))?;
        driver.device().setup_vring(&moved(&vring, [by; 3]).with_base(base))?;
    }
    driver.machine().unmap(rings.range())?;
    driver.device().resume()?;
    for seed in 5..10 {
        let sent = frame(seed, 100);
        driver.send(0, &[&sent])?;
        eventually("a frame arrives", || driver.rx(0).has_used())?;
        received(&mut driver, 0, &[&sent])?;
    }
    healthy(&mut driver)
}

// ABI-SUSPEND-1
fn every_vring_stands_still(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    driver.device().suspend()?;
    for pair in 0..2 {
        driver.send(pair, &[&frame(pair.into(), 100)])?;
        driver.tx(pair).kick()?;
    }
    quiet();
    for pair in 0..2 {
        equal("chains used while suspended", driver.tx(pair).used_count(), 0)?;
    }
    driver.device().resume()?;
    for pair in 0..2 {
        eventually("a frame arrives", || driver.rx(pair).has_used())?;
        received(&mut driver, pair, &[&frame(pair.into(), 100)])?;
    }
    Ok(())
}

/// Reset in the middle of traffic and restored from what was saved, a device loses and doubles
/// nothing.
// ABI-SUSPEND-1, ABI-SUSPEND-2
fn a_saved_state_goes_on(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(Config { tx_buffer: 2048, ..small() })?;
    let frames: Vec<_> = (0..200).map(|seed| frame(seed, 60 + seed as usize * 4)).collect();
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let calls = driver
        .queues()
        .map(|queue| Ok((queue.index(), queue.call().as_fd().try_clone_to_owned()?)));
    let calls = calls.collect::<Result<HashMap<_, _>, Stop>>()?;
    let (mut sent, mut got) = (0, Vec::new());
    let end = std::time::Instant::now() + LIMIT;
    while got.len() < all.len() && std::time::Instant::now() < end {
        // Half of them are under way when the device stands still, half come after.
        let some = all.len().min(sent + 2);
        sent += driver.send(0, &all[sent..some])?;
        let vrings: Vec<_> = driver.queues().map(Queue::polled_vring).collect();
        let saved = DeviceState::save(driver.device(), &vrings)?;
        sent += driver.send(0, &all[sent..all.len().min(sent + 2)])?;
        driver.device().reset()?;
        saved.restore(driver.device(), |queue| calls.get(&queue).map(AsFd::as_fd))?;
        equal("bytes of config space that differ", saved.config_kept(driver.device())?, None)?;
        driver.make_kickers()?;
        driver.device().start()?;
        while got.len() < sent && driver.wait(0, LIMIT)? {
            driver.receive(0, |frame| got.push(frame.to_vec()))?;
        }
    }
    equal("frames that arrived", got.len(), frames.len())?;
    for (got, want) in got.iter().zip(&frames) {
        same("the frame that arrived", got, want)?;
    }
    healthy(&mut driver)
}
