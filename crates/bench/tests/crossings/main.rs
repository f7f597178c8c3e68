//! Exact counts, on the emulated kernel.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

use vhost_accel::{Interface, KickKind};
use vhost_accel_bench::{
    Argument, CONTROL, Client, Configuration, Crossings, Key, LIVE, MapSize, PAIRS, REGIONS,
    STEP_PAIRS, Scenario, Step, Variant, count_crossings,
};

mod kinds;

struct Counted(Vec<Crossings>);

impl Counted {
    fn of(&self, scenario: Scenario, configuration: Configuration, client: Client) -> &Crossings {
        let key = Key::new(scenario, configuration, client);
        self.0.iter().find(|counted| counted.key == key).unwrap()
    }

    fn library(&self, scenario: Scenario, configuration: Configuration) -> u64 {
        self.of(scenario, configuration, Client::Library).total
    }
}

/// One run for all: it is the same run that `cargo bench` begins with.
#[test]
fn counts_are_what_the_interfaces_need() {
    let counted = Counted(count_crossings(&[]).unwrap());
    a_scenario_does_what_it_says_and_nothing_else(&counted);
    a_backend_adds_no_crossing_to_the_floor(&counted);
    a_batched_setup_takes_the_same_for_any_number_of_pairs(&counted);
    a_setup_grows_by_what_a_pair_needs(&counted);
    kicks_are_what_they_say(&counted);
    one_mapping_is_one_crossing(&counted);
    a_question_is_two_as_messages(&counted);
    a_peer_asks_for_no_doorbell_and_else_crosses_as_we_do(&counted);
    the_steps_of_a_setup_make_a_setup(&counted);
    memory_is_handed_over_in_as_many_crossings_as_regions_or_in_one(&counted);
    what_comes_and_goes_is_two_crossings_whatever_stays(&counted);
}

/// Whoever measures nothing, too much, or something else is found by the kinds.
fn a_scenario_does_what_it_says_and_nothing_else(counted: &Counted) {
    let mut seen = BTreeSet::new();
    for scenario in Scenario::all() {
        for configuration in scenario.configurations() {
            let acts = scenario.acts(configuration);
            assert!(!acts.is_empty(), "{scenario} does nothing");
            let said: BTreeSet<&str> =
                acts.into_iter().flat_map(|act| kinds::kinds(act, configuration)).collect();
            for client in scenario.clients(configuration).filter(|&one| one != Client::Peer) {
                let key = Key::new(scenario, configuration, client);
                let Some(counted) = counted.0.iter().find(|counted| counted.key == key) else {
                    continue;
                };
                let made: BTreeSet<&str> = counted.kinds.keys().map(String::as_str).collect();
                assert_eq!(made, said, "{key}");
                seen.insert(scenario.to_string());
            }
        }
    }
    // Those that are too long to count do what a shorter one does.
    let uncounted = ["dma-ready/1G", "dma-churn/4096", "dma-churn/65536", "dma-churn/1048576"];
    for scenario in Scenario::all() {
        let id = scenario.to_string();
        assert_ne!(seen.contains(&id), uncounted.contains(&id.as_str()), "{id}");
    }
}

fn a_backend_adds_no_crossing_to_the_floor(counted: &Counted) {
    let mut compared = 0;
    for library in counted.0.iter().filter(|counted| counted.key.client == Client::Library) {
        let key = Key { client: Client::Baseline, ..library.key.clone() };
        let Some(baseline) = counted.0.iter().find(|counted| counted.key == key) else {
            continue;
        };
        assert_eq!(library.kinds, baseline.kinds, "{}", library.key);
        assert_eq!(library.total, library.kinds.values().sum::<u64>(), "{}", library.key);
        compared += 1;
    }
    assert!(compared > 150, "{compared}");
}

fn a_peer_asks_for_no_doorbell_and_else_crosses_as_we_do(counted: &Counted) {
    for scenario in Scenario::all() {
        if !scenario.clients(CONTROL).any(|client| client == Client::Peer) {
            continue;
        }
        let mut ours = counted.of(scenario, CONTROL, Client::Library).kinds.clone();
        if let Scenario::SetupEventFd(_) = scenario {
            // Only mmap(2) tells whether there are doorbells.
            assert_eq!(ours.remove("mmap doorbell"), Some(1), "{scenario}");
        }
        let peer = counted.of(scenario, CONTROL, Client::Peer);
        assert_eq!(peer.kinds, ours, "{scenario}");
    }
}

