//! What virtio allows on a ring: indirect descriptors, event index, mergeable buffers, and waiting.

use vhost_accel_driver::core::{Features, Iova};
use vhost_accel_driver::{Config, Descriptor, HEADER, NetDriver, Region, Used};

use super::bad::Bad;
use super::{small, small_pairs, watch};
use crate::case::Case;
use crate::check::{
    all_echo, arrives, echoes, equal, eventually, healthy, quiet, received, same, sends,
};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

const IND: Features = Features::INDIRECT_DESC;
const EVT: Features = Features::EVENT_IDX;
const MRG: Features = Config::MRG_RXBUF;

pub(super) const CASES: &[Case] = &[
    Case::new("rings::plain", |target| combination(target, Features::empty())),
    Case::new("rings::indirect", |target| combination(target, IND)),
    Case::new("rings::event_index", |target| combination(target, EVT)),
    Case::new("rings::mergeable", |target| combination(target, MRG)),
    Case::new("rings::indirect_event_index", |target| combination(target, IND.union(EVT))),
    Case::new("rings::indirect_mergeable", |target| combination(target, IND.union(MRG))),
    Case::new("rings::event_index_mergeable", |target| combination(target, EVT.union(MRG))),
    Case::new("rings::indirect_event_index_mergeable", |target| {
        combination(target, IND.union(EVT).union(MRG))
    }),
    Case::new("rings::used_lengths_are_what_was_written", used_lengths),
    Case::new("rings::the_header_is_zero_but_for_its_buffers", the_header_is_zero),
    Case::new("rings::the_transmit_header_means_nothing", the_transmit_header_means_nothing),
    Case::new("rings::a_frame_spreads_over_mergeable_buffers", a_frame_spreads),
    Case::new("rings::a_frame_too_long_is_dropped", a_frame_too_long_is_dropped),
    Case::new("rings::a_frame_longer_than_all_buffers_is_dropped", longer_than_all_buffers),
    Case::new("rings::the_longest_frame_passes", the_longest_frame_passes),
    Case::new("rings::a_frame_over_the_longest_is_dropped", over_the_longest),
    Case::new("rings::frames_wait_for_receive_buffers", frames_wait_for_receive_buffers),
    Case::new("rings::a_receive_chain_may_have_many_parts", a_receive_chain_of_parts),
    Case::new("rings::the_chains_of_a_frame_may_have_any_number_of_parts", any_number_of_parts),
    Case::new("rings::a_chain_may_be_as_long_as_the_ring", a_chain_as_long_as_the_ring),
    Case::new("rings::an_indirect_table_may_be_as_long_as_the_ring", a_table_as_long_as_the_ring),
    Case::new("rings::one_pair_waiting_does_not_hold_up_another", waiting_is_per_pair),
];

/// Frames of many lengths in chains of one to five, one at a time and many at once.
// ABI-NET-1
fn combination(target: &Target<'_>, features: Features) -> Result<(), Stop> {
    for segments in [1, 2, 5] {
        let rx_buffer = if features.contains(MRG) { 512 } else { 2048 };
        let config = Config { features, segments, rx_buffer, ..small() };
        let mut driver = target.running(config)?;
        equal("features", driver.features(), features | Config::REQUIRED)?;
        for (seed, len) in (0..).zip([0, 1, 12, 59, 60, 500, 501, 1024, 1500, 2036]) {
            echoes(&mut driver, 0, &frame(seed, len))?;
        }
        let frames: Vec<_> = (0..200).map(|seed| frame(seed, 60 + seed as usize * 9)).collect();
        all_echo(&mut driver, 0, &frames)?;
    }
    Ok(())
}

