//! The requests of type 0xAF: the same on every interface that has them as ioctls, but where
//! `docs/abi.md` says otherwise.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use libc::{EBADF, EBUSY, EFAULT, EINVAL, ENOBUFS, ENOTTY, EOPNOTSUPP, EPERM};
use vhost_accel_emulator::{DeviceKind, EmulatedKernel};
use vhost_accel_uapi::ioc;
use vhost_accel_uapi::vhost::{self, Config, VringAddr, VringFile, VringState};

use crate::common::*;
use crate::rings::FEATURES;

/// An interface, and where it differs from the others.
struct Interface {
    name: &'static str,
    kind: DeviceKind,
    backend_features: u64,
    /// A bad feature bit.
    bad_feature: i32,
    /// A change of a vring while the device runs; None: accepted and ignored.
    num_while_running: Option<i32>,
    addr_while_running: i32,
    /// Of a parent that can't refuse: DRIVER_OK without FEATURES_OK.
    early_driver_ok: Option<i32>,
    early_suspend: Option<i32>,
    iova_range: bool,
    log: bool,
    address_spaces: bool,
    oversized_vring: Option<i32>,
}

const VFIO: Interface = Interface {
    name: "vfio-ioctl",
    kind: DeviceKind::Vfio,
    backend_features: 0x30,
    bad_feature: EOPNOTSUPP,
    num_while_running: Some(EBUSY),
    addr_while_running: EBUSY,
    early_driver_ok: Some(EINVAL),
    early_suspend: Some(EINVAL),
    iova_range: false,
    log: true,
    address_spaces: false,
    oversized_vring: Some(EINVAL),
};

const MDEV: Interface =
    Interface { name: "vhost-mdev", kind: DeviceKind::VhostMdev, iova_range: true, ..VFIO };

const VDPA: Interface = Interface {
    name: "vhost-vdpa",
    kind: DeviceKind::VhostVdpa,
    backend_features: 0x17e,
    bad_feature: EINVAL,
    num_while_running: None,
    addr_while_running: EINVAL,
    early_driver_ok: None,
    early_suspend: None,
    iova_range: true,
    log: false,
    address_spaces: true,
    oversized_vring: None,
};

/// An open device, and for VFIO what keeps it so.
struct Open {
    fd: OwnedFd,
    _vfio: Option<(OwnedFd, OwnedFd)>,
}

impl Interface {
    fn open(&self, kernel: &EmulatedKernel) -> Open {
        match self.kind {
            DeviceKind::Vfio => {
                let Vfio { container, group, device } = Vfio::open(kernel);
                Open { fd: device, _vfio: Some((container, group)) }
            }
            kind => {
                let path = kernel.device(kind, 0).unwrap().path();
                Open { fd: open(path).unwrap(), _vfio: None }
            }
        }
    }
}

/// Runs a case on each interface, each with a kernel of its own of two queue pairs, 256 entries.
fn each(case: impl Fn(&Interface, &OwnedFd) + Sync) {
    for interface in [&VFIO, &MDEV, &VDPA] {
        let kernel = EmulatedKernel::builder().queue_pairs(2).max_queue_size(256).build().unwrap();
        kernel
            .run(|| {
                eprintln!("{}", interface.name);
                case(interface, &interface.open(&kernel).fd);
            })
            .unwrap();
    }
}

fn set<T>(fd: &OwnedFd, request: u32, mut value: T) -> Result<i64, i32> {
    ioctl(fd, request, &mut value)
}

fn state(index: u32, num: u32) -> VringState {
    VringState { index, num }
}

fn own(fd: &OwnedFd) {
    assert_eq!(ioctl_at(fd, vhost::SET_OWNER, 0), Ok(0));
}

fn accept_features(fd: &OwnedFd) {
    assert_eq!(set(fd, vhost::SET_STATUS, 3_u8), Ok(0));
    assert_eq!(set(fd, vhost::SET_FEATURES, FEATURES), Ok(0));
    assert_eq!(set(fd, vhost::SET_STATUS, 11_u8), Ok(0));
    assert_eq!(get::<u8>(fd, vhost::GET_STATUS), Ok(11));
}

