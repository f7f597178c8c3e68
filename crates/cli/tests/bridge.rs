//! `vhost-accel bridge` as a front end and a shell meet it. What happens to frames is in the tests
//! of `vhost-accel-bridge`.

#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

const URI: &str = "vhost-mdev:/dev/vhost-mdev-0";

fn command(socket: &Path) -> Command {
    // It ignores no signal, even where the tests do.
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_vhost-accel"), "bridge", "--emulated"]);
    command.args([URI, "--socket"]).arg(socket).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A bridge that listens.
fn bridge(socket: &Path) -> Child {
    let mut bridge = command(socket).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(bridge.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("{URI} is at {}\n", socket.display()));
    bridge
}

/// A request without a body.
fn ask(stream: &mut UnixStream, request: u32) {
    let header = [request, 1, 0].map(u32::to_ne_bytes).concat();
    stream.write_all(&header).unwrap();
}

/// VHOST_USER_GET_FEATURES.
fn features(stream: &mut UnixStream) -> u64 {
    ask(stream, 1);
    let mut answer = [0; 20];
    stream.read_exact(&mut answer).unwrap();
    u64::from_ne_bytes(answer[12..].try_into().unwrap())
}

#[test]
fn it_serves_until_a_signal_and_leaves_no_socket() {
    let scratch = tempfile::tempdir().unwrap();
    let socket = scratch.path().join("socket");
    let mut bridge = bridge(&socket);
    let mut stream = UnixStream::connect(&socket).unwrap();
    // VERSION_1 and PROTOCOL_FEATURES, without ACCESS_PLATFORM.
    assert_eq!(features(&mut stream) & (1 << 30 | 1 << 32 | 1 << 33), 1 << 30 | 1 << 32);
    // A request that there is not.
    ask(&mut stream, 999);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    // The next one is served.
    let mut stream = UnixStream::connect(&socket).unwrap();
    assert_ne!(features(&mut stream), 0);
    let said = |bridge: &mut Child| {
        let mut line = String::new();
        BufReader::new(bridge.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    };
    let end = said(&mut bridge);
    assert!(end.starts_with("front end gone: invalid message"), "{end}");
    kill_process(Pid::from_child(&bridge), Signal::TERM).unwrap();
    assert_eq!(bridge.wait().unwrap().code(), Some(128 + 15));
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_is_in_use_stays_and_one_that_is_left_over_is_replaced() {
    let scratch = tempfile::tempdir().unwrap();
    let socket = scratch.path().join("socket");
    let mut first = bridge(&socket);
    let second = command(&socket).output().unwrap();
    assert_eq!(second.status.code(), Some(2), "{second:?}");
    assert_eq!(second.stderr, format!("vhost-accel: {} is in use\n", socket.display()).as_bytes());
    assert_ne!(features(&mut UnixStream::connect(&socket).unwrap()), 0);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(socket.exists());
    let mut third = bridge(&socket);
    assert_ne!(features(&mut UnixStream::connect(&socket).unwrap()), 0);
    third.kill().unwrap();
    third.wait().unwrap();

    let file = scratch.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    assert_eq!(command(&file).output().unwrap().status.code(), Some(2));
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");
    let nowhere = command(&scratch.path().join("no/socket")).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(1), "{nowhere:?}");
}
