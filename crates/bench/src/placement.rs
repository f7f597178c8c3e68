//! Which CPU runs what.
//!
//! A kernel runs a system call on its caller's CPU, and a device is a processor of its own. Left to
//! the scheduler, the emulated kernel's server and its client meet on one CPU or on two as it
//! happens, and a crossing takes one time or several times that. So the client and the server that
//! answers it share a CPU, and the devices have another.

#![expect(unsafe_code, reason = "sched_setaffinity(2) has no wrapper")]

use std::fs;
use std::mem::{size_of, zeroed};

use libc::{cpu_set_t, pid_t};

/// How the devices' threads are named: the emulated ones' in this process, a native one's in the
/// kernel.
const EMULATED: &str = "vhost-accel-";
const NATIVE: &str = "va-";

/// The CPUs of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    kernel: usize,
    device: usize,
}

impl Placement {
    /// Of the CPUs that this process may use; `None` if there is only one.
    pub(crate) fn find() -> Option<Self> {
        // SAFETY: a set of no CPUs is all zeroes.
        let mut allowed: cpu_set_t = unsafe { zeroed() };
        // SAFETY: the kernel writes no more than the set's size.
        if unsafe { libc::sched_getaffinity(0, size_of::<cpu_set_t>(), &raw mut allowed) } < 0 {
            return None;
        }
        // SAFETY: the numbers are below the set's size.
        let mut cpus = (0..libc::CPU_SETSIZE as usize)
            .filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &allowed) });
        // The first CPU is the one that interrupts like best.
        let device = cpus.next()?;
        Some(Self { kernel: cpus.next_back()?, device })
    }

    /// Moves the calling thread, and with it those that it starts, to the kernel's CPU.
    pub(crate) fn enter(self) {
        place(0, self.kernel);
    }

    /// Moves the devices' threads, those that have been started, to theirs.
    pub(crate) fn move_devices(self) {
        for (tasks, begins) in [("/proc/self/task", EMULATED), ("/proc", NATIVE)] {
            for task in fs::read_dir(tasks).into_iter().flatten().flatten() {
                let Ok(number) = task.file_name().to_string_lossy().parse() else {
                    continue;
                };
                let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
                if name.starts_with(begins) {
                    place(number, self.device);
                }
            }
        }
    }
}

/// What can't be moved stays where it is: the times are then those of the scheduler's choice.
fn place(thread: pid_t, cpu: usize) {
    // SAFETY: a set of no CPUs is all zeroes.
    let mut set: cpu_set_t = unsafe { zeroed() };
    // SAFETY: the number came out of such a set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the kernel reads the set.
    unsafe { libc::sched_setaffinity(thread, size_of::<cpu_set_t>(), &raw const set) };
}
