//! What can be mapped and unmapped. What the device makes of it is in `dma_faults`.

use std::sync::Arc;

use vhost_accel_driver::core::{
    Capabilities, Error, Invalid, Iova, IovaRange, Operation, Reason, Subject, page_size,
};
use vhost_accel_driver::{Lease, Machine, Region};

use super::small;
use crate::case::Case;
use crate::check::{arrives, equal, fails, healthy, holds, received, refused};
use crate::outcome::{Need, Stop};
use crate::random::frame;
use crate::target::Target;

const ERRNO: Capabilities = Capabilities::DMA_ERRNO;

pub(super) const CASES: &[Case] = &[
    Case::new("dma::the_limits_are_sound", the_limits_are_sound),
    Case::new("dma::the_limits_are_kept", the_limits_are_kept),
    Case::new("dma::outside_the_limits_is_refused", outside_the_limits),
    Case::new("dma::no_more_than_the_limit", no_more_than_the_limit),
    Case::new("dma::ranges_that_cannot_be_are_refused", ranges_that_cannot_be),
    Case::new("dma::overlap_is_refused", overlap_is_refused),
    Case::new("dma::unmapped_is_free_again", unmapped_is_free_again),
    Case::new("dma::an_unmap_of_nothing", an_unmap_of_nothing),
    Case::new("dma::an_unmap_before_any_mapping", an_unmap_before_any_mapping),
    Case::new("dma::an_unmap_cuts_nothing", an_unmap_cuts_nothing),
    Case::new("dma::an_unmap_may_span_several_and_gaps", an_unmap_may_span_several),
    Case::new("dma::many_are_mapped_as_one", many_are_mapped_as_one),
    Case::new("dma::all_or_none_is_mapped", all_or_none_is_mapped),
    Case::new("dma::mappings_end_with_the_device", mappings_end_with_the_device),
    Case::new("dma::an_update_swaps_mappings", an_update_swaps_mappings),
    Case::new("dma::an_update_that_fails_maps_nothing_new", an_update_that_fails),
    Case::new("dma::all_can_be_replaced", all_can_be_replaced),
    Case::new("dma::memory_in_use_is_updated_under_traffic", updated_under_traffic)
        .needing(Capabilities::SUSPEND.union(Capabilities::RESUME)),
];

/// Where these cases map: away from what a [`NetDriver`] maps, below the dirty log's end.
const BASE: Iova = Iova(6 << 30);

pub(super) fn page() -> u64 {
    page_size() as u64
}

/// The address `pages` pages behind [`BASE`].
pub(super) fn at(pages: u64) -> Iova {
    Iova(BASE.0 + pages * page())
}

/// `count` pages from there on.
pub(super) fn range(pages: u64, count: u64) -> IovaRange {
    IovaRange::new(at(pages), count * page())
}

/// Page `index` of a region at its own place behind [`BASE`].
pub(super) fn one(region: &Arc<Region>, index: u64) -> Lease {
    region.part(index as usize * page_size(), page_size(), at(index))
}

fn open(target: &Target<'_>) -> Result<Machine, Stop> {
    Ok(Machine::new(target.open()?))
}

/// An overlap's refusal, as this interface words it.
#[track_caller]
pub(super) fn overlaps(target: &Target<'_>, result: Result<(), Error>) -> Result<Error, Stop> {
    let errno = if target.has(ERRNO)? { libc::EEXIST } else { libc::EFAULT };
    refused("an overlap", result, errno)
}

fn the_limits_are_sound(target: &Target<'_>) -> Result<(), Stop> {
    let limits = open(target)?.device().dma_limits()?;
    holds("a range of addresses", !limits.ranges.is_empty())?;
    let mut end = None;
    for range in &limits.ranges {
        holds("ranges that don't wrap", range.last().is_some())?;
        holds("ranges in order and apart", end.is_none_or(|end| range.start > end))?;
        end = range.last();
    }
    holds("the page size", limits.page_sizes & page() != 0)?;
    holds("at least one mapping", limits.max_mappings != Some(0))
}

