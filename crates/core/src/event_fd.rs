//! Eventfds as the rust-vmm crates have them.

#![expect(unsafe_code, reason = "vmm-sys-util's EventFd gives its descriptor as a number")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd};

use vmm_sys_util::eventfd::EventFd;

use crate::kick::Kicker;

/// Lends an `EventFd`'s descriptor: to [`Kick::EventFd`](crate::Kick::EventFd),
/// [`Vring::with_call`](crate::Vring::with_call) or [`set_call`](crate::VhostAccel::set_call).
pub fn borrow_event_fd(event: &EventFd) -> BorrowedFd<'_> {
    // SAFETY: an `EventFd` is never -1 and owns its descriptor, which stays open as long as it is
    // borrowed.
    unsafe { BorrowedFd::borrow_raw(event.as_raw_fd()) }
}

impl Kicker {
    /// Its eventfd as KVM's `register_ioevent` takes it; `None` for another kind of kicker. A
    /// duplicate: the two are closed on their own.
    ///
    /// # Errors
    /// Those of fcntl(2).
    pub fn to_event_fd(&self) -> io::Result<Option<EventFd>> {
        let owned = self.as_eventfd().map(|eventfd| eventfd.try_clone_to_owned()).transpose()?;
        // SAFETY: an eventfd that nobody else owns from here on.
        Ok(owned.map(|owned| unsafe { EventFd::from_raw_fd(owned.into_raw_fd()) }))
    }
}

#[cfg(test)]
mod tests {
    use vmm_sys_util::eventfd::EFD_NONBLOCK;

    use super::*;
    use crate::doorbell::{DoorbellArea, DoorbellLayout};
    use crate::vring::QueueIndex;

    #[test]
    fn a_kick_arrives_at_what_was_lent_and_at_what_is_given() {
        let given = EventFd::new(EFD_NONBLOCK).unwrap();
        let lent = Some(borrow_event_fd(&given));
        let kicker = Kicker::eventfd(QueueIndex(1), lent, |_| Ok(())).unwrap();
        kicker.kick().unwrap();
        assert_eq!(given.read().unwrap(), 1);
        let for_kvm = kicker.to_event_fd().unwrap().unwrap();
        for_kvm.write(3).unwrap();
        drop(for_kvm);
        assert_eq!(given.read().unwrap(), 3);
        kicker.kick().unwrap();
        assert_eq!(given.read().unwrap(), 1);
    }

    #[test]
    fn a_doorbell_has_none() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 16).unwrap();
        let mut area = DoorbellArea::new(DoorbellLayout::new(0, 1, true));
        let bell = area.doorbell(std::os::fd::AsFd::as_fd(&file), QueueIndex(0)).unwrap();
        assert!(Kicker::doorbell(QueueIndex(0), bell).to_event_fd().unwrap().is_none());
    }
}
