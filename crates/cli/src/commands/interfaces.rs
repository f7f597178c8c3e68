//! `interfaces`: the four rows, with what an emulated device of each can do.

use std::process::ExitCode;

use serde::Serialize;
use vhost_accel::{Interface, open_uri};

use crate::args::{Interfaces, Kernel};
use crate::error::CliError;
use crate::{output, target};

#[derive(Serialize)]
struct Row {
    interface: &'static str,
    thread_id: &'static str,
    control: &'static str,
    kick: &'static str,
    call: &'static str,
    dma: &'static str,
    capabilities: Vec<String>,
}

/// Control, kick, call and DMA: the columns in which the interfaces differ.
const fn columns(interface: Interface) -> [&'static str; 4] {
    const EVENTFD: &str = "SET_VRING_KICK eventfd, doorbell page";
    match interface {
        Interface::VfioMsg => [
            "messages in CONFIG_REGION",
            "doorbell page or pwrite of NOTIFY_REGION",
            "VFIO_DEVICE_SET_IRQS",
            "VFIO container",
        ],
        Interface::VfioIoctl => {
            ["vhost ioctls on the VFIO device fd", EVENTFD, "SET_VRING_CALL", "VFIO container"]
        }
        Interface::VhostMdev => [
            "vhost ioctls on its character device",
            EVENTFD,
            "SET_VRING_CALL",
            "SET_MEM_TABLE, or MAP/UNMAP ioctls",
        ],
        Interface::VhostVdpa => [
            "vhost ioctls on its character device",
            EVENTFD,
            "SET_VRING_CALL",
            "IOTLB messages v2, batched",
        ],
        Interface::Other(_) => ["-"; 4],
    }
}

pub(crate) fn run(args: &Interfaces) -> Result<ExitCode, CliError> {
    // Capabilities are a device's: they are asked, not written down here.
    let kernel = Kernel { emulated: true, emulated_pairs: None };
    let rows = target::on_kernel(&kernel, || {
        let found = vhost_accel::devices().map_err(CliError::Devices)?;
        found
            .iter()
            .map(|uri| {
                let device = open_uri(uri)?;
                let info = device.info();
                let [control, kick, call, dma] = columns(info.interface);
                let names = info.capabilities.to_string();
                Ok(Row {
                    interface: info.interface.name(),
                    thread_id: info.interface.thread_id(),
                    control,
                    kick,
                    call,
                    dma,
                    capabilities: names.split(' ').map(str::to_owned).collect(),
                })
            })
            .collect::<Result<Vec<_>, CliError>>()
    })?;
    if args.json {
        output::json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    for row in rows {
        let title = format!("{} ({})", row.interface, row.thread_id);
        output::line(title)?;
        let abilities = row.capabilities.join(" ");
        let parts = [
            ("control", row.control),
            ("kick", row.kick),
            ("call", row.call),
            ("DMA", row.dma),
            ("can", abilities.as_str()),
        ];
        for (name, value) in parts {
            output::line(format_args!("  {name:8}{value}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