// ABI-REQ-11, ABI-REQ-15, ABI-REQ-22, ABI-VDPA-30
#[test]
fn identity() {
    each(|interface, fd| {
        assert_eq!(get::<u32>(fd, vhost::GET_DEVICE_ID), Ok(1));
        assert_eq!(get::<u16>(fd, vhost::GET_VRING_NUM), Ok(256));
        assert_eq!(get::<u32>(fd, vhost::GET_VQS_COUNT), Ok(5));
        assert_eq!(get::<u32>(fd, vhost::GET_CONFIG_SIZE), Ok(12));
        assert_eq!(get::<u8>(fd, vhost::GET_STATUS), Ok(0));
        assert_eq!(get(fd, vhost::GET_BACKEND_FEATURES), Ok(interface.backend_features));
        let range = get::<[u64; 2]>(fd, vhost::GET_IOVA_RANGE);
        assert_eq!(range, if interface.iova_range { Ok([0, u64::MAX]) } else { Err(ENOTTY) });
    });
}

// ABI-NET-11, ABI-NET-13, ABI-NET-14, ABI-REQ-3, ABI-REQ-9, ABI-REQ-10, ABI-LOG-5, ABI-VDPA-29
#[test]
fn features() {
    each(|interface, fd| {
        let offered = get::<u64>(fd, vhost::GET_FEATURES).unwrap();
        // MTU, MAC, MRG_RXBUF, STATUS, CTRL_VQ, MQ, CTRL_MAC_ADDR, INDIRECT_DESC, EVENT_IDX,
        // VERSION_1, ACCESS_PLATFORM, NOTIFICATION_DATA, and the dirty log.
        let bits = [3, 5, 15, 16, 17, 22, 23, 28, 29, 32, 33, 38];
        let mut want = bits.iter().fold(0_u64, |mask, bit| mask | 1 << bit);
        want |= u64::from(interface.log) << 26;
        assert_eq!(offered, want, "{:#x} offered", offered);
        assert_eq!(set(fd, vhost::SET_FEATURES, 1_u64 << 50), Err(interface.bad_feature));
        assert_eq!(ioctl_at(fd, vhost::SET_FEATURES, NOWHERE), Err(EFAULT));
        assert_eq!(ioctl_at(fd, vhost::GET_FEATURES, NOWHERE), Err(EFAULT));
        // FEATURES_OK does not stay without what the device needs.
        assert_eq!(set(fd, vhost::SET_STATUS, 3_u8), Ok(0));
        assert_eq!(set(fd, vhost::SET_FEATURES, 1_u64 << 32), Ok(0));
        assert_eq!(set(fd, vhost::SET_STATUS, 11_u8), Ok(0));
        assert_eq!(get::<u8>(fd, vhost::GET_STATUS), Ok(3));
        accept_features(fd);
        if interface.log {
            // The one feature that may change.
            assert_eq!(set(fd, vhost::SET_FEATURES, FEATURES | 1 << 26), Ok(0));
        }
        assert_eq!(set(fd, vhost::SET_FEATURES, FEATURES | 1 << 3), Err(EBUSY));
        // Where mainline is between, the status comes before the argument.
        let unreadable = if interface.log { EFAULT } else { EBUSY };
        assert_eq!(ioctl_at(fd, vhost::SET_FEATURES, NOWHERE), Err(unreadable));
    });
}