fn the_limits_are_kept(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(page_size())?;
    for range in machine.device().dma_limits()?.ranges {
        let Some(last) = range.last() else { continue };
        let first_page = range.start.0.next_multiple_of(page());
        let last_page = (last.0 - (page() - 1)) & !(page() - 1);
        for start in [first_page, last_page] {
            let lease = region.at(Iova(start));
            machine.map(&lease)?;
            overlaps(target, machine.map(&lease))?;
            machine.unmap(lease.range())?;
        }
    }
    Ok(())
}

fn outside_the_limits(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(page_size())?;
    let ranges = machine.device().dma_limits()?.ranges;
    let outside = ranges.iter().filter_map(|range| {
        let next = range.last()?.0.checked_add(1)?.checked_next_multiple_of(page())?;
        let within = |range: &IovaRange| {
            range.start.0 <= next && range.last().is_some_and(|last| next <= last.0)
        };
        (!ranges.iter().any(within)).then_some(Iova(next))
    });
    let outside: Vec<Iova> = outside.collect();
    if outside.is_empty() {
        return Err(Stop::NotApplicable(Need::IovaHole));
    }
    for start in outside {
        let error = fails("outside the limits", machine.map(&region.at(start)))?;
        holds("the kernel's own errno", error.errno().is_some())?;
        equal("the operation", error.operation(), Operation::DmaMap)?;
    }
    Ok(())
}

// ABI-DMA-3
fn no_more_than_the_limit(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let limit = match machine.device().dma_limits()?.max_mappings {
        Some(limit) if limit <= 65536 => limit,
        _ => return Err(Stop::NotApplicable(Need::MappingLimit)),
    };
    let region = Region::new(page_size())?;
    for index in 0..limit {
        machine.map(&region.at(at(2 * index)))?;
    }
    let error = refused("one too many", machine.map(&region.at(at(2 * limit))), libc::ENOSPC)?;
    equal("the subject", error.subject(), Subject::Range(range(2 * limit, 1)))?;
    machine.unmap(range(0, 1))?;
    machine.map(&region.at(at(2 * limit)))?;
    // All of them in one go.
    machine.unmap(range(0, 2 * limit + 1))?;
    Ok(machine.map(&region.at(at(0)))?)
}

fn ranges_that_cannot_be(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(4 * page_size())?;
    let half = page_size() / 2;
    let misaligned = [
        region.part(0, page_size(), Iova(BASE.0 + 1)),
        region.part(0, half, BASE),
        region.part(half, page_size(), BASE),
    ];
    for lease in misaligned {
        let before = target.crossings();
        let error = fails("a misaligned mapping", machine.map(&lease))?;
        equal("crossings of a mistake", target.crossings(), before)?;
        equal("the reason", error.reason().to_string(), Invalid::Page(page()).to_string())?;
        equal("the subject", error.subject(), Subject::Range(lease.range()))?;
    }
    let impossible = [region.part(0, 0, BASE), region.at(Iova(u64::MAX - 2 * page() + 1))];
    for lease in impossible {
        let error = fails("an impossible range", machine.map(&lease))?;
        equal("the reason", error.reason().to_string(), Invalid::Range.to_string())?;
    }
    for range in [IovaRange::new(BASE, 0), IovaRange::new(Iova(u64::MAX), 2)] {
        let error = fails("an impossible range", machine.unmap(range))?;
        equal("the operation", error.operation(), Operation::DmaUnmap)?;
        equal("the reason", error.reason().to_string(), Invalid::Range.to_string())?;
    }
    Ok(machine.map(&region.at(BASE))?)
}

// ABI-DMA-2, ABI-MDEV-8, ABI-VDPA-10
fn overlap_is_refused(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(8 * page_size())?;
    let lease = |first: u64, count: u64| region.part(0, count as usize * page_size(), at(first));
    machine.map(&lease(2, 2))?;
    // The same, over its start, over its end, inside, and around.
    for (first, count) in [(2, 2), (1, 2), (3, 2), (2, 1), (3, 1), (0, 6)] {
        let error = overlaps(target, machine.map(&lease(first, count)))?;
        equal("the operation", error.operation(), Operation::DmaMap)?;
        equal("the subject", error.subject(), Subject::Range(range(first, count)))?;
    }
    // Nothing is left of the refused: both neighbours are free, and end where the mapping starts.
    machine.map(&lease(0, 2))?;
    machine.map(&lease(4, 2))?;
    overlaps(target, machine.map(&lease(3, 1)))?;
    Ok(())
}

