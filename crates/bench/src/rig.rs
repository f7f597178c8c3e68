//! What a VMM has before it opens a device: guest memory with rings in it, and call eventfds.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use vhost_accel_conformance::driver::{Lease, RawRing, Region};
use vhost_accel_core::{Features, Iova, QueueIndex, Vring};

use crate::MapSize;
use crate::error::Result;
use crate::floor;

/// Entries of each vring.
pub(crate) const QUEUE_SIZE: u16 = 256;
/// What is negotiated: split rings, translated addresses, several queue pairs. No event index, so that
/// every kick and every call is one.
pub(crate) const FEATURES: Features = Features::VERSION_1
    .union(Features::ACCESS_PLATFORM)
    .union(Features::from_bits_retain(CTRL_VQ | MQ));

const CTRL_VQ: u64 = 1 << 17;
const MQ: u64 = 1 << 22;
/// Where the device finds rings and buffers.
const IOVA: [Iova; 2] = [Iova(4 << 30), Iova(5 << 30)];
/// Where the mappings of `dma-map` go.
const EXTRA_IOVA: Iova = Iova(64 << 30);
/// The bytes of a buffer.
pub(crate) const BUFFER: usize = 2048;

/// Guest memory of two regions: rings in one, buffers in the other.
#[derive(Debug)]
pub(crate) struct Rig {
    leases: [Lease; 2],
    extra: Vec<Lease>,
    rings: Vec<RawRing>,
    calls: Vec<File>,
}

impl Rig {
    /// Memory for a device with `queues` vrings.
    ///
    /// # Errors
    /// Those of mmap(2) and eventfd(2).
    pub(crate) fn new(queues: u16) -> Result<Self> {
        // One region lent in part or whole; this process touches none of it.
        Self::with_extra(queues, &Region::new(MapSize::Gigantic.bytes() as usize)?)
    }

    /// Another like it for a second device. They share the third region.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn twin(&self) -> Result<Self> {
        Self::with_extra(self.queues(), self.extra(MapSize::Gigantic).region())
    }

    fn with_extra(queues: u16, extra: &Arc<Region>) -> Result<Self> {
        let ring = RawRing::bytes(QUEUE_SIZE);
        let rings = Region::new(ring * usize::from(queues))?;
        let buffers = Region::new(2 * BUFFER * usize::from(QUEUE_SIZE))?;
        let at = |queue: u16| RawRing::new(&rings, ring * usize::from(queue), QUEUE_SIZE, IOVA[0]);
        Ok(Self {
            rings: (0..queues).map(at).collect(),
            leases: [rings.at(IOVA[0]), buffers.at(IOVA[1])],
            extra: MapSize::ALL
                .iter()
                .map(|size| extra.part(0, size.bytes() as usize, EXTRA_IOVA))
                .collect(),
            calls: (0..queues).map(|_| floor::eventfd()).collect::<Result<_>>()?,
        })
    }

    /// How many vrings it has.
    pub(crate) fn queues(&self) -> u16 {
        self.rings.len() as u16
    }

    /// The two regions.
    pub(crate) fn leases(&self) -> &[Lease] {
        &self.leases
    }

    /// A third region that the `dma-map` scenarios lend.
    pub(crate) fn extra(&self, size: MapSize) -> &Lease {
        let position = MapSize::ALL.iter().position(|&one| one == size);
        &self.extra[position.unwrap_or_default()]
    }

    /// The data vrings of `pairs` queue pairs.
    pub(crate) fn data(pairs: u16) -> impl Iterator<Item = QueueIndex> {
        (0..2 * pairs).map(QueueIndex)
    }

    /// The vrings of `pairs` queue pairs and the control queue, which is the device's last.
    pub(crate) fn vrings(&self, pairs: u16) -> Vec<Vring<'_>> {
        let control = QueueIndex(self.queues() - 1);
        Self::data(pairs)
            .chain([control])
            .map(|queue| {
                let ring = self.ring(queue);
                Vring {
                    queue,
                    size: QUEUE_SIZE,
                    base: 0,
                    desc: ring.desc_iova(),
                    avail: ring.avail_iova(),
                    used: ring.used_iova(),
                    call: Some(self.call(queue).as_fd()),
                    enabled: true,
                }
            })
            .collect()
    }

    /// A vring's ring.
    pub(crate) fn ring(&self, queue: QueueIndex) -> &RawRing {
        &self.rings[usize::from(queue.0)]
    }

    /// A vring's call eventfd, which blocks when it is read.
    pub(crate) fn call(&self, queue: QueueIndex) -> &File {
        &self.calls[usize::from(queue.0)]
    }

    /// The region of the buffers and where the device finds it.
    pub(crate) fn buffers(&self) -> (&Region, Iova) {
        (self.leases[1].region(), IOVA[1])
    }
}
