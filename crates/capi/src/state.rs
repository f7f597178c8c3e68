//! A device's state as text.

use std::ffi::{c_char, c_int};

use vhost_accel::{DeviceState, QueueIndex};

use crate::answer::{Fault, answer, done};
use crate::devices;
use crate::open::vhost_accel_device;
use crate::unchecked::{self, copy_text, fd, inputs};
use crate::vring::{checked_all, vhost_accel_vring};

/// Saves a device for vhost_accel_restore, of this process or another, through the same interface
/// or another: writes it to `text` as snprintf(3) does, and answers how long it is without the zero
/// at the end. It is JSON, and has a version.
///
/// The vrings are given as they were set up; `enabled` is what holds now, and neither `base` nor
/// `call` matters. A device that runs is suspended, and stays so, also after an error.
///
/// Not saved: memory and its mappings, eventfds, the dirty log, and what a guest has set through a
/// control queue.
///
/// EBUSY of a device without negotiated features, EOPNOTSUPP of one that runs and lacks SUSPEND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_save(
    device: *mut vhost_accel_device,
    vrings: *const vhost_accel_vring,
    count: usize,
    text: *mut c_char,
    size: usize,
) -> c_int {
    answer(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let vrings = checked_all(unsafe { inputs(vrings, count, "vrings") }?)?;
        let state = devices::with(device, |device| Ok(DeviceState::save(device, &vrings)?))?;
        let state = serde_json::to_string(&state).map_err(Fault::State)?;
        // SAFETY: the same.
        unsafe { copy_text(state.as_bytes(), text, size, "text") }
    })
}

/// Makes a fresh device what vhost_accel_save saved; vhost_accel_start is left to the caller.
/// `calls` has the call eventfd of each vring, or -1, in the order in which they were saved. Memory
/// can be mapped before or after.
///
/// Config space is written where it differs. A device keeps of it what is read-only.
///
/// EINVAL for a text that no library of this version has written, and for another number of
/// eventfds than of vrings; EXDEV for another kind of device, and for features that it doesn't
/// offer; ENOBUFS and EINVAL for a vring that it hasn't got or that is too large; EBUSY unless it
/// is fresh. These change nothing; after another error the device is reset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_restore(
    device: *mut vhost_accel_device,
    text: *const c_char,
    calls: *const c_int,
    count: usize,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let state = unsafe { unchecked::text(text, "text") }?;
        // SAFETY: the same.
        let calls = unsafe { inputs(calls, count, "calls") }?;
        let state: DeviceState = serde_json::from_str(state).map_err(Fault::State)?;
        if state.vrings.len() != count {
            return Err(Fault::Calls { vrings: state.vrings.len(), given: count });
        }
        let mut eventfds = Vec::new();
        eventfds.try_reserve_exact(count).map_err(|_| Fault::Memory("calls"))?;
        for (vring, &call) in state.vrings.iter().zip(calls) {
            eventfds.push((vring.queue, fd(call, "call")?));
        }
        let call_of = |queue: QueueIndex| {
            eventfds.iter().find(|(of, _)| *of == queue).and_then(|(_, eventfd)| *eventfd)
        };
        devices::with(device, |device| Ok(state.restore(device, call_of)?))
    })
}