fn used_lengths(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    for (index, len) in (0u16..).zip([60, 777, 1500]) {
        echoes(&mut driver, 0, &frame(len as u64, len))?;
        eventually("the chain comes back", || driver.tx(0).ring().used_index() == index + 1)?;
        let id = u32::from(index);
        let want = Used { id, len: (HEADER + len) as u32 };
        equal("the used entry of the receive queue", driver.rx(0).ring().used(index), want)?;
        equal("bytes written to a transmit chain", driver.tx(0).ring().used(index).len, 0)?;
    }
    Ok(())
}

/// Sends a frame and waits for it without taking it.
fn send_and_leave(driver: &mut NetDriver, sent: &[u8], buffers: u16) -> Result<(), Stop> {
    sends(driver, 0, sent)?;
    eventually("a frame arrives", || driver.rx(0).used_count() == buffers)
}

// ABI-NET-9
fn the_header_is_zero(target: &Target<'_>) -> Result<(), Stop> {
    let mut config = small();
    for features in [MRG, Features::empty()] {
        config.features = features;
        let mut driver = target.driver(config.clone())?;
        driver.setup()?;
        driver.rx(0).fill_buffers(0xa5);
        driver.start()?;
        send_and_leave(&mut driver, &frame(1, 100), 1)?;
        let header = driver.rx(0).buffer(0, HEADER);
        same("the header", &header, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0])?;
        let behind = driver.rx(0).buffer(0, HEADER + 200).split_off(HEADER + 100);
        same("what is behind the frame", &behind, &[0xa5; 100])?;
    }
    Ok(())
}

// ABI-NET-4
fn a_frame_spreads(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(Config { rx_buffer: 256, ..small() })?;
    // 12 + 1000 bytes fill 256 + 256 + 256 + 244.
    let sent = frame(1, 1000);
    send_and_leave(&mut driver, &sent, 4)?;
    let header = driver.rx(0).buffer(0, HEADER);
    same("the header", &header, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0])?;
    let used: Vec<_> = (0..4).map(|index| driver.rx(0).ring().used(index).len).collect();
    equal("the used lengths", used, [256, 256, 256, 244])?;
    received(&mut driver, 0, &[&sent])?;
    echoes(&mut driver, 0, &frame(2, 60))
}

// ABI-NET-5
fn a_frame_too_long_is_dropped(target: &Target<'_>) -> Result<(), Stop> {
    let config = Config { features: EVT, rx_buffer: 256, ..small() };
    let mut driver = target.running(config)?;
    driver.send(0, &[&frame(1, 1000)])?;
    eventually("the transmit chain comes back", || driver.tx(0).ring().used_index() == 1)?;
    quiet();
    equal("used receive chains", driver.rx(0).used_count(), 0)?;
    healthy(&mut driver)?;
    // As much as fits exactly: the chain that was kept takes it.
    let fits = frame(2, 256 - HEADER);
    send_and_leave(&mut driver, &fits, 1)?;
    equal("the receive chain", driver.rx(0).ring().used(0), Used { id: 0, len: 256 })?;
    received(&mut driver, 0, &[&fits])
}

// ABI-NET-6
fn longer_than_all_buffers(target: &Target<'_>) -> Result<(), Stop> {
    let config = Config { queue_size: 4, rx_buffer: 256, ..small() };
    let mut driver = target.running(config)?;
    driver.send(0, &[&frame(1, 4 * 256)])?;
    eventually("the transmit chain comes back", || driver.tx(0).used_count() == 1)?;
    quiet();
    equal("used receive chains", driver.rx(0).used_count(), 0)?;
    healthy(&mut driver)?;
    // What fills all of them is not.
    echoes(&mut driver, 0, &frame(2, 4 * 256 - HEADER))
}

/// The largest MTU, an Ethernet header and a VLAN tag.
const LONGEST: usize = 65535 + 14 + 4;

// ABI-NET-7
fn the_longest_frame_passes(target: &Target<'_>) -> Result<(), Stop> {
    let config = Config { queue_size: 64, tx_buffer: 1 << 17, ..small() };
    let mut driver = target.running(config)?;
    echoes(&mut driver, 0, &frame(1, LONGEST))?;
    echoes(&mut driver, 0, &frame(2, LONGEST))
}

