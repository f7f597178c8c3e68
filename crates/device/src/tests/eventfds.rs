//! Eventfds that clients treat in ways of their own.

use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::rig::{
    Arena, FEATURES, IOVA, Rig, WRITE, borrow, eventfd, let_it_err, polled, signals, until,
};
use crate::Errno;
use crate::transport::VHOST_F_LOG_ALL;

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

// ABI-CALL-5
#[test]
fn a_full_eventfd_holds_nobody_up_and_stays_full() {
    let log = Arena::new(0x40000 / 8 + 4096);
    let mut rig = Rig::new();
    let [call, config, error, logged] = [(); 4].map(|()| Full::new());
    rig.device.set_call(0, call.fd()).unwrap();
    rig.device.set_config_call(config.fd()).unwrap();
    rig.device.set_error(1, error.fd()).unwrap();
    rig.device.set_log_base(Some(log.host()));
    rig.device.set_log_fd(logged.fd()).unwrap();
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

// ABI-DIFF-10
#[test]
fn a_kick_that_the_client_reads_itself_is_one() {
    let mut rig = Rig::new();
    let (kick, fd) = eventfd();
    rig.device.set_kick(1, Some(fd)).unwrap();
    rig.start(FEATURES);
    for n in 0..5000_u64 {
        rig.post_buffer(0, 0);
        rig.post_frame(1, 0, &n.to_le_bytes());
        kick.write(1).unwrap();
        assert_eq!(kick.read().unwrap(), 1, "the device does not read it");
        assert_eq!(rig.receive(0), n.to_le_bytes());
        rig.used(1);
    }
}

#[test]
fn what_is_no_eventfd_kicks_nothing() {
    let rig = Rig::new();
    let (end, _other) = std::io::pipe().unwrap();
    assert_eq!(rig.device.set_kick(1, Some(end.into())), Err(Errno::EINVAL));
}

#[test]
fn handing_over_a_kick_eventfd_is_no_kick() {
    let mut rig = Rig::started(0);
    rig.round_trip(0, &[1; 60]);
    rig.settle();
    rig.post_buffer(0, 0);
    rig.post_frame(1, 0, &[2; 60]);
    let kick = EventFd::new(EFD_NONBLOCK).unwrap();
    for queue in [1, 0, 1] {
        rig.device.set_kick(queue, Some(borrow(&kick).try_clone_to_owned().unwrap())).unwrap();
        let_it_err();
        assert_eq!(rig.used_index(1), 1);
    }
    kick.write(1).unwrap();
    assert_eq!(rig.receive(0), [2; 60]);
}