// ABI-REQ-12, ABI-VDPA-31
#[test]
fn backend_features() {
    each(|interface, fd| {
        let offered = interface.backend_features;
        assert_eq!(set(fd, vhost::SET_BACKEND_FEATURES, offered), Ok(0));
        assert_eq!(set(fd, vhost::SET_BACKEND_FEATURES, offered | 1 << 40), Err(EOPNOTSUPP));
        assert_eq!(set(fd, vhost::SET_BACKEND_FEATURES, 1_u64), Err(EOPNOTSUPP));
        assert_eq!(ioctl_at(fd, vhost::SET_BACKEND_FEATURES, NOWHERE), Err(EFAULT));
        // Mainline knows DESC_ASID: it needs IOTLB_ASID, and then a device that has it.
        let desc_asid = 1_u64 << vhost::BACKEND_F_DESC_ASID;
        let alone = if interface.address_spaces { EINVAL } else { EOPNOTSUPP };
        assert_eq!(set(fd, vhost::SET_BACKEND_FEATURES, desc_asid), Err(alone));
        let both = desc_asid | 1 << vhost::BACKEND_F_IOTLB_ASID;
        assert_eq!(set(fd, vhost::SET_BACKEND_FEATURES, both), Err(EOPNOTSUPP));
        assert_eq!(set(fd, vhost::SET_BACKEND_FEATURES, desc_asid | 1), Err(EOPNOTSUPP));
    });
}

// ABI-STATUS-6, ABI-STATUS-7, ABI-VDPA-20
#[test]
fn status() {
    each(|interface, fd| {
        assert_eq!(ioctl_at(fd, vhost::SET_STATUS, NOWHERE), Err(EFAULT));
        assert_eq!(set(fd, vhost::SET_STATUS, 1_u8), Ok(0));
        assert_eq!(set(fd, vhost::SET_STATUS, 2_u8), Err(EINVAL), "ACKNOWLEDGE is gone");
        let early = set(fd, vhost::SET_STATUS, 7_u8);
        assert_eq!(early, interface.early_driver_ok.map_or(Ok(0), Err));
        assert_eq!(get::<u8>(fd, vhost::GET_STATUS), Ok(1), "DRIVER_OK without FEATURES_OK");
        accept_features(fd);
        assert_eq!(set(fd, vhost::SET_STATUS, 15_u8), Ok(0));
        assert_eq!(get::<u8>(fd, vhost::GET_STATUS), Ok(15));
        assert_eq!(set(fd, vhost::SET_STATUS, 0_u8), Ok(0));
        assert_eq!(get::<u8>(fd, vhost::GET_STATUS), Ok(0));
        assert_eq!(ioctl_at(fd, vhost::GET_STATUS, NOWHERE), Err(EFAULT));
    });
}

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct ConfigBytes {
    head: Config,
    bytes: [u8; 16],
}

fn config(off: u32, len: u32, bytes: [u8; 16]) -> ConfigBytes {
    ConfigBytes { head: Config { off, len }, bytes }
}

// ABI-NET-15, ABI-NET-16, ABI-NET-17, ABI-NET-18, ABI-REQ-3
#[test]
fn config_space() {
    each(|_, fd| {
        let mut space = config(0, 12, [0xff; 16]);
        assert_eq!(ioctl(fd, vhost::GET_CONFIG, &mut space), Ok(0));
        // A local MAC, the link up, two pairs, MTU 9000; and nothing behind.
        assert_eq!(space.bytes[..2], [0x52, 0x54]);
        assert_eq!(space.bytes[6..12], [1, 0, 2, 0, 0x28, 0x23]);
        assert_eq!(space.bytes[12..], [0xff; 4]);
        for (off, len) in [(0, 13), (12, 1), (13, 0), (0, 0), (u32::MAX, 2), (4, u32::MAX)] {
            let result = ioctl(fd, vhost::GET_CONFIG, &mut config(off, len, [0; 16]));
            assert_eq!(result, Err(EINVAL), "{off} {len}");
            let result = ioctl(fd, vhost::SET_CONFIG, &mut config(off, len, [0; 16]));
            assert_eq!(result, Err(EINVAL), "{off} {len}");
        }
        let mac = [2, 1, 2, 3, 4, 5, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0];
        assert_eq!(ioctl(fd, vhost::SET_CONFIG, &mut config(0, 12, mac)), Ok(0));
        assert_eq!(ioctl(fd, vhost::GET_CONFIG, &mut space), Ok(0));
        assert_eq!(space.bytes[..6], mac[..6]);
        assert_eq!(space.bytes[6..12], [1, 0, 2, 0, 0x28, 0x23], "read-only");
        assert_eq!(ioctl_at(fd, vhost::GET_CONFIG, NOWHERE), Err(EFAULT));
        assert_eq!(ioctl_at(fd, vhost::SET_CONFIG, NOWHERE), Err(EFAULT));
        // The head can be read, what is behind it can't: nothing changes.
        let pages = Mapped::anonymous(2 * PAGE);
        pages.write(PAGE as usize - 8, &[0, 0, 0, 0, 6, 0, 0, 0]);
        pages.forbid(PAGE);
        assert_eq!(ioctl_at(fd, vhost::SET_CONFIG, pages.host() + PAGE - 8), Err(EFAULT));
        assert_eq!(ioctl_at(fd, vhost::GET_CONFIG, pages.host() + PAGE - 8), Err(EFAULT));
        assert_eq!(ioctl(fd, vhost::GET_CONFIG, &mut space), Ok(0));
        assert_eq!(space.bytes[..6], mac[..6]);
    });
}

