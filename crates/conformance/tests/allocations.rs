//! Sending and receiving allocates nothing: what is measured above the driver is the device.

#![expect(unsafe_code, reason = "an allocator that counts")]

#[path = "../examples/fifth_backend/backend.rs"]
mod fifth_backend;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use vhost_accel_driver::{Config, NetDriver};

thread_local! {
    /// Allocations of this thread; the device's own thread doesn't count.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is the system allocator's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn frames_pass_without_an_allocation() {
    let accelerator = fifth_backend::accelerator(1).unwrap();
    let device = fifth_backend::open(&accelerator).unwrap();
    // Frames over several buffers, in indirect chains.
    let config = Config { segments: 3, tx_buffer: 9216, ..Config::default() };
    let mut driver = NetDriver::open(device, config).unwrap();
    driver.run().unwrap();
    let frame = [0x5a; 9000];
    let frames = [&frame[..], &frame[..60], &frame[..1500]];
    let before = COUNT.with(Cell::get);
    let mut bytes = 0;
    for _ in 0..100 {
        let expected = bytes + 9000 + 60 + 1500;
        assert_eq!(driver.send(0, &frames).unwrap(), 3);
        while bytes < expected {
            assert!(driver.wait(0, Duration::from_secs(5)).unwrap());
            driver.receive(0, |frame| bytes += frame.len()).unwrap();
        }
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0);
    assert_eq!(bytes, 100 * 10560);
}
