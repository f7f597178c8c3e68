//! One open device, through one of the interfaces.

use std::env;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use vhost_accel_uapi::{ioc, vfio, vhost};
use zerocopy::IntoBytes;

use crate::sys::{self, ARGUMENT, Answer};

/// How a device is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    VfioMsg,
    VfioIoctl,
    VhostMdev,
    VhostVdpa,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] =
        [Self::VfioMsg, Self::VfioIoctl, Self::VhostMdev, Self::VhostVdpa];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::VfioMsg => "vfio-msg",
            Self::VfioIoctl => "vfio-ioctl",
            Self::VhostMdev => "vhost-mdev",
            Self::VhostVdpa => "vhost-vdpa",
        }
    }

    /// Where the first device of its kind is: as the lab says, or where the emulated kernel has it.
    fn path(self) -> String {
        let uris = env::var("VHOST_ACCEL_URIS").unwrap_or_default();
        let named = uris.split_whitespace().filter(|uri| !uri.contains('?'));
        let path = named.filter_map(|uri| uri.strip_prefix(self.name())?.strip_prefix(':')).next();
        path.map_or_else(
            || match self {
                Self::VfioMsg | Self::VfioIoctl => {
                    "/sys/bus/mdev/devices/76686f73-7400-4000-8000-000000000000".to_owned()
                }
                Self::VhostMdev => "/dev/vhost-mdev-0".to_owned(),
                Self::VhostVdpa => "/dev/vhost-vdpa-0".to_owned(),
            },
            str::to_owned,
        )
    }
}

/// A device, and what requests to it may name.
pub(crate) struct Device {
    pub(crate) kind: Kind,
    // Closed in this order, which VFIO wants.
    pub(crate) fd: OwnedFd,
    pub(crate) group: Option<OwnedFd>,
    pub(crate) container: Option<OwnedFd>,
    pub(crate) eventfd: OwnedFd,
    /// No eventfd, but a descriptor.
    pub(crate) plain: OwnedFd,
}

impl Device {
    pub(crate) fn open(kind: Kind) -> io::Result<Self> {
        let path = kind.path();
        let (eventfd, plain) = (sys::eventfd()?, sys::open_path("/dev/null")?);
        let (fd, group, container) = match kind {
            Kind::VhostMdev | Kind::VhostVdpa => (sys::open_path(&path)?, None, None),
            Kind::VfioMsg | Kind::VfioIoctl => {
                let link = fs::read_link(Path::new(&path).join("iommu_group"))?;
                let group = link.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let container = sys::open_path("/dev/vfio/vfio")?;
                let group = sys::open_path(&format!("/dev/vfio/{group}"))?;
                let done = |answer: Answer| answer.map_err(io::Error::from_raw_os_error);
                sys::put(ARGUMENT, std::os::fd::AsRawFd::as_raw_fd(&container).as_bytes());
                done(sys::ioctl(&group, vfio::GROUP_SET_CONTAINER, ARGUMENT))?;
                done(sys::ioctl(&container, vfio::SET_IOMMU, vfio::TYPE1V2_IOMMU.into()))?;
                let uuid = path.rsplit('/').next().unwrap_or_default();
                sys::put(ARGUMENT, format!("{uuid}\0").as_bytes());
                let fd = done(sys::ioctl(&group, vfio::GROUP_GET_DEVICE_FD, ARGUMENT))?;
                (sys::own(fd)?, Some(group), Some(container))
            }
        };
        Ok(Self { kind, fd, group, container, eventfd, plain })
    }

    /// A request of type 0xAF whose argument is in the argument's page at `at`: an ioctl, or a message of the
    /// bytes there and, if the request reads, its reply put there.
    pub(crate) fn request(&self, request: u32, at: u64) -> Answer {
        if self.kind != Kind::VfioMsg {
            return sys::ioctl(&self.fd, request, at);
        }
        const HEADER: usize = 16;
        let config = request == vhost::GET_CONFIG || request == vhost::SET_CONFIG;
        let mut len = ioc::size(request);
        let readable = at == ARGUMENT;
        if config && readable {
            let bytes = sys::take(at + 4, 4);
            len =
                8 + u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).min(1024) as usize;
        }
        let reads = ioc::dir(request) & ioc::READ != 0;
        let payload = if readable { sys::take(at, len) } else { vec![0; len] };
        // In the second half of the page, where no argument is.
        let message = ARGUMENT + 2048;
        sys::put(message, &u64::from(request).to_le_bytes());
        sys::put(message + 8, &u32::from(reads).to_le_bytes());
        sys::put(message + 12, &(len as u32).to_le_bytes());
        sys::put(message + HEADER as u64, &payload);
        let whole = (HEADER + len) as u64;
        let sent = sys::pwrite(&self.fd, message, whole, 0)?;
        if !reads {
            return Ok(sent - whole as i64);
        }
        let got = sys::pread(&self.fd, message, whole, 0)?;
        sys::put(ARGUMENT, &sys::take(message + HEADER as u64, len));
        Ok(got - whole as i64)
    }

    /// What can be asked of any device in any state: status, accepted backend features' effect aside, and
    /// the base of two vrings. NEEDS_RESET is left out: a fault may come a moment later.
    pub(crate) fn state(&self) -> String {
        let mut said = String::from("|");
        let before = sys::take(ARGUMENT, 64);
        sys::put(ARGUMENT, &[0; 8]);
        match self.request(vhost::GET_STATUS, ARGUMENT) {
            Ok(_) => said += &format!(" status {:02x}", sys::take(ARGUMENT, 1)[0] & !0x40),
            Err(errno) => said += &format!(" status {}", name(errno)),
        }
        for queue in [0_u32, 1] {
            sys::put(ARGUMENT, vhost::VringState { index: queue, num: 0 }.as_bytes());
            match self.request(vhost::GET_VRING_BASE, ARGUMENT) {
                Ok(_) => {
                    let num = sys::take(ARGUMENT + 4, 4);
                    said +=
                        &format!(" base {}", u32::from_le_bytes([num[0], num[1], num[2], num[3]]));
                }
                Err(errno) => said += &format!(" base {}", name(errno)),
            }
        }
        sys::put(ARGUMENT, &before);
        said
    }
}

/// An errno as the headers call it, for the few that devices answer with.
pub(crate) fn name(errno: i32) -> String {
    let known = [
        (libc::EPERM, "EPERM"),
        (libc::ENOENT, "ENOENT"),
        (libc::E2BIG, "E2BIG"),
        (libc::EBADF, "EBADF"),
        (libc::EAGAIN, "EAGAIN"),
        (libc::ENOMEM, "ENOMEM"),
        (libc::EACCES, "EACCES"),
        (libc::EFAULT, "EFAULT"),
        (libc::EBUSY, "EBUSY"),
        (libc::EEXIST, "EEXIST"),
        (libc::ENODEV, "ENODEV"),
        (libc::EINVAL, "EINVAL"),
        (libc::ENOTTY, "ENOTTY"),
        (libc::ENOSPC, "ENOSPC"),
        (libc::ESPIPE, "ESPIPE"),
        (libc::ENOBUFS, "ENOBUFS"),
        (libc::EOPNOTSUPP, "EOPNOTSUPP"),
        (libc::ENXIO, "ENXIO"),
        (libc::EOVERFLOW, "EOVERFLOW"),
        (libc::EBADFD, "EBADFD"),
        (libc::EIO, "EIO"),
    ];
    let known = known.iter().find(|(number, _)| *number == errno);
    known.map_or_else(|| format!("errno {errno}"), |(_, name)| (*name).to_owned())
}
