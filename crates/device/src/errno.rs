//! The error that a kernel gives: a number.

use std::fmt;
use std::io;

/// A Linux error number, positive, as `errno(3)` counts them.
///
/// The emulated kernel's only error type: what a request answers is an errno and nothing else, so
/// that is what travels inside.
#[derive(Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", io::Error::from_raw_os_error(*.0))]
pub struct Errno(pub i32);

impl Errno {
    /// Out of owner: a request that needs `VHOST_SET_OWNER` first.
    pub const EPERM: Self = Self(libc::EPERM);
    /// There is nothing there.
    pub const ENOENT: Self = Self(libc::ENOENT);
    /// Too many regions.
    pub const E2BIG: Self = Self(libc::E2BIG);
    /// Not a file descriptor.
    pub const EBADF: Self = Self(libc::EBADF);
    /// Nothing pending; try again.
    pub const EAGAIN: Self = Self(libc::EAGAIN);
    /// A bad address.
    pub const EFAULT: Self = Self(libc::EFAULT);
    /// Not in this state, or not twice.
    pub const EBUSY: Self = Self(libc::EBUSY);
    /// The range is mapped already.
    pub const EEXIST: Self = Self(libc::EEXIST);
    /// Malformed input.
    pub const EINVAL: Self = Self(libc::EINVAL);
    /// No such request here.
    pub const ENOTTY: Self = Self(libc::ENOTTY);
    /// No room for another mapping.
    pub const ENOSPC: Self = Self(libc::ENOSPC);
    /// A queue index out of range.
    pub const ENOBUFS: Self = Self(libc::ENOBUFS);
    /// A feature or flag that was not offered.
    pub const EOPNOTSUPP: Self = Self(libc::EOPNOTSUPP);

    /// The calling thread's `errno`.
    pub fn last() -> Self {
        io::Error::last_os_error().into()
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {self})", self.0)
    }
}

impl From<io::Error> for Errno {
    /// The error's number; `EIO` for an error that did not come from a system call.
    fn from(error: io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_keeps_its_number_and_says_its_meaning() {
        let from_call = Errno::from(io::Error::from_raw_os_error(libc::ENOBUFS));
        assert_eq!(from_call, Errno::ENOBUFS);
        assert!(format!("{from_call:?}").starts_with("Errno(105: No buffer space"));
        assert_eq!(Errno::from(io::Error::other("no number")).0, libc::EIO);
    }
}
