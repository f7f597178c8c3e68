//! Requests that every run sends: those of the list of differences.

use std::io;

use vhost_accel_uapi::vfio::{self, DmaMap, DmaUnmap};
use zerocopy::IntoBytes;

use crate::memory::{PAGE, PLAY, place_well};
use crate::request::{Client, Kind, Line, Pool};
use crate::sys::{self, Answer};

/// Sends them to a VFIO device.
pub(crate) fn send(pool: &Pool) -> io::Result<Vec<Line>> {
    let client = Client::open(Kind::Vfio, pool)?;
    let Some(vfio) = &client.vfio else { return Ok(Vec::new()) };
    let none = place_well(&[]);
    let mut lines = Vec::new();
    for extension in [1_u64, 6, 9] {
        let answer = sys::ioctl(&vfio.container, vfio::CHECK_EXTENSION, extension);
        let request = format!("vfio container CHECK_EXTENSION {extension:#x}");
        lines.push(client.answered(request, answer, &none));
    }
    let map = DmaMap { argsz: 32, flags: 4, vaddr: PLAY, iova: 0, size: PAGE };
    let arg = place_well(map.as_bytes());
    let answer = sys::ioctl(&vfio.container, vfio::IOMMU_MAP_DMA, arg.address);
    lines.push(client.answered("vfio MAP_DMA with VADDR".to_owned(), answer, &arg));
    let unmap = DmaUnmap { argsz: 24, flags: 2, iova: 0, size: 0 };
    let arg = place_well(unmap.as_bytes());
    let answer = sys::ioctl(&vfio.container, vfio::IOMMU_UNMAP_DMA, arg.address);
    lines.push(client.answered("vfio UNMAP_DMA with ALL".to_owned(), answer, &arg));
    let arg = place_well(&[&[0xff, 0, 0, 0][..], &[0; 20]].concat());
    let answer = sys::ioctl(&vfio.container, vfio::IOMMU_GET_INFO, arg.address);
    lines.push(client.answered("vfio container GET_INFO with room".to_owned(), answer, &arg));
    let name = place_well(vfio.uuid.as_bytes_with_nul());
    let again = sys::ioctl(&vfio.group, vfio::GROUP_GET_DEVICE_FD, name.address);
    // Which number it has is of no interest.
    let answer = match again.0 {
        Ok(fd) => sys::owned(fd as i32).map(|_| Answer(Ok(0)))?,
        Err(_) => again,
    };
    lines.push(client.answered("vfio group GET_DEVICE_FD again".to_owned(), answer, &name));
    Ok(lines)
}
