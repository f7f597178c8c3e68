//! The control queue.

use std::sync::Arc;

use vhost_accel_driver::core::{Capabilities, Features, Iova, Kick, QueueIndex, Vring, page_size};
use vhost_accel_driver::{Config, Descriptor, NetDriver, Region};
use virtio_bindings::virtio_net::{
    VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_CTRL_MQ,
    VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_ERR, VIRTIO_NET_OK,
};

use super::{small, small_pairs, watch};
use crate::case::Case;
use crate::check::{arrives, echoes, equal, eventually, faulted, healthy, holds, quiet, same};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("control::the_mac_is_set", the_mac_is_set).needing(Capabilities::VIRTIO_STATUS),
    Case::new("control::a_mac_of_the_wrong_length_is_refused", a_mac_of_the_wrong_length)
        .needing(Capabilities::VIRTIO_STATUS),
    Case::new("control::unknown_commands_are_refused", unknown_commands),
    Case::new("control::one_pair_is_active_at_first", one_pair_is_active_at_first),
    Case::new("control::a_pair_can_be_switched_off", a_pair_can_be_switched_off),
    Case::new("control::pair_counts_that_cannot_be_are_refused", bad_pair_counts),
    Case::new("control::many_commands_in_a_row", many_commands_in_a_row),
    Case::new("control::it_is_behind_all_pairs", behind_all_pairs),
    Case::new("control::it_is_behind_the_only_pair", behind_all_pairs).on_pairs(1),
    Case::new("control::without_multiqueue_it_is_queue_2", without_multiqueue),
    Case::new("control::without_multiqueue_the_vrings_behind_it_rest", the_vrings_behind_it_rest),
    Case::new("control::without_its_feature_there_is_none", without_its_feature),
    Case::new("control::a_receive_queue_rests_while_its_pair_does", a_receive_queue_rests),
    Case::new("control::a_command_longer_than_any_is_not_read", a_command_longer_than_any),
    Case::new("control::a_command_without_an_answer_is_not_carried_out", no_answer_no_effect)
        .needing(Capabilities::VIRTIO_STATUS),
    Case::new(
        "control::a_command_without_a_used_entry_is_not_carried_out",
        no_used_entry_no_effect,
    )
    .needing(Capabilities::VIRTIO_STATUS),
];

/// Where nothing is mapped.
const NOWHERE: Iova = Iova(6 << 30);
/// Where a case's own memory is mapped.
const PLACE: Iova = Iova(7 << 30);

const OK: u8 = VIRTIO_NET_OK as u8;
const ERR: u8 = VIRTIO_NET_ERR as u8;
const MAC: [u8; 6] = [2, 0x11, 0x22, 0x33, 0x44, 0x55];

fn mac(driver: &mut NetDriver) -> Result<[u8; 6], Stop> {
    let mut bytes = [0; 6];
    driver.device().read_config(0, &mut bytes)?;
    Ok(bytes)
}

/// MAC / ADDR_SET with any bytes: the answer.
fn set_mac(driver: &mut NetDriver, data: &[u8]) -> Result<u8, Stop> {
    let (class, command) = (VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET);
    Ok(driver.command(class as u8, command as u8, data)?)
}

/// MQ / VQ_PAIRS_SET with any bytes: the answer.
fn set_pairs(driver: &mut NetDriver, data: &[u8]) -> Result<u8, Stop> {
    let (class, command) = (VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET);
    Ok(driver.command(class as u8, command as u8, data)?)
}

// ABI-CTRL-1, ABI-STATUS-3
fn the_mac_is_set(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let before = mac(&mut driver)?;
    equal("the answer", set_mac(&mut driver, &MAC)?, OK)?;
    same("the MAC", &mac(&mut driver)?, &MAC)?;
    driver.restart()?;
    same("the MAC after a reset", &mac(&mut driver)?, &before)
}

// ABI-CTRL-2
fn a_mac_of_the_wrong_length(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let before = mac(&mut driver)?;
    for len in [0, 5, 7] {
        equal("the answer", set_mac(&mut driver, &[2; 7][..len])?, ERR)?;
    }
    same("the MAC", &mac(&mut driver)?, &before)?;
    equal("the answer to a good one", set_mac(&mut driver, &MAC)?, OK)
}

// ABI-CTRL-2
fn unknown_commands(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    // RX mode, VLAN, announce, offloads, and a class that doesn't exist.
    for (class, command) in [(0, 0), (2, 0), (3, 0), (5, 0), (0x7f, 9), (1, 9), (4, 9)] {
        equal("the answer", driver.command(class, command, &[0; 6])?, ERR)?;
    }
    healthy(&mut driver)?;
    echoes(&mut driver, 0, &frame(1, 60))
}

