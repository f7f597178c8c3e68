//! Container, group and device of VFIO, opened and closed as `vfio-ioctls` does it.
//!
//! A program of its own could do without the questions whose answers it knows (versions,
//! extensions, interrupts); they stay, since the baseline is the same work and not less of it.

#![expect(unsafe_code, reason = "ioctls with structures")]

use std::ffi::{CString, OsString};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use vhost_accel::{DmaMapping, IovaRange};
use vhost_accel_uapi::vfio::{
    self as uapi, DeviceInfo, DmaMap, DmaUnmap, GroupStatus, IrqInfo, IrqSet, RegionInfo,
};
use zerocopy::IntoBytes;

use super::sys::{self, ioctl, ioctl_value};
use crate::error::{Error, Result};

/// Room for a region's information and the capabilities that ours have.
const REGION_ROOM: usize = 256;

/// An open device with what it hangs on.
#[derive(Debug)]
pub(super) struct Vfio {
    device: ManuallyDrop<OwnedFd>,
    group: ManuallyDrop<OwnedFd>,
    container: OwnedFd,
    /// The link to the group in sysfs.
    link: CString,
    pub(super) config: RegionInfo,
    pub(super) notify: RegionInfo,
    /// Vrings, by the subindexes of their interrupts.
    pub(super) vrings: u32,
}

impl Vfio {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let container = sys::open(c"/dev/vfio/vfio")?;
        ioctl_value("ioctl VFIO_GET_API_VERSION", &container, uapi::GET_API_VERSION, 0)?;
        let kind = u64::from(uapi::TYPE1V2_IOMMU);
        ioctl_value("ioctl VFIO_CHECK_EXTENSION", &container, uapi::CHECK_EXTENSION, kind)?;

        let link = c_path(path.join("iommu_group"))?;
        let group = sys::open(&c_path(group_path(&link)?)?)?;
        let mut status = GroupStatus { argsz: size_of::<GroupStatus>() as u32, flags: 0 };
        // SAFETY: the kernel fills the structure.
        unsafe {
            ioctl("ioctl VFIO_GROUP_GET_STATUS", &group, uapi::GROUP_GET_STATUS, &mut status)
        }?;
        let mut number = container.as_raw_fd();
        // SAFETY: the kernel reads an int.
        unsafe {
            ioctl("ioctl VFIO_GROUP_SET_CONTAINER", &group, uapi::GROUP_SET_CONTAINER, &mut number)
        }?;
        ioctl_value("ioctl VFIO_SET_IOMMU", &container, uapi::SET_IOMMU, kind)?;
        let name = path.file_name().unwrap_or_default().as_bytes();
        let mut name = [name, b"\0"].concat();
        let request = uapi::GROUP_GET_DEVICE_FD;
        // SAFETY: the kernel reads a C string.
        let fd =
            unsafe { ioctl("ioctl VFIO_GROUP_GET_DEVICE_FD", &group, request, &mut name[..]) }?;
        // SAFETY: a new fd that nobody else owns.
        let device = unsafe { OwnedFd::from_raw_fd(fd) };

