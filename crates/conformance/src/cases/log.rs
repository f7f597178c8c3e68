//! The dirty log.

use std::collections::BTreeSet;

use vhost_accel_driver::core::{Capabilities, Features, Invalid, Reason};
use vhost_accel_driver::{Config, DirtyLog, NetDriver};

use super::small;
use crate::case::Case;
use crate::check::{echoes, equal, eventually, fails, holds, quiet, received};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

const fn case(name: &'static str, run: fn(&Target<'_>) -> Result<(), Stop>) -> Case {
    Case::new(name, run).needing(Capabilities::DIRTY_LOG)
}

pub(super) const CASES: &[Case] = &[
    case("log::it_holds_the_pages_that_were_written", the_pages_that_were_written),
    case("log::a_frame_over_several_pages_marks_each", several_pages),
    case("log::it_can_start_while_running", it_can_start_while_running),
    case("log::it_can_stop", it_can_stop),
    case("log::it_can_move", it_can_move),
    case("log::reset_ends_it", reset_ends_it),
    case("log::one_that_is_too_short_is_refused", too_short),
];

/// The page of an address, as the log counts.
const PAGE: u64 = 4096;

/// The pages of the used rings, of which a device may touch flags and events at any time.
fn used_rings(driver: &NetDriver) -> BTreeSet<u64> {
    let rings = driver.queues().map(|queue| queue.ring().used_iova().0 / PAGE);
    rings.collect()
}

/// The pages that a frame of `len` bytes in the first receive buffers from `slot` on must mark: the
/// buffers', and the used rings' of its pair.
fn written(driver: &mut NetDriver, slot: u16, len: usize) -> BTreeSet<u64> {
    let first = driver.rx(0).buffer_iova(slot).0;
    let last = first + (len + vhost_accel_driver::HEADER - 1) as u64;
    let mut pages: BTreeSet<u64> = (first / PAGE..=last / PAGE).collect();
    pages.insert(driver.rx(0).ring().used_iova().0 / PAGE);
    pages.insert(driver.tx(0).ring().used_iova().0 / PAGE);
    pages
}

/// What is marked is what was written, and used rings at most.
#[track_caller]
fn marked(driver: &mut NetDriver, log: &DirtyLog, want: &BTreeSet<u64>) -> Result<(), Stop> {
    eventually("every page that was written is marked", || {
        want.is_subset(&log.pages().into_iter().collect())
    })?;
    let extra: BTreeSet<u64> = log.pages().into_iter().collect();
    let allowed = used_rings(driver);
    let extra: Vec<_> = extra.difference(want).filter(|page| !allowed.contains(page)).collect();
    equal("pages marked that were not written", extra, Vec::<&u64>::new())
}

// ABI-LOG-1, ABI-LOG-2
fn the_pages_that_were_written(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(Config { rx_buffer: 4096, ..small() })?;
    driver.setup()?;
    let log = DirtyLog::new()?;
    driver.machine().log(Some(&log))?;
    let features = driver.device().negotiated();
    holds("LOG_ALL", features.is_some_and(|features| features.contains(Features::LOG_ALL)))?;
    driver.start()?;
    equal(
        "pages before any traffic",
        {
            let used = used_rings(&driver);
            log.pages().into_iter().filter(|page| !used.contains(page)).count()
        },
        0,
    )?;
    let mut want = BTreeSet::new();
    for slot in 0..3 {
        echoes(&mut driver, 0, &frame(slot.into(), 100))?;
        want.extend(written(&mut driver, slot, 100));
        marked(&mut driver, &log, &want)?;
    }
    Ok(())
}

/// By the library: the kernel doesn't know how long it is.
fn too_short(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small())?;
    driver.setup()?;
    let before = target.crossings();
    let error = fails("a log of one page's bits", driver.machine().log(Some(&DirtyLog::of(8)?)))?;
    equal("crossings of a mistake", target.crossings(), before)?;
    let uncovered = matches!(error.reason(), Reason::Invalid(Invalid::Uncovered { .. }));
    holds("it says what isn't covered", uncovered)?;
    // Nothing has changed.
    let features = driver.device().negotiated();
    holds("no LOG_ALL", features.is_some_and(|features| !features.contains(Features::LOG_ALL)))?;
    driver.machine().log(Some(&DirtyLog::new()?))?;
    driver.start()?;
    echoes(&mut driver, 0, &frame(1, 100))
}

// ABI-LOG-1, ABI-LOG-2
fn several_pages(target: &Target<'_>) -> Result<(), Stop> {
    // The third buffer begins in the middle of a page and the frame ends in the fourth.
    let config = Config { rx_buffer: 10240, tx_buffer: 9216, ..small() };
    let mut driver = target.running(config)?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    let log = DirtyLog::new()?;
    driver.machine().log(Some(&log))?;
    echoes(&mut driver, 0, &frame(2, 9000))?;
    let want = written(&mut driver, 1, 9000);
    equal("pages of the buffer", want.len(), 2 + 3)?;
    marked(&mut driver, &log, &want)
}

// ABI-LOG-5
fn it_can_start_while_running(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(Config { rx_buffer: 4096, ..small() })?;
    for seed in 0..3 {
        echoes(&mut driver, 0, &frame(seed, 100))?;
    }
    eventually("the chains come back", || driver.tx(0).ring().used_index() == 3)?;
    let log = DirtyLog::new()?;
    driver.machine().log(Some(&log))?;
    echoes(&mut driver, 0, &frame(3, 100))?;
    let want = written(&mut driver, 3, 100);
    marked(&mut driver, &log, &want)?;
    // What was read and cleared is marked again when it is written again.
    log.clear();
    for seed in 4..20 {
        echoes(&mut driver, 0, &frame(seed, 100))?;
    }
    let want: BTreeSet<u64> = (0..16).flat_map(|slot| written(&mut driver, slot, 100)).collect();
    marked(&mut driver, &log, &want)
}

// ABI-LOG-5
fn it_can_stop(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let log = DirtyLog::new()?;
    driver.machine().log(Some(&log))?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    let want = written(&mut driver, 0, 100);
    marked(&mut driver, &log, &want)?;
    driver.machine().log(None)?;
    let features = driver.device().negotiated();
    holds("no LOG_ALL", features.is_some_and(|features| !features.contains(Features::LOG_ALL)))?;
    log.clear();
    echoes(&mut driver, 0, &frame(2, 100))?;
    quiet();
    equal("pages after it was stopped", log.pages(), Vec::<u64>::new())
}

fn it_can_move(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(Config { rx_buffer: 4096, ..small() })?;
    let (old, new) = (DirtyLog::new()?, DirtyLog::new()?);
    driver.machine().log(Some(&old))?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    let want = written(&mut driver, 0, 100);
    marked(&mut driver, &old, &want)?;
    driver.machine().log(Some(&new))?;
    old.clear();
    echoes(&mut driver, 0, &frame(2, 100))?;
    let want = written(&mut driver, 1, 100);
    marked(&mut driver, &new, &want)?;
    equal("pages of the old log", old.pages(), Vec::<u64>::new())
}

// ABI-STATUS-3
fn reset_ends_it(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let log = DirtyLog::new()?;
    driver.machine().log(Some(&log))?;
    driver.restart()?;
    log.clear();
    let sent = frame(1, 100);
    driver.send(0, &[&sent])?;
    eventually("a frame arrives", || driver.rx(0).has_used())?;
    received(&mut driver, 0, &[&sent])?;
    quiet();
    equal("pages after a reset", log.pages(), Vec::<u64>::new())
}
