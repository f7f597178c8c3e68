//! A frame to a device and back, step by step.
//!
//! ```text
//! cargo run -p vhost-accel --example first_frame -- vhost-vdpa:/dev/vhost-vdpa-0
//! cargo run -p vhost-accel --example first_frame      # each device of the emulated kernel
//! ```

#![expect(unsafe_code, reason = "lends memory to the device")]

use std::error::Error;
use std::os::fd::AsFd;
use std::time::Duration;

use vhost_accel::{Features, Iova, Kick, QueueIndex};
use vhost_accel_driver::{Descriptor, Event, HEADER, RawRing, Region};
use vhost_accel_emulator::EmulatedKernel;

const FRAME: &[u8] = b"sixty bytes are the least that a network card puts on a wire";
const LIMIT: Duration = Duration::from_secs(10);

/// Sends a frame and returns what came back: on a loopback device the same frame.
fn first_frame(uri: &str) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    // Memory outlives the device: it is declared first, so it is dropped last.
    let memory = Region::new(1 << 16)?;
    let start = Iova(1 << 32); // where the device finds it
    let mut device = vhost_accel::open(uri)?;

    device.negotiate(Features::VERSION_1 | Features::ACCESS_PLATFORM)?;
    // SAFETY: the region stays mapped until the device is closed, and hands out no references.
    unsafe { device.dma_map(&memory.at(start).mapping())? };

    // Vring 0 receives and vring 1 transmits. Two buffers of a page stand behind the rings.
    let bytes = RawRing::bytes(8);
    let rings = [0, bytes].map(|offset| RawRing::new(&memory, offset, 8, start));
    let [receive, transmit] = [2 * bytes, 2 * bytes + 4096];
    let called = Event::new()?;
    let vrings = [
        rings[0].vring(QueueIndex(0)).with_call(Some(called.as_fd())),
        rings[1].vring(QueueIndex(1)),
    ];
    device.setup_vrings(&vrings)?;
    let kicker = device.kicker(QueueIndex(1), Kick::Best)?;
    device.start()?;

    // The driver's part: an empty buffer, then a frame behind an empty virtio-net header.
    memory.write(transmit + HEADER, FRAME);
    let at = |offset: usize| Iova(start.0 + offset as u64);
    rings[0].set_desc(0, Descriptor::writable(at(receive), 4096));
    rings[1].set_desc(0, Descriptor::readable(at(transmit), (HEADER + FRAME.len()) as u32));
    for ring in &rings {
        ring.set_avail(0, 0);
        ring.set_avail_index(1);
    }
    kicker.kick()?;

    while rings[0].used_index() == 0 {
        if called.wait(LIMIT)? == 0 {
            return Err("the device gave nothing back".into());
        }
    }
    let len = rings[0].used(0).len as usize;
    Ok(memory.bytes(receive + HEADER, len - HEADER))
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    match std::env::args().nth(1) {
        Some(uri) => show(&uri),
        None => EmulatedKernel::builder()
            .build()?
            .run(|| vhost_accel::devices()?.iter().try_for_each(|uri| show(&uri.to_string())))?,
    }
}

#[expect(clippy::print_stdout, reason = "an example's output")]
fn show(uri: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let frame = first_frame(uri)?;
    println!("{uri}: {} bytes came back: {}", frame.len(), String::from_utf8_lossy(&frame));
    Ok(())
}

#[test]
fn a_frame_comes_back_through_each_interface() {
    let test = || {
        let devices = vhost_accel::devices()?;
        for uri in devices.iter().flat_map(vhost_accel::Uri::variants) {
            assert_eq!(first_frame(&uri.to_string())?, FRAME, "{uri}");
        }
        assert_eq!(devices.len(), 4);
        Ok(())
    };
    let ran: Result<(), Box<dyn Error + Send + Sync>> =
        EmulatedKernel::builder().build().unwrap().run(test).unwrap();
    ran.unwrap();
}
