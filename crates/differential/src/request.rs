//! One request and its answer, and what they need: an open device, descriptors to name.

use std::env;
use std::ffi::CString;
use std::fmt::Write;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{EventfdFlags, eventfd};
use vhost_accel_uapi::{vfio, vhost};

use crate::memory::{Arg, place_well};
use crate::random::Random;
use crate::sys::{self, Answer};

/// What is written down of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// What was sent, and by which interface.
    pub(crate) request: String,
    /// What came back.
    pub(crate) answer: String,
}

/// Which device a request goes to. One VFIO device has two interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Vfio,
    Mdev,
    Vdpa,
}

impl Kind {
    /// Where the first device of its kind is: as the lab says, or where the emulated kernel has it.
    fn path(self) -> PathBuf {
        let (interface, emulated) = match self {
            Self::Vfio => {
                ("vfio-msg:", "/sys/bus/mdev/devices/76686f73-7400-4000-8000-000000000000")
            }
            Self::Mdev => ("vhost-mdev:", "/dev/vhost-mdev-0"),
            Self::Vdpa => ("vhost-vdpa:", "/dev/vhost-vdpa-0"),
        };
        let uris = env::var("VHOST_ACCEL_URIS").unwrap_or_default();
        let mut named = uris.split_whitespace().filter(|uri| !uri.contains('?'));
        named.find_map(|uri| uri.strip_prefix(interface)).unwrap_or(emulated).into()
    }
}

/// Descriptors for requests that carry one.
#[derive(Debug)]
pub(crate) struct Pool {
    named: Vec<(&'static str, i32)>,
    _kept: Vec<OwnedFd>,
}

impl Pool {
    pub(crate) fn new() -> io::Result<Self> {
        let new = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let (first, second) = (new()?, new()?);
        let link = format!("/proc/self/fd/{}", first.as_raw_fd());
        let path = sys::open(Path::new(&link), libc::O_PATH)?;
        let file = sys::open(Path::new("/proc/self/exe"), libc::O_RDONLY)?;
        let named = vec![
            ("event-0", first.as_raw_fd()),
            ("event-0", first.as_raw_fd()),
            ("event-1", second.as_raw_fd()),
            ("event-1", second.as_raw_fd()),
            ("none", -1),
            ("none", -1),
            ("minus-2", -2),
            ("closed", 713),
            ("path", path.as_raw_fd()),
            ("file", file.as_raw_fd()),
        ];
        Ok(Self { named, _kept: vec![first, second, path, file] })
    }

    /// A descriptor and what it is called.
    pub(crate) fn draw(&self, random: &mut Random) -> (&'static str, i32) {
        random.of(&self.named)
    }
}

/// The group and container of a VFIO device.
#[derive(Debug)]
pub(crate) struct Vfio {
    pub(crate) container: OwnedFd,
    pub(crate) group: OwnedFd,
    pub(crate) uuid: CString,
}

/// An open device.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    pub(crate) kind: Kind,
    pub(crate) fd: OwnedFd,
    pub(crate) vfio: Option<Vfio>,
    /// What a second client would open: a node, for VFIO that of the group.
    pub(crate) node: PathBuf,
    pub(crate) pool: &'a Pool,
    /// The address that the device has been given, which is no difference.
    mac: [u8; 6],
}

impl<'a> Client<'a> {
    /// Opens the first device of this kind.
    pub(crate) fn open(kind: Kind, pool: &'a Pool) -> io::Result<Self> {
        let path = kind.path();
        let (fd, vfio, node) = match kind {
            Kind::Vfio => {
                let (fd, vfio, node) = open_vfio(&path)?;
                (fd, Some(vfio), node)
            }
            Kind::Mdev | Kind::Vdpa => (sys::open(&path, libc::O_RDWR)?, None, path),
        };
        let mut client = Self { kind, fd, vfio, node, pool, mac: [0; 6] };
        let config = place_well(&[0, 0, 0, 0, 6, 0, 0, 0]);
        client.ioctl(vhost::GET_CONFIG, &config);
        client.mac = config.bytes_at(8);
        Ok(client)
    }

    pub(crate) fn ioctl(&self, request: u32, arg: &Arg) -> Answer {
        sys::ioctl(&self.fd, request, arg.address)
    }

    /// The device's status, read where it disturbs nobody's argument.
    pub(crate) fn status(&self) -> String {
        let arg = place_well(&[0xee]);
        match self.ioctl(vhost::GET_STATUS, &arg).0 {
            Ok(0) => match arg.changed(&[]) {
                Some((0, bytes)) => format!("{:02x}", bytes[0]),
                _ => "??".to_owned(),
            },
            _ => "??".to_owned(),
        }
    }

    /// Writes an answer down.
    pub(crate) fn answered(&self, request: String, answer: Answer, arg: &Arg) -> Line {
        let mut text = answer.to_string();
        // Wherever it comes from, the device's own address is not compared.
        if let Some((offset, bytes)) = arg.changed(&self.mac) {
            let _ = write!(text, " +{offset}:");
            for byte in bytes {
                let _ = write!(text, "{byte:02x}");
            }
        }
        Line { request, answer: text }
    }
}

fn open_vfio(path: &Path) -> io::Result<(OwnedFd, Vfio, PathBuf)> {
    let check = |answer: Answer| answer.0.map_err(io::Error::from_raw_os_error);
    let group = fs::read_link(path.join("iommu_group"))?;
    let number = group.file_name().ok_or(io::ErrorKind::NotFound)?;
    let node = Path::new("/dev/vfio").join(number);
    let name = path.file_name().ok_or(io::ErrorKind::NotFound)?;
    let uuid = CString::new(name.as_encoded_bytes())?;
    let container = sys::open(Path::new("/dev/vfio/vfio"), libc::O_RDWR)?;
    let group = sys::open(&node, libc::O_RDWR)?;
    let fd = place_well(&container.as_raw_fd().to_ne_bytes());
    check(sys::ioctl(&group, vfio::GROUP_SET_CONTAINER, fd.address))?;
    check(sys::ioctl(&container, vfio::SET_IOMMU, vfio::TYPE1V2_IOMMU.into()))?;
    let named = place_well(uuid.as_bytes_with_nul());
    let device = check(sys::ioctl(&group, vfio::GROUP_GET_DEVICE_FD, named.address))?;
    let device = sys::owned(device as i32)?;
    Ok((device, Vfio { container, group, uuid }, node))
}
