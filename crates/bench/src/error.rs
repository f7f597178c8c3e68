//! What can go wrong in a run or a report.

use std::io;
use std::path::{Path, PathBuf};

use crate::plausible::Implausible;
use crate::terminal::Fault;

/// The result of a run or a report.
pub type Result<T> = std::result::Result<T, Error>;

/// A run or a report failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that was handed in can't be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file says what nobody can have measured or written.
    #[error("{}: {source}", path.display())]
    Implausible {
        /// Which.
        path: PathBuf,
        /// What.
        source: Implausible,
    },
    /// A file of this program's own could not be read, or one could not be written.
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
    /// Stdout can't be written.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    /// The signals that end a program can't be had.
    #[error("cannot take signals: {0}")]
    Signals(#[source] io::Error),
    /// A choice of scenarios and interfaces that leaves none.
    #[error("nothing to measure is {0}; docs/measuring.md lists the scenarios")]
    Nothing(String),
    /// There is no result to report on.
    #[error("no result file in {}: `cargo bench -- --save` writes one", .0.display())]
    NoResults(PathBuf),
    /// A device refused, through the library.
    #[error(transparent)]
    Device(#[from] vhost_accel::Error),
    /// A device could not be opened.
    #[error(transparent)]
    Open(#[from] vhost_accel::OpenError),
    /// There is no device of an interface.
    #[error("no {0} device on this machine")]
    NoDevice(vhost_accel::Interface),
    /// Nobody has written an interface's system calls down bare.
    #[error("there is no baseline of {0}")]
    NoBaseline(vhost_accel::Interface),
    /// The emulated kernel could not be had.
    #[error(transparent)]
    Emulator(#[from] vhost_accel_emulator::Error),
    /// A scenario failed.
    #[error("{key}: {source}")]
    Scenario {
        /// Which, through what, on whose client.
        key: String,
        /// Why.
        source: Box<Error>,
    },
    /// The scenarios' driver failed.
    #[error(transparent)]
    Driver(#[from] vhost_accel_driver::Error),
    /// A system call that the bench makes itself failed.
    #[error("{call}: {source}")]
    Call {
        /// Which call.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The device did not do what the scenario waits for.
    #[error("{0}")]
    Stuck(&'static str),
    /// criterion has not written what it measured.
    #[error("{}: the samples are not there: {source}", path.display())]
    Samples {
        /// Where they should be.
        path: PathBuf,
        /// Why they can't be written, or else what is wrong with them.
        source: io::Error,
    },
    /// What was to be resumed is another run: of other code, on another machine, or another choice.
    #[error("{}: a run of something else, which can't be resumed", .0.display())]
    Resume(PathBuf),
    /// A template is wrong, or asks for what no result has.
    #[error("{0}")]
    Template(#[source] Box<minijinja::Error>),
    /// There is nothing to make a page of.
    #[error("no template design-comparison.md in {}", .0.display())]
    NoTemplate(PathBuf),
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
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Read { .. }
            | Self::Implausible { .. }
            | Self::Json { .. }
            | Self::Schema { .. }
            | Self::Nothing(_)
            | Self::NoResults(_)
            | Self::Resume(_)
            | Self::Template(_)
            | Self::NoTemplate(_)
            | Self::Marker { .. } => Fault::Wrong,
            Self::Open(error) => Fault::of_open(error),
            Self::Emulator(error) => Fault::of_emulator(error),
            Self::Scenario { source, .. } => source.fault(),
            Self::Output(error) => Fault::of_output(error),
            Self::File { .. }
            | Self::Device(_)
            | Self::Signals(_)
            | Self::Samples { .. }
            | Self::NoDevice(_)
            | Self::NoBaseline(_)
            | Self::Driver(_)
            | Self::Call { .. }
            | Self::Stuck(_) => Fault::Failed,
        }
    }

    /// For `map_err`.
    pub(crate) fn implausible(path: &Path) -> impl FnOnce(Implausible) -> Self {
        let path = path.to_owned();
        move |source| Self::Implausible { path, source }
    }

    /// For `map_err`.
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    /// For `map_err`.
    pub(crate) fn scenario(key: &impl ToString) -> impl FnOnce(Self) -> Self {
        let key = key.to_string();
        move |source| Self::Scenario { key, source: Box::new(source) }
    }

    /// For `map_err`.
    pub(crate) fn call(call: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Call { call, source }
    }

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
