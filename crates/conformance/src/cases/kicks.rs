//! Kicks.

use std::os::fd::AsFd;
use std::time::Duration;

use vhost_accel_core::{Capabilities, Features, Kick, KickKind, QueueIndex};

use super::{small, small_pairs};
use crate::case::Case;
use crate::check::{Stop, arrives, equal, eventually, holds, quiet, received};
use crate::driver::{Config, Event, NetDriver};
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
    Case::new("kicks::each_vring_has_its_own", each_vring_has_its_own),
    Case::new("kicks::a_doorbell_carries_notification_data", notification_data).needing(DOORBELL),
    Case::new("kicks::any_thread_may_kick", any_thread_may_kick),
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

/// Gives the device time to find every ring empty: after a start, or work, it looks by itself.
fn settle() {
    quiet();
}

/// Publishes a frame and leaves the kick to the caller.
fn publish(driver: &mut NetDriver, sent: &[u8]) -> Result<(), Stop> {
    eventually("room in the transmit queue", || matches!(driver.queue_frames(0, &[sent]), Ok(1)))?;
    driver.tx(0).publish();
    Ok(())
}

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
    settle();
    let sent = frame(1, 60);
    publish(&mut driver, &sent)?;
    match old.kick() {
        Ok(()) => {
            holds("a region write says that its device is gone", kind != KickKind::RegionWrite)?
        }
        Err(error) => equal("the errno", error.raw_os_error(), Some(libc::ENODEV))?,
    }
    quiet();
    equal("chains used for the old kicker", driver.tx(0).used_count(), 0)?;
    driver.tx(0).kick()?;
    arrives(&mut driver, 0, &sent)
}

fn nothing_moves_without_one(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    settle();
    let sent = frame(1, 60);
    publish(&mut driver, &sent)?;
    quiet();
    equal("chains used without a kick", driver.tx(0).used_count(), 0)?;
    driver.tx(0).kick()?;
    arrives(&mut driver, 0, &sent)
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

fn the_latest_eventfd_is_used(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(with(KickKind::EventFd))?;
    let old = Event::new()?;
    driver.device().kicker(QueueIndex(1), Kick::EventFd(old.as_fd()))?;
    driver.make_kickers()?;
    settle();
    let sent = frame(1, 60);
    publish(&mut driver, &sent)?;
    old.signal()?;
    quiet();
    equal("chains used for the eventfd that was replaced", driver.tx(0).used_count(), 0)?;
    driver.tx(0).kick()?;
    arrives(&mut driver, 0, &sent)
}

fn each_vring_has_its_own(target: &Target<'_>) -> Result<(), Stop> {
    for kind in KickKind::ALL {
        if !target.has(kind.capability())? {
            continue;
        }
        let config = Config { kick: Some(kind), ..small_pairs(2) };
        let mut driver = target.running(config)?;
        let frames = [frame(1, 60), frame(2, 60)];
        settle();
        for (pair, frame) in (0..).zip(&frames) {
            driver.queue_frames(pair, &[frame])?;
            driver.tx(pair).publish();
        }
        driver.tx(1).kick()?;
        arrives(&mut driver, 1, &frames[1])?;
        quiet();
        equal("chains used on the pair that was not kicked", driver.tx(0).used_count(), 0)?;
        driver.tx(0).kick()?;
        arrives(&mut driver, 0, &frames[0])?;
    }
    Ok(())
}

fn notification_data(target: &Target<'_>) -> Result<(), Stop> {
    let mut config = with(KickKind::Doorbell);
    config.features |= Features::NOTIFICATION_DATA;
    // A base at which the 32 bits take the value that stands for an idle doorbell, but for its vring.
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
