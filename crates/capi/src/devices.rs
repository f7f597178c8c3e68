//! The open devices.

use std::sync::{Arc, Mutex, PoisonError};

use vhost_accel::VhostAccel;

use crate::answer::Fault;
use crate::open::vhost_accel_device;
use crate::table::{DEVICE, Table};
use crate::unchecked::handle;

/// A device, until it is closed. Calls on it wait for each other.
type Shared = Arc<Mutex<Option<Box<dyn VhostAccel>>>>;

static DEVICES: Table<Shared> = Table::new(DEVICE, "device");

/// Gives a device a handle.
pub(crate) fn insert(device: Box<dyn VhostAccel>) -> *mut vhost_accel_device {
    handle(DEVICES.insert(Arc::new(Mutex::new(Some(device)))))
}

/// Closes a device, when the calls on it that are under way are over.
pub(crate) fn close(device: *mut vhost_accel_device) -> Result<(), Fault> {
    let shared = DEVICES.remove(device.addr())?;
    // One that panicked can be closed.
    let closed = shared.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(closed);
    Ok(())
}

/// Does something with a device.
pub(crate) fn with<T>(
    device: *mut vhost_accel_device,
    call: impl FnOnce(&mut dyn VhostAccel) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let shared = DEVICES.get(device.addr())?;
    let mut open = shared.lock().map_err(|_| Fault::Poisoned)?;
    match &mut *open {
        Some(device) => call(device.as_mut()),
        // Closed by another thread while this one waited.
        None => Err(Fault::Closed("device")),
    }
}
