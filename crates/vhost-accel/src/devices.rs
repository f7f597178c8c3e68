//! The devices of this machine.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use vhost_accel_core::Interface;

use crate::uri::Uri;

/// What an mdev type's `device_api` reads when its devices are vfio-vhost ones.
const DEVICE_API: &str = "vfio-vhost";

/// How the platform device of such an mdev is called, where there is an IOMMU.
const PLATFORM: &str = "vfio-vhost.";

/// The devices of this machine, through every interface that each has, in the order of
/// [`Interface::ALL`].
///
/// Found in sysfs, without opening a device: mdevs whose type says `vfio-vhost`, the character
/// devices below the mdevs of the vhost-mdev driver, and those of vhost-vdpa. An mdev behind an
/// IOMMU has a platform device below it, which stands for it. The vhost-mdev driver can also make
/// devices with vhost-vdpa's ABI; they are told by their name. A machine without these buses has
/// none.
///
/// # Errors
/// Those of reading sysfs.
pub fn devices() -> io::Result<Vec<Uri>> {
    below(Path::new("/"))
}

/// As [`devices`], in a tree that begins at `root`.
fn below(root: &Path) -> io::Result<Vec<Uri>> {
    let mdevs = Path::new("/sys/bus/mdev/devices");
    let (mut vfio, mut mdev_nodes, mut vdpa_nodes) = (Vec::new(), Vec::new(), Vec::new());
    for name in names(&in_root(root, mdevs))? {
        let device = mdevs.join(name);
        let here = in_root(root, &device);
        match fs::read_to_string(here.join("mdev_type/device_api")) {
            Ok(api) if api.trim_end() == DEVICE_API => vfio.push(vfio_device(&here, device)?),
            Ok(_) => {}
            // A type that doesn't say, or a device that went away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // In a directory of its class, as the driver core puts it below a parent without one.
        let class = here.join("vhost_mdev");
        mdev_nodes.extend(nodes(&class, "vhost-mdev-")?);
        vdpa_nodes.extend(nodes(&class, "vhost-vdpa-")?);
    }
    let vdpas = in_root(root, Path::new("/sys/bus/vdpa/devices"));
    for name in names(&vdpas)? {
        vdpa_nodes.extend(nodes(&vdpas.join(name), "vhost-vdpa-")?);
    }
    let of = |interface, mut paths: Vec<PathBuf>| {
        // `vhost-vdpa-10` comes after `vhost-vdpa-9`.
        paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
        paths.into_iter().map(move |path| Uri::new(interface, path))
    };
    Ok(of(Interface::VfioMsg, vfio.clone())
        .chain(of(Interface::VfioIoctl, vfio))
        .chain(of(Interface::VhostMdev, mdev_nodes))
        .chain(of(Interface::VhostVdpa, vdpa_nodes))
        .collect())
}

/// The device that VFIO has: the mdev, or behind an IOMMU the platform device below it. `here` is
/// where the mdev's directory is in the tree that is looked at.
fn vfio_device(here: &Path, mdev: PathBuf) -> io::Result<PathBuf> {
    let is_it = |name: &OsString| name.to_str().is_some_and(|name| name.starts_with(PLATFORM));
    let behind = names(here)?.into_iter().find(is_it);
    Ok(behind.map_or(mdev, |name| Path::new("/sys/bus/platform/devices").join(name)))
}

fn in_root(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The character devices that the device's directory has an entry for.
fn nodes(device: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let is_node = |name: &OsString| name.to_str().is_some_and(|name| name.starts_with(prefix));
    let names = names(device)?.into_iter().filter(is_node);
    Ok(names.map(|name| Path::new("/dev").join(name)).collect())
}

/// What a directory has; nothing if there is none.
fn names(directory: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    entries.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // ABI-MDEV-1, ABI-VFIO-3, ABI-VFIO-17, ABI-VDPA-36
    #[test]
    fn devices_are_found_by_what_sysfs_says() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str| fs::create_dir_all(root.path().join(path)).unwrap();
        let mdevs = "sys/bus/mdev/devices";
        for (uuid, api) in [("b", "vfio-vhost\n"), ("a", "vfio-vhost\n"), ("c", "vfio-pci\n")] {
            make(&format!("{mdevs}/{uuid}/mdev_type"));
            let file = root.path().join(mdevs).join(uuid).join("mdev_type/device_api");
            fs::write(file, api).unwrap();
        }
        make(&format!("{mdevs}/b/vfio-vhost.1.auto"));
        make(&format!("{mdevs}/d/vhost_mdev/vhost-mdev-3"));
        make(&format!("{mdevs}/e/vhost_mdev/vhost-vdpa-own-4"));
        for node in ["vdpa0/vhost-vdpa-10", "vdpa1/vhost-vdpa-9", "vdpa2/net"] {
            make(&format!("sys/bus/vdpa/devices/{node}"));
        }
        let found: Vec<_> = below(root.path()).unwrap().iter().map(Uri::to_string).collect();
        let expected = [
            "vfio-msg:/sys/bus/mdev/devices/a",
            "vfio-msg:/sys/bus/platform/devices/vfio-vhost.1.auto",
            "vfio-ioctl:/sys/bus/mdev/devices/a",
            "vfio-ioctl:/sys/bus/platform/devices/vfio-vhost.1.auto",
            "vhost-mdev:/dev/vhost-mdev-3",
            "vhost-vdpa:/dev/vhost-vdpa-9",
            "vhost-vdpa:/dev/vhost-vdpa-10",
            "vhost-vdpa:/dev/vhost-vdpa-own-4",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_machine_without_the_buses_has_none() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(below(root.path()).unwrap(), []);
    }
}
