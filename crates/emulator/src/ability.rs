//! What can be missing.

/// What some devices, or their kernels, are without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ability {
    /// Suspend and resume, on each interface: VHOST_BACKEND_F_SUSPEND and VHOST_BACKEND_F_RESUME
    /// are not offered, and the requests are EOPNOTSUPP. SET_STATE of #1/A is none of them.
    Suspend,
    /// Doorbell pages, on each interface. A mapping is EINVAL on #1, ENODEV on #2 and ENOTSUPP on
    /// vhost-vdpa.
    Doorbell,
    /// The dirty log of #1 and #2: VHOST_F_LOG_ALL is not offered. vhost-vdpa has none.
    DirtyLog,
    /// Batches of IOTLB messages on vhost-vdpa, as before Linux 5.11: VHOST_BACKEND_F_IOTLB_BATCH
    /// is not offered.
    IotlbBatch,
}

impl Ability {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Suspend, Self::Doorbell, Self::DirtyLog, Self::IotlbBatch];
}
