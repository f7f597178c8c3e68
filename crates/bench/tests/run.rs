//! Whole runs on the emulated kernel, short ones: what is measured, stopped and resumed.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use vhost_accel::Interface;
use vhost_accel_bench::{
    Client, Clock, Error, KernelHalf, Mode, Over, Platform, ResultFile, RunOptions, Selection,
    Setting, run,
};

static GO: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);

fn options(dir: &Path) -> RunOptions {
    RunOptions {
        mode: Mode::Quick,
        kernel_half: KernelHalf::Emulated,
        clock: Clock::Wall,
        machine: Platform::Host,
        setting: Setting::Usual,
        queue_pairs: 64,
        selection: Selection { scenarios: vec!["crossing".to_owned()], ..Selection::default() },
        externals: Vec::new(),
        criterion: dir.join("criterion"),
        partial: dir.join("partial.json"),
        resume: false,
        // Counts have a test of their own.
        crossings: Some(Vec::new()),
        command: "a test".to_owned(),
        revision: None,
        stop: &GO,
    }
}

/// What was told on the way.
fn told(options: &RunOptions) -> Result<(ResultFile, Vec<String>), Error> {
    let mut told = Vec::new();
    let result = run(options, |progress| told.push(progress.scenario.clone()))?;
    Ok((result, told))
}

fn clients(result: &ResultFile, scenario: &str, interface: Interface) -> Vec<Client> {
    let timings = result.timings.iter().map(|timing| &timing.key);
    timings
        .filter(|key| key.scenario == scenario && key.interface == interface)
        .map(|key| key.client)
        .collect()
}

#[test]
fn a_measurement_that_criterion_cannot_write_is_no_measurement() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    std::fs::create_dir(&options.criterion).unwrap();
    std::os::unix::fs::symlink("/proc/self", options.criterion.join("round-0")).unwrap();
    let error = told(&options).unwrap_err();
    assert!(matches!(error, Error::Samples { .. }), "{error}");
}

#[test]
fn a_run_is_stopped_and_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let stopped = RunOptions { stop: &STOP, ..options(dir.path()) };
    let (result, _) = told(&stopped).unwrap();
    assert!(result.run.interrupted && result.timings.is_empty() && result.ratios.is_empty());

    let (whole, scenarios) = told(&options(dir.path())).unwrap();
    let expected = ["crossings", "crossing/none", "crossing/in", "crossing/out", "costs"];
    assert_eq!(scenarios, expected);
    assert!(!whole.run.interrupted);
    // Every configuration of the two that have a library, and the peer on the control alone.
    for interface in Interface::ALL {
        assert_eq!(clients(&whole, "crossing/none", interface), [Client::Baseline]);
        let mut expected = vec![Client::Library, Client::Baseline];
        expected.extend((interface == Interface::VhostVdpa).then_some(Client::Peer));
        assert_eq!(clients(&whole, "crossing/in", interface), expected);
    }
    let count = |over| whole.ratios.iter().filter(|ratio| ratio.over == over).count();
    assert_eq!(
        [Over::Baseline, Over::Control, Over::Library, Over::Bare].map(count),
        [8, 6, 2, 4],
        "of crossing/in and crossing/out"
    );
    for timing in &whole.timings {
        let figures = &timing.figures;
        assert!(figures.n >= 10 && figures.min > 0.0, "{}", timing.key);
        assert!(figures.lower <= figures.median && figures.median <= figures.upper);
    }

    // All of it is there already.
    let again = RunOptions { resume: true, ..options(dir.path()) };
    let (resumed, scenarios) = told(&again).unwrap();
    assert_eq!(scenarios, ["crossings", "costs"]);
    assert_eq!(resumed.timings.len(), whole.timings.len());
    assert!(!resumed.run.interrupted);

    let other = RunOptions { command: "another".to_owned(), ..again };
    assert!(matches!(told(&other), Err(Error::Resume(_))));
}
