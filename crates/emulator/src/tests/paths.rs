//! What a client learns by path.

use std::{fs, os::unix::fs::FileTypeExt};

use super::*;

#[test]
fn sysfs_and_dev_can_be_looked_at() {
    let (kernel, toy, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            assert!(fs::metadata(PATH).unwrap().file_type().is_char_device());
            assert!(fs::exists(PATH).unwrap());
            assert!(!fs::exists("/dev/vhost-vdpa-1").unwrap());
            let dir = "/sys/bus/mdev/devices/x";
            assert_eq!(fs::read_to_string(format!("{dir}/name")).unwrap(), "toy\n");
            assert_eq!(fs::read_to_string(format!("{dir}/link")).unwrap(), "toy\n");
            assert_eq!(fs::read_link(format!("{dir}/link")).unwrap().to_str(), Some("name"));
            assert_eq!(
                fs::read_link(format!("{dir}/name")).unwrap_err().raw_os_error(),
                Some(libc::EINVAL)
            );
            assert!(fs::symlink_metadata(format!("{dir}/link")).unwrap().is_symlink());
            let mut names: Vec<_> =
                fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, ["link", "name"]);
            let canonical = fs::canonicalize(format!("{dir}/link")).unwrap();
            assert_eq!(canonical.to_str(), Some("/sys/bus/mdev/devices/x/name"));
            assert_eq!(fs::read_dir("/sys/bus/mdev").unwrap().count(), 1);
            assert_eq!(
                fs::read("/sys/bus/mdev/nothing").unwrap_err().raw_os_error(),
                Some(libc::ENOENT)
            );
            assert!(fs::write(format!("{dir}/new"), "").is_err());
            let access = |path: &std::ffi::CStr, mode| {
                // SAFETY: the path ends in a NUL.
                result(unsafe { libc::access(path.as_ptr(), mode) })
            };
            assert_eq!(access(c"/dev/vhost-vdpa-0", libc::R_OK | libc::W_OK), Ok(0));
            assert_eq!(access(c"/dev/vhost-vdpa-9", libc::F_OK), Err(libc::ENOENT));
        })
        .unwrap();
    assert_eq!(toy.opens.load(Ordering::SeqCst), 0, "looking is not opening");
    // Outside a client the emulated names mean what they always did.
    assert!(!fs::exists("/sys/bus/mdev/devices/x").unwrap());
}

#[test]
fn relative_names_and_flags() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let dev = fs::File::open("/dev").unwrap();
            let at = |flags| {
                // SAFETY: the path ends in a NUL.
                let fd = unsafe { libc::openat(dev.as_raw_fd(), c"vhost-vdpa-0".as_ptr(), flags) };
                // SAFETY: just opened.
                result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
            };
            let fd = at(libc::O_RDWR).unwrap();
            assert_eq!(double(&fd, 3), Ok(6));
            drop(fd);
            assert_eq!(at(libc::O_RDWR | libc::O_DIRECTORY).unwrap_err(), libc::ENOTDIR);
            let exclusive = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
            assert_eq!(at(exclusive).unwrap_err(), libc::EEXIST);
            let fd = at(libc::O_RDONLY | libc::O_NONBLOCK).unwrap();
            // SAFETY: takes no pointer.
            let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
            assert_eq!(flags & (libc::O_ACCMODE | libc::O_NONBLOCK), libc::O_NONBLOCK);
            drop(fd);
            // A read-only file is released as any other.
            let fd = at(libc::O_RDWR | libc::O_CLOEXEC).unwrap();
            // SAFETY: takes no pointer.
            assert_eq!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) }, libc::FD_CLOEXEC);
        })
        .unwrap();
}
