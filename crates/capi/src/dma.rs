//! Which memory the device may use.

use std::ffi::{c_int, c_void};

use vhost_accel::{Access, DirtyBitmap, DmaMapping, Hva, Iova, IovaRange};

use crate::answer::{Fault, answer, done};
use crate::devices;
use crate::numbers::{
    VHOST_ACCEL_READ, VHOST_ACCEL_READ_WRITE, VHOST_ACCEL_UNKNOWN, VHOST_ACCEL_WRITE,
};
use crate::open::vhost_accel_device;
use crate::unchecked::{flag, input, inputs, output, outputs, value};

/// Memory of this process for the device. Its parts are whole pages.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct vhost_accel_mapping {
    /// Where the device finds it.
    pub iova: u64,
    /// How many bytes.
    pub len: u64,
    /// Where this process has it.
    pub host: *mut c_void,
    /// What the device may do: VHOST_ACCEL_READ_WRITE, or with DMA_ACCESS one of the two.
    pub access: u32,
    /// 0.
    pub reserved: u32,
}

const _: () = assert!(size_of::<vhost_accel_mapping>() == 32);

impl vhost_accel_mapping {
    fn checked(&self) -> Result<DmaMapping, Fault> {
        let access = match self.access {
            VHOST_ACCEL_READ => Access::Read,
            VHOST_ACCEL_WRITE => Access::Write,
            VHOST_ACCEL_READ_WRITE => Access::ReadWrite,
            other => return Err(value("access", other)),
        };
        match self.reserved {
            0 => Ok(DmaMapping::new(Iova(self.iova), self.len, Hva::from(self.host), access)),
            other => Err(value("reserved", other)),
        }
    }
}

/// A range of IOVAs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct vhost_accel_range {
    /// The first address.
    pub start: u64,
    /// How many bytes.
    pub len: u64,
}

/// What can be mapped.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct vhost_accel_dma_limits {
    /// The sizes that a mapping may be made of, a bit each: 4 KiB is bit 12.
    pub page_sizes: u64,
    /// How many mappings there can be at a time, for VFIO how many more; VHOST_ACCEL_UNKNOWN where
    /// the kernel doesn't say.
    pub max_mappings: u64,
}

/// Lets the device use memory of this process.
///
/// Until a vhost_accel_dma_unmap of a range that covers it, or the close of the device, that memory
/// must stay mapped in this process, and writable if the device may write. The device reads and
/// writes it at any time.
///
/// EINVAL for an empty, wrapping or misaligned range. With DMA_ERRNO: EEXIST for an overlap, ENOSPC
/// beyond the limit; without it EFAULT. A host address that is none is EFAULT where the interface
/// pins at once, and stops the vring that touches it where it doesn't. EOPNOTSUPP for one-way
/// access without DMA_ACCESS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_dma_map(
    device: *mut vhost_accel_device,
    mapping: *const vhost_accel_mapping,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let mapping = unsafe { input(mapping, "mapping") }?.checked()?;
        // SAFETY: the caller keeps the memory as the header says. It is C's: no Rust reference is
        // to it.
        devices::with(device, |device| Ok(unsafe { device.dma_map(&mapping) }?))
    })
}

/// All of them, each checked.
fn all(given: &[vhost_accel_mapping]) -> Result<Vec<DmaMapping>, Fault> {
    let mut mappings = Vec::new();
    mappings.try_reserve_exact(given.len()).map_err(|_| Fault::Memory("mappings"))?;
    for mapping in given {
        mappings.push(mapping.checked()?);
    }
    Ok(mappings)
}

/// Maps all `count` or none, with BATCH_DMA as one change. As vhost_accel_dma_map for each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_dma_map_all(
    device: *mut vhost_accel_device,
    mappings: *const vhost_accel_mapping,
    count: usize,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let mappings = all(unsafe { inputs(mappings, count, "mappings") }?)?;
        // SAFETY: as in `vhost_accel_dma_map`, for each.
        devices::with(device, |device| Ok(unsafe { device.dma_map_all(&mappings) }?))
    })
}

/// Takes every mapping inside the range away. When it has answered 0, the device no longer touches
/// them. The range may cover several mappings and gaps between them, and cuts none.
///
/// With DMA_ERRNO: EINVAL if it would cut one, ENOENT if there is nothing. Without it a mapping
/// that the range touches is removed, whole or that part of it, and nothing is no error.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_dma_unmap(
    device: *mut vhost_accel_device,
    iova: u64,
    len: u64,
) -> c_int {
    let range = IovaRange::new(Iova(iova), len);
    done(|| devices::with(device, |device| Ok(device.dma_unmap(range)?)))
}

