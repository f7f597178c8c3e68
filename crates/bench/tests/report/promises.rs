//! Promises held against figures.

use vhost_accel::Interface;
use vhost_accel_bench::report::{self, Promise};
use vhost_accel_bench::{
    Client, Configuration, Difference, ENOUGH, Key, Repeat, ResultFile, Scenario, Seeds,
};

use crate::fixture;

fn holds(result: &ResultFile) -> Vec<bool> {
    report::promises(result).iter().map(|promise: &Promise| promise.holds).collect()
}

#[test]
fn times_are_held_against_the_emulated_kernel() {
    let mut result = fixture::result();
    // In the fixture a copied argument makes 1.5 bare crossings, and an eventfd is 1% over its
    // baseline.
    assert_eq!(holds(&result), [true, true, true]);
    for timing in &mut result.timings {
        let baseline = timing.key.client == Client::Baseline;
        if timing.key.scenario == "kick/doorbell" && !baseline {
            // The baselines are 3 ns apart, and the library 2 ns above them.
            timing.figures.median += 3.0;
        }
    }
    for ratio in &mut result.ratios {
        let baseline = ratio.key.client == Client::Baseline;
        match ratio.key.scenario.as_str() {
            "crossing/in" if baseline => ratio.figures.median = 1.601,
            "kick/eventfd" if !baseline => ratio.figures.median = 1.021,
            _ => {}
        }
    }
    assert_eq!(holds(&result), [false, false, false]);
    assert!(report::table(&result).contains("DOES NOT HOLD"));
}

#[test]
fn instructions_are_held_against_the_native_kernel() {
    let mut result = fixture::instructions();
    // The library is 1% over its baseline, a doorbell takes 2 more than it, and everything
    // repeated.
    assert_eq!(holds(&result), [true, true, true, true]);
    let first = result.clone();
    for timing in &mut result.timings {
        if timing.key.client != Client::Library {
            continue;
        }
        timing.figures.median *= match timing.key.scenario.as_str() {
            "kick/eventfd" => 1.001,
            "setup/16" => 1.05,
            "kick/doorbell" => 1.01,
            _ => 1.0,
        };
    }
    result.run.seeds = Some(Seeds::of(&vec![result.clone(); ENOUGH]));
    let configuration = Configuration::plain(Interface::VhostMdev);
    let key = Key::new(Scenario::Setup(1), configuration, Client::Library);
    let differs = |repeat: &mut Option<Repeat>| {
        if let Some(repeat) = repeat {
            repeat.within_thousandth -= 1;
            repeat.beyond.push(Difference { key: key.clone(), before: 1.0, now: 1.1 });
        }
    };
    // What other seeds change is said, and no promise.
    let seeds = result.run.seeds.as_mut().unwrap();
    let spread = seeds.spread.iter_mut().find(|spread| spread.key == key).unwrap();
    spread.high = spread.median * 1.1;
    assert_eq!(holds(&result), [false, false, false, true]);
    let said = report::promises(&result)[3].measured.clone();
    assert!(said.ends_with(" (setup/1/vhost-mdev differs most, by 10.00%)"), "{said}");
    differs(&mut result.run.repeat);
    assert_eq!(holds(&result), [false, false, false, false]);
    let said = report::table(&result);
    assert_eq!(said.matches("DOES NOT HOLD").count(), 4, "{said}");
    result = first;
    result.run.repeat = None;
    assert_eq!(holds(&result), [true, true, true]);
}

#[test]
fn a_translators_time_proves_nothing() {
    assert_eq!(report::promises(&fixture::translated()), []);
    // On a CPU a kick's cost is real, and a crossing is not trapped.
    assert_eq!(holds(&fixture::kvm()).len(), 2);
}

#[test]
fn what_was_not_measured_is_not_claimed() {
    let mut result = fixture::instructions();
    result.timings.clear();
    result.ratios.clear();
    result.run.repeat = None;
    result.run.seeds = None;
    assert_eq!(report::promises(&result), []);
}
