//! A network device: what it is besides its transport. A frame that is sent comes back.

mod config;
mod control;
mod frames;

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use virtio_bindings::virtio_ids::VIRTIO_ID_NET;
use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MQ,
};

use self::config::CONFIG_SIZE;
use self::frames::Scratch;
use crate::counters::Counters;
use crate::transport::{DRIVER_OK, Function, Pass, Shared, Walk, run};
use crate::{Device, Errno, lock};

pub use self::config::DeviceConfig;

/// What a vring is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The receive queue of a pair.
    Receive(u16),
    /// The transmit queue of a pair.
    Transmit(u16),
    /// The control queue.
    Control,
    /// Nothing, with the features that were negotiated. It can be set up, and is not looked at.
    None,
}

/// The network side of a device.
#[derive(Debug)]
struct Net {
    config: DeviceConfig,
    active_pairs: AtomicU16,
    mac: Mutex<[u8; 6]>,
    frames: AtomicU64,
    bytes: AtomicU64,
    rx_dropped: AtomicU64,
    tx_dropped: AtomicU64,
    commands: AtomicU64,
}

impl Device {
    /// A network device that nobody has opened.
    ///
    /// # Errors
    /// EINVAL for a `config` outside the limits of its fields; EMFILE or ENOMEM when the kernel
    /// gives no epoll or eventfd; ENOSYS or EAGAIN when it has no asynchronous I/O, or no more of
    /// it.
    pub fn new(config: DeviceConfig) -> Result<Arc<Self>, Errno> {
        config.check()?;
        let net = Net {
            config,
            active_pairs: AtomicU16::new(1),
            mac: Mutex::new(config.mac),
            frames: AtomicU64::default(),
            bytes: AtomicU64::default(),
            rx_dropped: AtomicU64::default(),
            tx_dropped: AtomicU64::default(),
            commands: AtomicU64::default(),
        };
        Self::of(Arc::new(net), config.max_queue_size, config.log)
    }
}

impl Net {
    /// What a vring is for: virtio 1.2, section 5.1.2. It stays while a vring runs, since features
    /// don't change then; who holds the lock of one that runs may rely on it.
    fn role(&self, shared: &Shared, queue: u16) -> Role {
        let pairs = if shared.negotiated(VIRTIO_NET_F_MQ) { self.config.pairs } else { 1 };
        match queue / 2 {
            pair if pair < pairs && queue.is_multiple_of(2) => Role::Receive(pair),
            pair if pair < pairs => Role::Transmit(pair),
            _ if queue == 2 * pairs && shared.negotiated(VIRTIO_NET_F_CTRL_VQ) => Role::Control,
            _ => Role::None,
        }
    }

    fn is_active(&self, pair: u16) -> bool {
        pair < self.active_pairs.load(Ordering::Relaxed)
    }
}

impl Function for Net {
    fn id(&self) -> u32 {
        VIRTIO_ID_NET
    }

    fn queue_count(&self) -> u16 {
        self.config.queue_count()
    }

    fn features(&self) -> u64 {
        self.config.features()
    }

    fn config_size(&self) -> usize {
        CONFIG_SIZE
    }

    fn read_config(&self, start: usize, to: &mut [u8]) {
        let space = self.config.space(*lock(&self.mac));
        to.copy_from_slice(&space[start..start + to.len()]);
    }

    fn write_config(&self, shared: &Shared, start: usize, from: &[u8]) {
        let runs = shared.status.load(Ordering::Relaxed) & DRIVER_OK != 0;
        if !runs && !shared.negotiated(VIRTIO_NET_F_CTRL_MAC_ADDR) {
            for (byte, new) in lock(&self.mac).iter_mut().skip(start).zip(from) {
                *byte = *new;
            }
        }
    }

    fn reset(&self) {
        self.active_pairs.store(1, Ordering::Relaxed);
        *lock(&self.mac) = self.config.mac;
    }

    fn count(&self, counters: &mut Counters) {
        counters.frames = self.frames.load(Ordering::Relaxed);
        counters.bytes = self.bytes.load(Ordering::Relaxed);
        counters.rx_dropped = self.rx_dropped.load(Ordering::Relaxed);
        counters.tx_dropped = self.tx_dropped.load(Ordering::Relaxed);
        counters.commands = self.commands.load(Ordering::Relaxed);
    }

    fn run(&self, shared: &Shared) {
        run(shared, Queues { net: self, scratch: Scratch::default() });
    }
}

/// The queues, as the device's thread sees them.
struct Queues<'a> {
    net: &'a Net,
    scratch: Scratch,
}

impl Walk for Queues<'_> {
    fn look(&mut self, shared: &Shared, queue: u16) -> Pass {
        match self.net.role(shared, queue) {
            Role::Control => self.net.control(shared, queue, &mut self.scratch),
            Role::Transmit(pair) => self.net.transmit(shared, pair, &mut self.scratch),
            Role::Receive(pair) => {
                self.net.look_at_receive(shared, pair);
                // New buffers are only of interest to a transmit queue that waits for them.
                let waits = shared.vring(queue + 1).ring.as_ref().is_some_and(|ring| ring.kicked);
                if waits {
                    self.net.transmit(shared, pair, &mut self.scratch)
                } else {
                    Pass::default()
                }
            }
            Role::None => Pass::default(),
        }
    }

    fn partner(&self, shared: &Shared, queue: u16) -> Option<u16> {
        match self.net.role(shared, queue) {
            Role::Receive(_) | Role::Transmit(_) => Some(queue ^ 1),
            Role::Control | Role::None => None,
        }
    }
}