/// Takes the mappings in `unmap_count` ranges away and then maps `map_count`. Here a range in which
/// there is nothing is no error. One range from 0 on of 2^64 - 4096 bytes makes `map` all that is
/// mapped.
///
/// With ATOMIC_DMA it is one change, all or none, and memory in use may be part of it. Without it a
/// running device may meet the moment between, and stops the vring that does; with `suspended` 1
/// the vrings stand still meanwhile. What was unmapped before a failure stays so then, and none of
/// `map` is mapped.
///
/// As vhost_accel_dma_unmap and vhost_accel_dma_map; with `suspended` also as vhost_accel_suspend
/// and vhost_accel_resume.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_dma_update(
    device: *mut vhost_accel_device,
    unmap: *const vhost_accel_range,
    unmap_count: usize,
    map: *const vhost_accel_mapping,
    map_count: usize,
    suspended: u32,
) -> c_int {
    done(|| {
        let suspended = flag(suspended, "suspended")?;
        // SAFETY: the caller keeps the header's rules of pointers.
        let ranges = unsafe { inputs(unmap, unmap_count, "unmap") }?;
        let mut unmap = Vec::new();
        unmap.try_reserve_exact(unmap_count).map_err(|_| Fault::Memory("unmap"))?;
        unmap.extend(ranges.iter().map(|range| IovaRange::new(Iova(range.start), range.len)));
        // SAFETY: as above.
        let map = all(unsafe { inputs(map, map_count, "map") }?)?;
        devices::with(device, |device| {
            let updated = if suspended {
                // SAFETY: as in `vhost_accel_dma_map`, for each.
                unsafe { device.dma_update_suspended(&unmap, &map) }
            } else {
                // SAFETY: as in `vhost_accel_dma_map`, for each.
                unsafe { device.dma_update(&unmap, &map) }
            };
            Ok(updated?)
        })
    })
}

/// What can be mapped. Answers how many ranges of IOVAs there are; the first `capacity` of them are
/// put into `ranges`, which may be NULL if that is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_get_dma_limits(
    device: *mut vhost_accel_device,
    limits: *mut vhost_accel_dma_limits,
    ranges: *mut vhost_accel_range,
    capacity: usize,
) -> c_int {
    answer(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let to = unsafe { output(limits, "limits") }?;
        // SAFETY: as above.
        let places = unsafe { outputs(ranges, capacity, "ranges") }?;
        let limits = devices::with(device, |device| Ok(device.dma_limits()?))?;
        to.write(vhost_accel_dma_limits {
            page_sizes: limits.page_sizes,
            max_mappings: limits.max_mappings.unwrap_or(VHOST_ACCEL_UNKNOWN),
        });
        for (place, range) in places.iter_mut().zip(&limits.ranges) {
            place.write(vhost_accel_range { start: range.start.0, len: range.len });
        }
        c_int::try_from(limits.ranges.len()).map_err(|_| Fault::Overflow)
    })
}

/// Starts, moves or, with NULL, stops the log of pages that the device writes: bit n of the bitmap
/// is the 4 KiB page n of IOVA space. Possible while running.
///
/// The bitmap has len bytes, whole words of 8, and is aligned to 8 bytes. It must be memory of this
/// process as in vhost_accel_dma_map until the log is stopped or the device is reset or closed.
/// While there is a log, memory beyond what it covers can't be mapped for writing.
///
/// EOPNOTSUPP without DIRTY_LOG, EBUSY before vhost_accel_negotiate, EINVAL for a bitmap that
/// doesn't cover every address that is mapped for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_set_dirty_log(
    device: *mut vhost_accel_device,
    bitmap: *mut u64,
    len: u64,
) -> c_int {
    done(|| {
        if !bitmap.is_aligned() {
            return Err(Fault::Alignment("bitmap"));
        }
        let bitmap = (!bitmap.is_null()).then(|| DirtyBitmap::new(Hva::from(bitmap), len));
        // SAFETY: the caller keeps the bitmap as the header says.
        devices::with(device, |device| Ok(unsafe { device.set_dirty_log(bitmap) }?))
    })
}