// ABI-CTRL-3, ABI-CTRL-4, ABI-CTRL-5
fn one_pair_is_active_at_first(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small_pairs(2))?;
    driver.setup()?;
    driver.start()?;
    let sent = frame(1, 100);
    driver.send(1, &[&sent])?;
    driver.tx(1).kick()?;
    quiet();
    equal("used chains of the inactive pair", driver.tx(1).used_count(), 0)?;
    echoes(&mut driver, 0, &frame(2, 100))?;
    driver.set_pairs(2)?;
    driver.tx(1).kick()?;
    arrives(&mut driver, 1, &sent)
}

// ABI-CTRL-4, ABI-CTRL-5
fn a_pair_can_be_switched_off(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    echoes(&mut driver, 1, &frame(1, 100))?;
    eventually("the chain comes back", || driver.tx(1).used_count() == 1)?;
    driver.set_pairs(1)?;
    let sent = frame(2, 100);
    driver.send(1, &[&sent])?;
    driver.tx(1).kick()?;
    quiet();
    equal("used chains of the inactive pair", driver.tx(1).used_count(), 0)?;
    echoes(&mut driver, 0, &frame(3, 100))?;
    driver.set_pairs(2)?;
    driver.tx(1).kick()?;
    arrives(&mut driver, 1, &sent)
}

// ABI-CTRL-2
fn bad_pair_counts(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    let beyond = target.pairs()? + 1;
    for pairs in [0, beyond, u16::MAX] {
        equal("the answer", set_pairs(&mut driver, &pairs.to_le_bytes())?, ERR)?;
    }
    equal("the answer to one byte", set_pairs(&mut driver, &[1])?, ERR)?;
    equal("the answer to three", set_pairs(&mut driver, &[1, 0, 0])?, ERR)?;
    echoes(&mut driver, 1, &frame(1, 100))
}

fn many_commands_in_a_row(target: &Target<'_>) -> Result<(), Stop> {
    let config = Config { base: 65500, ..small() };
    let mut driver = target.running(config)?;
    holds("a control queue", driver.features().contains(Config::CTRL_VQ))?;
    for last in 0..100 {
        equal("the answer", set_mac(&mut driver, &[2, 0, 0, 0, 0, last])?, OK)?;
    }
    if target.has(Capabilities::VIRTIO_STATUS)? {
        same("the MAC", &mac(&mut driver)?, &[2, 0, 0, 0, 0, 99])?;
    }
    equal("the used index", driver.control().ring().used_index(), 65500u16.wrapping_add(100))
}

/// A guest that does without several pairs, as most do by default.
fn one_pair(features: Features) -> Config {
    Config { features, ..small() }
}

/// With all that is offered: a device of one pair offers no MQ, and it comes to the same.
// ABI-VRING-4, ABI-VRING-5
fn behind_all_pairs(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    equal("the control queue", driver.control().index(), QueueIndex(2 * target.pairs()?))?;
    equal("the answer", set_mac(&mut driver, &MAC)?, OK)
}

/// Virtio 1.2, 5.1.2: without MQ the control queue is behind the first pair, however many there
/// are.
// ABI-VRING-5, ABI-CTRL-2, ABI-CTRL-3
fn without_multiqueue(target: &Target<'_>) -> Result<(), Stop> {
    target.need_pairs(2)?;
    let mut driver = target.running(one_pair(Config::CTRL_VQ | Config::CTRL_MAC_ADDR))?;
    equal("the control queue", driver.control().index(), QueueIndex(2))?;
    equal("the answer", set_mac(&mut driver, &MAC)?, OK)?;
    equal("the answer to a pair count", set_pairs(&mut driver, &[2, 0])?, ERR)?;
    echoes(&mut driver, 0, &frame(1, 100))
}

/// They can be set up and kicked, and are not looked at: a look would be a fault here.
// ABI-VRING-7, ABI-VRING-8
fn the_vrings_behind_it_rest(target: &Target<'_>) -> Result<(), Stop> {
    target.need_pairs(2)?;
    let mut driver = target.driver(one_pair(Config::CTRL_VQ | Config::CTRL_MAC_ADDR))?;
    driver.setup()?;
    unmapped(&mut driver, 3..target.info()?.queue_count)?;
    equal("the answer", set_mac(&mut driver, &MAC)?, OK)?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    quiet();
    healthy(&mut driver)
}

// ABI-VRING-6, ABI-VRING-7, ABI-VRING-8
fn without_its_feature(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(one_pair(Features::empty()))?;
    driver.setup()?;
    unmapped(&mut driver, 2..target.info()?.queue_count)?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    quiet();
    healthy(&mut driver)
}

