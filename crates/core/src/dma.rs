//! The DMA column: which memory the device may use, at which address.

use std::io;

use crate::address::{Hva, Iova, IovaRange};

/// What the device may do with mapped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read only: transmit buffers, descriptor tables, available rings.
    Read,
    /// Write only.
    Write,
    /// Both.
    ReadWrite,
}

impl Access {
    /// Whether the device may read.
    pub const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether the device may write.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

/// Memory of this process to be used by the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DmaMapping {
    /// Where the device finds it.
    pub iova: Iova,
    /// How many bytes: whole pages.
    pub len: u64,
    /// Where this process has it.
    pub host: Hva,
    /// What the device may do.
    pub access: Access,
}

impl DmaMapping {
    /// `len` bytes of this process from `host` on, which the device finds at `iova`.
    pub const fn new(iova: Iova, len: u64, host: Hva, access: Access) -> Self {
        Self { iova, len, host, access }
    }

    /// The range of I/O virtual addresses.
    pub const fn range(&self) -> IovaRange {
        IovaRange::new(self.iova, self.len)
    }
}

/// What can be mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DmaLimits {
    /// The I/O virtual addresses that exist.
    pub ranges: Vec<IovaRange>,
    /// The sizes that a mapping may be made of, a bit each (4 KiB is bit 12).
    pub page_sizes: u64,
    /// How many mappings there can be at a time, for VFIO: how many more; `None` where the kernel
    /// doesn't say.
    pub max_mappings: Option<u64>,
}

impl DmaLimits {
    /// Mappings in `ranges`, made of pages of these sizes, and how many.
    pub const fn new(ranges: Vec<IovaRange>, page_sizes: u64, max_mappings: Option<u64>) -> Self {
        Self { ranges, page_sizes, max_mappings }
    }
}

/// One of several mappings failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct DmaFailure {
    /// Its position; `None` when the kernel took them as one and didn't say.
    pub index: Option<usize>,
    /// Why.
    pub source: io::Error,
}

impl DmaFailure {
    /// The mapping at `index` failed.
    pub const fn at(index: usize, source: io::Error) -> Self {
        Self { index: Some(index), source }
    }
}

impl From<io::Error> for DmaFailure {
    fn from(source: io::Error) -> Self {
        Self { index: None, source }
    }
}

/// How an interface programs DMA.
///
/// [`Device`](crate::Device) calls these with ranges that are page aligned, not empty and don't
/// wrap.
///
/// By implementing this trait you guarantee that:
///  - `map` and `unmap` do not allocate;
///  - when `map_all` fails, none of its mappings is left;
///  - when `unmap` returns, the device no longer touches the memory;
///  - `unmap` takes whole mappings, any number of them, with gaps between.
///
/// A method that comes with a later version is a provided one, and answers EOPNOTSUPP.
#[expect(unsafe_code, reason = "the device gets access to memory that the caller names")]
pub trait Dma: Send {
    /// Maps memory.
    ///
    /// # Safety
    /// As [`VhostAccel::dma_map`](crate::VhostAccel::dma_map).
    unsafe fn map(&mut self, mapping: &DmaMapping) -> io::Result<()>;

    /// Maps all or none.
    ///
    /// # Safety
    /// As [`VhostAccel::dma_map`](crate::VhostAccel::dma_map), for each.
    unsafe fn map_all(&mut self, mappings: &[DmaMapping]) -> Result<(), DmaFailure> {
        for (index, mapping) in mappings.iter().enumerate() {
            // SAFETY: the caller vouches for each mapping.
            if let Err(source) = unsafe { self.map(mapping) } {
                for done in &mappings[..index] {
                    // The map error is the one to report; an unmap of what was just mapped can
                    // only fail with the device gone.
                    let _ = self.unmap(done.range());
                }
                return Err(DmaFailure::at(index, source));
            }
        }
        Ok(())
    }

    /// Unmaps ranges and maps memory, as one change where the interface can. A range without a
    /// mapping is no error. Without [`ATOMIC_DMA`](crate::Capabilities::ATOMIC_DMA) what was
    /// unmapped before a failure stays unmapped, and none of `map` is mapped.
    ///
    /// # Safety
    /// As [`VhostAccel::dma_update`](crate::VhostAccel::dma_update).
    unsafe fn update(&mut self, unmap: &[IovaRange], map: &[DmaMapping]) -> Result<(), DmaFailure> {
        for &range in unmap {
            match self.unmap(range) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                unmapped => unmapped?,
            }
        }
        // SAFETY: the caller vouches for each mapping.
        unsafe { self.map_all(map) }
    }

    /// Unmaps every mapping in the range. ENOENT when there is none, where the interface can tell.
    fn unmap(&mut self, range: IovaRange) -> io::Result<()>;

    /// What can be mapped.
    fn limits(&self) -> io::Result<DmaLimits>;
}
