//! What the device makes of memory that it must not touch: nothing at all.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vhost_accel_driver::core::{Access, Capabilities, Iova, QueueIndex, Vring, page_size};
use vhost_accel_driver::{Config, Descriptor, Event, HEADER, NetDriver, Region};

use super::{small, small_pairs, watch};
use crate::case::Case;
use crate::check::{
    LIMIT, echoes, equal, eventually, faulted, healthy, holds, quiet, signalled, untouched,
};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

const ACCESS: Capabilities = Capabilities::DMA_ACCESS;

pub(super) const CASES: &[Case] = &[
    Case::new("dma_faults::an_unmapped_transmit_buffer", unmapped_tx),
    Case::new("dma_faults::an_unmapped_receive_buffer", unmapped_rx),
    Case::new("dma_faults::a_buffer_that_runs_off_its_mapping", runs_off),
    Case::new("dma_faults::a_receive_buffer_that_runs_off_its_mapping", rx_runs_off),
    Case::new("dma_faults::an_address_that_wraps_around", wraps_around),
    Case::new("dma_faults::a_frame_that_is_dropped_unread", dropped_unread),
    Case::new("dma_faults::a_frame_arrives_whole_or_not_at_all", whole_or_not_at_all),
    Case::new("dma_faults::of_two_faults_the_transmit_chain_counts", two_faults)
        .needing(Capabilities::ERROR_EVENT),
    Case::new("dma_faults::of_two_faults_the_used_entry_counts_first", used_entry_first)
        .needing(Capabilities::ERROR_EVENT),
    Case::new("dma_faults::read_only_memory_is_not_written", read_only).needing(ACCESS),
    Case::new("dma_faults::write_only_memory_is_not_read", write_only).needing(ACCESS),
    Case::new("dma_faults::one_way_memory_works_one_way", one_way).needing(ACCESS),
    Case::new("dma_faults::a_bad_host_address", bad_host_address),
    Case::new("dma_faults::an_unmapped_indirect_table", unmapped_table),
    Case::new("dma_faults::a_ring_unmapped_while_running", ring_unmapped),
    Case::new("dma_faults::buffers_unmapped_while_running", buffers_unmapped),
];

/// Where nothing but a case's own region is mapped.
const PLACE: Iova = Iova(6 << 30);

/// Two pairs running, of which the first is to stop.
struct Stage {
    driver: NetDriver,
    config: Event,
}

impl Stage {
    fn new(target: &Target<'_>) -> Result<Self, Stop> {
        let mut driver = target.running(small_pairs(2))?;
        let config = watch(&mut driver)?;
        Ok(Self { driver, config })
    }

    /// Sends from `iova` on the first pair.
    fn send_from(&mut self, iova: Iova, len: usize) -> Result<(), Stop> {
        self.send_desc(Descriptor::readable(iova, len as u32))
    }

    fn send_desc(&mut self, desc: Descriptor) -> Result<(), Stop> {
        let queue = self.driver.tx(0);
        queue.want_calls(true);
        queue.ring().set_desc(0, desc);
        queue.ring().set_avail(0, 0);
        queue.ring().set_avail_index(1);
        Ok(queue.kick()?)
    }

    /// The first transmit queue stopped, and nothing of its chain came back; the other pair runs
    /// on.
    // ABI-FAULT-16, ABI-FAULT-17
    #[track_caller]
    fn tx_stopped(mut self) -> Result<(), Stop> {
        faulted(&mut self.driver, &self.config)?;
        equal("used transmit chains", self.driver.tx(0).used_count(), 0)?;
        equal("frames that arrived", self.driver.rx(0).used_count(), 0)?;
        equal("calls", self.driver.tx(0).call().take()?, 0)?;
        echoes(&mut self.driver, 1, &frame(9, 100))
    }
}

