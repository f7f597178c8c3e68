//! Exit codes, and outputs that can't be written: the rule of `--help`, in every command.

#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

#[expect(dead_code, reason = "what other tests use of it")]
#[path = "../../bench/tests/fixture/mod.rs"]
mod fixture;

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const DEVICE: &str = "vhost-vdpa:/dev/vhost-vdpa-0";

fn vhost_accel(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vhost-accel"));
    command.args(args).stdin(Stdio::null());
    command
}

fn shell(script: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_vhost-accel")]).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A project's root with one result.
fn project() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let result = fixture::result();
    result.save(&root.path().join("results").join(result.file_name())).unwrap();
    fs::create_dir(root.path().join("docs")).unwrap();
    for (page, what) in [("README.md", "results"), ("docs/measuring.md", "scenarios")] {
        let markers = format!("<!-- {what}:begin -->\n<!-- {what}:end -->\n");
        fs::write(root.path().join(page), markers).unwrap();
    }
    root
}

/// Commands that print something, each with all that it needs.
fn printing(root: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["--help"],
        vec!["--version"],
        vec!["interfaces"],
        vec!["interfaces", "--json"],
        vec!["devices", "--emulated"],
        vec!["probe", "--emulated", DEVICE],
        vec!["check", "--list", "--emulated", DEVICE],
        vec!["loopback", "--frames", "10", "--emulated", DEVICE],
        vec!["report", "--out", root, "--root", root],
        vec!["manual", root],
    ]
}

#[test]
fn a_full_stdout_is_a_failure_that_says_so() {
    let root = project();
    for args in printing(root.path().to_str().unwrap()) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = vhost_accel(&args).stdout(full).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        assert!(error.contains("cannot write the output: No space left"), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
    }
}

