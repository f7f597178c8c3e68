//! What clients do that they should not: each harms itself alone.
#![expect(unsafe_code, reason = "tests make the system calls bare, as a client does")]

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use vhost_accel_emulator::{DeviceKind, EmulatedKernel};
use vhost_accel_uapi::mdev::{self, DmaMap};
use vhost_accel_uapi::vfio;
use vhost_accel_uapi::vhost::{self, ACCESS_RW, MsgV2, VringFile, VringState};
use zerocopy::IntoBytes;

use crate::common::*;
use crate::rings::{self, Rings};

const MDEV: &str = "/dev/vhost-mdev-0";
const VDPA: &str = "/dev/vhost-vdpa-0";

/// An open device of each interface that takes vhost requests as ioctls, with a way to map memory.
enum Client {
    Vfio(Vfio),
    Mdev(OwnedFd),
    Vdpa(OwnedFd),
}

impl Client {
    fn all(kernel: &EmulatedKernel) -> [Self; 3] {
        let [mdev, vdpa] = [MDEV, VDPA].map(|path| open(path).unwrap());
        let all = [Self::Vfio(Vfio::open(kernel)), Self::Mdev(mdev), Self::Vdpa(vdpa)];
        for client in &all {
            assert_eq!(ioctl_at(client.fd(), vhost::SET_OWNER, 0), Ok(0));
        }
        all
    }

    fn fd(&self) -> &OwnedFd {
        match self {
            Self::Vfio(vfio) => &vfio.device,
            Self::Mdev(fd) | Self::Vdpa(fd) => fd,
        }
    }

    fn map(&self, memory: &Mapped) {
        let (iova, size, uaddr) = (rings::IOVA, rings::LEN, memory.host());
        match self {
            Self::Vfio(vfio) => {
                let flags = vfio::DMA_MAP_FLAG_READ | vfio::DMA_MAP_FLAG_WRITE;
                let argsz = size_of::<vfio::DmaMap>() as u32;
                let mut map = vfio::DmaMap { argsz, flags, vaddr: uaddr, iova, size };
                assert_eq!(ioctl(&vfio.container, vfio::IOMMU_MAP_DMA, &mut map), Ok(0));
            }
            Self::Mdev(fd) => {
                let mut map = DmaMap { iova, size, uaddr, perm: 3, flags: 0 };
                assert_eq!(ioctl(fd, mdev::MAP_DMA, &mut map), Ok(0));
            }
            Self::Vdpa(fd) => {
                let update = MsgV2::update(0, iova, size, uaddr, ACCESS_RW);
                assert_eq!(write_at(fd, update.as_bytes().as_ptr() as u64, 72), Ok(72));
            }
        }
    }

    fn set_status(&self, mut status: u8) {
        assert_eq!(ioctl(self.fd(), vhost::SET_STATUS, &mut status), Ok(0));
    }

    fn needs_reset(&self) -> bool {
        get::<u8>(self.fd(), vhost::GET_STATUS).unwrap() & 0x40 != 0
    }

    fn set(&self, request: u32, index: u32, fd: &OwnedFd) {
        let mut file = VringFile { index, fd: fd.as_raw_fd() };
        assert_eq!(ioctl(self.fd(), request, &mut file), Ok(0));
    }

    /// Starts both queues, the transmit queue with a kick eventfd, which is returned.
    fn start(&self) -> OwnedFd {
        let fd = self.fd();
        self.set_status(3);
        assert_eq!(ioctl(fd, vhost::SET_FEATURES, &mut { rings::FEATURES }), Ok(0));
        self.set_status(11);
        for index in 0..2 {
            let mut num = VringState { index, num: rings::SIZE };
            assert_eq!(ioctl(fd, vhost::SET_VRING_NUM, &mut num), Ok(0));
            assert_eq!(ioctl(fd, vhost::SET_VRING_ADDR, &mut Rings::addr(index)), Ok(0));
            let mut enable = VringState { index, num: 1 };
            assert_eq!(ioctl(fd, vhost::SET_VRING_ENABLE, &mut enable), Ok(0));
        }
        let kick = eventfd();
        self.set(vhost::SET_VRING_KICK, 1, &kick);
        self.set_status(15);
        kick
    }
}

fn with_clients(case: impl FnOnce(&EmulatedKernel, [Client; 3]) + Send) {
    let kernel = EmulatedKernel::builder().devices(2).build().unwrap();
    kernel.run(|| case(&kernel, Client::all(&kernel))).unwrap();
}

/// What the client does to its memory while the device has it mapped.
type Spoil = fn(&File, &Mapped);

