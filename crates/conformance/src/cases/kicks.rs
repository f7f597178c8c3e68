//! Kicks.

use std::os::fd::AsFd;
use std::time::Duration;

use vhost_accel_driver::core::{
    Capabilities, DoorbellArea, DoorbellLayout, Features, Kick, KickKind, QueueIndex, page_size,
};
use vhost_accel_driver::{Config, Event, NetDriver};

use super::{small, small_pairs};
use crate::case::Case;
use crate::check::{arrives, equal, eventually, holds, quiet, received};
use crate::outcome::{Cause, Failure, Stop};
use crate::random::frame;
use crate::target::Target;

const DOORBELL: Capabilities = Capabilities::KICK_DOORBELL;
const EVENTFD: Capabilities = Capabilities::KICK_EVENTFD;
const WRITE: Capabilities = Capabilities::KICK_REGION_WRITE;

pub(super) const CASES: &[Case] = &[
    Case::new("kicks::the_best_is_the_first_of_the_order", the_best_is_the_first),
    Case::new("kicks::a_doorbell_wakes", |target| wakes(target, KickKind::Doorbell))
        .needing(DOORBELL),
    Case::new("kicks::an_eventfd_wakes", |target| wakes(target, KickKind::EventFd))
        .needing(EVENTFD),
    Case::new("kicks::a_region_write_wakes", |target| wakes(target, KickKind::RegionWrite))
        .needing(WRITE),
    Case::new("kicks::a_doorbell_before_the_start_is_not_lost", |target| {
        before_the_start(target, KickKind::Doorbell)
    })
    .needing(DOORBELL),
    Case::new("kicks::an_eventfd_before_the_start_is_not_lost", |target| {
        before_the_start(target, KickKind::EventFd)
    })
    .needing(EVENTFD),
    Case::new("kicks::a_region_write_before_the_start_is_not_lost", |target| {
        before_the_start(target, KickKind::RegionWrite)
    })
    .needing(WRITE),
    Case::new("kicks::a_doorbell_outlives_no_device", |target| {
        outlives_no_device(target, KickKind::Doorbell)
    })
    .needing(DOORBELL),
    Case::new("kicks::an_eventfd_outlives_no_device", |target| {
        outlives_no_device(target, KickKind::EventFd)
    })
    .needing(EVENTFD),
    Case::new("kicks::a_region_write_outlives_no_device", |target| {
        outlives_no_device(target, KickKind::RegionWrite)
    })
    .needing(WRITE),
    Case::new("kicks::nothing_moves_without_one", nothing_moves_without_one),
    Case::new("kicks::ones_own_eventfd_is_used", ones_own_eventfd_is_used).needing(EVENTFD),
    Case::new("kicks::the_latest_eventfd_is_used", the_latest_eventfd_is_used).needing(EVENTFD),
    Case::new("kicks::one_that_its_sender_takes_back_counts", taken_back).needing(EVENTFD),
    Case::new("kicks::each_vring_has_its_own", each_vring_has_its_own),
    Case::new("kicks::a_doorbell_carries_notification_data", notification_data).needing(DOORBELL),
    Case::new("kicks::any_thread_may_kick", any_thread_may_kick),
    Case::new("kicks::a_doorbell_can_be_mapped_by_others", mapped_by_others).needing(DOORBELL),
];

/// The idle time after which the device has gone back to waiting (it polls for 50 µs).
const IDLE: Duration = Duration::from_millis(1);

fn with(kind: KickKind) -> Config {
    Config { kick: Some(kind), ..small() }
}

fn the_best_is_the_first(target: &Target<'_>) -> Result<(), Stop> {
    let mut device = target.open()?;
    let capabilities = device.info().capabilities;
    let first = KickKind::ALL.into_iter().find(|kind| capabilities.contains(kind.capability()));
    let kicker = device.kicker(QueueIndex(1), Kick::Best)?;
    equal("the kind", Some(kicker.kind()), first)?;
    equal("the vring", kicker.queue(), QueueIndex(1))
}