fn the_steps_of_a_setup_make_a_setup(counted: &Counted) {
    for configuration in Configuration::ALL
        .into_iter()
        .filter(|configuration| configuration.variant == Variant::Plain)
    {
        let steps = Step::ALL.map(|step| counted.library(Scenario::SetupStep(step), configuration));
        let whole = counted.library(Scenario::Setup(STEP_PAIRS), configuration);
        assert_eq!(steps.iter().sum::<u64>(), whole, "{configuration}: {steps:?}");
    }
}

fn memory_is_handed_over_in_as_many_crossings_as_regions_or_in_one(counted: &Counted) {
    for regions in REGIONS {
        let scenario = Scenario::MemTable(regions);
        for configuration in scenario.configurations() {
            let expected = match configuration.variant {
                Variant::Plain => u64::from(regions),
                Variant::MemTable => 1,
                // One mapping is no batch.
                Variant::Batch if regions == 1 => 1,
                Variant::Batch => u64::from(regions) + 2,
            };
            assert_eq!(
                counted.library(scenario, configuration),
                expected,
                "{scenario} {configuration}"
            );
        }
    }
}

fn what_comes_and_goes_is_two_crossings_whatever_stays(counted: &Counted) {
    let scenario = Scenario::DmaChurn(LIVE[0]);
    for configuration in scenario.configurations() {
        assert_eq!(counted.library(scenario, configuration), 2, "{configuration}");
    }
}

fn a_batched_setup_takes_the_same_for_any_number_of_pairs(counted: &Counted) {
    let configuration = Configuration::new(Interface::VfioMsg, Variant::Batch);
    let totals = PAIRS.map(|pairs| counted.library(Scenario::SetupBatched(pairs), configuration));
    // docs/abi.md: open 26, two mappings, negotiate 2, vrings 2, doorbells 1, start 1.
    assert_eq!(totals, [34; 4]);
}

fn a_setup_grows_by_what_a_pair_needs(counted: &Counted) {
    // docs/abi.md: three messages for a vring; four ioctls; the same and a page to map, but vring
    // 0's.
    for (interface, fixed, per_pair) in [
        (Interface::VfioMsg, 28 + 2 + 5 + 3 + 1 + 1 + 1, 6),
        (Interface::VfioIoctl, 24 + 2 + 4 + 4 + 1 + 1, 8),
        (Interface::VhostMdev, 9 + 2 + 4 + 4 + 1, 8),
        (Interface::VhostVdpa, 9 + 2 + 4 + 4 + 2 - 1, 10),
    ] {
        for pairs in PAIRS {
            let total = counted.library(Scenario::Setup(pairs), Configuration::plain(interface));
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
            for configuration in scenario.configurations() {
                let library = counted.of(scenario, configuration, Client::Library);
                assert_eq!(library.kinds, expected, "{}", library.key);
            }
        }
    }
    for scenario in [Scenario::Call, Scenario::RoundTrip] {
        for configuration in scenario.configurations() {
            let library = counted.of(scenario, configuration, Client::Library);
            assert_eq!(library.kinds, BTreeMap::from([("read eventfd".to_owned(), 1)]));
        }
    }
}

fn one_mapping_is_one_crossing(counted: &Counted) {
    for size in MapSize::ALL {
        for scenario in [Scenario::DmaMap(size), Scenario::DmaUnmap(size)] {
            for configuration in scenario.configurations() {
                assert_eq!(
                    counted.library(scenario, configuration),
                    1,
                    "{scenario} {configuration}"
                );
            }
        }
    }
}

fn a_question_is_two_as_messages(counted: &Counted) {
    for interface in Interface::ALL {
        let expected = if interface == Interface::VfioMsg { 2 } else { 1 };
        let configuration = Configuration::plain(interface);
        assert_eq!(counted.library(Scenario::Crossing(Argument::Out), configuration), expected);
        assert_eq!(counted.library(Scenario::Crossing(Argument::In), configuration), 1);
        assert_eq!(
            counted.of(Scenario::Crossing(Argument::None), configuration, Client::Baseline).total,
            1
        );
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
        let wanted: Vec<_> = Scenario::Kick(kind)
            .configurations()
            .map(|configuration| configuration.interface)
            .collect();
        let able: Vec<_> = capabilities
            .iter()
            .filter(|info| info.capabilities.contains(kind.capability()))
            .map(|info| info.interface)
            .collect();
        assert_eq!(wanted, able, "{kind}");
    }
}
