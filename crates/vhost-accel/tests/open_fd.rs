//! A device that another process has opened: its fds are all that this one gets.

#![expect(unsafe_code, reason = "lends memory to a device")]
#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use vhost_accel::{
    Capabilities, Dma, Features, Interface, Iova, Kick, OpenError, Opening, Operation, QueueIndex,
    Reason, Uri, VhostAccel,
};
use vhost_accel_driver::{Config, Descriptor, Event, HEADER, NetDriver, RawRing, Region};
use vhost_accel_emulator::EmulatedKernel;
use vhost_accel_vfio::Vfio;

const ENOENT: i32 = 2;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const ENOTTY: i32 = 25;
const LIMIT: Duration = Duration::from_secs(10);

/// Who may open devices: on VFIO it keeps the group, and has what is mapped in the container.
enum Opener {
    File(File),
    Vfio(Vfio),
}

impl Opener {
    fn new(uri: &Uri) -> Self {
        match uri.interface() {
            interface @ (Interface::VfioMsg | Interface::VfioIoctl) => {
                Self::Vfio(vhost_accel_vfio::open(&Opening::new(interface, uri.path())).unwrap())
            }
            _ => Self::File(OpenOptions::new().read(true).write(true).open(uri.path()).unwrap()),
        }
    }

    /// A duplicate of the device's fd: as it arrives in another process.
    fn device(&self) -> OwnedFd {
        match self {
            Self::File(file) => file.as_fd(),
            Self::Vfio(vfio) => vfio.device.as_fd(),
        }
        .try_clone_to_owned()
        .unwrap()
    }

    fn container(&self) -> Option<OwnedFd> {
        let Self::Vfio(vfio) = self else { return None };
        Some(vfio.container.as_fd().try_clone_to_owned().unwrap())
    }

    /// The device with all that it needs to map memory.
    fn hand_over(&self, uri: &Uri) -> Box<dyn VhostAccel> {
        match self.container() {
            Some(container) => vhost_accel::open_fds(uri, self.device(), container).unwrap(),
            None => vhost_accel::open_fd(uri, self.device()).unwrap(),
        }
    }
}

/// Those of the machine, in each variant; says how many.
fn each(wanted: &[Interface], check: impl Fn(&Uri) + Sync) -> usize {
    let kernel = EmulatedKernel::builder().build().unwrap();
    let checked = kernel.run(|| {
        let devices = vhost_accel::devices().unwrap();
        let these = devices.iter().filter(|uri| wanted.contains(&uri.interface()));
        these.flat_map(Uri::variants).map(|uri| check(&uri)).count()
    });
    checked.unwrap()
}

const VFIO: [Interface; 2] = [Interface::VfioMsg, Interface::VfioIoctl];
const ONE_FD: [Interface; 2] = [Interface::VhostMdev, Interface::VhostVdpa];

fn all(check: impl Fn(&Uri) + Sync) {
    assert_eq!(each(&[VFIO, ONE_FD].concat(), check), 7);
}

#[test]
fn frames_pass() {
    all(|uri| {
        let opener = Opener::new(uri);
        let device = opener.hand_over(uri);
        assert_eq!(device.info().path.as_ref(), uri.path());
        assert_eq!(device.info().interface, uri.interface());
        let mut driver = NetDriver::open(device, Config::default()).unwrap();
        driver.setup().unwrap();
        driver.start().unwrap();
        let sent = [0x5a; 100];
        assert_eq!(driver.send(0, &[&sent]).unwrap(), 1);
        let mut back = Vec::new();
        while back.is_empty() {
            assert!(driver.wait(0, LIMIT).unwrap());
            driver.receive(0, |frame| back.push(frame.to_vec())).unwrap();
        }
        assert_eq!(back, [sent]);
    });
}

#[test]
fn it_can_what_a_device_can_that_was_opened_here() {
    all(|uri| {
        let here = vhost_accel::open_uri(uri).unwrap().info().clone();
        let opener = Opener::new(uri);
        assert_eq!(opener.hand_over(uri).info().capabilities, here.capabilities);
    });
}

#[test]
fn the_fds_close_with_the_device() {
    all(|uri| {
        let opener = Opener::new(uri);
        let device = opener.hand_over(uri);
        drop(opener);
        drop(device);
        // Else it would be busy.
        drop(vhost_accel::open_uri(uri).unwrap());
    });
}

#[test]
fn what_is_mapped_goes_with_the_device_and_not_with_the_container() {
    let memory = Region::new(1 << 16).unwrap();
    let checked = each(&VFIO, |uri| {
        let mut opener = Opener::new(uri);
        let mut device = opener.hand_over(uri);
        let lease = memory.at(Iova(1 << 32));
        // SAFETY: the region stays mapped, and hands out no references.
        unsafe { device.dma_map(&lease.mapping()) }.unwrap();
        let last = memory.at(Iova(0u64.wrapping_sub(1 << 16)));
        // SAFETY: as above.
        let error = unsafe { device.dma_map(&last.mapping()) }.unwrap_err();
        assert_eq!(error.errno(), Some(EINVAL), "{error}");
        drop(device);
        let Opener::Vfio(vfio) = &mut opener else { panic!("{uri} has no container") };
        let error = vfio.container.unmap(lease.range()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(ENOENT), "{uri}");
    });
    assert_eq!(checked, 3);
}

