//! The system calls that the emulated kernel itself makes, each behind a safe function.
//!
//! The rest of the crate, `device` and `dma` apart, has no unsafe code.

pub(crate) mod fork;
pub(crate) mod fs;
pub(crate) mod maps;
pub(crate) mod remote;
pub(crate) mod seccomp;
pub(crate) mod wait;

use std::io;
use std::sync::OnceLock;

/// The outcome of a libc call: -1 is `errno`.
fn check(ret: impl Into<i64>) -> io::Result<i64> {
    match ret.into() {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}

/// This process.
pub(crate) fn own_pid() -> u32 {
    static PID: OnceLock<u32> = OnceLock::new();
    *PID.get_or_init(std::process::id)
}

/// The kernel's version, major and minor.
pub(crate) fn kernel_release() -> Option<(u32, u32)> {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
