//! What an opened device says about itself.

use std::path::Path;
use std::sync::Arc;

use crate::capability::Capabilities;
use crate::interface::Interface;

/// Identity and abilities of an opened device; they don't change while it is open.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The interface through which it was opened.
    pub interface: Interface,
    /// The path that was opened: a device node, or an mdev's directory in sysfs.
    pub path: Arc<Path>,
    /// The virtio device id (1 is a network device).
    pub device_id: u32,
    /// How many vrings it has.
    pub queue_count: u16,
    /// The most entries that a vring may have.
    pub max_queue_size: u16,
    /// What it can do beyond the least.
    pub capabilities: Capabilities,
}

impl DeviceInfo {
    /// A device with `queue_count` vrings of at most `max_queue_size` entries, for those who write
    /// a backend.
    pub const fn new(
        interface: Interface,
        path: Arc<Path>,
        device_id: u32,
        queue_count: u16,
        max_queue_size: u16,
        capabilities: Capabilities,
    ) -> Self {
        Self { interface, path, device_id, queue_count, max_queue_size, capabilities }
    }
}
