//! Starting and stopping.

use std::ffi::c_int;

use crate::answer::done;
use crate::devices;
use crate::open::vhost_accel_device;

/// DRIVER_OK: the enabled vrings run, and look for work once without a kick.
///
/// EBUSY unless features are negotiated, EINVAL without a vring that is set up.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_start(device: *mut vhost_accel_device) -> c_int {
    done(|| devices::with(device, |device| Ok(device.start()?)))
}

/// Makes every vring stand still. When it has answered, ring state is final and may be read and
/// changed.
///
/// EOPNOTSUPP without SUSPEND, EBUSY unless running.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_suspend(device: *mut vhost_accel_device) -> c_int {
    done(|| devices::with(device, |device| Ok(device.suspend()?)))
}

/// Goes on after a suspend. EOPNOTSUPP without RESUME, EBUSY unless suspended.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_resume(device: *mut vhost_accel_device) -> c_int {
    done(|| devices::with(device, |device| Ok(device.resume()?)))
}

/// Resets, in whatever phase: features, vrings, eventfds and config space go back to what they were
/// at open. DMA mappings stay. A kicker by eventfd is to be made anew.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_reset(device: *mut vhost_accel_device) -> c_int {
    done(|| devices::with(device, |device| Ok(device.reset()?)))
}
