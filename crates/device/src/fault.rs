//! What can be wrong with a ring.

use crate::dma::DmaFault;

/// Why a vring was stopped. The kinds of `docs/abi.md`, section 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum FaultKind {
    /// A ring, table or buffer at an IOVA that is not mapped.
    #[error("an address that is not mapped")]
    Unmapped,
    /// An access that the mapping does not allow.
    #[error("an access that the mapping does not allow")]
    Permission,
    /// A mapping without client memory behind it.
    #[error("a mapping without memory behind it")]
    Host,
    /// A chain that comes back to itself.
    #[error("a descriptor chain with a loop")]
    Loop,
    /// A chain longer than the queue size.
    #[error("a chain longer than the queue size")]
    ChainTooLong,
    /// A descriptor index at or beyond the size of its table.
    #[error("a descriptor index out of range")]
    DescriptorIndex,
    /// An indirect table inside an indirect table.
    #[error("an indirect table inside an indirect table")]
    NestedIndirect,
    /// An indirect table of 0 bytes, of no multiple of 16, or of more entries than the queue size.
    #[error("a bad length of an indirect table")]
    IndirectLength,
    /// An indirect descriptor that names a next one.
    #[error("an indirect descriptor with a next one")]
    IndirectNext,
    /// An indirect descriptor without the feature.
    #[error("an indirect descriptor without its feature")]
    IndirectFeature,
    /// A device-readable descriptor behind a device-writable one.
    #[error("a readable descriptor behind a writable one")]
    ReadableAfterWritable,
    /// An available index ahead by more than the queue size.
    #[error("an available index too far ahead")]
    AvailableIndex,
    /// A transmit chain shorter than the virtio-net header.
    #[error("a transmit chain shorter than the header")]
    ShortHeader,
    /// A transmit chain with a device-writable descriptor.
    #[error("a writable descriptor in a transmit chain")]
    WritableInTransmit,
    /// A receive chain with a device-readable descriptor.
    #[error("a readable descriptor in a receive chain")]
    ReadableInReceive,
    /// The dirty log's base leads to no client memory.
    #[error("a dirty log without memory behind it")]
    Log,
}

impl FaultKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::Unmapped,
        Self::Permission,
        Self::Host,
        Self::Loop,
        Self::ChainTooLong,
        Self::DescriptorIndex,
        Self::NestedIndirect,
        Self::IndirectLength,
        Self::IndirectNext,
        Self::IndirectFeature,
        Self::ReadableAfterWritable,
        Self::AvailableIndex,
        Self::ShortHeader,
        Self::WritableInTransmit,
        Self::ReadableInReceive,
        Self::Log,
    ];
}

impl From<DmaFault> for FaultKind {
    fn from(fault: DmaFault) -> Self {
        match fault {
            DmaFault::Unmapped => Self::Unmapped,
            DmaFault::Permission => Self::Permission,
            DmaFault::Host => Self::Host,
        }
    }
}
