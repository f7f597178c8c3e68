//! From a URI to a device.

use std::io;
use std::os::fd::OwnedFd;

use vhost_accel_core::{Error, Interface, VhostAccel};

#[cfg(any(feature = "vfio-msg", feature = "vhost-mdev", feature = "vhost-vdpa"))]
use crate::uri::UriVariant;
use crate::uri::{Uri, UriError};

/// Opens the device that a URI names: see [`Uri`].
///
/// # Errors
/// [`OpenError`]; a device that is in use is an EBUSY inside [`OpenError::Device`].
pub fn open(uri: &str) -> Result<Box<dyn VhostAccel>, OpenError> {
    open_uri(&uri.parse()?)
}

/// Opens the device that a parsed URI names.
///
/// # Errors
/// As [`open`], but for those of parsing.
pub fn open_uri(uri: &Uri) -> Result<Box<dyn VhostAccel>, OpenError> {
    match uri.interface() {
        #[cfg(feature = "vfio-msg")]
        Interface::VfioMsg => {
            Ok(Box::new(vhost_accel_vfio_msg::open(uri.path(), msg_options(uri))?))
        }
        #[cfg(feature = "vfio-ioctl")]
        Interface::VfioIoctl => Ok(Box::new(vhost_accel_vfio_ioctl::open(uri.path())?)),
        #[cfg(feature = "vhost-mdev")]
        Interface::VhostMdev => Ok(vhost_accel_vhost_mdev::open(uri.path(), mdev_options(uri))?),
        #[cfg(feature = "vhost-vdpa")]
        Interface::VhostVdpa => {
            Ok(Box::new(vhost_accel_vhost_vdpa::open(uri.path(), vdpa_options(uri))?))
        }
        #[allow(unreachable_patterns, reason = "reachable when a feature is off")]
        interface => Err(OpenError::NotCompiledIn(interface)),
    }
}

/// Opens the device that a URI names by an fd of it that somebody else has opened, to read and
/// write: a process that may, for one that is in a sandbox. The URI's path is for messages alone.
///
/// On VFIO it is the device's fd, from a group in a container of a type 1 IOMMU. The container
/// stays the caller's, who maps memory there, for all its devices at once. The device has no
/// [`Capabilities::DMA`](crate::Capabilities), and its dirty log can't be held against what is
/// mapped.
///
/// This process becomes the device's owner. The one that opened it must not have become that. The
/// fd is closed with the device, or when this fails.
///
/// # Errors
/// As [`open_uri`].
#[cfg_attr(
    not(any(
        feature = "vfio-msg",
        feature = "vfio-ioctl",
        feature = "vhost-mdev",
        feature = "vhost-vdpa"
    )),
    expect(unused_variables, reason = "no interface")
)]
pub fn open_fd(uri: &Uri, fd: OwnedFd) -> Result<Box<dyn VhostAccel>, OpenError> {
    match uri.interface() {
        #[cfg(feature = "vfio-msg")]
        Interface::VfioMsg => {
            Ok(Box::new(vhost_accel_vfio_msg::open_fd(uri.path(), fd, msg_options(uri))?))
        }
        #[cfg(feature = "vfio-ioctl")]
        Interface::VfioIoctl => Ok(Box::new(vhost_accel_vfio_ioctl::open_fd(uri.path(), fd)?)),
        #[cfg(feature = "vhost-mdev")]
        Interface::VhostMdev => {
            let options = mdev_options(uri);
            Ok(vhost_accel_vhost_mdev::open_fd(uri.path(), fd, options)?)
        }
        #[cfg(feature = "vhost-vdpa")]
        Interface::VhostVdpa => {
            let options = vdpa_options(uri);
            Ok(Box::new(vhost_accel_vhost_vdpa::open_fd(uri.path(), fd, options)?))
        }
        #[allow(unreachable_patterns, reason = "reachable when a feature is off")]
        interface => Err(OpenError::NotCompiledIn(interface)),
    }
}

