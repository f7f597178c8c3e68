//! Bare system calls on emulated devices, and a ring or two to run them.
#![expect(unsafe_code, reason = "tests make the system calls bare, as a client does")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use vhost_accel_emulator::{DeviceKind, EmulatedKernel};
use vhost_accel_uapi::vfio;

/// An address that nothing is mapped at.
pub(crate) const NOWHERE: u64 = 16;
pub(crate) const PAGE: u64 = 4096;

pub(crate) fn result(value: impl Into<i64>) -> Result<i64, i32> {
    match value.into() {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap()),
        value => Ok(value),
    }
}

pub(crate) fn open(path: impl AsRef<Path>) -> Result<OwnedFd, i32> {
    let path = CString::new(path.as_ref().as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: the path ends in a NUL.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    // SAFETY: just opened.
    result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// An ioctl whose argument is a structure.
pub(crate) fn ioctl<T>(fd: &impl AsFd, request: u32, arg: &mut T) -> Result<i64, i32> {
    ioctl_at(fd, request, (&raw mut *arg) as u64)
}

/// An ioctl whose argument is a number, or an address that need not be good.
pub(crate) fn ioctl_at(fd: &impl AsFd, request: u32, arg: u64) -> Result<i64, i32> {
    // SAFETY: what the emulated kernel writes to is what the caller passed by `&mut`, or is
    // refused.
    result(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request.into(), arg) })
}

/// An ioctl that fills a structure.
pub(crate) fn get<T: Default>(fd: &impl AsFd, request: u32) -> Result<T, i32> {
    let mut value = T::default();
    ioctl(fd, request, &mut value).map(|_| value)
}

pub(crate) fn pwrite(fd: &impl AsFd, bytes: &[u8], offset: u64) -> Result<i64, i32> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the kernel reads the bytes.
    result(unsafe { libc::pwrite(fd, bytes.as_ptr().cast(), bytes.len(), offset as i64) } as i64)
}

pub(crate) fn pread(fd: &impl AsFd, bytes: &mut [u8], offset: u64) -> Result<i64, i32> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the kernel writes the bytes.
    result(unsafe { libc::pread(fd, bytes.as_mut_ptr().cast(), bytes.len(), offset as i64) } as i64)
}

/// A write of `len` bytes at an address that need not be good.
pub(crate) fn write_at(fd: &impl AsFd, address: u64, len: usize) -> Result<i64, i32> {
    // SAFETY: a bad address is refused.
    result(unsafe { libc::write(fd.as_fd().as_raw_fd(), address as *const _, len) } as i64)
}

pub(crate) fn eventfd() -> OwnedFd {
    // SAFETY: takes no pointer.
    let fd = result(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }).unwrap();
    // SAFETY: just made.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}

/// Adds one to an eventfd.
pub(crate) fn signal(eventfd: &OwnedFd) {
    assert_eq!(write_at(eventfd, (&raw const ONE) as u64, 8), Ok(8));
}

static ONE: u64 = 1;

