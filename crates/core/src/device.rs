//! A device: a control column and a DMA column, and the rules that hold whatever they are.

use std::io;
use std::os::fd::BorrowedFd;

use crate::accel::VhostAccel;
use crate::address::{Hva, Iova, IovaRange};
use crate::base::VringBase;
use crate::capability::Capabilities;
use crate::control::{Control, Failure};
use crate::dirty::{DirtyBitmap, Writable};
use crate::dma::{Access, Dma, DmaLimits, DmaMapping};
use crate::doorbell::page_size;
use crate::error::{Error, Invalid, Operation, Phase, Reason, Result, Subject};
use crate::features::{Features, Status};
use crate::info::DeviceInfo;
use crate::kick::{Kick, KickKind, KickWay, Kicker};
use crate::vring::{QueueIndex, Vring};

/// Joins a [`Control`] and a [`Dma`] into a [`VhostAccel`].
///
/// The order of calls, the checks before a crossing, rollback and the wording of errors are here,
/// so that the four interfaces differ in nothing but their crossings.
#[derive(Debug)]
pub struct Device<C, D> {
    info: DeviceInfo,
    // Before `dma`: the device closes before its container does.
    control: C,
    dma: D,
    phase: Phase,
    negotiated: Features,
    withheld: Features,
    /// Which vrings are set up.
    set_up: Vec<bool>,
    /// What a dirty log must cover.
    writable: Writable,
}

const DRIVER_OK: Status =
    Status::ACKNOWLEDGE.union(Status::DRIVER).union(Status::FEATURES_OK).union(Status::DRIVER_OK);

/// What a device may refuse to work without (virtio 1.2, 6.1 and 6.2).
const NEEDED: Features = Features::VERSION_1.union(Features::ACCESS_PLATFORM);

impl<C: Control, D: Dma> Device<C, D> {
    /// The device that `info` describes, just opened.
    pub fn new(info: DeviceInfo, control: C, dma: D) -> Self {
        let set_up = vec![false; usize::from(info.queue_count)];
        let (phase, negotiated, withheld) = (Phase::Fresh, Features::empty(), Features::empty());
        let writable = Writable::new();
        Self { info, control, dma, phase, negotiated, withheld, set_up, writable }
    }

    fn error(&self, operation: Operation, subject: Subject, reason: impl Into<Reason>) -> Error {
        let device = self.info.path.clone();
        Error::new(self.info.interface, device, operation, subject, reason)
    }

