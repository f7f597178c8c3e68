//! Feature bits and device status, as virtio numbers them.

bitflags::bitflags! {
    /// Virtio feature bits (virtio 1.2, 2.2), and vhost's own that travel in the same word.
    ///
    /// Bits without a name are kept: the set is the device's, not ours.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Features: u64 {
        /// VHOST_F_LOG_ALL: the device logs the pages that it writes.
        const LOG_ALL = 1 << 26;
        /// VIRTIO_RING_F_INDIRECT_DESC.
        const INDIRECT_DESC = 1 << 28;
        /// VIRTIO_RING_F_EVENT_IDX.
        const EVENT_IDX = 1 << 29;
        /// VIRTIO_F_VERSION_1.
        const VERSION_1 = 1 << 32;
        /// VIRTIO_F_ACCESS_PLATFORM: addresses are translated.
        const ACCESS_PLATFORM = 1 << 33;
        /// VIRTIO_F_RING_PACKED: packed virtqueues. Not [`DRIVEN`](Self::DRIVEN).
        const RING_PACKED = 1 << 34;
        /// VIRTIO_F_IN_ORDER: buffers are used in the order in which they were made available.
        const IN_ORDER = 1 << 35;
        /// VIRTIO_F_ORDER_PLATFORM: memory accesses are ordered as the platform orders a device's.
        const ORDER_PLATFORM = 1 << 36;
        /// VIRTIO_F_NOTIFICATION_DATA: a doorbell store is 32 bits wide and says more.
        const NOTIFICATION_DATA = 1 << 38;
        /// VIRTIO_F_RING_RESET: a vring can be reset alone. Not [`DRIVEN`](Self::DRIVEN).
        const RING_RESET = 1 << 40;
        /// Every other bit.
        const _ = !0;
    }
}

impl Features {
    /// Bits 24 to 49, which change how rings, notifications and negotiation work (virtio 1.2, 2.2),
    /// and which vhost has bits of its own among. The bits below and above are the device type's:
    /// the library carries them, and their meaning is between the device and who asks for them.
    pub const TRANSPORT: Self = Self::from_bits_retain((1 << 50) - (1 << 24));

    /// Those of [`TRANSPORT`](Self::TRANSPORT) that the library can drive or need not know of; the
    /// others [`negotiate`](crate::VhostAccel::negotiate) never accepts.
    ///
    /// | bit | | why |
    /// |--:|---|---|
    /// | 26 | LOG_ALL | [`set_dirty_log`](crate::VhostAccel::set_dirty_log) |
    /// | 28, 29 | INDIRECT_DESC, EVENT_IDX | the matter of who writes the ring |
    /// | 32, 33 | VERSION_1, ACCESS_PLATFORM | what everything here is built on |
    /// | 35 | IN_ORDER | the matter of who reads the used ring; a base means the same |
    /// | 36 | ORDER_PLATFORM | barriers are the matter of who writes the ring, the one before a kick too |
    /// | 38 | NOTIFICATION_DATA | [`kick_with`](crate::Kicker::kick_with) |
    ///
    /// Not among them: RING_PACKED (34), whose sizes are any number and whose base has two indexes
    /// and two wrap bits; RING_RESET (40), a reset of one vring that no call here makes;
    /// NOTIF_CONFIG_DATA (39), which puts another number than the vring's into a kick; SR_IOV (37)
    /// and ADMIN_VQ (41), of functions and vrings that nobody would set up; what is from before
    /// virtio 1.0 and means nothing with it or is vhost's own (NOTIFY_ON_EMPTY 24, ANY_LAYOUT and
    /// VHOST_NET_F_VIRTIO_NET_HDR 27, VHOST_USER_F_PROTOCOL_FEATURES 30); and every bit that has no
    /// meaning yet.
    pub const DRIVEN: Self = Self::LOG_ALL
        .union(Self::INDIRECT_DESC)
        .union(Self::EVENT_IDX)
        .union(Self::VERSION_1)
        .union(Self::ACCESS_PLATFORM)
        .union(Self::IN_ORDER)
        .union(Self::ORDER_PLATFORM)
        .union(Self::NOTIFICATION_DATA);

    /// Those of this set that [`negotiate`](crate::VhostAccel::negotiate) takes out.
    #[must_use]
    pub const fn undriven(self) -> Self {
        self.intersection(Self::TRANSPORT.difference(Self::DRIVEN))
    }
}

bitflags::bitflags! {
    /// The virtio device status (virtio 1.2, 2.1).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Status: u8 {
        /// The driver has seen the device.
        const ACKNOWLEDGE = 1;
        /// The driver knows how to drive it.
        const DRIVER = 2;
        /// The driver is ready: the device runs.
        const DRIVER_OK = 4;
        /// Feature negotiation is complete.
        const FEATURES_OK = 8;
        /// The device met an error that it can't recover from; here: a vring has stopped.
        const NEEDS_RESET = 0x40;
        /// The driver gave up.
        const FAILED = 0x80;
        /// Every other bit.
        const _ = !0;
    }
}
