//! Locks that outlive a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A mutex's content, whatever became of a thread that held it before: each change under the locks
/// of the device and of what emulates a kernel around it is made whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
