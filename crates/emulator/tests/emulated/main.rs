//! The front ends, system call by system call, against `docs/abi.md`: numbers, bytes and errnos.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

mod common;
mod cut;
mod held_up;
mod hostile;
mod kernel;
mod mdev;
mod messages;
mod requests;
mod rings;
mod vdpa;
mod vfio;
