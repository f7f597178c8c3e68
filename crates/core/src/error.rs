//! Errors that say which operation failed, on what, and why.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::address::{Iova, IovaRange};
use crate::base::VringBase;
use crate::capability::Capabilities;
use crate::features::Features;
use crate::interface::Interface;
use crate::vring::QueueIndex;

/// The result of an operation on a device.
pub type Result<T> = std::result::Result<T, Error>;

/// An operation on a device failed.
///
/// It reads `vhost-vdpa /dev/vhost-vdpa-0: set up vring 3: set address: Invalid argument (os error
/// 22)`; the parts are there for programs. [`source`](StdError::source) gives the [`Reason`], and
/// that one's the [`io::Error`].
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    interface: Interface,
    device: Arc<Path>,
    operation: Operation,
    step: Option<Operation>,
    subject: Subject,
    reason: Reason,
}

impl Error {
    /// An error of `operation` on `subject` of the device at `device`.
    pub fn new(
        interface: Interface,
        device: Arc<Path>,
        operation: Operation,
        subject: Subject,
        reason: impl Into<Reason>,
    ) -> Self {
        let reason = reason.into();
        Self(Box::new(Inner { interface, device, operation, step: None, subject, reason }))
    }

    /// The same error, met in the step `step` of a compound operation.
    #[must_use]
    pub fn in_step(mut self, step: Operation) -> Self {
        self.0.step = (step != self.0.operation).then_some(step);
        self
    }

    /// The interface in use.
    pub fn interface(&self) -> Interface {
        self.0.interface
    }

    /// The device's path.
    pub fn device(&self) -> &Path {
        &self.0.device
    }

    /// What was asked for.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The request that failed within it, where the operation is made of several.
    pub fn step(&self) -> Option<Operation> {
        self.0.step
    }

    /// What the operation was about.
    pub fn subject(&self) -> Subject {
        self.0.subject
    }

    /// Why it failed.
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// The kernel's errno, where the kernel answered; [`os_error`](Self::os_error) has one in any
    /// case.
    pub fn errno(&self) -> Option<i32> {
        match &self.0.reason {
            Reason::System(error) => error.raw_os_error(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { interface, device, operation, step, subject, reason } = &*self.0;
        write!(f, "{interface} {}: {operation}{subject}: ", device.display())?;
        if let Some(step) = step {
            write!(f, "{step}: ")?;
        }
        write!(f, "{reason}")
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0.reason)
    }
}

/// What an operation was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// The device as a whole.
    Device,
    /// One vring.
    Queue(QueueIndex),
    /// A range of I/O virtual addresses.
    Range(IovaRange),
    /// Bytes of config space.
    Config {
        /// The first byte.
        offset: u32,
        /// How many.
        len: usize,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => Ok(()),
            Self::Queue(queue) => write!(f, " {queue}"),
            Self::Range(range) => write!(f, " {range}"),
            Self::Config { offset, len } => write!(f, " {offset}+{len}"),
        }
    }
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The kernel refused.
    #[error(transparent)]
    System(#[from] io::Error),
    /// This device lacks the capability.
    #[error("not supported here: needs {0}")]
    Unsupported(Capabilities),
    /// Out of order; no crossing was made.
    #[error("not while the device is {0}")]
    State(Phase),
    /// A start without a single vring set up; no crossing was made.
    #[error("no vring is set up")]
    NoVrings,
    /// An argument that no device could accept; no crossing was made.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A saved state is of another kind of device; no crossing changed anything.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The device did not keep FEATURES_OK.
    #[error("the device refused the features {accepted:#x}{}", Without(*.missing))]
    FeaturesRefused {
        /// What was written.
        accepted: Features,
        /// What the device may want and wasn't written: of VERSION_1, ACCESS_PLATFORM and what
        /// [`withheld`](crate::VhostAccel::withheld) says.
        missing: Features,
    },
    /// The device gave more than an available index.
    #[error("the base {0} has more than 16 bits: it is not a split ring's")]
    Base(VringBase),
    /// The device has not the properties that this driver needs.
    #[error("unexpected device: {0}")]
    Device(&'static str),
    /// A library in between failed without an errno.
    #[error("{0}")]
    Library(#[source] Box<dyn StdError + Send + Sync>),
}

/// Names what is missing, if anything is.
struct Without(Features);

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        f.write_str(", which are without ")?;
        bitflags::parser::to_writer(&self.0, f)
    }
}