fn unmapped_is_free_again(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(4 * page_size())?;
    for _ in 0..3 {
        machine.map(&region.at(BASE))?;
        overlaps(target, machine.map(&region.at(BASE)))?;
        machine.unmap(range(0, 4))?;
    }
    // Cut otherwise than before.
    machine.map(&one(&region, 1))?;
    machine.map(&one(&region, 0))?;
    Ok(())
}

// ABI-MDEV-14, ABI-VDPA-12
fn an_unmap_of_nothing(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(4 * page_size())?;
    machine.map(&one(&region, 0))?;
    machine.map(&one(&region, 3))?;
    let unmapped = machine.unmap(range(1, 2));
    if target.has(ERRNO)? {
        let error = refused("an unmap of nothing", unmapped, libc::ENOENT)?;
        equal("the operation", error.operation(), Operation::DmaUnmap)?;
        equal("the subject", error.subject(), Subject::Range(range(1, 2)))?;
    } else {
        unmapped?;
    }
    overlaps(target, machine.map(&one(&region, 0)))?;
    overlaps(target, machine.map(&one(&region, 3)))?;
    Ok(())
}

fn an_unmap_before_any_mapping(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let unmapped = machine.unmap(range(0, 4));
    if target.has(ERRNO)? {
        refused("an unmap of nothing", unmapped, libc::ENOENT)?;
    } else {
        unmapped?;
    }
    Ok(machine.map(&Region::new(4 * page_size())?.at(BASE))?)
}

// ABI-DMA-5, ABI-MDEV-13, ABI-VDPA-11
fn an_unmap_cuts_nothing(target: &Target<'_>) -> Result<(), Stop> {
    let region = Region::new(4 * page_size())?;
    // From its start, up to its end, and from its middle.
    for (first, count) in [(0, 2), (2, 2), (1, 2)] {
        let mut machine = open(target)?;
        machine.map(&region.at(BASE))?;
        let unmapped = machine.unmap(range(first, count));
        if target.has(ERRNO)? {
            let error = refused("an unmap that would cut", unmapped, libc::EINVAL)?;
            equal("the operation", error.operation(), Operation::DmaUnmap)?;
            for index in 0..4 {
                overlaps(target, machine.map(&one(&region, index)))?;
            }
            machine.unmap(range(0, 4))?;
        } else {
            // What it touches is gone; how much of the rest, the interface doesn't say.
            unmapped?;
            for index in first..first + count {
                machine.map(&one(&region, index))?;
            }
            machine.unmap(range(0, 4))?;
        }
        machine.map(&region.at(BASE))?;
    }
    Ok(())
}

// ABI-DMA-4, ABI-MDEV-11, ABI-VDPA-11
fn an_unmap_may_span_several(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(16 * page_size())?;
    let used = [1, 2, 5, 9];
    for index in used.into_iter().chain([0, 12]) {
        machine.map(&one(&region, index))?;
    }
    machine.unmap(range(1, 10))?;
    for index in used {
        machine.map(&one(&region, index))?;
    }
    // Those outside stayed.
    overlaps(target, machine.map(&one(&region, 0)))?;
    overlaps(target, machine.map(&one(&region, 12)))?;
    Ok(())
}

fn many_are_mapped_as_one(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(64 * page_size())?;
    let leases: Vec<_> = (0..64).map(|index| one(&region, index)).collect();
    machine.map_all(&leases)?;
    for lease in &leases {
        overlaps(target, machine.map(lease))?;
    }
    machine.map_all(&[])?;
    machine.unmap(range(0, 64))?;
    Ok(machine.map_all(&leases)?)
}

