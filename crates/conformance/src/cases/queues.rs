//! The limits of vrings.

use std::os::fd::AsFd;

use vhost_accel_driver::core::{
    Capabilities, Error, Invalid, Iova, Kick, Operation, QueueIndex, Reason, Subject, Vring,
    VringBase,
};
use vhost_accel_driver::{Config, Event, Guest, NetDriver, Queue};

use super::{moved, small, watch};
use crate::case::Case;
use crate::check::{
    all_echo, arrives, echoes, equal, eventually, fails, faulted, quiet, received, signalled,
    silent,
};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("queues::an_index_out_of_range_is_refused", an_index_out_of_range),
    Case::new("queues::sizes_that_cannot_be_are_refused", sizes_that_cannot_be),
    Case::new("queues::misaligned_parts_are_refused", misaligned_parts),
    Case::new("queues::one_bad_vring_sets_none_up", one_bad_vring_sets_none_up),
    Case::new("queues::an_unmapped_descriptor_table_is_a_fault", unmapped_descriptor_table),
    Case::new("queues::an_unmapped_available_ring_is_a_fault", unmapped_available_ring),
    Case::new("queues::an_unmapped_used_ring_is_a_fault", unmapped_used_ring),
    Case::new("queues::every_size_works", every_size_works),
    Case::new("queues::a_disabled_vring_waits", a_disabled_vring_waits)
        .needing(Capabilities::VIRTIO_STATUS),
    Case::new("queues::a_vring_can_be_disabled_and_enabled", disable_and_enable)
        .needing(Capabilities::VIRTIO_STATUS),
    Case::new("queues::setting_up_again_replaces_everything", setting_up_again)
        .needing(Capabilities::VIRTIO_STATUS),
    Case::new("queues::a_polled_vring_needs_no_call", a_polled_vring_needs_no_call),
];

#[track_caller]
fn invalid<T>(
    result: Result<T, Error>,
    operation: Operation,
    queue: QueueIndex,
    want: Invalid,
) -> Result<(), Stop> {
    let error = fails("what no device could accept", result)?;
    equal("the operation", error.operation(), operation)?;
    equal("the subject", error.subject(), Subject::Queue(queue))?;
    match error.reason() {
        Reason::Invalid(got) => equal("the reason", *got, want),
        reason => equal("the reason", reason.to_string(), want.to_string()),
    }
}

fn an_index_out_of_range(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = NetDriver::open(target.open()?, small())?;
    driver.map()?;
    driver.negotiate()?;
    let count = target.info()?.queue_count;
    let mut guest = Guest::new(small(), count)?;
    let call = Event::new()?;
    for queue in [QueueIndex(count), QueueIndex(u16::MAX)] {
        let want = Invalid::Queue(count);
        let vring = guest.rx(0).ring().vring(queue);
        let device = driver.device();
        invalid(device.setup_vring(&vring), Operation::SetupVring, queue, want)?;
        invalid(device.enable_vring(queue, true), Operation::EnableVring, queue, want)?;
        invalid(device.vring_base(queue), Operation::GetVringBase, queue, want)?;
        invalid(device.set_call(queue, Some(call.as_fd())), Operation::SetCall, queue, want)?;
        invalid(device.kicker(queue, Kick::Best), Operation::MakeKicker, queue, want)?;
        if target.has(Capabilities::ERROR_EVENT)? {
            let set = device.set_error(queue, Some(call.as_fd()));
            invalid(set, Operation::SetError, queue, want)?;
        }
    }
    // The last one is there.
    Ok(driver.device().set_call(QueueIndex(count - 1), Some(call.as_fd()))?)
}

/// A device to set vrings up on, and a guest that has them.
fn fresh(target: &Target<'_>) -> Result<(NetDriver, Guest), Stop> {
    let mut driver = NetDriver::open(target.open()?, small())?;
    driver.map()?;
    driver.negotiate()?;
    Ok((driver, Guest::new(small(), target.info()?.queue_count)?))
}

/// No vring is set up on the device: it can't start.
#[track_caller]
fn none_is_set_up(driver: &mut NetDriver) -> Result<(), Stop> {
    let error = fails("a start without a vring", driver.device().start())?;
    equal("the reason", error.reason().to_string(), Reason::NoVrings.to_string())
}

