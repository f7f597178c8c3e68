//! What kind of device it is: sizes, features and config space.

use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_MAC, VIRTIO_NET_F_MQ,
    VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU, VIRTIO_NET_F_STATUS, VIRTIO_NET_S_LINK_UP,
};

use crate::Errno;

/// `struct virtio_net_config` up to `mtu`, in bytes.
pub(super) const CONFIG_SIZE: usize = 12;

/// The most pairs of any device.
const MAX_PAIRS: u16 = 128;
/// The smallest MTU that virtio 1.2, section 5.1.4.1 allows.
const MIN_MTU: u16 = 68;

/// What a device is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceConfig {
    /// Queue pairs, 1 to 128.
    pub pairs: u16,
    /// The largest size of a vring, a power of two up to 1024.
    pub max_queue_size: u16,
    /// The MAC that config space starts with.
    pub mac: [u8; 6],
    /// The MTU in config space, in bytes, 68 or more.
    pub mtu: u16,
    /// Whether the interface has a dirty log: `VHOST_F_LOG_ALL` is offered.
    pub log: bool,
}

impl DeviceConfig {
    /// Refuses what no device has.
    pub(super) fn check(&self) -> Result<(), Errno> {
        let pairs = (1..=MAX_PAIRS).contains(&self.pairs);
        if pairs && self.mtu >= MIN_MTU { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Two vrings a pair and the control queue.
    pub(super) fn queue_count(&self) -> u16 {
        2 * self.pairs + 1
    }

    /// The features that a network device offers.
    pub(super) fn features(&self) -> u64 {
        let always = [
            VIRTIO_NET_F_MTU,
            VIRTIO_NET_F_MAC,
            VIRTIO_NET_F_MRG_RXBUF,
            VIRTIO_NET_F_STATUS,
            VIRTIO_NET_F_CTRL_VQ,
            VIRTIO_NET_F_CTRL_MAC_ADDR,
        ];
        always.iter().fold(0, |features, bit| features | 1 << bit)
            | u64::from(self.pairs > 1) << VIRTIO_NET_F_MQ
    }

    /// Config space, with the MAC that the device has now.
    pub(super) fn space(&self, mac: [u8; 6]) -> [u8; CONFIG_SIZE] {
        let [m0, m1, m2, m3, m4, m5] = mac;
        let [s0, s1] = (VIRTIO_NET_S_LINK_UP as u16).to_le_bytes();
        let [p0, p1] = self.pairs.to_le_bytes();
        let [t0, t1] = self.mtu.to_le_bytes();
        [m0, m1, m2, m3, m4, m5, s0, s1, p0, p1, t0, t1]
    }
}