/// A pair whose first receive buffer is `desc`: a frame for it is a fault.
fn rx_stops(
    target: &Target<'_>,
    prepare: impl FnOnce(&mut NetDriver) -> Result<Descriptor, Stop>,
) -> Result<NetDriver, Stop> {
    let mut driver = target.driver(small_pairs(2))?;
    driver.setup()?;
    let config = watch(&mut driver)?;
    let desc = prepare(&mut driver)?;
    driver.rx(0).ring().set_desc(0, desc);
    driver.start()?;
    driver.set_pairs(2)?;
    healthy(&mut driver)?;
    driver.rx(0).want_calls(true);
    driver.send(0, &[&frame(1, 500)])?;
    faulted(&mut driver, &config)?;
    equal("used receive chains", driver.rx(0).used_count(), 0)?;
    equal("calls", driver.rx(0).call().take()?, 0)?;
    echoes(&mut driver, 1, &frame(9, 100))?;
    Ok(driver)
}

// ABI-FAULT-1
fn unmapped_tx(target: &Target<'_>) -> Result<(), Stop> {
    let mut stage = Stage::new(target)?;
    stage.send_from(PLACE, 100)?;
    stage.tx_stopped()
}

/// A frame longer than any is dropped, wherever it is said to be; but nowhere is no address.
// ABI-NET-8, ABI-FAULT-2
fn dropped_unread(target: &Target<'_>) -> Result<(), Stop> {
    let mut stage = Stage::new(target)?;
    let ring = stage.driver.tx(0).ring().clone();
    ring.set_desc(0, Descriptor::readable(PLACE, 1 << 17));
    ring.set_avail(0, 0);
    ring.set_avail_index(1);
    stage.driver.tx(0).kick()?;
    eventually("the frame comes back unread", || ring.used_index() == 1)?;
    healthy(&mut stage.driver)?;
    ring.set_desc(0, Descriptor::readable(Iova(u64::MAX - 99), 1 << 17));
    ring.set_avail(1, 0);
    ring.set_avail_index(2);
    stage.driver.tx(0).kick()?;
    faulted(&mut stage.driver, &stage.config)?;
    equal("used transmit chains", ring.used_index(), 1)?;
    echoes(&mut stage.driver, 1, &frame(9, 100))
}

/// Two pairs, set up, without event index and with small receive buffers. The used ring of the
/// first receive queue has room for its flags, its index and `entries`; what follows is beyond all
/// mappings.
fn short_used_ring(
    target: &Target<'_>,
    entries: usize,
) -> Result<(NetDriver, Arc<Region>, usize), Stop> {
    let features = Config::MRG_RXBUF | Config::CTRL_VQ | Config::MQ;
    let mut driver = target.driver(Config { features, rx_buffer: 64, ..small_pairs(2) })?;
    driver.setup()?;
    let memory = Region::new(page_size())?;
    driver.machine().map(&memory.at(PLACE))?;
    let used = page_size() - 4 - 8 * entries;
    let vring = driver.rx(0).polled_vring();
    let place = Iova(PLACE.0 + used as u64);
    let vring = Vring::new(vring.queue, vring.size, vring.desc, vring.avail, place);
    driver.device().setup_vring(&vring)?;
    Ok((driver, memory, used))
}

/// A frame that takes two receive chains, of which the second's used entry can't be written.
// ABI-FAULT-22
fn whole_or_not_at_all(target: &Target<'_>) -> Result<(), Stop> {
    let (mut driver, memory, used) = short_used_ring(target, 1)?;
    let config = watch(&mut driver)?;
    driver.start()?;
    driver.set_pairs(2)?;
    driver.send(0, &[&frame(1, 100)])?;
    faulted(&mut driver, &config)?;
    equal("the receive queue's used index", memory.load_u16(used + 2, Ordering::Acquire), 0)?;
    equal("used transmit chains", driver.tx(0).used_count(), 0)?;
    echoes(&mut driver, 1, &frame(9, 40))
}

