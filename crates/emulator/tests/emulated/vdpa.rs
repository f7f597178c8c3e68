//! What `/dev/vhost-vdpa-N` has of its own, as in mainline.

use std::os::fd::{AsRawFd, OwnedFd};

use libc::{E2BIG, EBUSY, EFAULT, EINVAL, ENOBUFS, ENOENT, ENOTTY, EOPNOTSUPP, EPERM, ESPIPE};
use vhost_accel_emulator::EmulatedKernel;
use vhost_accel_uapi::ioc;
use vhost_accel_uapi::vhost::{self, IotlbMsg, Memory, MsgV2, VringFile, VringState};
use zerocopy::IntoBytes;

use crate::common::*;
use crate::rings::{self, Rings};

const PATH: &str = "/dev/vhost-vdpa-0";
const RW: u8 = vhost::ACCESS_RW;

fn with_device(case: impl FnOnce(&OwnedFd) + Send) {
    let kernel = EmulatedKernel::builder().build().unwrap();
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            assert_eq!(ioctl_at(&fd, vhost::SET_OWNER, 0), Ok(0));
            case(&fd);
        })
        .unwrap();
}

fn send(fd: &OwnedFd, message: &MsgV2) -> Result<i64, i32> {
    write_at(fd, (&raw const *message) as u64, size_of::<MsgV2>())
}

// ABI-VDPA-1
#[test]
fn the_device_is_exclusive() {
    with_device(|fd| {
        assert_eq!(open(PATH).unwrap_err(), EBUSY);
        assert_eq!(open("/dev/vhost-vdpa-1").unwrap_err(), ENOENT);
        assert_eq!(pread(fd, &mut [0; 72], 0), Err(EINVAL));
        // SAFETY: takes no pointer.
        #[expect(unsafe_code, reason = "a bare lseek")]
        let seek = unsafe { libc::lseek(fd.as_raw_fd(), 0, libc::SEEK_END) };
        assert_eq!(result(seek), Err(ESPIPE));
    });
}

// ABI-VDPA-7, ABI-VDPA-8, ABI-VDPA-10, ABI-VDPA-11, ABI-VDPA-12, ABI-VDPA-14, ABI-VDPA-15
#[test]
fn iotlb_messages() {
    with_device(|fd| {
        let memory = Mapped::anonymous(4 * PAGE);
        let host = memory.host();
        let update = |iova, size, uaddr, perm| send(fd, &MsgV2::update(0, iova, size, uaddr, perm));
        let invalidate = |iova, size| send(fd, &MsgV2::invalidate(0, iova, size));
        // Before the first mapping there is no address space to remove one from.
        assert_eq!(invalidate(0, PAGE), Err(EFAULT));
        assert_eq!(send(fd, &MsgV2::batch_end(0)), Err(EFAULT));
        assert_eq!(update(0x1000, 2 * PAGE, host, RW), Ok(72));
        assert_eq!(update(0x2000, PAGE, host, RW), Err(EFAULT), "overlap");
        assert_eq!(update(0x8000, PAGE, 0, RW), Err(EFAULT), "host");
        assert_eq!(update(!0xfff, 2 * PAGE, host, RW), Err(EFAULT), "wraps");
        assert_eq!(update(0x6000, PAGE, host, 0), Ok(72), "no permission is one too");
        assert_eq!(update(0x7000, PAGE, host, 4), Ok(72), "and so is one that nobody knows");
        assert_eq!(update(0x8000, 0, host, RW), Err(EINVAL), "empty");
        assert_eq!(invalidate(0x10_0000, PAGE), Ok(72), "nothing there");
        // What is touched goes, whole.
        assert_eq!(invalidate(0x2000, 1), Ok(72));
        assert_eq!(update(0x1000, 2 * PAGE, host, vhost::ACCESS_RO), Ok(72));
        // Ranges that are not whole pages: those that they touch.
        assert_eq!(update(0x8010, 1, host + 5, vhost::ACCESS_WO), Ok(72));
        assert_eq!(update(0x8fff, 1, host, RW), Err(EFAULT));
        assert_eq!(update(0x9ff8, 0x10, host, RW), Ok(72));
        assert_eq!(update(0xa000, 1, host, RW), Err(EFAULT));
        assert_eq!(invalidate(0, u64::MAX), Ok(72));
        assert_eq!(update(0x8000, 4 * PAGE, host, RW), Ok(72));
    });
}

#[test]
fn batches() {
    with_device(|fd| {
        let memory = Mapped::anonymous(PAGE);
        assert_eq!(send(fd, &MsgV2::batch_begin(0)), Ok(72));
        assert_eq!(send(fd, &MsgV2::update(0, 0, PAGE, memory.host(), RW)), Ok(72));
        assert_eq!(send(fd, &MsgV2::invalidate(0, 0, PAGE)), Ok(72));
        assert_eq!(send(fd, &MsgV2::update(0, 0, PAGE, memory.host(), RW)), Ok(72));
        assert_eq!(send(fd, &MsgV2::batch_end(0)), Ok(72));
        assert_eq!(send(fd, &MsgV2::batch_end(0)), Ok(72));
    });
}

