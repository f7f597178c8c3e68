//! Features, status and config space.

use std::ffi::c_int;
use std::slice;

use vhost_accel::{Features, VhostAccel};

use crate::answer::{Fault, done};
use crate::devices;
use crate::open::vhost_accel_device;
use crate::unchecked::{inputs, output, outputs};

/// Writes what is asked of the device to where the caller wants it.
///
/// # Safety
/// As `output`.
unsafe fn ask<T: Copy>(
    device: *mut vhost_accel_device,
    to: *mut T,
    name: &'static str,
    question: impl FnOnce(&mut dyn VhostAccel) -> Result<T, Fault>,
) -> c_int {
    done(|| {
        // SAFETY: the caller's promise is the same.
        let to = unsafe { output(to, name) }?;
        to.write(devices::with(device, question)?);
        Ok(())
    })
}

/// The features that the device offers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_features(
    device: *mut vhost_accel_device,
    features: *mut u64,
) -> c_int {
    // SAFETY: the caller keeps the header's rules of pointers.
    unsafe { ask(device, features, "features", |device| Ok(device.features()?.bits())) }
}

/// Negotiates features. `wanted` is cut down to what the device offers and the library can drive;
/// `accepted` is what holds now.
///
/// EBUSY unless the device is fresh. ENODEV when the device refuses: VERSION_1 and ACCESS_PLATFORM
/// may be missing, and the message says what is. It wants a reset then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_negotiate(
    device: *mut vhost_accel_device,
    wanted: u64,
    accepted: *mut u64,
) -> c_int {
    let wanted = Features::from_bits_retain(wanted);
    // SAFETY: the caller keeps the header's rules of pointers.
    unsafe { ask(device, accepted, "accepted", |device| Ok(device.negotiate(wanted)?.bits())) }
}

/// The features that were negotiated; 0 while the device is fresh. Makes no system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_negotiated(
    device: *mut vhost_accel_device,
    features: *mut u64,
) -> c_int {
    let question =
        |device: &mut dyn VhostAccel| Ok(device.negotiated().map_or(0, |features| features.bits()));
    // SAFETY: the caller keeps the header's rules of pointers.
    unsafe { ask(device, features, "features", question) }
}

/// What the last vhost_accel_negotiate took out of what was wanted and offered, because the library
/// can't drive it. Makes no system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_withheld(
    device: *mut vhost_accel_device,
    features: *mut u64,
) -> c_int {
    // SAFETY: the caller keeps the header's rules of pointers.
    unsafe { ask(device, features, "features", |device| Ok(device.withheld().bits())) }
}

/// The virtio device status, as the device has it: 0x40, DEVICE_NEEDS_RESET, tells of a stopped
/// vring.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_status(
    device: *mut vhost_accel_device,
    status: *mut u8,
) -> c_int {
    // SAFETY: the caller keeps the header's rules of pointers.
    unsafe { ask(device, status, "status", |device| Ok(device.status()?.bits())) }
}

/// The size of config space in bytes. EOPNOTSUPP without VIRTIO_STATUS, also from the next two.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_config_size(
    device: *mut vhost_accel_device,
    size: *mut u32,
) -> c_int {
    // SAFETY: the caller keeps the header's rules of pointers.
    unsafe { ask(device, size, "size", |device| Ok(device.config_size()?)) }
}

/// Reads `size` bytes of config space from `offset` on. EINVAL beyond its end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_read_config(
    device: *mut vhost_accel_device,
    offset: u32,
    buffer: *mut u8,
    size: usize,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let buffer = unsafe { outputs(buffer, size, "buffer") }?;
        devices::with(device, |device| {
            // SAFETY: the same bytes. C's memory has some value where its program gave it none.
            let bytes = unsafe { slice::from_raw_parts_mut(buffer.as_mut_ptr().cast(), size) };
            Ok(device.read_config(offset, bytes)?)
        })
    })
}

/// Writes `size` bytes of config space from `offset` on. What is read-only stays. EINVAL beyond its
/// end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_write_config(
    device: *mut vhost_accel_device,
    offset: u32,
    buffer: *const u8,
    size: usize,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let bytes = unsafe { inputs(buffer, size, "buffer") }?;
        devices::with(device, |device| Ok(device.write_config(offset, bytes)?))
    })
}