// ABI-NET-7
fn over_the_longest(target: &Target<'_>) -> Result<(), Stop> {
    let config = Config { queue_size: 64, tx_buffer: 1 << 17, ..small() };
    let mut driver = target.running(config)?;
    driver.send(0, &[&frame(1, LONGEST + 1), &frame(2, 100)])?;
    arrives(&mut driver, 0, &frame(2, 100))?;
    equal("used receive chains", driver.rx(0).ring().used_index(), 1)?;
    eventually("both transmit chains come back", || driver.tx(0).used_count() == 2)?;
    healthy(&mut driver)
}

// ABI-NET-2, ABI-NET-3
fn frames_wait_for_receive_buffers(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small())?;
    driver.setup()?;
    // Takes back what was published: nobody has looked yet.
    driver.rx(0).ring().set_avail_index(0);
    driver.start()?;
    let frames: Vec<_> = (0..5).map(|seed| frame(seed, 300)).collect();
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    equal("frames sent", driver.send(0, &all)?, 5)?;
    quiet();
    equal("used transmit chains", driver.tx(0).used_count(), 0)?;
    healthy(&mut driver)?;
    // Two buffers: two frames.
    driver.rx(0).ring().set_avail_index(2);
    driver.rx(0).kick()?;
    eventually("two frames arrive", || driver.rx(0).used_count() == 2)?;
    eventually("two chains come back", || driver.tx(0).used_count() == 2)?;
    quiet();
    equal("used receive chains", driver.rx(0).used_count(), 2)?;
    driver.rx(0).publish();
    driver.rx(0).kick()?;
    eventually("the others arrive", || driver.rx(0).used_count() == 5)?;
    received(&mut driver, 0, &all)
}

/// Puts chains on a ring that the driver's own layout doesn't have.
struct Scratch {
    region: std::sync::Arc<Region>,
    iova: Iova,
}

impl Scratch {
    fn new(driver: &mut NetDriver) -> Result<Self, Stop> {
        let (region, iova) = (Region::new(0x10000)?, Iova(3 << 31));
        driver.machine().map(&region.at(iova))?;
        Ok(Self { region, iova })
    }

    fn at(&self, offset: usize) -> Iova {
        Iova(self.iova.0 + offset as u64)
    }
}

fn a_receive_chain_of_parts(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small())?;
    driver.setup()?;
    let scratch = Scratch::new(&mut driver)?;
    // Header and frame begin in parts of 5 bytes each; the last takes the rest.
    let ring = driver.rx(0).ring().clone();
    for part in 0..8 {
        let at = scratch.at(usize::from(part) * 0x100);
        let desc = Descriptor::writable(at, if part == 7 { 0x100 } else { 5 });
        ring.set_desc(part, if part == 7 { desc } else { desc.then(part + 1) });
    }
    driver.start()?;
    let sent = frame(1, 100);
    send_and_leave(&mut driver, &sent, 1)?;
    equal("the used entry", ring.used(0), Used { id: 0, len: 112 })?;
    let mut got = Vec::new();
    for part in 0..8 {
        got.extend(scratch.region.bytes(part * 0x100, if part == 7 { 77 } else { 5 }));
    }
    same("the frame in parts", &got[HEADER..], &sent)?;
    equal("behind the frame", scratch.region.bytes(0x700 + 77, 4), [0; 4])
}

/// No offload is offered that a header could ask for.
// ABI-NET-10
fn the_transmit_header_means_nothing(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let scratch = Scratch::new(&mut driver)?;
    let sent = frame(1, 100);
    scratch.region.fill(0, HEADER, 0xff);
    scratch.region.write(HEADER, &sent);
    let ring = driver.tx(0).ring();
    ring.set_desc(0, Descriptor::readable(scratch.at(0), (HEADER + sent.len()) as u32));
    ring.set_avail(0, 0);
    ring.set_avail_index(1);
    driver.tx(0).kick()?;
    arrives(&mut driver, 0, &sent)?;
    healthy(&mut driver)
}