// ABI-VDPA-10, ABI-VDPA-15, ABI-VDPA-16
#[test]
fn malformed_messages() {
    with_device(|fd| {
        let memory = Mapped::anonymous(PAGE);
        let good = MsgV2::update(0, 0, PAGE, memory.host(), RW);
        for len in [0, 1, 4, 8, 39] {
            assert_eq!(pwrite(fd, &good.as_bytes()[..len], 0), Err(EINVAL), "{len} bytes");
        }
        for msg_type in [0, 3, u32::MAX] {
            assert_eq!(send(fd, &MsgV2 { msg_type, ..good }), Err(EINVAL), "type {msg_type}");
        }
        for kind in [0, vhost::IOTLB_MISS, vhost::IOTLB_ACCESS_FAIL, 7] {
            let iotlb = IotlbMsg { kind, ..good.iotlb };
            assert_eq!(send(fd, &MsgV2 { iotlb, ..good }), Err(EFAULT), "kind {kind}");
        }
        assert_eq!(write_at(fd, NOWHERE, 72), Err(EINVAL), "what can't be copied is short");
        // The padding may be missing, and the writer is told that it was there.
        assert_eq!(pwrite(fd, &good.as_bytes()[..40], 0), Ok(72));
        assert_eq!(send(fd, &MsgV2::invalidate(0, 0, PAGE)), Ok(72));
        // The first format, which has a hole where the address space is.
        assert_eq!(send(fd, &MsgV2 { msg_type: vhost::IOTLB_MSG, asid: 77, ..good }), Ok(72));
    });
}

#[test]
fn the_address_space_counts_once_the_feature_is_accepted() {
    with_device(|fd| {
        let memory = Mapped::anonymous(PAGE);
        let other = MsgV2::update(1, 0, PAGE, memory.host(), RW);
        assert_eq!(send(fd, &other), Ok(72));
        assert_eq!(send(fd, &MsgV2::invalidate(1, 0, PAGE)), Ok(72));
        let mut asid = 1_u64 << vhost::BACKEND_F_IOTLB_MSG_V2 | 1 << vhost::BACKEND_F_IOTLB_ASID;
        assert_eq!(ioctl(fd, vhost::SET_BACKEND_FEATURES, &mut asid), Ok(0));
        assert_eq!(send(fd, &other), Err(EFAULT));
    });
}

// ABI-VDPA-6, ABI-VDPA-10, ABI-VDPA-27
#[test]
fn messages_need_the_owner() {
    let kernel = EmulatedKernel::builder().build().unwrap();
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            let memory = Mapped::anonymous(PAGE);
            let update = MsgV2::update(0, 0, PAGE, memory.host(), RW);
            assert_eq!(send(&fd, &update), Err(EFAULT));
            assert_eq!(ioctl(&fd, vhost::SET_MEM_TABLE, &mut Memory::default()), Err(EPERM));
            assert_eq!(ioctl_at(&fd, vhost::SET_OWNER, 0), Ok(0));
            assert_eq!(send(&fd, &update), Ok(72));
        })
        .unwrap();
}

// ABI-VDPA-27, ABI-VDPA-28
#[test]
fn a_memory_table_is_taken_and_ignored() {
    with_device(|fd| {
        let page = Mapped::anonymous(PAGE);
        let update = MsgV2::update(0, 0, PAGE, page.host(), RW);
        assert_eq!(send(fd, &update), Ok(72));
        assert_eq!(ioctl(fd, vhost::SET_MEM_TABLE, &mut Memory::default()), Ok(0));
        assert_eq!(send(fd, &update), Err(EFAULT), "what was mapped still is");
        let mut padding = Memory { nregions: 0, padding: 1 };
        assert_eq!(ioctl(fd, vhost::SET_MEM_TABLE, &mut padding), Err(EOPNOTSUPP));
        let mut large = Memory { nregions: 65, padding: 0 };
        assert_eq!(ioctl(fd, vhost::SET_MEM_TABLE, &mut large), Err(E2BIG));
        assert_eq!(ioctl_at(fd, vhost::SET_MEM_TABLE, NOWHERE), Err(EFAULT));
    });
}

