//! Maps a whole guest memory for the device.

use vm_memory::{GuestMemoryBackend, GuestMemoryRegion, MemoryRegionAddress};

use crate::accel::VhostAccel;
use crate::address::{Gpa, Hva, Iova};
use crate::dma::{Access, DmaMapping};
use crate::error::{Error, Operation, Reason, Result, Subject};

/// Maps every region of a guest's memory at the IOVA that equals its guest physical address: what a
/// VMM without a vIOMMU does once. All or none.
///
/// # Errors
/// As [`VhostAccel::dma_map_all`]; [`Reason::Library`] for a region without a host address.
///
/// # Safety
/// As [`VhostAccel::dma_map`], for the memory of each region.
#[expect(unsafe_code, reason = "passes the caller's promise on")]
pub unsafe fn map_guest_memory<M: GuestMemoryBackend>(
    device: &mut dyn VhostAccel,
    memory: &M,
) -> Result<()> {
    let mappings = memory
        .iter()
        .map(|region| {
            let host = region.get_host_address(MemoryRegionAddress(0)).map_err(|error| {
                let info = device.info();
                let reason = Reason::Library(Box::new(error));
                let path = info.path.clone();
                Error::new(info.interface, path, Operation::DmaMap, Subject::Device, reason)
            })?;
            let iova = Iova::from(Gpa(region.start_addr().0));
            Ok(DmaMapping::new(iova, region.len(), Hva::from(host), Access::ReadWrite))
        })
        .collect::<Result<Vec<_>>>()?;
    // SAFETY: the caller's promise is the same.
    unsafe { device.dma_map_all(&mappings) }
}
