//! The argument of VHOST_SET_MEM_TABLE.

use vhost_accel_device::Errno;
use vhost_accel_uapi::vhost;
use zerocopy::IntoBytes;

use crate::call::Call;

/// The regions of the memory table at `arg`: EFAULT, EOPNOTSUPP for padding that is not 0, E2BIG.
pub(crate) fn read_mem_table(
    call: &Call<'_>,
    arg: u64,
    max_regions: u32,
) -> Result<Vec<vhost::MemoryRegion>, Errno> {
    let head: vhost::Memory = call.read(arg)?;
    if head.padding != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if head.nregions > max_regions {
        return Err(Errno::E2BIG);
    }
    let mut regions = vec![vhost::MemoryRegion::default(); head.nregions as usize];
    let first = arg.wrapping_add(size_of::<vhost::Memory>() as u64);
    call.read_bytes(first, regions.as_mut_bytes())?;
    Ok(regions)
}
