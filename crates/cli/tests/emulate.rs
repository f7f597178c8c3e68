//! `vhost-accel emulate` and the life of its program.

#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// `emulate` with a shell script as its program, whose first line of output says that it runs.
struct Emulated {
    guard: Child,
    out: BufReader<ChildStdout>,
    err: ChildStderr,
    /// The process of the emulated kernel.
    kernel: Pid,
    scratch: tempfile::TempDir,
}

/// The program ignores no signal, even where the tests do: nohup or a shell's `&` may have started
/// them.
fn emulate(script: &str) -> Emulated {
    let mut command = Command::new("env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_vhost-accel")]);
    wrapped(command, script)
}

fn wrapped(mut command: Command, script: &str) -> Emulated {
    let scratch = tempfile::tempdir().unwrap();
    command.args(["emulate", "--", "sh", "-c", &format!("echo $PPID; {script}")]);
    command.env("TMPDIR", scratch.path()).stdin(Stdio::null());
    let mut guard = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(guard.stdout.take().unwrap());
    let err = guard.stderr.take().unwrap();
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let kernel = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
    Emulated { guard, out, err, kernel, scratch }
}

impl Emulated {
    fn guard(&self) -> Pid {
        Pid::from_raw(self.guard.id() as i32).unwrap()
    }

    /// The rest of the output, which ends when no descendant has it open any more; the messages;
    /// how it ended. The temporary directory is empty then.
    fn end(mut self) -> (String, String, ExitStatus) {
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.err.read_to_string(&mut err).unwrap();
        let status = self.guard.wait().unwrap();
        let left: Vec<_> = fs::read_dir(self.scratch.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?} {out} {err}");
        (out, err, status)
    }
}

#[test]
fn it_ends_as_its_program_does() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill $$", 143)] {
        let (_, err, status) = emulate(script).end();
        assert_eq!((status.code(), &*err), (Some(code), ""), "{script}");
    }
}

#[test]
fn a_terminals_signals_are_the_programs_alone() {
    for signal in [Signal::INT, Signal::QUIT] {
        let script = "trap 'kill -0 $PPID && echo there; exit 0' USR1; echo set; while :; do sleep 0.01; done";
        let mut emulated = emulate(script);
        emulated.out.read_line(&mut String::new()).unwrap();
        kill_process(emulated.guard(), signal).unwrap();
        kill_process(emulated.kernel, signal).unwrap();
        kill_process(emulated.guard(), Signal::USR1).unwrap();
        let (out, err, status) = emulated.end();
        assert_eq!((&*out, &*err, status.code()), ("there\n", "", Some(0)));
    }
}

#[test]
fn a_users_signals_reach_the_program() {
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        let script =
            format!("trap 'echo {name}; exit 3' {name}; echo set; while :; do sleep 0.01; done");
        let mut emulated = emulate(&script);
        emulated.out.read_line(&mut String::new()).unwrap();
        kill_process(emulated.guard(), signal).unwrap();
        let (out, err, status) = emulated.end();
        assert_eq!((&*out, &*err, status.code()), (&*format!("{name}\n"), "", Some(3)));
    }
}

#[test]
fn what_nohup_has_ignored_stays_ignored() {
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_vhost-accel"));
    let emulated = wrapped(command, "kill -HUP $$; kill -HUP $PPID; echo alive");
    let (out, _, status) = emulated.end();
    assert_eq!((&*out, status.code()), ("alive\n", Some(0)));
}

/// A program that has started another one, which is in a session of its own and has no parent.
const DAEMON: &str = "setsid sh -c 'setsid sleep 1000 & exit' & wait; echo daemon; exec sleep 1000";

#[test]
fn a_killed_kernel_takes_all_of_its_program_along() {
    let mut emulated = emulate(DAEMON);
    emulated.out.read_line(&mut String::new()).unwrap();
    kill_process(emulated.kernel, Signal::KILL).unwrap();
    let (_, err, status) = emulated.end();
    assert_eq!(status.code(), Some(1));
    let want = "the emulated kernel was killed by signal 9; its program ended with it";
    // Before that the program may have complained of calls that nobody answers.
    assert!(err.ends_with(&format!("vhost-accel: {want}\n")), "{err}");
}

#[test]
fn a_killed_guard_takes_all_of_its_program_along() {
    let mut emulated = emulate(DAEMON);
    emulated.out.read_line(&mut String::new()).unwrap();
    kill_process(emulated.guard(), Signal::KILL).unwrap();
    // The output has no end as long as one of them lives.
    let (mut out, mut err) = (String::new(), String::new());
    emulated.out.read_to_string(&mut out).unwrap();
    emulated.err.read_to_string(&mut err).unwrap();
    assert!(err.contains("vhost-accel: killed: its program ends with it\n"), "{err}");
    let (_, _, status) = emulated.end();
    assert_eq!(status.signal(), Some(9));
}

#[test]
fn what_the_program_leaves_behind_has_its_devices_until_it_ends() {
    let script = "(read go; ls /dev/vhost-vdpa-0) < $0 & exit 4";
    let scratch = tempfile::tempdir().unwrap();
    let fifo = scratch.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let script = script.replace("$0", fifo.to_str().unwrap());
    let emulated = emulate(&script);
    fs::write(&fifo, "go\n").unwrap();
    let (out, err, status) = emulated.end();
    assert_eq!((&*out, &*err, status.code()), ("/dev/vhost-vdpa-0\n", "", Some(4)));
}