// ABI-REQ-4, ABI-REQ-5, ABI-REQ-7, ABI-REQ-8, ABI-VDPA-25
#[test]
fn the_owner() {
    each(|interface, fd| {
        let mut addr = VringAddr::default();
        assert_eq!(set(fd, vhost::SET_VRING_NUM, state(0, 16)), Err(EPERM));
        assert_eq!(set(fd, vhost::SET_VRING_BASE, state(0, 0)), Err(EPERM));
        assert_eq!(set(fd, vhost::GET_VRING_BASE, state(0, 0)), Err(EPERM));
        assert_eq!(set(fd, vhost::SET_VRING_ENABLE, state(0, 1)), Err(EPERM));
        assert_eq!(ioctl(fd, vhost::SET_VRING_ADDR, &mut addr), Err(EPERM));
        assert_eq!(set(fd, vhost::SET_VRING_KICK, VringFile { index: 0, fd: -1 }), Err(EPERM));
        if interface.log {
            assert_eq!(set(fd, vhost::SET_LOG_BASE, 0_u64), Err(EPERM));
            assert_eq!(set(fd, vhost::SET_LOG_FD, -1), Err(EPERM));
        }
        own(fd);
        assert_eq!(ioctl_at(fd, vhost::SET_OWNER, 0), Err(EBUSY));
        assert_eq!(set(fd, vhost::SET_VRING_NUM, state(0, 16)), Ok(0));
        if interface.address_spaces {
            // Mainline takes what it doesn't know for a request about a vring.
            assert_eq!(ioctl_at(fd, vhost::RESET_OWNER, 0), Err(EFAULT));
            assert_eq!(set(fd, vhost::RESET_OWNER, 0_u32), Err(ENOTTY));
            return;
        }
        accept_features(fd);
        assert_eq!(ioctl_at(fd, vhost::RESET_OWNER, 0), Ok(0));
        assert_eq!(get::<u8>(fd, vhost::GET_STATUS), Ok(0), "RESET_OWNER resets");
        assert_eq!(set(fd, vhost::SET_VRING_NUM, state(0, 16)), Err(EPERM));
        assert_eq!(ioctl_at(fd, vhost::RESET_OWNER, 0), Err(EPERM));
        own(fd);
    });
}