/// A transmit chain of 16 parts, whose descriptors `write` puts somewhere.
fn long_chain(
    target: &Target<'_>,
    write: impl Fn(&NetDriver, &Scratch, &mut dyn FnMut(u16, Descriptor)) -> Option<Descriptor>,
) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let config = watch(&mut driver)?;
    let scratch = Scratch::new(&mut driver)?;
    let sent = frame(1, 16 * 16 - HEADER);
    scratch.region.write(0x1000 + HEADER, &sent);
    let ring = driver.tx(0).ring().clone();
    let table = write(&driver, &scratch, &mut |index, desc| ring.set_desc(index, desc));
    if let Some(indirect) = table {
        ring.set_desc(0, indirect);
    }
    ring.set_avail(0, 0);
    ring.set_avail_index(1);
    driver.tx(0).kick()?;
    arrives(&mut driver, 0, &sent)?;
    equal("the used entry", ring.used(0), Used { id: 0, len: 0 })?;
    crate::check::silent("a config change", &config)
}

/// Part `index` of 16.
fn part(scratch: &Scratch, index: u16) -> Descriptor {
    let desc = Descriptor::readable(scratch.at(0x1000 + 16 * usize::from(index)), 16);
    if index < 15 { desc.then(index + 1) } else { desc }
}

/// Receive chains of 1024 descriptors, every other one empty: the longest of the frames takes
/// sixteen.
// ABI-NET-4, ABI-NET-19
fn any_number_of_parts(target: &Target<'_>) -> Result<(), Stop> {
    const MANY: u16 = 1024;
    let config = Config { queue_size: MANY, tx_buffer: 8192, ..small() };
    let mut driver = target.driver(config)?;
    driver.setup()?;
    let ring = driver.rx(0).ring().clone();
    let long = Bad::new(&mut driver, ring)?;
    for index in 0..MANY {
        let part = long.write((index % 2).into());
        long.table(index, if index + 1 < MANY { part.then(index + 1) } else { part });
    }
    for index in 0..MANY {
        long.desc(index, Descriptor::indirect(long.table_iova(), 16 * u32::from(MANY)));
    }
    driver.start()?;
    let mut used = 0;
    for (len, chains) in [(4000, 8), (5000, 10), (8000, 16)] {
        driver.send(0, &[&frame(1, len)])?;
        used += chains;
        eventually("a frame in many parts", || long.ring.used_index() == used)?;
    }
    healthy(&mut driver)
}

fn a_chain_as_long_as_the_ring(target: &Target<'_>) -> Result<(), Stop> {
    long_chain(target, |_, scratch, set| {
        (0..16).for_each(|index| set(index, part(scratch, index)));
        None
    })
}

fn a_table_as_long_as_the_ring(target: &Target<'_>) -> Result<(), Stop> {
    long_chain(target, |_, scratch, _| {
        for index in 0..16 {
            let at = usize::from(index) * Descriptor::SIZE;
            vhost_accel_driver::write_desc(&scratch.region, at, part(scratch, index));
        }
        Some(Descriptor::indirect(scratch.at(0), 16 * Descriptor::SIZE as u32))
    })
}

fn waiting_is_per_pair(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small_pairs(2))?;
    driver.setup()?;
    driver.rx(0).ring().set_avail_index(0);
    driver.start()?;
    driver.set_pairs(2)?;
    let waiting = frame(1, 300);
    driver.send(0, &[&waiting])?;
    for seed in 2..10 {
        echoes(&mut driver, 1, &frame(seed, 300))?;
    }
    equal("used transmit chains of the waiting pair", driver.tx(0).used_count(), 0)?;
    driver.rx(0).publish();
    driver.rx(0).kick()?;
    arrives(&mut driver, 0, &waiting)
}
