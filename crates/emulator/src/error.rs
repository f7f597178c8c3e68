//! What keeps an emulated kernel from running.

use std::io;

/// Why an emulated kernel can't be had, or can't serve a client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel has no seccomp filters, or none with a listener.
    #[error("this kernel has no seccomp user notification (CONFIG_SECCOMP_FILTER, Linux 5.0)")]
    NoSeccompListener(#[source] io::Error),
    /// The kernel can't inject a descriptor and answer in one step.
    #[error("this kernel can't answer a seccomp notification with a descriptor (Linux 5.14)")]
    NoInjection(#[source] io::Error),
    /// no_new_privs or the filter was refused: a sandbox around this process forbids them.
    #[error("a sandbox around this process forbids it a seccomp filter of its own")]
    SeccompForbidden(#[source] io::Error),
    /// A thread can be under one listener only.
    #[error(
        "this thread is under a seccomp listener already: it runs inside an emulated kernel, or a \
         sandbox has one of its own"
    )]
    AlreadyInside,
    /// Arguments of system calls can't be read from a client's memory.
    #[error(
        "the memory of a client can't be reached with process_vm_readv or /proc/PID/mem (a sandbox or ptrace policy forbids it)"
    )]
    NoClientMemory(#[source] io::Error),
    /// Descriptors of a client can't be had.
    #[error(
        "the descriptors of a client can't be had with pidfd_getfd (Linux 5.6; a sandbox or ptrace policy may forbid it)"
    )]
    NoClientDescriptors(#[source] io::Error),
    /// The limit of open files leaves no room for the reserved descriptors.
    #[error("the hard limit of open files is {limit}, it must be {needed} at least")]
    FileLimit {
        /// The limit, RLIMIT_NOFILE.
        limit: u64,
        /// The least one.
        needed: u64,
    },
    /// The limit of file sizes leaves no room for the file that stands for a device.
    #[error(
        "the limit of file sizes (ulimit -f) is {limit} bytes, it must be {needed} at least: a device is a \
         sparse file with its doorbells at such offsets"
    )]
    FileSizeLimit {
        /// The soft limit, RLIMIT_FSIZE.
        limit: u64,
        /// The least one.
        needed: u64,
    },
    /// All inotify instances that this user may have are in use. One process needs one, however
    /// many emulated kernels it has.
    #[error(
        "this user has no inotify instance left of {limit}: as root, \
         sysctl {sysctl}={} gives more", 4 * (*limit).max(32)
    )]
    Inotify {
        /// How many there are.
        limit: u32,
        /// What says so: of the machine's limit and that of the user namespace the lower one.
        sysctl: &'static str,
    },
    /// A part of the kernel's own equipment could not be made: there is a limit.
    #[error("{what} could not be made: {limit}")]
    Limit {
        /// The part.
        what: &'static str,
        /// Which limit is reached, and how it is raised.
        limit: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A part of the kernel's own equipment could not be made.
    #[error("{what} could not be made")]
    Setup {
        /// The part.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The devices asked for can't be made.
    #[error("a device with {queue_pairs} queue pairs of {max_queue_size} entries can't be made")]
    Device {
        /// Queue pairs asked for.
        queue_pairs: u16,
        /// Queue size asked for.
        max_queue_size: u16,
    },
    /// More devices than there is a name for.
    #[error("{0} devices were asked for, the most is {max}", max = crate::MAX_DEVICES)]
    TooManyDevices(u16),
    /// The program could not be started.
    #[error("the program could not be started")]
    Spawn(#[source] io::Error),
    /// An emulated device did not answer as it must: what [`probe`](crate::probe) found.
    #[error("an emulated device did not answer")]
    Probe(#[source] io::Error),
}

const OPEN_FILES: &str = "this process has as many open files as it may have (ulimit -Hn)";
const ALL_OPEN_FILES: &str =
    "the machine has as many open files as it may have (sysctl fs.file-max)";
const THREADS: &str = "there are as many threads as there may be (ulimit -u, \
                       sysctl kernel.threads-max, or pids.max of the control group)";

impl Error {
    /// `what` could not be made, for `map_err`.
    pub(crate) fn setup(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.raw_os_error() {
            Some(libc::EMFILE) => Self::Limit { what, limit: OPEN_FILES, source },
            Some(libc::ENFILE) => Self::Limit { what, limit: ALL_OPEN_FILES, source },
            _ => Self::Setup { what, source },
        }
    }

    /// A thread could not be started.
    pub(crate) fn thread(source: io::Error) -> Self {
        let what = "a thread";
        match source.raw_os_error() {
            Some(libc::EAGAIN) => Self::Limit { what, limit: THREADS, source },
            _ => Self::Setup { what, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_named_with_what_raises_it() {
        let of = |make: &dyn Fn(io::Error) -> Error, errno| {
            make(io::Error::from_raw_os_error(errno)).to_string()
        };
        let eventfd = |error| Error::setup("an eventfd")(error);
        for (text, raise) in [
            (of(&eventfd, libc::EMFILE), "ulimit -Hn"),
            (of(&eventfd, libc::ENFILE), "fs.file-max"),
            (of(&Error::thread, libc::EAGAIN), "kernel.threads-max"),
        ] {
            assert!(text.contains(raise), "{text}");
        }
        let other = Error::thread(io::Error::from_raw_os_error(libc::ENOMEM));
        assert!(matches!(other, Error::Setup { what: "a thread", .. }), "{other}");
    }
}
