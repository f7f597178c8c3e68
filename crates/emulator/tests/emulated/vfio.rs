//! VFIO: container, group, device, regions and interrupts.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use libc::{
    EBADF, EBADFD, EBUSY, EEXIST, EFAULT, EINVAL, ENOBUFS, ENODEV, ENOENT, ENOSPC, ENOTTY, ENXIO,
};
use vhost_accel_emulator::{DeviceKind, EmulatedKernel};
use vhost_accel_uapi::vfio::{
    self, DeviceInfo, DmaMap, DmaUnmap, GroupStatus, IrqInfo, IrqSet, RegionInfo,
};
use vhost_accel_uapi::vhost::{self, VringState};

use crate::common::*;
use crate::rings::{self, Rings};

fn with_kernel(case: impl FnOnce(&EmulatedKernel) + Send) {
    let kernel = EmulatedKernel::builder().queue_pairs(2).build().unwrap();
    kernel.run(|| case(&kernel)).unwrap();
}

fn with_device(case: impl FnOnce(&Vfio) + Send) {
    with_kernel(|kernel| case(&Vfio::open(kernel)));
}

fn map(container: &OwnedFd, iova: u64, size: u64, vaddr: u64, flags: u32) -> Result<i64, i32> {
    let map = &mut DmaMap { argsz: 32, flags, vaddr, iova, size };
    ioctl(container, vfio::IOMMU_MAP_DMA, map)
}

fn unmap(container: &OwnedFd, iova: u64, size: u64) -> Result<u64, i32> {
    let mut unmap = DmaUnmap { argsz: 24, flags: 0, iova, size };
    ioctl(container, vfio::IOMMU_UNMAP_DMA, &mut unmap).map(|_| unmap.size)
}

// ABI-VFIO-1, ABI-VFIO-3
#[test]
fn sysfs_leads_to_the_group() {
    with_kernel(|kernel| {
        let path = kernel.device(DeviceKind::Vfio, 0).unwrap().path();
        let link = fs::read_link(path.join("iommu_group")).unwrap();
        assert_eq!(link.file_name().unwrap(), "0");
        let kind = |file| fs::read_to_string(path.join("mdev_type").join(file)).unwrap();
        assert_eq!(kind("device_api"), "vfio-vhost\n");
        assert_eq!(kind("available_instances"), "0\n");
        let group = fs::canonicalize(path.join("iommu_group")).unwrap();
        assert_eq!(group.to_str(), Some("/sys/kernel/iommu_groups/0"));
        let devices: Vec<_> = fs::read_dir(group.join("devices")).unwrap().collect();
        assert_eq!(devices.len(), 1);
        assert_eq!(devices[0].as_ref().unwrap().file_name(), path.file_name().unwrap());
        let mut names: Vec<_> =
            fs::read_dir("/dev/vfio").unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["0", "vfio"]);
    });
}

// ABI-VFIO-2
#[test]
fn the_container_before_it_has_an_iommu() {
    with_kernel(|_| {
        let container = open("/dev/vfio/vfio").unwrap();
        let second = open("/dev/vfio/vfio").unwrap();
        assert_ne!(container.as_raw_fd(), second.as_raw_fd(), "containers are not exclusive");
        assert_eq!(ioctl_at(&container, vfio::GET_API_VERSION, 0), Ok(0));
        for (extension, known) in [(3, 1), (1, 0), (0, 0), (7, 0), (u64::MAX, 0)] {
            assert_eq!(ioctl_at(&container, vfio::CHECK_EXTENSION, extension), Ok(known));
        }
        assert_eq!(ioctl_at(&container, vfio::SET_IOMMU, 3), Err(EINVAL), "no group");
        assert_eq!(map(&container, 0, PAGE, 0, 3), Err(EINVAL), "no IOMMU");
        assert_eq!(ioctl_at(&container, vfio::IOMMU_GET_INFO, NOWHERE), Err(EINVAL));
        assert_eq!(pwrite(&container, &[0; 4], 0), Err(EINVAL));
    });
}