    /// A closure for `map_err`: an operation on `subject` that is one request.
    fn failed<R: Into<Reason>>(
        &self,
        operation: Operation,
        subject: Subject,
    ) -> impl FnOnce(R) -> Error + '_ {
        move |reason| self.error(operation, subject, reason)
    }

    /// As [`failed`](Self::failed), of the DMA column. A device without it is asked all the
    /// same, so that one with it doesn't pay for the question.
    fn dma_failed(
        &self,
        operation: Operation,
        subject: Subject,
    ) -> impl FnOnce(io::Error) -> Error + '_ {
        move |error| {
            self.need(operation, subject, Capabilities::DMA)
                .map_or_else(|unsupported| unsupported, |()| self.error(operation, subject, error))
        }
    }

    fn failure(&self, operation: Operation, subject: Subject, failure: Failure) -> Error {
        let subject = failure.queue.map_or(subject, Subject::Queue);
        let error = self.error(operation, subject, failure.reason);
        match failure.step {
            Some(step) => error.in_step(step),
            None => error,
        }
    }

    fn need(&self, operation: Operation, subject: Subject, needed: Capabilities) -> Result<()> {
        if self.info.capabilities.contains(needed) {
            return Ok(());
        }
        let missing = needed - self.info.capabilities;
        Err(self.error(operation, subject, Reason::Unsupported(missing)))
    }

    fn in_phase(&self, operation: Operation, allowed: &[Phase]) -> Result<()> {
        if allowed.contains(&self.phase) {
            return Ok(());
        }
        Err(self.error(operation, Subject::Device, Reason::State(self.phase)))
    }

    fn check_queue(&self, operation: Operation, queue: QueueIndex) -> Result<()> {
        if queue.0 < self.info.queue_count {
            return Ok(());
        }
        let count = self.info.queue_count;
        Err(self.error(operation, Subject::Queue(queue), Invalid::Queue(count)))
    }

    fn check_vring(&self, vring: &Vring<'_>) -> Result<()> {
        self.check_queue(Operation::SetupVring, vring.queue)?;
        let max = self.info.max_queue_size;
        let parts = [
            ("descriptor table", vring.desc.0, 16),
            ("available ring", vring.avail.0, 2),
            ("used ring", vring.used.0, 4),
        ];
        let invalid = if !vring.size.is_power_of_two() || vring.size > max {
            Some(Invalid::QueueSize(max))
        } else if vring.base.as_split().is_none() {
            // No packed ring is negotiated.
            Some(Invalid::Base(vring.base))
        } else {
            parts
                .into_iter()
                .find(|&(_, address, align)| address % align != 0)
                .map(|(part, _, align)| Invalid::Alignment { part, align })
        };
        match invalid {
            None => Ok(()),
            Some(why) => Err(self.error(Operation::SetupVring, Subject::Queue(vring.queue), why)),
        }
    }

    fn check_range(&self, operation: Operation, range: IovaRange, host: Hva) -> Result<()> {
        let page = page_size() as u64;
        let subject = Subject::Range(range);
        if range.last().is_none() || host.0.checked_add(range.len).is_none() {
            return Err(self.error(operation, subject, Invalid::Range));
        }
        if (range.start.0 | range.len | host.0) & (page - 1) != 0 {
            return Err(self.error(operation, subject, Invalid::Page(page)));
        }
        Ok(())
    }

    fn mapped(&mut self, mappings: &[DmaMapping]) {
        for mapping in mappings.iter().filter(|mapping| mapping.access.writes()) {
            self.writable.mapped(mapping.range());
        }
    }

    fn check_mapping(&self, mapping: &DmaMapping) -> Result<()> {
        self.check_range(Operation::DmaMap, mapping.range(), mapping.host)?;
        let subject = Subject::Range(mapping.range());
        if mapping.access.writes()
            && let Some(log) = self.writable.beyond_log(mapping.range())
            && let Some(mapped) = mapping.range().last()
        {
            return Err(self.error(Operation::DmaMap, subject, Invalid::Uncovered { log, mapped }));
        }
        if mapping.access == Access::ReadWrite {
            return Ok(());
        }
        self.need(Operation::DmaMap, subject, Capabilities::DMA_ACCESS)
    }

    fn check_log(&self, bitmap: DirtyBitmap) -> Result<()> {
        let invalid = if !bitmap.host.0.is_multiple_of(8) || !bitmap.len.is_multiple_of(8) {
            Some(Invalid::Alignment { part: "dirty log", align: 8 })
        } else {
            let log = bitmap.last().unwrap_or(Iova(0));
            let beyond = |mapped: &Iova| bitmap.last() < Some(*mapped);
            let mapped = self.writable.last().filter(beyond);
            mapped.map(|mapped| Invalid::Uncovered { log, mapped })
        };
        match invalid {
            Some(invalid) => Err(self.error(Operation::SetDirtyLog, Subject::Device, invalid)),
            None => Ok(()),
        }
    }

    /// The way to kick that was asked for, checked against the capabilities.
    fn kick_way<'fd>(&self, queue: QueueIndex, kick: Kick<'fd>) -> Result<KickWay<'fd>> {
        let capabilities = self.info.capabilities;
        let way = match kick {
            Kick::Best => KickKind::ALL
                .into_iter()
                .find(|kind| capabilities.contains(kind.capability()))
                .unwrap_or(KickKind::EventFd)
                .into(),
            Kick::Kind(kind) => kind.into(),
            Kick::EventFd(given) => KickWay::EventFd(Some(given)),
        };
        self.need(Operation::MakeKicker, Subject::Queue(queue), way.kind().capability())?;
        Ok(way)
    }

    fn set_up_mut(&mut self, queue: QueueIndex) -> &mut bool {
        &mut self.set_up[usize::from(queue.0)]
    }
}

