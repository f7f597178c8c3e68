//! `libvhost_accel`: the library for C, and for what calls C.
//!
//! Its documentation is the header, `assets/vhost_accel.h`, which cbindgen writes from this source.
//! The README says how it is built, installed and checked. Every method of
//! [`VhostAccel`](vhost_accel::VhostAccel) and of [`Kicker`](vhost_accel::Kicker) has a function.
//!
//! # Handles
//! A handle has a pointer's type, so that a C compiler tells a device from a kicker, and a number
//! for its value, which no other handle of the process ever has. It is looked up and never
//! dereferenced: one that is closed, or of another kind, is EBADF. An address of an object would be
//! shorter, and a handle that is used after its close then reads freed memory.
//!
//! # Unwinding
//! None leaves the library. What can panic runs in `answer`, which makes a panic an errno; the
//! device whose call panicked answers ENOTRECOVERABLE from then on. A kick by doorbell has nothing
//! that panics; should it ever, an `extern "C"` function aborts.

// UNSAFETY: what callers in C point to is read and written; names are the linker's.
#![expect(unsafe_code, reason = "an interface for C")]
#![expect(clippy::missing_safety_doc, reason = "the header's first lines say it of every pointer")]

mod answer;
mod devices;
mod dma;
mod features;
mod kick;
mod numbers;
mod open;
mod page;
mod run;
mod state;
mod table;
mod unchecked;
mod vring;

pub use answer::{vhost_accel_last_error, vhost_accel_version};
pub use dma::{
    vhost_accel_dma_limits, vhost_accel_dma_map, vhost_accel_dma_map_all, vhost_accel_dma_unmap,
    vhost_accel_dma_update, vhost_accel_get_dma_limits, vhost_accel_mapping, vhost_accel_range,
    vhost_accel_set_dirty_log,
};
pub use features::{
    vhost_accel_config_size, vhost_accel_features, vhost_accel_negotiate, vhost_accel_negotiated,
    vhost_accel_read_config, vhost_accel_status, vhost_accel_withheld, vhost_accel_write_config,
};
pub use kick::{
    vhost_accel_kick, vhost_accel_kick_with, vhost_accel_kicker, vhost_accel_kicker_close,
    vhost_accel_kicker_eventfd, vhost_accel_kicker_kind, vhost_accel_kicker_open,
    vhost_accel_kicker_queue,
};
pub use numbers::*;
pub use open::{
    vhost_accel_close, vhost_accel_device, vhost_accel_device_fd, vhost_accel_devices,
    vhost_accel_get_info, vhost_accel_info, vhost_accel_open, vhost_accel_open_fd,
    vhost_accel_open_fds, vhost_accel_path, vhost_accel_phase,
};
pub use page::{
    vhost_accel_page, vhost_accel_page_close, vhost_accel_page_info, vhost_accel_page_open,
};
pub use run::{vhost_accel_reset, vhost_accel_resume, vhost_accel_start, vhost_accel_suspend};
pub use state::{vhost_accel_restore, vhost_accel_save};
pub use vring::{
    vhost_accel_enable_vring, vhost_accel_set_call, vhost_accel_set_config_call,
    vhost_accel_set_error, vhost_accel_setup_vring, vhost_accel_setup_vrings, vhost_accel_vring,
    vhost_accel_vring_base,
};