// ABI-VFIO-1, ABI-VFIO-2
#[test]
fn a_group() {
    with_kernel(|kernel| {
        assert_eq!(open("/dev/vfio/1").unwrap_err(), ENOENT);
        let group = open("/dev/vfio/0").unwrap();
        assert_eq!(open("/dev/vfio/0").unwrap_err(), EBUSY);
        let status = || {
            let mut status = GroupStatus { argsz: 8, flags: 0xffff };
            assert_eq!(ioctl(&group, vfio::GROUP_GET_STATUS, &mut status), Ok(0));
            status.flags
        };
        assert_eq!(status(), 1);
        let short = &mut GroupStatus { argsz: 7, flags: 0 };
        assert_eq!(ioctl(&group, vfio::GROUP_GET_STATUS, short), Err(EINVAL));
        assert_eq!(ioctl_at(&group, vfio::GROUP_GET_STATUS, NOWHERE), Err(EFAULT));
        assert_eq!(ioctl_at(&group, vfio::GROUP_UNSET_CONTAINER, 0), Err(EINVAL));
        assert_eq!(Vfio::device(kernel, &group).unwrap_err(), EINVAL, "no container");

        let set = |fd: i32| ioctl(&group, vfio::GROUP_SET_CONTAINER, &mut { fd });
        let file = tempfile::tempfile().unwrap();
        assert_eq!(ioctl_at(&group, vfio::GROUP_SET_CONTAINER, NOWHERE), Err(EFAULT));
        assert_eq!(set(-1), Err(EBADF));
        assert_eq!(set(12345), Err(EBADF));
        assert_eq!(set(file.as_raw_fd()), Err(EBADFD));
        assert_eq!(set(group.as_raw_fd()), Err(EBADFD));
        let container = open("/dev/vfio/vfio").unwrap();
        assert_eq!(set(container.as_raw_fd()), Ok(0));
        assert_eq!(status(), 3);
        assert_eq!(set(container.as_raw_fd()), Err(EINVAL), "it has one");
        assert_eq!(Vfio::device(kernel, &group).unwrap_err(), EINVAL, "no IOMMU");
        assert_eq!(ioctl_at(&container, vfio::SET_IOMMU, 1), Err(ENODEV));
        assert_eq!(ioctl_at(&container, vfio::SET_IOMMU, 3), Ok(0));
        assert_eq!(ioctl_at(&container, vfio::SET_IOMMU, 3), Err(EINVAL), "it has one");

        let name = |name: &std::ffi::CStr| {
            ioctl_at(&group, vfio::GROUP_GET_DEVICE_FD, name.as_ptr() as u64)
        };
        assert_eq!(name(c"no such device"), Err(ENODEV));
        assert_eq!(name(c""), Err(ENODEV));
        assert_eq!(ioctl_at(&group, vfio::GROUP_GET_DEVICE_FD, NOWHERE), Err(EFAULT));
        let device = Vfio::device(kernel, &group).unwrap();
        assert_eq!(Vfio::device(kernel, &group).unwrap_err(), EBUSY);
        assert_eq!(ioctl_at(&group, vfio::GROUP_UNSET_CONTAINER, 0), Err(EBUSY));
        assert_eq!(ioctl_at(&group, vfio::DEVICE_RESET, 0), Err(ENOTTY));
        drop(device);
        assert_eq!(ioctl_at(&group, vfio::GROUP_UNSET_CONTAINER, 0), Ok(0));
        assert_eq!(status(), 1);
        assert_eq!(map(&container, 0, PAGE, 0, 3), Err(EINVAL), "the IOMMU went with the group");
        assert_eq!(set(container.as_raw_fd()), Ok(0));
    });
}

#[test]
fn an_open_device_keeps_group_and_container() {
    with_kernel(|kernel| {
        let Vfio { container, group, device } = Vfio::open(kernel);
        drop((container, group));
        assert_eq!(open("/dev/vfio/0").unwrap_err(), EBUSY);
        let mut id = 0_u32;
        assert_eq!(ioctl(&device, vhost::GET_DEVICE_ID, &mut id), Ok(0));
        assert_eq!(id, 1);
        drop(device);
        drop(Vfio::open(kernel));
        // In the other order, and many times.
        for _ in 0..100 {
            let Vfio { container, group, device } = Vfio::open(kernel);
            drop(device);
            drop(group);
            drop(container);
        }
    });
}