impl<C: Control, D: Dma> VhostAccel for Device<C, D> {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn device_fd(&self) -> Option<BorrowedFd<'_>> {
        self.control.device_fd()
    }

    fn phase(&self) -> Phase {
        self.phase
    }

    fn features(&self) -> Result<Features> {
        self.control.features().map_err(self.failed(Operation::GetFeatures, Subject::Device))
    }

    fn negotiate(&mut self, wanted: Features) -> Result<Features> {
        let operation = Operation::Negotiate;
        self.in_phase(operation, &[Phase::Fresh])?;
        let possible = wanted & self.features()?;
        self.withheld = possible.undriven();
        let accepted = possible - self.withheld;
        let status = match self.control.negotiate(accepted) {
            Ok(status) => status,
            Err(failure) => return Err(self.failure(operation, Subject::Device, failure)),
        };
        if !status.contains(Status::FEATURES_OK) {
            let missing = (NEEDED | self.withheld) - accepted;
            let refused = Reason::FeaturesRefused { accepted, missing };
            return Err(self.error(operation, Subject::Device, refused));
        }
        (self.phase, self.negotiated) = (Phase::Negotiated, accepted);
        Ok(accepted)
    }

    fn negotiated(&self) -> Option<Features> {
        (self.phase != Phase::Fresh).then_some(self.negotiated)
    }

    fn withheld(&self) -> Features {
        self.withheld
    }

    fn status(&self) -> Result<Status> {
        self.control.status().map_err(self.failed(Operation::GetStatus, Subject::Device))
    }

    fn config_size(&self) -> Result<u32> {
        self.need(Operation::ReadConfig, Subject::Device, Capabilities::VIRTIO_STATUS)?;
        self.control.config_size().map_err(self.failed(Operation::ReadConfig, Subject::Device))
    }

    fn read_config(&self, offset: u32, data: &mut [u8]) -> Result<()> {
        let subject = Subject::Config { offset, len: data.len() };
        self.need(Operation::ReadConfig, subject, Capabilities::VIRTIO_STATUS)?;
        self.control.read_config(offset, data).map_err(self.failed(Operation::ReadConfig, subject))
    }

    fn write_config(&mut self, offset: u32, data: &[u8]) -> Result<()> {
        let subject = Subject::Config { offset, len: data.len() };
        self.need(Operation::WriteConfig, subject, Capabilities::VIRTIO_STATUS)?;
        let written = self.control.write_config(offset, data);
        written.map_err(self.failed(Operation::WriteConfig, subject))
    }

    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<()> {
        self.in_phase(Operation::SetupVring, &[Phase::Negotiated, Phase::Suspended])?;
        vrings.iter().try_for_each(|vring| self.check_vring(vring))?;
        if let Err(failure) = self.control.setup_vrings(vrings) {
            let done = vrings.iter().take_while(|vring| Some(vring.queue) != failure.queue);
            for vring in done {
                // The first error is the one to report; a vring left enabled can't run before
                // `start`, which wants it set up.
                let _ = self.control.enable_vring(vring.queue, false);
                let _ = self.control.set_call(vring.queue, None);
                self.set_up[usize::from(vring.queue.0)] = false;
            }
            return Err(self.failure(Operation::SetupVring, Subject::Device, failure));
        }
        for vring in vrings {
            *self.set_up_mut(vring.queue) = true;
        }
        Ok(())
    }

    fn enable_vring(&mut self, queue: QueueIndex, enabled: bool) -> Result<()> {
        let (operation, subject) = (Operation::EnableVring, Subject::Queue(queue));
        self.check_queue(operation, queue)?;
        if !*self.set_up_mut(queue) {
            return Err(self.error(operation, subject, Invalid::NotSetUp));
        }
        self.need(operation, subject, Capabilities::VIRTIO_STATUS)?;
        let result = self.control.enable_vring(queue, enabled);
        result.map_err(self.failed(operation, subject))
    }

    fn vring_base(&self, queue: QueueIndex) -> Result<VringBase> {
        let operation = Operation::GetVringBase;
        self.check_queue(operation, queue)?;
        let subject = Subject::Queue(queue);
        let base = self.control.vring_base(queue).map_err(self.failed(operation, subject))?;
        match base.as_split() {
            Some(_) => Ok(base),
            None => Err(self.error(operation, subject, Reason::Base(base))),
        }
    }

    fn set_call(&mut self, queue: QueueIndex, call: Option<BorrowedFd<'_>>) -> Result<()> {
        self.check_queue(Operation::SetCall, queue)?;
        let result = self.control.set_call(queue, call);
        result.map_err(self.failed(Operation::SetCall, Subject::Queue(queue)))
    }

    fn set_error(&mut self, queue: QueueIndex, error: Option<BorrowedFd<'_>>) -> Result<()> {
        let (operation, subject) = (Operation::SetError, Subject::Queue(queue));
        self.check_queue(operation, queue)?;
        self.need(operation, subject, Capabilities::ERROR_EVENT)?;
        let result = self.control.set_error(queue, error);
        result.map_err(self.failed(operation, subject))
    }

    fn set_config_call(&mut self, call: Option<BorrowedFd<'_>>) -> Result<()> {
        let result = self.control.set_config_call(call);
        result.map_err(self.failed(Operation::SetConfigCall, Subject::Device))
    }

    fn kicker(&mut self, queue: QueueIndex, kick: Kick<'_>) -> Result<Kicker> {
        self.check_queue(Operation::MakeKicker, queue)?;
        let way = self.kick_way(queue, kick)?;
        let made = self.control.kicker(queue, way);
        made.map_err(|failure| self.failure(Operation::MakeKicker, Subject::Queue(queue), failure))
    }

    #[expect(unsafe_code, reason = "passes the caller's promise on")]
    unsafe fn dma_map(&mut self, mapping: &DmaMapping) -> Result<()> {
        self.check_mapping(mapping)?;
        // SAFETY: the caller's promise is the same.
        let mapped = unsafe { self.dma.map(mapping) };
        mapped.map_err(self.dma_failed(Operation::DmaMap, Subject::Range(mapping.range())))?;
        self.mapped(std::slice::from_ref(mapping));
        Ok(())
    }

    #[expect(unsafe_code, reason = "passes the caller's promise on")]
    unsafe fn dma_map_all(&mut self, mappings: &[DmaMapping]) -> Result<()> {
        mappings.iter().try_for_each(|mapping| self.check_mapping(mapping))?;
        // SAFETY: the caller's promise is the same.
        let mapped = unsafe { self.dma.map_all(mappings) };
        mapped.map_err(|failure| {
            let culprit = failure.index.and_then(|index| mappings.get(index));
            let subject = culprit.map_or(Subject::Device, |one| Subject::Range(one.range()));
            self.dma_failed(Operation::DmaMap, subject)(failure.source)
        })?;
        self.mapped(mappings);
        Ok(())
    }

    fn dma_unmap(&mut self, range: IovaRange) -> Result<()> {
        self.check_range(Operation::DmaUnmap, range, Hva(0))?;
        let unmapped = self.dma.unmap(range);
        unmapped.map_err(self.dma_failed(Operation::DmaUnmap, Subject::Range(range)))?;
        self.writable.unmapped(range);
        Ok(())
    }

    #[expect(unsafe_code, reason = "passes the caller's promise on")]
    unsafe fn dma_update(&mut self, unmap: &[IovaRange], map: &[DmaMapping]) -> Result<()> {
        let operation = Operation::DmaUpdate;
        unmap.iter().try_for_each(|&range| self.check_range(operation, range, Hva(0)))?;
        map.iter().try_for_each(|mapping| self.check_mapping(mapping))?;
        // SAFETY: the caller's promise is the same.
        let updated = unsafe { self.dma.update(unmap, map) };
        updated.map_err(|failure| {
            let culprit = failure.index.and_then(|index| map.get(index));
            let subject = culprit.map_or(Subject::Device, |one| Subject::Range(one.range()));
            self.dma_failed(operation, subject)(failure.source)
        })?;
        unmap.iter().for_each(|&range| self.writable.unmapped(range));
        self.mapped(map);
        Ok(())
    }

    fn dma_limits(&self) -> Result<DmaLimits> {
        self.dma.limits().map_err(self.dma_failed(Operation::DmaLimits, Subject::Device))
    }

    fn start(&mut self) -> Result<()> {
        self.in_phase(Operation::Start, &[Phase::Negotiated])?;
        if !self.set_up.contains(&true) {
            return Err(self.error(Operation::Start, Subject::Device, Reason::NoVrings));
        }
        let started = self.control.set_status(DRIVER_OK);
        started.map_err(self.failed(Operation::Start, Subject::Device))?;
        self.phase = Phase::Running;
        Ok(())
    }

    fn suspend(&mut self) -> Result<()> {
        self.need(Operation::Suspend, Subject::Device, Capabilities::SUSPEND)?;
        self.in_phase(Operation::Suspend, &[Phase::Running])?;
        let suspended = self.control.suspend();
        suspended.map_err(self.failed(Operation::Suspend, Subject::Device))?;
        self.phase = Phase::Suspended;
        Ok(())
    }

    fn resume(&mut self) -> Result<()> {
        self.need(Operation::Resume, Subject::Device, Capabilities::RESUME)?;
        self.in_phase(Operation::Resume, &[Phase::Suspended])?;
        let resumed = self.control.resume();
        resumed.map_err(self.failed(Operation::Resume, Subject::Device))?;
        self.phase = Phase::Running;
        Ok(())
    }

    fn reset(&mut self) -> Result<()> {
        let reset = self.control.reset();
        reset.map_err(self.failed(Operation::Reset, Subject::Device))?;
        (self.phase, self.negotiated) = (Phase::Fresh, Features::empty());
        self.withheld = Features::empty();
        self.set_up.fill(false);
        self.writable.log(None);
        Ok(())
    }

    #[expect(unsafe_code, reason = "passes the caller's promise on")]
    unsafe fn set_dirty_log(&mut self, bitmap: Option<DirtyBitmap>) -> Result<()> {
        let operation = Operation::SetDirtyLog;
        self.need(operation, Subject::Device, Capabilities::DIRTY_LOG)?;
        let negotiated = [Phase::Negotiated, Phase::Running, Phase::Suspended];
        self.in_phase(operation, &negotiated)?;
        let features = match bitmap {
            Some(bitmap) => {
                self.check_log(bitmap)?;
                // SAFETY: the caller's promise, and what was just checked.
                let set = unsafe { self.control.set_log_base(bitmap.host) };
                set.map_err(self.failed(operation, Subject::Device))?;
                self.negotiated | Features::LOG_ALL
            }
            None => self.negotiated - Features::LOG_ALL,
        };
        let set = self.control.set_features(features);
        set.map_err(|error| {
            self.error(operation, Subject::Device, error).in_step(Operation::SetFeatures)
        })?;
        self.negotiated = features;
        self.writable.log(bitmap.and_then(|bitmap| bitmap.last()));
        Ok(())
    }
}
