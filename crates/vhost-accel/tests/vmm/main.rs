//! The unit tests of a VMM, on the emulated kernel: to be copied.
//!
//! [`net`] stands for the VMM's own code, [`guest`] for the driver in a guest. Each test runs on
//! every device that the emulated kernel has, through each interface in each variant. It needs no
//! hardware, no modules and no privileges.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

mod guest;
mod net;

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use vhost_accel::{Access, Capabilities, Features, Iova, IovaRange, Uri};
use vhost_accel_driver::Event;
use vhost_accel_emulator::EmulatedKernel;
use vm_memory::GuestAddress;

use guest::Guest;
use net::Net;

/// Ends a hang; nothing waits this long.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `test` with the URIs of a new emulated kernel's devices.
fn with_devices(test: impl FnOnce(&[Uri]) + Send) {
    let kernel = EmulatedKernel::builder().max_queue_size(guest::QUEUE_SIZE).build().unwrap();
    kernel
        .run(|| {
            let devices = vhost_accel::devices().unwrap();
            let all: Vec<_> = devices.iter().flat_map(Uri::variants).collect();
            assert_eq!(all.len(), 7, "four interfaces, three of them in two variants");
            test(&all);
        })
        .unwrap();
}

fn open(uri: &Uri, guest: &Guest, viommu: bool) -> Net {
    Net::open(&uri.to_string(), guest.memory().clone(), viommu).unwrap()
}

/// What the guest's driver takes of what it is offered. It wants to be called for each frame.
fn accepted(net: &Net) -> u64 {
    net.features().unwrap() & !Features::EVENT_IDX.bits()
}

#[test]
fn a_guests_frames_come_back() {
    with_devices(|uris| {
        for uri in uris {
            let mut guest = Guest::new(0);
            let mut net = open(uri, &guest, false);
            let mut mtu = [0; 2];
            net.read_config(10, &mut mtu).unwrap();
            assert_eq!(u16::from_le_bytes(mtu), 9000);

            net.activate(accepted(&net), guest.queues()).unwrap();
            // More frames than the rings have entries: they wrap around.
            for round in 0..3 * guest::QUEUE_SIZE {
                let frame = [round as u8; 60];
                assert_eq!(guest.exchange(&net, &frame), frame, "{uri}: frame {round}");
            }
        }
    });
}

#[test]
fn a_guest_may_reset_and_begin_again() {
    with_devices(|uris| {
        for uri in uris {
            let mut guest = Guest::new(0);
            let mut net = open(uri, &guest, false);
            for _ in 0..2 {
                net.activate(Features::VERSION_1.bits(), guest.queues()).unwrap();
                assert_eq!(guest.exchange(&net, b"before"), b"before", "{uri}");
                net.reset().unwrap();
                guest = guest.after_reset();
            }
        }
    });
}

#[test]
fn a_guests_mistake_is_reported_and_mended_by_a_reset() {
    with_devices(|uris| {
        for uri in uris {
            let mut guest = Guest::new(0);
            let mut net = open(uri, &guest, false);
            let changed = Event::new().unwrap();
            net.set_config_call(changed.as_fd()).unwrap();
            net.activate(accepted(&net), guest.queues()).unwrap();
            assert!(!net.needs_reset().unwrap(), "{uri}");

            guest.send_from(&net, guest::END, 60);
            assert_ne!(changed.wait(LIMIT).unwrap(), 0, "{uri}: nobody was told");
            assert!(net.needs_reset().unwrap(), "{uri}");

            net.reset().unwrap();
            guest = guest.after_reset();
            net.activate(accepted(&net), guest.queues()).unwrap();
            assert_eq!(guest.exchange(&net, b"after"), b"after", "{uri}");
        }
    });
}

#[test]
fn a_guest_moves_from_any_device_to_any_other() {
    with_devices(|uris| {
        for from in uris {
            for to in uris {
                let mut guest = Guest::new(0);
                let mut source = open(from, &guest, false);
                let accepted = Features::VERSION_1.bits();
                source.activate(accepted, guest.queues()).unwrap();
                assert_eq!(guest.exchange(&source, b"at home"), b"at home", "{from}");
                source.pause(guest.queues_mut()).unwrap();

                // Sent while nobody looks: the target finds it.
                guest.send(&source, b"on the way");
                // The source is closed first: it may be the same device.
                drop(source);
                let mut target = open(to, &guest, false);
                target.activate(accepted, guest.queues()).unwrap();
                assert_eq!(guest.receive(), b"on the way", "{from} to {to}");
                assert_eq!(guest.exchange(&target, b"there"), b"there", "{from} to {to}");
            }
        }
    });
}

