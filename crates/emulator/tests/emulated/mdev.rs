//! #2: what `/dev/vhost-mdev-N` has of its own.

use std::os::fd::{AsRawFd, OwnedFd};

use libc::{E2BIG, EBUSY, EEXIST, EFAULT, EINVAL, ENOENT, EOPNOTSUPP, EPERM, ESPIPE};
use vhost_accel_emulator::EmulatedKernel;
use vhost_accel_uapi::mdev::{self, DmaInfo, DmaMap, DmaUnmap};
use vhost_accel_uapi::vhost::{self, MemoryRegion, VringFile, VringState};

use crate::common::*;
use crate::rings::{self, Rings};

const PATH: &str = "/dev/vhost-mdev-0";

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

fn map(fd: &OwnedFd, iova: u64, size: u64, uaddr: u64, perm: u32) -> Result<i64, i32> {
    ioctl(fd, mdev::MAP_DMA, &mut DmaMap { iova, size, uaddr, perm, flags: 0 })
}

fn unmap(fd: &OwnedFd, iova: u64, size: u64) -> Result<u64, i32> {
    let mut unmap = DmaUnmap { iova, size };
    ioctl(fd, mdev::UNMAP_DMA, &mut unmap).map(|_| unmap.size)
}

#[repr(C)]
struct Table<const N: usize> {
    head: vhost::Memory,
    regions: [MemoryRegion; N],
}

fn table<const N: usize>(regions: [[u64; 3]; N]) -> Table<N> {
    let region = |[guest_phys_addr, memory_size, userspace_addr]: [u64; 3]| MemoryRegion {
        guest_phys_addr,
        memory_size,
        userspace_addr,
        flags_padding: 0,
    };
    let head = vhost::Memory { nregions: N as u32, padding: 0 };
    Table { head, regions: regions.map(region) }
}

// ABI-MDEV-2
#[test]
fn the_device_is_exclusive() {
    with_device(|fd| {
        assert_eq!(open(PATH).unwrap_err(), EBUSY);
        assert_eq!(open("/dev/vhost-mdev-1").unwrap_err(), ENOENT);
        // There is nothing to read or write, and no place in it to name.
        assert_eq!(write_at(fd, NOWHERE, 8), Err(EINVAL));
        assert_eq!(pread(fd, &mut [0; 8], 0), Err(ESPIPE));
        assert_eq!(pwrite(fd, &[0; 72], 0), Err(ESPIPE));
    });
}

// ABI-MDEV-3
#[test]
fn closing_resets_and_unmaps() {
    let kernel = EmulatedKernel::builder().build().unwrap();
    kernel
        .run(|| {
            let memory = Mapped::anonymous(PAGE);
            for _ in 0..3 {
                let fd = open(PATH).unwrap();
                assert_eq!(get::<u8>(&fd, vhost::GET_STATUS), Ok(0));
                assert_eq!(ioctl_at(&fd, vhost::SET_OWNER, 0), Ok(0));
                assert_eq!(map(&fd, 0, PAGE, memory.host(), 3), Ok(0));
                assert_eq!(ioctl(&fd, vhost::SET_STATUS, &mut 3_u8), Ok(0));
            }
        })
        .unwrap();
}

// ABI-MDEV-5
#[test]
fn dma_info() {
    with_device(|fd| {
        let want = DmaInfo {
            iova_first: 0,
            iova_last: u64::MAX,
            page_sizes: !0xfff,
            max_mappings: 1_048_640,
            max_regions: 509,
        };
        assert_eq!(get(fd, mdev::GET_DMA_INFO), Ok(want));
        assert_eq!(ioctl_at(fd, mdev::GET_DMA_INFO, NOWHERE), Err(EFAULT));
    });
}

