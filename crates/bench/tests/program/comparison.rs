//! `cargo bench`: exit codes, and outputs that can't be written. The rule is that of `--help`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use vhost_accel_bench::ResultFile;

use super::signals::kill;
use super::{COMPARISON, Test, program};

pub(crate) const TESTS: &[Test] = &[
    ("nothing_that_is_only_for_show_needs_room", nothing_that_is_only_for_show_needs_room),
    ("the_rule_is_in_the_help", the_rule_is_in_the_help),
    ("what_its_user_got_wrong_is_2_and_one_line", what_its_user_got_wrong_is_2_and_one_line),
    ("a_full_stdout_is_a_failure_that_says_so", a_full_stdout_is_a_failure_that_says_so),
    ("a_reader_that_has_gone_ends_it_quietly", a_reader_that_has_gone_ends_it_quietly),
    ("a_stderr_that_cannot_be_written_changes_nothing", a_bad_stderr_changes_nothing),
    ("what_cannot_be_written_is_a_failure", what_cannot_be_written_is_a_failure),
    ("it_is_stopped_and_ended_by_ctrl_c", it_is_stopped_and_ended_by_ctrl_c),
];

fn bench(args: &[&str]) -> Command {
    behind("", args)
}

fn behind(shell: &str, args: &[&str]) -> Command {
    let mut command = program(COMPARISON, shell);
    command.args(args);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What runs for a second and ends with a table.
fn short(out: &Path) -> [&str; 5] {
    ["--quick", "--scenario", "crossing/none", "--out", out.to_str().unwrap()]
}

fn the_rule_is_in_the_help() {
    let output = bench(&["--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("Exit codes:"), "{output:?}");
}

fn what_its_user_got_wrong_is_2_and_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let garbage = dir.path().join("garbage\n\u{1b}[31m.json");
    fs::write(&garbage, "{").unwrap();
    let out = dir.path().to_str().unwrap();
    let partial = dir.path().join("partial.json");
    fs::write(&partial, "[1").unwrap();
    let nowhere = dir.path().join("nowhere");
    let cases: &[&[&str]] = &[
        &["--bad"],
        &["--interface", "a\n\u{1b}[31mb"],
        &["--save", "--quick"],
        &["--scenario", "nonsense"],
        &["--scenario", "crossing", "--scenario", "nonsense"],
        &["--scenario", "migrate", "migrated\n/"],
        &["--native", "--out", out, "--crossings", "/nowhere"],
        &["--native", "--out", out, "--crossings", garbage.to_str().unwrap()],
        &["--quick", "--out", out, "--resume"],
        &["--quick", "--out", nowhere.to_str().unwrap(), "--resume"],
    ];
    for args in cases {
        let output = bench(args).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        let said: Vec<&str> = error.lines().filter(|line| !line.starts_with('[')).collect();
        assert_eq!(said.len(), 1, "{args:?}: {error}");
        assert!(said[0].starts_with("cargo bench: "), "{args:?}: {error}");
        assert!(!said[0].contains(char::is_control), "{args:?}: {error}");
    }
}

fn a_full_stdout_is_a_failure_that_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["--help"][..], &["--count"], &short(dir.path())] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = bench(args).stdout(full).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        let last = error.lines().last().unwrap();
        assert!(last.contains("cargo bench: cannot write the output: No space left"), "{error}");
    }
    // What was measured is kept nevertheless.
    assert!(dir.path().join("latest.json").exists());
}

fn a_reader_that_has_gone_ends_it_quietly() {
    let dir = tempfile::tempdir().unwrap();
    for args in [&["--help"][..], &["--count"], &short(dir.path())] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = bench(args).stdout(OwnedFd::from(writer)).output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{args:?}");
        let error = text(&output.stderr);
        assert!(!error.contains("cargo bench"), "{args:?}: {error}");
    }
    let closed = behind("exec >&-", &["--help"]).output().unwrap();
    assert_eq!(closed.status.code(), Some(0), "{closed:?}");
}

fn a_bad_stderr_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for (args, code) in [(&["--bad"][..], 2), (&short(dir.path()), 0)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        for stderr in [Stdio::from(OwnedFd::from(writer)), Stdio::from(full)] {
            let output = bench(args).stderr(stderr).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{args:?}");
        }
        let closed = behind("exec 2>&-", args).output().unwrap();
        assert_eq!(closed.status.code(), Some(code), "{args:?}");
    }
}

/// What criterion prints went into this file once, and criterion panics when it can't print.
fn nothing_that_is_only_for_show_needs_room() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("criterion.log");
    std::os::unix::fs::symlink("/dev/full", log).unwrap();
    let output = bench(&short(dir.path())).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(dir.path().join("latest.json").exists());
}

fn what_cannot_be_written_is_a_failure() {
    for out in ["/dev/null/out", "/proc/out"] {
        let output = bench(&short(Path::new(out))).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{out}: {error}");
        assert_eq!(error.lines().count(), 1, "{out}: {error}");
        assert!(error.starts_with("cargo bench: "), "{out}: {error}");
    }
}

fn it_is_stopped_and_ended_by_ctrl_c() {
    for times in 1..=2 {
        let dir = tempfile::tempdir().unwrap();
        // The second takes minutes: what is to be stopped has not ended by itself.
        let mut command = bench(&["--scenario", "crossing", "--scenario", "setup", "--out"]);
        command.arg(dir.path());
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut said =
            BufReader::new(child.stderr.take().unwrap()).lines().map(|line| line.unwrap());
        said.find(|line| line.ends_with(" crossing/in")).unwrap();
        kill(&child, Signal::INT);
        said.find(|line| line.starts_with("stopping")).unwrap();
        if times == 2 {
            kill(&child, Signal::INT);
        }
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let left = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name());
        let hidden = left.filter(|name| name.to_string_lossy().starts_with('.'));
        assert_eq!(hidden.count(), 0);
        // What came before is kept.
        let partial = ResultFile::load(&dir.path().join("partial.json")).unwrap();
        assert_eq!(partial.timings[0].key.scenario, "crossing/none");
    }
}
