//! Requests that map and unmap: the container's, #2's, and IOTLB messages.

use std::fmt::Write;

use vhost_accel_uapi::vhost::{self, IotlbMsg, MemoryRegion, MsgV2};
use vhost_accel_uapi::{mdev, vfio};
use zerocopy::IntoBytes;

use crate::memory::{NOWHERE, PAGE, PLAY, PLAY_PAGES, READABLE, RING, RING_LEN, place};
use crate::random::Random;
use crate::request::{Client, Line, Vfio};
use crate::state::RING_IOVA;
use crate::sys;
use crate::vhost::Body;

/// The part of the address space that is played with.
const IOVA: u64 = 0x10_0000;

fn iova(random: &mut Random) -> u64 {
    match random.below(12) {
        0 => IOVA + random.of(&[1, 0x800]),
        1 => !0xfff,
        2 => 0,
        _ => IOVA + PAGE * random.below(8),
    }
}

fn size(random: &mut Random) -> u64 {
    match random.below(14) {
        0 => 0,
        1 => random.of(&[1, 0x800, PAGE + 1]),
        2 => 1 << 40,
        3 => u64::MAX,
        4 => !0xfff,
        5..10 => PAGE,
        _ => PAGE * (1 + random.below(6)),
    }
}

fn host(random: &mut Random) -> u64 {
    match random.below(14) {
        0 => NOWHERE,
        1 => PLAY + random.of(&[1, 8, 0x800]),
        2 => PLAY + (PLAY_PAGES - 1) * PAGE,
        3 => READABLE,
        4 => !0xfff,
        5 => 0,
        _ => PLAY + PAGE * random.below(PLAY_PAGES - 6),
    }
}

/// What may be unmapped: where the device may run, not its ring. Without a size it is nothing but
/// at 0, where it is everything: its last address is the one before.
fn unmap(random: &mut Random, lively: bool) -> (u64, u64) {
    let (iova, size) = (iova(random), size(random));
    let last = iova.checked_add(size.wrapping_sub(1));
    let harmless = match (iova, size) {
        (0, 0) => false,
        (_, 0) => true,
        _ => last.is_some_and(|last| last < RING_IOVA || iova > RING_IOVA + RING_LEN),
    };
    if lively && !harmless { (iova, PAGE) } else { (iova, size) }
}

pub(crate) fn mdev_map(random: &mut Random) -> Body {
    let perm = random.of(&[3_u32, 3, 3, 1, 2, 0, 4, 7]);
    let flags = u32::from(random.chance(4));
    let (iova, size, uaddr) = (iova(random), size(random), host(random));
    let map = mdev::DmaMap { iova, size, uaddr, perm, flags };
    let text = format!(" {iova:#x} {size:#x} at {uaddr:#x} perm {perm} flags {flags}");
    Body { bytes: map.as_bytes().to_vec(), text }
}

pub(crate) fn mdev_unmap(random: &mut Random, lively: bool) -> Body {
    let (iova, size) = unmap(random, lively);
    let bytes = mdev::DmaUnmap { iova, size }.as_bytes().to_vec();
    Body { bytes, text: format!(" {iova:#x} {size:#x}") }
}

/// A memory table. In a lively episode one that has the ring.
pub(crate) fn table(random: &mut Random, lively: bool) -> Body {
    let mut regions = Vec::new();
    if lively {
        regions.push((RING_IOVA, RING_LEN, RING));
    }
    for _ in 0..random.below(4) {
        regions.push((iova(random), size(random), host(random)));
    }
    let nregions = match random.below(12) {
        0 => 65,
        1 => 510,
        2 => u32::MAX,
        _ => regions.len() as u32,
    };
    let padding = u32::from(random.chance(5));
    let mut bytes = [nregions, padding].as_bytes().to_vec();
    let mut text = format!(" {nregions} padding {padding}:");
    let flags_padding = u64::from(random.chance(10));
    let _ = write!(text, " flags {flags_padding}");
    for (guest_phys_addr, memory_size, userspace_addr) in regions {
        let region = MemoryRegion { guest_phys_addr, memory_size, userspace_addr, flags_padding };
        bytes.extend_from_slice(region.as_bytes());
        let _ = write!(text, " {guest_phys_addr:#x}+{memory_size:#x}@{userspace_addr:#x}");
    }
    Body { bytes, text }
}