/// A guest sends without a pause, and is moved around all devices, each to each.
///
/// The frames are numbered, and as many are under way as the guest has buffers for: at each move
/// the device is somewhere among them. None may be lost, come twice, or overtake another.
#[test]
fn traffic_goes_on_over_every_move() {
    with_devices(|uris| {
        let mut guest = Guest::new(0);
        let (mut sent, mut received) = (0u32, 0u32);
        let fill = |guest: &mut Guest, net: &Net, sent: &mut u32, until: u32| {
            while *sent < until {
                guest.send(net, &sent.to_le_bytes());
                *sent += 1;
            }
        };
        let mut net = open(&uris[0], &guest, false);
        net.activate(Features::VERSION_1.bits(), guest.queues()).unwrap();
        for from in uris {
            for to in uris {
                // To `from`, and from there to `to`.
                for next in [from, to] {
                    let half = u32::from(guest::QUEUE_SIZE) / 2;
                    fill(&mut guest, &net, &mut sent, received + half);
                    let saved = net.save(guest.queues()).unwrap();
                    // These nobody looks at before the next device.
                    fill(&mut guest, &net, &mut sent, received + 2 * half);
                    // It is closed first: the next may be the same device.
                    drop(net);
                    net = open(next, &guest, false);
                    net.load(&saved, guest.queues()).unwrap();
                    // A different part of them is still under way at the next move.
                    for _ in 0..1 + sent % u32::from(guest::QUEUE_SIZE) {
                        assert_eq!(guest.receive(), received.to_le_bytes(), "{from} to {to}");
                        received += 1;
                    }
                }
            }
        }
        while received < sent {
            assert_eq!(guest.receive(), received.to_le_bytes());
            received += 1;
        }
    });
}

#[test]
fn a_pause_ends_with_a_resume() {
    with_devices(|uris| {
        for uri in uris {
            let mut guest = Guest::new(0);
            let mut net = open(uri, &guest, false);
            net.activate(accepted(&net), guest.queues()).unwrap();
            net.pause(guest.queues_mut()).unwrap();
            guest.send(&net, b"meanwhile");
            net.resume().unwrap();
            assert_eq!(guest.receive(), b"meanwhile", "{uri}");
        }
    });
}

#[test]
fn the_log_has_what_the_device_wrote() {
    with_devices(|uris| {
        let mut logging = Vec::new();
        for uri in uris {
            let mut guest = Guest::new(0);
            let mut net = open(uri, &guest, false);
            net.activate(accepted(&net), guest.queues()).unwrap();
            if !net.start_log().unwrap() {
                continue;
            }
            logging.push(uri.interface().name());
            assert_eq!(guest.exchange(&net, b"logged"), b"logged", "{uri}");
            net.pause(guest.queues_mut()).unwrap();
            let page = guest.last_page();
            let word = net.dirty()[page as usize / 64].load(Ordering::Acquire);
            assert_eq!(word >> (page % 64) & 1, 1, "{uri}: page {page} of {word:#x}");
        }
        assert_eq!(logging, ["vfio-msg", "vfio-msg", "vfio-ioctl", "vhost-mdev", "vhost-mdev"]);
    });
}

#[test]
fn a_guests_iommu_decides_what_the_device_reaches() {
    with_devices(|uris| {
        for uri in uris {
            // The guest's driver puts everything where its IOMMU will map it.
            let offset = 1 << 32;
            let mut guest = Guest::new(offset);
            let mut net = open(uri, &guest, true);
            let all = IovaRange::new(Iova(offset), guest::END);
            net.iommu_map(all.start, GuestAddress(0), all.len, Access::ReadWrite).unwrap();
            assert!(net.iommu_map(Iova(0), GuestAddress(guest::END), 4096, Access::Read).is_err());
            net.activate(accepted(&net), guest.queues()).unwrap();
            assert_eq!(guest.exchange(&net, b"mapped"), b"mapped", "{uri}");

            let changed = Event::new().unwrap();
            net.set_config_call(changed.as_fd()).unwrap();
            net.iommu_unmap(all).unwrap();
            guest.send(&net, b"unmapped");
            assert_ne!(changed.wait(LIMIT).unwrap(), 0, "{uri}: nobody was told");
            assert!(net.needs_reset().unwrap(), "{uri}");
        }
    });
}

#[test]
fn what_a_device_lacks_is_known_before_it_is_asked() {
    with_devices(|uris| {
        for uri in uris {
            let device = vhost_accel::open_uri(uri).unwrap();
            let capabilities = device.info().capabilities;
            // What `Net` can't do without.
            let needed = Capabilities::SUSPEND | Capabilities::RESUME | Capabilities::VIRTIO_STATUS;
            assert!(capabilities.contains(needed), "{uri}: {capabilities}");
        }
    });
}
