//! The requests that carry a vring's number.

use std::os::fd::OwnedFd;

use super::vring::Addresses;
use super::{Control, DRIVER_OK, Device};
use crate::Errno;
use crate::eventfd::Signal;

impl Device {
    /// Sets the size of a vring.
    ///
    /// # Errors
    /// ENOBUFS for a queue out of range, EBUSY while the device runs, EINVAL unless a power of two
    /// up to the maximum.
    pub fn set_vring_num(&self, queue: u16, size: u32) -> Result<(), Errno> {
        let control = self.control();
        self.stopped(&control, queue)?;
        match u16::try_from(size) {
            Ok(size) if size.is_power_of_two() && size <= self.max_queue_size() => {
                self.with_vring(queue, |vring| vring.size = size);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// The size of a vring; the maximum until one is set.
    ///
    /// # Errors
    /// ENOBUFS for a queue out of range.
    pub fn vring_num(&self, queue: u16) -> Result<u16, Errno> {
        self.exists(queue)?;
        let size = self.with_vring(queue, |vring| vring.size);
        Ok(if size == 0 { self.max_queue_size() } else { size })
    }

    /// Sets the IOVAs of a vring's parts. With `log`, writes to the used ring are logged as if it
    /// were at that address; without, where it is.
    ///
    /// # Errors
    /// ENOBUFS for a queue out of range, EBUSY while the device runs, EINVAL unless aligned: the
    /// descriptors to 16, the available ring to 2, the used ring to 4.
    pub fn set_vring_addr(
        &self,
        queue: u16,
        descriptors: u64,
        available: u64,
        used: u64,
        log: Option<u64>,
    ) -> Result<(), Errno> {
        let control = self.control();
        self.stopped(&control, queue)?;
        let aligned =
            descriptors.is_multiple_of(16) && available.is_multiple_of(2) && used.is_multiple_of(4);
        if !aligned {
            return Err(Errno::EINVAL);
        }
        let used_log = log.unwrap_or(used);
        let addresses = Addresses { descriptors, available, used, used_log };
        self.with_vring(queue, |vring| vring.addresses = Some(addresses));
        Ok(())
    }

    /// Sets the available and used index to go on from.
    ///
    /// # Errors
    /// ENOBUFS for a queue out of range, EBUSY while the device runs, EINVAL over 65535.
    pub fn set_vring_base(&self, queue: u16, base: u32) -> Result<(), Errno> {
        let control = self.control();
        self.stopped(&control, queue)?;
        let base = u16::try_from(base).map_err(|_| Errno::EINVAL)?;
        self.with_vring(queue, |vring| vring.set_base(base));
        Ok(())
    }

    /// The next available index that the device will look at. Stops nothing.
    ///
    /// # Errors
    /// ENOBUFS for a queue out of range.
    pub fn vring_base(&self, queue: u16) -> Result<u16, Errno> {
        self.exists(queue)?;
        Ok(self.with_vring(queue, |vring| vring.base()))
    }

    /// Enables or disables a vring, at any time.
    ///
    /// # Errors
    /// ENOBUFS for a queue out of range.
    pub fn set_vring_enable(&self, queue: u16, enable: bool) -> Result<(), Errno> {
        let control = self.control();
        self.exists(queue)?;
        self.with_vring(queue, |vring| {
            vring.enabled = enable;
            if enable {
                self.start_vring(&control, queue, vring);
            } else {
                self.stop_vring(vring);
            }
        });
        self.shared.wake();
        Ok(())
    }

    /// Sets, replaces or removes the eventfd that kicks a vring, at any time. A kick that it holds
    /// already counts.
    ///
    /// # Errors
    /// ENOBUFS for a queue out of range; EINVAL for what is no eventfd, ENOMEM or ENOSPC
    /// when the kernel has no room. There is no kick eventfd then.
    pub fn set_kick(&self, queue: u16, eventfd: Option<OwnedFd>) -> Result<(), Errno> {
        self.exists(queue)?;
        self.with_vring(queue, |vring| {
            self.remove_kick(vring);
            if let Some(eventfd) = eventfd {
                self.shared.add_kick(queue, &eventfd)?;
                vring.kick = Some(eventfd);
            }
            Ok(())
        })
    }

    /// Sets, replaces or removes the eventfd that the device signals after it has returned buffers,
    /// at any time. The old one is not signalled any more when this returns.
    ///
    /// # Errors
    /// ENOBUFS for a queue out of range; EAGAIN, EMFILE, ENFILE or ENOMEM where this process can't
    /// have what signals eventfds.
    pub fn set_call(&self, queue: u16, eventfd: Option<OwnedFd>) -> Result<(), Errno> {
        self.exists(queue)?;
        let signal = eventfd.map(Signal::new).transpose()?;
        self.with_vring(queue, |vring| vring.call = signal);
        Ok(())
    }

    /// Sets, replaces or removes the eventfd that the device signals when it stops a vring for a
    /// fault.
    ///
    /// # Errors
    /// ENOBUFS for a queue out of range; EAGAIN, EMFILE, ENFILE or ENOMEM where this process can't
    /// have what signals eventfds.
    pub fn set_error(&self, queue: u16, eventfd: Option<OwnedFd>) -> Result<(), Errno> {
        self.exists(queue)?;
        let signal = eventfd.map(Signal::new).transpose()?;
        self.with_vring(queue, |vring| vring.error = signal);
        Ok(())
    }

    /// A kick by a write to the notify region.
    ///
    /// # Errors
    /// ENOBUFS for a queue out of range.
    pub fn kick(&self, queue: u16) -> Result<(), Errno> {
        self.exists(queue)?;
        self.shared.kick(queue);
        Ok(())
    }

    fn exists(&self, queue: u16) -> Result<(), Errno> {
        if queue < self.queue_count() { Ok(()) } else { Err(Errno::ENOBUFS) }
    }

    /// Refuses a change of a vring that is not there, or while the device runs.
    fn stopped(&self, control: &Control, queue: u16) -> Result<(), Errno> {
        self.exists(queue)?;
        let runs = self.status() & DRIVER_OK != 0 && !control.suspended;
        if runs { Err(Errno::EBUSY) } else { Ok(()) }
    }
}
