//! Descriptors that a program hands to the next.
#![expect(unsafe_code, reason = "a descriptor's number is all that the next program has")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Has a descriptor live through exec.
pub(crate) fn keep_at_exec(fd: &impl AsRawFd) {
    // SAFETY: takes no pointer.
    assert_eq!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) }, 0);
}

/// The descriptor whose number the environment's `name` says.
pub(crate) fn inherited(name: &str) -> OwnedFd {
    let fd = std::env::var(name).unwrap().parse().unwrap();
    // SAFETY: the number was handed over, and nobody else here knows it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