/// A message to vhost-vdpa.
pub(crate) fn iotlb(client: &Client<'_>, random: &mut Random, lively: bool) -> Line {
    let kind = random.of(&[2_u8, 2, 2, 2, 3, 3, 5, 6, 0, 1, 4, 7, 255]);
    let perm = random.of(&[3_u8, 3, 3, 1, 2, 0, 4, 255]);
    let (iova, size) = match kind {
        // How a mapping of several pages is kept is the machine's affair: one page, or too much.
        vhost::IOTLB_UPDATE => {
            let page = IOVA + PAGE * random.below(8);
            random.of(&[
                (page, PAGE),
                (page, PAGE),
                (page, 1),
                (page + 16, 1),
                (page + 0x800, 0x800),
                (page, 0),
                (page, 1 << 40),
                (page, u64::MAX),
                (!0xfff, 2 * PAGE),
            ])
        }
        _ => unmap(random, lively),
    };
    let uaddr = host(random);
    let iotlb = IotlbMsg { iova, size, uaddr, perm, kind, padding: [0; 6] };
    let msg_type = random.of(&[2_u32, 2, 2, 2, 2, 2, 1, 0, 3]);
    let asid = random.of(&[0_u32, 0, 0, 0, 1, u32::MAX]);
    let message = MsgV2 { msg_type, asid, iotlb, padding: [0; 32] };
    let len = random.of(&[72_u64, 72, 72, 72, 72, 40, 39, 4, 3, 0, 100]);
    let mut bytes = message.as_bytes().to_vec();
    bytes.resize(len as usize, 0);
    let arg = place(random, &bytes);
    let answer = sys::write(&client.fd, arg.address, len, None);
    let text = format!(
        "vhost-vdpa write {len}: type {msg_type} asid {asid:#x} kind {kind} {iova:#x} {size:#x} at \
         {uaddr:#x} perm {perm}{}",
        arg.place
    );
    client.answered(text, answer, &arg)
}

/// A request to the container that maps or unmaps.
pub(crate) fn container(
    client: &Client<'_>,
    vfio: &Vfio,
    random: &mut Random,
    lively: bool,
) -> Line {
    let map = random.chance(60);
    let argsz = random.of(&[1_u32, 1, 1, 1, 1, 1, 0, 2]);
    let size_or = |size: usize| match argsz {
        0 => 0,
        1 => size as u32,
        _ => size as u32 - 1,
    };
    if map {
        let flags = random.of(&[3_u32, 3, 3, 3, 1, 2, 0, 8, 0xffff_fff3]);
        let (mut iova, size, vaddr) = (iova(random), size(random), host(random));
        if iova == !0xfff && size == PAGE {
            // A mapping of the last page makes type 1 blind for the others.
            iova = IOVA;
        }
        let argsz = size_or(size_of::<vfio::DmaMap>());
        let map = vfio::DmaMap { argsz, flags, vaddr, iova, size };
        let arg = place(random, map.as_bytes());
        let answer = sys::ioctl(&vfio.container, vfio::IOMMU_MAP_DMA, arg.address);
        let text = format!(
            "vfio MAP_DMA {iova:#x} {size:#x} at {vaddr:#x} flags {flags:#x} argsz {argsz}{}",
            arg.place
        );
        return client.answered(text, answer, &arg);
    }
    let (iova, size) = unmap(random, lively);
    let flags = random.of(&[0_u32, 0, 0, 0, 0, 0, 8, 0x8000_0000]);
    let argsz = size_or(size_of::<vfio::DmaUnmap>());
    let unmap = vfio::DmaUnmap { argsz, flags, iova, size };
    let arg = place(random, unmap.as_bytes());
    let answer = sys::ioctl(&vfio.container, vfio::IOMMU_UNMAP_DMA, arg.address);
    let text =
        format!("vfio UNMAP_DMA {iova:#x} {size:#x} flags {flags:#x} argsz {argsz}{}", arg.place);
    client.answered(text, answer, &arg)
}
