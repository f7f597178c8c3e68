//! A kernel half without a kernel: the four interfaces and a virtio-net loopback behind seccomp
//! notifications.

mod call;
mod crossings;
pub mod device;
pub mod dma;
mod error;
pub mod errno;
mod files;
mod filter;
mod front;
mod kernel;
mod machine;
mod names;
mod paths;
mod server;
mod shadow;
mod sys;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use crossings::Crossings;
pub use error::Error;
pub use kernel::EmulatedKernel;

/// The most devices that a kernel can have.
pub const MAX_DEVICES: u16 = 64;

/// A lock whose holder panicked protects what it did: each change under our locks is made whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
