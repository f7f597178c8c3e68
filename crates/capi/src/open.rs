//! Opening and closing, and what is known of a device without asking it.

use std::ffi::{c_char, c_int};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use vhost_accel::{OpenError, Uri};

use crate::answer::{Fault, answer, done};
use crate::devices;
use crate::numbers::of_phase;
use crate::unchecked::{self, copy_text, output, text};

/// An open device. Any thread may use it; calls on one device wait for each other.
#[expect(non_camel_case_types, reason = "C's name")]
pub struct vhost_accel_device {
    _number: (),
}

/// What a device is and can do. It doesn't change while the device is open.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct vhost_accel_info {
    /// The interface: VHOST_ACCEL_VFIO_MSG and so on.
    pub interface: u32,
    /// The virtio device id: 1 is a network device.
    pub device_id: u32,
    /// VHOST_ACCEL_CAP_ bits. What asks for one that is missing is EOPNOTSUPP.
    pub capabilities: u32,
    /// How many vrings there are.
    pub queue_count: u16,
    /// The most entries that a vring may have.
    pub max_queue_size: u16,
}

/// Lists the devices of this machine, as URIs with a newline behind each, without opening one.
///
/// Answers the length of the list. As much of it as fits is put into `buffer`, with a zero behind
/// it, as snprintf(3) does: an answer of `size` or more says that it is not all. `buffer` may be
/// NULL if `size` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_devices(buffer: *mut c_char, size: usize) -> c_int {
    answer(|| {
        let devices = vhost_accel::devices().map_err(Fault::Devices)?;
        let list: String = devices.iter().map(|uri| format!("{uri}\n")).collect();
        // SAFETY: the caller keeps the header's rules of pointers.
        unsafe { copy_text(list.as_bytes(), buffer, size, "buffer") }
    })
}

/// Opens a device: INTERFACE:PATH[?OPTION=VALUE], "vhost-vdpa:/dev/vhost-vdpa-0" for one. README.md
/// lists the interfaces and options.
///
/// EINVAL for a text that is no URI, EBUSY for a device that is in use, ENODEV for what is no such
/// device; else open(2)'s, and those of the requests that follow it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_open(
    uri: *const c_char,
    device: *mut *mut vhost_accel_device,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let device = unsafe { output(device, "device") }?;
        // SAFETY: as above.
        let uri = unsafe { text(uri, "uri") }?;
        device.write(devices::insert(vhost_accel::open(uri)?));
        Ok(())
    })
}

/// Closes a device, which resets it and unmaps everything. The handle is invalid from then on.
/// Calls on the device that other threads are in come to their end first.
///
/// Kickers and pages of the device have to be closed too, before or after it. A kick reaches nobody
/// after it: it does no harm, and by a region write it is ENODEV.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_close(device: *mut vhost_accel_device) -> c_int {
    done(|| devices::close(device))
}

/// Opens the device that a URI names by an fd of it that somebody else has opened, to read and
/// write: a process that may, for one that is in a sandbox. The URI's path is for messages alone.
/// The fd stays the caller's; the device has a duplicate of it, and is closed when both are.
///
/// On VFIO it is the device's fd, from a group in a container of a type 1 IOMMU. The container
/// stays the caller's, who maps memory there, for all its devices at once. The device has no
/// VHOST_ACCEL_CAP_DMA, and its dirty log can't be held against what is mapped.
///
/// This process becomes the device's owner. The one that opened it must not have become that.
///
/// EBADF for what is no fd, and those of vhost_accel_open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_open_fd(
    uri: *const c_char,
    fd: c_int,
    device: *mut *mut vhost_accel_device,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let device = unsafe { output(device, "device") }?;
        // SAFETY: as above.
        let uri: Uri = unsafe { text(uri, "uri") }?.parse().map_err(OpenError::from)?;
        device.write(devices::insert(vhost_accel::open_fd(&uri, duplicate(fd, "fd")?)?));
        Ok(())
    })
}

/// As vhost_accel_open_fd, on VFIO, with the device's container: memory is mapped through the
/// device. Everything in the container is unmapped with it, so no other device may be in it. The
/// last page of IOVAs can't be mapped.
///
/// EOPNOTSUPP for the other interfaces, and those of vhost_accel_open_fd.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_open_fds(
    uri: *const c_char,
    fd: c_int,
    container: c_int,
    device: *mut *mut vhost_accel_device,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let device = unsafe { output(device, "device") }?;
        // SAFETY: as above.
        let uri: Uri = unsafe { text(uri, "uri") }?.parse().map_err(OpenError::from)?;
        let (own, container) = (duplicate(fd, "fd")?, duplicate(container, "container")?);
        device.write(devices::insert(vhost_accel::open_fds(&uri, own, container)?));
        Ok(())
    })
}

fn duplicate(fd: c_int, name: &'static str) -> Result<OwnedFd, Fault> {
    let no_fd = || Fault::Fd { name, given: fd };
    let given = unchecked::fd(fd, name)?.ok_or_else(no_fd)?;
    given.try_clone_to_owned().map_err(|_| no_fd())
}

/// What the device is and can do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_get_info(
    device: *mut vhost_accel_device,
    info: *mut vhost_accel_info,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let to = unsafe { output(info, "info") }?;
        devices::with(device, |device| {
            let info = device.info();
            to.write(vhost_accel_info {
                interface: info.interface.number(),
                device_id: info.device_id,
                capabilities: info.capabilities.bits(),
                queue_count: info.queue_count,
                max_queue_size: info.max_queue_size,
            });
            Ok(())
        })
    })
}

/// The path that was opened. Answers its length and fills `buffer` as vhost_accel_devices does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_path(
    device: *mut vhost_accel_device,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    answer(|| {
        devices::with(device, |device| {
            let path = device.info().path.as_os_str().as_bytes();
            // SAFETY: the caller keeps the header's rules of pointers.
            unsafe { copy_text(path, buffer, size, "buffer") }
        })
    })
}

/// The file descriptor that the device is open as, -1 where there is no single one. It is the
/// library's: it may be duplicated and mapped, and is closed with the device.
///
/// With it the offset of a page is something that another process can map. Requests that are made
/// with it behind the library's back change what the library believes of the device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_device_fd(
    device: *mut vhost_accel_device,
    fd: *mut c_int,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let fd = unsafe { output(fd, "fd") }?;
        devices::with(device, |device| {
            fd.write(device.device_fd().map_or(-1, |fd| fd.as_raw_fd()));
            Ok(())
        })
    })
}

/// Answers where the device stands in the order of calls: VHOST_ACCEL_PHASE_FRESH and so on.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_phase(device: *mut vhost_accel_device) -> c_int {
    answer(|| devices::with(device, |device| of_phase(device.phase()).ok_or(Fault::Overflow)))
}