/// Who has the fd and the page's offset maps it for itself, and kicks that vring.
fn mapped_by_others(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(with(KickKind::Doorbell))?;
    let queue = driver.tx(0).index();
    let ours = driver.tx(0).kicker()?.as_doorbell().cloned();
    let ours = ours.ok_or_else(|| Failure::stop(Cause::Untrue("a kicker by doorbell")))?;
    equal("the vring", ours.queue(), queue)?;
    let first = ours.offset() - u64::from(queue.0) * page_size() as u64;
    let layout = DoorbellLayout::new(first, queue.0 + 1, false);
    let mut theirs = DoorbellArea::new(layout);
    let device = driver.device();
    let fd = device.device_fd();
    let fd = fd.ok_or_else(|| Failure::stop(Cause::Untrue("the device's fd")))?;
    let bell = theirs.doorbell(fd, queue).map_err(Stop::from)?;
    for seed in 0..20 {
        std::thread::sleep(IDLE);
        let sent = frame(seed, 60);
        publish(&mut driver, &sent)?;
        bell.ring();
        arrives(&mut driver, 0, &sent)?;
    }
    Ok(())
}

/// Publishes a frame and leaves the kick to the caller.
fn publish(driver: &mut NetDriver, sent: &[u8]) -> Result<(), Stop> {
    eventually("room in the transmit queue", || matches!(driver.queue_frames(0, &[sent]), Ok(1)))?;
    driver.tx(0).publish();
    Ok(())
}

/// A frame is published and `act` done, which is to be no kick: the frame stays until one comes.
///
/// A device may look at a ring of its own accord, and does for a moment after a start and after
/// work. On a busy machine that moment can be long, so a frame that moved is tried again; a kick
/// moves every one.
#[track_caller]
fn unmoved(
    driver: &mut NetDriver,
    what: &'static str,
    mut act: impl FnMut() -> Result<(), Stop>,
) -> Result<(), Stop> {
    for seed in 0..10 {
        quiet();
        let sent = frame(seed, 60);
        let used = driver.tx(0).ring().used_index();
        publish(driver, &sent)?;
        act()?;
        quiet();
        let moved = driver.tx(0).ring().used_index() != used;
        driver.tx(0).kick()?;
        arrives(driver, 0, &sent)?;
        if !moved {
            return Ok(());
        }
    }
    holds(what, false)
}

// ABI-BELL-2, ABI-BELL-6
fn wakes(target: &Target<'_>, kind: KickKind) -> Result<(), Stop> {
    let mut driver = target.running(with(kind))?;
    equal("the kind", driver.tx(0).kicker()?.kind(), kind)?;
    for seed in 0..20 {
        std::thread::sleep(IDLE);
        let sent = frame(seed, 60);
        publish(&mut driver, &sent)?;
        driver.tx(0).kick()?;
        arrives(&mut driver, 0, &sent)?;
    }
    Ok(())
}

// ABI-RUN-1, ABI-RUN-3
fn before_the_start(target: &Target<'_>, kind: KickKind) -> Result<(), Stop> {
    let mut driver = target.driver(with(kind))?;
    driver.setup()?;
    let sent = frame(1, 60);
    publish(&mut driver, &sent)?;
    driver.tx(0).kick()?;
    quiet();
    equal("used chains before the start", driver.tx(0).used_count(), 0)?;
    driver.start()?;
    arrives(&mut driver, 0, &sent)
}

/// A kicker of a device that is gone: it doesn't keep the device open, and reaches nobody.
fn outlives_no_device(target: &Target<'_>, kind: KickKind) -> Result<(), Stop> {
    let mut first = target.running(with(kind))?;
    let kick = Kick::Kind(kind);
    let old = first.device().kicker(QueueIndex(1), kick)?;
    drop(first);
    let mut driver = target.running(with(kind))?;
    unmoved(&mut driver, "the kicker of a device that is gone moves nothing", || match old.kick() {
        Ok(()) => holds("a region write says ENODEV", kind != KickKind::RegionWrite),
        Err(error) => equal("the errno", error.raw_os_error(), Some(libc::ENODEV)),
    })
}

