//! The kernel as its users see it: what can be made, what is counted.

use std::collections::HashSet;
use std::os::fd::{AsRawFd, OwnedFd};

use libc::{EBUSY, ENOENT};
use vhost_accel_emulator::{
    Ability, Builder, DeviceKind, EmulatedKernel, Error, MAX_DEVICES, probe,
};
use vhost_accel_uapi::vfio::{REGION_INDEX_NOTIFY, region_offset};
use vhost_accel_uapi::vhost;

use crate::common::*;

#[test]
fn this_machine_can_run_one() {
    probe().unwrap();
}

// ABI-VRING-1, ABI-VRING-3
#[test]
fn what_cannot_be_made_is_refused() {
    let builder = EmulatedKernel::builder;
    let refused = |pairs, size| {
        let error = builder().queue_pairs(pairs).max_queue_size(size).build().err().unwrap();
        match error {
            Error::Device { queue_pairs, max_queue_size } => (queue_pairs, max_queue_size),
            other => panic!("{other}"),
        }
    };
    for (pairs, size) in [(0, 256), (129, 256), (1, 0), (1, 100), (1, 2048)] {
        assert_eq!(refused(pairs, size), (pairs, size));
    }
    let many = builder().devices(MAX_DEVICES + 1).build().err().unwrap();
    assert!(matches!(many, Error::TooManyDevices(65)));
    assert_eq!(many.to_string(), "65 devices were asked for, the most is 64");
}

#[test]
fn what_a_device_is_without_is_refused() {
    let builder = EmulatedKernel::builder();
    let kernel = Ability::ALL.into_iter().fold(builder, Builder::without).build().unwrap();
    let (shared, write) = (libc::MAP_SHARED, libc::PROT_WRITE);
    kernel
        .run(|| {
            let vfio = Vfio::open(&kernel);
            let vdpa = open("/dev/vhost-vdpa-0").unwrap();
            let mdev = open("/dev/vhost-mdev-0").unwrap();
            // What is left of vhost-vdpa's: IOTLB v2, ASID, ENABLE_AFTER_DRIVER_OK, PERSIST.
            for (fd, offers) in [(&vfio.device, 0), (&mdev, 0), (&vdpa, 0b1_0100_1010)] {
                assert_eq!(get::<u64>(fd, vhost::GET_BACKEND_FEATURES), Ok(offers));
                let suspend = &mut (1_u64 << vhost::BACKEND_F_SUSPEND);
                let refused = Err(libc::EOPNOTSUPP);
                assert_eq!(ioctl(fd, vhost::SET_BACKEND_FEATURES, suspend), refused);
                assert_eq!(get::<u64>(fd, vhost::GET_FEATURES).unwrap() & (1 << 26), 0);
            }
            for fd in [&vfio.device, &mdev] {
                assert_eq!(ioctl_at(fd, vhost::SUSPEND, 0), Err(libc::EOPNOTSUPP));
                assert_eq!(ioctl_at(fd, vhost::RESUME, 0), Err(libc::EOPNOTSUPP));
            }
            let notify = region_offset(REGION_INDEX_NOTIFY);
            for (fd, offset, errno) in
                [(&vfio.device, notify, libc::EINVAL), (&mdev, 0, libc::ENODEV), (&vdpa, 0, 524)]
            {
                let page = Mapped::new(fd, 4096, write, shared, offset);
                assert_eq!(page.map(drop), Err(errno));
            }
        })
        .unwrap();
}

#[test]
fn devices_are_each_their_own() {
    let kernel = EmulatedKernel::builder().queue_pairs(128).devices(3).build().unwrap();
    assert_eq!(kernel.devices().len(), 9);
    let paths: HashSet<_> = kernel.devices().iter().map(|device| device.path()).collect();
    assert_eq!(paths.len(), 9);
    for kind in DeviceKind::ALL {
        assert_eq!(kernel.device(kind, 2).unwrap().number(), 2);
        assert!(kernel.device(kind, 3).is_none());
    }
    kernel
        .run(|| {
            let open_all = |name| -> Vec<_> {
                (0..3).map(|number| open(format!("/dev/{name}-{number}")).unwrap()).collect()
            };
            let mut fds = open_all("vhost-vdpa");
            fds.extend(open_all("vhost-mdev"));
            let mut macs = HashSet::new();
            for fd in &fds {
                let mut config = [0_u32, 6, 0, 0];
                assert_eq!(ioctl(fd, vhost::GET_CONFIG, &mut config), Ok(0));
                assert!(macs.insert([config[2], config[3]]), "{config:x?} is there twice");
                assert_eq!(get::<u32>(fd, vhost::GET_VQS_COUNT), Ok(257));
            }
            assert_eq!(ioctl(&fds[1], vhost::SET_STATUS, &mut 1_u8), Ok(0));
            assert_eq!(get::<u8>(&fds[2], vhost::GET_STATUS), Ok(0));
            assert_eq!(open("/dev/vhost-vdpa-1").unwrap_err(), EBUSY);
            assert_eq!(open("/dev/vhost-vdpa-3").unwrap_err(), ENOENT);
            let groups = [0, 1, 2].map(|number| open(format!("/dev/vfio/{number}")).unwrap());
            assert_eq!(groups.len(), 3);
        })
        .unwrap();
}

