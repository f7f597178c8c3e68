//! What an opened device says about itself.

use std::path::Path;
use std::sync::Arc;

use crate::capability::Capabilities;
use crate::interface::Interface;

/// Identity and abilities of an opened device; they don't change while it is open.
#[derive(Clone, Debug)]
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
