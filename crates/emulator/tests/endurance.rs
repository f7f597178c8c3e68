//! What must not grow: descriptors and memory, over many opens and many mappings.
//!
//! One test, so that nothing else of this process changes what is counted. Memory is counted as
//! allocations and as mappings. Resident memory also says how many threads ran at once, which is
//! the machine's affair.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]
#![expect(unsafe_code, reason = "memory is handed to a device")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Barrier;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::thread;
use std::time::Duration;

use vhost_accel_emulator::{DeviceKind, EmulatedKernel};
use vhost_accel_uapi::call::{iotlb, mdev, vfio, vhost};
use vhost_accel_uapi::mdev::DmaMap;
use vhost_accel_uapi::vfio::{GROUP_GET_DEVICE_FD, GROUP_SET_CONTAINER, SET_IOMMU, TYPE1V2_IOMMU};
use vhost_accel_uapi::vhost::ACCESS_RW;

const PAGE: u64 = 4096;
const OPENS: u64 = 10_000;
const MAPS: u64 = 1_000_000;

/// A page that nobody uses.
fn page() -> u64 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping where the kernel likes, never unmapped.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE as usize, prot, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    page as u64
}

fn open(path: &str) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn ioctl(fd: impl AsFd, request: u32, arg: u64) -> i32 {
    // SAFETY: the arguments below are numbers, or addresses of what the request reads.
    let ret = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request.into(), arg) };
    assert!(ret >= 0, "{request:#x}: {}", std::io::Error::last_os_error());
    ret
}

/// A VFIO device with its group and container.
fn open_vfio(uuid: &CString) -> (OwnedFd, File, File) {
    let (container, group) = (open("/dev/vfio/vfio"), open("/dev/vfio/0"));
    let fd = container.as_raw_fd();
    ioctl(&group, GROUP_SET_CONTAINER, (&raw const fd) as u64);
    ioctl(&container, SET_IOMMU, TYPE1V2_IOMMU.into());
    let device = ioctl(&group, GROUP_GET_DEVICE_FD, uuid.as_ptr() as u64);
    // SAFETY: just given to us.
    (unsafe { OwnedFd::from_raw_fd(device) }, group, container)
}

/// The system's allocator, with a count of what is allocated and not freed.
struct Counting;

static ALLOCATED: AtomicIsize = AtomicIsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What there is of each.
#[derive(Debug)]
struct Footprint {
    descriptors: usize,
    allocations: isize,
    mappings: usize,
    /// KiB of private memory that can be written: neighbours are one mapping, however many.
    data: u64,
}

fn footprint() -> Footprint {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let data = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    Footprint {
        descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
        allocations: ALLOCATED.load(Ordering::Relaxed),
        mappings: fs::read_to_string("/proc/self/maps").unwrap().lines().count(),
        data: data.trim().trim_end_matches(" kB").parse().unwrap(),
    }
}

/// Makes the C library keep as much of threads that have ended as it ever does: stacks (40 MiB of
/// them) and arenas (8 a CPU). How many it keeps says otherwise how many threads ran at once.
fn end_many_threads() {
    const THREADS: usize = 64;
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for n in 0..THREADS {
            let barrier = &barrier;
            scope.spawn(move || {
                let allocated = vec![n; 64];
                barrier.wait();
                drop(allocated);
            });
        }
    });
}

impl Footprint {
    /// Whether it is no more than `before`. A thread more has a few of each, and 2 MiB of stack; a
    /// leak at each open has 10,000. There may be less: `before` may have caught a descriptor
    /// whose thread was still to close it.
    fn is_within(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors
            && self.allocations <= before.allocations + 100
            && self.mappings <= before.mappings + 50
            && self.data <= before.data + (16 << 10)
    }
}

/// Waits for what is about to go: threads of the kernel that have served their turn, and their
/// stacks, which go with the next thread that ends. A leak stays, however long this waits.
fn footprint_within(before: &Footprint) -> Footprint {
    for _ in 0..600 {
        if footprint().is_within(before) {
            break;
        }
        thread::sleep(Duration::from_millis(100));
        thread::spawn(|| ()).join().unwrap();
    }
    footprint()
}

fn opens(uuid: &CString, count: u64) {
    for n in 0..count {
        match n % 3 {
            0 => drop(open("/dev/vhost-vdpa-0")),
            1 => drop(open("/dev/vhost-mdev-0")),
            _ => drop(open_vfio(uuid)),
        }
    }
}

/// Maps and unmaps on all three kinds of address space.
fn maps(uuid: &CString, count: u64) {
    let host = page();
    let (vdpa, mdev) = (open("/dev/vhost-vdpa-0"), open("/dev/vhost-mdev-0"));
    let (_device, _group, container) = open_vfio(uuid);
    vhost::set_owner(&vdpa).unwrap();
    vhost::set_owner(&mdev).unwrap();
    for n in 0..count {
        let iova = n % 1000 * PAGE;
        match n % 3 {
            0 => {
                // SAFETY: nobody uses the page.
                unsafe { iotlb::update(&vdpa, 0, iova, PAGE, host, ACCESS_RW) }.unwrap();
                iotlb::invalidate(&vdpa, 0, iova, PAGE).unwrap();
            }
            1 => {
                let map = DmaMap { iova, size: PAGE, uaddr: host, perm: 3, flags: 0 };
                // SAFETY: nobody uses the page.
                unsafe { mdev::dma_map(&mdev, &map) }.unwrap();
                assert_eq!(mdev::dma_unmap(&mdev, iova, PAGE).unwrap(), PAGE);
            }
            _ => {
                // SAFETY: nobody uses the page.
                unsafe { vfio::map_dma(&container, iova, PAGE, host, 3) }.unwrap();
                assert_eq!(vfio::unmap_dma(&container, iova, PAGE).unwrap(), PAGE);
            }
        }
    }
}

#[test]
fn opens_and_mappings_leave_nothing_behind() {
    end_many_threads();
    let kernel = EmulatedKernel::builder().build().unwrap();
    let path = kernel.device(DeviceKind::Vfio, 0).unwrap().path();
    let uuid = CString::new(path.file_name().unwrap().as_encoded_bytes()).unwrap();
    kernel
        .run(|| {
            // What is made once, by the allocator for one, is made here.
            opens(&uuid, OPENS / 10);
            maps(&uuid, MAPS / 100);
            let before = footprint();
            opens(&uuid, OPENS);
            maps(&uuid, MAPS);
            let after = footprint_within(&before);
            assert!(after.is_within(&before), "{before:?} became {after:?}");
        })
        .unwrap();
}