/// Sets up `queues` where nothing is mapped, starts the device, and kicks them.
fn unmapped(driver: &mut NetDriver, queues: std::ops::Range<u16>) -> Result<(), Stop> {
    let vring = driver.rx(0).polled_vring();
    let queues = queues.map(QueueIndex);
    for queue in queues.clone() {
        let vring = Vring::new(queue, vring.size, NOWHERE, NOWHERE, NOWHERE);
        driver.device().setup_vring(&vring)?;
    }
    driver.start()?;
    for queue in queues {
        driver.device().kicker(queue, Kick::Best)?.kick()?;
    }
    Ok(())
}

/// An index that can't be is found when the pair is switched on, and not before.
// ABI-CTRL-5, ABI-CTRL-6
fn a_receive_queue_rests(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small_pairs(2))?;
    driver.setup()?;
    let config = watch(&mut driver)?;
    let ring = driver.rx(1).ring().clone();
    ring.set_avail_index(ring.size() + 1);
    driver.start()?;
    driver.rx(1).kick()?;
    echoes(&mut driver, 0, &frame(1, 100))?;
    quiet();
    healthy(&mut driver)?;
    driver.set_pairs(2)?;
    faulted(&mut driver, &config)
}

/// Makes a command of `len` bytes at `command` with its answer at `answer` available, and kicks.
fn ask(driver: &mut NetDriver, command: Iova, len: u32, answer: Iova) -> Result<(), Stop> {
    let ring = driver.control().ring();
    ring.set_desc(0, Descriptor::readable(command, len).then(1));
    ring.set_desc(1, Descriptor::writable(answer, 1));
    ring.set_avail(0, 0);
    ring.set_avail_index(1);
    Ok(driver.control().kick()?)
}

/// A device that takes commands, and memory for them at [`PLACE`], a page.
fn commanded(target: &Target<'_>) -> Result<(NetDriver, Arc<Region>), Stop> {
    let mut driver = target.running(one_pair(Config::CTRL_VQ | Config::CTRL_MAC_ADDR))?;
    let memory = Region::new(1)?;
    memory.fill(0, memory.len(), 0x5a);
    driver.machine().map(&memory.at(PLACE))?;
    Ok((driver, memory))
}

/// What is refused whatever it says is not read, and need not be there.
// ABI-CTRL-7
fn a_command_longer_than_any(target: &Target<'_>) -> Result<(), Stop> {
    let (mut driver, memory) = commanded(target)?;
    ask(&mut driver, NOWHERE, 9, PLACE)?;
    eventually("the answer comes", || driver.control().ring().used_index() == 1)?;
    equal("the answer", memory.bytes(0, 1)[0], ERR)?;
    healthy(&mut driver)
}

/// The command of a new MAC in `memory`.
fn write_command(memory: &Region) {
    memory.write(0, &[VIRTIO_NET_CTRL_MAC as u8, VIRTIO_NET_CTRL_MAC_ADDR_SET as u8]);
    memory.write(2, &MAC);
}

// ABI-CTRL-8
fn no_answer_no_effect(target: &Target<'_>) -> Result<(), Stop> {
    let (mut driver, memory) = commanded(target)?;
    let before = mac(&mut driver)?;
    let config = watch(&mut driver)?;
    write_command(&memory);
    ask(&mut driver, PLACE, 8, NOWHERE)?;
    faulted(&mut driver, &config)?;
    same("the MAC", &mac(&mut driver)?, &before)
}

/// The used ring's first entry is beyond all mappings, its flags and index are not.
// ABI-CTRL-9
fn no_used_entry_no_effect(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(one_pair(Config::CTRL_VQ | Config::CTRL_MAC_ADDR))?;
    driver.setup()?;
    let memory = Region::new(page_size())?;
    driver.machine().map(&memory.at(PLACE))?;
    write_command(&memory);
    let vring = driver.control().polled_vring();
    let used = Iova(PLACE.0 + page_size() as u64 - 4);
    driver.device().setup_vring(&Vring::new(
        vring.queue,
        vring.size,
        vring.desc,
        vring.avail,
        used,
    ))?;
    let before = mac(&mut driver)?;
    let config = watch(&mut driver)?;
    driver.start()?;
    ask(&mut driver, PLACE, 8, Iova(PLACE.0 + 8))?;
    faulted(&mut driver, &config)?;
    same("the MAC", &mac(&mut driver)?, &before)?;
    equal("the answer", memory.bytes(8, 1)[0], 0)
}