// ABI-DIFF-7
#[test]
fn memory_that_goes_is_a_fault_of_who_had_it() {
    let spoils: [Spoil; 2] = [
        |file, _| file.set_len(0).unwrap(),
        |_, memory| {
            // Something else is there now, of which nothing can be read.
            let (at, len) = (memory.address.cast(), rings::LEN as usize);
            let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
            let empty = tempfile::tempfile().unwrap();
            // SAFETY: in place of memory that this test has no reference to.
            let put = unsafe { libc::mmap(at, len, libc::PROT_READ, flags, empty.as_raw_fd(), 0) };
            assert_eq!(put, at);
        },
    ];
    for spoil in spoils {
        with_clients(|kernel, clients| {
            for client in &clients {
                let file = tempfile::tempfile().unwrap();
                file.set_len(rings::LEN).unwrap();
                let prot = libc::PROT_READ | libc::PROT_WRITE;
                let memory = Mapped::new(&file, rings::LEN, prot, libc::MAP_SHARED, 0).unwrap();
                client.map(&memory);
                let kick = client.start();
                let mut rings = Rings::over(memory, 0);
                rings.loop_one("before", || signal(&kick));
                spoil(&file, &rings.memory);
                signal(&kick);
                let start = std::time::Instant::now();
                while !client.needs_reset() {
                    assert!(start.elapsed().as_secs() < 60, "the device has not seen it");
                    std::thread::yield_now();
                }
                client.set_status(0);
            }
            for kind in [DeviceKind::Vfio, DeviceKind::VhostMdev, DeviceKind::VhostVdpa] {
                let counters = kernel.device(kind, 0).unwrap().counters();
                assert_eq!(counters.frames, 1, "{kind:?}");
                assert!(counters.all_faults() >= 1, "{kind:?}");
            }
            open("/dev/vhost-mdev-1").unwrap();
        });
    }
}

#[test]
fn the_file_of_a_device_keeps_its_size() {
    with_clients(|kernel, clients| {
        for client in clients {
            let memory = Mapped::anonymous(rings::LEN);
            client.map(&memory);
            let (prot, shared) = (libc::PROT_WRITE, libc::MAP_SHARED);
            let offset = match client {
                Client::Vfio(_) => vfio::region_offset(vfio::REGION_INDEX_NOTIFY),
                Client::Mdev(_) | Client::Vdpa(_) => 0,
            };
            let doorbell = Mapped::new(client.fd(), PAGE, prot, shared, offset + PAGE).unwrap();
            client.start();
            let link = format!("/proc/self/fd/{}", client.fd().as_raw_fd());
            let path = std::ffi::CString::new(link).unwrap();
            // SAFETY: the path ends in a NUL.
            assert_ne!(unsafe { libc::truncate(path.as_ptr(), 0) }, 0);
            // SAFETY: as above.
            let cut = result(unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_TRUNC) });
            // SAFETY: just opened.
            drop(cut.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) }));
            let mut rings = Rings::over(memory, 0);
            for _ in 0..3 {
                rings.loop_one("a doorbell", || doorbell.write_u16(0, 1));
            }
            // Before its memory.
            drop((doorbell, client));
        }
        let counters = kernel.device(DeviceKind::VhostMdev, 0).unwrap().counters();
        assert_eq!((counters.frames, counters.all_faults()), (3, 0));
    });
}

/// An eventfd that a write(2) would wait for.
fn full() -> OwnedFd {
    // SAFETY: takes no pointer.
    let fd = result(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) }).unwrap();
    // SAFETY: just made.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let most = u64::MAX - 1;
    assert_eq!(write_at(&fd, (&raw const most) as u64, 8), Ok(8));
    fd
}

/// Reads an eventfd, so that who waits for room in it goes on.
struct Drained<'a>(&'a OwnedFd);

impl Drop for Drained<'_> {
    fn drop(&mut self) {
        wait(self.0);
    }
}

// ABI-CALL-5
#[test]
fn a_full_eventfd_holds_nobody_up() {
    with_clients(|_, clients| {
        for client in clients {
            let memory = Mapped::anonymous(rings::LEN);
            client.map(&memory);
            let kick = client.start();
            let [call, config, error] = [(); 3].map(|()| full());
            let _drained = [&call, &config, &error].map(Drained);
            match &client {
                Client::Vfio(vfio) => {
                    set_irq(vfio, vfio::IRQ_INDEX_VQ, 0, &call);
                    set_irq(vfio, vfio::IRQ_INDEX_CONFIG, 0, &config);
                    set_irq(vfio, vfio::IRQ_INDEX_ERR, 1, &error);
                }
                Client::Mdev(fd) | Client::Vdpa(fd) => {
                    client.set(vhost::SET_VRING_CALL, 0, &call);
                    client.set(vhost::SET_VRING_ERR, 1, &error);
                    let mut config = config.as_raw_fd();
                    assert_eq!(ioctl(fd, vhost::SET_CONFIG_CALL, &mut config), Ok(0));
                }
            }
            let mut rings = Rings::over(memory, 0);
            for _ in 0..3 {
                rings.loop_one("a full call eventfd", || signal(&kick));
            }
            // An available index that can't be: the vring's error and the config change are told
            // of.
            rings.break_index(1);
            signal(&kick);
            let start = std::time::Instant::now();
            while !client.needs_reset() {
                assert!(start.elapsed().as_secs() < 60, "the device has not seen it");
                std::thread::yield_now();
            }
            let mut base = VringState { index: 0, num: 0 };
            assert_eq!(ioctl(client.fd(), vhost::GET_VRING_BASE, &mut base), Ok(0));
            assert_eq!(base.num, 3);
            open("/dev/vhost-vdpa-1").unwrap();
        }
    });
}

fn set_irq(vfio: &Vfio, index: u32, start: u32, eventfd: &OwnedFd) {
    #[repr(C)]
    struct OneIrq(vfio::IrqSet, i32);
    let flags = vfio::IRQ_SET_DATA_EVENTFD | vfio::IRQ_SET_ACTION_TRIGGER;
    let head = vfio::IrqSet { argsz: size_of::<OneIrq>() as u32, flags, index, start, count: 1 };
    let mut set = OneIrq(head, eventfd.as_raw_fd());
    assert_eq!(ioctl(&vfio.device, vfio::DEVICE_SET_IRQS, &mut set), Ok(0));
}