// ABI-SETUP-10
#[test]
fn queue_index_out_of_range() {
    each(|interface, fd| {
        own(fd);
        for index in [5, 255, 65536, u32::MAX] {
            let mut requests = vec![
                vhost::SET_VRING_NUM,
                vhost::SET_VRING_BASE,
                vhost::GET_VRING_BASE,
                vhost::SET_VRING_ENABLE,
                vhost::GET_VRING_SIZE,
                vhost::SET_VRING_KICK,
                vhost::SET_VRING_CALL,
                vhost::SET_VRING_ERR,
            ];
            if interface.address_spaces {
                requests.extend([vhost::GET_VRING_GROUP, vhost::GET_VRING_DESC_GROUP]);
            }
            for request in requests {
                let result = set(fd, request, state(index, 1));
                assert_eq!(result, Err(ENOBUFS), "{request:#x} of queue {index}");
            }
            let addr = VringAddr { index, ..Default::default() };
            assert_eq!(set(fd, vhost::SET_VRING_ADDR, addr), Err(ENOBUFS));
        }
    });
}

// ABI-SETUP-3, ABI-SETUP-4, ABI-SETUP-6, ABI-REQ-3, ABI-REQ-13, ABI-REQ-14, ABI-REQ-16, ABI-VDPA-21
#[test]
fn vring_setup() {
    each(|interface, fd| {
        own(fd);
        for num in [0, 3, 100, 0x1_0000, 0x8000_0001] {
            assert_eq!(set(fd, vhost::SET_VRING_NUM, state(0, num)), Err(EINVAL), "{num}");
        }
        let oversized = set(fd, vhost::SET_VRING_NUM, state(0, 512));
        assert_eq!(oversized, interface.oversized_vring.map_or(Ok(0), Err));
        let mut size = state(0, 0);
        assert_eq!(ioctl(fd, vhost::GET_VRING_SIZE, &mut size), Ok(0));
        assert_eq!(size, state(0, 256), "the maximum until one is set");
        for num in [1, 2, 256] {
            assert_eq!(set(fd, vhost::SET_VRING_NUM, state(0, num)), Ok(0));
            assert_eq!(ioctl(fd, vhost::GET_VRING_SIZE, &mut size), Ok(0));
            assert_eq!(size, state(0, num));
        }

        let mut base = state(4, 0);
        for num in [0, 1, 0xffff] {
            assert_eq!(set(fd, vhost::SET_VRING_BASE, state(4, num)), Ok(0));
            assert_eq!(ioctl(fd, vhost::GET_VRING_BASE, &mut base), Ok(0));
            assert_eq!(base, state(4, num));
        }
        assert_eq!(set(fd, vhost::SET_VRING_BASE, state(4, 0x1_0000)), Err(EINVAL));
        assert_eq!(ioctl(fd, vhost::GET_VRING_BASE, &mut base), Ok(0));
        assert_eq!(base, state(4, 0xffff), "nothing changed");

        let good = VringAddr { desc: 0x1000, avail: 0x2002, used: 0x3004, ..Default::default() };
        assert_eq!(set(fd, vhost::SET_VRING_ADDR, good), Ok(0));
        let log = VringAddr { flags: 1, log: 0x3004, ..good };
        assert_eq!(set(fd, vhost::SET_VRING_ADDR, log), Ok(0));
        for bad in [
            VringAddr { desc: 0x1008, ..good },
            VringAddr { avail: 0x2001, ..good },
            VringAddr { used: 0x3002, ..good },
            VringAddr { log: 0x3002, ..good },
            VringAddr { flags: 1, log: 0x3001, ..good },
        ] {
            assert_eq!(set(fd, vhost::SET_VRING_ADDR, bad), Err(EINVAL), "{bad:?}");
        }
        for flags in [2, 3, 0x8000_0000] {
            let bad = VringAddr { flags, ..good };
            assert_eq!(set(fd, vhost::SET_VRING_ADDR, bad), Err(EOPNOTSUPP), "{flags:#x}");
        }
        for request in [
            vhost::SET_VRING_NUM,
            vhost::SET_VRING_BASE,
            vhost::GET_VRING_BASE,
            vhost::SET_VRING_ADDR,
            vhost::SET_VRING_KICK,
            vhost::SET_VRING_ENABLE,
        ] {
            assert_eq!(ioctl_at(fd, request, NOWHERE), Err(EFAULT), "{request:#x}");
            assert_eq!(ioctl_at(fd, request, u64::MAX - 3), Err(EFAULT), "{request:#x}");
        }
    });
}

