//! Signals that end a program. What it has not finished goes with it.

use std::io;
use std::thread;

use libc::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::staged::Staged;
use crate::terminal::Fault;

/// From now on Ctrl-C, SIGTERM and SIGHUP end the process by [`Staged::end_process`], unless
/// `goes_on` says of one that the process is to go on. One that is ignored, as nohup(1) has it,
/// stays so.
///
/// A file that may not grow (`ulimit -f`) is then an error of write(2), and not the process's
/// death.
///
/// # Errors
/// Those of finding out what is ignored, of sigaction(2), and of starting a thread.
pub fn watch(mut goes_on: impl FnMut(i32) -> bool + Send + 'static) -> io::Result<()> {
    let ignored = ignored()?;
    let taken = [SIGHUP, SIGINT, SIGTERM, SIGXFSZ];
    let mut signals = Signals::new(taken.iter().filter(|&&one| !contains(ignored, one)))?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            if signal != SIGXFSZ && !goes_on(signal) {
                Staged::end_process(Fault::Signal(signal));
            }
        }
    })?;
    Ok(())
}

/// A bit for each signal that this process ignores, as /proc has it.
///
/// # Errors
/// Those of reading it.
pub fn ignored() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether `signal` has its bit in `mask`.
pub const fn contains(mask: u64, signal: i32) -> bool {
    mask & (1 << (signal - 1)) != 0
}
