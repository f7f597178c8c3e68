//! Features, status, config space, vring setup, suspend, reset, open and close.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use virtio_bindings::virtio_net::{VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_MQ};

use super::rig::{
    CONFIG, FEATURES, IOVA, Rig, SIZE, eventfd, let_it_err, signals, this_process, until,
};
use crate::Errno;
use crate::eventfd::check;
use crate::transport::{REQUIRED, VHOST_F_LOG_ALL};
use crate::{Device, DeviceConfig, DoorbellPages};

const LOG_ALL: u64 = 1 << VHOST_F_LOG_ALL;

// ABI-VRING-1, ABI-VRING-3, ABI-NET-11, ABI-NET-12, ABI-NET-13, ABI-NET-15
#[test]
fn the_device_says_what_it_is() {
    let device = Device::new(CONFIG).unwrap();
    assert_eq!(device.queue_count(), 5);
    assert_eq!(device.max_queue_size(), 256);
    assert_eq!(device.device_id(), 1);
    assert_eq!(device.config_size(), 12);
    assert_eq!(device.device_features(), 0x43_34c3_8028);
    let single = Device::new(DeviceConfig { pairs: 1, log: false, ..CONFIG }).unwrap();
    assert_eq!(single.device_features(), 0x43_3083_8028);
    assert_eq!(single.queue_count(), 3);
    for bad in [
        DeviceConfig { pairs: 0, ..CONFIG },
        DeviceConfig { pairs: 129, ..CONFIG },
        DeviceConfig { max_queue_size: 2048, ..CONFIG },
        DeviceConfig { max_queue_size: 100, ..CONFIG },
        DeviceConfig { mtu: 67, ..CONFIG },
    ] {
        assert_eq!(Device::new(bad).err(), Some(Errno::EINVAL), "{bad:?}");
    }
}

// ABI-NET-14, ABI-STATUS-7, ABI-REQ-9, ABI-REQ-10, ABI-LOG-5
#[test]
fn features_are_negotiated_once() {
    let device = Device::new(CONFIG).unwrap();
    assert_eq!(device.set_features(1 << 34), Err(Errno::EOPNOTSUPP));
    assert_eq!(device.features(), 0);

    // VERSION_1 alone is not enough for FEATURES_OK.
    device.set_features(1 << 32).unwrap();
    device.set_status(0xb).unwrap();
    assert_eq!(device.status(), 3);
    assert_eq!(device.set_status(0xf), Err(Errno::EINVAL));
    assert_eq!(device.status(), 3);

    device.set_features(REQUIRED).unwrap();
    device.set_status(0xb).unwrap();
    assert_eq!(device.status(), 0xb);
    assert_eq!(device.set_features(FEATURES), Err(Errno::EBUSY));
    assert_eq!(device.features(), REQUIRED);
    device.set_features(REQUIRED | LOG_ALL).unwrap();
    assert_eq!(device.features(), REQUIRED | LOG_ALL);
    device.set_features(REQUIRED).unwrap();
    assert_eq!(device.features(), REQUIRED);

    let no_log = Device::new(DeviceConfig { log: false, ..CONFIG }).unwrap();
    assert_eq!(no_log.set_features(REQUIRED | LOG_ALL), Err(Errno::EOPNOTSUPP));
    no_log.set_features(REQUIRED).unwrap();
    no_log.set_status(0xb).unwrap();
    assert_eq!(no_log.set_features(REQUIRED), Err(Errno::EBUSY));
}

// ABI-STATUS-1, ABI-STATUS-2, ABI-STATUS-6, ABI-STATUS-7
#[test]
fn status_only_grows_until_reset() {
    let device = Device::new(CONFIG).unwrap();
    device.set_status(3).unwrap();
    assert_eq!(device.set_status(1), Err(Errno::EINVAL));
    assert_eq!(device.set_status(7), Err(Errno::EINVAL), "DRIVER_OK without FEATURES_OK");
    device.set_status(0x93).unwrap();
    assert_eq!(device.status(), 0x83, "the suspend bit is not shown");
    device.set_status(0).unwrap();
    assert_eq!(device.status(), 0);
}

