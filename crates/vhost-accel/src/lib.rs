//! Open a vhost accelerator by URI, whatever interface the kernel gives it.
//!
//! A device that walks virtio rings by itself takes the datapath of a virtio device off the VMM.
//! This crate is what a VMM depends on: [`open`] gives a [`VhostAccel`], and nothing behind it
//! depends on which of the four kernel interfaces the device has. The traits and types are those of
//! `vhost-accel-core`, all of them here.
//!
//! # In a VMM
//! ```no_run
//! # #![allow(unsafe_code)]
//! use std::os::fd::AsFd;
//! use vhost_accel::{
//!     Access, DmaMapping, Features, Hva, Iova, Kick, Kicker, QueueIndex, VhostAccel, Vring,
//! };
//! # struct GuestQueue { size: u16, desc: u64, avail: u64, used: u64, call: std::fs::File }
//! # fn go(
//! #     guest: *mut u8, guest_len: u64, guest_features: u64, queues: &[GuestQueue],
//! # ) -> Result<(Box<dyn VhostAccel>, Vec<Kicker>), Box<dyn std::error::Error>> {
//! let mut device = vhost_accel::open("vhost-vdpa:/dev/vhost-vdpa-0")?;
//!
//! // The guest's memory, at the addresses that the guest uses.
//! let memory = DmaMapping::new(Iova(0), guest_len, Hva::from(guest), Access::ReadWrite);
//! // SAFETY: guest memory stays mapped as long as the device is open, and is accessed through raw
//! // pointers only.
//! unsafe { device.dma_map(&memory)? };
//!
//! // When the guest's driver sets DRIVER_OK: what it negotiated, its rings, and go.
//! let accepted = device.negotiate(Features::from_bits_retain(guest_features))?;
//! assert!(accepted.contains(Features::VERSION_1 | Features::ACCESS_PLATFORM));
//! let vrings: Vec<_> = (0..)
//!     .zip(queues)
//!     .map(|(index, queue)| {
//!         let (desc, avail, used) = (Iova(queue.desc), Iova(queue.avail), Iova(queue.used));
//!         Vring::new(QueueIndex(index), queue.size, desc, avail, used)
//!             .with_call(Some(queue.call.as_fd())) // an irqfd, that KVM injects by itself
//!     })
//!     .collect();
//! device.setup_vrings(&vrings)?;
//! let kickers = vrings
//!     .iter()
//!     .map(|vring| device.kicker(vring.queue, Kick::Best))
//!     .collect::<Result<Vec<_>, _>>()?;
//! device.start()?;
//!
//! // When the guest notifies queue 0.
//! kickers[0].kick()?;
//! # Ok((device, kickers))
//! # }
//! ```
//!
//! # The first frame
//! The example [`first_frame`] goes from a URI to a frame that has come back, with rings of its own
//! making. Without an argument it does that on each device of the emulated kernel:
//! `cargo run -p vhost-accel --example first_frame`.
//!
//! # A VMM's own tests
//! They need no device: `vhost-accel-emulator` as a dev-dependency is a kernel in the test's
//! process, which has a loopback card on each of the four interfaces.
//!
//! ```
//! use vhost_accel_emulator::EmulatedKernel;
//!
//! let kernel = EmulatedKernel::builder().build()?;
//! let opened = kernel.run(|| vhost_accel::open("vhost-vdpa:/dev/vhost-vdpa-0").map(drop))?;
//! opened?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`tests/vmm`] is to be copied: a network card as a VMM has it, with [`vm-memory`] and
//! [`virtio-queue`], and tests of its frames, reset, guest's mistakes, pause, migration from each
//! device to each other, dirty log and vIOMMU.
//!
//! The example [`kvm_guest`] is a VMM: a KVM guest kicks the device without an exit.
//!
//! [`first_frame`]: https://docs.rs/crate/vhost-accel/latest/source/examples/first_frame.rs
//! [`kvm_guest`]: https://docs.rs/crate/vhost-accel/latest/source/examples/kvm_guest/main.rs
//! [`tests/vmm`]: https://docs.rs/crate/vhost-accel/latest/source/tests/vmm/
//! [`vm-memory`]: https://docs.rs/vm-memory
//! [`virtio-queue`]: https://docs.rs/virtio-queue
//!
//! # Which devices
//! [`devices`] lists those of this machine. A [`Uri`] is written `INTERFACE:PATH[?OPTION=VALUE]`:
//!
//! | URI | interface | options, the default first |
//! |---|---|---|
//! | `vfio-msg:/sys/bus/mdev/devices/UUID` | #1/A | `batch=on`, `batch=off` |
//! | `vfio-ioctl:/sys/bus/mdev/devices/UUID` | #1/B | |
//! | `vhost-mdev:/dev/vhost-mdev-N` | #2 | `dma=map-unmap`, `dma=mem-table` |
//! | `vhost-vdpa:/dev/vhost-vdpa-N` | the control | `iotlb=batch`, `iotlb=plain` |
//!
//! # Features
//! `vfio-msg`, `vfio-ioctl`, `vhost-mdev` and `vhost-vdpa`, all by default, compile a backend in;
//! `vm-memory` adds the helper that maps a whole guest memory of that crate; `vmm-sys-util` lends
//! and gives eventfds in that crate's type; `serde` lets a [`DeviceState`] be stored and sent.

mod devices;
mod open;
mod uri;

pub use devices::devices;
pub use open::{OpenError, open, open_fd, open_fds, open_uri};
pub use uri::{Uri, UriError, UriVariant};
pub use vhost_accel_core::*;