/// Waits until an eventfd was signalled, and takes its count. A minute ends a hang.
pub(crate) fn wait(eventfd: &OwnedFd) -> Option<u64> {
    let mut poll = libc::pollfd { fd: eventfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, which lives for the call.
    if unsafe { libc::poll(&raw mut poll, 1, 60_000) } != 1 {
        return None;
    }
    taken(eventfd)
}

/// Takes the count of an eventfd that was signalled.
pub(crate) fn taken(eventfd: &OwnedFd) -> Option<u64> {
    let mut count = [0; 8];
    // SAFETY: the buffer is as long as said.
    let read = unsafe { libc::read(eventfd.as_raw_fd(), count.as_mut_ptr().cast(), 8) };
    (read == 8).then(|| u64::from_ne_bytes(count))
}

/// A mapping that ends with this value.
pub(crate) struct Mapped {
    pub(crate) address: *mut u8,
    len: usize,
}

impl Mapped {
    pub(crate) fn new(
        fd: &impl AsFd,
        len: u64,
        prot: i32,
        flags: i32,
        offset: u64,
    ) -> Result<Self, i32> {
        let fd = fd.as_fd().as_raw_fd();
        let len = len as usize;
        // SAFETY: a new mapping where the kernel likes.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), len, prot, flags, fd, offset as i64) };
        result(address as i64).map(|_| Self { address: address.cast(), len })
    }

    /// Zeroed memory of our own.
    pub(crate) fn anonymous(len: u64) -> Self {
        Self::anonymous_at(0, len)
    }

    /// The same at `host`, where the kernel maps nothing by itself; 0: where it likes.
    pub(crate) fn anonymous_at(host: u64, len: u64) -> Self {
        let fixed = if host == 0 { 0 } else { libc::MAP_FIXED_NOREPLACE };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | fixed;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let at = std::ptr::without_provenance_mut(host as usize);
        // SAFETY: a new mapping in place of none.
        let address = unsafe { libc::mmap(at, len as usize, prot, flags, -1, 0) };
        assert_ne!(address, libc::MAP_FAILED);
        Self { address: address.cast(), len: len as usize }
    }

    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.len);
        // SAFETY: within the mapping.
        unsafe { self.address.add(offset) }
    }

    /// Takes all access to the page at `offset` away.
    pub(crate) fn forbid(&self, offset: u64) {
        let page = self.at(offset as usize).cast();
        // SAFETY: a page of this mapping, which nobody has a reference to.
        assert_eq!(unsafe { libc::mprotect(page, PAGE as usize, libc::PROT_NONE) }, 0);
    }

    pub(crate) fn host(&self) -> u64 {
        self.address as u64
    }

    pub(crate) fn write_u16(&self, offset: usize, value: u16) {
        // SAFETY: within the mapping and aligned; the device reads it with atomics.
        unsafe { self.at(offset).cast::<u16>().write_volatile(value) };
    }

    pub(crate) fn read_u16(&self, offset: usize) -> u16 {
        // SAFETY: as above.
        unsafe { self.at(offset).cast::<u16>().read_volatile() }
    }

    pub(crate) fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.len);
        // SAFETY: within the mapping.
        unsafe { self.at(offset).copy_from(bytes.as_ptr(), bytes.len()) };
    }

    pub(crate) fn read(&self, offset: usize, len: usize) -> Vec<u8> {
        assert!(offset + len <= self.len);
        let mut bytes = vec![0; len];
        // SAFETY: within the mapping.
        unsafe { self.at(offset).copy_to(bytes.as_mut_ptr(), len) };
        bytes
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` or `anonymous`, and nobody uses it any more.
        unsafe { libc::munmap(self.address.cast(), self.len) };
    }
}

/// A VFIO device with all that it takes to have one.
pub(crate) struct Vfio {
    pub(crate) container: OwnedFd,
    pub(crate) group: OwnedFd,
    pub(crate) device: OwnedFd,
}

/// The name of the VFIO device: the last part of its path.
pub(crate) fn uuid(kernel: &EmulatedKernel) -> CString {
    let path = kernel.device(DeviceKind::Vfio, 0).unwrap().path();
    CString::new(path.file_name().unwrap().as_encoded_bytes()).unwrap()
}

impl Vfio {
    pub(crate) fn open(kernel: &EmulatedKernel) -> Self {
        let container = open("/dev/vfio/vfio").unwrap();
        let group = open("/dev/vfio/0").unwrap();
        let mut fd = container.as_raw_fd();
        assert_eq!(ioctl(&group, vfio::GROUP_SET_CONTAINER, &mut fd), Ok(0));
        assert_eq!(ioctl_at(&container, vfio::SET_IOMMU, vfio::TYPE1V2_IOMMU.into()), Ok(0));
        let device = Self::device(kernel, &group).unwrap();
        Self { container, group, device }
    }

    pub(crate) fn device(kernel: &EmulatedKernel, group: &OwnedFd) -> Result<OwnedFd, i32> {
        let uuid = uuid(kernel);
        let fd = ioctl_at(group, vfio::GROUP_GET_DEVICE_FD, uuid.as_ptr() as u64)?;
        // SAFETY: just given to us.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
    }
}
