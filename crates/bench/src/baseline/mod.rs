//! The baseline: the scenarios' steps as bare system calls.
//!
//! What is written here is what a program would write that knows one interface and nothing else:
//! the sequences of `docs/abi.md` with libc, no check that the kernel makes too, no allocation that
//! isn't needed. The library is measured against it, in crossings and in time.

mod device;
mod kick;
mod message;
mod sys;
mod vfio;

pub(crate) use device::Baseline;
pub(crate) use sys::{call_by_call, eventfd};
