//! Calls, error events and config-change events.

use std::fs::File;
use std::os::fd::AsFd;

use vhost_accel_driver::core::{Capabilities, Features, Operation, QueueIndex, Status, Subject};
use vhost_accel_driver::{Config, Descriptor, Event, NetDriver};

use super::{small, small_pairs, watch};
use crate::case::Case;
use crate::check::{
    arrives, echoes, equal, eventually, faulted, holds, received, refused, sends, signalled, silent,
};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

const ERROR: Capabilities = Capabilities::ERROR_EVENT;

pub(super) const CASES: &[Case] = &[
    Case::new("events::a_call_comes_for_both_directions", a_call_comes),
    Case::new("events::a_call_can_be_replaced", a_call_can_be_replaced),
    Case::new("events::a_call_can_be_removed", a_call_can_be_removed),
    Case::new("events::what_is_no_eventfd_is_refused", what_is_no_eventfd_is_refused),
    Case::new("events::no_interrupt_means_no_call", no_interrupt_means_no_call),
    Case::new("events::a_call_waits_for_its_used_event", a_call_waits_for_its_used_event),
    Case::new("events::an_error_event_comes_for_its_vring", error_event).needing(ERROR),
    Case::new("events::an_error_event_can_be_replaced", error_event_replaced).needing(ERROR),
    Case::new("events::an_error_event_can_be_removed", error_event_removed).needing(ERROR),
    Case::new("events::a_config_change_comes_with_a_fault", config_change),
    Case::new("events::a_config_change_event_can_be_removed", config_change_removed),
    Case::new("events::traffic_is_no_config_change", traffic_is_no_config_change),
    Case::new("events::full_ones_hold_nobody_up", full_ones_hold_nobody_up),
];

const RX: QueueIndex = QueueIndex(0);
const TX: QueueIndex = QueueIndex(1);

/// Sends a frame with calls wanted for both directions, and waits in memory alone until it has
/// arrived and the transmit chain is back.
fn pass(driver: &mut NetDriver, seed: u64) -> Result<(), Stop> {
    let sent = frame(seed, 100);
    driver.rx(0).want_calls(true);
    driver.tx(0).want_calls(true);
    let used = driver.tx(0).ring().used_index();
    sends(driver, 0, &sent)?;
    eventually("a frame arrives", || driver.rx(0).has_used())?;
    eventually("the chain comes back", || driver.tx(0).ring().used_index() != used)?;
    received(driver, 0, &[&sent])
}

// ABI-CALL-1
fn a_call_comes(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    for seed in 0..5 {
        pass(&mut driver, seed)?;
        signalled("the call of the receive queue", driver.rx(0).call())?;
        signalled("the call of the transmit queue", driver.tx(0).call())?;
    }
    Ok(())
}

// ABI-CALL-4, ABI-REQ-18
fn a_call_can_be_replaced(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    pass(&mut driver, 0)?;
    signalled("the first call", driver.rx(0).call())?;
    let other = Event::new()?;
    driver.device().set_call(RX, Some(other.as_fd()))?;
    driver.rx(0).call().take()?;
    pass(&mut driver, 1)?;
    signalled("the call that was set last", &other)?;
    silent("the call that was replaced", driver.rx(0).call())
}

// ABI-CALL-4, ABI-REQ-17, ABI-VFIO-13
fn a_call_can_be_removed(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    pass(&mut driver, 0)?;
    signalled("the call", driver.rx(0).call())?;
    driver.device().set_call(RX, None)?;
    driver.rx(0).call().take()?;
    pass(&mut driver, 1)?;
    signalled("the call of the other vring", driver.tx(0).call())?;
    silent("the call that was removed", driver.rx(0).call())?;
    // What isn't there can be removed.
    driver.device().set_call(RX, None)?;
    let again = Event::new()?;
    driver.device().set_call(RX, Some(again.as_fd()))?;
    pass(&mut driver, 2)?;
    signalled("the call that was set again", &again)
}

// ABI-REQ-20
fn what_is_no_eventfd_is_refused(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let file = File::open("/dev/null")?;
    let set = driver.device().set_call(RX, Some(file.as_fd()));
    let error = refused("a call that is no eventfd", set, libc::EINVAL)?;
    equal("the operation", error.operation(), Operation::SetCall)?;
    equal("the subject", error.subject(), Subject::Queue(RX))?;
    let set = driver.device().set_config_call(Some(file.as_fd()));
    refused("a config-change event that is no eventfd", set, libc::EINVAL)?;
    if target.has(ERROR)? {
        let set = driver.device().set_error(RX, Some(file.as_fd()));
        refused("an error event that is no eventfd", set, libc::EINVAL)?;
    }
    pass(&mut driver, 0)?;
    signalled("the call from before", driver.rx(0).call())
}

// ABI-CALL-2
fn no_interrupt_means_no_call(target: &Target<'_>) -> Result<(), Stop> {
    let mut config = small();
    config.features -= Features::EVENT_IDX;
    let mut driver = target.running(config)?;
    driver.rx(0).want_calls(false);
    let sent = frame(1, 100);
    driver.send(0, &[&sent])?;
    eventually("a frame arrives", || driver.rx(0).has_used())?;
    silent("the call of a vring with NO_INTERRUPT", driver.rx(0).call())?;
    received(&mut driver, 0, &[&sent])?;
    echoes(&mut driver, 0, &sent)
}

