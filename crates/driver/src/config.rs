//! What a guest looks like.

use vhost_accel_core::{Features, Iova, KickKind, QueueIndex};
use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF,
};

/// The bytes of `struct virtio_net_hdr_v1` before each frame (virtio 1.2, 5.1.6).
pub const HEADER: usize = 12;

/// A feature by its bit number.
const fn feature(bit: u32) -> Features {
    Features::from_bits_retain(1 << bit)
}

/// The shape of a [`Guest`](super::Guest) and of its driver.
#[derive(Clone, Debug)]
pub struct Config {
    /// Queue pairs to use. Beyond one, [`MQ`](Self::MQ) and [`CTRL_VQ`](Self::CTRL_VQ) must be
    /// among the features.
    pub pairs: u16,
    /// Entries of each vring but the control queue's: a power of two.
    pub queue_size: u16,
    /// Features wanted next to VERSION_1 and ACCESS_PLATFORM; what isn't offered is done without.
    pub features: Features,
    /// The kind of kicker; `None` for the best that the device has.
    pub kick: Option<KickKind>,
    /// Descriptors of a transmit chain: 1 has header and frame in one, more have the header in its
    /// own and the frame in the rest.
    pub segments: u16,
    /// The bytes of one transmit buffer: a frame and its header must fit.
    pub tx_buffer: usize,
    /// The bytes of one receive buffer: without MRG_RXBUF a frame and its header must fit.
    pub rx_buffer: usize,
    /// The memory regions, each a DMA mapping: rings are in the first, buffers in the others.
    pub regions: usize,
    /// Where the device finds the first region; between two there is a hole of a page at least.
    pub iova: Iova,
    /// The index at which every ring starts.
    pub base: u16,
}

impl Config {
    /// VIRTIO_NET_F_MRG_RXBUF.
    pub const MRG_RXBUF: Features = feature(VIRTIO_NET_F_MRG_RXBUF);
    /// VIRTIO_NET_F_CTRL_VQ.
    pub const CTRL_VQ: Features = feature(VIRTIO_NET_F_CTRL_VQ);
    /// VIRTIO_NET_F_MQ.
    pub const MQ: Features = feature(VIRTIO_NET_F_MQ);
    /// VIRTIO_NET_F_CTRL_MAC_ADDR.
    pub const CTRL_MAC_ADDR: Features = feature(VIRTIO_NET_F_CTRL_MAC_ADDR);
    /// What no device here goes without.
    pub const REQUIRED: Features = Features::VERSION_1.union(Features::ACCESS_PLATFORM);

    /// Where a device of `pairs` queue pairs has its control queue: behind all pairs with MQ,
    /// behind the first without (virtio 1.2, 5.1.2).
    pub fn control_queue(features: Features, pairs: u16) -> QueueIndex {
        QueueIndex(if features.contains(Self::MQ) { 2 * pairs } else { 2 })
    }

    /// The default with this many pairs.
    pub fn pairs(pairs: u16) -> Self {
        Self { pairs, ..Self::default() }
    }
}

impl Default for Config {
    /// One pair, 256 entries, 2 KiB buffers in two regions from 4 GiB on, the best kicker, chains
    /// of two; indirect descriptors, event index, mergeable buffers, control queue and multiqueue.
    fn default() -> Self {
        Self {
            pairs: 1,
            queue_size: 256,
            features: Features::INDIRECT_DESC
                | Features::EVENT_IDX
                | Self::MRG_RXBUF
                | Self::CTRL_VQ
                | Self::MQ
                | Self::CTRL_MAC_ADDR,
            kick: None,
            segments: 2,
            tx_buffer: 2048,
            rx_buffer: 2048,
            regions: 2,
            iova: Iova(1 << 32),
            base: 0,
        }
    }
}
