//! Sizes that devices, memory and several scenarios must agree on.

use std::fmt;

/// How many queue pairs the setup scenarios use.
pub const PAIRS: [u16; 4] = [1, 4, 16, 64];
/// Queue pairs of a device: as many as the largest setup uses.
pub(crate) const QUEUE_PAIRS: u16 = PAIRS[PAIRS.len() - 1];
/// How many mappings are live in the `dma-churn` scenarios.
pub const LIVE: [u32; 4] = [64, 4_096, 65_536, 1_048_576];

/// How much a DMA mapping covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapSize {
    /// 4 KiB.
    Page,
    /// 2 MiB.
    Huge,
    /// 1 GiB.
    Gigantic,
}

impl MapSize {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Page, Self::Huge, Self::Gigantic];

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Page => 4 << 10,
            Self::Huge => 2 << 20,
            Self::Gigantic => 1 << 30,
        }
    }
}

impl fmt::Display for MapSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Page => "4K",
            Self::Huge => "2M",
            Self::Gigantic => "1G",
        })
    }
}