fn sizes_that_cannot_be(target: &Target<'_>) -> Result<(), Stop> {
    let (mut driver, mut guest) = fresh(target)?;
    let max = target.info()?.max_queue_size;
    let vring = guest.rx(0).vring();
    let sizes = [0, 3, 12, max.saturating_mul(2), max.saturating_add(1), u16::MAX];
    for size in sizes {
        let bad = Vring::new(vring.queue, size, vring.desc, vring.avail, vring.used);
        let set = driver.device().setup_vring(&bad);
        invalid(set, Operation::SetupVring, vring.queue, Invalid::QueueSize(max))?;
    }
    none_is_set_up(&mut driver)?;
    Ok(driver.device().setup_vring(&vring)?)
}

fn misaligned_parts(target: &Target<'_>) -> Result<(), Stop> {
    let (mut driver, mut guest) = fresh(target)?;
    let vring = guest.rx(0).vring();
    let bad = [
        ([8, 0, 0], "descriptor table", 16),
        ([1, 0, 0], "descriptor table", 16),
        ([0, 1, 0], "available ring", 2),
        ([0, 0, 2], "used ring", 4),
        ([0, 0, 1], "used ring", 4),
    ];
    for (off, part, align) in bad {
        let bad = moved(&vring, off);
        let set = driver.device().setup_vring(&bad);
        let want = Invalid::Alignment { part, align };
        invalid(set, Operation::SetupVring, vring.queue, want)?;
    }
    none_is_set_up(&mut driver)?;
    Ok(driver.device().setup_vring(&vring)?)
}

fn one_bad_vring_sets_none_up(target: &Target<'_>) -> Result<(), Stop> {
    let (mut driver, mut guest) = fresh(target)?;
    let good = guest.rx(0).vring();
    let bad = Vring::new(QueueIndex(1), 3, good.desc, good.avail, good.used);
    fails("a bad vring among good ones", driver.device().setup_vrings(&[good, bad]))?;
    none_is_set_up(&mut driver)?;
    let error = fails("enabling", driver.device().enable_vring(good.queue, true))?;
    equal("the reason", error.reason().to_string(), Invalid::NotSetUp.to_string())
}

/// Where nothing is mapped.
const NOWHERE: Iova = Iova(0x7_0000_0000);

/// Sets the first transmit queue up with a part that isn't mapped; the second pair must not care.
// ABI-SETUP-5, ABI-FAULT-16
fn unmapped_part(target: &Target<'_>, change: impl FnOnce(&mut Vring<'_>)) -> Result<(), Stop> {
    let mut driver = target.driver(super::small_pairs(2))?;
    driver.setup()?;
    let config = watch(&mut driver)?;
    let mut vring = driver.tx(0).polled_vring();
    change(&mut vring);
    let call = Event::new()?;
    vring.call = Some(call.as_fd());
    driver.device().setup_vring(&vring)?;
    let before = driver.tx(0).ring().used_bytes();
    driver.tx(0).want_calls(true);
    driver.send(0, &[&frame(1, 100)])?;
    driver.start()?;
    driver.tx(0).kick()?;
    faulted(&mut driver, &config)?;
    driver.set_pairs(2)?;
    echoes(&mut driver, 1, &frame(2, 100))?;
    equal("the used ring", driver.tx(0).ring().used_bytes(), before)?;
    equal("calls of the stopped vring", call.take()?, 0)
}

fn unmapped_descriptor_table(target: &Target<'_>) -> Result<(), Stop> {
    unmapped_part(target, |vring| vring.desc = NOWHERE)
}

fn unmapped_available_ring(target: &Target<'_>) -> Result<(), Stop> {
    unmapped_part(target, |vring| vring.avail = NOWHERE)
}

fn unmapped_used_ring(target: &Target<'_>) -> Result<(), Stop> {
    unmapped_part(target, |vring| vring.used = NOWHERE)
}

// ABI-VRING-3
fn every_size_works(target: &Target<'_>) -> Result<(), Stop> {
    let max = target.info()?.max_queue_size;
    for order in 0..=max.ilog2() {
        let config = Config { queue_size: 1 << order, ..Config::default() };
        let mut driver = target.running(config)?;
        // One at a time, then as many as there is room for.
        for seed in 0..5 {
            echoes(&mut driver, 0, &frame(seed, 60 + order as usize))?;
        }
        let frames: Vec<_> = (0..2 << order).map(|seed| frame(seed, 60)).collect();
        all_echo(&mut driver, 0, &frames)?;
    }
    Ok(())
}