// ABI-VDPA-13
#[test]
fn an_invalidate_without_bytes_removes_the_mapping_that_it_lies_in() {
    with_device(|fd| {
        let rings = Rings::new();
        let host = rings.memory.host();
        let map = || send(fd, &MsgV2::update(0, 0x10_0000, 1, host, RW));
        let invalidate = |iova| send(fd, &MsgV2::invalidate(0, iova, 0));
        assert_eq!(map(), Ok(72));
        // It begins where the mapping does, or behind it: its last address is outside.
        for outside in [0x10_0000, 0x10_1000, 0x20_0000] {
            assert_eq!(invalidate(outside), Ok(72));
            assert_eq!(map(), Err(EFAULT), "{outside:#x}");
        }
        for within in [0x10_0001, 0x10_0fff] {
            assert_eq!(invalidate(within), Ok(72));
            assert_eq!(map(), Ok(72), "{within:#x}");
        }
        // At address 0 its last address is the last of all.
        assert_eq!(invalidate(0), Ok(72));
        assert_eq!(map(), Ok(72));
    });
}

// ABI-BELL-1, ABI-VDPA-17, ABI-VDPA-18
#[test]
fn doorbell_mappings() {
    with_device(|fd| {
        let map = |len, prot, flags, offset| Mapped::new(fd, len, prot, flags, offset).map(drop);
        let (shared, write) = (libc::MAP_SHARED, libc::PROT_WRITE);
        for queue in 0..3 {
            assert_eq!(map(PAGE, write, shared, queue * PAGE), Ok(()));
        }
        assert_eq!(map(PAGE, write | libc::PROT_READ, shared, 0), Err(EINVAL));
        assert_eq!(map(PAGE, libc::PROT_READ, shared, 0), Err(EINVAL));
        assert_eq!(map(PAGE, write, libc::MAP_PRIVATE, 0), Err(EINVAL));
        assert_eq!(map(2 * PAGE, write, shared, 0), Err(EINVAL));
        // ENOTSUPP: the parent has no doorbell of that index; beyond 65535 nobody is asked.
        assert_eq!(map(PAGE, write, shared, 3 * PAGE), Err(524));
        assert_eq!(map(PAGE, write, shared, 65_535 * PAGE), Err(524));
        assert_eq!(map(PAGE, write, shared, 65_536 * PAGE), Err(EINVAL));
    });
}

// ABI-VDPA-4
#[test]
fn frames_loop_by_eventfd_and_by_doorbell_and_mappings_stay_over_a_reset() {
    with_device(|fd| {
        let mut rings = Rings::new();
        let host = rings.memory.host();
        assert_eq!(send(fd, &MsgV2::update(0, rings::IOVA, rings::LEN, host, RW)), Ok(72));
        let (kick, call) = (eventfd(), eventfd());
        let page = Mapped::new(fd, PAGE, libc::PROT_WRITE, libc::MAP_SHARED, PAGE).unwrap();
        for round in 0..2 {
            rings = if round == 0 { rings } else { rings.again() };
            assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 0_u8), Ok(0));
            assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 3_u8), Ok(0));
            assert_eq!(ioctl(fd, vhost::SET_FEATURES, &mut { rings::FEATURES }), Ok(0));
            assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 11_u8), Ok(0));
            for index in 0..2 {
                let size = &mut VringState { index, num: rings::SIZE };
                assert_eq!(ioctl(fd, vhost::SET_VRING_NUM, size), Ok(0));
                assert_eq!(ioctl(fd, vhost::SET_VRING_ADDR, &mut Rings::addr(index)), Ok(0));
                let enable = &mut VringState { index, num: 1 };
                assert_eq!(ioctl(fd, vhost::SET_VRING_ENABLE, enable), Ok(0));
            }
            let file = |index, fd: &OwnedFd| VringFile { index, fd: fd.as_raw_fd() };
            assert_eq!(ioctl(fd, vhost::SET_VRING_KICK, &mut file(1, &kick)), Ok(0));
            assert_eq!(ioctl(fd, vhost::SET_VRING_CALL, &mut file(0, &call)), Ok(0));
            assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 15_u8), Ok(0));
            rings.loop_one("eventfd", || signal(&kick));
            assert_eq!(wait(&call), Some(1));
            rings.loop_one("doorbell", || page.write_u16(0, 1));
            assert_eq!(wait(&call), Some(1));
        }
    });
}

// ABI-VDPA-35
#[test]
fn a_busy_loop_timeout_is_kept_for_each_vring() {
    with_device(|fd| {
        let of = |index: u32| {
            let mut state = VringState { index, num: 77 };
            ioctl(fd, vhost::GET_VRING_BUSYLOOP_TIMEOUT, &mut state).map(|_| state.num)
        };
        assert_eq!(of(1), Ok(0));
        let mut state = VringState { index: 1, num: 50 };
        assert_eq!(ioctl(fd, vhost::SET_VRING_BUSYLOOP_TIMEOUT, &mut state), Ok(0));
        assert_eq!((of(0), of(1)), (Ok(0), Ok(50)));
        assert_eq!(of(9), Err(ENOBUFS));
    });
}

