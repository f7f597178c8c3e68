//! What a device is at a standstill, to go on from on another.

use std::ops::Range;
use std::os::fd::BorrowedFd;

use crate::accel::VhostAccel;
use crate::address::Iova;
use crate::base::VringBase;
use crate::capability::Capabilities;
use crate::error::{Error, Invalid, Misfit, Operation, Phase, Reason, Result, Subject};
use crate::features::Features;
use crate::vring::{QueueIndex, Vring};

/// A device at a standstill: what another of the same kind needs to go on, through whatever
/// interface.
///
/// With the feature `serde` it can be stored and sent. It bears a version then, and a version that
/// this library doesn't know is refused.
///
/// Not in it is what is elsewhere: memory and its mappings, which the VMM has; eventfds; the dirty
/// log; and what a guest has set through a control queue, such as how many of its pairs it uses.
/// Nobody but who saw those commands can repeat them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "stored::State", into = "stored::State"))]
#[non_exhaustive]
pub struct DeviceState {
    /// The virtio device id (1 is a network device).
    pub device_id: u32,
    /// What was negotiated, but for LOG_ALL.
    pub features: Features,
    /// Config space; empty without [`VIRTIO_STATUS`](Capabilities::VIRTIO_STATUS).
    pub config: Vec<u8>,
    /// The vrings that were set up.
    pub vrings: Vec<VringState>,
}

/// A vring of a [`DeviceState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VringState {
    /// Which.
    pub queue: QueueIndex,
    /// Entries.
    pub size: u16,
    /// Where it goes on.
    pub base: VringBase,
    /// The descriptor table.
    pub desc: Iova,
    /// The available (driver) ring.
    pub avail: Iova,
    /// The used (device) ring.
    pub used: Iova,
    /// Whether it runs.
    pub enabled: bool,
}

impl VringState {
    /// The vring as it is set up to go on.
    pub const fn vring<'fd>(&self, call: Option<BorrowedFd<'fd>>) -> Vring<'fd> {
        let Self { queue, size, base, desc, avail, used, enabled } = *self;
        let vring = Vring::new(queue, size, desc, avail, used).with_base(base).with_call(call);
        if enabled { vring } else { vring.disabled() }
    }
}

impl DeviceState {
    /// Saves a device, whose `vrings` are given as they were set up, but that those which
    /// [`enable_vring`](VhostAccel::enable_vring) changed say so: a device can't be asked for
    /// either.
    ///
    /// A device that runs is suspended, and stays so: also after an error, from which
    /// [`resume`](VhostAccel::resume) goes back.
    ///
    /// # Errors
    /// [`State`](Reason::State) of a fresh device; [`Unsupported`](Reason::Unsupported) of one that
    /// runs and lacks [`SUSPEND`](Capabilities::SUSPEND); those of
    /// [`vring_base`](VhostAccel::vring_base) and [`read_config`](VhostAccel::read_config).
    pub fn save(device: &mut dyn VhostAccel, vrings: &[Vring<'_>]) -> Result<Self> {
        let Some(negotiated) = device.negotiated() else {
            return Err(failed(
                device,
                Operation::Save,
                Subject::Device,
                Reason::State(Phase::Fresh),
            ));
        };
        if device.phase() == Phase::Running {
            device.suspend()?;
        }
        let config = config_of(device)?;
        let mut saved = Vec::with_capacity(vrings.len());
        for &Vring { queue, size, desc, avail, used, enabled, .. } in vrings {
            let base = device.vring_base(queue)?;
            saved.push(VringState { queue, size, base, desc, avail, used, enabled });
        }
        let device_id = device.info().device_id;
        let features = negotiated - Features::LOG_ALL;
        Ok(Self { device_id, features, config, vrings: saved })
    }

    /// Makes a fresh device what was saved, as far as [`start`](VhostAccel::start), which is left
    /// to the caller. `call` gives each vring its call eventfd.
    ///
    /// Config space is written where it differs, and a device keeps of it what is read-only:
    /// [`config_kept`](Self::config_kept) says what. Memory can be mapped before or after.
    ///
    /// # Errors
    /// [`Misfit`](Reason::Misfit), before anything is changed, for a device of another kind or
    /// without the features; [`Invalid`](Reason::Invalid), likewise, for a vring that it hasn't
    /// got or that is too large for it; [`State`](Reason::State) unless it is fresh; those of
    /// [`write_config`](VhostAccel::write_config), [`negotiate`](VhostAccel::negotiate) and
    /// [`setup_vrings`](VhostAccel::setup_vrings), after which it is reset.
    pub fn restore<'fd>(
        &self,
        device: &mut dyn VhostAccel,
        call: impl Fn(QueueIndex) -> Option<BorrowedFd<'fd>>,
    ) -> Result<()> {
        self.fits(device)?;
        let vrings: Vec<_> =
            self.vrings.iter().map(|saved| saved.vring(call(saved.queue))).collect();
        let restored = self.write(device, &vrings);
        if restored.is_err() {
            // The first error is the one to report, and a device that can't be reset has said so.
            let _ = device.reset();
        }
        restored
    }

