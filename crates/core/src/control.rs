//! The control column: what an interface does for all but DMA.

use std::io;
use std::os::fd::BorrowedFd;

use crate::address::Hva;
use crate::base::VringBase;
use crate::error::{Operation, Reason};
use crate::features::{Features, Status};
use crate::kick::{KickWay, Kicker};
use crate::vring::{QueueIndex, Vring};

/// A request failed; for an operation that is made of several, which one and on which vring.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The step, `None` when the operation is one request.
    pub step: Option<Operation>,
    /// The vring, where the operation names several.
    pub queue: Option<QueueIndex>,
    /// Why.
    pub reason: Reason,
}

impl Failure {
    /// A failure for `reason`, where step and vring are known or not.
    pub const fn new(step: Option<Operation>, queue: Option<QueueIndex>, reason: Reason) -> Self {
        Self { step, queue, reason }
    }

    /// A failure of `step`, for `map_err`.
    pub fn at<E: Into<Reason>>(step: Operation) -> impl FnOnce(E) -> Self {
        move |error| Self { step: Some(step), queue: None, reason: error.into() }
    }

    /// A failure of `step` on `queue`, for `map_err`.
    pub fn on<E: Into<Reason>>(step: Operation, queue: QueueIndex) -> impl FnOnce(E) -> Self {
        move |error| Self { step: Some(step), queue: Some(queue), reason: error.into() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { step: None, queue: None, reason: error.into() }
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { step: None, queue: None, reason }
    }
}

/// How an interface controls a device: one method, one thing that the kernel is asked to do.
///
/// [`Device`](crate::Device) calls these in a legal order, with vrings that exist, sizes and
/// alignments that virtio allows, and only what [`Capabilities`](crate::Capabilities) promise. An
/// implementor makes the crossings and nothing else; it doesn't check twice, retry or log.
///
/// By implementing this trait you guarantee that:
///  - `set_call`, `set_error`, `set_config_call` and `enable_vring` do not allocate;
///  - a failed method leaves the device as it was, or says with [`Failure`] which step failed;
///  - dropping the value closes the device, and no [`Kicker`] keeps it open.
///
/// A method that comes with a later version is a provided one, and answers
/// [`Unsupported`](Reason::Unsupported) or EOPNOTSUPP.
pub trait Control: Send {
    /// The features that the device offers.
    fn features(&self) -> io::Result<Features>;

    /// Writes the features that the driver accepts.
    fn set_features(&mut self, features: Features) -> io::Result<()>;

    /// The device status.
    fn status(&self) -> io::Result<Status>;

    /// Writes the device status; [`Status::empty`] resets.
    fn set_status(&mut self, status: Status) -> io::Result<()>;

    /// Negotiates: ACKNOWLEDGE and DRIVER, the features, FEATURES_OK; returns the status read back.
    fn negotiate(&mut self, features: Features) -> Result<Status, Failure> {
        let known = Status::ACKNOWLEDGE | Status::DRIVER;
        self.set_status(known).map_err(Failure::at(Operation::SetStatus))?;
        self.set_features(features).map_err(Failure::at(Operation::SetFeatures))?;
        self.set_status(known | Status::FEATURES_OK).map_err(Failure::at(Operation::SetStatus))?;
        self.status().map_err(Failure::at(Operation::GetStatus))
    }

    /// The size of config space in bytes.
    fn config_size(&self) -> io::Result<u32>;

    /// Reads `data.len()` bytes of config space at `offset`.
    fn read_config(&self, offset: u32, data: &mut [u8]) -> io::Result<()>;

    /// Writes config space at `offset`.
    fn write_config(&mut self, offset: u32, data: &[u8]) -> io::Result<()>;

    /// Sets up vrings: size, base unless at the start, addresses, call eventfd if any, enable if
    /// asked.
    ///
    /// The failure names the vring; those before it are set up, those behind it untouched.
    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<(), Failure>;

    /// Enables or disables a vring.
    fn enable_vring(&mut self, queue: QueueIndex, enabled: bool) -> io::Result<()>;

    /// Where the device goes on: all that the kernel says, whatever the ring.
    fn vring_base(&self, queue: QueueIndex) -> io::Result<VringBase>;

    /// Sets or removes the call eventfd.
    fn set_call(&mut self, queue: QueueIndex, call: Option<BorrowedFd<'_>>) -> io::Result<()>;

    /// Sets or removes the error eventfd.
    fn set_error(&mut self, queue: QueueIndex, error: Option<BorrowedFd<'_>>) -> io::Result<()>;

    /// Sets or removes the config-change eventfd.
    fn set_config_call(&mut self, call: Option<BorrowedFd<'_>>) -> io::Result<()>;

    /// Makes a kicker of one of the kinds that the capabilities list.
    fn kicker(&mut self, queue: QueueIndex, way: KickWay<'_>) -> Result<Kicker, Failure>;

    /// The fd that the device is open as; `None` where there is no single one.
    fn device_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Suspends every vring.
    fn suspend(&mut self) -> io::Result<()>;

    /// Resumes after a suspend.
    fn resume(&mut self) -> io::Result<()>;

    /// Resets the device: status 0.
    fn reset(&mut self) -> io::Result<()> {
        self.set_status(Status::empty())
    }

    /// Tells the device where the dirty bitmap is; VHOST_F_LOG_ALL turns it on and off.
    ///
    /// # Safety
    /// As [`VhostAccel::set_dirty_log`](crate::VhostAccel::set_dirty_log).
    #[expect(unsafe_code, reason = "the device writes into memory that the caller names")]
    unsafe fn set_log_base(&mut self, base: Hva) -> io::Result<()>;
}