// ABI-VDPA-27
#[test]
fn a_region_of_the_table_ends_behind_its_beginning() {
    #[repr(C)]
    struct Table(Memory, vhost::MemoryRegion);
    with_device(|fd| {
        let table = |guest_phys_addr, memory_size| {
            let region = vhost::MemoryRegion { guest_phys_addr, memory_size, ..Default::default() };
            let mut table = Table(Memory { nregions: 1, padding: 0 }, region);
            ioctl(fd, vhost::SET_MEM_TABLE, &mut table)
        };
        assert_eq!(table(PAGE, 1), Ok(0));
        assert_eq!(table(PAGE, 0), Err(EFAULT));
        assert_eq!(table(u64::MAX, 2), Err(EFAULT));
        assert_eq!(table(0, 0), Ok(0), "vhost takes it for all addresses");
    });
}

// ABI-VDPA-25, ABI-DIFF-12
#[test]
fn an_unknown_request_is_taken_for_one_about_a_vring() {
    let unknown = [
        vhost::RESET_OWNER,
        ioc::iow::<u64>(vhost::TYPE, 0x60),
        // SET_FORK_FROM_OWNER and its get.
        ioc::iow::<u8>(vhost::TYPE, 0x84),
        ioc::ior::<u8>(vhost::TYPE, 0x85),
    ];
    let kernel = EmulatedKernel::builder().build().unwrap();
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            let ask = |request, index: u32| ioctl(&fd, request, &mut [index, 0]);
            for request in unknown {
                assert_eq!(ask(request, 0), Err(EPERM), "{request:#x}");
            }
            assert_eq!(ioctl_at(&fd, vhost::SET_OWNER, 0), Ok(0));
            for request in unknown {
                assert_eq!(ioctl_at(&fd, request, NOWHERE), Err(EFAULT), "{request:#x}");
                assert_eq!(ask(request, 3), Err(ENOBUFS), "{request:#x}");
                assert_eq!(ask(request, 2), Err(ENOTTY), "{request:#x}");
            }
        })
        .unwrap();
}

/// Rings in memory that was mapped with `perm`, of a device that runs; and their kick.
fn run_with(fd: &OwnedFd, rings: &Rings, perm: u8) -> OwnedFd {
    let update = MsgV2::update(0, rings::IOVA, rings::LEN, rings.memory.host(), perm);
    assert_eq!(send(fd, &update), Ok(72));
    assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 3_u8), Ok(0));
    assert_eq!(ioctl(fd, vhost::SET_FEATURES, &mut { rings::FEATURES }), Ok(0));
    assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 11_u8), Ok(0));
    let kick = eventfd();
    for index in 0..2 {
        let size = &mut VringState { index, num: rings::SIZE };
        assert_eq!(ioctl(fd, vhost::SET_VRING_NUM, size), Ok(0));
        assert_eq!(ioctl(fd, vhost::SET_VRING_ADDR, &mut Rings::addr(index)), Ok(0));
        let enable = &mut VringState { index, num: 1 };
        assert_eq!(ioctl(fd, vhost::SET_VRING_ENABLE, enable), Ok(0));
    }
    let file = &mut VringFile { index: 1, fd: kick.as_raw_fd() };
    assert_eq!(ioctl(fd, vhost::SET_VRING_KICK, file), Ok(0));
    kick
}

// ABI-VDPA-9
#[test]
fn of_a_permission_two_bits_mean_something() {
    with_device(|fd| {
        let mut rings = Rings::new();
        let kick = run_with(fd, &rings, 0xff);
        assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 15_u8), Ok(0));
        rings.loop_one("every bit of the permission", || signal(&kick));
    });
}

// ABI-FAULT-1, ABI-VDPA-9, ABI-VDPA-34
#[test]
fn memory_without_permission_is_a_fault_that_no_error_event_tells_of() {
    with_device(|fd| {
        let mut rings = Rings::new();
        rings.send(&[0x5a; 100]);
        let before = rings.memory.read(0, rings::LEN as usize);
        let (error, config) = (eventfd(), eventfd());
        let _kick = run_with(fd, &rings, 0xfc);
        for index in 0..2 {
            let file = &mut VringFile { index, fd: error.as_raw_fd() };
            assert_eq!(ioctl(fd, vhost::SET_VRING_ERR, file), Ok(0));
        }
        assert_eq!(ioctl(fd, vhost::SET_CONFIG_CALL, &mut config.as_raw_fd()), Ok(0));
        assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 15_u8), Ok(0));
        assert!(wait(&config).is_some());
        // Of a vring that stops, the error is told before the change of the status.
        assert_eq!(taken(&error), None);
        assert!(rings.memory.read(0, rings::LEN as usize) == before);
    });
}
