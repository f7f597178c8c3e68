//! Exact counts, on the emulated kernel.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;

use vhost_accel_bench::{
    Argument, Crossings, Key, MapSize, PAIRS, Scenario, Side, Subject, Variant, count_crossings,
};
use vhost_accel_core::{Interface, KickKind};

struct Counted(Vec<Crossings>);

impl Counted {
    fn of(&self, scenario: Scenario, subject: Subject, side: Side) -> &Crossings {
        let key = Key::new(scenario, subject, side);
        self.0.iter().find(|counted| counted.key == key).unwrap()
    }

    fn library(&self, scenario: Scenario, subject: Subject) -> u64 {
        self.of(scenario, subject, Side::Library).total
    }
}

/// One run for all: it is the same run that `cargo bench` begins with.
#[test]
fn counts_are_what_the_interfaces_need() {
    let counted = Counted(count_crossings().unwrap());
    a_backend_adds_no_crossing_to_the_floor(&counted);
    a_batched_setup_takes_the_same_for_any_number_of_pairs(&counted);
    a_setup_grows_by_what_a_pair_needs(&counted);
    kicks_are_what_they_say(&counted);
    one_mapping_is_one_crossing(&counted);
    a_question_is_two_as_messages(&counted);
}

fn a_backend_adds_no_crossing_to_the_floor(counted: &Counted) {
    let mut compared = 0;
    for scenario in Scenario::all() {
        for subject in scenario.subjects() {
            if !scenario.has_library_side() {
                continue;
            }
            let [library, floor] = Side::ALL.map(|side| counted.of(scenario, subject, side));
            assert_eq!(library.kinds, floor.kinds, "{}", library.key);
            assert_eq!(library.total, library.kinds.values().sum::<u64>(), "{}", library.key);
            compared += 1;
        }
    }
    assert!(compared > 80, "{compared}");
}

fn a_batched_setup_takes_the_same_for_any_number_of_pairs(counted: &Counted) {
    let subject = Subject::new(Interface::VfioMsg, Variant::Batch);
    let totals = PAIRS.map(|pairs| counted.library(Scenario::SetupBatched(pairs), subject));
    // docs/abi.md: open 26, two mappings, negotiate 2, vrings 2, doorbells 1, start 1.
    assert_eq!(totals, [34; 4]);
}

fn a_setup_grows_by_what_a_pair_needs(counted: &Counted) {
    // docs/abi.md: three messages for a vring; four ioctls; the same and a page to map, but vring 0's.
    for (interface, fixed, per_pair) in [
        (Interface::VfioMsg, 28 + 2 + 5 + 3 + 1 + 1 + 1, 6),
        (Interface::VfioIoctl, 24 + 2 + 4 + 4 + 1 + 1, 8),
        (Interface::VhostMdev, 9 + 2 + 4 + 4 + 1, 8),
        (Interface::VhostVdpa, 9 + 2 + 4 + 4 + 2 - 1, 10),
    ] {
        for pairs in PAIRS {
            let total = counted.library(Scenario::Setup(pairs), Subject::plain(interface));
            assert_eq!(total, fixed + per_pair * u64::from(pairs), "{interface}, {pairs} pairs");
        }
    }
}

fn kicks_are_what_they_say(counted: &Counted) {
    for (kind, expected) in [
        (KickKind::Doorbell, None),
        (KickKind::EventFd, Some("write eventfd")),
        (KickKind::RegionWrite, Some("pwrite NOTIFY")),
    ] {
        let expected: BTreeMap<_, _> =
            expected.into_iter().map(|kind| (kind.to_owned(), 1)).collect();
        for scenario in [Scenario::Kick(kind), Scenario::KickLatency(kind)] {
            for subject in scenario.subjects() {
                let library = counted.of(scenario, subject, Side::Library);
                assert_eq!(library.kinds, expected, "{}", library.key);
            }
        }
    }
    for scenario in [Scenario::Call, Scenario::RoundTrip] {
        for subject in scenario.subjects() {
            let library = counted.of(scenario, subject, Side::Library);
            assert_eq!(library.kinds, BTreeMap::from([("read eventfd".to_owned(), 1)]));
        }
    }
}

fn one_mapping_is_one_crossing(counted: &Counted) {
    for size in MapSize::ALL {
        for scenario in [Scenario::DmaMap(size), Scenario::DmaUnmap(size)] {
            for subject in scenario.subjects() {
                assert_eq!(counted.library(scenario, subject), 1, "{scenario} {subject}");
            }
        }
    }
}

fn a_question_is_two_as_messages(counted: &Counted) {
    for interface in Interface::ALL {
        let expected = if interface == Interface::VfioMsg { 2 } else { 1 };
        let subject = Subject::plain(interface);
        assert_eq!(counted.library(Scenario::Crossing(Argument::Out), subject), expected);
        assert_eq!(counted.library(Scenario::Crossing(Argument::In), subject), 1);
        assert_eq!(counted.of(Scenario::Crossing(Argument::None), subject, Side::Floor).total, 1);
    }
}

/// Which interface can do what is written down in `Scenario`; the devices must say the same.
#[test]
fn kicks_are_those_that_devices_can_do() {
    let kernel = vhost_accel_emulator::EmulatedKernel::builder().build().unwrap();
    let capabilities = kernel
        .run(|| {
            let devices = vhost_accel::devices().unwrap();
            let open = |uri| vhost_accel::open_uri(uri).unwrap().info().clone();
            devices.iter().map(open).collect::<Vec<_>>()
        })
        .unwrap();
    let interfaces: Vec<_> = capabilities.iter().map(|info| info.interface).collect();
    assert_eq!(interfaces, Interface::ALL);
    for kind in KickKind::ALL {
        let wanted: Vec<_> =
            Scenario::Kick(kind).subjects().map(|subject| subject.interface).collect();
        let able: Vec<_> = capabilities
            .iter()
            .filter(|info| info.capabilities.contains(kind.capability()))
            .map(|info| info.interface)
            .collect();
        assert_eq!(wanted, able, "{kind}");
    }
}
