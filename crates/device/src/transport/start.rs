//! Starting and stopping: vrings, the worker, the whole device.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;

use virtio_bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};
use vmm_sys_util::epoll::{ControlOperation, EpollEvent};

use super::dirty::DirtyLog;
use super::doorbell::DoorbellPages;
use super::vring::{RingFeatures, Vring};
use super::{Control, DRIVER_OK, Device};
use crate::{Errno, lock};

/// While it lives the worker starts no look at a queue.
pub(super) struct Attention<'a>(&'a AtomicU32);

impl Drop for Attention<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl Device {
    pub(super) fn attention(&self) -> Attention<'_> {
        self.shared.attention.fetch_add(1, Ordering::Acquire);
        Attention(&self.shared.attention)
    }

    /// Runs `change` on a vring in range, between two chains.
    pub(super) fn with_vring<T>(&self, queue: u16, change: impl FnOnce(&mut Vring) -> T) -> T {
        let _attention = self.attention();
        change(&mut self.shared.vring(queue))
    }

    /// Runs `change` on the dirty log, between two passes.
    pub(super) fn with_log(&self, change: impl FnOnce(&mut DirtyLog)) {
        change(&mut self.shared.log.write().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn start_vrings(&self, control: &Control) {
        {
            let _attention = self.attention();
            for queue in 0..self.queue_count() {
                self.start_vring(control, queue, &mut self.shared.vring(queue));
            }
        }
        self.shared.wake();
    }

    /// Starts a vring if nothing is missing, and has the worker look at it once it is woken.
    pub(super) fn start_vring(&self, control: &Control, queue: u16, vring: &mut Vring) {
        let runs = self.status() & DRIVER_OK != 0 && !control.suspended;
        let (true, Some(dma)) = (runs, &control.dma) else { return };
        let features = RingFeatures {
            event_idx: self.shared.negotiated(VIRTIO_RING_F_EVENT_IDX),
            indirect: self.shared.negotiated(VIRTIO_RING_F_INDIRECT_DESC),
        };
        if vring.start(dma, features) {
            self.shared.running.fetch_add(1, Ordering::Relaxed);
            self.shared.mark(queue);
        }
    }

    pub(super) fn stop_vring(&self, vring: &mut Vring) {
        if vring.stop() {
            self.shared.running.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn remove_kick(&self, vring: &mut Vring) {
        if let Some(kick) = vring.kick.take() {
            // Other descriptors of the same file may stay open: closing ours would not remove it.
            let nothing = EpollEvent::default();
            let _ = self.shared.epoll.ctl(ControlOperation::Delete, kick.as_raw_fd(), nothing);
        }
    }

    pub(super) fn reset_all(&self, control: &mut Control) {
        let _attention = self.attention();
        for queue in 0..self.queue_count() {
            let mut vring = self.shared.vring(queue);
            self.stop_vring(&mut vring);
            self.remove_kick(&mut vring);
            *vring = Vring::default();
        }
        // Nothing runs any more, so nothing adds to these behind our back.
        self.shared.kicked.clear();
        self.shared.features.store(0, Ordering::Relaxed);
        self.function.reset();
        self.with_log(|log| {
            log.enabled = false;
            log.signal = None;
            log.set_base(None);
        });
        control.suspended = false;
        self.shared.status.store(0, Ordering::Relaxed);
    }

    pub(super) fn watch_doorbells(&self, doorbells: Option<&Arc<DoorbellPages>>) {
        *lock(&self.shared.doorbells) = doorbells.cloned();
        self.shared.doorbells_changed.store(true, Ordering::SeqCst);
        self.shared.wake();
    }

    pub(super) fn start_worker(&self, control: &mut Control) -> Result<(), Errno> {
        if control.worker.is_none() {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let (shared, function) = (Arc::clone(&self.shared), Arc::clone(&self.function));
            let worker = thread::Builder::new()
                .name(format!("vhost-accel-{number}"))
                .spawn(move || function.run(&shared))?;
            control.worker = Some(worker);
        }
        Ok(())
    }
}
