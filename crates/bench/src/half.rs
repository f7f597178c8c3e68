//! The kernel halves that a scenario can run on.

use vhost_accel_emulator::EmulatedKernel;

use crate::error::Result;
use crate::results::KernelHalf;
use crate::sizes::{LIVE, QUEUE_PAIRS};

/// Mappings that a VFIO container takes: `dma_entry_limit`, raised for the `dma-churn` scenarios,
/// and by the lab for vfio_iommu_type1 too.
const DMA_ENTRIES: u32 = LIVE[LIVE.len() - 1] + 64;

impl KernelHalf {
    /// Does `work` where this kernel half's devices are to be seen: on an emulated kernel of its
    /// own with two devices of each kind, or as things are.
    pub(crate) fn enter<T: Send>(self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        match self {
            Self::Emulated => EmulatedKernel::builder()
                .queue_pairs(QUEUE_PAIRS)
                .devices(2)
                .dma_entry_limit(DMA_ENTRIES)
                .build()?
                .run(work)?,
            Self::Native => work(),
        }
    }
}
