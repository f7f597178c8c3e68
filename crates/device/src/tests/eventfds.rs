//! Eventfds that clients treat in ways of their own.

use vmm_sys_util::eventfd::EventFd;

use super::rig::{
    Arena, FEATURES, IOVA, Rig, WRITE, borrow, eventfd, polled, signals, until,
};
use crate::config::VHOST_F_LOG_ALL;

/// An eventfd whose count is at its end, and who would wait for room.
struct Full(EventFd);

impl Full {
    fn new() -> Self {
        let eventfd = EventFd::new(0).unwrap();
        eventfd.write(u64::MAX - 1).unwrap();
        Self(eventfd)
    }

    fn fd(&self) -> Option<std::os::fd::OwnedFd> {
        Some(borrow(&self.0).try_clone_to_owned().unwrap())
    }
}

impl Drop for Full {
    /// A device that waits for room goes on, so that a test that fails ends.
    fn drop(&mut self) {
        if polled(&self.0) & libc::POLLIN != 0 {
            let _ = self.0.read();
        }
    }
}

#[test]
fn a_full_eventfd_holds_nobody_up_and_stays_full() {
    let log = Arena::new(0x40000 / 8 + 4096);
    let mut rig = Rig::new();
    let [call, config, error, logged] = [(); 4].map(|()| Full::new());
    rig.device.set_call(0, call.fd()).unwrap();
    rig.device.set_config_call(config.fd());
    rig.device.set_error(1, error.fd()).unwrap();
    rig.device.set_log_base(Some(log.host()));
    rig.device.set_log_fd(logged.fd());
    rig.start(FEATURES | 1 << VHOST_F_LOG_ALL);
    for n in 0..200 {
        rig.round_trip(0, &[n; 60]);
    }
    // A fault, of which two of them tell.
    rig.descriptor(1, 0, IOVA, 100, WRITE);
    rig.offer(1, 0);
    rig.kick(1);
    until(|| rig.device.status() & 0x40 != 0);
    assert_eq!(rig.device.vring_base(0), Ok(200), "the vrings can be had");
    for full in [call, config, error, logged] {
        until(|| polled(&full.0) & libc::POLLERR != 0);
        assert_eq!(full.0.read().unwrap(), u64::MAX, "as far as it goes");
    }
}

#[test]
fn an_eventfd_says_how_often_it_was_signalled() {
    let mut rig = Rig::new();
    let (call, fd) = eventfd();
    rig.device.set_call(0, Some(fd)).unwrap();
    rig.start(FEATURES);
    // More often than results of signals are kept.
    for n in 0..1000_u64 {
        rig.round_trip(0, &n.to_le_bytes());
    }
    until(|| rig.device.counters().calls == 1000);
    assert_eq!(signals(&call), 1000);
}
