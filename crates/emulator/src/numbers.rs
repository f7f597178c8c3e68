//! Device numbers: which majors the emulated character devices have, and what /proc says of them.

use std::fs;
use std::io;

/// `/dev/vfio/vfio` is a misc device with a minor of its own, VFIO_MINOR.
const MISC: u32 = 10;
const VFIO_MINOR: u32 = 196;

/// Majors that a kernel gives out by itself, in its order: `CHRDEV_MAJOR_DYN_*`.
fn dynamic() -> impl Iterator<Item = u32> {
    (234..=254).rev().chain((384..=511).rev())
}

/// The numbers of one emulated kernel.
#[derive(Debug)]
pub(crate) struct Numbers {
    vfio: u32,
    vhost_mdev: u32,
    vhost_vdpa: u32,
    /// The content of /proc/devices, this machine's own devices included.
    pub(crate) devices: String,
    /// The same of /proc/misc.
    pub(crate) misc: String,
}

impl Numbers {
    /// Numbers that no device of this machine has.
    pub(crate) fn new() -> io::Result<Self> {
        // A machine without misc devices has no such file.
        let misc = fs::read_to_string("/proc/misc").unwrap_or_default();
        Self::beside(&fs::read_to_string("/proc/devices")?, misc)
    }

    fn beside(devices: &str, mut misc: String) -> io::Result<Self> {
        let (mut characters, blocks) =
            devices.split_once("\n\n").map_or((devices.to_owned(), ""), |(characters, blocks)| {
                (characters.to_owned() + "\n", blocks)
            });
        let mut major = |name| major(&mut characters, name);
        let vfio = major("vfio")?;
        let vhost_mdev = major("vhost-mdev")?;
        let vhost_vdpa = major("vhost-vdpa")?;
        if !lines(&misc).any(|(_, name)| name == "vfio") {
            misc += &format!("{VFIO_MINOR:3} vfio\n");
        }
        let devices = format!("{characters}\n{blocks}");
        Ok(Self { vfio, vhost_mdev, vhost_vdpa, devices, misc })
    }

    /// That of `/dev/vfio/vfio`.
    pub(crate) fn container(&self) -> libc::dev_t {
        libc::makedev(MISC, VFIO_MINOR)
    }

    /// That of VFIO group `minor`.
    pub(crate) fn group(&self, minor: u16) -> libc::dev_t {
        libc::makedev(self.vfio, minor.into())
    }

    /// That of `/dev/vhost-mdev-MINOR`.
    pub(crate) fn vhost_mdev(&self, minor: u16) -> libc::dev_t {
        libc::makedev(self.vhost_mdev, minor.into())
    }

    /// That of `/dev/vhost-vdpa-MINOR`.
    pub(crate) fn vhost_vdpa(&self, minor: u16) -> libc::dev_t {
        libc::makedev(self.vhost_vdpa, minor.into())
    }
}

/// The major that `name` has in `characters`, which it is added to where it isn't there: one name
/// in /proc/devices with two majors would lead a client to the wrong one.
fn major(characters: &mut String, name: &str) -> io::Result<u32> {
    if let Some((number, _)) = lines(characters).find(|line| line.1 == name) {
        return Ok(number);
    }
    let number = dynamic()
        .find(|&number| lines(characters).all(|line| line.0 != number))
        .ok_or(io::ErrorKind::AddrInUse)?;
    *characters += &format!("{number:3} {name}\n");
    Ok(number)
}

/// The numbers and names of a list in /proc.
fn lines(list: &str) -> impl Iterator<Item = (u32, &str)> {
    list.lines().filter_map(|line| {
        let (number, name) = line.trim_start().split_once(' ')?;
        Some((number.parse().ok()?, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICES: &str = "Character devices:\n  1 mem\n 10 misc\n254 ndctl\n253 dimmctl\n\n\
                           Block devices:\n  7 loop\n252 virtblk\n";

    // ABI-NUM-1, ABI-NUM-2, ABI-NUM-3, ABI-NUM-5
    #[test]
    fn each_kind_has_a_major_that_is_free() {
        let numbers = Numbers::beside(DEVICES, " 58 kvm\n".to_owned()).unwrap();
        assert_eq!(numbers.group(3), libc::makedev(252, 3));
        assert_eq!(numbers.vhost_mdev(0), libc::makedev(251, 0));
        assert_eq!(numbers.vhost_vdpa(63), libc::makedev(250, 63));
        assert_eq!(numbers.container(), libc::makedev(10, 196));
        let want = "Character devices:\n  1 mem\n 10 misc\n254 ndctl\n253 dimmctl\n252 vfio\n\
                    251 vhost-mdev\n250 vhost-vdpa\n\nBlock devices:\n  7 loop\n252 virtblk\n";
        assert_eq!(numbers.devices, want);
        assert_eq!(numbers.misc, " 58 kvm\n196 vfio\n");
    }

    // ABI-NUM-5
    #[test]
    fn a_kind_that_the_machine_has_keeps_its_major() {
        let devices = "Character devices:\n 10 misc\n511 vhost-vdpa\n236 vfio\n\nBlock devices:\n";
        let numbers = Numbers::beside(devices, "196 vfio\n".to_owned()).unwrap();
        assert_eq!(numbers.group(0), libc::makedev(236, 0));
        assert_eq!(numbers.vhost_vdpa(1), libc::makedev(511, 1));
        assert_eq!(numbers.vhost_mdev(1), libc::makedev(254, 1));
        assert_eq!(numbers.devices.matches("vhost-vdpa").count(), 1);
        assert_eq!(numbers.misc, "196 vfio\n");
    }

    #[test]
    fn with_no_major_left_there_is_an_error() {
        let mut devices = String::from("Character devices:\n");
        for number in dynamic() {
            devices += &format!("{number:3} x{number}\n");
        }
        assert!(Numbers::beside(&devices, String::new()).is_err());
    }
}