// ABI-DMA-1, ABI-DMA-2, ABI-DMA-4, ABI-DMA-5, ABI-DMA-7
#[test]
fn dma() {
    with_device(|vfio| {
        let container = &vfio.container;
        let memory = Mapped::anonymous(4 * PAGE);
        let host = memory.host();
        for (what, map) in [
            ("iova", map(container, 0x800, PAGE, host, 3)),
            ("size", map(container, 0, 0x800, host, 3)),
            ("vaddr", map(container, 0, PAGE, host + 1, 3)),
            ("empty", map(container, 0, 0, host, 3)),
            ("wraps", map(container, !0xfff, 2 * PAGE, host, 3)),
            ("no permission", map(container, 0, PAGE, host, 0)),
            ("flags", map(container, 0, PAGE, host, 7)),
        ] {
            assert_eq!(map, Err(EINVAL), "{what}");
        }
        let short = &mut DmaMap { argsz: 31, flags: 3, vaddr: host, iova: 0, size: PAGE };
        assert_eq!(ioctl(container, vfio::IOMMU_MAP_DMA, short), Err(EINVAL));
        assert_eq!(ioctl_at(container, vfio::IOMMU_MAP_DMA, NOWHERE), Err(EFAULT));
        assert_eq!(ioctl_at(container, vfio::IOMMU_UNMAP_DMA, NOWHERE), Err(EFAULT));

        assert_eq!(map(container, 0x1000, 2 * PAGE, host, 1), Ok(0));
        assert_eq!(map(container, 0x3000, PAGE, host, 2), Ok(0));
        assert_eq!(map(container, 0x2000, PAGE, host, 3), Err(EEXIST));
        assert_eq!(map(container, 0x10_0000, PAGE, 0, 3), Ok(0), "found bad when it is used");
        assert_eq!(unmap(container, 0x2000, PAGE), Err(EINVAL), "would cut");
        assert_eq!(unmap(container, 0x1000, 0), Err(EINVAL));
        assert_eq!(unmap(container, 0x800, PAGE), Err(EINVAL));
        assert_eq!(unmap(container, 0x8000, PAGE), Ok(0), "nothing there");
        assert_eq!(unmap(container, 0, 16 * PAGE), Ok(3 * PAGE));
        assert_eq!(unmap(container, 0x10_0000, PAGE), Ok(PAGE));
        let flags = &mut DmaUnmap { argsz: 24, flags: 2, iova: 0, size: PAGE };
        assert_eq!(ioctl(container, vfio::IOMMU_UNMAP_DMA, flags), Err(EINVAL));
        assert_eq!(ioctl_at(container, vhost_accel_uapi::ioc::io(b';', 115), 0), Err(ENOTTY));
    });
}

// ABI-DMA-3
#[test]
fn a_container_takes_as_many_mappings_as_it_is_made_for() {
    let kernel = EmulatedKernel::builder().dma_entry_limit(2).build().unwrap();
    let case = || {
        let (vfio, memory) = (Vfio::open(&kernel), Mapped::anonymous(PAGE));
        for iova in [0, PAGE] {
            map(&vfio.container, iova, PAGE, memory.host(), 3).unwrap();
        }
        assert_eq!(map(&vfio.container, 2 * PAGE, PAGE, memory.host(), 3), Err(ENOSPC));
        assert_eq!(unmap(&vfio.container, 0, PAGE), Ok(PAGE));
        map(&vfio.container, 2 * PAGE, PAGE, memory.host(), 3).unwrap();
    };
    kernel.run(case).unwrap();
}

