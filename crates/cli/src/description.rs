//! What an opened device says of itself, to be printed.

use std::fmt::Write as _;

use serde::Serialize;
use vhost_accel::{Features, Iova, VhostAccel};

use crate::error::CliError;

/// A device, after asking it everything that can be asked without changing it.
#[derive(Serialize)]
pub(crate) struct Description {
    uri: String,
    interface: &'static str,
    thread_id: &'static str,
    device_id: u32,
    queues: u16,
    max_queue_size: u16,
    capabilities: Vec<String>,
    status: u8,
    features: String,
    feature_names: Vec<&'static str>,
    config: String,
    iova_ranges: Vec<IovaBounds>,
    page_sizes: String,
    max_mappings: Option<u64>,
}

#[derive(Serialize)]
struct IovaBounds {
    first: String,
    last: String,
}

/// The features of a virtio network device and of virtio itself that have a name here.
const FEATURE_NAMES: [(u32, &str); 15] = [
    (3, "NET_F_MTU"),
    (5, "NET_F_MAC"),
    (15, "NET_F_MRG_RXBUF"),
    (16, "NET_F_STATUS"),
    (17, "NET_F_CTRL_VQ"),
    (22, "NET_F_MQ"),
    (23, "NET_F_CTRL_MAC_ADDR"),
    (26, "VHOST_F_LOG_ALL"),
    (28, "RING_F_INDIRECT_DESC"),
    (29, "RING_F_EVENT_IDX"),
    (32, "F_VERSION_1"),
    (33, "F_ACCESS_PLATFORM"),
    (34, "F_RING_PACKED"),
    (35, "F_IN_ORDER"),
    (38, "F_NOTIFICATION_DATA"),
];

impl Description {
    /// Asks `device`, which was opened as `uri`.
    pub(crate) fn of(device: &dyn VhostAccel, uri: String) -> Result<Self, CliError> {
        let info = device.info();
        let features = device.features()?;
        let mut config = vec![0; device.config_size()? as usize];
        device.read_config(0, &mut config)?;
        let limits = device.dma_limits()?;
        Ok(Self {
            uri,
            interface: info.interface.name(),
            thread_id: info.interface.thread_id(),
            device_id: info.device_id,
            queues: info.queue_count,
            max_queue_size: info.max_queue_size,
            capabilities: info.capabilities.to_string().split(' ').map(str::to_owned).collect(),
            status: device.status()?.bits(),
            features: format!("{:#x}", features.bits()),
            feature_names: names(features),
            config: config.iter().fold(String::new(), |mut text, byte| {
                // Writing to a String doesn't fail.
                let _ = write!(text, "{byte:02x}");
                text
            }),
            iova_ranges: limits
                .ranges
                .iter()
                .map(|range| IovaBounds {
                    first: range.start.to_string(),
                    last: range.last().unwrap_or(Iova(u64::MAX)).to_string(),
                })
                .collect(),
            page_sizes: format!("{:#x}", limits.page_sizes),
            max_mappings: limits.max_mappings,
        })
    }

    /// As rows of a table.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let ranges: Vec<String> = self
            .iova_ranges
            .iter()
            .map(|range| format!("{}-{}", range.first, range.last))
            .collect();
        let mappings = self.max_mappings.map_or("not said".to_owned(), |most| most.to_string());
        [
            ("URI", self.uri.clone()),
            ("interface", format!("{} ({})", self.interface, self.thread_id)),
            ("virtio device id", self.device_id.to_string()),
            ("vrings", format!("{} of at most {} entries", self.queues, self.max_queue_size)),
            ("capabilities", self.capabilities.join(" ")),
            ("status", self.status.to_string()),
            ("features", format!("{} {}", self.features, self.feature_names.join(" "))),
            ("config space", self.config.clone()),
            ("IOVA ranges", ranges.join(" ")),
            ("page sizes", self.page_sizes.clone()),
            ("most mappings", mappings),
        ]
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect()
    }
}

fn names(features: Features) -> Vec<&'static str> {
    FEATURE_NAMES
        .into_iter()
        .filter(|(bit, _)| features.bits() & (1 << bit) != 0)
        .map(|(_, name)| name)
        .collect()
}
