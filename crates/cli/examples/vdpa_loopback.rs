//! A vhost-vdpa client that knows nothing of this project: the `vhost` crate's `VhostKernVdpa`, as
//! a VMM would use it, sends one frame through a virtio-net loopback and waits for it.
//!
//! ```sh
//! vhost-accel emulate -- target/debug/examples/vdpa_loopback /dev/vhost-vdpa-0
//! ```
//!
//! It prints the frame's length and exits with 0 when the frame came back as it was sent.

#![expect(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::time::{Duration, Instant};

use vhost::vdpa::VhostVdpa;
use vhost::vhost_kern::VhostKernFeatures;
use vhost::vhost_kern::vdpa::VhostKernVdpa;
use vhost::{VhostBackend, VringConfigData};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

const MEMORY: usize = 1 << 20;
const SIZE: u16 = 16;
/// VIRTIO_F_VERSION_1 and VIRTIO_F_ACCESS_PLATFORM.
const FEATURES: u64 = 1 << 32 | 1 << 33;
const HEADER: usize = 12;
const FRAME: &[u8] = b"a frame that a loopback device gives back";

const RX: usize = 0;
const TX: usize = 1;
const RX_BUFFER: u64 = 0x8_0000;
const TX_BUFFER: u64 = 0x9_0000;

/// Where a vring's parts are; guest addresses and IOVAs are the same here.
fn ring(queue: usize) -> VringConfigData {
    let base = 0x1_0000 * (queue as u64 + 1);
    VringConfigData {
        queue_max_size: SIZE,
        queue_size: SIZE,
        flags: 0,
        desc_table_addr: base,
        avail_ring_addr: base + 0x1000,
        used_ring_addr: base + 0x2000,
        log_addr: None,
    }
}

/// Makes one buffer available as descriptor 0.
fn offer(
    memory: &GuestMemoryMmap,
    queue: usize,
    (address, len): (u64, u32),
    writable: bool,
) -> Result<(), Box<dyn Error>> {
    let ring = ring(queue);
    let flags: u16 = if writable { 2 } else { 0 };
    let mut descriptor = [0; 16];
    descriptor[..8].copy_from_slice(&address.to_le_bytes());
    descriptor[8..12].copy_from_slice(&len.to_le_bytes());
    descriptor[12..14].copy_from_slice(&flags.to_le_bytes());
    memory.write_slice(&descriptor, GuestAddress(ring.desc_table_addr))?;
    memory.write_obj(0u16, GuestAddress(ring.avail_ring_addr + 4))?;
    memory.write_obj(1u16, GuestAddress(ring.avail_ring_addr + 2))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/dev/vhost-vdpa-0".to_owned());
    let memory = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), MEMORY)])?;
    let mut device = VhostKernVdpa::new(&path, &memory)?;

    device.set_owner()?;
    let backend = device.get_backend_features()?;
    device.set_backend_features(backend)?;
    device.set_status(0)?;
    device.set_status(3)?;
    device.set_features(device.get_features()? & FEATURES)?;
    device.set_status(11)?;
    if device.get_status()? & 8 == 0 {
        return Err("the device refused the features".into());
    }
    device.dma_map(0, MEMORY as u64, memory.get_host_address(GuestAddress(0))?, false)?;

    offer(&memory, RX, (RX_BUFFER, 2048), true)?;
    let mut packet = vec![0; HEADER];
    packet.extend_from_slice(FRAME);
    memory.write_slice(&packet, GuestAddress(TX_BUFFER))?;
    offer(&memory, TX, (TX_BUFFER, packet.len() as u32), false)?;

    let kicks = [EventFd::new(EFD_NONBLOCK)?, EventFd::new(EFD_NONBLOCK)?];
    let call = EventFd::new(EFD_NONBLOCK)?;
    for queue in [RX, TX] {
        device.set_vring_num(queue, SIZE)?;
        device.set_vring_base(queue, 0)?;
        device.set_vring_addr(queue, &ring(queue))?;
        device.set_vring_kick(queue, &kicks[queue])?;
        device.set_vring_enable(queue, true)?;
    }
    device.set_vring_call(RX, &call)?;
    device.set_status(15)?;
    kicks[TX].write(1)?;

    let deadline = Instant::now() + Duration::from_secs(5);
    while call.read().is_err() {
        if Instant::now() > deadline {
            return Err("the frame did not come back".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let used: u32 = memory.read_obj(GuestAddress(ring(RX).used_ring_addr + 8))?;
    let mut back = vec![0; used as usize];
    memory.read_slice(&mut back, GuestAddress(RX_BUFFER))?;
    if back.get(HEADER..) != Some(FRAME) {
        return Err(format!("{used} bytes came back that were not sent").into());
    }
    println!("{} bytes", back.len() - HEADER);
    Ok(())
}