// ABI-CALL-3
fn a_call_waits_for_its_used_event(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    holds("EVENT_IDX", driver.features().contains(Features::EVENT_IDX))?;
    // A call when the used index goes from 2 to 3: for the third frame.
    driver.rx(0).ring().set_used_event(2);
    for seed in 0..3 {
        silent("the call before its used_event", driver.rx(0).call())?;
        driver.send(0, &[&frame(seed, 100)])?;
        eventually("a frame arrives", || driver.rx(0).used_count() == seed as u16 + 1)?;
    }
    signalled("the call at its used_event", driver.rx(0).call())
}

/// Makes the first transmit queue stop.
fn spoil(driver: &mut NetDriver) -> Result<(), Stop> {
    let ring = driver.tx(0).ring();
    ring.set_desc(0, Descriptor::default().then(0));
    ring.set_avail(0, 0);
    ring.set_avail_index(1);
    Ok(driver.tx(0).kick()?)
}

// ABI-FAULT-16, ABI-FAULT-18
fn error_event(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    let config = watch(&mut driver)?;
    let events = [Event::new()?, Event::new()?, Event::new()?, Event::new()?];
    for (queue, event) in (0..).zip(&events) {
        driver.device().set_error(QueueIndex(queue), Some(event.as_fd()))?;
    }
    echoes(&mut driver, 0, &frame(1, 100))?;
    echoes(&mut driver, 1, &frame(2, 100))?;
    for event in &events {
        equal("error events of traffic", event.take()?, 0)?;
    }
    // The second pair's own queue is the one that stops here.
    let ring = driver.tx(1).ring();
    ring.set_avail(1, u16::MAX);
    ring.set_avail_index(2);
    driver.tx(1).kick()?;
    signalled("the error event of the vring that stopped", &events[3])?;
    faulted(&mut driver, &config)?;
    for event in &events[..3] {
        silent("the error event of another vring", event)?;
    }
    echoes(&mut driver, 0, &frame(3, 100))
}

// ABI-REQ-18
fn error_event_replaced(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let (old, new) = (Event::new()?, Event::new()?);
    driver.device().set_error(TX, Some(old.as_fd()))?;
    driver.device().set_error(TX, Some(new.as_fd()))?;
    spoil(&mut driver)?;
    signalled("the error event that was set last", &new)?;
    silent("the error event that was replaced", &old)
}

// ABI-REQ-17, ABI-VFIO-13
fn error_event_removed(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let config = watch(&mut driver)?;
    let event = Event::new()?;
    driver.device().set_error(TX, Some(event.as_fd()))?;
    driver.device().set_error(TX, None)?;
    spoil(&mut driver)?;
    faulted(&mut driver, &config)?;
    silent("the error event that was removed", &event)
}

// ABI-FAULT-19, ABI-FAULT-20
fn config_change(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let old = watch(&mut driver)?;
    let config = watch(&mut driver)?;
    spoil(&mut driver)?;
    faulted(&mut driver, &config)?;
    silent("the config-change event that was replaced", &old)
}

// ABI-REQ-17, ABI-VFIO-13
fn config_change_removed(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let config = watch(&mut driver)?;
    driver.device().set_config_call(None)?;
    spoil(&mut driver)?;
    let mut status = Ok(Status::empty());
    eventually("NEEDS_RESET", || {
        status = driver.device().status();
        !matches!(status, Ok(status) if !status.contains(Status::NEEDS_RESET))
    })?;
    status?;
    silent("the config-change event that was removed", &config)
}

fn traffic_is_no_config_change(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(Config { queue_size: 4, ..small() })?;
    let config = watch(&mut driver)?;
    for seed in 0..10 {
        let sent = frame(seed, 700);
        sends(&mut driver, 0, &sent)?;
        arrives(&mut driver, 0, &sent)?;
    }
    silent("the config-change event", &config)
}

/// Whoever shares an eventfd can fill its counter. That is its own affair.
// ABI-CALL-5
fn full_ones_hold_nobody_up(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    let [call, config, error] = [Event::full()?, Event::full()?, Event::full()?];
    driver.device().set_call(RX, Some(call.as_fd()))?;
    driver.device().set_config_call(Some(config.as_fd()))?;
    if target.has(ERROR)? {
        driver.device().set_error(TX, Some(error.as_fd()))?;
    }
    for seed in 0..5 {
        pass(&mut driver, seed)?;
    }
    spoil(&mut driver)?;
    let needs_reset = |driver: &mut NetDriver| matches!(driver.device().status(), Ok(status) if status.contains(Status::NEEDS_RESET));
    eventually("NEEDS_RESET", || needs_reset(&mut driver))?;
    echoes(&mut driver, 1, &frame(6, 100))?;
    holds("the call stays full", call.take()? >= u64::MAX - 1)?;
    holds("the config-change event stays full", config.take()? >= u64::MAX - 1)
}