// ABI-RUN-1, ABI-RUN-2, ABI-RUN-4
fn a_disabled_vring_waits(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small())?;
    driver.map()?;
    driver.negotiate()?;
    let vrings: Vec<_> = driver.queues().map(Queue::polled_vring).collect();
    for vring in vrings {
        let waits = vring.queue == QueueIndex(1);
        driver.device().setup_vring(&if waits { vring.disabled() } else { vring })?;
    }
    driver.make_kickers()?;
    driver.start()?;
    let sent = frame(3, 100);
    driver.send(0, &[&sent])?;
    driver.tx(0).kick()?;
    quiet();
    equal("used chains of a disabled vring", driver.tx(0).used_count(), 0)?;
    driver.device().enable_vring(QueueIndex(1), true)?;
    // The device looks at the ring once when it is enabled.
    eventually("a frame arrives", || driver.rx(0).has_used())?;
    received(&mut driver, 0, &[&sent])
}

// ABI-RUN-1, ABI-RUN-4
fn disable_and_enable(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    let tx = QueueIndex(1);
    driver.device().enable_vring(tx, false)?;
    let used = driver.tx(0).ring().used_index();
    let (second, third) = (frame(2, 100), frame(3, 200));
    driver.send(0, &[&second, &third])?;
    driver.tx(0).kick()?;
    quiet();
    equal("the used index while disabled", driver.tx(0).ring().used_index(), used)?;
    driver.device().enable_vring(tx, true)?;
    eventually("both frames arrive", || driver.rx(0).used_count() == 2)?;
    received(&mut driver, 0, &[&second, &third])?;
    // A reset forgets that it was disabled.
    driver.device().enable_vring(tx, false)?;
    driver.restart()?;
    echoes(&mut driver, 0, &frame(4, 100))
}

/// Size, base, addresses, call and whether it is enabled: the last setup is what holds.
fn setting_up_again(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small())?;
    driver.setup()?;
    let good = driver.tx(0).polled_vring();
    let call = Event::new()?;
    let other = Vring::new(good.queue, 4, NOWHERE, NOWHERE, NOWHERE);
    let other = other.with_base(VringBase::split(99)).with_call(Some(call.as_fd())).disabled();
    driver.device().setup_vring(&other)?;
    equal("the base", driver.device().vring_base(QueueIndex(1))?, VringBase::split(99))?;
    driver.device().setup_vring(&good)?;
    equal("the base", driver.device().vring_base(QueueIndex(1))?, VringBase::SPLIT_START)?;
    driver.start()?;
    driver.tx(0).want_calls(true);
    // More than the other size holds.
    let frames: Vec<_> = (0..12).map(|seed| frame(seed, 100)).collect();
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    equal("frames sent", driver.send(0, &all)?, 12)?;
    eventually("all frames arrive", || driver.rx(0).used_count() == 12)?;
    received(&mut driver, 0, &all)?;
    eventually("all chains come back", || driver.tx(0).used_count() == 12)?;
    silent("the call that was not set up again", &call)?;
    equal("the call before it", driver.tx(0).call().take()?, 0)
}

// ABI-CALL-4
fn a_polled_vring_needs_no_call(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small())?;
    driver.setup()?;
    for queue in [0, 1] {
        driver.device().set_call(QueueIndex(queue), None)?;
    }
    driver.start()?;
    let sent = frame(4, 333);
    driver.rx(0).want_calls(true);
    driver.send(0, &[&sent])?;
    eventually("a frame arrives", || driver.rx(0).has_used())?;
    equal("signals of the call that was removed", driver.rx(0).call().take()?, 0)?;
    received(&mut driver, 0, &[&sent])?;
    let call = Event::new()?;
    driver.device().set_call(QueueIndex(0), Some(call.as_fd()))?;
    driver.rx(0).want_calls(true);
    driver.send(0, &[&sent])?;
    signalled("the call that was set while running", &call)?;
    arrives(&mut driver, 0, &sent)
}
