//! What the device makes of mappings: it finds the memory that is there now.

use std::sync::Arc;

use vhost_accel_driver::core::{Iova, page_size};
use vhost_accel_driver::{Config, Descriptor, HEADER, NetDriver, Queue, Region};

use super::dma::{at, one, overlaps, range};
use super::small;
use crate::case::Case;
use crate::check::{arrives, echoes, eventually, same, untouched};
use crate::outcome::Stop;
use crate::random::{Random, frame};
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("dma::neighbours_are_one_to_the_device", neighbours_are_one_to_the_device),
    Case::new("dma::one_page_of_memory_may_have_two_addresses", two_addresses),
    Case::new("dma::a_mapping_made_while_running_is_used", mapped_while_running),
    Case::new("dma::an_address_can_be_given_other_memory", other_memory),
    Case::new("dma::a_table_that_changes_all_the_time", churn),
    Case::new("dma::mappings_survive_a_reset", mappings_survive_a_reset),
];

/// Sends what lies at `iova`, header first, as one buffer of the first transmit queue.
fn send_raw(driver: &mut NetDriver, index: u16, iova: Iova, len: usize) -> Result<(), Stop> {
    let queue = driver.tx(0);
    let slot = index % queue.ring().size();
    queue.ring().set_desc(slot, Descriptor::readable(iova, len as u32));
    queue.ring().set_avail(index, slot);
    queue.ring().set_avail_index(index + 1);
    Ok(queue.kick()?)
}

fn neighbours_are_one_to_the_device(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let (first, second) = (Region::new(page_size())?, Region::new(page_size())?);
    driver.machine().map(&first.at(at(0)))?;
    driver.machine().map(&second.at(at(1)))?;
    let sent = frame(1, 188);
    first.write(page_size() - 100 + HEADER, &sent[..88]);
    second.write(0, &sent[88..]);
    send_raw(&mut driver, 0, Iova(at(1).0 - 100), 200)?;
    arrives(&mut driver, 0, &sent)
}

fn two_addresses(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let region = Region::new(page_size())?;
    driver.machine().map(&region.at(at(0)))?;
    driver.machine().map(&region.at(at(8)))?;
    for (index, iova) in (0..).zip([at(0), at(8)]) {
        let sent = frame(index.into(), 100);
        region.write(HEADER, &sent);
        send_raw(&mut driver, index, iova, HEADER + 100)?;
        arrives(&mut driver, 0, &sent)?;
    }
    driver.machine().unmap(range(0, 1))?;
    send_raw(&mut driver, 2, at(8), HEADER + 100)?;
    arrives(&mut driver, 0, &frame(1, 100))
}

fn mapped_while_running(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    let region = Region::new(page_size())?;
    let sent = frame(2, 100);
    region.write(HEADER, &sent);
    driver.machine().map(&region.at(at(0)))?;
    send_raw(&mut driver, 1, at(0), HEADER + 100)?;
    arrives(&mut driver, 0, &sent)
}

/// The device must not go on using what an address was before.
fn other_memory(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(Config { features: Config::MRG_RXBUF, ..small() })?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    // Buffers of both directions are in the second region.
    let lease = driver.leases()[1].clone();
    let old = Arc::clone(lease.region());
    let new = Region::new(old.len())?;
    new.write(0, &old.bytes(0, old.len()));
    driver.machine().unmap(lease.range())?;
    driver.machine().map(&new.at(lease.range().start))?;
    old.fill(0, old.len(), 0xa5);

    // The second chain of each direction: what is sent and received lies in the new memory.
    let sent = frame(2, 100);
    let place = |queue: &Queue, slot| (queue.buffer_iova(slot).0 - lease.range().start.0) as usize;
    let tx = place(driver.tx(0), 1);
    new.fill(tx, HEADER, 0);
    new.write(tx + HEADER, &sent);
    let iova = driver.tx(0).buffer_iova(1);
    send_raw(&mut driver, 1, iova, HEADER + sent.len())?;
    eventually("a frame arrives", || driver.rx(0).has_used())?;
    let rx = place(driver.rx(0), 1);
    same("the frame in the new memory", &new.bytes(rx + HEADER, 100), &sent)?;
    untouched("the old memory", &old.bytes(0, old.len()), 0xa5)
}

fn churn(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let region = Region::new(64 * page_size())?;
    let mut random = Random::new(7);
    let mut mapped = [false; 64];
    for round in 0..500 {
        let index = random.between(0, 63);
        let lease = one(&region, index as u64);
        if mapped[index] {
            driver.machine().unmap(lease.range())?;
        } else {
            driver.machine().map(&lease)?;
        }
        mapped[index] = !mapped[index];
        if round % 50 == 0 {
            echoes(&mut driver, 0, &frame(round, 100))?;
        }
    }
    for (index, mapped) in (0..).zip(mapped) {
        let result = driver.machine().map(&one(&region, index));
        if mapped {
            overlaps(target, result)?;
        } else {
            result?;
        }
    }
    echoes(&mut driver, 0, &frame(1000, 100))
}

// ABI-STATUS-4, ABI-VDPA-4
fn mappings_survive_a_reset(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    driver.device().reset()?;
    let lease = driver.leases()[0].clone();
    overlaps(target, driver.machine().map(&lease))?;
    driver.restart()?;
    echoes(&mut driver, 0, &frame(1, 100))
}
