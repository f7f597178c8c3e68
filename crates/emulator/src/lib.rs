//! A kernel half without a kernel: the four interfaces and a virtio-net loopback behind seccomp
//! notifications. It needs no privileges, and Linux 5.14 with asynchronous I/O (CONFIG_AIO).
//!
//! An [`EmulatedKernel`] has devices. A *client* is a thread of this process
//! ([`EmulatedKernel::run`]) or a program ([`EmulatedKernel::spawn`]), with all the threads and
//! processes that it starts. To a client the devices are there: it opens `/dev/vhost-vdpa-0` and
//! makes ordinary system calls on the descriptor that it gets, ioctl, read, write, mmap, close, and
//! those answer as `docs/abi.md` says.
//!
//! ```
//! use std::fs::OpenOptions;
//! use vhost_accel_emulator::{DeviceKind, EmulatedKernel, Error};
//! use vhost_accel_uapi::call::vhost;
//!
//! let kernel = EmulatedKernel::builder().queue_pairs(4).build()?;
//! let device = kernel.device(DeviceKind::VhostVdpa, 0).expect("there is one of each kind");
//! let queues = kernel.run(|| {
//!     let file = OpenOptions::new().read(true).write(true).open(device.path())?;
//!     vhost::get_vqs_count(&file)
//! })?;
//! assert_eq!(queues.expect("the device answers"), 9);
//! assert_eq!(kernel.crossings().get("ioctl VHOST_VDPA_GET_VQS_COUNT"), 1);
//! # Ok::<(), Error>(())
//! ```
//!
//! # How it works
//! A client is under a seccomp filter whose listener a thread of ours serves. Trapped are system
//! calls that name a path, and system calls on descriptors in a reserved range near the top of the
//! client's descriptor table; everything else runs as ever, at full speed. An open of one of our
//! paths is answered with a descriptor in that range, of a sparse memfd, so that doorbell pages are
//! really mapped. inotify tells when the last descriptor and mapping of it is gone.
//!
//! # What a client should know
//! - A descriptor of an emulated device is one only under a number of the reserved range, and only
//!   to threads of a client. dup(2) and F_DUPFD keep to the range.
//! - Of the calls that take a path, open, stat, access, readlink and truncate see the emulated
//!   names. A descriptor's link in `/proc` or `/dev/fd` leads to the device.
//! - A forked child has copies of all descriptors until it executes a program: for that moment an
//!   open device stays open, whoever closes it, as with any kernel. This process has a copy of a
//!   client's device for a moment at its open, close or duplicate, even where the client is another
//!   process: a child that another thread forks just then has it, too. So tests that start
//!   processes and tests that open a device again at once had better not run at the same time.
//! - [`Builder::build`] raises the soft limit of open files of this process.
//! - This is a test bed and an embedded default, not a security boundary.
//!
#![doc = include_str!("../limits.md")]

mod ability;
mod builder;
mod call;
mod chardevs;
mod closes;
mod crossings;
mod devices;
mod error;
mod files;
mod filter;
mod front;
mod iommu;
mod kernel;
mod machine;
pub mod names;
mod numbers;
mod paths;
mod probe;
mod proc;
mod server;
mod shadow;
mod sys;
mod task;
#[cfg(test)]
mod tests;

pub use ability::Ability;
pub use builder::Builder;
pub use crossings::{Crossings, Kind};
pub use devices::{DeviceKind, EmulatedDevice};
pub use error::Error;
pub use kernel::EmulatedKernel;
pub use probe::probe;
pub use shadow::remove_leftovers;

/// The most devices of each kind that a kernel can have.
pub const MAX_DEVICES: u16 = 64;
