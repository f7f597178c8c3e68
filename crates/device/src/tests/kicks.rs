//! Who wakes the device, and whom it wakes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use virtio_bindings::virtio_ring::VIRTIO_RING_F_EVENT_IDX;

use super::rig::{CONFIG, FEATURES, Rig, eventfd, let_it_err, signals, this_process, until};
use crate::{Device, DoorbellPages};

const EVENT_IDX: u64 = 1 << VIRTIO_RING_F_EVENT_IDX;

/// A rig whose device has doorbells, and the file that they are in.
fn with_doorbells() -> (Rig, File) {
    let mut rig = Rig::new();
    let file = tempfile::tempfile().unwrap();
    file.set_len(5 * 4096).unwrap();
    let pages = DoorbellPages::map(&file, 0, 5).unwrap();
    rig.device = Device::new(CONFIG).unwrap();
    rig.device.bind(this_process(), Arc::clone(&rig.dma), Some(pages)).unwrap();
    (rig, file)
}

#[test]
fn nothing_happens_without_a_kick() {
    let mut rig = Rig::started(0);
    rig.round_trip(0, &[1; 60]);
    rig.settle();
    rig.post_buffer(0, 0);
    rig.post_frame(1, 0, &[2; 60]);
    let_it_err();
    assert_eq!((rig.used_index(0), rig.used_index(1)), (1, 1));
    rig.kick(3);
    rig.kick(0);
    let_it_err();
    assert_eq!(rig.used_index(1), 1, "kicks of other queues are none of this one");
    rig.kick(1);
    assert_eq!(rig.receive(0), [2; 60]);
    assert_eq!(rig.device.counters().kicks_region, 4);
}

// ABI-RUN-3
#[test]
fn a_kick_before_start_is_not_lost() {
    let mut rig = Rig::new();
    rig.post_buffer(0, 0);
    rig.post_frame(1, 0, &[7; 99]);
    rig.start(FEATURES);
    assert_eq!(rig.receive(0), [7; 99]);
}

#[test]
fn an_eventfd_kicks() {
    let mut rig = Rig::new();
    let (kick, fd) = eventfd();
    rig.device.set_kick(1, Some(fd)).unwrap();
    rig.start(FEATURES);
    for n in 1..=100 {
        rig.post_buffer(0, 0);
        rig.post_frame(1, 0, &[n; 60]);
        kick.write(1).unwrap();
        assert_eq!(rig.receive(0), [n; 60]);
        rig.used(1);
    }
    assert_eq!(kick.read().unwrap(), 100, "the device does not read it");
    // A frame may be found before its kick is, and two kicks be seen as one.
    until(|| (50..=100).contains(&rig.device.counters().kicks_eventfd));

    rig.device.set_kick(1, None).unwrap();
    rig.post_buffer(0, 0);
    rig.post_frame(1, 0, &[0; 60]);
    kick.write(1).unwrap();
    let_it_err();
    assert_eq!(rig.used_index(1), 100);
    // One that was written to before it was handed over is a kick.
    rig.device.set_kick(1, Some(super::rig::borrow(&kick).try_clone_to_owned().unwrap())).unwrap();
    assert_eq!(rig.receive(0), [0; 60]);
}

// ABI-BELL-2, ABI-BELL-3, ABI-BELL-5, ABI-BELL-6
#[test]
fn a_doorbell_kicks_from_sleep_and_while_polled() {
    let (mut rig, file) = with_doorbells();
    rig.device.set_doorbells_mapped(true);
    rig.start(FEATURES);
    for n in 0..50 {
        if n % 10 == 0 {
            let_it_err(); // long enough to fall asleep
        }
        rig.post_buffer(0, 0);
        rig.post_frame(1, 0, &[n; 60]);
        // 16 bits of the queue, or 32 with the available index.
        let store = [[1, 0, n, 0], [1, 0, 0xff, 0xff]][usize::from(n % 2)];
        file.write_all_at(&store[..2 + 2 * usize::from(n % 2)], 4096).unwrap();
        assert_eq!(rig.receive(0), [n; 60]);
        rig.used(1);
    }
    until(|| {
        let mut bell = [0; 4];
        file.read_exact_at(&mut bell, 4096).unwrap();
        bell == [0xff; 4] // taken
    });
    // As with eventfds; and a write to a file may be seen in two pieces.
    assert!((25..=51).contains(&rig.device.counters().kicks_doorbell));
}

#[test]
fn a_doorbell_rung_too_early_is_seen_later() {
    let (mut rig, file) = with_doorbells();
    rig.start(FEATURES);
    rig.settle();
    rig.post_buffer(0, 0);
    rig.post_frame(1, 0, &[5; 60]);
    file.write_all_at(&[1, 0], 4096).unwrap();
    let_it_err();
    assert_eq!(rig.used_index(1), 0, "nobody has it mapped");
    rig.device.set_doorbells_mapped(true);
    assert_eq!(rig.receive(0), [5; 60]);
}

