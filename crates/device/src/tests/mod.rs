//! A driver for the device in the same process, and what it sees.

mod control;
mod entropy;
mod eventfds;
mod faults;
mod garbage;
mod kicks;
mod lifecycle;
mod log;
mod loopback;
mod memory;
mod rig;