/// As [`open_fd`], on VFIO, with the device's container: memory is mapped through the device.
/// Everything in the container is unmapped with it, so no other device may be in it. The last page
/// of IOVAs can't be mapped.
///
/// # Errors
/// As [`open_uri`]; [`OpenError::NoContainer`] for the other interfaces.
#[cfg_attr(
    not(any(feature = "vfio-msg", feature = "vfio-ioctl")),
    expect(unused_variables, reason = "no interface on VFIO")
)]
pub fn open_fds(
    uri: &Uri,
    device: OwnedFd,
    container: OwnedFd,
) -> Result<Box<dyn VhostAccel>, OpenError> {
    match uri.interface() {
        #[cfg(feature = "vfio-msg")]
        Interface::VfioMsg => {
            let options = msg_options(uri);
            let opened = vhost_accel_vfio_msg::open_fds(uri.path(), device, container, options);
            Ok(Box::new(opened?))
        }
        #[cfg(feature = "vfio-ioctl")]
        Interface::VfioIoctl => {
            Ok(Box::new(vhost_accel_vfio_ioctl::open_fds(uri.path(), device, container)?))
        }
        interface @ (Interface::VhostMdev | Interface::VhostVdpa) => {
            Err(OpenError::NoContainer(interface))
        }
        #[allow(unreachable_patterns, reason = "reachable when a feature is off")]
        interface => Err(OpenError::NotCompiledIn(interface)),
    }
}

#[cfg(feature = "vfio-msg")]
fn msg_options(uri: &Uri) -> vhost_accel_vfio_msg::VfioMsgOptions {
    let batch = uri.variant() != UriVariant::Unbatched;
    vhost_accel_vfio_msg::VfioMsgOptions { batch }
}

#[cfg(feature = "vhost-mdev")]
fn mdev_options(uri: &Uri) -> vhost_accel_vhost_mdev::VhostMdevOptions {
    use vhost_accel_vhost_mdev::{DmaStyle, VhostMdevOptions};
    let dma = match uri.variant() {
        UriVariant::MemTable => DmaStyle::MemTable,
        _ => DmaStyle::MapUnmap,
    };
    VhostMdevOptions { dma }
}

#[cfg(feature = "vhost-vdpa")]
fn vdpa_options(uri: &Uri) -> vhost_accel_vhost_vdpa::VhostVdpaOptions {
    let batch = uri.variant() != UriVariant::PlainIotlb;
    vhost_accel_vhost_vdpa::VhostVdpaOptions { batch }
}

/// A device could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The text is no URI.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The crate was built without the interface's feature.
    #[error("the interface {0} is not compiled in; it is the feature of that name")]
    NotCompiledIn(Interface),
    /// A device of this interface has no container.
    #[error("a device of {0} has no container, and is opened by its fd alone")]
    NoContainer(Interface),
    /// The kernel refused, or the device is not what its URI says.
    #[error(transparent)]
    Device(#[from] Error),
}

impl From<OpenError> for io::Error {
    /// As of [`Error`]; a text that is no URI is an invalid input.
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Uri(error) => Self::new(io::ErrorKind::InvalidInput, error),
            OpenError::NotCompiledIn(_) | OpenError::NoContainer(_) => {
                Self::new(io::ErrorKind::Unsupported, error)
            }
            OpenError::Device(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use vhost_accel_core::Operation;

    use super::*;

    fn fails(uri: &str) -> OpenError {
        match open(uri) {
            Ok(_) => panic!("{uri} opened"),
            Err(error) => error,
        }
    }

    #[test]
    #[cfg(all(feature = "vhost-mdev", feature = "vhost-vdpa"))]
    fn a_device_that_is_not_there_is_enoent_with_its_path() {
        for interface in [Interface::VhostMdev, Interface::VhostVdpa] {
            let OpenError::Device(error) = fails(&format!("{interface}:/nonexistent")) else {
                panic!("not a device error");
            };
            assert_eq!(error.operation(), Operation::Open);
            assert_eq!(error.errno(), Some(2), "ENOENT");
            assert_eq!(
                error.to_string(),
                format!("{interface} /nonexistent: open: No such file or directory (os error 2)")
            );
        }
    }

    #[test]
    #[cfg(feature = "vhost-vdpa")]
    fn a_file_that_is_no_device_names_the_request() {
        let OpenError::Device(error) = fails("vhost-vdpa:/dev/null") else {
            panic!("not a device error");
        };
        assert_eq!(error.step(), Some(Operation::SetOwner));
        assert_eq!(error.errno(), Some(25), "ENOTTY");
    }

    #[test]
    #[cfg(not(feature = "vhost-vdpa"))]
    fn an_interface_left_out_is_named() {
        let error = fails("vhost-vdpa:/dev/vhost-vdpa-0");
        assert!(matches!(error, OpenError::NotCompiledIn(Interface::VhostVdpa)), "{error}");
    }

    #[test]
    fn a_text_that_is_no_uri() {
        let error = fails("nonsense");
        assert!(matches!(error, OpenError::Uri(_)));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
    }
}
