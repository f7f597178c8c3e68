//! Malformed rings stop their own vring, and nothing else.

use vhost_accel_driver::Descriptor;
use vhost_accel_driver::core::{Capabilities, Features, QueueIndex};

use super::bad::{Bad, SIZE, control, rx, tx, tx_of};
use super::{small_pairs, watch};
use crate::case::Case;
use crate::check::{echoes, equal, faulted, healthy, quiet, same, silent};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    // ABI-FAULT-3
    Case::new("malformed::tx_loop", |target| {
        tx(target, |bad| {
            bad.desc(0, bad.read(100).then(0));
        })
    }),
    // ABI-FAULT-3
    Case::new("malformed::tx_long_loop", |target| {
        tx(target, |bad| {
            (0..SIZE).for_each(|index| bad.desc(index, bad.read(16).then((index + 1) % SIZE)));
        })
    }),
    // ABI-FAULT-5
    Case::new("malformed::tx_next_out_of_range", |target| {
        tx(target, |bad| {
            bad.desc(0, bad.read(100).then(SIZE));
        })
    }),
    Case::new("malformed::tx_next_far_out_of_range", |target| {
        tx(target, |bad| {
            bad.desc(0, bad.read(100).then(u16::MAX));
        })
    }),
    // ABI-FAULT-5
    Case::new("malformed::tx_head_out_of_range", |target| tx(target, |bad| bad.head(SIZE))),
    // ABI-FAULT-10
    Case::new("malformed::tx_index_jump", |target| tx(target, |bad| bad.index(SIZE + 1))),
    Case::new("malformed::tx_index_backwards", |target| tx(target, |bad| bad.index(u16::MAX))),
    // ABI-FAULT-12
    Case::new("malformed::tx_writable_descriptor", |target| {
        tx(target, |bad| {
            bad.desc(0, bad.read(100).then(1));
            bad.desc(1, bad.write(100));
        })
    }),
    Case::new("malformed::tx_only_writable", |target| {
        tx(target, |bad| {
            bad.desc(0, bad.write(100));
        })
    }),
    // ABI-FAULT-9
    Case::new("malformed::tx_readable_behind_writable", |target| {
        tx(target, |bad| {
            bad.desc(0, bad.write(100).then(1));
            bad.desc(1, bad.read(100));
        })
    }),
    // ABI-FAULT-11
    Case::new("malformed::tx_short_header", |target| {
        tx(target, |bad| {
            bad.desc(0, bad.read(11));
        })
    }),
    // ABI-FAULT-11
    Case::new("malformed::tx_short_header_in_two", |target| {
        tx(target, |bad| {
            bad.desc(0, bad.read(6).then(1));
            bad.desc(1, bad.read(5));
        })
    }),
    // ABI-FAULT-8
    Case::new("malformed::indirect_length_not_whole", |target| {
        tx(target, |bad| {
            bad.table(0, bad.read(100));
            bad.desc(0, Descriptor::indirect(bad.table_iova(), 24));
        })
    }),
    // ABI-FAULT-8
    Case::new("malformed::indirect_length_zero", |target| {
        tx(target, |bad| {
            bad.desc(0, Descriptor::indirect(bad.table_iova(), 0));
        })
    }),
    // ABI-FAULT-8
    Case::new("malformed::indirect_table_too_long", |target| {
        tx(target, |bad| {
            (0..=SIZE).for_each(|index| {
                let part = bad.read(16);
                bad.table(index, if index < SIZE { part.then(index + 1) } else { part });
            });
            bad.desc(0, Descriptor::indirect(bad.table_iova(), 16 * (u32::from(SIZE) + 1)));
        })
    }),
    // ABI-FAULT-8
    Case::new("malformed::indirect_table_too_long_for_a_short_chain", |target| {
        tx(target, |bad| {
            bad.table(0, bad.read(100));
            bad.desc(0, Descriptor::indirect(bad.table_iova(), 16 * (u32::from(SIZE) + 1)));
        })
    }),
    // ABI-FAULT-6
    Case::new("malformed::indirect_in_indirect", |target| {
        tx(target, |bad| {
            bad.table(0, Descriptor::indirect(bad.table_iova(), 32));
            bad.table(1, bad.read(100));
            bad.desc(0, Descriptor::indirect(bad.table_iova(), 16));
        })
    }),
    // ABI-FAULT-7
    Case::new("malformed::indirect_with_next", |target| {
        tx(target, |bad| {
            bad.table(0, bad.read(100));
            bad.desc(0, Descriptor::indirect(bad.table_iova(), 16).then(1));
            bad.desc(1, bad.read(100));
        })
    }),
    // ABI-FAULT-25
    Case::new("malformed::indirect_without_its_feature", |target| {
        let mut config = small_pairs(2);
        config.features -= Features::INDIRECT_DESC;
        tx_of(target, config, |bad| {
            bad.table(0, bad.read(100));
            bad.desc(0, Descriptor::indirect(bad.table_iova(), 16));
        })
    }),
    // ABI-FAULT-3
    Case::new("malformed::indirect_loop", |target| {
        tx(target, |bad| {
            bad.table(0, bad.read(100).then(1));
            bad.table(1, bad.read(100).then(0));
            bad.desc(0, Descriptor::indirect(bad.table_iova(), 32));
        })
    }),
    // ABI-FAULT-5
    Case::new("malformed::indirect_next_out_of_range", |target| {
        tx(target, |bad| {
            bad.table(0, bad.read(100).then(2));
            bad.desc(0, Descriptor::indirect(bad.table_iova(), 32));
        })
    }),
    // ABI-FAULT-3
    Case::new("malformed::rx_loop", |target| {
        rx(target, |bad| {
            bad.desc(0, bad.write(16).then(0));
        })
    }),
    // ABI-FAULT-5
    Case::new("malformed::rx_next_out_of_range", |target| {
        rx(target, |bad| {
            bad.desc(0, bad.write(20).then(SIZE));
        })
    }),
    // ABI-FAULT-5
    Case::new("malformed::rx_head_out_of_range", |target| rx(target, |bad| bad.head(SIZE))),
    // ABI-FAULT-10
    Case::new("malformed::rx_index_jump", |target| rx(target, |bad| bad.index(SIZE + 1))),
    // ABI-FAULT-13
    Case::new("malformed::rx_readable_descriptor", |target| {
        rx(target, |bad| {
            bad.desc(0, bad.read(2048));
        })
    }),
    Case::new("malformed::rx_readable_before_writable", |target| {
        rx(target, |bad| {
            bad.desc(0, bad.read(16).then(1));
            bad.desc(1, bad.write(2048));
        })
    }),
    // ABI-FAULT-9
    Case::new("malformed::rx_readable_behind_writable", |target| {
        rx(target, |bad| {
            bad.desc(0, bad.write(2048).then(1));
            bad.desc(1, bad.read(16));
        })
    }),
    // ABI-FAULT-9
    Case::new("malformed::control_readable_behind_writable", |target| {
        control(target, |bad| {
            bad.desc(0, bad.write(1).then(1));
            bad.desc(1, bad.read(2));
        })
    }),
    // ABI-FAULT-3
    Case::new("malformed::control_loop", |target| {
        control(target, |bad| {
            bad.desc(0, bad.read(2).then(0));
        })
    }),
    Case::new("malformed::a_stopped_vring_stays_stopped", stays_stopped),
    Case::new("malformed::every_vring_can_stop_alone", every_vring_can_stop),
    Case::new("malformed::good_chains_before_the_bad_one_come_back", good_before_bad),
];

