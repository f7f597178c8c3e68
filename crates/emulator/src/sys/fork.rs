//! Between fork and exec.

#![expect(unsafe_code, reason = "what runs between fork and exec is limited in what it may do")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has the child that `command` starts call `hook` before it executes the program.
///
/// `hook` must neither allocate nor take a lock: those of the parent are frozen as they were.
pub(crate) fn before_exec(
    command: &mut Command,
    hook: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: this crate's hook makes system calls and stores to a shared page, and no more; what
    // it captures was allocated before the fork.
    unsafe { command.pre_exec(hook) };
}

/// The calling process, asked anew: a child must not use its parent's number.
pub(crate) fn pid() -> u32 {
    // SAFETY: takes nothing and always succeeds.
    unsafe { libc::getpid() as u32 }
}
