//! The URI of a device.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use vhost_accel_core::{Interface, UnknownInterface};

/// What an interface lets its user choose at open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UriVariant {
    /// The best that the device can do.
    #[default]
    Standard,
    /// vfio-msg, `batch=off`: one message a write.
    Unbatched,
    /// vhost-mdev, `dma=mem-table`: DMA by SET_MEM_TABLE.
    MemTable,
    /// vhost-vdpa, `iotlb=plain`: no batch hints around IOTLB messages.
    PlainIotlb,
}

/// An interface's only option: its name, the values, and what the second of them means.
struct Choice {
    option: &'static str,
    standard: &'static str,
    other: &'static str,
    variant: UriVariant,
}

const fn choice(interface: Interface) -> Option<Choice> {
    let (option, standard, other, variant) = match interface {
        Interface::VfioMsg => ("batch", "on", "off", UriVariant::Unbatched),
        Interface::VfioIoctl | Interface::Other(_) => return None,
        Interface::VhostMdev => ("dma", "map-unmap", "mem-table", UriVariant::MemTable),
        Interface::VhostVdpa => ("iotlb", "batch", "plain", UriVariant::PlainIotlb),
    };
    Some(Choice { option, standard, other, variant })
}

/// A device and the interface to open it through: `INTERFACE:PATH[?OPTION=VALUE]`.
///
/// It parses, and displays as what parses to it again.
///
/// ```
/// use vhost_accel::{Interface, Uri, UriVariant};
///
/// let uri: Uri = "vhost-mdev:/dev/vhost-mdev-0?dma=mem-table".parse()?;
/// assert_eq!(uri.interface(), Interface::VhostMdev);
/// assert_eq!(uri.path().to_str(), Some("/dev/vhost-mdev-0"));
/// assert_eq!(uri.variant(), UriVariant::MemTable);
/// # Ok::<(), vhost_accel::UriError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    interface: Interface,
    path: PathBuf,
    variant: UriVariant,
}

impl Uri {
    /// The device at `path`, a device node or an mdev's directory in sysfs.
    pub fn new(interface: Interface, path: impl Into<PathBuf>) -> Self {
        Self { interface, path: path.into(), variant: UriVariant::Standard }
    }

    /// Every variant of this device, the standard one first.
    pub fn variants(&self) -> impl Iterator<Item = Self> + '_ {
        let other = choice(self.interface).map(|choice| choice.variant);
        [Some(UriVariant::Standard), other]
            .into_iter()
            .flatten()
            .map(|variant| Self { variant, ..self.clone() })
    }

    /// The interface.
    pub fn interface(&self) -> Interface {
        self.interface
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was chosen.
    pub fn variant(&self) -> UriVariant {
        self.variant
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.interface, self.path.display())?;
        match choice(self.interface) {
            Some(Choice { option, other, variant, .. }) if variant == self.variant => {
                write!(f, "?{option}={other}")
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (name, rest) =
            text.split_once(':').ok_or_else(|| UriError::NoInterface(text.to_owned()))?;
        let interface = name
            .parse()
            .map_err(|source| UriError::UnknownInterface { name: name.to_owned(), source })?;
        let (path, option) = match rest.split_once('?') {
            Some((path, option)) => (path, Some(option)),
            None => (rest, None),
        };
        if path.is_empty() {
            return Err(UriError::NoPath(interface));
        }
        if path.contains(char::is_control) {
            return Err(UriError::Control(path.to_owned()));
        }
        let uri = Self::new(interface, path);
        let Some(given) = option else { return Ok(uri) };
        let unknown = || UriError::UnknownOption { interface, given: given.to_owned() };
        let choice = choice(interface).ok_or_else(unknown)?;
        match given.split_once('=') {
            Some((name, value)) if name == choice.option && value == choice.standard => Ok(uri),
            Some((name, value)) if name == choice.option && value == choice.other => {
                Ok(Self { variant: choice.variant, ..uri })
            }
            _ => Err(unknown()),
        }
    }
}

/// A text that is no device URI, and what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// There is no colon.
    #[error("{0:?} is not INTERFACE:PATH, as {example} is", example = example(Interface::VhostVdpa))]
    NoInterface(String),
    /// What is before the colon.
    #[error("{name:?} is {source}")]
    UnknownInterface {
        /// What was given.
        name: String,
        /// Which there are.
        source: UnknownInterface,
    },
    /// There is nothing behind the colon.
    #[error("the path is missing, which {example} has", example = example(*.0))]
    NoPath(Interface),
    /// The path has a newline or another control character, which no device's has.
    #[error("{0:?} has a control character, which no device's path has")]
    Control(String),
    /// What is behind the question mark.
    #[error("{interface} has no option {given:?}; {known}", known = Known(*.interface))]
    UnknownOption {
        /// The interface.
        interface: Interface,
        /// What was given.
        given: String,
    },
}

