//! What is said to allocate nothing, under an allocator that counts.

#![expect(unsafe_code, reason = "an allocator, and mapping calls that no device answers")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use vhost_accel_uapi::call::{iotlb, mdev, region, vfio, vhost};
use vhost_accel_uapi::mdev::DmaMap;
use vhost_accel_uapi::mem_table::MemTable;
use vhost_accel_uapi::message::{Accepts, Encoder, messages};
use vhost_accel_uapi::vhost as abi;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations<T>(f: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATIONS.get();
    let result = f();
    (ALLOCATIONS.get() - before, result)
}

/// How often a call that /dev/null refuses allocates.
fn refused(call: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>) -> usize {
    let null = File::open("/dev/null").expect("/dev/null");
    let (count, result) = allocations(|| call(null.as_fd()));
    let errno = result.expect_err("/dev/null is no device").raw_os_error();
    assert!(matches!(errno, Some(libc::ENOTTY | libc::EBADF)), "{errno:?}");
    count
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| vec![0u8; 10]).0, 1);
}

#[test]
fn kick_call_and_mapping_allocate_nothing() {
    let event = File::open("/dev/null").unwrap();
    let some = Some(event.as_fd());
    assert_eq!(refused(|fd| vhost::set_vring_kick(fd, 0, some)), 0);
    assert_eq!(refused(|fd| vhost::set_vring_call(fd, 0, some)), 0);
    assert_eq!(refused(|fd| vfio::set_irq(fd, 0, 0, some)), 0);
    assert_eq!(refused(|fd| vfio::set_irqs(fd, 0, 0, &[some; 512])), 0);
    assert_eq!(refused(|fd| vfio::set_irqs(fd, 0, 0, &[some; 513])), 1);
    assert_eq!(refused(|fd| region::write(fd, &[0; 4], 1 << 40).map(drop)), 0);
    // SAFETY: no device is there to use the memory; so for the other two.
    assert_eq!(refused(|fd| unsafe { vfio::map_dma(fd, 0, 4096, 0, 3) }), 0);
    // SAFETY: as above.
    assert_eq!(refused(|fd| unsafe { mdev::dma_map(fd, &DmaMap::default()) }), 0);
    // SAFETY: as above.
    assert_eq!(refused(|fd| unsafe { iotlb::update(fd, 0, 0, 4096, 0, 3) }), 0);
}

#[test]
fn config_space_allocates_beyond_256_bytes() {
    assert_eq!(refused(|fd| vhost::get_config(fd, 0, &mut [0; 256])), 0);
    assert_eq!(refused(|fd| vhost::get_config(fd, 0, &mut [0; 257])), 1);
    assert_eq!(refused(|fd| vhost::set_config(fd, 0, &[0; 256])), 0);
    assert_eq!(refused(|fd| vhost::set_config(fd, 0, &[0; 257])), 1);
}

#[test]
fn the_codec_and_a_kept_table_allocate_nothing() {
    let mut buf = [0; 256];
    let (count, read) = allocations(|| {
        let mut encoder = Encoder::new(&mut buf);
        encoder.push(abi::SET_FEATURES, &7u64).unwrap();
        encoder.push_get_config(0, 12).unwrap();
        let messages = messages(encoder.as_bytes(), 0, Accepts::ALL).unwrap();
        messages.map(|message| message.unwrap().payload.len()).sum::<usize>()
    });
    assert_eq!((count, read), (0, 28));

    let mut table = MemTable::with_capacity(509);
    let (count, ()) = allocations(|| {
        for _ in 0..3 {
            table.clear();
            (0..509).for_each(|i| table.push(i << 12, 4096, i << 12));
        }
    });
    assert_eq!((count, table.len()), (0, 509));
}