// ABI-DMA-3
#[test]
fn a_container_takes_65535_mappings() {
    with_device(|vfio| {
        let memory = Mapped::anonymous(PAGE);
        for n in 0..65535 {
            assert_eq!(map(&vfio.container, n * PAGE, PAGE, memory.host(), 3), Ok(0));
        }
        assert_eq!(map(&vfio.container, 1 << 40, PAGE, memory.host(), 3), Err(ENOSPC));
        let mut info = [0_u32; 18];
        info[0] = 72;
        assert_eq!(ioctl(&vfio.container, vfio::IOMMU_GET_INFO, &mut info), Ok(0));
        assert_eq!(info[16], 0, "dma_avail");
        assert_eq!(unmap(&vfio.container, 0, 65535 * PAGE), Ok(65535 * PAGE));
    });
}

// ABI-DMA-6
#[test]
fn iommu_info() {
    with_device(|vfio| {
        let ask = |argsz: u32| {
            let mut info = [0xdddd_dddd_u32; 20];
            info[0] = argsz;
            ioctl(&vfio.container, vfio::IOMMU_GET_INFO, &mut info).map(|_| info)
        };
        assert_eq!(ask(15), Err(EINVAL));
        // Only what there is room for is written: argsz, flags, iova_pgsizes; then cap_offset.
        let info = ask(16).unwrap();
        assert_eq!(info[..5], [72, 3, 0xffff_f000, 0xffff_ffff, 0xdddd_dddd]);
        let info = ask(24).unwrap();
        assert_eq!(info[..7], [72, 3, 0xffff_f000, 0xffff_ffff, 0, 0, 0xdddd_dddd]);
        let info = ask(80).unwrap();
        assert_eq!(info[..6], [80, 3, 0xffff_f000, 0xffff_ffff, 24, 0]);
        // id 1 version 1, next at 56; one range, of everything.
        assert_eq!(info[6..14], [0x1_0001, 56, 1, 0, 0, 0, u32::MAX, u32::MAX]);
        // id 3 version 1, the last; 65535 free, padded to 8 bytes.
        assert_eq!(info[14..18], [0x1_0003, 0, 65535, 0]);
        assert_eq!(info[18], 0xdddd_dddd);
        assert_eq!(ioctl_at(&vfio.container, vfio::IOMMU_GET_INFO, NOWHERE), Err(EFAULT));
    });
}

