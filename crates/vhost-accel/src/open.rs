//! From a URI to a device.

use std::io;

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
            let batch = uri.variant() != UriVariant::Unbatched;
            let options = vhost_accel_vfio_msg::VfioMsgOptions { batch };
            Ok(Box::new(vhost_accel_vfio_msg::open(uri.path(), options)?))
        }
        #[cfg(feature = "vfio-ioctl")]
        Interface::VfioIoctl => Ok(Box::new(vhost_accel_vfio_ioctl::open(uri.path())?)),
        #[cfg(feature = "vhost-mdev")]
        Interface::VhostMdev => {
            use vhost_accel_vhost_mdev::{DmaStyle, VhostMdevOptions};
            let dma = match uri.variant() {
                UriVariant::MemTable => DmaStyle::MemTable,
                _ => DmaStyle::MapUnmap,
            };
            Ok(vhost_accel_vhost_mdev::open(uri.path(), VhostMdevOptions { dma })?)
        }
        #[cfg(feature = "vhost-vdpa")]
        Interface::VhostVdpa => {
            let batch = uri.variant() != UriVariant::PlainIotlb;
            let options = vhost_accel_vhost_vdpa::VhostVdpaOptions { batch };
            Ok(Box::new(vhost_accel_vhost_vdpa::open(uri.path(), options)?))
        }
        #[allow(unreachable_patterns, reason = "reachable when a feature is off")]
        interface => Err(OpenError::NotCompiledIn(interface)),
    }
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
    /// The kernel refused, or the device is not what its URI says.
    #[error(transparent)]
    Device(#[from] Error),
}

impl From<OpenError> for io::Error {
    /// As of [`Error`]; a text that is no URI is an invalid input.
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Uri(error) => Self::new(io::ErrorKind::InvalidInput, error),
            OpenError::NotCompiledIn(_) => Self::new(io::ErrorKind::Unsupported, error),
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