// ABI-NET-15, ABI-NET-16, ABI-NET-17, ABI-NET-18
#[test]
fn config_space_holds_mac_link_pairs_and_mtu() {
    let device = Device::new(CONFIG).unwrap();
    let mut space = [0; 12];
    device.read_config(0, &mut space).unwrap();
    assert_eq!(space, [2, 0, 0, 0, 0, 1, 1, 0, 2, 0, 0xdc, 0x05]);
    let mut mtu = [0; 2];
    device.read_config(10, &mut mtu).unwrap();
    assert_eq!(u16::from_le_bytes(mtu), 1500);
    for (offset, len) in [(0, 0), (12, 1), (11, 2), (u32::MAX, 1), (0, 13)] {
        assert_eq!(device.read_config(offset, &mut vec![0; len]), Err(Errno::EINVAL));
        assert_eq!(device.write_config(offset, &vec![0; len]), Err(Errno::EINVAL));
    }

    // Everything but the MAC is read-only.
    device.write_config(4, &[8, 9, 0xff, 0xff, 0xff]).unwrap();
    device.read_config(0, &mut space).unwrap();
    assert_eq!(space, [2, 0, 0, 0, 8, 9, 1, 0, 2, 0, 0xdc, 0x05]);
    device.set_features(REQUIRED | 1 << VIRTIO_NET_F_CTRL_MAC_ADDR).unwrap();
    device.write_config(0, &[7; 6]).unwrap();
    device.read_config(0, &mut space).unwrap();
    assert_eq!(space[..6], [2, 0, 0, 0, 8, 9], "the control queue sets the MAC now");
    device.set_status(0).unwrap();
    device.read_config(0, &mut space).unwrap();
    assert_eq!(space[..6], CONFIG.mac);
}

// ABI-SETUP-3, ABI-SETUP-4, ABI-SETUP-6, ABI-SETUP-10, ABI-REQ-16, ABI-RUN-5
#[test]
fn vring_setup_is_checked() {
    let rig = Rig::new();
    let device = &rig.device;
    for queue in [5, 0xffff] {
        assert_eq!(device.set_vring_num(queue, 64), Err(Errno::ENOBUFS));
        assert_eq!(device.set_vring_addr(queue, 0, 0, 0, None), Err(Errno::ENOBUFS));
        assert_eq!(device.set_vring_base(queue, 0), Err(Errno::ENOBUFS));
        assert_eq!(device.vring_base(queue), Err(Errno::ENOBUFS));
        assert_eq!(device.vring_num(queue), Err(Errno::ENOBUFS));
        assert_eq!(device.set_vring_enable(queue, true), Err(Errno::ENOBUFS));
        assert_eq!(device.set_call(queue, None), Err(Errno::ENOBUFS));
        assert_eq!(device.set_error(queue, None), Err(Errno::ENOBUFS));
        assert_eq!(device.set_kick(queue, None), Err(Errno::ENOBUFS));
        assert_eq!(device.kick(queue), Err(Errno::ENOBUFS));
    }
    assert_eq!(device.vring_num(0), Ok(256));
    for size in [0, 3, 100, 512, 65536, 65537] {
        assert_eq!(device.set_vring_num(0, size), Err(Errno::EINVAL), "{size}");
    }
    device.set_vring_num(0, 1).unwrap();
    assert_eq!(device.vring_num(0), Ok(1));
    for (table, available, used) in [(8, 0, 0), (0, 1, 0), (0, 0, 2)] {
        assert_eq!(device.set_vring_addr(0, table, available, used, None), Err(Errno::EINVAL));
    }
    assert_eq!(device.set_vring_base(0, 65536), Err(Errno::EINVAL));
    device.set_vring_base(0, 65535).unwrap();
    assert_eq!(device.vring_base(0), Ok(65535));
}

// ABI-SETUP-1
#[test]
fn the_parts_of_a_vring_come_in_any_order() {
    let mut rig = Rig::new();
    let device = Arc::clone(&rig.device);
    let [rx, tx] = [0, 1].map(|queue| rig.ring(queue).clone());
    device.set_vring_enable(0, true).unwrap();
    device.set_vring_base(0, 0).unwrap();
    device.set_vring_addr(0, IOVA + rx.table, IOVA + rx.available, IOVA + rx.used, None).unwrap();
    device.set_vring_num(0, SIZE.into()).unwrap();
    device.set_vring_addr(1, IOVA + tx.table, IOVA + tx.available, IOVA + tx.used, None).unwrap();
    device.set_vring_enable(1, true).unwrap();
    device.set_vring_num(1, SIZE.into()).unwrap();
    device.set_vring_base(1, 0).unwrap();
    device.set_features(FEATURES).unwrap();
    device.set_status(0xb).unwrap();
    device.set_status(0xf).unwrap();
    rig.round_trip(0, &[1; 60]);
}