/// The frame can't be read, but before that the used entry of its receive chain can't be written.
// ABI-FAULT-24
fn used_entry_first(target: &Target<'_>) -> Result<(), Stop> {
    let (mut driver, _memory, _) = short_used_ring(target, 0)?;
    let (receive, transmit) = (Event::new()?, Event::new()?);
    driver.device().set_error(QueueIndex(0), Some(receive.as_fd()))?;
    driver.device().set_error(QueueIndex(1), Some(transmit.as_fd()))?;
    driver.start()?;
    driver.set_pairs(2)?;
    let ring = driver.tx(0).ring();
    ring.set_desc(0, Descriptor::readable(Iova(PLACE.0 + (1 << 30)), HEADER as u32));
    ring.set_avail(0, 0);
    ring.set_avail_index(1);
    driver.tx(0).kick()?;
    signalled("the error event of the receive queue", &receive)?;
    equal("the error event of the transmit queue", transmit.take()?, 0)?;
    echoes(&mut driver, 1, &frame(9, 40))
}

/// The frame is read before it is written.
// ABI-FAULT-23
fn two_faults(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small_pairs(2))?;
    driver.setup()?;
    let (receive, transmit) = (Event::new()?, Event::new()?);
    driver.device().set_error(QueueIndex(0), Some(receive.as_fd()))?;
    driver.device().set_error(QueueIndex(1), Some(transmit.as_fd()))?;
    driver.rx(0).ring().set_desc(0, Descriptor::writable(PLACE, 2048));
    driver.start()?;
    driver.set_pairs(2)?;
    let tx = driver.tx(0);
    tx.ring().set_desc(0, Descriptor::readable(tx.buffer_iova(0), HEADER as u32).then(1));
    tx.ring().set_desc(1, Descriptor::readable(PLACE, 100));
    tx.ring().set_avail(0, 0);
    tx.ring().set_avail_index(1);
    tx.kick()?;
    signalled("the error event of the transmit queue", &transmit)?;
    equal("the error event of the receive queue", receive.take()?, 0)?;
    echoes(&mut driver, 1, &frame(9, 100))
}

// ABI-FAULT-1
fn unmapped_rx(target: &Target<'_>) -> Result<(), Stop> {
    rx_stops(target, |_| Ok(Descriptor::writable(PLACE, 2048)))?;
    Ok(())
}

// ABI-FAULT-1
fn runs_off(target: &Target<'_>) -> Result<(), Stop> {
    let mut stage = Stage::new(target)?;
    let region = Region::new(page_size())?;
    stage.driver.machine().map(&region.at(PLACE))?;
    stage.send_from(Iova(PLACE.0 + page_size() as u64 - 99), 100)?;
    stage.tx_stopped()
}

// ABI-FAULT-1
fn rx_runs_off(target: &Target<'_>) -> Result<(), Stop> {
    let region = Region::new(2 * page_size())?;
    region.fill(0, region.len(), 0xa5);
    rx_stops(target, |driver| {
        // One page of two is mapped, and 400 bytes of it left for a frame of 512.
        driver.machine().map(&region.part(0, page_size(), PLACE))?;
        Ok(Descriptor::writable(Iova(PLACE.0 + page_size() as u64 - 400), 2048))
    })?;
    untouched("memory behind the mapping", &region.bytes(page_size(), page_size()), 0xa5)
}

// ABI-FAULT-2
fn wraps_around(target: &Target<'_>) -> Result<(), Stop> {
    let mut stage = Stage::new(target)?;
    stage.send_from(Iova(u64::MAX - 50), 200)?;
    stage.tx_stopped()
}

// ABI-FAULT-1
fn read_only(target: &Target<'_>) -> Result<(), Stop> {
    let region = Region::new(page_size())?;
    region.fill(0, region.len(), 0xa5);
    rx_stops(target, |driver| {
        driver.machine().map(&region.at(PLACE).with(Access::Read))?;
        Ok(Descriptor::writable(PLACE, 2048))
    })?;
    untouched("read-only memory", &region.bytes(0, region.len()), 0xa5)
}