// ABI-MDEV-6, ABI-MDEV-7, ABI-MDEV-8, ABI-MDEV-9, ABI-MDEV-11, ABI-MDEV-12, ABI-MDEV-13,
// ABI-MDEV-14
#[test]
fn map_and_unmap() {
    with_device(|fd| {
        let memory = Mapped::anonymous(4 * PAGE);
        let host = memory.host();
        for (what, map, errno) in [
            ("iova", map(fd, 0x800, PAGE, host, 3), EINVAL),
            ("size", map(fd, 0, 0x800, host, 3), EINVAL),
            ("uaddr", map(fd, 0, PAGE, host + 1, 3), EINVAL),
            ("empty", map(fd, 0, 0, host, 3), EINVAL),
            ("wraps", map(fd, !0xfff, 2 * PAGE, host, 3), EINVAL),
            ("perm 0", map(fd, 0, PAGE, host, 0), EINVAL),
            ("perm 4", map(fd, 0, PAGE, host, 4), EINVAL),
            ("host", map(fd, 0, PAGE, 0, 3), EFAULT),
        ] {
            assert_eq!(map, Err(errno), "{what}");
        }
        let flags = &mut DmaMap { iova: 0, size: PAGE, uaddr: host, perm: 3, flags: 1 };
        assert_eq!(ioctl(fd, mdev::MAP_DMA, flags), Err(EINVAL));
        assert_eq!(ioctl_at(fd, mdev::MAP_DMA, NOWHERE), Err(EFAULT));

        assert_eq!(map(fd, 0x1000, 2 * PAGE, host, 1), Ok(0));
        assert_eq!(map(fd, 0x3000, PAGE, host, 2), Ok(0));
        assert_eq!(map(fd, !0xfff, PAGE, host, 3), Ok(0), "the last page there is");
        assert_eq!(map(fd, 0x2000, PAGE, host, 3), Err(EEXIST));
        assert_eq!(map(fd, 0, 2 * PAGE, host, 3), Err(EEXIST));

        assert_eq!(unmap(fd, 0x2000, PAGE), Err(EINVAL), "would cut");
        assert_eq!(unmap(fd, 0, 2 * PAGE), Err(EINVAL), "would cut");
        assert_eq!(unmap(fd, 0x1000, 0), Err(EINVAL));
        assert_eq!(unmap(fd, 0x1800, PAGE), Err(EINVAL), "misaligned");
        assert_eq!(unmap(fd, 0x1000, 0x800), Err(EINVAL), "misaligned");
        assert_eq!(unmap(fd, !0xfff, 2 * PAGE), Err(EINVAL), "wraps");
        assert_eq!(unmap(fd, 0x8000, PAGE), Err(ENOENT));
        assert_eq!(ioctl_at(fd, mdev::UNMAP_DMA, NOWHERE), Err(EFAULT));
        assert_eq!(unmap(fd, 0, 8 * PAGE), Ok(3 * PAGE), "both, whole");
        assert_eq!(unmap(fd, 0, 8 * PAGE), Err(ENOENT));
        assert_eq!(unmap(fd, !0xfff, PAGE), Ok(PAGE));
    });
}

// ABI-MDEV-15, ABI-MDEV-16, ABI-MDEV-17, ABI-MDEV-18, ABI-MDEV-19, ABI-MDEV-20
#[test]
fn memory_tables() {
    with_device(|fd| {
        let memory = Mapped::anonymous(4 * PAGE);
        let host = memory.host();
        let mut good = table([[0, PAGE, host], [0x1_0000, 2 * PAGE, host + PAGE]]);
        assert_eq!(ioctl(fd, vhost::SET_MEM_TABLE, &mut good), Ok(0));
        // Any failure leaves that table standing, which is seen by what unmap finds.
        for (what, mut bad, errno) in [
            ("overlap", table([[0, 2 * PAGE, host], [PAGE, PAGE, host]]), EINVAL),
            ("unaligned", table([[0, PAGE, host], [0x800, PAGE, host]]), EINVAL),
            ("empty", table([[0, PAGE, host], [PAGE, 0, host]]), EINVAL),
            ("host", table([[0x5000, PAGE, host], [0x9000, PAGE, 0]]), EFAULT),
        ] {
            assert_eq!(ioctl(fd, vhost::SET_MEM_TABLE, &mut bad), Err(errno), "{what}");
        }
        let mut padding = table([]);
        padding.head.padding = 1;
        assert_eq!(ioctl(fd, vhost::SET_MEM_TABLE, &mut padding), Err(EOPNOTSUPP));
        let mut large = table([[0, 0, 0]; 510]);
        assert_eq!(ioctl(fd, vhost::SET_MEM_TABLE, &mut large), Err(E2BIG));
        assert_eq!(ioctl_at(fd, vhost::SET_MEM_TABLE, NOWHERE), Err(EFAULT));
        let pages = Mapped::anonymous(2 * PAGE);
        pages.write(PAGE as usize - 8, &[1, 0, 0, 0, 0, 0, 0, 0]);
        pages.forbid(PAGE);
        assert_eq!(ioctl_at(fd, vhost::SET_MEM_TABLE, pages.host() + PAGE - 8), Err(EFAULT));

        // MAP and UNMAP work on the same address space.
        assert_eq!(map(fd, 0x1_1000, PAGE, host, 3), Err(EEXIST));
        assert_eq!(map(fd, 0x2_0000, PAGE, host, 3), Ok(0));
        assert_eq!(unmap(fd, 0, 0x1_0000), Ok(PAGE));
        assert_eq!(unmap(fd, 0, 0x10_0000), Ok(3 * PAGE));
        assert_eq!(ioctl(fd, vhost::SET_MEM_TABLE, &mut good), Ok(0));
        assert_eq!(ioctl(fd, vhost::SET_MEM_TABLE, &mut table([])), Ok(0));
        assert_eq!(unmap(fd, 0, 0x10_0000), Err(ENOENT), "an empty table maps nothing");
    });
}

