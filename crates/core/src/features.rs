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
        /// VIRTIO_F_NOTIFICATION_DATA: a doorbell store is 32 bits wide and says more.
        const NOTIFICATION_DATA = 1 << 38;
        /// Every other bit.
        const _ = !0;
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