/// Each ring's index would be a fault if the device looked at it.
// ABI-RUN-1, ABI-SUSPEND-3
#[test]
fn a_vring_runs_when_it_lacks_nothing() {
    let rig = Rig::new();
    let device = &rig.device;
    for queue in [0, 1, 4] {
        rig.arena.index(rig.ring(queue).available + 2).store(SIZE + 1, Ordering::Release);
    }
    let size = |queue| device.set_vring_num(queue, SIZE.into()).unwrap();
    let addresses = |queue: u16| {
        let ring = rig.ring(queue);
        let at = [ring.table, ring.available, ring.used].map(|part| IOVA + part);
        device.set_vring_addr(queue, at[0], at[1], at[2], None).unwrap();
    };
    let enable = |queue| device.set_vring_enable(queue, true).unwrap();
    device.set_features(FEATURES).unwrap();
    device.set_status(0xb).unwrap();
    size(0);
    enable(0);
    addresses(1);
    enable(1);
    size(4);
    addresses(4);
    device.set_status(0xf).unwrap();
    for queue in [0, 1, 4] {
        rig.kick(queue);
    }
    let_it_err();
    assert_eq!(device.counters().all_faults(), 0);
    device.suspend().unwrap();
    addresses(0);
    size(1);
    enable(4);
    let_it_err();
    assert_eq!(device.counters().all_faults(), 0);
    device.resume().unwrap();
    until(|| device.counters().all_faults() == 3);
}

// ABI-SETUP-2, ABI-SUSPEND-2, ABI-SUSPEND-5, ABI-STATUS-2
#[test]
fn a_running_device_refuses_changes_until_suspended() {
    let rig = Rig::started(0);
    let device = &rig.device;
    let refusals = || {
        [
            device.set_vring_num(0, 64),
            device.set_vring_addr(0, IOVA, IOVA, IOVA, None),
            device.set_vring_base(0, 0),
        ]
    };
    assert_eq!(refusals(), [Err(Errno::EBUSY); 3]);
    device.suspend().unwrap();
    device.suspend().unwrap();
    assert_eq!(device.status(), 0xf);
    assert_eq!(refusals(), [Ok(()); 3]);
    device.resume().unwrap();
    device.resume().unwrap();
    assert_eq!(refusals(), [Err(Errno::EBUSY); 3]);
}

// ABI-SUSPEND-4, ABI-SUSPEND-5
#[test]
fn suspend_needs_a_started_device() {
    let rig = Rig::new();
    assert_eq!(rig.device.suspend(), Err(Errno::EINVAL));
    assert_eq!(rig.device.resume(), Ok(()));
}

// ABI-SUSPEND-1, ABI-SUSPEND-2, ABI-RUN-3
#[test]
fn a_suspended_device_keeps_its_place() {
    let mut rig = Rig::started(0);
    for n in 0..5 {
        rig.round_trip(0, &[n; 60]);
    }
    rig.device.suspend().unwrap();
    rig.post_buffer(0, 1);
    rig.post_frame(1, 1, &[9; 60]);
    rig.kick(1);
    let_it_err();
    assert_eq!((rig.device.vring_base(0), rig.device.vring_base(1)), (Ok(5), Ok(5)));
    assert_eq!((rig.used_index(0), rig.used_index(1)), (5, 5));

    // Another device goes on from there.
    rig.device.set_status(0).unwrap();
    rig.device.set_status(3).unwrap();
    rig.device.set_features(FEATURES).unwrap();
    rig.device.set_status(0xb).unwrap();
    for queue in 0..2 {
        rig.set_up(&rig.rings[queue]);
        rig.device.set_vring_base(queue as u16, 5).unwrap();
    }
    rig.device.set_status(0xf).unwrap();
    assert_eq!(rig.receive(0), [9; 60], "one look at the ring, without a kick");
    assert_eq!(rig.used(1), (1, 0));
}

// ABI-SUSPEND-3
#[test]
fn resume_looks_once_without_a_kick() {
    let mut rig = Rig::started(0);
    rig.round_trip(0, &[1; 60]);
    rig.device.suspend().unwrap();
    rig.post_buffer(0, 0);
    rig.post_frame(1, 0, &[2; 60]);
    rig.device.resume().unwrap();
    assert_eq!(rig.receive(0), [2; 60]);
    rig.used(1);
    assert_eq!(rig.device.vring_base(1), Ok(2));
}

// ABI-SETUP-7, ABI-SETUP-8
#[test]
fn the_base_wraps() {
    let mut rig = Rig::new();
    rig.device.set_vring_base(0, 65535).unwrap();
    rig.device.set_vring_base(1, 65535).unwrap();
    for ring in &mut rig.rings[..2] {
        (ring.next, ring.seen) = (65535, 65535);
        rig.arena.write(ring.available + 2, &65535_u16.to_le_bytes());
        rig.arena.write(ring.used + 2, &65535_u16.to_le_bytes());
    }
    rig.start(FEATURES);
    for n in 0..3 {
        rig.round_trip(0, &[n; 100]);
    }
    assert_eq!(rig.used_index(0), 2);
    assert_eq!(rig.device.vring_base(0), Ok(2));
}

