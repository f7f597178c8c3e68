//! What can go wrong, and the exit code that says so.

use std::io;

use vhost_accel_bench::terminal::Fault;

use crate::{api, bench, differential, lab, strace};

/// A task failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error(transparent)]
    Lab(#[from] lab::Error),
    #[error(transparent)]
    Bench(#[from] bench::Error),
    #[error(transparent)]
    Differential(#[from] differential::Error),
    #[error(transparent)]
    Api(#[from] api::Error),
    #[error(transparent)]
    Crossings(#[from] strace::Error),
    #[error("cannot take signals: {0}")]
    Signals(#[source] io::Error),
}

impl TaskError {
    /// Whose fault it is.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Bench(error) => error.fault(),
            Self::Differential(error) => error.fault(),
            Self::Api(error) => error.fault(),
            Self::Crossings(error) => error.fault(),
            Self::Lab(_) | Self::Signals(_) => Fault::Failed,
        }
    }
}
