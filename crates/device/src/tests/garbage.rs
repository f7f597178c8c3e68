//! Rings full of anything.

use proptest::collection::vec;
use proptest::prelude::*;

use super::rig::{
    Arena, BUFFER, CONFIG, FEATURES, INDIRECT, IOVA, NEXT, Rig, SIZE, WRITE, descriptor,
    this_process, until,
};
use crate::dma::{Access, PinPolicy, Region};

/// A window of the address space that the device may read but not write.
const READ_ONLY: u64 = 0x10_0000;

fn address() -> impl Strategy<Value = u64> {
    let buffers = IOVA + 3 * 4096;
    prop_oneof![
        6 => (0..64 * BUFFER).prop_map(move |n| buffers + n),
        2 => (0..8192_u64).prop_map(|n| READ_ONLY + n),
        1 => any::<u64>(),
        1 => (0..64_u64).prop_map(|n| u64::MAX - n),
    ]
}

fn anything() -> impl Strategy<Value = [u8; 16]> {
    let len =
        prop_oneof![8 => 0..3000_u32, 1 => any::<u32>(), 2 => (0..70_u32).prop_map(|n| n * 16)];
    let flags = prop_oneof![
        3 => Just(0), 3 => Just(WRITE), 2 => Just(NEXT), 2 => Just(NEXT | WRITE), 1 => Just(INDIRECT),
        1 => any::<u16>(),
    ];
    let next = prop_oneof![9 => 0..SIZE, 1 => any::<u16>()];
    (address(), len, flags, next)
        .prop_map(|(address, len, flags, next)| descriptor(address, len, flags, next))
}

#[derive(Clone, Debug)]
struct Garbage {
    table: Vec<[u8; 16]>,
    heads: Vec<u16>,
    ahead: u16,
}

fn garbage() -> impl Strategy<Value = Garbage> {
    let head = prop_oneof![20 => 0..SIZE, 1 => any::<u16>()];
    let ahead = prop_oneof![9 => 0..SIZE, 1 => any::<u16>()];
    (vec(anything(), usize::from(SIZE)), vec(head, usize::from(SIZE)), ahead)
        .prop_map(|(table, heads, ahead)| Garbage { table, heads, ahead })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// The device doesn't panic, writes nothing to read-only memory, and other queues work.
    #[test]
    fn garbage_harms_its_own_queue_only(
        rings in [garbage(), garbage(), garbage()],
        lazy in any::<bool>(),
        features in prop_oneof![Just(0), Just(1 << 15), Just(1 << 29), Just(1 << 15 | 1 << 29)],
    ) {
        let policy = if lazy { PinPolicy::Lazy } else { PinPolicy::Eager };
        let mut rig = Rig::with(CONFIG, this_process(), policy);
        let witness = Arena::new(8192);
        witness.write(0, &[0x5a; 8192]);
        rig.dma.map(Region {
            iova: READ_ONLY, len: 8192, host: witness.host(), access: Access::Read,
        }).unwrap();
        // Pair 1 becomes active while the control queue is still well.
        rig.start(FEATURES | features);
        prop_assert_eq!(rig.command(&[4, 0, 2, 0]), 0);
        rig.device.suspend().unwrap();
        for (queue, ring) in [0, 1, 4].into_iter().zip(&rings) {
            let at = rig.ring(queue).clone();
            rig.arena.write(at.table, ring.table.as_flattened());
            for (slot, head) in (0..).zip(&ring.heads) {
                rig.arena.write(at.available + 4 + 2 * slot, &head.to_le_bytes());
            }
            let next = at.next.wrapping_add(ring.ahead);
            rig.arena.write(at.available + 2, &next.to_le_bytes());
        }
        rig.device.resume().unwrap();
        for queue in [0, 1, 4] {
            rig.kick(queue);
        }
        // Garbage may have written to the control queue's ring or to pair 1's, by right: all of the
        // arena is mapped. What it can't reach is pair 1's when it writes only where it says.
        rig.round_trip(1, &[0xc3; 200]);
        until(|| {
            let before = rig.device.counters();
            std::thread::yield_now();
            rig.device.counters() == before
        });
        prop_assert_eq!(witness.read(0, 8192), vec![0x5a; 8192]);
        rig.device.set_status(0).unwrap();
        prop_assert_eq!(rig.device.status(), 0);
    }
}