// ABI-VFIO-4
#[test]
fn device_info() {
    with_device(|vfio| {
        let mut info = DeviceInfo { argsz: 16, ..Default::default() };
        assert_eq!(ioctl(&vfio.device, vfio::DEVICE_GET_INFO, &mut info), Ok(0));
        let want = DeviceInfo {
            argsz: 16,
            flags: 1 | 4 | 1 << 16,
            num_regions: 2,
            num_irqs: 3,
            cap_offset: 0,
        };
        assert_eq!(info, want);
        let short = &mut DeviceInfo { argsz: 15, ..Default::default() };
        assert_eq!(ioctl(&vfio.device, vfio::DEVICE_GET_INFO, short), Err(EINVAL));
        assert_eq!(ioctl_at(&vfio.device, vfio::DEVICE_GET_INFO, NOWHERE), Err(EFAULT));
        assert_eq!(ioctl_at(&vfio.device, vfio::DEVICE_RESET, 0), Ok(0));
        assert_eq!(ioctl_at(&vfio.device, vfio::GROUP_UNSET_CONTAINER, 0), Err(ENOTTY));
    });
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct RegionAndCaps {
    info: RegionInfo,
    caps: [u32; 10],
}

// ABI-VFIO-5, ABI-VFIO-6, ABI-VFIO-7, ABI-VFIO-8, ABI-VFIO-9, ABI-VFIO-10
#[test]
fn regions() {
    with_device(|vfio| {
        let ask = |index, argsz| {
            let info = RegionInfo { argsz, index, ..Default::default() };
            let mut region = RegionAndCaps { info, caps: [0xdddd_dddd; 10] };
            ioctl(&vfio.device, vfio::DEVICE_GET_REGION_INFO, &mut region).map(|_| region)
        };
        assert_eq!(ask(0, 31), Err(EINVAL));
        assert_eq!(ask(2, 32), Err(EINVAL));
        let config = ask(0, 32).unwrap();
        let mut want = RegionInfo {
            argsz: 64,
            flags: 1 | 2 | 8,
            index: 0,
            cap_offset: 0,
            size: 0x100_0000,
            offset: 0,
        };
        assert_eq!((config.info, config.caps), (want, [0xdddd_dddd; 10]));
        let config = ask(0, 72).unwrap();
        (want.argsz, want.cap_offset) = (72, 32);
        assert_eq!(config.info, want);
        // Type 0x7668 subtype 1, then our capability: STATUS and BATCH, 65536 bytes.
        assert_eq!(config.caps[..8], [0x1_0002, 48, 0x7668, 1, 0x1_7668, 0, 3, 65536]);
        let notify = ask(1, 48).unwrap();
        let want = RegionInfo {
            argsz: 48,
            flags: 1 | 2 | 4 | 8,
            index: 1,
            cap_offset: 32,
            size: 5 * PAGE,
            offset: 1 << 40,
        };
        assert_eq!(notify.info, want);
        assert_eq!(notify.caps[..5], [0x1_0002, 0, 0x7668, 2, 0xdddd_dddd]);
        assert_eq!(ioctl_at(&vfio.device, vfio::DEVICE_GET_REGION_INFO, NOWHERE), Err(EFAULT));
    });
}

// ABI-BELL-1, ABI-NOTIFY-1, ABI-NOTIFY-2, ABI-NOTIFY-3, ABI-NOTIFY-4, ABI-NOTIFY-5, ABI-RUN-5
#[test]
fn the_notify_region() {
    with_device(|vfio| {
        let fd = &vfio.device;
        const NOTIFY: u64 = 1 << 40;
        let kick = |queue: i32, at| pwrite(fd, &queue.to_le_bytes(), NOTIFY + at);
        assert_eq!(kick(0, 0), Ok(4));
        assert_eq!(kick(4, 8), Ok(4), "anywhere in the first page");
        assert_eq!(kick(4, PAGE), Err(EINVAL));
        for queue in [5, 65536, -1] {
            assert_eq!(kick(queue, 0), Err(ENOBUFS), "queue {queue}");
        }
        for len in [0, 2, 3, 5, 8] {
            assert_eq!(pwrite(fd, &[0; 8][..len], NOTIFY), Err(EINVAL), "{len} bytes");
        }
        let mut bytes = [0xff; 16];
        assert_eq!(pread(fd, &mut bytes, NOTIFY + 5 * PAGE - 8), Ok(8));
        assert_eq!(bytes[..8], [0; 8]);
        assert_eq!(bytes[8..], [0xff; 8]);
        assert_eq!(pwrite(fd, &[0; 4], 2 << 40), Err(EINVAL), "no such region");
        assert_eq!(pread(fd, &mut bytes, 2 << 40), Err(EINVAL));

        let map = |len, prot, flags, offset| Mapped::new(fd, len, prot, flags, offset).map(drop);
        let (shared, both) = (libc::MAP_SHARED, libc::PROT_READ | libc::PROT_WRITE);
        assert_eq!(map(5 * PAGE, both, shared, NOTIFY), Ok(()));
        assert_eq!(map(PAGE, libc::PROT_WRITE, shared, NOTIFY + 4 * PAGE), Ok(()));
        assert_eq!(map(PAGE, both, libc::MAP_PRIVATE, NOTIFY), Err(EINVAL));
        assert_eq!(map(6 * PAGE, both, shared, NOTIFY), Err(EINVAL));
        assert_eq!(map(PAGE, both, shared, NOTIFY + 5 * PAGE), Err(EINVAL));
        assert_eq!(map(PAGE, both, shared, 0), Err(EINVAL), "CONFIG");
    });
}

#[repr(C)]
struct Irqs<const N: usize> {
    set: IrqSet,
    fds: [i32; N],
}

const EVENTFD: u32 = vfio::IRQ_SET_DATA_EVENTFD | vfio::IRQ_SET_ACTION_TRIGGER;
const NONE: u32 = vfio::IRQ_SET_DATA_NONE | vfio::IRQ_SET_ACTION_TRIGGER;

fn set_irqs<const N: usize>(
    fd: &OwnedFd,
    flags: u32,
    index: u32,
    start: u32,
    fds: [i32; N],
) -> Result<i64, i32> {
    let argsz = 20 + 4 * N as u32;
    let set = IrqSet { argsz, flags, index, start, count: N as u32 };
    ioctl(fd, vfio::DEVICE_SET_IRQS, &mut Irqs { set, fds })
}

// ABI-VFIO-11, ABI-VFIO-12
#[test]
fn interrupts() {
    with_device(|vfio| {
        let fd = &vfio.device;
        for (index, count) in [(0, Ok(5)), (1, Ok(5)), (2, Ok(1)), (3, Err(EINVAL))] {
            let mut info = IrqInfo { argsz: 16, flags: 0, index, count: 0 };
            let got = ioctl(fd, vfio::DEVICE_GET_IRQ_INFO, &mut info).map(|_| info.count);
            assert_eq!(got, count, "index {index}");
            assert_eq!(info.flags, u32::from(count.is_ok()));
        }
        let short = &mut IrqInfo { argsz: 15, ..Default::default() };
        assert_eq!(ioctl(fd, vfio::DEVICE_GET_IRQ_INFO, short), Err(EINVAL));

        let (event, file) = (eventfd(), tempfile::tempfile().unwrap());
        let (event, file) = (event.as_raw_fd(), file.as_raw_fd());
        assert_eq!(set_irqs(fd, EVENTFD, 0, 0, [event; 5]), Ok(0));
        assert_eq!(set_irqs(fd, EVENTFD, 1, 3, [event, -1]), Ok(0));
        assert_eq!(set_irqs(fd, EVENTFD, 2, 0, [event]), Ok(0));
        assert_eq!(set_irqs(fd, NONE, 0, 0, []), Ok(0));
        for (what, result, errno) in [
            ("start", set_irqs(fd, EVENTFD, 0, 5, [event]), EINVAL),
            ("count", set_irqs(fd, EVENTFD, 0, 1, [event; 5]), EINVAL),
            ("index", set_irqs(fd, EVENTFD, 3, 0, [event]), EINVAL),
            ("flags", set_irqs(fd, 0x21 | 4, 0, 0, [event]), EINVAL),
            ("mask", set_irqs(fd, 4 | 8, 0, 0, [event]), EINVAL),
            ("bool", set_irqs(fd, 2 | 0x20, 0, 0, [1]), EINVAL),
            ("none, some", set_irqs(fd, NONE, 0, 0, [1]), EINVAL),
            ("eventfd, none", set_irqs(fd, EVENTFD, 0, 0, []), EINVAL),
            ("bad fd", set_irqs(fd, EVENTFD, 0, 0, [event, 12345]), EBADF),
            ("no eventfd", set_irqs(fd, EVENTFD, 0, 0, [event, file]), EINVAL),
        ] {
            assert_eq!(result, Err(errno), "{what}");
        }
        let set = IrqSet { argsz: 23, flags: EVENTFD, index: 0, start: 0, count: 1 };
        let irqs = &mut Irqs { set, fds: [event] };
        assert_eq!(ioctl(fd, vfio::DEVICE_SET_IRQS, irqs), Err(EINVAL), "argsz");
        let overflow = IrqSet { count: u32::MAX, start: 4, ..set };
        let irqs = &mut Irqs { set: overflow, fds: [event] };
        assert_eq!(ioctl(fd, vfio::DEVICE_SET_IRQS, irqs), Err(EINVAL));
        assert_eq!(ioctl_at(fd, vfio::DEVICE_SET_IRQS, NOWHERE), Err(EFAULT));
    });
}

// ABI-NOTIFY-1, ABI-VFIO-12, ABI-VFIO-14, ABI-VFIO-15, ABI-VFIO-16
#[test]
fn frames_loop_by_every_kind_of_kick_and_call_by_interrupts() {
    with_device(|vfio| {
        let fd = &vfio.device;
        let mut rings = Rings::new();
        let host = rings.memory.host();
        assert_eq!(map(&vfio.container, rings::IOVA, rings::LEN, host, 3), Ok(0));
        assert_eq!(ioctl_at(fd, vhost::SET_OWNER, 0), Ok(0));
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
        let (call, error, config, kick) = (eventfd(), eventfd(), eventfd(), eventfd());
        assert_eq!(set_irqs(fd, EVENTFD, 0, 0, [call.as_raw_fd(), -1]), Ok(0));
        assert_eq!(set_irqs(fd, EVENTFD, 1, 1, [error.as_raw_fd()]), Ok(0));
        assert_eq!(set_irqs(fd, EVENTFD, 2, 0, [config.as_raw_fd()]), Ok(0));
        let file = &mut vhost::VringFile { index: 1, fd: kick.as_raw_fd() };
        assert_eq!(ioctl(fd, vhost::SET_VRING_KICK, file), Ok(0));
        assert_eq!(ioctl(fd, vhost::SET_STATUS, &mut 15_u8), Ok(0));
        rings.loop_one("eventfd", || signal(&kick));
        assert_eq!(wait(&call), Some(1));
        rings.loop_one("region write", || assert_eq!(pwrite(fd, &[1, 0, 0, 0], 1 << 40), Ok(4)));
        assert_eq!(wait(&call), Some(1));
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let page = Mapped::new(fd, PAGE, prot, libc::MAP_SHARED, (1 << 40) + PAGE).unwrap();
        rings.loop_one("doorbell", || page.write_u16(0, 1));
        assert_eq!(wait(&call), Some(1));
        // All calls are removed at once.
        assert_eq!(set_irqs(fd, NONE, 0, 0, []), Ok(0));
        rings.loop_one("without a call", || signal(&kick));
        assert_eq!(taken(&call), None);
        // Without its memory the device faults, and says so.
        assert_eq!(unmap(&vfio.container, rings::IOVA, rings::LEN), Ok(rings::LEN));
        signal(&kick);
        assert_eq!(wait(&error), Some(1));
        assert_eq!(wait(&config), Some(1));
        let mut status = 0_u8;
        assert_eq!(ioctl(fd, vhost::GET_STATUS, &mut status), Ok(0));
        assert_eq!(status, 15 | 0x40);
        assert_eq!(ioctl_at(fd, vfio::DEVICE_RESET, 0), Ok(0));
        assert_eq!(ioctl(fd, vhost::GET_STATUS, &mut status), Ok(0));
        assert_eq!(status, 0);
    });
}

// ABI-NUM-1, ABI-NUM-6
#[test]
fn what_is_open_is_not_opened_again_by_its_link() {
    with_device(|vfio| {
        let link = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
        assert_eq!(open(link(&vfio.device)).unwrap_err(), ENXIO, "an anonymous inode");
        assert_eq!(open(link(&vfio.group)).unwrap_err(), EBUSY);
        let again = open(link(&vfio.container)).unwrap();
        assert_eq!(map(&again, 0, PAGE, 0, 3), Err(EINVAL), "a container of its own");
        drop(again);
        let name = |fd: &OwnedFd| fs::read_link(link(fd)).unwrap();
        assert_eq!(name(&vfio.device).to_str(), Some("anon_inode:[vfio-device]"));
        assert_eq!(name(&vfio.group).to_str(), Some("/dev/vfio/0"));
        let device = fs::metadata(link(&vfio.device)).unwrap();
        assert_eq!((device.mode(), device.rdev(), device.len()), (0o600, 0, 0));
        let container = fs::metadata(link(&vfio.container)).unwrap();
        assert_eq!((libc::major(container.rdev()), libc::minor(container.rdev())), (10, 196));
        // The group, the device and its container are what they were.
        assert_eq!(ioctl_at(&vfio.device, vfio::DEVICE_RESET, 0), Ok(0));
        assert_eq!(map(&vfio.container, 0, PAGE, 0x10000, 3), Ok(0));
    });
}
