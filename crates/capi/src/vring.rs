//! Vrings and their events.

use std::ffi::c_int;

use vhost_accel::{Iova, QueueIndex, Vring, VringBase};

use crate::answer::{Fault, done};
use crate::devices;
use crate::open::vhost_accel_device;
use crate::unchecked::{fd, flag, input, inputs, output};

/// A vring as it is set up.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct vhost_accel_vring {
    /// Which vring, from 0.
    pub queue: u16,
    /// Entries: a power of two, at most max_queue_size.
    pub size: u16,
    /// Where to go on: 0 for a new ring, else what vhost_accel_vring_base read.
    pub base: u32,
    /// The descriptor table, an IOVA aligned to 16 bytes.
    pub desc: u64,
    /// The available (driver) ring, an IOVA aligned to 2 bytes.
    pub avail: u64,
    /// The used (device) ring, an IOVA aligned to 4 bytes.
    pub used: u64,
    /// The call eventfd, -1 for a vring that is polled. 0 is a file descriptor.
    pub call: c_int,
    /// 1 for a vring that runs from the start, 0 for one that waits for vhost_accel_enable_vring.
    pub enabled: u32,
}

const _: () = assert!(size_of::<vhost_accel_vring>() == 40);

impl vhost_accel_vring {
    fn checked(&self) -> Result<Vring<'_>, Fault> {
        let (desc, avail, used) = (Iova(self.desc), Iova(self.avail), Iova(self.used));
        let vring = Vring::new(QueueIndex(self.queue), self.size, desc, avail, used)
            .with_base(VringBase::from_raw(self.base))
            .with_call(fd(self.call, "call")?);
        Ok(if flag(self.enabled, "enabled")? { vring } else { vring.disabled() })
    }
}

/// All of them, or what is wrong with one.
pub(crate) fn checked_all(given: &[vhost_accel_vring]) -> Result<Vec<Vring<'_>>, Fault> {
    let mut vrings = Vec::new();
    vrings.try_reserve_exact(given.len()).map_err(|_| Fault::Memory("vrings"))?;
    for vring in given {
        vrings.push(vring.checked()?);
    }
    Ok(vrings)
}

/// Sets up one vring: see vhost_accel_setup_vrings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_setup_vring(
    device: *mut vhost_accel_device,
    vring: *const vhost_accel_vring,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let vring = unsafe { input(vring, "vring") }?.checked()?;
        devices::with(device, |device| Ok(device.setup_vring(&vring)?))
    })
}

/// Sets up `count` vrings. When one fails, those before it are disabled again and lose their call
/// eventfd. Addresses are not looked at now: one that isn't mapped stops the vring when it runs.
///
/// EBUSY before vhost_accel_negotiate and while running; ENOBUFS for a vring that the device hasn't
/// got; EINVAL for a size, alignment or base that no vring has. These make no system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_setup_vrings(
    device: *mut vhost_accel_device,
    vrings: *const vhost_accel_vring,
    count: usize,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let vrings = checked_all(unsafe { inputs(vrings, count, "vrings") }?)?;
        devices::with(device, |device| Ok(device.setup_vrings(&vrings)?))
    })
}

/// Enables (1) or disables (0) a vring, at any time after it was set up.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_enable_vring(
    device: *mut vhost_accel_device,
    queue: u16,
    enabled: u32,
) -> c_int {
    done(|| {
        let enabled = flag(enabled, "enabled")?;
        devices::with(device, |device| Ok(device.enable_vring(QueueIndex(queue), enabled)?))
    })
}

/// Where the device goes on: the next available index that it will look at. Stable only while the
/// device is suspended or stopped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_vring_base(
    device: *mut vhost_accel_device,
    queue: u16,
    base: *mut u32,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let to = unsafe { output(base, "base") }?;
        let base = devices::with(device, |device| Ok(device.vring_base(QueueIndex(queue))?))?;
        to.write(base.raw());
        Ok(())
    })
}

/// Sets, replaces or with -1 removes the eventfd that the device signals after using buffers. The
/// device keeps its own reference: the caller's descriptor can be closed. Also of the two below.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_set_call(
    device: *mut vhost_accel_device,
    queue: u16,
    call: c_int,
) -> c_int {
    done(|| {
        let call = fd(call, "call")?;
        devices::with(device, |device| Ok(device.set_call(QueueIndex(queue), call)?))
    })
}

/// Sets, replaces or with -1 removes the eventfd that the device signals when the vring stops on an
/// error. EOPNOTSUPP without ERROR_EVENT.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_set_error(
    device: *mut vhost_accel_device,
    queue: u16,
    error: c_int,
) -> c_int {
    done(|| {
        let error = fd(error, "error")?;
        devices::with(device, |device| Ok(device.set_error(QueueIndex(queue), error)?))
    })
}

/// Sets, replaces or with -1 removes the eventfd that the device signals when its config space or
/// its status changes.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_set_config_call(
    device: *mut vhost_accel_device,
    call: c_int,
) -> c_int {
    done(|| {
        let call = fd(call, "call")?;
        devices::with(device, |device| Ok(device.set_config_call(call)?))
    })
}
