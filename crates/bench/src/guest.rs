//! What a VMM has before it opens a device: guest memory with rings in it, and call eventfds.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use vhost_accel::{Features, Iova, KickKind, QueueIndex, Vring};
use vhost_accel_driver::{Config, Lease, RawRing, Region};

use crate::baseline;
use crate::configuration::Configuration;
use crate::error::Result;
use crate::sizes::MapSize;

/// Entries of each vring.
pub(crate) const QUEUE_SIZE: u16 = 256;
/// What is negotiated: split rings, translated addresses, several queue pairs. No event index, so
/// that every kick and every call is one.
pub(crate) const FEATURES: Features = Features::VERSION_1
    .union(Features::ACCESS_PLATFORM)
    .union(Features::from_bits_retain(CTRL_VQ | MQ));

const CTRL_VQ: u64 = 1 << 17;
const MQ: u64 = 1 << 22;
/// Where the device finds rings and buffers.
const IOVA: [Iova; 2] = [Iova(4 << 30), Iova(5 << 30)];
/// Where the mappings of `dma-map` go.
const EXTRA_IOVA: Iova = Iova(64 << 30);
/// Where the mappings of `dma-churn` begin, and how far apart they are: no two adjoin.
const CHURN_IOVA: Iova = Iova(128 << 30);
const CHURN_STEP: u64 = 2 * PAGE;
/// Where the regions of `mem-table` begin, and how far apart they are.
const TABLE_IOVA: Iova = Iova(256 << 30);
const TABLE_STEP: u64 = 2 * TABLE_LEN;
const TABLE_LEN: u64 = 64 << 10;
/// How much of the third region the mappings of `dma-churn` cover, again and again.
const CHURN_MEMORY: u64 = 64 << 20;
const PAGE: u64 = 4096;
/// The bytes of a buffer.
pub(crate) const BUFFER: usize = 2048;

/// How the driver waits for a device, and kicks it where the kick is not what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// The device has a CPU of its own: watch the ring; kick by doorbell.
    Watch,
    /// The device's thread needs this CPU: hand it over; kick by a request, since a device that
    /// polls a doorbell would be measured polling.
    Yield,
}

impl Waiting {
    /// How `configuration` is kicked.
    pub(crate) fn kick(self, configuration: Configuration) -> KickKind {
        let best = configuration.best_kick();
        match self {
            Self::Watch => best,
            Self::Yield => KickKind::ALL
                .into_iter()
                .find(|&kind| kind != KickKind::Doorbell && configuration.has_kick(kind))
                .unwrap_or(best),
        }
    }

    /// Waits a moment.
    #[inline]
    pub(crate) fn pause(self) {
        match self {
            Self::Watch => std::hint::spin_loop(),
            Self::Yield => std::thread::yield_now(),
        }
    }
}

/// Guest memory of two regions: rings in one, buffers in the other.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) waiting: Waiting,
    leases: [Lease; 2],
    extra: Vec<Lease>,
    rings: Vec<RawRing>,
    calls: Vec<File>,
}

impl Guest {
    /// Memory for the vrings of one device that has `queue_pairs`.
    ///
    /// # Errors
    /// Those of mmap(2) and eventfd(2).
    pub(crate) fn new(queue_pairs: u16, waiting: Waiting) -> Result<Self> {
        // One region lent in part or whole; this process touches none of it.
        let extra = Region::huge(MapSize::Gigantic.bytes() as usize)?;
        Self::with_extra(2 * queue_pairs + 1, waiting, &extra)
    }

    /// Another like it for a second device. They share the third region.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn twin(&self) -> Result<Self> {
        Self::with_extra(self.queues(), self.waiting, self.extra(MapSize::Gigantic).region())
    }

    fn with_extra(queues: u16, waiting: Waiting, extra: &Arc<Region>) -> Result<Self> {
        let ring = RawRing::bytes(QUEUE_SIZE);
        let rings = Region::huge(ring * usize::from(queues))?;
        let buffers = Region::huge(2 * BUFFER * usize::from(QUEUE_SIZE))?;
        let at = |queue: u16| RawRing::new(&rings, ring * usize::from(queue), QUEUE_SIZE, IOVA[0]);
        Ok(Self {
            waiting,
            rings: (0..queues).map(at).collect(),
            leases: [rings.at(IOVA[0]), buffers.at(IOVA[1])],
            extra: MapSize::ALL
                .iter()
                .map(|size| extra.part(0, size.bytes() as usize, EXTRA_IOVA))
                .collect(),
            calls: (0..queues).map(|_| baseline::eventfd()).collect::<Result<_>>()?,
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

    /// The page that is mapped `number`th in `dma-churn`.
    pub(crate) fn churn(&self, number: u32) -> Lease {
        let number = u64::from(number);
        let offset = number * PAGE % CHURN_MEMORY;
        let iova = Iova(CHURN_IOVA.0 + number * CHURN_STEP);
        self.extra(MapSize::Gigantic).region().part(offset as usize, PAGE as usize, iova)
    }

    /// The regions of `mem-table`.
    pub(crate) fn table(&self, regions: u16) -> Vec<Lease> {
        let extra = self.extra(MapSize::Gigantic).region();
        let lease = |number| {
            let iova = Iova(TABLE_IOVA.0 + number * TABLE_STEP);
            extra.part((number * TABLE_LEN) as usize, TABLE_LEN as usize, iova)
        };
        (0..u64::from(regions)).map(lease).collect()
    }

    /// The data vrings of `pairs` queue pairs.
    pub(crate) fn data(pairs: u16) -> impl Iterator<Item = QueueIndex> {
        (0..2 * pairs).map(QueueIndex)
    }

    /// The vrings of `pairs` queue pairs and the control queue.
    pub(crate) fn vrings(&self, pairs: u16) -> Vec<Vring<'_>> {
        let control = Config::control_queue(FEATURES, self.queues() / 2);
        Self::data(pairs)
            .chain([control])
            .map(|queue| self.ring(queue).vring(queue).with_call(Some(self.call(queue).as_fd())))
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
