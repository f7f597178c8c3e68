//! A device that another process has opened: its fd is all that this one gets.

#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::time::Duration;

use vhost_accel::{Interface, OpenError, Operation, Uri};
use vhost_accel_driver::{Config, NetDriver};
use vhost_accel_emulator::EmulatedKernel;

const EBUSY: i32 = 16;
const LIMIT: Duration = Duration::from_secs(10);

/// Those of the machine, in each variant, whose interface is one fd.
fn each(check: impl Fn(&Uri) + Sync) {
    let kernel = EmulatedKernel::builder().build().unwrap();
    let checked = kernel.run(|| {
        let devices = vhost_accel::devices().unwrap();
        let one_fd =
            |uri: &&Uri| matches!(uri.interface(), Interface::VhostMdev | Interface::VhostVdpa);
        devices.iter().filter(one_fd).flat_map(Uri::variants).map(|uri| check(&uri)).count()
    });
    assert_eq!(checked.unwrap(), 4);
}

fn opened(uri: &Uri) -> OwnedFd {
    OpenOptions::new().read(true).write(true).open(uri.path()).unwrap().into()
}

#[test]
fn frames_pass() {
    each(|uri| {
        let device = vhost_accel::open_fd(uri, opened(uri)).unwrap();
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
fn the_fd_closes_with_the_device() {
    each(|uri| {
        drop(vhost_accel::open_fd(uri, opened(uri)).unwrap());
        // Else it would be busy.
        drop(vhost_accel::open_uri(uri).unwrap());
    });
}

#[test]
fn a_device_that_has_an_owner_is_refused() {
    each(|uri| {
        let device = vhost_accel::open_uri(uri).unwrap();
        let fd = device.device_fd().unwrap().try_clone_to_owned().unwrap();
        let Err(OpenError::Device(error)) = vhost_accel::open_fd(uri, fd) else {
            panic!("{uri} has two owners");
        };
        assert_eq!((error.step(), error.errno()), (Some(Operation::SetOwner), Some(EBUSY)));
    });
}

#[test]
fn another_file_names_the_request_and_vfio_is_more_than_one() {
    let fd = || OwnedFd::from(File::open("/dev/null").unwrap());
    for interface in ["vhost-mdev", "vhost-vdpa"] {
        let uri: Uri = format!("{interface}:/dev/null").parse().unwrap();
        let Err(OpenError::Device(error)) = vhost_accel::open_fd(&uri, fd()) else {
            panic!("{uri} opened");
        };
        assert_eq!((error.step(), error.errno()), (Some(Operation::SetOwner), Some(25)), "ENOTTY");
    }
    for interface in [Interface::VfioMsg, Interface::VfioIoctl] {
        let uri: Uri = format!("{interface}:/x").parse().unwrap();
        let Err(error) = vhost_accel::open_fd(&uri, fd()) else { panic!("{uri} opened") };
        assert!(matches!(error, OpenError::NotOneFd(refused) if refused == interface), "{error}");
    }
}