// ABI-SETUP-2, ABI-SUSPEND-2, ABI-SUSPEND-5, ABI-VDPA-19, ABI-VDPA-21
#[test]
fn vring_changes_while_running() {
    each(|interface, fd| {
        own(fd);
        accept_features(fd);
        let addr = VringAddr { desc: 0x1000, avail: 0x2000, used: 0x3000, ..Default::default() };
        assert_eq!(set(fd, vhost::SET_VRING_NUM, state(0, 16)), Ok(0));
        assert_eq!(set(fd, vhost::SET_VRING_BASE, state(0, 7)), Ok(0));
        assert_eq!(set(fd, vhost::SET_VRING_ADDR, addr), Ok(0));
        assert_eq!(set(fd, vhost::SET_STATUS, 15_u8), Ok(0));
        let num = set(fd, vhost::SET_VRING_NUM, state(0, 32));
        assert_eq!(num, interface.num_while_running.map_or(Ok(0), Err));
        let busy = Err(interface.addr_while_running);
        assert_eq!(set(fd, vhost::SET_VRING_BASE, state(0, 1)), busy);
        assert_eq!(set(fd, vhost::SET_VRING_ADDR, addr), busy);
        let mut read = state(0, 0);
        assert_eq!(ioctl(fd, vhost::GET_VRING_SIZE, &mut read), Ok(0));
        assert_eq!(read, state(0, 16));
        assert_eq!(ioctl(fd, vhost::GET_VRING_BASE, &mut read), Ok(0));
        assert_eq!(read, state(0, 7));
        // Suspended, they may change.
        assert_eq!(ioctl_at(fd, vhost::SUSPEND, 0), Ok(0));
        assert_eq!(ioctl_at(fd, vhost::SUSPEND, 0), Ok(0));
        assert_eq!(set(fd, vhost::SET_VRING_BASE, state(0, 9)), Ok(0));
        assert_eq!(set(fd, vhost::SET_VRING_ADDR, addr), Ok(0));
        assert_eq!(ioctl(fd, vhost::GET_VRING_BASE, &mut read), Ok(0));
        assert_eq!(read, state(0, 9));
        assert_eq!(ioctl_at(fd, vhost::RESUME, 0), Ok(0));
        assert_eq!(ioctl_at(fd, vhost::RESUME, 0), Ok(0));
        assert_eq!(set(fd, vhost::SET_VRING_ADDR, addr), busy);
    });
}

// ABI-SUSPEND-4, ABI-SUSPEND-5, ABI-VDPA-23
#[test]
fn suspend_needs_a_running_device() {
    each(|interface, fd| {
        let early = interface.early_suspend.map_or(Ok(0), Err);
        assert_eq!(ioctl_at(fd, vhost::SUSPEND, 0), early);
        assert_eq!(ioctl_at(fd, vhost::RESUME, 0), Ok(0), "resume of what is not suspended");
    });
}

