//! One way to drive a device that walks virtio rings by itself.
//!
//! In July 2019 the kernel lists asked how such a device should be handed to a VMM: as messages
//! over VFIO regions (#1/A), as vhost ioctls on the VFIO device fd (#1/B), or as a vhost character
//! device with a DMA API of its own (#2). Linux shipped a fourth, vhost-vdpa. [`VhostAccel`] is
//! what they have in common, so that the same driver runs over each and only the interface changes.
//!
//! # Words
//! - **interface**: one of the four ways or another, [`Interface`]; **backend**: our driver for
//!   one.
//! - **vring**: a virtqueue in memory, set up by a [`Vring`]; **kick**: driver to device, a
//!   [`Kicker`]; **call**: device to driver, an eventfd.
//! - **[`Iova`]**: an address as the device uses it; **[`Hva`]**: one of this process;
//!   **[`Gpa`]**: one of a guest. Vring addresses are IOVAs in every interface.
//! - **crossing**: one system call, or one access that leaves userspace.
//!
//! # Order of calls
//! ```text
//!  open ──► negotiate ──► setup_vrings ──► start ──► suspend ──► resume
//!   ▲                                       │            │
//!   └──────────────── reset ◄───────────────┴────────────┘
//! ```
//! `dma_map`, `set_call` and `kicker` may come at any time; a vring runs only once what it
//! points to is mapped. Wrong order is an error of kind [`Reason::State`] and does not reach the
//! kernel.
//!
//! # For those who write a backend
//! An interface is a choice in two columns: how it is controlled ([`Control`]) and how its DMA is
//! programmed ([`Dma`]). [`Device`] joins the two, and keeps the order of calls, the checks before
//! a crossing, the rollback and the errors in one place.

mod accel;
mod address;
mod base;
mod capability;
mod control;
mod device;
mod dirty;
mod dma;
mod doorbell;
mod errno;
mod error;
#[cfg(feature = "vmm-sys-util")]
mod event_fd;
mod features;
#[cfg(feature = "vm-memory")]
mod guest_memory;
mod info;
mod interface;
mod kick;
mod opening;
mod state;
mod vring;

pub use accel::VhostAccel;
pub use address::{Gpa, Hva, Iova, IovaRange};
pub use base::{PackedIndex, VringBase};
pub use capability::Capabilities;
pub use control::{Control, Failure};
pub use device::Device;
pub use dirty::DirtyBitmap;
pub use dma::{Access, Dma, DmaFailure, DmaLimits, DmaMapping};
pub use doorbell::{Doorbell, DoorbellArea, DoorbellLayout, page_size};
pub use error::{Error, Invalid, Misfit, Operation, Phase, Reason, Result, Subject};
#[cfg(feature = "vmm-sys-util")]
pub use event_fd::borrow_event_fd;
pub use features::{Features, Status};
#[cfg(feature = "vm-memory")]
pub use guest_memory::map_guest_memory;
pub use info::DeviceInfo;
pub use interface::{Interface, InterfaceFacts, UnknownInterface};
pub use kick::{Kick, KickKind, KickWay, Kicker};
pub use opening::Opening;
pub use state::{DeviceState, VringState};
pub use vring::{QueueIndex, Vring};
