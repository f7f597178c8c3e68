//! Errors of a device that is not open yet.

use std::path::Path;
use std::sync::Arc;

use vhost_accel_core::{Capabilities, DeviceInfo, Error, Interface, Operation, Reason, Subject};

use crate::identity::Identity;

/// Names the interface and the path in errors until there is a
/// [`Device`](vhost_accel_core::Device) to do it.
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

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A failure of `step`, for `map_err`.
    pub fn failed<E: Into<Reason>>(&self, step: Operation) -> impl FnOnce(E) -> Error {
        let Self { interface, path } = self.clone();
        move |error| {
            Error::new(interface, path, Operation::Open, Subject::Device, error).in_step(step)
        }
    }

    /// What the opened device says about itself.
    pub fn into_info(self, identity: &Identity, capabilities: Capabilities) -> DeviceInfo {
        DeviceInfo {
            interface: self.interface,
            path: self.path,
            device_id: identity.device_id,
            queue_count: identity.queue_count,
            max_queue_size: identity.max_queue_size,
            capabilities,
        }
    }
}