// ABI-REQ-5
#[test]
fn mappings_need_an_owner() {
    let kernel = EmulatedKernel::builder().build().unwrap();
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            let memory = Mapped::anonymous(PAGE);
            assert_eq!(map(&fd, 0, PAGE, memory.host(), 3), Err(EPERM));
            assert_eq!(unmap(&fd, 0, PAGE), Err(EPERM));
            assert_eq!(ioctl(&fd, vhost::SET_MEM_TABLE, &mut table([])), Err(EPERM));
        })
        .unwrap();
}

// ABI-BELL-1, ABI-MDEV-21
#[test]
fn doorbell_mappings() {
    with_device(|fd| {
        let map = |len, prot, flags, offset| Mapped::new(fd, len, prot, flags, offset).map(drop);
        let (shared, write) = (libc::MAP_SHARED, libc::PROT_WRITE);
        let both = libc::PROT_READ | write;
        assert_eq!(map(PAGE, write, shared, 0), Ok(()));
        assert_eq!(map(PAGE, both, shared, 2 * PAGE), Ok(()));
        assert_eq!(map(3 * PAGE, both, shared, 0), Ok(()));
        assert_eq!(map(2 * PAGE + 1, both, shared, 0), Ok(()), "whole pages, as the kernel rounds");
        assert_eq!(map(PAGE, both, libc::MAP_PRIVATE, 0), Err(EINVAL));
        assert_eq!(map(4 * PAGE, both, shared, 0), Err(EINVAL));
        assert_eq!(map(PAGE, both, shared, 3 * PAGE), Err(EINVAL));
        assert_eq!(map(PAGE, both, shared, 1 << 40), Err(EINVAL));
        assert_eq!(map(0, both, shared, 0), Err(EINVAL));
    });
}

/// Starts a device with these features on rings that a memory table maps: its kick and its call.
fn start(fd: &OwnedFd, rings: &Rings, mut features: u64) -> [OwnedFd; 2] {
    let mut regions = table([[rings::IOVA, rings::LEN, rings.memory.host()]]);
    assert_eq!(ioctl(fd, vhost::SET_MEM_TABLE, &mut regions), Ok(0));
    assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 3_u8), Ok(0));
    assert_eq!(ioctl(fd, vhost::SET_FEATURES, &mut features), Ok(0));
    assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 11_u8), Ok(0));
    let (kick, call) = (eventfd(), eventfd());
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
    [kick, call]
}

// ABI-BELL-4, ABI-MDEV-4, ABI-MDEV-15
#[test]
fn frames_loop_by_eventfd_and_by_doorbell() {
    with_device(|fd| {
        let mut rings = Rings::new();
        let [kick, call] = start(fd, &rings, rings::FEATURES);
        rings.loop_one("eventfd", || signal(&kick));
        assert_eq!(wait(&call), Some(1));
        let doorbells = Mapped::new(fd, 3 * PAGE, libc::PROT_WRITE, libc::MAP_SHARED, 0).unwrap();
        for _ in 0..3 {
            rings.loop_one("doorbell", || doorbells.write_u16(PAGE as usize, 1));
            assert_eq!(wait(&call), Some(1));
        }
        // The page says which vring it is, whatever is stored.
        for value in [0, 2, 0xfffe] {
            rings
                .loop_one("another doorbell's value", || doorbells.write_u16(PAGE as usize, value));
        }
        let mut base = VringState { index: 1, num: 0 };
        assert_eq!(ioctl(fd, vhost::GET_VRING_BASE, &mut base), Ok(0));
        assert_eq!(base.num, 7);
    });
}

// ABI-LOG-7
#[test]
fn a_log_base_of_0_is_no_log() {
    with_device(|fd| {
        let mut rings = Rings::new();
        // A log that is nowhere would be a fault.
        for base in [NOWHERE, 0] {
            assert_eq!(ioctl(fd, vhost::SET_LOG_BASE, &mut { base }), Ok(0));
        }
        let [kick, _call] = start(fd, &rings, rings::FEATURES | 1 << vhost::F_LOG_ALL);
        rings.loop_one("without a log", || signal(&kick));
    });
}
