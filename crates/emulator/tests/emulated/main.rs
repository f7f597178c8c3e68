//! The front ends, system call by system call, against `docs/abi.md`: numbers, bytes and errnos.

mod common;
mod mdev;
mod messages;
mod requests;
mod rings;
mod vdpa;
mod vfio;
