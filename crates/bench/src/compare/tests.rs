use std::collections::BTreeMap;

use vhost_accel::Interface;

use super::*;
use crate::{
    Client, Configuration, Device, Figures, Host, KernelHalf, Mode, Ratio, Run, SCHEMA, Scenario,
    Setting, Unit,
};

const CONFIGURATION: Configuration = Configuration::plain(Interface::VhostMdev);

pub(crate) fn run() -> ResultFile {
    ResultFile {
        schema: SCHEMA,
        run: Run {
            date: "2026-01-02T03:04:05Z".into(),
            command: "cargo bench".into(),
            revision: None,
            kernel_half: KernelHalf::Emulated,
            mode: Mode::Full,
            clock: Clock::Wall,
            machine: Platform::Host,
            seconds: 1,
            interrupted: false,
            setting: Setting::Usual,
            kernel_command_line: None,
            software: BTreeMap::new(),
            repeat: None,
            seeds: None,
        },
        host: Host {
            kernel: "6.12.0".into(),
            architecture: "x86_64".into(),
            cpu: "CPU".into(),
            cpu_mhz: None,
            cores: 2,
            clock_source: "tsc".into(),
            mitigations: BTreeMap::new(),
        },
        device: Device { queue_pairs: 64, queue_size: 256 },
        crossings: vec![Crossings {
            key: key(Scenario::Setup(1)),
            total: 3,
            kinds: BTreeMap::from([("openat".into(), 1), ("mmap".into(), 2)]),
        }],
        timings: vec![Timing {
            key: key(Scenario::Setup(1)),
            unit: Unit::Nanoseconds,
            figures: figures(100.0, 99.0, 101.0),
        }],
        ratios: vec![Ratio {
            key: key(Scenario::Setup(1)),
            over: Over::Baseline,
            figures: figures(1.0, 0.99, 1.01),
        }],
        distributions: Vec::new(),
        costs: Vec::new(),
        limits: Vec::new(),
    }
}

fn key(scenario: Scenario) -> Key {
    Key::new(scenario, CONFIGURATION, Client::Library)
}

fn figures(median: f64, lower: f64, upper: f64) -> Figures {
    Figures {
        n: 20,
        iterations: 20,
        mean: median,
        median,
        lower,
        upper,
        min: lower,
        p99: upper,
        std_dev: 1.0,
    }
}

fn with(median: f64, lower: f64, upper: f64) -> ResultFile {
    let mut file = run();
    file.timings[0].figures = figures(median, lower, upper);
    file
}

#[test]
fn a_run_is_like_itself() {
    let comparison = Comparison::new(&run(), &run(), THRESHOLD);
    assert!(!comparison.has_changes());
    assert_eq!(comparison.compared, 3);
}

#[test]
fn a_median_has_changed_if_intervals_are_apart_and_medians_are_far() {
    let changed =
        |after: &ResultFile| !Comparison::new(&run(), after, THRESHOLD).medians.is_empty();
    // Apart and far, both ways.
    assert!(changed(&with(110.0, 109.0, 111.0)));
    assert!(changed(&with(90.0, 89.0, 91.0)));
    // Far, but the intervals have a point in common.
    assert!(!changed(&with(110.0, 101.0, 120.0)));
    // Apart, but no more than the threshold away.
    assert!(!changed(&with(102.0, 101.5, 102.5)));
    let change = &Comparison::new(&run(), &with(110.0, 109.0, 111.0), THRESHOLD).medians[0];
    assert!((change.change - 0.1).abs() < 1e-9);
    // Which is the caller's.
    let comparison = Comparison::new(&run(), &with(102.0, 101.5, 102.5), 0.01);
    assert!(comparison.has_changes());
}

#[test]
fn a_count_has_changed_if_it_is_not_the_same() {
    let mut after = run();
    after.crossings[0].total = 4;
    after.crossings[0].kinds.insert("close".into(), 1);
    let comparison = Comparison::new(&run(), &after, THRESHOLD);
    let change = &comparison.crossings[0];
    assert_eq!((change.before, change.after), (3, 4));
    assert_eq!(change.kinds, [("close".to_owned(), 0, 1)]);
    // One kind for another is a change too.
    let mut after = run();
    after.crossings[0].kinds = BTreeMap::from([("openat".into(), 2), ("mmap".into(), 1)]);
    assert_eq!(Comparison::new(&run(), &after, THRESHOLD).crossings.len(), 1);
}

#[test]
fn a_ratio_can_change_where_no_median_does() {
    let mut after = run();
    after.ratios[0].figures = figures(1.1, 1.09, 1.11);
    let comparison = Comparison::new(&run(), &after, THRESHOLD);
    assert_eq!((comparison.medians.len(), comparison.ratios.len()), (0, 1));
    assert_eq!(comparison.ratios[0].over, Over::Baseline);
}

#[test]
fn what_only_one_run_has_is_named() {
    let mut after = run();
    after.timings[0].key = key(Scenario::Setup(4));
    let comparison = Comparison::new(&run(), &after, THRESHOLD);
    let missing = |scenario, only_in| Missing { key: key(scenario), what: Figure::Median, only_in };
    assert_eq!(
        comparison.missing,
        [missing(Scenario::Setup(1), Only::First), missing(Scenario::Setup(4), Only::Second)]
    );
    assert!(comparison.has_changes());
}

#[test]
fn runs_that_mean_different_things_are_not_called_alike() {
    let differ = |change: fn(&mut ResultFile)| {
        let mut after = run();
        change(&mut after);
        let comparison = Comparison::new(&run(), &after, THRESHOLD);
        assert_eq!(comparison.has_changes(), !comparison.incomparable.is_empty());
        comparison.incomparable
    };
    assert_eq!(differ(|file| file.run.clock = Clock::Instructions), [Incomparable::Clock]);
    assert_eq!(
        differ(|file| file.run.kernel_half = KernelHalf::Native),
        [Incomparable::KernelHalf]
    );
    assert_eq!(differ(|file| file.run.machine = Platform::Tcg), [Incomparable::Machine]);
    assert_eq!(differ(|file| file.device.queue_size = 128), [Incomparable::Device]);
    // Of different clocks nothing but counts is compared.
    let mut after = with(1e6, 9e5, 1.1e6);
    after.run.clock = Clock::Instructions;
    let comparison = Comparison::new(&run(), &after, THRESHOLD);
    assert_eq!((comparison.compared, comparison.medians.len()), (1, 0));
    // A virtual machine's CPU is a CPU, and another host is what one compares with.
    assert_eq!(differ(|file| file.run.machine = Platform::Kvm), []);
    assert_eq!(differ(|file| file.host.cpu = "Other".into()), []);
}
