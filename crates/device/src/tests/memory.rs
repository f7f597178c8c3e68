//! Mappings that change while the device runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::rig::{Arena, Rig, WRITE, until};
use crate::FaultKind;
use crate::dma::{Access, Region};

/// Traffic into a buffer that is unmapped and then really goes away: were the device to touch it
/// after the unmap, the process would die.
#[test]
fn an_unmap_is_over_when_it_returns() {
    for _ in 0..20 {
        let mut rig = Rig::started(0);
        let target = Arena::new(4096);
        let region =
            Region { iova: 0x1000, len: 4096, host: target.host(), access: Access::ReadWrite };
        rig.dma.map(region).unwrap();
        let gone = Arc::new(AtomicBool::new(false));
        let unmapper = thread::spawn({
            let (dma, gone, device) =
                (Arc::clone(&rig.dma), Arc::clone(&gone), Arc::clone(&rig.device));
            move || {
                until(|| device.counters().frames > 50);
                assert_eq!(dma.unmap_whole(0x1000..=0x1fff), Ok(4096));
                gone.store(true, Ordering::Release);
                drop(target);
            }
        });
        for n in 0.. {
            rig.descriptor(0, n % 32, 0x1000, 2048, WRITE);
            rig.offer(0, n % 32);
            rig.post_frame(1, n % 32, &[1; 1500]);
            rig.kick(1);
            while rig.device.counters().all_faults() == 0 && rig.try_used(1).is_none() {
                thread::yield_now();
            }
            if rig.device.counters().all_faults() > 0 {
                break;
            }
        }
        unmapper.join().unwrap();
        assert!(gone.load(Ordering::Acquire));
        assert_eq!(rig.device.counters().faults(FaultKind::Unmapped), 1);
    }
}

#[test]
fn front_ends_get_through_to_a_busy_device() {
    let mut rig = Rig::started(0);
    let stop = Arc::new(AtomicBool::new(false));
    let changer = thread::spawn({
        let (device, dma, stop) =
            (Arc::clone(&rig.device), Arc::clone(&rig.dma), Arc::clone(&stop));
        let host = rig.arena.host();
        move || {
            let mut rounds = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                device.suspend().unwrap();
                let before = device.vring_base(1).unwrap();
                thread::yield_now();
                assert_eq!(device.vring_base(1), Ok(before));
                device.resume().unwrap();
                device.set_call(0, None).unwrap();
                dma.map(Region { iova: 0x1000, len: 4096, host, access: Access::Read }).unwrap();
                assert_eq!(dma.unmap_whole(0x1000..=0x1fff), Ok(4096));
                rounds += 1;
            }
            rounds
        }
    });
    for n in 0..3000_u16 {
        for slot in 0..16 {
            rig.post_buffer(0, slot);
            rig.post_frame(1, slot, &n.to_le_bytes());
        }
        rig.kick(1);
        for _ in 0..16 {
            assert_eq!(rig.receive(0), n.to_le_bytes());
            rig.used(1);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let rounds = changer.join().unwrap();
    assert!(rounds > 100, "{rounds}");
    assert_eq!(rig.device.counters().frames, 48_000);
}

/// Opening and closing leaves neither files nor threads nor memory behind.
#[test]
fn cycles_leave_nothing_behind() {
    let status = || {
        let field = |name: &str| {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap()
        };
        field("VmRSS:")
    };
    let rig = Rig::new();
    let cycle = || {
        let (_kick, fd) = super::rig::eventfd();
        rig.device.set_kick(1, Some(fd)).unwrap();
        rig.start(super::rig::FEATURES);
        rig.device.unbind();
        rig.device.bind(super::rig::this_process(), Arc::clone(&rig.dma), None).unwrap();
        let host = rig.arena.host();
        for iova in (0x1000..0x6_5000).step_by(0x1000) {
            rig.dma.map(Region { iova, len: 4096, host, access: Access::Read }).unwrap();
        }
        assert_eq!(rig.dma.unmap_whole(0..=0x6_5fff), Ok(100 * 4096));
    };
    (0..100).for_each(|_| cycle());
    let before = status();
    (0..2000).for_each(|_| cycle());
    let grown = status() - before;
    assert!(grown < 2048, "{grown} KiB");
    assert_eq!(rig.dma.len(), 1);
}
