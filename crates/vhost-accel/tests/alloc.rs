//! Kicking, setting a call and mapping allocate nothing, through any interface.

#![expect(unsafe_code, reason = "counts allocations, and maps memory for the device")]
#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use vhost_accel::{
    Access, Capabilities, DmaMapping, Features, Hva, Iova, IovaRange, Kick, KickKind, Kicker,
    QueueIndex, Uri, VhostAccel, Vring, page_size,
};
use vhost_accel_emulator::EmulatedKernel;

struct Counting;

thread_local! {
    /// Of this thread alone: the emulated kernel's threads may allocate.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is being torn down is not counted.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATIONS.get();
    let result = work();
    (result, ALLOCATIONS.get() - before)
}

/// Does `work` several times and asserts that it never allocates: not the first time either.
#[track_caller]
fn allocates_nothing(what: &str, uri: &Uri, mut work: impl FnMut()) {
    for time in 0..3 {
        let ((), count) = allocations(&mut work);
        assert_eq!(count, 0, "{what} through {uri} allocated, time {time}");
    }
}

const QUEUE: QueueIndex = QueueIndex(0);

fn check(uri: &Uri) {
    let mut device = vhost_accel::open_uri(uri).unwrap();
    let capabilities = device.info().capabilities;
    device.negotiate(Features::VERSION_1 | Features::ACCESS_PLATFORM).unwrap();
    let vring = Vring::new(QUEUE, 8, Iova(0), Iova(0x1000), Iova(0x2000)).disabled();
    device.setup_vring(&vring).unwrap();

    let call = Kicker::eventfd(QUEUE, None, |_| Ok(())).unwrap();
    allocates_nothing("set_call", uri, || {
        device.set_call(QUEUE, call.as_eventfd()).unwrap();
        device.set_call(QUEUE, None).unwrap();
    });
    allocates_nothing("set_config_call", uri, || {
        device.set_config_call(call.as_eventfd()).unwrap();
    });
    if capabilities.contains(Capabilities::ERROR_EVENT) {
        allocates_nothing("set_error", uri, || {
            device.set_error(QUEUE, call.as_eventfd()).unwrap();
        });
    }
    allocates_nothing("enable_vring", uri, || device.enable_vring(QUEUE, false).unwrap());

    check_dma(uri, &mut *device);

    device.start().unwrap();
    let mut kinds = 0;
    for kind in KickKind::ALL {
        if capabilities.contains(kind.capability()) {
            let kicker = device.kicker(QUEUE, Kick::Kind(kind)).unwrap();
            allocates_nothing(kind.name(), uri, || {
                kicker.kick().unwrap();
                kicker.kick_with(1).unwrap();
            });
            kinds += 1;
        }
    }
    assert_eq!(kinds, 2, "{uri} has two ways of kicking");
}

fn check_dma(uri: &Uri, device: &mut dyn VhostAccel) {
    const PAGES: u64 = 100;
    let page = page_size() as u64;
    let memory = vec![0u8; ((PAGES + 1) * page) as usize].leak();
    let host = (memory.as_mut_ptr().addr() as u64).next_multiple_of(page);
    let mapping = |index: u64| {
        let (iova, host) = (Iova((1 << 30) + 2 * index * page), Hva(host + index * page));
        DmaMapping::new(iova, page, host, Access::ReadWrite)
    };
    allocates_nothing("dma_map and dma_unmap", uri, || {
        for index in 0..PAGES {
            // SAFETY: the memory is leaked, and nobody refers to it.
            unsafe { device.dma_map(&mapping(index)) }.unwrap();
        }
        device.dma_unmap(mapping(PAGES / 2).range()).unwrap();
        device.dma_unmap(IovaRange::new(Iova(1 << 30), 1 << 30)).unwrap();
    });
}

#[test]
fn the_counter_counts() {
    let (_, count) = allocations(|| black_box(Box::new(1)));
    assert_eq!(count, 1);
    let (_, count) = allocations(|| black_box(1));
    assert_eq!(count, 0);
}

#[test]
fn the_fast_operations_allocate_nothing() {
    let kernel = EmulatedKernel::builder().queue_pairs(1).build().unwrap();
    let checked = kernel
        .run(|| {
            let devices = vhost_accel::devices().unwrap();
            let variants = devices.iter().flat_map(Uri::variants);
            variants.map(|uri| check(&uri)).count()
        })
        .unwrap();
    assert_eq!(checked, 7, "four interfaces, and three of them in two variants");
}