// ABI-RUN-2, ABI-RUN-4
#[test]
fn a_vring_can_be_enabled_later() {
    let mut rig = Rig::new();
    rig.start(FEATURES);
    rig.device.set_vring_enable(1, false).unwrap();
    rig.post_buffer(0, 0);
    rig.post_frame(1, 0, &[3; 64]);
    rig.kick(1);
    let_it_err();
    assert_eq!(rig.used_index(1), 0);
    rig.device.set_vring_enable(1, true).unwrap();
    assert_eq!(rig.receive(0), [3; 64]);
}

// ABI-STATUS-3, ABI-STATUS-4
#[test]
fn reset_forgets_all_but_the_mappings() {
    let mut rig = Rig::started(0);
    let (call, call_fd) = eventfd();
    let (error, error_fd) = eventfd();
    let (kick, kick_fd) = eventfd();
    rig.device.set_call(0, Some(call_fd)).unwrap();
    rig.device.set_error(0, Some(error_fd)).unwrap();
    rig.device.set_kick(1, Some(kick_fd)).unwrap();
    rig.round_trip(0, &[1; 60]);
    assert_eq!(rig.command(&[1, 1, 6, 5, 4, 3, 2, 1]), 0);
    until(|| signals(&call) == 1);
    rig.device.reset();
    assert_eq!((rig.device.status(), rig.device.features()), (0, 0));
    assert_eq!((rig.device.vring_base(0), rig.device.vring_num(0)), (Ok(0), Ok(256)));
    let mut mac = [0; 6];
    rig.device.read_config(0, &mut mac).unwrap();
    assert_eq!(mac, CONFIG.mac);
    assert_eq!(rig.dma.len(), 1);

    for ring in &mut rig.rings {
        (ring.next, ring.seen) = (0, 0);
        rig.arena.write(ring.available, &[0; 4]);
        rig.arena.write(ring.used, &[0; 4]);
    }
    rig.start(FEATURES);
    rig.round_trip(0, &[2; 60]);
    rig.settle();
    rig.post_buffer(0, 0);
    rig.post_frame(1, 0, &[3; 60]);
    kick.write(1).unwrap();
    let_it_err();
    assert_eq!(rig.used_index(1), 1, "the old kick eventfd is of no use");
    assert_eq!((signals(&call), signals(&error)), (0, 0));
}

#[test]
fn opening_is_exclusive_and_closing_lets_go() {
    let mut rig = Rig::started(0);
    let other = Arc::clone(&rig.dma);
    assert_eq!(rig.device.bind(this_process(), other, None), Err(Errno::EBUSY));
    rig.round_trip(0, &[1; 60]);
    rig.device.unbind();
    assert_eq!(rig.device.status(), 0);
    assert_eq!(Arc::strong_count(&rig.dma), 1);
    let pages = DoorbellPages::map(tempfile::tempfile().unwrap(), 0, 4).unwrap();
    let dma = Arc::clone(&rig.dma);
    assert_eq!(rig.device.bind(this_process(), dma, Some(pages)), Err(Errno::EINVAL));
    rig.device.bind(this_process(), Arc::clone(&rig.dma), None).unwrap();
}

// ABI-COUNT-1
#[test]
fn counters_are_the_devices_and_go_on_over_reset_and_close() {
    let mut rig = Rig::started(0);
    rig.round_trip(0, &[1; 60]);
    rig.offer(1, SIZE);
    rig.kick(1);
    until(|| rig.device.counters().all_faults() == 1);
    let counted = rig.device.counters();
    assert_eq!(counted.frames, 1);
    rig.device.reset();
    assert_eq!(rig.device.counters(), counted);
    rig.device.unbind();
    rig.device.bind(this_process(), Arc::clone(&rig.dma), None).unwrap();
    assert_eq!(rig.device.counters(), counted);
}

#[test]
fn an_eventfd_is_told_from_other_files() {
    let (_, fd) = eventfd();
    assert_eq!(check(&fd), Ok(()));
    assert_eq!(check(tempfile::tempfile().unwrap()), Err(Errno::EINVAL));
    assert_eq!(check(std::io::pipe().unwrap().0), Err(Errno::EINVAL));
    let epoll = vmm_sys_util::epoll::Epoll::new().unwrap();
    let clone = super::rig::borrow(&epoll).try_clone_to_owned().unwrap();
    assert_eq!(check(clone), Err(Errno::EINVAL), "another anonymous inode");
}

// ABI-NET-12
#[test]
fn a_single_pair_has_no_multiqueue() {
    let device = Device::new(DeviceConfig { pairs: 1, ..CONFIG }).unwrap();
    assert_eq!(device.set_features(REQUIRED | 1 << VIRTIO_NET_F_MQ), Err(Errno::EOPNOTSUPP));
}