    fn write(&self, device: &mut dyn VhostAccel, vrings: &[Vring<'_>]) -> Result<()> {
        // Before negotiation: with VIRTIO_NET_F_CTRL_MAC_ADDR a card takes no other MAC this way.
        if let Some(Range { start, end }) = self.config_kept(device)? {
            device.write_config(start, &self.config[start as usize..end as usize])?;
        }
        device.negotiate(self.features)?;
        device.setup_vrings(vrings)
    }

    /// Whether a fresh device can go on from here; what [`restore`](Self::restore) begins with.
    ///
    /// # Errors
    /// As there.
    pub fn fits(&self, device: &dyn VhostAccel) -> Result<()> {
        let refuse = |subject, reason| Err(failed(device, Operation::Restore, subject, reason));
        let info = device.info();
        if device.phase() != Phase::Fresh {
            return refuse(Subject::Device, Reason::State(device.phase()));
        }
        if info.device_id != self.device_id {
            let misfit = Misfit::DeviceId { saved: self.device_id, here: info.device_id };
            return refuse(Subject::Device, misfit.into());
        }
        let offered = device.features()?;
        let missing = self.features - (offered - offered.undriven());
        if !missing.is_empty() {
            return refuse(Subject::Device, Misfit::Features(missing).into());
        }
        for vring in &self.vrings {
            if vring.queue.0 >= info.queue_count {
                let none = Invalid::Queue(info.queue_count);
                return refuse(Subject::Queue(vring.queue), none.into());
            }
            if vring.size > info.max_queue_size {
                let large = Invalid::QueueSize(info.max_queue_size);
                return refuse(Subject::Queue(vring.queue), large.into());
            }
        }
        Ok(())
    }

    /// From the first byte of config space in which `device` differs from what was saved to behind
    /// the last; `None` where it doesn't. Bytes that only one of the two has don't count.
    ///
    /// After [`restore`](Self::restore) it is what the device didn't take: whether the guest may
    /// see another value is the VMM's to decide.
    ///
    /// # Errors
    /// Those of [`read_config`](VhostAccel::read_config).
    pub fn config_kept(&self, device: &dyn VhostAccel) -> Result<Option<Range<u32>>> {
        let here = config_of(device)?;
        let bytes = (0..).zip(here.iter().zip(&self.config));
        let mut differing = bytes.filter(|(_, (here, saved))| here != saved).map(|(at, _)| at);
        Ok(differing.next().map(|first| first..differing.last().unwrap_or(first) + 1))
    }
}

fn config_of(device: &dyn VhostAccel) -> Result<Vec<u8>> {
    if !device.info().capabilities.contains(Capabilities::VIRTIO_STATUS) {
        return Ok(Vec::new());
    }
    let mut config = vec![0; device.config_size()? as usize];
    device.read_config(0, &mut config)?;
    Ok(config)
}

fn failed(
    device: &dyn VhostAccel,
    operation: Operation,
    subject: Subject,
    reason: Reason,
) -> Error {
    let info = device.info();
    Error::new(info.interface, info.path.clone(), operation, subject, reason)
}

/// How a state is stored. A field that must not be lost comes with a new version, and an old
/// library then refuses the state; one that may be is simply ignored there.
#[cfg(feature = "serde")]
mod stored {
    use super::{DeviceState, Features, Iova, QueueIndex, VringBase, VringState};

    /// The version that is written, and the only one that there is.
    const VERSION: u32 = 1;

    #[derive(serde::Serialize, serde::Deserialize)]
    pub(super) struct State {
        version: u32,
        device_id: u32,
        features: u64,
        config: Vec<u8>,
        vrings: Vec<Ring>,
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Ring {
        queue: u16,
        size: u16,
        base: u32,
        desc: u64,
        avail: u64,
        used: u64,
        enabled: bool,
    }

    /// A state of another version.
    #[derive(Debug, thiserror::Error)]
    #[error("the state is of version {0}, and this library knows version {VERSION}")]
    pub(super) struct UnknownVersion(u32);

    impl From<DeviceState> for State {
        fn from(DeviceState { device_id, features, config, vrings }: DeviceState) -> Self {
            let vrings = vrings.iter().map(Ring::from).collect();
            Self { version: VERSION, device_id, features: features.bits(), config, vrings }
        }
    }

    impl TryFrom<State> for DeviceState {
        type Error = UnknownVersion;

        fn try_from(stored: State) -> Result<Self, UnknownVersion> {
            let State { version, device_id, features, config, vrings } = stored;
            if version != VERSION {
                return Err(UnknownVersion(version));
            }
            let features = Features::from_bits_retain(features);
            let vrings = vrings.iter().map(VringState::from).collect();
            Ok(Self { device_id, features, config, vrings })
        }
    }

    impl From<&VringState> for Ring {
        fn from(vring: &VringState) -> Self {
            let VringState { queue, size, base, desc, avail, used, enabled } = *vring;
            let (queue, base, desc) = (queue.0, base.raw(), desc.0);
            Self { queue, size, base, desc, avail: avail.0, used: used.0, enabled }
        }
    }

    impl From<&Ring> for VringState {
        fn from(ring: &Ring) -> Self {
            let Ring { queue, size, base, desc, avail, used, enabled } = *ring;
            let (queue, base, desc) = (QueueIndex(queue), VringBase::from_raw(base), Iova(desc));
            Self { queue, size, base, desc, avail: Iova(avail), used: Iova(used), enabled }
        }
    }
}
