//! A vhost-user device in front of any vhost accelerator: QEMU, DPDK and whoever else speaks
//! vhost-user use one on any of the interfaces, and need no patch for it.
//!
//! ```no_run
//! # use vhost_accel_driver::core::VhostAccel;
//! # fn example(device: Box<dyn VhostAccel>) -> Result<(), vhost_accel_bridge::Error> {
//! let mut bridge = vhost_accel_bridge::Bridge::bind(device, "/run/vhost.sock".as_ref())?;
//! loop {
//!     let end = bridge.serve()?;
//!     eprintln!("front end gone: {end}");
//! }
//! # }
//! ```
//!
//! The bridge hands on the front end's memory, rings, kicks and calls, and is in no data path: the
//! device reads the kick eventfd and signals the call eventfd that the VMM made. Where an interface
//! has no kick by eventfd, which is #1/A, a thread for each ring takes the kicks and makes them;
//! [`End::relayed`] counts them.
//!
//! The messages are those of the `vhost` crate's
//! [`BackendReqHandler`](vhost::vhost_user::BackendReqHandler). What that decides holds here: a
//! request that is refused, or makes no sense, ends the front end's session, after the answer where
//! one was asked for. The device is then reset and nothing of the front end's stays mapped. The
//! next front end finds it as the first did.
//!
//! # What a front end finds
//! - The device's features, without those that the bridge accepts itself (ACCESS_PLATFORM; CTRL_VQ
//!   for MQ) and those that an eventfd or vhost-user can't carry. VERSION_1 must be accepted.
//! - The protocol features MQ, REPLY_ACK, CONFIG, RESET_DEVICE and CONFIGURE_MEM_SLOTS.
//! - GET_QUEUE_NUM says queue pairs of a network card, as QEMU and DPDK understand it.
//! - The control queue is the front end's, as ever in vhost-user. Which pairs are active the bridge
//!   tells the device on its own control queue, in memory of its own.
//! - Both rings of a network card's pair start together, when both have a kick and are enabled. A
//!   pair that comes later is added while the others stand still: without suspend and resume it is
//!   refused.
//! - A started ring that is disabled stands still. A transmit ring keeps its frames, and drops
//!   none.
//! - The error eventfd is signalled where the interface can
//!   ([`ERROR_EVENT`](vhost_accel_driver::core::Capabilities::ERROR_EVENT)), else never.

mod control;
mod early;
mod error;
mod handler;
mod memory;
mod relay;
mod rings;
mod serve;

pub use error::{Error, Refusal};
pub use serve::{Bridge, End};
pub use vhost_accel_driver::core;