// ABI-CALL-1, ABI-CALL-2, ABI-CALL-4
#[test]
fn a_call_follows_used_buffers_unless_the_driver_does_not_want_it() {
    let mut rig = Rig::started(0);
    let (call, fd) = eventfd();
    rig.device.set_call(0, Some(fd)).unwrap();
    rig.round_trip(0, &[1; 60]);
    until(|| signals(&call) == 1);
    // VRING_AVAIL_F_NO_INTERRUPT
    rig.arena.write(rig.ring(0).available, &[1, 0]);
    rig.round_trip(0, &[1; 60]);
    let_it_err();
    assert_eq!(signals(&call), 0);
    rig.arena.write(rig.ring(0).available, &[0, 0]);
    let (replaced, fd) = eventfd();
    rig.device.set_call(0, Some(fd)).unwrap();
    rig.round_trip(0, &[1; 60]);
    until(|| signals(&replaced) == 1);
    rig.device.set_call(0, None).unwrap();
    rig.round_trip(0, &[1; 60]);
    let_it_err();
    assert_eq!((signals(&call), signals(&replaced)), (0, 0));
    until(|| rig.device.counters().calls == 2);
}

// ABI-CALL-3
#[test]
fn used_event_says_when_to_call() {
    let mut rig = Rig::started(EVENT_IDX);
    let (call, fd) = eventfd();
    rig.device.set_call(0, Some(fd)).unwrap();
    // Call when the fourth buffer is used: used_event lies behind the available ring.
    let used_event = rig.ring(0).available + 4 + 2 * u64::from(rig.ring(0).size);
    rig.arena.write(used_event, &3_u16.to_le_bytes());
    for n in 0..8 {
        rig.round_trip(0, &[1; 60]);
        if n == 3 {
            until(|| signals(&call) == 1);
        } else {
            let_it_err();
            assert_eq!(signals(&call), 0, "{n}");
        }
    }
}

#[test]
fn avail_event_says_when_to_kick() {
    let mut rig = Rig::started(EVENT_IDX);
    let avail_event = |rig: &Rig, queue| {
        let ring = rig.ring(queue);
        let bytes = rig.arena.read(ring.used + 4 + 8 * u64::from(ring.size), 2);
        u16::from_le_bytes(bytes.try_into().unwrap())
    };
    for n in 1..=5 {
        rig.round_trip(0, &[1; 60]);
        until(|| avail_event(&rig, 1) == n);
    }
    assert_eq!(avail_event(&rig, 0), 0, "no frame waited for a buffer");
    rig.post_frame(1, 0, &[2; 60]);
    rig.kick(1);
    until(|| avail_event(&rig, 0) == 5);
    rig.post_buffer(0, 0);
    rig.kick(0);
    assert_eq!(rig.receive(0), [2; 60]);
}

#[test]
fn without_event_idx_a_flag_stops_kicks() {
    let mut rig = Rig::started(0);
    rig.round_trip(0, &[1; 60]);
    let flags = |rig: &Rig, queue| rig.arena.read(rig.ring(queue).used, 2);
    until(|| flags(&rig, 1) == [0, 0]);
    assert_eq!(flags(&rig, 0), [1, 0], "buffers are not waited for");
    rig.post_frame(1, 0, &[2; 60]);
    rig.kick(1);
    until(|| flags(&rig, 0) == [0, 0]);
    assert_eq!(flags(&rig, 1), [1, 0]);
    rig.post_buffer(0, 0);
    rig.kick(0);
    assert_eq!(rig.receive(0), [2; 60]);
    until(|| flags(&rig, 1) == [0, 0]);
}

/// A driver that kicks only when the ring says so never waits for ever.
#[test]
fn no_kick_is_lost() {
    for features in [0, EVENT_IDX] {
        let mut rig = Rig::new();
        let (kick, fd) = eventfd();
        rig.device.set_kick(1, Some(fd)).unwrap();
        rig.start(FEATURES | features);
        let mut kicks = 0;
        for n in 0..20_000_u32 {
            rig.post_buffer(0, (n % 32) as u16);
            rig.post_frame(1, (n % 32) as u16, &n.to_le_bytes());
            let ring = rig.ring(1);
            let wanted = if features == 0 {
                rig.arena.read(ring.used, 2) == [0, 0]
            } else {
                let event = ring.used + 4 + 8 * u64::from(ring.size);
                let event = rig.arena.index(event).load(std::sync::atomic::Ordering::Acquire);
                event == ring.next.wrapping_sub(1)
            };
            if wanted {
                kick.write(1).unwrap();
                kicks += 1;
            }
            if n % 7 == 0 {
                for _ in rig.ring(0).seen..rig.ring(0).next {
                    rig.receive(0);
                    rig.used(1);
                }
            }
        }
        assert!(kicks > 0);
        assert_eq!(rig.device.counters().rx_dropped, 0);
    }
}
