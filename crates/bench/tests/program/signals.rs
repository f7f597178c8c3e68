//! Signals: what isn't finished goes with the process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use vhost_accel_bench::terminal::{Fault, note, print};
use vhost_accel_bench::{Staged, signals};

use super::{Test, UNFINISHED, program};

pub(crate) const TESTS: &[Test] = &[
    ("a_signal_leaves_no_unfinished_file", a_signal_leaves_no_unfinished_file),
    ("an_ignored_signal_stays_ignored", an_ignored_signal_stays_ignored),
    ("a_limit_of_size_is_an_error", a_limit_of_size_is_an_error),
];

/// Where the unfinished file is to go.
const OUT: &str = "VHOST_ACCEL_TEST_OUT";

/// Has a file that isn't finished, says so and waits. The first Ctrl-C doesn't end it.
pub(crate) fn unfinished() -> ExitCode {
    let mut first = true;
    let goes_on = move |signal| {
        let goes_on = signal == libc::SIGINT && std::mem::take(&mut first);
        if goes_on {
            print("goes on").unwrap();
        }
        goes_on
    };
    signals::watch(goes_on).unwrap();
    let path = PathBuf::from(std::env::var_os(OUT).unwrap());
    let mut file = Staged::create(&path).unwrap();
    if let Err(error) = file.write_all(b"half of it") {
        note(error);
        return ExitCode::from(Fault::Failed.code());
    }
    print("ready").unwrap();
    loop {
        thread::park();
    }
}

/// The program when it is ready, and what it says from then on.
fn ready(dir: &Path, shell: &str) -> (Child, impl Iterator<Item = String>) {
    let mut command = program(UNFINISHED, shell);
    command.env(OUT, dir.join("file")).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert_eq!(said.next().as_deref(), Some("ready"));
    assert_eq!(entries(dir), 1, "the file is there under another name");
    assert!(!dir.join("file").exists());
    (child, said)
}

fn entries(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

pub(crate) fn kill(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn a_signal_leaves_no_unfinished_file() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let dir = tempfile::tempdir().unwrap();
        let (mut child, mut said) = ready(dir.path(), "");
        if signal == Signal::INT {
            kill(&child, signal);
            assert_eq!(said.next().as_deref(), Some("goes on"));
            assert_eq!(entries(dir.path()), 1);
        }
        kill(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal:?}");
        assert_eq!(entries(dir.path()), 0, "{signal:?}");
    }
}

fn an_ignored_signal_stays_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, _) = ready(dir.path(), "trap '' HUP");
    kill(&child, Signal::HUP);
    kill(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

fn a_limit_of_size_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program(UNFINISHED, "ulimit -f 0");
    let output = command.env(OUT, dir.path().join("file")).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("File too large"), "{error}");
    assert_eq!(entries(dir.path()), 0);
}
