//! Programs in C that are linked with the shared library, on the emulated kernel.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use vhost_accel::Uri;
use vhost_accel_emulator::EmulatedKernel;

const SYMBOLS: &str = include_str!("../symbols.txt");

/// These tests start processes and open a device again at once, and so run one after the other: see
/// the documentation of `vhost-accel-emulator`.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The shared library, which cargo builds beside this test.
fn library() -> PathBuf {
    env::current_exe().unwrap().with_file_name("libvhost_accel_capi.so")
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Compiles a program in a directory of its own, with the library under the names that a linker and
/// a loader know it by.
fn compile(source: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    for name in ["libvhost_accel.so", "libvhost_accel.so.0"] {
        symlink(library(), dir.path().join(name)).unwrap();
    }
    let program = dir.path().join("program");
    let rpath = format!("-Wl,-rpath,{}", dir.path().display());
    run(Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g", "-I"])
        .arg(here().join("assets"))
        .arg(here().join(source))
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(dir.path())
        .args(["-lvhost_accel", &rpath]));
    (dir, program)
}

/// Runs a program with the URI of each device, in each variant. What it printed, a line for each.
fn on_every_device(program: &Path) -> Vec<(Uri, String)> {
    let kernel = EmulatedKernel::builder().build().unwrap();
    let devices = kernel.run(vhost_accel::devices).unwrap().unwrap();
    let uris: Vec<_> = devices.iter().flat_map(Uri::variants).collect();
    assert_eq!(uris.len(), 7, "four interfaces, three of them in two variants");
    let mut printed = Vec::new();
    for uri in uris {
        let out = program.with_extension("out");
        let mut command = Command::new(program);
        command.arg(uri.to_string()).stdout(fs::File::create(&out).unwrap());
        let status = kernel.spawn(command).unwrap().wait().unwrap();
        assert!(status.success(), "{uri}: {status}");
        printed.push((uri, fs::read_to_string(&out).unwrap()));
    }
    printed
}

#[test]
fn the_examples_frame_comes_back() {
    let _alone = alone();
    let (_dir, program) = compile("examples/first_frame.c");
    for (uri, line) in on_every_device(&program) {
        let frame = "sixty bytes are the least that a network card puts on a wire";
        assert_eq!(line, format!("{uri}: {frame}\n"));
    }
}

#[test]
fn every_function_refuses_what_is_wrong() {
    let _alone = alone();
    let (_dir, program) = compile("tests/misuse.c");
    on_every_device(&program);
}

/// What the library exports is what the header declares, and what the last release had.
#[test]
fn the_symbols_are_those_of_the_header() {
    let _alone = alone();
    let table = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library()));
    let symbols: BTreeSet<_> = table.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    let committed: BTreeSet<_> = SYMBOLS.lines().collect();
    assert_eq!(symbols, committed, "symbols.txt is not what the library exports");
    let header = fs::read_to_string(here().join("assets/vhost_accel.h")).unwrap();
    let declared = header.lines().filter(|line| !line.starts_with([' ', '#', '/']));
    let declared: BTreeSet<_> = declared
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("vhost_accel_"))
        .collect();
    assert_eq!(symbols, declared);
    // The loader finds it by this name.
    let dynamic = run(Command::new("readelf").arg("-d").arg(library()));
    assert!(dynamic.contains("[libvhost_accel.so.0]"), "{dynamic}");
}

/// The misuse test is of every function: a new one has to be in it.
#[test]
fn no_function_is_left_out_of_the_misuse_test() {
    let source = fs::read_to_string(here().join("tests/misuse.c")).unwrap();
    let left = |symbol: &&str| !source.contains(&format!("{symbol}("));
    let left: Vec<_> = SYMBOLS.lines().filter(left).collect();
    // It has no argument, and can't be used wrongly.
    assert_eq!(left, ["vhost_accel_version"]);
}
