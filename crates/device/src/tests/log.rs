//! The dirty log.

use virtio_bindings::virtio_ring::VIRTIO_RING_F_EVENT_IDX;

use super::rig::{
    Arena, CONFIG, FEATURES, IOVA, Rig, borrow, eventfd, signals, this_process, until,
};
use crate::FaultKind;
use crate::dma::PinPolicy;
use crate::transport::VHOST_F_LOG_ALL;

const EVENT_IDX: u64 = 1 << VIRTIO_RING_F_EVENT_IDX;
const LOG_ALL: u64 = 1 << VHOST_F_LOG_ALL;

/// The IOVA pages whose bits are set, after which they are not.
fn take(log: &Arena) -> Vec<u64> {
    let bits = log.read(0, log.len);
    log.write(0, &vec![0; log.len]);
    let set = |page: &u64| bits[*page as usize / 8] & 1 << (page % 8) != 0;
    (0..8 * log.len as u64).filter(set).collect()
}

// ABI-LOG-1, ABI-LOG-2, ABI-LOG-5, ABI-LOG-6
#[test]
fn every_page_written_is_logged() {
    // 1 GiB and a bit of IOVA space: 0x40000 pages and those of the arena.
    let log = Arena::new(0x40000 / 8 + 4096);
    let mut rig = Rig::with(CONFIG, this_process(), PinPolicy::Eager);
    rig.start(FEATURES);
    let (signal, fd) = eventfd();
    rig.device.set_log_base(Some(log.host()));
    rig.device.set_log_fd(Some(fd)).unwrap();
    rig.round_trip(0, &[1; 60]);
    rig.settle();
    assert_eq!((take(&log), signals(&signal)), (vec![], 0), "not switched on");

    rig.device.set_features(FEATURES | LOG_ALL).unwrap();
    rig.round_trip(0, &[1; 60]);
    rig.settle();
    assert!(signals(&signal) > 0);
    let page = |offset: u64| (IOVA + offset) / 4096;
    let expected = [rig.ring(0).used, rig.buffer(0, 0), rig.ring(1).used].map(page).to_vec();
    assert_eq!(take(&log), expected);

    // A buffer across a page boundary: both pages, and no third.
    let buffer = (rig.buffer(0, 8) & !4095) + 4096 - 20;
    rig.descriptor(0, 0, IOVA + buffer, 2000, super::rig::WRITE);
    rig.offer(0, 0);
    rig.post_frame(1, 0, &[2; 60]);
    rig.kick(1);
    assert_eq!(rig.used(0), (0, 72));
    rig.used(1);
    rig.settle();
    assert!(signals(&signal) > 0);
    let expected =
        vec![page(rig.ring(0).used), page(buffer), page(buffer) + 1, page(rig.ring(1).used)];
    assert_eq!(take(&log), expected);

    rig.device.set_features(FEATURES).unwrap();
    rig.round_trip(0, &[1; 60]);
    rig.settle();
    assert_eq!((take(&log), signals(&signal)), (vec![], 0), "switched off");
}

// ABI-LOG-3
#[test]
fn a_used_ring_may_be_logged_elsewhere() {
    let log = Arena::new(0x40000 / 8 + 4096);
    let mut rig = Rig::new();
    rig.start(FEATURES | LOG_ALL);
    rig.settle();
    rig.device.set_log_base(Some(log.host()));
    rig.device.suspend().unwrap();
    for ring in &rig.rings[..2] {
        let (table, available, used) = (IOVA + ring.table, IOVA + ring.available, IOVA + ring.used);
        let at = 0x5000 + u64::from(ring.queue) * 4096;
        rig.device.set_vring_addr(ring.queue, table, available, used, Some(at)).unwrap();
    }
    rig.device.resume().unwrap();
    rig.round_trip(0, &[1; 60]);
    let buffer = (IOVA + rig.buffer(0, 0)) / 4096;
    // The look at the control queue wrote to its used ring: that kicks are wanted.
    let control = (IOVA + rig.ring(4).used) / 4096;
    rig.settle();
    assert_eq!(take(&log), [5, 6, buffer, control]);
}

