//! The client's eventfds.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::Errno;

/// Whether `fd` is an eventfd. Costs one `readlink` in `/proc/self/fd`, about a microsecond.
///
/// # Errors
/// EINVAL when it is something else, as `eventfd_ctx_fdget` answers; `readlink`'s error, ENOENT among
/// them, where `/proc` can't tell.
pub fn check(fd: impl AsFd) -> Result<(), Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    let is_eventfd = fs::read_link(path)?.as_os_str() == "anon_inode:[eventfd]";
    if is_eventfd { Ok(()) } else { Err(Errno::EINVAL) }
}

/// An eventfd that the device signals.
#[derive(Debug)]
pub(super) struct Signal(File);

impl Signal {
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self(fd.into())
    }

    /// Adds 1. A non-blocking eventfd that is full stays as it is: it is signalled already.
    pub(super) fn raise(&self) {
        let _ = (&self.0).write(&1_u64.to_ne_bytes());
    }
}
