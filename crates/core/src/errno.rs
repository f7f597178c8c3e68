//! An errno for every error, where there is room for nothing else.

use std::error::Error as StdError;
use std::io;

use crate::error::{Error, Invalid, Reason};

impl Error {
    /// An errno in any case: the kernel's, where it answered, else the one that says the same.
    ///
    /// | reason | errno |
    /// |---|---|
    /// | [`System`](Reason::System), [`Library`](Reason::Library) | the kernel's, else by the kind of error, else EIO |
    /// | [`Unsupported`](Reason::Unsupported) | EOPNOTSUPP |
    /// | [`State`](Reason::State) | EBUSY |
    /// | [`NoVrings`](Reason::NoVrings) | EINVAL |
    /// | [`Misfit`](Reason::Misfit) | EXDEV |
    /// | [`Invalid`](Reason::Invalid) | ENOBUFS for a vring that isn't there, else EINVAL |
    /// | [`FeaturesRefused`](Reason::FeaturesRefused), [`Device`](Reason::Device) | ENODEV |
    /// | [`Base`](Reason::Base) | EOVERFLOW |
    pub fn os_error(&self) -> i32 {
        match self.reason() {
            Reason::System(error) => of_io(error),
            Reason::Unsupported(_) => libc::EOPNOTSUPP,
            Reason::State(_) => libc::EBUSY,
            Reason::Invalid(Invalid::Queue(_)) => libc::ENOBUFS,
            Reason::Misfit(_) => libc::EXDEV,
            Reason::NoVrings | Reason::Invalid(_) => libc::EINVAL,
            Reason::FeaturesRefused { .. } | Reason::Device(_) => libc::ENODEV,
            Reason::Base(_) => libc::EOVERFLOW,
            Reason::Library(error) => {
                let first: &(dyn StdError + 'static) = &**error;
                std::iter::successors(Some(first), |&error| error.source())
                    .find_map(|error| error.downcast_ref().map(of_io))
                    .unwrap_or(libc::EIO)
            }
        }
    }
}

fn of_io(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(match error.kind() {
        io::ErrorKind::InvalidInput => libc::EINVAL,
        io::ErrorKind::Unsupported => libc::EOPNOTSUPP,
        io::ErrorKind::OutOfMemory => libc::ENOMEM,
        _ => libc::EIO,
    })
}

impl From<Error> for io::Error {
    /// Of the kind that [`Error::os_error`] has, with the error inside: [`io::Error::get_ref`]
    /// gives it back.
    fn from(error: Error) -> Self {
        let kind = Self::from_raw_os_error(error.os_error()).kind();
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::{Capabilities, Features, Interface, Misfit, Operation, Phase, Subject, VringBase};

    fn error(reason: impl Into<Reason>) -> Error {
        let path = Arc::from(Path::new("/dev/x"));
        Error::new(Interface::VhostVdpa, path, Operation::Start, Subject::Device, reason)
    }

    #[test]
    fn every_reason_has_an_errno() {
        let none = Features::empty();
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let cases: [(Reason, i32); 13] = [
            (io::Error::from_raw_os_error(libc::EFAULT).into(), libc::EFAULT),
            (io::Error::from(io::ErrorKind::InvalidInput).into(), libc::EINVAL),
            (io::Error::from(io::ErrorKind::InvalidData).into(), libc::EIO),
            (Reason::Unsupported(Capabilities::SUSPEND), libc::EOPNOTSUPP),
            (Reason::State(Phase::Running), libc::EBUSY),
            (Reason::NoVrings, libc::EINVAL),
            (Misfit::Features(none).into(), libc::EXDEV),
            (Invalid::Queue(3).into(), libc::ENOBUFS),
            (Invalid::Range.into(), libc::EINVAL),
            (Reason::FeaturesRefused { accepted: none, missing: none }, libc::ENODEV),
            (Reason::Base(VringBase::PACKED_START), libc::EOVERFLOW),
            (Reason::Library(Box::new(std::fmt::Error)), libc::EIO),
            (Reason::Library(Box::new(Wrapped(full))), libc::ENOSPC),
        ];
        for (reason, errno) in cases {
            let text = reason.to_string();
            assert_eq!(error(reason).os_error(), errno, "{text}");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("a library failed")]
    struct Wrapped(#[source] io::Error);

    #[test]
    fn an_io_error_keeps_kind_and_error() {
        let error = io::Error::from(error(io::Error::from_raw_os_error(libc::ENOENT)));
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let inside = error.get_ref().and_then(|inside| inside.downcast_ref::<Error>());
        assert_eq!(inside.unwrap().operation(), Operation::Start);
        assert!(error.to_string().starts_with("vhost-vdpa /dev/x: start: "), "{error}");
    }
}