/// A VMM maps a guest's memory once, in the container of all its devices.
#[test]
fn memory_that_the_opener_maps_is_the_devices_too() {
    let checked = each(&VFIO, |uri| {
        let memory = Region::new(1 << 16).unwrap();
        let mut opener = Opener::new(uri);
        let mut device = vhost_accel::open_fd(uri, opener.device()).unwrap();
        let Opener::Vfio(vfio) = &mut opener else { panic!("{uri} has no container") };
        let lease = memory.at(Iova(0));
        // SAFETY: the region stays mapped until the container is dropped, and hands out no
        // references.
        unsafe { vfio.container.map(&lease.mapping()) }.unwrap();

        assert!(!device.info().capabilities.contains(Capabilities::DMA));
        // SAFETY: it maps nothing.
        let error = unsafe { device.dma_map(&lease.mapping()) }.unwrap_err();
        let unsupported = |reason: &Reason| matches!(reason, Reason::Unsupported(missing) if *missing == Capabilities::DMA);
        assert!(unsupported(error.reason()), "{error}");
        assert!(unsupported(device.dma_unmap(lease.range()).unwrap_err().reason()));
        assert!(unsupported(device.dma_limits().unwrap_err().reason()));
        // SAFETY: it maps nothing.
        let error = unsafe { device.dma_update(&[lease.range()], &[]) }.unwrap_err();
        assert!(unsupported(error.reason()), "{error}");

        device.negotiate(Features::VERSION_1 | Features::ACCESS_PLATFORM).unwrap();
        let rings = [0x0, 0x2000].map(|offset| RawRing::new(&memory, offset, 8, Iova(0)));
        let called = Event::new().unwrap();
        device
            .setup_vrings(&[
                rings[0].vring(QueueIndex(0)).with_call(Some(called.as_fd())),
                rings[1].vring(QueueIndex(1)),
            ])
            .unwrap();
        let kicker = device.kicker(QueueIndex(1), Kick::Best).unwrap();
        device.start().unwrap();
        memory.write(0x6000 + HEADER, &[0x5a; 100]);
        rings[0].set_desc(0, Descriptor::writable(Iova(0x4000), 0x1000));
        rings[1].set_desc(0, Descriptor::readable(Iova(0x6000), (HEADER + 100) as u32));
        for ring in &rings {
            ring.set_avail(0, 0);
            ring.set_avail_index(1);
        }
        kicker.kick().unwrap();
        while rings[0].used_index() == 0 {
            assert_ne!(called.wait(LIMIT).unwrap(), 0, "{uri} gave nothing back");
        }
        assert_eq!(memory.bytes(0x4000 + HEADER, 100), [0x5a; 100]);
        drop(device);
        vfio.container.unmap(lease.range()).expect("it is the container's, and still there");
    });
    assert_eq!(checked, 3);
}

#[test]
fn a_device_that_has_an_owner_is_refused() {
    all(|uri| {
        let device = vhost_accel::open_uri(uri).unwrap();
        let fd = device.device_fd().unwrap().try_clone_to_owned().unwrap();
        let Err(OpenError::Device(error)) = vhost_accel::open_fd(uri, fd) else {
            panic!("{uri} has two owners");
        };
        assert_eq!((error.step(), error.errno()), (Some(Operation::SetOwner), Some(EBUSY)));
    });
}

#[test]
fn another_file_names_the_request() {
    let fd = || OwnedFd::from(File::open("/dev/null").unwrap());
    let first = |interface: &str| match interface {
        "vhost-mdev" | "vhost-vdpa" => Operation::SetOwner,
        _ => Operation::Identify,
    };
    for interface in ["vfio-msg", "vfio-ioctl", "vhost-mdev", "vhost-vdpa"] {
        let uri: Uri = format!("{interface}:/dev/null").parse().unwrap();
        let Err(OpenError::Device(error)) = vhost_accel::open_fd(&uri, fd()) else {
            panic!("{uri} opened");
        };
        let found = (error.step(), error.errno());
        assert_eq!(found, (Some(first(interface)), Some(ENOTTY)), "{error}");
    }
    for interface in ONE_FD {
        let uri: Uri = format!("{interface}:/x").parse().unwrap();
        let Err(error) = vhost_accel::open_fds(&uri, fd(), fd()) else { panic!("{uri} opened") };
        assert!(matches!(error, OpenError::NoContainer(refused) if refused == interface));
    }
    each(&VFIO, |uri| {
        let opener = Opener::new(uri);
        let opened = vhost_accel::open_fds(uri, opener.device(), fd());
        let Err(OpenError::Device(error)) = opened else { panic!("{uri} opened") };
        let found = (error.step(), error.errno());
        assert_eq!(found, (Some(Operation::OpenContainer), Some(ENOTTY)), "{error}");
    });
}