// ABI-FAULT-1
fn write_only(target: &Target<'_>) -> Result<(), Stop> {
    let mut stage = Stage::new(target)?;
    let region = Region::new(page_size())?;
    stage.driver.machine().map(&region.at(PLACE).with(Access::Write))?;
    stage.send_from(PLACE, 100)?;
    stage.tx_stopped()
}

fn one_way(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small())?;
    driver.setup()?;
    let (source, sink) = (Region::new(page_size())?, Region::new(page_size())?);
    let sink_at = Iova(PLACE.0 + 0x10_0000);
    driver.machine().map(&source.at(PLACE).with(Access::Read))?;
    driver.machine().map(&sink.at(sink_at).with(Access::Write))?;
    let sent = frame(1, 100);
    source.write(HEADER, &sent);
    driver.rx(0).ring().set_desc(0, Descriptor::writable(sink_at, 2048));
    driver.start()?;
    let queue = driver.tx(0);
    queue.ring().set_desc(0, Descriptor::readable(PLACE, (HEADER + 100) as u32));
    queue.ring().set_avail(0, 0);
    queue.ring().set_avail_index(1);
    queue.kick()?;
    holds("a frame arrives", driver.wait(0, LIMIT)?)?;
    crate::check::same("the frame", &sink.bytes(HEADER, 100), &sent)?;
    healthy(&mut driver)
}

// ABI-DMA-8: the lab has it natively.
/// Refused at once where the interface pins, else a fault of the vring that touches it.
fn bad_host_address(target: &Target<'_>) -> Result<(), Stop> {
    let mut stage = Stage::new(target)?;
    let nothing = Region::without_memory(page_size())?;
    match stage.driver.machine().map(&nothing.at(PLACE)) {
        Err(error) => {
            equal("the errno", error.errno(), Some(libc::EFAULT))?;
            // Nothing is left of it.
            let memory = Region::new(page_size())?;
            stage.driver.machine().map(&memory.at(PLACE))?;
            echoes(&mut stage.driver, 0, &frame(1, 100))
        }
        Ok(()) => {
            stage.send_from(PLACE, 100)?;
            stage.tx_stopped()
        }
    }
}

// ABI-FAULT-1
fn unmapped_table(target: &Target<'_>) -> Result<(), Stop> {
    let mut stage = Stage::new(target)?;
    stage.send_desc(Descriptor::indirect(PLACE, 32))?;
    stage.tx_stopped()
}

// ABI-FAULT-1
fn ring_unmapped(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let config = watch(&mut driver)?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    let lease = driver.leases()[0].clone();
    driver.machine().unmap(lease.range())?;
    let rings = Arc::clone(lease.region());
    driver.queue_frames(0, &[&frame(2, 100)])?;
    driver.tx(0).publish();
    let before = rings.bytes(0, rings.len());
    driver.tx(0).kick()?;
    faulted(&mut driver, &config)?;
    crate::check::same("the rings", &rings.bytes(0, rings.len()), &before)
}

/// The device is in the middle of writing when its buffers go: once the unmap has returned, it
/// writes no more.
fn buffers_unmapped(target: &Target<'_>) -> Result<(), Stop> {
    // Receive buffers alone in the second region, transmit buffers in the third.
    let config = Config { regions: 3, tx_buffer: 9216, rx_buffer: 9216, ..Config::default() };
    let mut driver = target.running(config)?;
    let config = watch(&mut driver)?;
    let lease = driver.leases()[1].clone();
    let region = Arc::clone(lease.region());
    let frames: Vec<_> = (0..200).map(|seed| frame(seed, 9000)).collect();
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    equal("frames sent", driver.send(0, &all)?, 200)?;
    eventually("the first frame arrives", || driver.rx(0).has_used())?;
    driver.machine().unmap(lease.range())?;
    region.fill(0, region.len(), 0xa5);
    // Those that were still to come hit the hole; if none were, these do.
    driver.send(0, &all[..50])?;
    driver.tx(0).kick()?;
    faulted(&mut driver, &config)?;
    quiet();
    untouched("the memory that was taken back", &region.bytes(0, region.len()), 0xa5)
}
