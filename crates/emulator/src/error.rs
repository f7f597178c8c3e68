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
    /// All inotify instances that this user may have are in use. One process needs one, however many
    /// emulated kernels it has.
    #[error(
        "this user has no inotify instance left of {limit}: as root, \
         sysctl fs.inotify.max_user_instances={} gives more", 4 * limit
    )]
    Inotify {
        /// How many there are, fs.inotify.max_user_instances.
        limit: u32,
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