        let mut info = DeviceInfo { argsz: size_of::<DeviceInfo>() as u32, ..Default::default() };
        // SAFETY: the kernel fills as much of the structure as `argsz` says.
        unsafe { ioctl("ioctl VFIO_DEVICE_GET_INFO", &device, uapi::DEVICE_GET_INFO, &mut info) }?;
        let mut regions = [RegionInfo::default(); 2];
        for (index, region) in (0..info.num_regions).zip(&mut regions) {
            *region = region_info(&device, index, size_of::<RegionInfo>())?;
            // What it is stands in its capabilities.
            region_info(&device, index, (region.argsz as usize).min(REGION_ROOM))?;
        }
        let mut vrings = 0;
        for index in 0..info.num_irqs {
            let mut irq =
                IrqInfo { argsz: size_of::<IrqInfo>() as u32, index, ..Default::default() };
            let request = uapi::DEVICE_GET_IRQ_INFO;
            // SAFETY: the kernel fills the structure.
            unsafe { ioctl("ioctl VFIO_DEVICE_GET_IRQ_INFO", &device, request, &mut irq) }?;
            if index == uapi::IRQ_INDEX_VQ {
                vrings = irq.count;
            }
        }
        let [config, notify] = regions;
        Ok(Self {
            device: ManuallyDrop::new(device),
            group: ManuallyDrop::new(group),
            container,
            link,
            config,
            notify,
            vrings,
        })
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.device
    }

    /// What the CONFIG region takes: a third look at its capabilities, which `vfio-ioctls` drops.
    pub(super) fn ask_messages(&self) -> Result<()> {
        region_info(&self.device, uapi::REGION_INDEX_CONFIG, REGION_ROOM).map(drop)
    }

    /// The call eventfds of every vring from the first on, -1 for none.
    pub(super) fn set_calls(&self, eventfds: &[i32]) -> Result<()> {
        let argsz = (size_of::<IrqSet>() + size_of_val(eventfds)) as u32;
        let head = IrqSet {
            argsz,
            flags: uapi::IRQ_SET_DATA_EVENTFD | uapi::IRQ_SET_ACTION_TRIGGER,
            index: uapi::IRQ_INDEX_VQ,
            start: 0,
            count: eventfds.len() as u32,
        };
        let mut arg = [head.as_bytes(), eventfds.as_bytes()].concat();
        let request = uapi::DEVICE_SET_IRQS;
        // SAFETY: the kernel reads the head and as many numbers as it counts, which are there.
        unsafe { ioctl("ioctl VFIO_DEVICE_SET_IRQS", &self.device, request, &mut arg[..]) }
            .map(drop)
    }

    pub(super) fn map(&self, mapping: &DmaMapping) -> Result<()> {
        let mut map = DmaMap {
            argsz: size_of::<DmaMap>() as u32,
            flags: uapi::DMA_MAP_FLAG_READ | uapi::DMA_MAP_FLAG_WRITE,
            vaddr: mapping.host.0,
            iova: mapping.iova.0,
            size: mapping.len,
        };
        let request = uapi::IOMMU_MAP_DMA;
        // SAFETY: the kernel reads the structure. The memory is a region's, to which nobody holds a
        // reference, and `Baseline` keeps the region until the device is closed.
        unsafe { ioctl("ioctl VFIO_IOMMU_MAP_DMA", &self.container, request, &mut map) }.map(drop)
    }

    pub(super) fn unmap(&self, range: IovaRange) -> Result<()> {
        let mut unmap = DmaUnmap {
            argsz: size_of::<DmaUnmap>() as u32,
            flags: 0,
            iova: range.start.0,
            size: range.len,
        };
        let request = uapi::IOMMU_UNMAP_DMA;
        // SAFETY: the kernel reads and writes the structure.
        unsafe { ioctl("ioctl VFIO_IOMMU_UNMAP_DMA", &self.container, request, &mut unmap) }
            .map(drop)
    }
}

impl Drop for Vfio {
    fn drop(&mut self) {
        // SAFETY: dropped here and nowhere else.
        unsafe { ManuallyDrop::drop(&mut self.device) };
        // As `vfio-ioctls` finds the group again. What fails here ends with the close of the group.
        let _ = group_path(&self.link);
        let mut number = self.container.as_raw_fd();
        let request = uapi::GROUP_UNSET_CONTAINER;
        // SAFETY: the kernel reads an int, if anything.
        let _ =
            unsafe { ioctl("ioctl VFIO_GROUP_UNSET_CONTAINER", &self.group, request, &mut number) };
        // SAFETY: as above. The container's fd closes after it.
        unsafe { ManuallyDrop::drop(&mut self.group) };
    }
}

/// What a region is, and as much of its capabilities as `room` bytes take.
fn region_info(device: &OwnedFd, index: u32, room: usize) -> Result<RegionInfo> {
    #[repr(C, align(8))]
    struct Room {
        info: RegionInfo,
        caps: [u8; REGION_ROOM - size_of::<RegionInfo>()],
    }
    let info = RegionInfo { argsz: room as u32, index, ..Default::default() };
    let mut room = Room { info, caps: [0; _] };
    let request = uapi::DEVICE_GET_REGION_INFO;
    // SAFETY: the kernel writes no more than `argsz`, and callers ask for no more than there is.
    unsafe { ioctl("ioctl VFIO_DEVICE_GET_REGION_INFO", device, request, &mut room) }?;
    let _ = room.caps;
    Ok(room.info)
}

/// The group that a link in sysfs names.
fn group_path(link: &CString) -> Result<PathBuf> {
    let mut target = [0; 256];
    let target = OsString::from_vec(sys::readlink(link, &mut target)?.to_vec());
    let number = Path::new(&target).file_name().unwrap_or_default();
    Ok(Path::new("/dev/vfio").join(number))
}

pub(super) fn c_path(path: impl AsRef<Path>) -> Result<CString> {
    CString::new(path.as_ref().as_os_str().as_bytes())
        .map_err(|_| Error::Stuck("a path with a NUL in it"))
}
