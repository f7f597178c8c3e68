//! Front ends on a bridge on an emulated device, through every URI.

#![allow(clippy::unwrap_used, reason = "a test")]

mod cases;
mod front_end;

use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use vhost_accel::{Interface, Uri, open_uri};
use vhost_accel_bridge::{Bridge, End};
use vhost_accel_emulator::{DeviceKind, EmulatedKernel};

/// The socket of the bridge that this process is to use until it is killed.
const KILLED: &str = "VHOST_ACCEL_BRIDGE_KILLED";
/// Queue pairs of the device.
const PAIRS: u16 = 4;
/// Nothing takes that long.
const LIMIT: Duration = Duration::from_secs(60);

const INTERFACES: [(Interface, DeviceKind); 4] = [
    (Interface::VfioMsg, DeviceKind::Vfio),
    (Interface::VfioIoctl, DeviceKind::Vfio),
    (Interface::VhostMdev, DeviceKind::VhostMdev),
    (Interface::VhostVdpa, DeviceKind::VhostVdpa),
];

fn main() -> ExitCode {
    if let Some(path) = std::env::var_os(KILLED) {
        cases::run_until_killed(Path::new(&path));
    }
    let mut trials = Vec::new();
    let emulated = EmulatedKernel::builder().build().unwrap();
    for (interface, kind) in INTERFACES {
        let path = emulated.device(kind, 0).unwrap().path();
        for uri in Uri::new(interface, path).variants() {
            for &(name, case) in cases::CASES {
                let uri = uri.clone();
                let named = uri.to_string().replacen(&format!(":{}", uri.path().display()), "", 1);
                let run = move || run(&uri, case);
                trials.push(Trial::test(format!("{named}::{name}"), run));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A bridge as a case has it.
pub(crate) struct Bridged<'a> {
    pub(crate) kernel: &'a EmulatedKernel,
    pub(crate) uri: &'a Uri,
    pub(crate) path: PathBuf,
    ends: Receiver<End>,
}

impl Bridged<'_> {
    /// Waits for the end of a front end's session.
    pub(crate) fn end(&self) -> End {
        self.ends.recv_timeout(LIMIT).unwrap()
    }

    /// Faults of the device, since it was made.
    pub(crate) fn faults(&self) -> u64 {
        self.kernel.devices().iter().map(|device| device.counters().all_faults()).sum()
    }
}

/// Serves front ends until one says nothing at all, which is how a case ends.
fn serve(uri: &Uri, path: &Path, ready: &Sender<()>, ends: &Sender<End>) {
    let mut bridge = Bridge::bind(open_uri(uri).unwrap(), path).unwrap();
    ready.send(()).unwrap();
    while !path.with_extension("done").exists() {
        let end = bridge.serve().unwrap();
        // Nobody waits for the last.
        let _ = ends.send(end);
    }
}

fn run(uri: &Uri, case: fn(&Bridged<'_>)) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("socket");
    let kernel = EmulatedKernel::builder().queue_pairs(PAIRS).build()?;
    let (sender, ends) = channel();
    let (ready, is_ready) = channel();
    std::thread::scope(|scope| {
        let bridge = scope.spawn(|| kernel.run(|| serve(uri, &path, &ready, &sender)));
        is_ready.recv_timeout(LIMIT)?;
        let bridged = Bridged { kernel: &kernel, uri, path: path.clone(), ends };
        let outcome = catch_unwind(AssertUnwindSafe(|| case(&bridged)));
        std::fs::write(path.with_extension("done"), "")?;
        // A bridge that has seen the end of the case's front end and the file is gone by now.
        drop(UnixStream::connect(&path));
        bridge.join().map_err(|_| "the bridge panicked")??;
        assert!(!path.exists(), "the socket is left");
        outcome.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned().into()
        })
    })
}