#[test]
fn a_kernel_without_devices_has_none() {
    let kernel = EmulatedKernel::builder().devices(0).build().unwrap();
    assert!(kernel.devices().is_empty());
    let opened = kernel.run(|| (open("/dev/vhost-vdpa-0").err(), open("/dev/vfio/vfio").is_ok()));
    assert_eq!(opened.unwrap(), (Some(ENOENT), true));
}

#[test]
fn a_client_borrows_and_returns() {
    let kernel = EmulatedKernel::builder().build().unwrap();
    let mut seen = Vec::new();
    let id = kernel
        .run(|| {
            let fd = open("/dev/vhost-mdev-0").unwrap();
            seen.push("borrowed");
            get::<u32>(&fd, vhost::GET_DEVICE_ID)
        })
        .unwrap();
    assert_eq!((id, seen), (Ok(1), vec!["borrowed"]));
}

#[test]
fn a_client_s_crossings_are_counted_each_once() {
    let kernel = EmulatedKernel::builder().count_everything(true).build().unwrap();
    kernel
        .run(|| {
            kernel.reset_crossings();
            let fd = open("/dev/vhost-vdpa-0").unwrap();
            assert_eq!(ioctl_at(&fd, vhost::SET_OWNER, 0), Ok(0));
            let page = Mapped::anonymous(PAGE);
            let update = vhost::MsgV2::update(0, 0, PAGE, page.host(), vhost::ACCESS_RW);
            assert_eq!(write_at(&fd, (&raw const update) as u64, 72), Ok(72));
            assert_eq!(write_at(&fd, NOWHERE, 72), Err(libc::EINVAL));
            let doorbell =
                Mapped::new(&fd, PAGE, libc::PROT_WRITE, libc::MAP_SHARED, PAGE).unwrap();
            signal(&eventfd());
            drop((doorbell, page));
            assert_eq!(ioctl_at(&fd, 0xdead, 0), Err(libc::EFAULT));
        })
        .unwrap();
    let crossings = kernel.crossings();
    // A debug build of the standard library asks fcntl about each descriptor that it closes.
    let counted: Vec<_> = crossings.iter().filter(|(kind, _)| *kind != "fcntl").collect();
    let want = [
        ("close", 2),
        ("eventfd2", 1),
        ("ioctl 0x0000dead", 1),
        ("ioctl VHOST_SET_OWNER", 1),
        ("mmap doorbell", 1),
        ("munmap", 1),
        ("openat", 1),
        ("write eventfd", 1),
        ("write iotlb", 1),
        ("write iotlb UPDATE", 1),
    ];
    assert_eq!(counted, want);
}

#[test]
fn there_may_be_more_kernels_than_a_user_has_inotify_instances() {
    let kernels: Vec<_> = (0..160).map(|_| EmulatedKernel::builder().build().unwrap()).collect();
    let open_each = |kernel: &EmulatedKernel| {
        let path = kernel.device(DeviceKind::VhostMdev, 0).unwrap().path();
        // The second open finds the first one closed, whichever kernel has read of it.
        kernel.run(|| (open(path).map(drop), open(path).map(drop))).unwrap()
    };
    std::thread::scope(|scope| {
        let opened: Vec<_> =
            kernels.iter().map(|kernel| scope.spawn(move || open_each(kernel))).collect();
        for opened in opened {
            assert_eq!(opened.join().unwrap(), (Ok(()), Ok(())));
        }
    });
}

#[test]
fn a_limit_that_is_reached_is_named() {
    let error = Error::Inotify { limit: 128, sysctl: "fs.inotify.max_user_instances" };
    let want = "this user has no inotify instance left of 128: as root, \
                sysctl fs.inotify.max_user_instances=512 gives more";
    assert_eq!(error.to_string(), want);
}

#[test]
fn a_thread_from_before_can_see_why_it_has_no_device() {
    let (hand_over, taken) = std::sync::mpsc::channel::<OwnedFd>();
    let (answer, answered) = std::sync::mpsc::channel();
    let before = std::thread::spawn(move || {
        let fd = taken.recv().unwrap();
        let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let id = get::<u32>(&fd, vhost::GET_DEVICE_ID);
        answer.send((id, std::fs::read_link(link).unwrap())).unwrap();
    });
    let kernel = EmulatedKernel::builder().build().unwrap();
    kernel.run(|| hand_over.send(open("/dev/vhost-vdpa-0").unwrap()).unwrap()).unwrap();
    let (id, link) = answered.recv().unwrap();
    assert_eq!(id, Err(libc::ENOTTY));
    let link = link.display().to_string();
    assert!(link.contains("threads and programs started by its client alone"), "{link}");
    before.join().unwrap();
}
