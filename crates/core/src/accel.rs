//! The trait.

use std::fmt;
use std::os::fd::BorrowedFd;

use crate::address::IovaRange;
use crate::base::VringBase;
use crate::capability::Capabilities;
use crate::dirty::DirtyBitmap;
use crate::dma::{DmaLimits, DmaMapping};
use crate::error::{Error, Operation, Phase, Reason, Result, Subject};
use crate::features::{Features, Status};
use crate::info::DeviceInfo;
use crate::kick::{Kick, Kicker};
use crate::vring::{QueueIndex, Vring};

/// A device that walks virtio rings by itself, whatever interface the kernel gives it.
///
/// Held as `Box<dyn VhostAccel>`. Dropping it closes the device, which resets it and unmaps
/// everything. Every error names the operation, the interface, the vring or range, the errno and
/// the device ([`Error`](crate::Error)); the errors that are listed here are those of the device's
/// semantics, next to those of the system call.
///
/// Kicking, `set_call`, `dma_map` and `dma_unmap` do not allocate.
///
/// A method that comes with a later version is a provided one. It answers
/// [`Unsupported`](crate::Reason::Unsupported), so that what implements the trait goes on to
/// compile.
pub trait VhostAccel: Send {
    /// Identity and capabilities. Makes no crossing.
    fn info(&self) -> &DeviceInfo;

    /// The fd that the device is open as; `None` where there is no single one. Makes no crossing.
    ///
    /// Another process maps a doorbell from it, at [`Doorbell::offset`](crate::Doorbell::offset). A
    /// duplicate keeps the device open. The library doesn't see requests that others make with it,
    /// and goes on to believe what it knew of the device before.
    fn device_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Where the device stands in the order of calls. Makes no crossing.
    fn phase(&self) -> Phase;

    /// The features that the device offers.
    fn features(&self) -> Result<Features>;

    /// Negotiates features; `wanted` is cut down to what the device offers, and to what the library
    /// can drive: [`Features::DRIVEN`] says which and why. Returns what holds now;
    /// [`withheld`](Self::withheld) is what was taken out of what is wanted and offered.
    ///
    /// # Errors
    /// [`State`](crate::Reason::State) unless the device is fresh;
    /// [`FeaturesRefused`](crate::Reason::FeaturesRefused) when the device doesn't keep FEATURES_OK
    /// (ours wants VERSION_1 and ACCESS_PLATFORM), which names what may be missing; after it the
    /// device wants a reset.
    fn negotiate(&mut self, wanted: Features) -> Result<Features>;

    /// What was negotiated; `None` when the device is fresh. Makes no crossing.
    fn negotiated(&self) -> Option<Features>;

    /// What the last `negotiate` took out of what was wanted and offered because the library can't
    /// drive it, whether the device then took the rest or not; empty after a reset. Makes no
    /// crossing.
    ///
    /// [`Features::undriven`] says it of any set, before anything is negotiated.
    fn withheld(&self) -> Features;

    /// The device status as the device has it: [`Status::NEEDS_RESET`] tells of a stopped vring.
    fn status(&self) -> Result<Status>;

    /// The size of config space in bytes.
    ///
    /// # Errors
    /// For this and the two below: [`Unsupported`](crate::Reason::Unsupported) without
    /// [`VIRTIO_STATUS`](crate::Capabilities::VIRTIO_STATUS).
    fn config_size(&self) -> Result<u32>;

    /// Reads config space from `offset` on.
    ///
    /// # Errors
    /// EINVAL beyond its end.
    fn read_config(&self, offset: u32, data: &mut [u8]) -> Result<()>;

    /// Writes config space from `offset` on. A device ignores what is read-only.
    ///
    /// # Errors
    /// EINVAL beyond its end.
    fn write_config(&mut self, offset: u32, data: &[u8]) -> Result<()>;

    /// Sets up one vring. See [`setup_vrings`](Self::setup_vrings).
    ///
    /// # Errors
    /// As there.
    fn setup_vring(&mut self, vring: &Vring<'_>) -> Result<()> {
        self.setup_vrings(std::slice::from_ref(vring))
    }

    /// Sets up several vrings, with [`BATCH_VRINGS`](crate::Capabilities::BATCH_VRINGS) in a number
    /// of crossings that doesn't depend on how many.
    ///
    /// Addresses are not looked at now: one that isn't mapped stops the vring when it runs. When
    /// one vring fails, those before it are disabled again and lose their call eventfd.
    ///
    /// # Errors
    /// [`State`](crate::Reason::State) before `negotiate` and while running;
    /// [`Invalid`](crate::Reason::Invalid) for a vring that the device hasn't got, a size that is
    /// no power of two or too large, a misaligned part, or a base that is no split ring's, all
    /// before any crossing.
    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<()>;