const fn example(interface: Interface) -> &'static str {
    match interface {
        Interface::VfioMsg => "vfio-msg:/sys/bus/mdev/devices/UUID",
        Interface::VfioIoctl => "vfio-ioctl:/sys/bus/mdev/devices/UUID",
        Interface::VhostMdev => "vhost-mdev:/dev/vhost-mdev-0",
        Interface::VhostVdpa => "vhost-vdpa:/dev/vhost-vdpa-0",
        Interface::Other(_) => "INTERFACE:PATH",
    }
}

/// The options that an interface has, in words.
struct Known(Interface);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match choice(self.0) {
            Some(Choice { option, standard, other, .. }) => {
                write!(f, "it has {option}={standard} and {option}={other}")
            }
            None => f.write_str("it has none"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_displayed_parses() {
        let texts = [
            ("vfio-msg:/sys/bus/mdev/devices/x", UriVariant::Standard),
            ("vfio-msg:/sys/bus/mdev/devices/x?batch=off", UriVariant::Unbatched),
            ("vfio-ioctl:/sys/bus/mdev/devices/x", UriVariant::Standard),
            ("vhost-mdev:/dev/vhost-mdev-0", UriVariant::Standard),
            ("vhost-mdev:/dev/vhost-mdev-0?dma=mem-table", UriVariant::MemTable),
            ("vhost-vdpa:/dev/vhost-vdpa-0?iotlb=plain", UriVariant::PlainIotlb),
            // A colon in the path is the path's.
            ("vhost-vdpa:/dev/a:b", UriVariant::Standard),
        ];
        for (text, variant) in texts {
            let uri: Uri = text.parse().unwrap();
            assert_eq!(uri.variant(), variant, "{text}");
            assert_eq!(uri.to_string(), text);
        }
        let uri: Uri = "vhost-vdpa:/dev/a:b".parse().unwrap();
        assert_eq!(uri.path(), Path::new("/dev/a:b"));
    }

    #[test]
    fn a_default_that_is_spelled_out_is_the_default() {
        for (given, plain) in [
            ("vfio-msg:/x?batch=on", "vfio-msg:/x"),
            ("vhost-mdev:/x?dma=map-unmap", "vhost-mdev:/x"),
            ("vhost-vdpa:/x?iotlb=batch", "vhost-vdpa:/x"),
        ] {
            let uri: Uri = given.parse().unwrap();
            assert_eq!(uri.to_string(), plain);
        }
    }

    #[test]
    fn every_variant_has_a_uri() {
        let all: Vec<String> = Interface::ALL
            .iter()
            .flat_map(|&interface| {
                Uri::new(interface, "/x").variants().map(|uri| uri.to_string()).collect::<Vec<_>>()
            })
            .collect();
        let expected = [
            "vfio-msg:/x",
            "vfio-msg:/x?batch=off",
            "vfio-ioctl:/x",
            "vhost-mdev:/x",
            "vhost-mdev:/x?dma=mem-table",
            "vhost-vdpa:/x",
            "vhost-vdpa:/x?iotlb=plain",
        ];
        assert_eq!(all, expected);
    }

    #[test]
    fn a_mistake_is_told_with_what_would_be_right() {
        let cases = [
            (
                "/dev/vhost-vdpa-0",
                r#""/dev/vhost-vdpa-0" is not INTERFACE:PATH, as vhost-vdpa:/dev/vhost-vdpa-0 is"#,
            ),
            (
                "vdpa:/dev/vhost-vdpa-0",
                r#""vdpa" is not an interface; the four are vfio-msg, vfio-ioctl, vhost-mdev and vhost-vdpa"#,
            ),
            (
                "vfio-msg:?batch=off",
                "the path is missing, which vfio-msg:/sys/bus/mdev/devices/UUID has",
            ),
            (
                "vhost-mdev:/x?dma=slow",
                r#"vhost-mdev has no option "dma=slow"; it has dma=map-unmap and dma=mem-table"#,
            ),
            (
                "vhost-vdpa:/x?batch=off",
                r#"vhost-vdpa has no option "batch=off"; it has iotlb=batch and iotlb=plain"#,
            ),
            (
                "vhost-vdpa:/dev/x\n\u{1b}[31m",
                r#""/dev/x\n\u{1b}[31m" has a control character, which no device's path has"#,
            ),
            ("vfio-ioctl:/x?", r#"vfio-ioctl has no option ""; it has none"#),
        ];
        for (text, message) in cases {
            assert_eq!(text.parse::<Uri>().unwrap_err().to_string(), message);
        }
    }
}
