//! An interface from outside is measured beside the four, and changes nothing of theirs.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use vhost_accel::VhostAccel;
use vhost_accel_bench::{
    CONTROL, Client, Clock, Configuration, External, KernelHalf, Mode, Over, PAIRS, Platform,
    ResultFile, RunOptions, Scenario, Selection, Setting, count_crossings, report, run,
};

#[path = "../../conformance/examples/fifth_backend/backend.rs"]
mod backend;

const FIFTH: External = External { interface: backend::IN_PROCESS, open };
const PLAIN: Configuration = Configuration::plain(backend::IN_PROCESS);
static GO: AtomicBool = AtomicBool::new(false);

/// One test at a time: a process that one of them starts has the other's descriptors for a moment.
static TURN: Mutex<()> = Mutex::new(());

/// Each time another one, like the last. Its thread is the client's, so that its calls are counted
/// as long as it lives: it must be gone before something else is.
fn open(_: usize) -> vhost_accel::Result<Box<dyn VhostAccel>> {
    backend::open(&backend::accelerator(PAIRS[PAIRS.len() - 1]).unwrap())
}

#[test]
fn its_crossings_stand_beside_those_of_the_four() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let four = count_crossings(&[]).unwrap();
    let (fifth, rest): (Vec<_>, Vec<_>) = count_crossings(&[FIFTH])
        .unwrap()
        .into_iter()
        .partition(|counted| counted.key.interface == FIFTH.interface);
    assert_eq!(rest, four);
    assert!(fifth.iter().all(|counted| counted.key.client == Client::Library));
    // What each of its own capabilities allows, and only that.
    let counted = |id: &str| fifth.iter().any(|counted| counted.key.scenario == id);
    for scenario in ["setup/64", "setup-eventfd/1", "kick/eventfd", "call", "migrate/1"] {
        assert!(counted(scenario), "{scenario}");
    }
    for scenario in ["kick/doorbell", "kick/region-write", "setup-batched/1", "crossing/none"] {
        assert!(!counted(scenario), "{scenario}");
    }
}

#[test]
fn a_run_gives_it_rows_of_its_own() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let options = RunOptions {
        mode: Mode::Quick,
        kernel_half: KernelHalf::Emulated,
        clock: Clock::Wall,
        machine: Platform::Host,
        setting: Setting::Usual,
        queue_pairs: 64,
        selection: Selection { scenarios: vec!["setup/1".to_owned()], ..Selection::default() },
        externals: vec![FIFTH],
        criterion: dir.path().join("criterion"),
        partial: dir.path().join("partial.json"),
        resume: false,
        crossings: Some(Vec::new()),
        command: "a test".to_owned(),
        revision: None,
        stop: &GO,
    };
    let result = run(&options, |_| ()).unwrap();
    let setup = Scenario::Setup(1);
    assert!(result.timing(setup, PLAIN, Client::Library).is_some());
    assert!(result.timing(setup, PLAIN, Client::Baseline).is_none());
    assert!(result.ratio(setup, PLAIN, Client::Library, Over::Control).is_some());
    assert!(result.timing(setup, CONTROL, Client::Baseline).is_some());
    let table = report::table(&result);
    assert!(table.contains("setup/1 #3"), "{table}");

    // Who reads the file knows the name and no more.
    let path = dir.path().join("result.json");
    result.save(&path).unwrap();
    let read = ResultFile::load(&path).unwrap();
    assert_eq!(read, result);
    let text = report::table(&ResultFile {
        ratios: Vec::new(),
        timings: result
            .timings
            .iter()
            .filter(|one| one.key.interface != FIFTH.interface)
            .cloned()
            .collect(),
        ..result
    });
    assert!(!text.contains("from outside"), "{text}");
}
