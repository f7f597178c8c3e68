//! Exit codes, and outputs that can't be written: the rule of `--help`, in every task.

#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};

/// What strace writes of a program that measures one thing.
const TRACE: &str = "\
7 write(-1, \"begin call/vfio-msg\", 19) = -1 EBADF (Bad file descriptor)
7 openat(-100, \"/dev/null\", 0x2) = 9</dev/null>
7 write(-1, \"end call/vfio-msg\", 17) = -1 EBADF (Bad file descriptor)
";

fn xtask(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args).stdin(Stdio::null());
    command
}

fn shell(script: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_xtask")]).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A directory with `text` as a trace, and the trace's path.
fn trace(text: &[u8]) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn the_rule_is_in_every_help_and_a_task_adds_its_own() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--help"], &[]),
        (&["lab", "--help"], &["124", "125"]),
        (&["help", "uml"], &["124", "125"]),
        (&["api", "--help"], &["77"]),
        (&["bench", "--help"], &[]),
        (&["crossings", "--help"], &[]),
    ];
    for (args, codes) in cases {
        let output = xtask(args).output().unwrap();
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let (_, rule) = help.split_once("Exit codes:\n").expect(&help);
        let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
        let named: Vec<String> = rule.lines().map(first).collect();
        for code in ["0", "1", "2", "130"].iter().chain(*codes) {
            assert!(named.iter().any(|one| one == code), "{args:?}: {help}");
        }
    }
}

#[test]
fn what_its_user_got_wrong_is_2_and_one_line() {
    let (_cut, cut) = trace(TRACE.split_inclusive('\n').next().unwrap().as_bytes());
    let (_garbage, garbage) = trace(b"\x1b[31mno\x1b[0m");
    let (_binary, binary) = trace(&[0xff, 0xfe, 0]);
    let (_marks, marks) = trace(TRACE.replace("call/", "\u{1b}[31m").as_bytes().split_at(90).0);
    let cases: &[&[&str]] = &[
        &[],
        &["nonsense"],
        &["lab", "--bad"],
        &["lab", "--accel", "a\n\u{1b}[31mb"],
        &["bench", "--save", "--quick"],
        &["crossings"],
        &["crossings", "missing\n\u{1b}[31m"],
        &["crossings", &cut],
        &["crossings", &garbage],
        &["crossings", &binary],
        &["crossings", &marks],
    ];
    for args in cases {
        let output = xtask(args).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
        assert!(error.starts_with("cargo xtask: "), "{args:?}: {error}");
        assert!(!error.trim_end().contains(char::is_control), "{args:?}: {error}");
        assert!(error.len() < 200, "{args:?}: {error}");
    }
}

#[test]
fn nothing_from_a_trace_reaches_a_terminal_as_it_is() {
    let (_dir, path) =
        trace(TRACE.replace("call/", "\u{1b}[31m").replace("openat", "\u{7}").as_bytes());
    let output = xtask(&["crossings", &path]).output().unwrap();
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said.lines().count() >= 2, "{said}");
    assert!(!said.replace('\n', "").contains(char::is_control), "{said:?}");
}

#[test]
fn a_stdout_that_cannot_be_written() {
    let (_dir, path) = trace(TRACE.as_bytes());
    for args in [&["--help"][..], &["lab", "--help"], &["crossings", &path]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = xtask(args).stdout(full).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        assert!(error.contains("cannot write the output: No space left"), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{args:?}: {error}");

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = xtask(args).stdout(OwnedFd::from(writer)).output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{args:?}");
        assert_eq!(text(&output.stderr), "", "{args:?}");
    }
    let closed = shell(&format!("\"$0\" crossings '{path}' >&-"));
    assert_eq!(closed.status.code(), Some(0), "{closed:?}");
}

#[test]
fn a_stderr_that_cannot_be_written_changes_nothing() {
    for args in [&["nonsense"][..], &["crossings", "missing"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        for stderr in [Stdio::from(OwnedFd::from(writer)), Stdio::from(full)] {
            assert_eq!(xtask(args).stderr(stderr).status().unwrap().code(), Some(2), "{args:?}");
        }
        let words = args.join(" ");
        assert_eq!(shell(&format!("\"$0\" {words} 2>&-")).status.code(), Some(2), "{args:?}");
    }
}

/// `lab` and `uml` end as COMMAND does, so that what fails before it has codes of its own.
#[test]
fn what_fails_is_1_and_125_where_a_command_was_to_run() {
    // A cargo that builds nothing.
    for (task, code) in [("lab", 125), ("uml", 125), ("bench", 1), ("differential", 1), ("api", 1)]
    {
        let output = xtask(&[task]).env("CARGO", "/bin/false").output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{task}: {error}");
        assert_eq!(error.lines().count(), 1, "{task}: {error}");
        assert!(error.starts_with("cargo xtask: "), "{task}: {error}");
    }
    // The lab's own word for options that don't go together.
    let output = xtask(&["uml", "--icount", "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125), "{output:?}");
}
