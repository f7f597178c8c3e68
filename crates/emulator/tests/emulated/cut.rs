//! Arguments of which a part can't be read, and addresses that no process has: what is looked at
//! first decides what is answered.

use std::os::fd::{AsRawFd, OwnedFd};

use libc::{EAGAIN, EBADF, EFAULT, EINVAL, ENODEV, ENOTTY, EOPNOTSUPP, EPERM};
use vhost_accel_emulator::EmulatedKernel;
use vhost_accel_uapi::ioc;
use vhost_accel_uapi::vfio::{self, IrqSet};
use vhost_accel_uapi::vhost::{self, VringState};
use zerocopy::IntoBytes;

use crate::common::*;

/// An address of the kernel's own.
const KERNEL: u64 = 0xffff_8000_0000_0000;

/// Where an argument lies whose last bytes are missing.
struct Cut(Mapped);

impl Cut {
    fn new() -> Self {
        let pages = Mapped::anonymous(2 * PAGE);
        pages.forbid(PAGE);
        Self(pages)
    }

    /// Puts `bytes`, but the last `missing`, where nothing can be read behind them.
    fn put(&self, bytes: &[u8], missing: usize) -> u64 {
        let there = &bytes[..bytes.len() - missing];
        let at = PAGE as usize - there.len();
        self.0.write(at, there);
        self.0.host() + at as u64
    }
}

fn with_kernel(case: impl FnOnce(&EmulatedKernel, &Cut) + Send) {
    let kernel = EmulatedKernel::builder().build().unwrap();
    kernel.run(|| case(&kernel, &Cut::new())).unwrap();
}

fn read_at(fd: &OwnedFd, address: u64, len: usize) -> Result<i64, i32> {
    // SAFETY: the addresses that are passed are good for `len` bytes, or are refused.
    #[expect(unsafe_code, reason = "a bare read")]
    let read = unsafe { libc::read(fd.as_raw_fd(), address as *mut libc::c_void, len) };
    result(read as i64)
}

#[test]
fn of_what_mainline_does_not_have_it_looks_at_the_index_alone() {
    with_kernel(|_, cut| {
        let fd = open("/dev/vhost-vdpa-0").unwrap();
        assert_eq!(ioctl_at(&fd, vhost::SET_OWNER, 0), Ok(0));
        let vring = cut.put(VringState { index: 1, num: 0 }.as_bytes(), 1);
        assert_eq!(ioctl_at(&fd, vhost::SET_VRING_NUM, vring), Err(EFAULT));
        assert_eq!(ioctl_at(&fd, vhost::GET_VRING_BASE, vring), Err(EFAULT));
        assert_eq!(ioctl_at(&fd, vhost::SET_GROUP_ASID, vring), Err(EFAULT));
        assert_eq!(ioctl_at(&fd, vhost::SET_VRING_BUSYLOOP_TIMEOUT, vring), Err(EFAULT));
        assert_eq!(ioctl_at(&fd, vhost::GET_VRING_DESC_GROUP, vring), Err(EOPNOTSUPP));
        assert_eq!(ioctl_at(&fd, ioc::iow::<u64>(vhost::TYPE, 0x60), vring), Err(ENOTTY));
    });
}

#[test]
fn a_log_is_read_before_its_owner_is_asked_for() {
    with_kernel(|_, cut| {
        let fd = open("/dev/vhost-mdev-0").unwrap();
        for request in [vhost::SET_LOG_BASE, vhost::SET_LOG_FD] {
            assert_eq!(ioctl_at(&fd, request, cut.put(&[0; 8], 7)), Err(EFAULT));
            assert_eq!(ioctl_at(&fd, request, cut.put(&[0; 8], 0)), Err(EPERM));
        }
    });
}

#[test]
fn the_name_of_a_device_is_read_whole() {
    with_kernel(|kernel, cut| {
        let vfio = Vfio::open(kernel);
        let name = |address| ioctl_at(&vfio.group, vfio::GROUP_GET_DEVICE_FD, address);
        assert_eq!(name(cut.put(b"no such device\0", 0)), Err(ENODEV));
        assert_eq!(name(cut.put(b"no such device\0", 1)), Err(EFAULT));
        let endless = Mapped::anonymous(2 * PAGE);
        endless.write(0, &[b'x'; 2 * PAGE as usize]);
        assert_eq!(name(endless.host()), Err(EINVAL));
    });
}

#[test]
fn of_several_descriptors_the_first_that_is_wrong_decides() {
    with_kernel(|kernel, cut| {
        let vfio = Vfio::open(kernel);
        let flags = vfio::IRQ_SET_DATA_EVENTFD | vfio::IRQ_SET_ACTION_TRIGGER;
        let set = IrqSet { argsz: 28, flags, index: 0, start: 0, count: 2 };
        let of = |first: i32| {
            let bytes = [set.as_bytes(), first.as_bytes(), (-1_i32).as_bytes()].concat();
            ioctl_at(&vfio.device, vfio::DEVICE_SET_IRQS, cut.put(&bytes, 1))
        };
        assert_eq!(of(-1), Err(EFAULT));
        assert_eq!(of(12345), Err(EBADF));
    });
}

#[test]
fn an_address_of_the_kernel_is_refused_before_anything_is_looked_at() {
    with_kernel(|kernel, cut| {
        let vfio = Vfio::open(kernel);
        let good = cut.put(&[0; 24], 0);
        assert_eq!(read_at(&vfio.device, good, 24), Err(EAGAIN));
        assert_eq!(read_at(&vfio.device, KERNEL, 24), Err(EFAULT));
        assert_eq!(read_at(&vfio.device, u64::MAX, 24), Err(EFAULT));
        assert_eq!(write_at(&vfio.device, KERNEL, 0), Err(EFAULT));
        assert_eq!(write_at(&vfio.device, good, 0), Err(EINVAL));
        let vdpa = open("/dev/vhost-vdpa-0").unwrap();
        assert_eq!(write_at(&vdpa, good, 3), Err(EINVAL));
        assert_eq!(write_at(&vdpa, KERNEL, 3), Err(EFAULT));
    });
}