#[test]
fn a_reader_that_has_gone_ends_it_quietly() {
    let root = project();
    for args in printing(root.path().to_str().unwrap()) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = vhost_accel(&args).stdout(OwnedFd::from(writer)).output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{args:?}");
        assert_eq!(text(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn a_stderr_that_cannot_be_written_changes_nothing() {
    for args in [&["devices"][..], &["probe", "nonsense"], &["emulate", "--", "/nowhere"]] {
        let want = vhost_accel(args).output().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        for stderr in [Stdio::from(OwnedFd::from(writer)), Stdio::from(full)] {
            let output = vhost_accel(args).stderr(stderr).output().unwrap();
            assert_eq!(
                (output.status, output.stdout),
                (want.status, want.stdout.clone()),
                "{args:?}"
            );
        }
        let words = args.join(" ");
        let closed = shell(&format!("\"$0\" {words} 2>&-"));
        assert_eq!(closed.status, want.status, "{args:?}");
    }
}

#[test]
fn what_its_user_got_wrong_is_2_and_one_line() {
    let root = project();
    let dir = root.path().to_str().unwrap();
    let garbage = root.path().join("garbage.json");
    fs::write(&garbage, "{").unwrap();
    let garbage = garbage.to_str().unwrap();
    let capture = root.path().join("capture.pcap");
    fs::write(&capture, "no capture").unwrap();
    let capture = capture.to_str().unwrap();
    let cases: &[&[&str]] = &[
        &[],
        &["help", "nonsense"],
        &["nonsense"],
        &["probe", "nonsense"],
        &["probe", "vhost-vdpa:/dev/x\n\u{1b}[31my"],
        &["compare", garbage, garbage],
        &["compare", "missing", "missing"],
        &["report", "--root", dir, "--merge", garbage],
        &["report", "--root", dir, "--merge", "missing"],
        &["loopback", "--emulated", DEVICE, "--pcap", "missing"],
        &["loopback", "--emulated", DEVICE, "--pcap", capture],
        &["emulate", "--", "/nowhere"],
        &["emulate", "--", env!("CARGO_BIN_EXE_vhost-accel"), "emulate", "--", "true"],
        &["check", "--emulated", DEVICE, "no such case"],
        &["manual"],
    ];
    for args in cases {
        let output = vhost_accel(args).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
        assert!(error.starts_with("vhost-accel: "), "{args:?}: {error}");
        assert!(!error.trim_end().contains(char::is_control), "{args:?}: {error}");
    }
}

#[test]
fn the_rule_is_in_every_help() {
    for args in
        [&["--help"][..], &["emulate", "--help"], &["compare", "--help"], &["help", "check"]]
    {
        let output = vhost_accel(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(text(&output.stdout).contains("Exit codes:"), "{args:?}");
    }
}

#[test]
fn what_cannot_be_written_whole_is_not_written_at_all() {
    let root = project();
    let dir = root.path().to_str().unwrap();
    let write = || vhost_accel(&["report", "--root", dir]).output().unwrap();
    assert!(write().status.success());
    let before = snapshot(root.path());
    // Another result, which changes the documents, and files of a kilobyte at most.
    let result = root.path().join("results").join(fixture::result().file_name());
    let changed = fs::read_to_string(&result).unwrap().replace("\"cores\": ", "\"cores\": 1");
    fs::write(&result, changed).unwrap();
    let limited = shell(&format!("ulimit -f 1; \"$0\" report --root {dir}"));
    let error = text(&limited.stderr);
    assert_eq!(limited.status.code(), Some(1), "{error}");
    assert!(error.contains("File too large"), "{error}");
    let now = snapshot(root.path());
    let without_results = |all: &[(String, String)]| -> Vec<_> {
        all.iter().filter(|(name, _)| !name.contains("results/")).cloned().collect()
    };
    assert_eq!(without_results(&now), without_results(&before));
}

/// Every file below `dir`, hidden ones too.
fn snapshot(dir: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(snapshot(&path));
        } else {
            all.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn what_nobody_can_have_measured_is_one_line_about_the_file() {
    let root = project();
    let dir = root.path().to_str().unwrap();
    let file = root.path().join("theirs.json");
    let whole = serde_json::to_value(fixture::result()).unwrap();
    let long = "x".repeat(5_000_000);
    let cpu: &[&str] =
        &[&long, "\u{1b}[31mred", "<script>alert(1)</script>", "a\nb", "[x](y)", "a|b"];
    let texts = cpu.iter().map(|cpu| ("/host/cpu", serde_json::json!(cpu)));
    let figures = [1e308, -1.0].map(|figure| ("/timings/0/median", serde_json::json!(figure)));
    for (place, value) in texts.chain(figures) {
        let mut theirs = whole.clone();
        *theirs.pointer_mut(place).unwrap() = value;
        fs::write(&file, theirs.to_string()).unwrap();
        for command in ["report", "compare"] {
            let path = file.to_str().unwrap();
            let output = match command {
                "report" => vhost_accel(&["report", "--root", dir, "--merge", path]).output(),
                _ => vhost_accel(&["compare", path, path]).output(),
            }
            .unwrap();
            let error = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{place}: {error}");
            assert!(error.contains("theirs.json: "), "{place}: {error}");
            assert_eq!(error.lines().count(), 1, "{place}: {error}");
            assert!(error.len() < 1200, "{place}: {}", error.len());
            assert!(!error.trim_end().contains(char::is_control), "{error}");
        }
    }
    fs::write(&file, whole.to_string().replacen(r#""median":"#, r#""median":NaN,"x":"#, 1))
        .unwrap();
    let output =
        vhost_accel(&["report", "--root", dir, "--merge", file.to_str().unwrap()]).output();
    assert_eq!(output.unwrap().status.code(), Some(2));
}

#[test]
fn a_capture_that_is_not_finished_is_not_there() {
    use rustix::process::Signal;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.pcap");
        let path = out.to_str().unwrap();
        // What started the tests may ignore signals: the program gets none of that.
        let mut command = Command::new("env");
        command.args(["--default-signal", env!("CARGO_BIN_EXE_vhost-accel"), "loopback"]);
        command.args(["--emulated", "--frames", "1000000000", "--out", path, DEVICE]);
        let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        // It has begun when its unfinished file is there.
        while fs::read_dir(dir.path()).unwrap().count() == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            std::thread::yield_now();
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