fn all_or_none_is_mapped(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(8 * page_size())?;
    let lease = |index| one(&region, index);
    machine.map(&lease(5))?;
    // The third of four overlaps what is there; the last of the second try what is new.
    let clash = machine.map_all(&[lease(0), lease(1), lease(5), lease(2)]);
    let error = overlaps(target, clash)?;
    equal("the operation", error.operation(), Operation::DmaMap)?;
    overlaps(target, machine.map_all(&[lease(0), lease(1), lease(0)]))?;
    for index in [0, 1, 2] {
        machine.map(&lease(index))?;
    }
    overlaps(target, machine.map(&lease(5)))?;
    Ok(())
}

// ABI-MDEV-3, ABI-VDPA-3
fn mappings_end_with_the_device(target: &Target<'_>) -> Result<(), Stop> {
    let region = Region::new(page_size())?;
    for _ in 0..3 {
        let mut machine = open(target)?;
        machine.map(&region.at(BASE))?;
        overlaps(target, machine.map(&region.at(BASE)))?;
    }
    let mut machine = open(target)?;
    if target.has(ERRNO)? {
        refused("an unmap of nothing", machine.unmap(range(0, 1)), libc::ENOENT)?;
    }
    let reason = fails("a start", machine.device_mut().start())?;
    holds("a fresh device", matches!(reason.reason(), Reason::State(_)))?;
    let mut driver = match target.need_loopback() {
        Ok(()) => {
            drop(machine);
            target.running(small())?
        }
        Err(_) => return Ok(()),
    };
    let sent = frame(1, 100);
    driver.send(0, &[&sent])?;
    holds("a frame arrives", driver.wait(0, crate::check::LIMIT)?)?;
    received(&mut driver, 0, &[&sent])
}

fn an_update_swaps_mappings(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(4 * page_size())?;
    machine.map_all(&[one(&region, 0), one(&region, 1)])?;
    // A range without a mapping is no error, and an address is free for what comes in its place.
    machine.update(&[range(0, 1), range(2, 1)], &[one(&region, 0), one(&region, 2)])?;
    for index in 0..3 {
        overlaps(target, machine.map(&one(&region, index)))?;
    }
    machine.update(&[range(0, 3)], &[])?;
    machine.update(&[], &[one(&region, 0), one(&region, 1), one(&region, 2)])?;
    Ok(machine.update(&[], &[])?)
}

fn an_update_that_fails(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(4 * page_size())?;
    machine.map_all(&[one(&region, 0), one(&region, 1)])?;
    let new = [one(&region, 2), one(&region, 1)];
    let error = fails("an overlap", machine.update(&[range(0, 1)], &new))?;
    equal("the operation", error.operation(), Operation::DmaUpdate)?;
    if target.has(Capabilities::ATOMIC_DMA)? {
        overlaps(target, machine.map(&one(&region, 0)))?;
    } else {
        machine.map(&one(&region, 0))?;
    }
    overlaps(target, machine.map(&one(&region, 1)))?;
    Ok(machine.map(&one(&region, 2))?)
}

fn all_can_be_replaced(target: &Target<'_>) -> Result<(), Stop> {
    let mut machine = open(target)?;
    let region = Region::new(4 * page_size())?;
    for index in 0..3 {
        machine.replace_all(&[one(&region, index)])?;
        overlaps(target, machine.map(&one(&region, index)))?;
    }
    machine.map(&one(&region, 0))?;
    machine.replace_all(&[])?;
    Ok(machine.map_all(&[one(&region, 0), one(&region, 1), one(&region, 2)])?)
}

/// All of a driver's memory goes and comes back while frames are on their way, and none is lost.
fn updated_under_traffic(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let leases = driver.leases().to_vec();
    let ranges: Vec<IovaRange> = leases.iter().map(Lease::range).collect();
    for seed in 0..200 {
        let sent = frame(seed, 60);
        equal("frames sent", driver.send(0, &[&sent])?, 1)?;
        driver.machine().update(&ranges, &leases)?;
        arrives(&mut driver, 0, &sent)?;
    }
    healthy(&mut driver)
}