// ABI-LOG-4
#[test]
fn a_log_without_memory_stops_the_vring() {
    let mut rig = Rig::new();
    rig.start(FEATURES | LOG_ALL);
    rig.settle();
    // The bits of the arena's pages would be in the page in front of it, where nothing can be.
    rig.device.set_log_base(Some(rig.arena.host() - 4096 - IOVA / 4096 / 8));
    rig.post_buffer(0, 0);
    rig.post_frame(1, 0, &[1; 60]);
    rig.kick(1);
    // More than one, if the looks of the start were not over yet.
    until(|| rig.device.counters().faults(FaultKind::Log) >= 1);
    assert_eq!(rig.device.status(), 0x4f);
    rig.device.reset();
    for ring in &mut rig.rings {
        (ring.next, ring.seen) = (0, 0);
        rig.arena.write(ring.available, &[0; 4]);
        rig.arena.write(ring.used, &[0; 4]);
    }
    rig.start(FEATURES | LOG_ALL);
    rig.round_trip(0, &[1; 60]);
}

// ABI-LOG-8
#[test]
fn a_log_eventfd_that_kicks_as_well_comes_to_rest() {
    for features in [FEATURES, FEATURES | EVENT_IDX] {
        let log = Arena::new(0x40000 / 8 + 4096);
        let mut rig = Rig::new();
        let (signal, fd) = eventfd();
        rig.device.set_log_base(Some(log.host()));
        rig.device.set_log_fd(Some(fd)).unwrap();
        rig.device.set_kick(1, Some(borrow(&signal).try_clone_to_owned().unwrap())).unwrap();
        rig.start(features | LOG_ALL);
        rig.round_trip(0, &[1; 60]);
        until(|| signals(&signal) > 0);
        rig.settle();
        assert!(!take(&log).is_empty());
        // The look that a signal asked for has nothing to write, nor has any other.
        for _ in 0..3 {
            rig.kick(1);
            rig.settle();
        }
        assert_eq!(take(&log), []);
    }
}

// ABI-STATUS-3
#[test]
fn reset_forgets_the_log_and_its_eventfd() {
    let log = Arena::new(0x40000 / 8 + 4096);
    let mut rig = Rig::new();
    let (signal, fd) = eventfd();
    rig.device.set_log_base(Some(log.host()));
    rig.device.set_log_fd(Some(fd)).unwrap();
    rig.start(FEATURES | LOG_ALL);
    rig.round_trip(0, &[1; 60]);
    rig.settle();
    assert!(signals(&signal) > 0 && !take(&log).is_empty());

    rig.device.reset();
    for ring in &mut rig.rings {
        (ring.next, ring.seen) = (0, 0);
        rig.arena.write(ring.available, &[0; 4]);
        rig.arena.write(ring.used, &[0; 4]);
    }
    rig.start(FEATURES | LOG_ALL);
    rig.round_trip(0, &[1; 60]);
    rig.settle();
    assert_eq!(take(&log), []);
    rig.device.set_log_base(Some(log.host()));
    rig.round_trip(0, &[1; 60]);
    rig.settle();
    assert!(!take(&log).is_empty());
    assert_eq!(signals(&signal), 0);
}

// ABI-LOG-2
#[test]
fn a_log_may_begin_anywhere() {
    let log = Arena::new(0x40000 / 8 + 4096);
    let mut rig = Rig::new();
    rig.device.set_log_base(Some(log.host() + 1));
    rig.start(FEATURES | LOG_ALL);
    rig.settle();
    take(&log);
    rig.round_trip(0, &[1; 60]);
    rig.settle();
    // All bits are those of a byte further on.
    let page = |offset: u64| (IOVA + offset) / 4096 + 8;
    let expected = [rig.ring(0).used, rig.buffer(0, 0), rig.ring(1).used].map(page);
    assert_eq!(take(&log), expected);
}
