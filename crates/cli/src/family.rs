//! This process as the head of a family: what it starts, and what that starts.
//!
//! A subreaper is the parent of every descendant whose own parent has died, so that no descendant
//! is ever out of reach, whatever it does to be on its own.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitStatus;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, getppid, kill_process,
    pidfd_open, pidfd_send_signal, set_child_subreaper, set_parent_process_death_signal, wait,
    waitid,
};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;
use vhost_accel_bench::signals;
use vhost_accel_bench::terminal::note;

/// What a user says to a program by way of its emulator.
const FORWARDED: [i32; 4] = [SIGTERM, SIGHUP, SIGUSR1, SIGUSR2];
/// What a terminal says to all of its programs at once.
const THEIRS: [i32; 2] = [SIGINT, SIGQUIT];

/// What becomes of the other descendants when the child has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rest {
    GoesOn,
    Ends,
}

/// The head of a family. There is one in a process, made before it starts anything.
#[derive(Debug)]
pub(crate) struct Family {
    signals: Signals,
    /// Who is to be there as long as this process is.
    guard: Option<Pid>,
}

impl Family {
    /// Becomes the parent of all descendants, and takes the signals that would end this process.
    ///
    /// One that is ignored, as nohup(1) has it, stays so, here and in what is started.
    pub(crate) fn new(guard: Option<u32>) -> io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        let guard = guard.and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        let ignored = signals::ignored()?;
        let taken = FORWARDED.iter().chain(&THEIRS);
        let signals = Signals::new(taken.filter(|&&signal| !signals::contains(ignored, signal)))?;
        if guard.is_some() {
            // Its death is a SIGTERM, and one that has come already is seen below.
            set_parent_process_death_signal(Some(Signal::TERM))?;
        }
        Ok(Self { signals, guard })
    }

    /// Waits until process `child` and all other descendants have ended; how `child` did.
    ///
    /// Meanwhile signals go to `child`. A signal behind its end, or the death of the guard, ends
    /// the `rest` of the family.
    pub(crate) fn wait(mut self, child: u32, rest: Rest) -> io::Result<ExitStatus> {
        let lost = || io::Error::from(io::ErrorKind::NotFound);
        let child = i32::try_from(child).ok().and_then(Pid::from_raw).ok_or_else(lost)?;
        let pidfd: Arc<OwnedFd> = Arc::new(pidfd_open(child, PidfdFlags::empty())?);
        let handle = self.signals.handle();
        let guard = self.guard;
        if guard.is_some() && getppid() != guard {
            end_descendants();
        }
        let listener = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in &mut self.signals {
                if guard.is_some() && getppid() != guard {
                    note(format_args!("{}: killed: its program ends with it", crate::NAME));
                    end_descendants();
                    continue;
                }
                if THEIRS.contains(&signal) {
                    continue;
                }
                let Some(signal) = Signal::from_named_raw(signal) else { continue };
                if pidfd_send_signal(&pidfd, signal) == Err(Errno::SRCH) {
                    end_descendants();
                }
            }
        })?;
        let status = reap(child, rest);
        handle.close();
        // It has only signals to wait for, and those have ended.
        let _ = listener.join();
        status?.ok_or_else(lost)
    }
}

/// Takes the exit status of every descendant until there is none; that of `child`.
fn reap(child: Pid, rest: Rest) -> io::Result<Option<ExitStatus>> {
    use std::os::unix::process::ExitStatusExt;
    let mut of_child = None;
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => {
                of_child = Some(ExitStatus::from_raw(status.as_raw()));
                match rest {
                    Rest::GoesOn => {}
                    Rest::Ends => end_descendants(),
                }
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(of_child),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills every descendant: they reach this process as their parents die.
fn end_descendants() {
    // A look at all processes takes a while where there are many. Mostly there is nobody to be
    // found.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while !matches!(waitid(WaitId::All, options), Err(Errno::CHILD)) {
        let children = children();
        if children.is_empty() {
            return;
        }
        for child in children {
            // One that has ended meanwhile needs no signal.
            let _ = kill_process(child, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The children of this process that run.
fn children() -> Vec<Pid> {
    let own = getpid().as_raw_nonzero().to_string();
    let is_child = |pid: &Pid| {
        let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
        let stat = fs::read_to_string(path).unwrap_or_default();
        // The name, in parentheses, may have anything in it.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.next().is_some_and(|state| state != "Z") && fields.next() == Some(&own)
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter(is_child).collect()
}
