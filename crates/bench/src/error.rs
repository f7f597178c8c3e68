//! What can go wrong in a run or a report.

use std::io;
use std::path::{Path, PathBuf};

/// The result of a run or a report.
pub type Result<T> = std::result::Result<T, Error>;

/// A run or a report failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not the JSON that it should be.
    #[error("{}: {source}", path.display())]
    Json {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A result file of another schema.
    #[error("{}: schema {schema}, this program reads {}", path.display(), crate::SCHEMA)]
    Schema {
        /// Which.
        path: PathBuf,
        /// The version in it.
        schema: u32,
    },
    /// There is no result to report on.
    #[error("no result file in {}: `cargo bench -- --save` writes one", .0.display())]
    NoResults(PathBuf),
    /// A device refused, through the library.
    #[error(transparent)]
    Device(#[from] vhost_accel_core::Error),
    /// A bare system call failed.
    #[error("{call}: {source}")]
    Floor {
        /// Which call.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The device did not do what the scenario waits for.
    #[error("{0}")]
    Stuck(&'static str),
    /// A plot could not be drawn.
    #[error("plot: {0}")]
    Plot(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A page lacks the markers between which a table goes.
    #[error("{}: no line `{marker}`", path.display())]
    Marker {
        /// Which file.
        path: PathBuf,
        /// Which marker.
        marker: &'static str,
    },
}

impl Error {
    /// For `map_err`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    /// For `map_err`.
    pub(crate) fn json(path: &Path) -> impl FnOnce(serde_json::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Json { path, source }
    }
}
