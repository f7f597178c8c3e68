//! Whether this machine can run an emulated kernel.

use std::fs::OpenOptions;

use vhost_accel_device::dma::ClientMemory;
use vhost_accel_uapi::call::vhost;

use crate::error::Error;
use crate::{DeviceKind, EmulatedKernel, sys};

/// Finds out whether this machine can run an emulated kernel, by running one: a client opens a
/// device and asks it what it is.
///
/// # Errors
/// [`Error`], which says what is missing and since when Linux has it.
pub fn probe() -> Result<(), Error> {
    let pid = std::process::id();
    let known = [0x5a_u8; 8];
    let mut copy = [0; 8];
    sys::remote::read_memory(pid, known.as_ptr() as u64, &mut copy)
        .map_err(Error::NoClientMemory)?;
    ClientMemory::of_process(pid).map_err(|errno| Error::NoClientMemory(errno.into()))?;
    let stop = sys::wait::eventfd().map_err(Error::setup("an eventfd"))?;
    sys::remote::pidfd_open(pid, pid)
        .and_then(|pidfd| sys::remote::pidfd_getfd(&pidfd, std::os::fd::AsRawFd::as_raw_fd(&stop)))
        .map_err(Error::NoClientDescriptors)?;
    let kernel = EmulatedKernel::builder().build()?;
    let Some(device) = kernel.device(DeviceKind::VhostVdpa, 0) else {
        return Ok(());
    };
    kernel
        .run(|| {
            let file = OpenOptions::new().read(true).write(true).open(device.path())?;
            vhost::get_device_id(&file)
        })?
        .map(drop)
        .map_err(Error::Probe)
}
