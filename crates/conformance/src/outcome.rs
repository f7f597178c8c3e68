//! What becomes of a case, and why.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::panic::Location;

use vhost_accel_driver::core::{Capabilities, Error};

/// What became of a case.
#[derive(Debug)]
#[must_use]
pub enum Outcome {
    /// Everything was as expected.
    Passed,
    /// The device or the test bed lacks a means; nothing is known.
    NotApplicable(Need),
    /// Something was not as expected.
    Failed(Failure),
}

/// What a case lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// Capabilities of the device.
    Capabilities(Capabilities),
    /// The loopback device.
    Loopback,
    /// Queue pairs.
    Pairs(u16),
    /// A limit to what can be mapped that is met within a few seconds.
    MappingLimit,
    /// An address that no mapping may have.
    IovaHole,
    /// A client process ([`Target::with_client`](crate::Target::with_client)).
    Client,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capabilities(missing) => write!(f, "needs {missing}"),
            Self::Loopback => f.write_str("needs the loopback device"),
            Self::Pairs(pairs) => write!(f, "needs {pairs} queue pairs"),
            Self::MappingLimit => f.write_str("needs a limit of at most 65536 mappings"),
            Self::IovaHole => f.write_str("needs an address outside the limits"),
            Self::Client => f.write_str("needs a client process that can be killed"),
        }
    }
}

/// Why a case ended early.
#[derive(Debug)]
pub enum Stop {
    /// A means is lacking.
    NotApplicable(Need),
    /// An expectation was not met.
    Failed(Failure),
}

/// An expectation was not met.
#[derive(Debug)]
pub struct Failure {
    at: &'static Location<'static>,
    cause: Cause,
}

#[derive(Debug)]
pub(crate) enum Cause {
    Differs { what: &'static str, got: Box<str>, want: Box<str> },
    Untrue(&'static str),
    Driver(vhost_accel_driver::Error),
    System(io::Error),
}

impl Failure {
    #[track_caller]
    pub(crate) fn stop(cause: Cause) -> Stop {
        Stop::Failed(Self { at: Location::caller(), cause })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Differs { what, got, want } => write!(f, "{what}: {got}, expected {want}")?,
            Cause::Untrue(what) => write!(f, "expected: {what}")?,
            Cause::Driver(error) => {
                write!(f, "{error}")?;
                if let vhost_accel_driver::Error::System { source, .. } = error {
                    write!(f, ": {source}")?;
                }
            }
            Cause::System(error) => write!(f, "{error}")?,
        }
        write!(f, " ({}:{})", self.at.file(), self.at.line())
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.cause {
            Cause::Driver(error) => error.source(),
            Cause::System(_) | Cause::Differs { .. } | Cause::Untrue(_) => None,
        }
    }
}

impl From<Error> for Stop {
    #[track_caller]
    fn from(error: Error) -> Self {
        Failure::stop(Cause::Driver(error.into()))
    }
}

impl From<vhost_accel_driver::Error> for Stop {
    #[track_caller]
    fn from(error: vhost_accel_driver::Error) -> Self {
        Failure::stop(Cause::Driver(error))
    }
}

impl From<io::Error> for Stop {
    #[track_caller]
    fn from(error: io::Error) -> Self {
        Failure::stop(Cause::System(error))
    }
}