// ABI-REQ-17, ABI-REQ-19, ABI-REQ-20, ABI-VDPA-26
#[test]
fn eventfds() {
    each(|interface, fd| {
        own(fd);
        let event = eventfd();
        let file = tempfile::tempfile().unwrap();
        let link = format!("/proc/self/fd/{}", event.as_raw_fd());
        let path =
            std::fs::File::options().read(true).custom_flags(libc::O_PATH).open(link).unwrap();
        for request in [vhost::SET_VRING_KICK, vhost::SET_VRING_CALL, vhost::SET_VRING_ERR] {
            let file_of = |fd: i32| VringFile { index: 1, fd };
            assert_eq!(set(fd, request, file_of(event.as_raw_fd())), Ok(0));
            assert_eq!(set(fd, request, file_of(event.as_raw_fd())), Ok(0), "again");
            assert_eq!(set(fd, request, file_of(-1)), Ok(0));
            assert_eq!(set(fd, request, file_of(12345)), Err(EBADF));
            assert_eq!(set(fd, request, file_of(-2)), Err(EBADF));
            assert_eq!(set(fd, request, file_of(file.as_raw_fd())), Err(EINVAL));
            assert_eq!(set(fd, request, file_of(path.as_raw_fd())), Err(EBADF));
            assert_eq!(set(fd, request, file_of(fd.as_raw_fd())), Err(EINVAL));
        }
        assert_eq!(set(fd, vhost::SET_CONFIG_CALL, event.as_raw_fd()), Ok(0));
        assert_eq!(set(fd, vhost::SET_CONFIG_CALL, 12345), Err(EBADF));
        assert_eq!(set(fd, vhost::SET_CONFIG_CALL, file.as_raw_fd()), Err(EINVAL));
        assert_eq!(set(fd, vhost::SET_CONFIG_CALL, -1), Ok(0));
        assert_eq!(ioctl_at(fd, vhost::SET_CONFIG_CALL, NOWHERE), Err(EFAULT));
        let log = if interface.log { Ok(0) } else { Err(ENOTTY) };
        assert_eq!(set(fd, vhost::SET_LOG_FD, event.as_raw_fd()), log);
        assert_eq!(set(fd, vhost::SET_LOG_BASE, 0x1000_u64), log);
        if interface.log {
            assert_eq!(set(fd, vhost::SET_LOG_FD, 12345), Err(EBADF));
            assert_eq!(set(fd, vhost::SET_LOG_FD, -1), Ok(0));
        }
    });
}

// ABI-REQ-23, ABI-VDPA-32, ABI-VDPA-33
#[test]
fn address_spaces() {
    each(|interface, fd| {
        own(fd);
        if !interface.address_spaces {
            for request in [
                vhost::GET_AS_NUM,
                vhost::GET_GROUP_NUM,
                vhost::GET_VRING_GROUP,
                vhost::SET_GROUP_ASID,
                vhost::GET_VRING_DESC_GROUP,
            ] {
                assert_eq!(set(fd, request, state(0, 0)), Err(ENOTTY), "{request:#x}");
            }
            return;
        }
        assert_eq!(get::<u32>(fd, vhost::GET_AS_NUM), Ok(1));
        assert_eq!(get::<u32>(fd, vhost::GET_GROUP_NUM), Ok(1));
        let mut group = state(4, 77);
        assert_eq!(ioctl(fd, vhost::GET_VRING_GROUP, &mut group), Ok(0));
        assert_eq!(group, state(4, 0));
        assert_eq!(set(fd, vhost::SET_GROUP_ASID, state(0, 0)), Err(EOPNOTSUPP));
        assert_eq!(set(fd, vhost::SET_GROUP_ASID, state(0, 1)), Err(EINVAL));
        assert_eq!(set(fd, vhost::SET_GROUP_ASID, state(1, 0)), Err(EINVAL));
        assert_eq!(set(fd, vhost::GET_VRING_DESC_GROUP, state(0, 0)), Err(EOPNOTSUPP));
    });
}

// ABI-REQ-2, ABI-REQ-21, ABI-VFIO-16
#[test]
fn unknown_requests() {
    each(|interface, fd| {
        let unknown = [
            ioc::io(vhost::TYPE, 0x6f),
            ioc::iow::<u64>(vhost::TYPE, 0x83),
            // A known number with another size.
            ioc::iow::<u32>(vhost::TYPE, 0x10),
            ioc::io(0x12, 0x34),
        ];
        own(fd);
        for request in unknown {
            assert_eq!(set(fd, request, state(0, 0)), Err(ENOTTY), "{request:#x}");
        }
        if interface.kind == DeviceKind::Vfio {
            assert_eq!(set(fd, vhost::SET_MEM_TABLE, 0_u64), Err(ENOTTY));
        }
    });
}