    /// Enables or disables a vring, at any time after it was set up.
    fn enable_vring(&mut self, queue: QueueIndex, enabled: bool) -> Result<()>;

    /// Where the device goes on: of a split ring, the next available index that it will look at.
    /// Stable only while suspended or stopped; the base to go on from, here or on another device.
    ///
    /// # Errors
    /// [`Base`](crate::Reason::Base) for one that is no split ring's.
    fn vring_base(&self, queue: QueueIndex) -> Result<VringBase>;

    /// Sets, replaces or removes the eventfd that the device signals after using buffers.
    fn set_call(&mut self, queue: QueueIndex, call: Option<BorrowedFd<'_>>) -> Result<()>;

    /// Sets, replaces or removes the eventfd that the device signals when the vring stops on an
    /// error.
    ///
    /// # Errors
    /// [`Unsupported`](crate::Reason::Unsupported) without
    /// [`ERROR_EVENT`](crate::Capabilities::ERROR_EVENT).
    fn set_error(&mut self, queue: QueueIndex, error: Option<BorrowedFd<'_>>) -> Result<()>;

    /// Sets, replaces or removes the eventfd that the device signals when its config space or its
    /// status changes.
    fn set_config_call(&mut self, call: Option<BorrowedFd<'_>>) -> Result<()>;

    /// Makes a kicker.
    ///
    /// # Errors
    /// [`Unsupported`](crate::Reason::Unsupported) for a kind that the capabilities don't list.
    fn kicker(&mut self, queue: QueueIndex, kick: Kick<'_>) -> Result<Kicker>;

    /// Lets the device use memory of this process.
    ///
    /// # Errors
    /// [`Invalid`](crate::Reason::Invalid) for an empty, wrapping or misaligned range, before any
    /// crossing. With [`DMA_ERRNO`](crate::Capabilities::DMA_ERRNO): EEXIST for an overlap, ENOSPC
    /// beyond the limit; without it EFAULT. A bad host address is EFAULT where the interface pins
    /// at once, and a fault of the vring that touches it where it doesn't.
    /// [`Unsupported`](crate::Reason::Unsupported) for one-way access without
    /// [`DMA_ACCESS`](crate::Capabilities::DMA_ACCESS).
    ///
    /// # Safety
    /// Until `dma_unmap` of a range that covers it, or the drop of the device:
    ///  - `mapping.host` to `mapping.host + mapping.len - 1` must stay mapped in this process, and
    ///    writable if the device may write;
    ///  - nobody may hold a Rust reference to that memory: the device changes it at any time. Raw
    ///    pointers, volatile and atomic access are fine.
    #[expect(unsafe_code, reason = "the device gets access to memory that the caller names")]
    unsafe fn dma_map(&mut self, mapping: &DmaMapping) -> Result<()>;

    /// Maps all or none, with [`BATCH_DMA`](crate::Capabilities::BATCH_DMA) as one change.
    ///
    /// # Errors
    /// As [`dma_map`](Self::dma_map), naming the range at fault where the kernel tells.
    ///
    /// # Safety
    /// As [`dma_map`](Self::dma_map), for each.
    #[expect(unsafe_code, reason = "the device gets access to memory that the caller names")]
    unsafe fn dma_map_all(&mut self, mappings: &[DmaMapping]) -> Result<()>;

    /// Takes every mapping inside `range` away; when it returns, the device no longer touches them.
    ///
    /// The range may cover several mappings and gaps between them, and cuts none.
    ///
    /// # Errors
    /// EINVAL if it would cut one, ENOENT if there is nothing: with
    /// [`DMA_ERRNO`](crate::Capabilities::DMA_ERRNO). Without it a mapping that the range
    /// touches is removed, whole or that part of it, and nothing is no error.
    fn dma_unmap(&mut self, range: IovaRange) -> Result<()>;

    /// Unmaps `unmap` and maps `map`, in this order. A range in which there is nothing is no error.
    ///
    /// With [`ATOMIC_DMA`](crate::Capabilities::ATOMIC_DMA) it is one change, all or none, and
    /// memory in use may be part of it: the device goes on. Without it the device, should it run,
    /// may meet the moment in which neither is mapped, and stops the vring that does. Then use
    /// [`dma_update_suspended`](Self::dma_update_suspended), or leave memory in use alone.
    ///
    /// # Errors
    /// Those of [`dma_unmap`](Self::dma_unmap) and [`dma_map_all`](Self::dma_map_all). Without
    /// `ATOMIC_DMA` what was unmapped before a failure stays unmapped. None of `map` is mapped
    /// then. [`Unsupported`](crate::Reason::Unsupported) from an implementation of this trait
    /// without it.
    ///
    /// # Safety
    /// As [`dma_map`](Self::dma_map), for each of `map`. What was in `unmap` may go when this
    /// returns `Ok`.
    #[expect(unsafe_code, reason = "the device gets access to memory that the caller names")]
    unsafe fn dma_update(&mut self, unmap: &[IovaRange], map: &[DmaMapping]) -> Result<()> {
        let (_, _, info) = (unmap, map, self.info());
        let (operation, subject) = (Operation::DmaUpdate, Subject::Device);
        let reason = Reason::Unsupported(Capabilities::ATOMIC_DMA);
        Err(Error::new(info.interface, info.path.clone(), operation, subject, reason))
    }

    /// [`dma_update`](Self::dma_update) that a running device doesn't notice: without
    /// [`ATOMIC_DMA`](crate::Capabilities::ATOMIC_DMA) every vring stands still meanwhile.
    ///
    /// # Errors
    /// As `dma_update`, [`suspend`](Self::suspend) and [`resume`](Self::resume). After a failed
    /// update the device runs again.
    ///
    /// # Safety
    /// As `dma_update`.
    #[expect(unsafe_code, reason = "passes the caller's promise on")]
    unsafe fn dma_update_suspended(
        &mut self,
        unmap: &[IovaRange],
        map: &[DmaMapping],
    ) -> Result<()> {
        let atomic = self.info().capabilities.contains(Capabilities::ATOMIC_DMA);
        let pause = self.phase() == Phase::Running && !atomic;
        if pause {
            self.suspend()?;
        }
        // SAFETY: the caller's promise is the same.
        let updated = unsafe { self.dma_update(unmap, map) };
        if pause {
            self.resume()?;
        }
        updated
    }

    /// Makes `map` all that is mapped: [`dma_update`](Self::dma_update) of every address.
    ///
    /// # Errors
    /// As `dma_update`.
    ///
    /// # Safety
    /// As `dma_update`.
    #[expect(unsafe_code, reason = "passes the caller's promise on")]
    unsafe fn dma_replace_all(&mut self, map: &[DmaMapping]) -> Result<()> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.dma_update(&[IovaRange::every_page()], map) }
    }

    /// What can be mapped.
    fn dma_limits(&self) -> Result<DmaLimits>;

    /// DRIVER_OK: the enabled vrings run, and look for work once without a kick.
    ///
    /// # Errors
    /// [`State`](crate::Reason::State) unless features are negotiated;
    /// [`NoVrings`](crate::Reason::NoVrings).
    fn start(&mut self) -> Result<()>;

    /// Makes every vring stand still; when it returns, ring state is final and may be read and
    /// changed.
    ///
    /// # Errors
    /// [`Unsupported`](crate::Reason::Unsupported); [`State`](crate::Reason::State) unless running.
    fn suspend(&mut self) -> Result<()>;

    /// Goes on after a suspend.
    ///
    /// # Errors
    /// [`Unsupported`](crate::Reason::Unsupported); [`State`](crate::Reason::State) unless
    /// suspended.
    fn resume(&mut self) -> Result<()>;

    /// Resets, in whatever state: features, vrings, eventfds and config space go back to what they
    /// were at open. DMA mappings stay.
    fn reset(&mut self) -> Result<()>;

    /// Starts, moves or, with `None`, stops the log of pages that the device writes: bit *n* of the
    /// bitmap is the 4 KiB page *n* of IOVA space. Possible while running.
    ///
    /// It must cover what may be mapped for writing: up to the end of the highest such mapping, and
    /// when that was unmapped, up to where it began. [`DirtyBitmap::bytes_for`] says how many bytes
    /// that is. While there is a log, memory beyond what it covers can't be mapped for writing.
    ///
    /// # Errors
    /// [`Unsupported`](crate::Reason::Unsupported) without
    /// [`DIRTY_LOG`](crate::Capabilities::DIRTY_LOG); [`State`](crate::Reason::State) before
    /// `negotiate`; [`Invalid`](crate::Reason::Invalid) for a bitmap that is not aligned to 8
    /// bytes, or that doesn't cover what may be mapped for writing, both before any crossing.
    ///
    /// # Safety
    /// The bitmap must be valid as in [`dma_map`](Self::dma_map) until the log is stopped or the
    /// device is reset or dropped.
    #[expect(unsafe_code, reason = "the device writes into memory that the caller names")]
    unsafe fn set_dirty_log(&mut self, bitmap: Option<DirtyBitmap>) -> Result<()>;
}

impl fmt::Debug for dyn VhostAccel + '_ {
    /// What is known without a crossing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VhostAccel")
            .field("info", self.info())
            .field("phase", &self.phase())
            .field("negotiated", &self.negotiated())
            .finish_non_exhaustive()
    }
}
