//! The index at which a vring goes on.

use vhost_accel_driver::Config;
use vhost_accel_driver::core::{Capabilities, QueueIndex, VringBase};

use super::small;
use crate::case::Case;
use crate::check::{echoes, equal, eventually, quiet, received};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("base::what_was_set_is_read", what_was_set_is_read),
    Case::new("base::it_counts_what_was_consumed", it_counts_what_was_consumed),
    Case::new("base::a_ring_goes_on_over_the_wrap", a_ring_goes_on_over_the_wrap),
    Case::new("base::it_is_stable_while_suspended", it_is_stable_while_suspended)
        .needing(Capabilities::SUSPEND),
    Case::new("base::a_device_goes_on_where_another_stopped", a_device_goes_on)
        .needing(Capabilities::SUSPEND),
];

// ABI-SETUP-6, ABI-SETUP-8
fn what_was_set_is_read(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small())?;
    driver.map()?;
    driver.negotiate()?;
    for base in [0u16, 1, 255, 0x7fff, 0xffff, 0] {
        for queue in [QueueIndex(0), QueueIndex(1)] {
            let vring = if queue.0 == 0 { driver.rx(0) } else { driver.tx(0) }.polled_vring();
            driver.device().setup_vring(&vring.with_base(base.into()))?;
            equal("the base that was set", driver.device().vring_base(queue)?, base.into())?;
        }
    }
    Ok(())
}

/// Where the first pair's receive and transmit queue go on.
fn bases(driver: &mut vhost_accel_driver::NetDriver) -> Result<[VringBase; 2], Stop> {
    let device = driver.device();
    Ok([device.vring_base(QueueIndex(0))?, device.vring_base(QueueIndex(1))?])
}

// ABI-SETUP-7, ABI-SETUP-8, ABI-SETUP-9
fn it_counts_what_was_consumed(target: &Target<'_>) -> Result<(), Stop> {
    let base = 1000;
    let mut driver = target.running(Config { base, ..small() })?;
    equal("before any traffic", bases(&mut driver)?, [VringBase::split(base); 2])?;
    for seed in 0..20 {
        echoes(&mut driver, 0, &frame(seed, 100))?;
    }
    eventually("the transmit chains come back", || driver.tx(0).ring().used_index() == base + 20)?;
    if target.has(Capabilities::SUSPEND)? {
        driver.device().suspend()?;
    }
    equal("after 20 frames", bases(&mut driver)?, [VringBase::split(base + 20); 2])?;
    equal("the used index", driver.rx(0).ring().used_index(), base + 20)
}

// ABI-SETUP-7
fn a_ring_goes_on_over_the_wrap(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(Config { base: 65530, ..small() })?;
    for seed in 0..20 {
        echoes(&mut driver, 0, &frame(seed, 100))?;
    }
    eventually("the transmit chains come back", || driver.tx(0).ring().used_index() == 14)?;
    if target.has(Capabilities::SUSPEND)? {
        driver.device().suspend()?;
    }
    equal("after 20 frames from 65530 on", bases(&mut driver)?, [VringBase::split(14); 2])
}

// ABI-SUSPEND-2
fn it_is_stable_while_suspended(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    eventually("the transmit chain comes back", || driver.tx(0).ring().used_index() == 1)?;
    driver.device().suspend()?;
    equal("when suspended", bases(&mut driver)?, [VringBase::split(1); 2])?;
    driver.send(0, &[&frame(2, 100), &frame(3, 100)])?;
    driver.tx(0).kick()?;
    quiet();
    equal("after a kick", bases(&mut driver)?, [VringBase::split(1); 2])?;
    equal("the used index", driver.tx(0).ring().used_index(), 1)
}

/// What a migration does: suspend, read the bases, and go on from them after a reset, with frames
/// on their way that nobody has looked at yet.
// ABI-SETUP-6, ABI-SUSPEND-2
fn a_device_goes_on(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let frames: Vec<_> = (0..12).map(|seed| frame(seed, 200)).collect();
    for frame in &frames[..7] {
        echoes(&mut driver, 0, frame)?;
    }
    eventually("the transmit chains come back", || driver.tx(0).ring().used_index() == 7)?;
    driver.device().suspend()?;
    let late: Vec<&[u8]> = frames[7..].iter().map(Vec::as_slice).collect();
    equal("frames queued", driver.send(0, &late)?, 5)?;
    let control = driver.control().index();
    let control_base = driver.device().vring_base(control)?;
    let [rx, tx] = bases(&mut driver)?;
    equal("the bases", [rx, tx], [VringBase::split(7); 2])?;

    driver.device().reset()?;
    let features = driver.features();
    equal("features", driver.device().negotiate(features)?, features)?;
    let vrings: Vec<_> = driver.queues().map(vhost_accel_driver::Queue::polled_vring).collect();
    for vring in vrings {
        let base = match vring.queue {
            QueueIndex(0) => rx,
            QueueIndex(1) => tx,
            _ => control_base,
        };
        driver.device().setup_vring(&vring.with_base(base))?;
    }
    driver.make_kickers()?;
    driver.start()?;
    eventually("the late frames arrive", || driver.rx(0).used_count() == 5)?;
    received(&mut driver, 0, &late)?;
    equal("the used index", driver.rx(0).ring().used_index(), 12)
}