/// Neither a good chain nor a kick nor switching it off and on brings a stopped vring back; a reset
/// does.
// ABI-FAULT-15
fn stays_stopped(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    let config = watch(&mut driver)?;
    let ring = driver.tx(0).ring().clone();
    let bad = Bad::new(&mut driver, ring)?;
    bad.head(SIZE);
    bad.index(1);
    driver.tx(0).kick()?;
    faulted(&mut driver, &config)?;
    let used = bad.ring.used_bytes();
    bad.desc(0, bad.read(100));
    bad.head(0);
    driver.tx(0).kick()?;
    if target.has(Capabilities::VIRTIO_STATUS)? {
        driver.device().enable_vring(QueueIndex(1), false)?;
        driver.device().enable_vring(QueueIndex(1), true)?;
    }
    quiet();
    same("the used ring", &bad.ring.used_bytes(), &used)?;
    silent("a second config change", &config)?;
    driver.restart()?;
    healthy(&mut driver)?;
    echoes(&mut driver, 0, &frame(1, 100))
}

/// One after the other, transmit queues of many pairs stop; those that are left still run.
// ABI-FAULT-16
fn every_vring_can_stop(target: &Target<'_>) -> Result<(), Stop> {
    let pairs = target.pairs()?.min(4);
    target.need_pairs(2)?;
    let mut driver = target.running(small_pairs(pairs))?;
    for pair in 0..pairs {
        let config = watch(&mut driver)?;
        let ring = driver.tx(pair).ring().clone();
        let index = ring.avail_index();
        ring.set_avail(index, SIZE + pair);
        ring.set_avail_index(index + 1);
        driver.tx(pair).kick()?;
        // NEEDS_RESET is there from the first one on; the event comes with each.
        faulted(&mut driver, &config)?;
        equal("the used index", ring.used_index(), index)?;
        for other in pair + 1..pairs {
            echoes(&mut driver, other, &frame(other.into(), 100))?;
            crate::check::eventually("the chain comes back", || driver.tx(other).has_used())?;
        }
    }
    Ok(())
}

// ABI-FAULT-17
fn good_before_bad(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small_pairs(2))?;
    let config = watch(&mut driver)?;
    let frames = [frame(1, 100), frame(2, 200), frame(3, 300)];
    driver.queue_frames(0, &[&frames[0], &frames[1], &frames[2]])?;
    let ring = driver.tx(0).ring().clone();
    ring.set_avail(3, SIZE);
    ring.set_avail_index(4);
    driver.tx(0).kick()?;
    faulted(&mut driver, &config)?;
    equal("used transmit chains", ring.used_index(), 3)?;
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    crate::check::received(&mut driver, 0, &all)
}