/// An argument that no device could accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A vring that the device hasn't got.
    #[error("the device has vrings 0 to {}", .0.saturating_sub(1))]
    Queue(u16),
    /// A vring whose size is 0, no power of two or over the maximum.
    #[error("a vring's size is a power of two and at most {0}")]
    QueueSize(u16),
    /// A vring part that is not aligned as virtio 1.2, 2.7 wants it.
    #[error("the {part} is aligned to {align} bytes")]
    Alignment {
        /// Which part.
        part: &'static str,
        /// To what it must be aligned.
        align: u64,
    },
    /// A base that is a packed ring's, which no device here has.
    #[error("the base {0} has more than 16 bits: it is not a split ring's")]
    Base(VringBase),
    /// A range that is empty or wraps around.
    #[error("the range is empty or wraps around")]
    Range,
    /// A DMA mapping whose addresses or length are no multiple of the page size.
    #[error("mappings are made of whole pages of {0} bytes")]
    Page(u64),
    /// A vring that was not set up.
    #[error("the vring is not set up")]
    NotSetUp,
    /// Memory that the device may write and a dirty log has no bits for.
    #[error("the dirty log covers addresses up to {log}, and memory is mapped up to {mapped}")]
    Uncovered {
        /// The last address that the log covers.
        log: Iova,
        /// The last that is or would be mapped for writing.
        mapped: Iova,
    },
}

/// Why a saved state can't go on on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// The virtio device ids differ.
    #[error("the state is of a device with id {saved}, and this one's is {here}")]
    DeviceId {
        /// The saved device's.
        saved: u32,
        /// This device's.
        here: u32,
    },
    /// What was negotiated, and is not offered or can't be driven here.
    #[error("the state needs the features {0:#x}, which are not offered here")]
    Features(Features),
}

/// Where a device stands in the order of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Opened or reset; nothing negotiated.
    Fresh,
    /// Features are negotiated, the device does not run.
    Negotiated,
    /// DRIVER_OK: the vrings run.
    Running,
    /// The vrings stand still and keep their state.
    Suspended,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "without negotiated features",
            Self::Negotiated => "negotiated but not running",
            Self::Running => "running",
            Self::Suspended => "suspended",
        })
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// What was asked of a device, as errors name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$doc])* $name,)+
        }

        impl fmt::Display for Operation {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)+
                })
            }
        }
    };
}

operations! {
    /// Opening.
    Open = "open",
    /// Opening the VFIO container.
    OpenContainer = "open /dev/vfio/vfio",
    /// Opening the device's VFIO group and joining it to the container.
    OpenGroup = "open the VFIO group",
    /// Becoming the owner.
    SetOwner = "set owner",
    /// Reading the device's features.
    GetFeatures = "get features",
    /// Writing the driver's features.
    SetFeatures = "set features",
    /// Negotiation as a whole.
    Negotiate = "negotiate features",
    /// Reading or writing vhost's backend features.
    BackendFeatures = "backend features",
    /// Reading device id, vring count or maximum size.
    Identify = "identify",
    /// Reading the status.
    GetStatus = "get status",
    /// Writing the status.
    SetStatus = "set status",
    /// Reading config space.
    ReadConfig = "read config space",
    /// Writing config space.
    WriteConfig = "write config space",
    /// Setting up a vring as a whole.
    SetupVring = "set up vring",
    /// Its size.
    SetVringNum = "set size",
    /// Its addresses.
    SetVringAddr = "set address",
    /// Its base.
    SetVringBase = "set base",
    /// Reading a vring's base.
    GetVringBase = "get base of vring",
    /// Enabling or disabling a vring.
    EnableVring = "enable vring",
    /// Setting a call eventfd.
    SetCall = "set call of vring",
    /// Setting an error eventfd.
    SetError = "set error event of vring",
    /// Setting the config-change eventfd.
    SetConfigCall = "set config-change event",
    /// Making a kicker.
    MakeKicker = "make kicker of vring",
    /// Mapping for DMA.
    DmaMap = "map DMA",
    /// Unmapping.
    DmaUnmap = "unmap DMA",
    /// Changing mappings as one.
    DmaUpdate = "change DMA mappings",
    /// Reading the limits of DMA.
    DmaLimits = "get DMA limits",
    /// Setting the dirty log.
    SetDirtyLog = "set dirty log",
    /// Starting.
    Start = "start",
    /// Suspending.
    Suspend = "suspend",
    /// Saving its state.
    Save = "save",
    /// Going on from a saved state.
    Restore = "restore",
    /// Resuming.
    Resume = "resume",
    /// Resetting.
    Reset = "reset",
}
