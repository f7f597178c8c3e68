//! Reset, from every state.

use std::os::fd::AsFd;

use vhost_accel_driver::core::{Capabilities, Features, QueueIndex, Status, VringBase};
use vhost_accel_driver::{Config, Event, NetDriver};

use super::{small, small_pairs, watch};
use crate::case::Case;
use crate::check::{echoes, equal, fails, faulted, quiet, silent};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("reset::when_fresh", |target| from(target, |_| Ok(()))),
    Case::new("reset::when_negotiated", |target| from(target, |driver| Ok(driver.negotiate()?))),
    Case::new("reset::when_refused", when_refused),
    Case::new("reset::when_set_up", |target| {
        from(target, |driver| {
            driver.negotiate()?;
            Ok(driver.setup_queues()?)
        })
    }),
    Case::new("reset::when_running", |target| from(target, run)),
    Case::new("reset::when_traffic_has_passed", |target| {
        from(target, |driver| {
            run(driver)?;
            for seed in 0..20 {
                echoes(driver, 1, &frame(seed, 100))?;
            }
            Ok(())
        })
    }),
    Case::new("reset::when_frames_are_on_their_way", |target| {
        from(target, |driver| {
            run(driver)?;
            let sent = frame(1, 1500);
            driver.send(0, &[&sent[..]; 16])?;
            Ok(())
        })
    }),
    Case::new("reset::when_suspended", |target| {
        from(target, |driver| {
            run(driver)?;
            Ok(driver.device().suspend()?)
        })
    })
    .needing(Capabilities::SUSPEND),
    Case::new("reset::when_a_vring_has_stopped", |target| {
        from(target, |driver| {
            run(driver)?;
            stop_a_vring(driver)
        })
    }),
    Case::new("reset::twice", |target| {
        from(target, |driver| {
            run(driver)?;
            Ok(driver.device().reset()?)
        })
    }),
    Case::new("reset::forgets_calls_and_error_events", forgets_calls_and_error_events),
    Case::new("reset::keeps_the_config_change_event", keeps_the_config_change_event),
    Case::new("reset::forgets_bases", forgets_bases),
    Case::new("reset::forgets_active_pairs", forgets_active_pairs),
    Case::new("reset::stops_the_device", stops_the_device),
];

/// [`NetDriver::run`] with the memory mapped already.
fn run(driver: &mut NetDriver) -> Result<(), Stop> {
    driver.negotiate()?;
    driver.setup_queues()?;
    driver.start()?;
    Ok(driver.set_pairs(2)?)
}

/// Makes the first transmit queue stop.
fn stop_a_vring(driver: &mut NetDriver) -> Result<(), Stop> {
    let config = watch(driver)?;
    let ring = driver.tx(0).ring();
    ring.set_avail(0, u16::MAX);
    ring.set_avail_index(1);
    driver.tx(0).kick()?;
    faulted(driver, &config)
}

/// A device that was reset is as one that was just opened, but for its mappings: nothing is
/// negotiated, no vring is set up, and other features on other rings work.
fn fresh(driver: &mut NetDriver) -> Result<(), Stop> {
    equal("negotiated", driver.device().negotiated(), None)?;
    if driver.device().info().capabilities.contains(Capabilities::VIRTIO_STATUS) {
        equal("the status", driver.device().status()?, Status::empty())?;
    }
    for queue in [QueueIndex(0), QueueIndex(1)] {
        equal("the base", driver.device().vring_base(queue)?, VringBase::SPLIT_START)?;
        fails("enabling a vring", driver.device().enable_vring(queue, true))?;
    }
    fails("a start", driver.device().start())?;
    run(driver)?;
    for seed in 100..105 {
        echoes(driver, 0, &frame(seed, 100))?;
        echoes(driver, 1, &frame(seed, 200))?;
    }
    Ok(())
}

// ABI-STATUS-3
fn from(
    target: &Target<'_>,
    state: impl FnOnce(&mut NetDriver) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut driver = target.driver(small_pairs(2))?;
    driver.map()?;
    state(&mut driver)?;
    driver.device().reset()?;
    fresh(&mut driver)
}

fn when_refused(target: &Target<'_>) -> Result<(), Stop> {
    from(target, |driver| {
        let refused = driver.device().negotiate(Features::ACCESS_PLATFORM);
        fails("negotiation without VERSION_1", refused).map(drop)
    })
}

// ABI-STATUS-3
fn forgets_calls_and_error_events(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let (call, error) = (Event::new()?, Event::new()?);
    let (rx, tx) = (QueueIndex(0), QueueIndex(1));
    driver.device().set_call(rx, Some(call.as_fd()))?;
    if target.has(Capabilities::ERROR_EVENT)? {
        driver.device().set_error(tx, Some(error.as_fd()))?;
    }
    driver.device().reset()?;
    driver.negotiate()?;
    let vrings: Vec<_> = driver.queues().map(vhost_accel_driver::Queue::polled_vring).collect();
    driver.device().setup_vrings(&vrings)?;
    driver.make_kickers()?;
    driver.start()?;
    driver.rx(0).want_calls(true);
    driver.send(0, &[&frame(1, 100)])?;
    crate::check::eventually("a frame arrives", || driver.rx(0).has_used())?;
    silent("the call from before the reset", &call)?;
    let ring = driver.tx(0).ring();
    ring.set_avail(1, u16::MAX);
    ring.set_avail_index(2);
    driver.tx(0).kick()?;
    crate::check::eventually(
        "the vring stops",
        || matches!(driver.device().status(), Ok(status) if status.contains(Status::NEEDS_RESET)),
    )?;
    silent("the error event from before the reset", &error)
}

// ABI-STATUS-5
fn keeps_the_config_change_event(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let config = watch(&mut driver)?;
    driver.restart()?;
    let ring = driver.tx(0).ring();
    ring.set_avail(0, u16::MAX);
    ring.set_avail_index(1);
    driver.tx(0).kick()?;
    faulted(&mut driver, &config)
}

// ABI-STATUS-3
fn forgets_bases(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(Config { base: 77, ..small() })?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    driver.device().reset()?;
    for queue in [QueueIndex(0), QueueIndex(1)] {
        equal("the base", driver.device().vring_base(queue)?, VringBase::SPLIT_START)?;
    }
    driver.restart()?;
    echoes(&mut driver, 0, &frame(2, 100))
}

// ABI-STATUS-3, ABI-CTRL-3
fn forgets_active_pairs(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    echoes(&mut driver, 1, &frame(1, 100))?;
    driver.device().reset()?;
    driver.negotiate()?;
    driver.setup_queues()?;
    driver.start()?;
    driver.send(1, &[&frame(2, 100)])?;
    driver.tx(1).kick()?;
    quiet();
    equal("used chains of the inactive pair", driver.tx(1).used_count(), 0)?;
    echoes(&mut driver, 0, &frame(3, 100))
}

fn stops_the_device(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    let sent = frame(2, 1500);
    driver.send(0, &[&sent[..]; 10])?;
    driver.device().reset()?;
    // From here on it touches nothing: neither rings nor buffers, kicked or not.
    let regions: Vec<_> = driver.leases().iter().map(|lease| lease.region().clone()).collect();
    let before: Vec<_> = regions.iter().map(|region| region.bytes(0, region.len())).collect();
    driver.tx(0).kick()?;
    quiet();
    for (region, before) in regions.iter().zip(&before) {
        crate::check::same("memory after a reset", &region.bytes(0, region.len()), before)?;
    }
    Ok(())
}
