//! Errors of a device that is not open yet.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Operation, Reason, Subject};
use crate::interface::Interface;

/// Names the interface and the path in errors until there is a
/// [`Device`](crate::Device) to do it.
#[derive(Clone, Debug)]
pub struct Opening {
    interface: Interface,
    path: Arc<Path>,
}

impl Opening {
    /// The device at `path` is about to be opened through `interface`.
    pub fn new(interface: Interface, path: &Path) -> Self {
        Self { interface, path: Arc::from(path) }
    }

    /// The interface.
    pub fn interface(&self) -> Interface {
        self.interface
    }

    /// The path.
    pub fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// A failure of `step`, for `map_err`.
    pub fn failed<E: Into<Reason>>(&self, step: Operation) -> impl FnOnce(E) -> Error {
        let Self { interface, path } = self.clone();
        move |error| {
            Error::new(interface, path, Operation::Open, Subject::Device, error).in_step(step)
        }
    }
}