fn nothing_moves_without_one(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    unmoved(&mut driver, "nothing moves without a kick", || Ok(()))
}

/// As KVM does it: whoever signals the eventfd kicks.
fn ones_own_eventfd_is_used(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(with(KickKind::EventFd))?;
    let own = Event::new()?;
    let kicker = driver.device().kicker(QueueIndex(1), Kick::EventFd(own.as_fd()))?;
    equal("the kind", kicker.kind(), KickKind::EventFd)?;
    for seed in 0..5 {
        let sent = frame(seed, 60);
        publish(&mut driver, &sent)?;
        if seed % 2 == 0 {
            own.signal()?;
        } else {
            kicker.kick()?;
        }
        arrives(&mut driver, 0, &sent)?;
    }
    Ok(())
}

// ABI-REQ-18
fn the_latest_eventfd_is_used(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(with(KickKind::EventFd))?;
    let old = Event::new()?;
    driver.device().kicker(QueueIndex(1), Kick::EventFd(old.as_fd()))?;
    driver.make_kickers()?;
    unmoved(&mut driver, "an eventfd that was replaced moves nothing", || Ok(old.signal()?))
}

/// Whoever reads a kick eventfd again at once: the kick was there.
// ABI-DIFF-10
fn taken_back(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(with(KickKind::EventFd))?;
    let own = Event::new()?;
    driver.device().kicker(QueueIndex(1), Kick::EventFd(own.as_fd()))?;
    for seed in 0..300 {
        let sent = frame(seed, 60);
        publish(&mut driver, &sent)?;
        own.signal()?;
        own.take()?;
        arrives(&mut driver, 0, &sent)?;
        if seed % 10 == 0 {
            std::thread::sleep(IDLE); // so that the device sleeps
        }
    }
    Ok(())
}

// ABI-BELL-1
fn each_vring_has_its_own(target: &Target<'_>) -> Result<(), Stop> {
    for kind in KickKind::ALL {
        if !target.has(kind.capability())? {
            continue;
        }
        let config = Config { kick: Some(kind), ..small_pairs(2) };
        let mut driver = target.running(config)?;
        let other = driver.device().kicker(QueueIndex(3), Kick::Kind(kind))?;
        unmoved(&mut driver, "a kick of another pair moves nothing", || Ok(other.kick()?))?;
        // It was the right one for its own.
        let sent = frame(100, 60);
        driver.queue_frames(1, &[&sent])?;
        driver.tx(1).publish();
        other.kick()?;
        arrives(&mut driver, 1, &sent)?;
    }
    Ok(())
}

// ABI-BELL-3
fn notification_data(target: &Target<'_>) -> Result<(), Stop> {
    let mut config = with(KickKind::Doorbell);
    config.features |= Features::NOTIFICATION_DATA;
    // A base at which the 32 bits take the value that stands for an idle doorbell, but for its
    // vring.
    config.base = 0xfffa;
    let mut driver = target.running(config)?;
    holds("negotiated", driver.features().contains(Features::NOTIFICATION_DATA))?;
    for seed in 0..20 {
        std::thread::sleep(IDLE);
        let sent = frame(seed, 60);
        publish(&mut driver, &sent)?;
        driver.tx(0).kick()?;
        arrives(&mut driver, 0, &sent)?;
    }
    Ok(())
}

fn any_thread_may_kick(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let kicker = driver.device().kicker(QueueIndex(1), Kick::Best)?;
    let sent = frame(1, 60);
    publish(&mut driver, &sent)?;
    std::thread::scope(|scope| scope.spawn(|| kicker.kick()).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    eventually("a frame arrives", || driver.rx(0).has_used())?;
    received(&mut driver, 0, &[&sent])
}
