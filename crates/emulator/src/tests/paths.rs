//! What a client learns by path.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

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
            assert_eq!(access(c"/dev/vhost-vdpa-0/", libc::F_OK), Err(libc::ENOTDIR));
            assert_eq!(open("/dev/vhost-vdpa-0/").unwrap_err(), libc::ENOTDIR);
            assert_eq!(fs::read_dir("/sys/bus/mdev/devices/x/").unwrap().count(), 2);
        })
        .unwrap();
    assert_eq!(toy.opens.load(Ordering::SeqCst), 0, "looking is not opening");
    // Outside a client the emulated names mean what they always did.
    assert!(!fs::exists("/sys/bus/mdev/devices/x").unwrap());
}

/// fstat(2), bare: the standard library's may be statx(2).
fn fstat(fd: &impl AsRawFd) -> libc::stat {
    let mut stat = std::mem::MaybeUninit::uninit();
    // SAFETY: the structure lives.
    let ret = unsafe { libc::syscall(libc::SYS_fstat, fd.as_raw_fd(), stat.as_mut_ptr()) };
    assert_eq!(result(ret), Ok(0));
    // SAFETY: filled by the kernel, or by us in its stead.
    unsafe { stat.assume_init() }
}

// ABI-NUM-4
#[test]
fn an_open_device_is_the_one_that_its_path_says() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let named = fs::metadata(PATH).unwrap();
            assert_eq!(named.rdev(), NUMBER);
            let fd = open(PATH).unwrap();
            let open = fstat(&fd);
            assert_eq!(open.st_mode, libc::S_IFCHR | 0o666);
            assert_eq!((open.st_rdev, open.st_size), (NUMBER, 0));
            assert_eq!((open.st_dev, open.st_ino), (named.dev(), named.ino()));
            // statx(2) with an empty path, and newfstatat(2) with one.
            let metadata = fs::File::from(fd.try_clone().unwrap()).metadata().unwrap();
            assert!(metadata.file_type().is_char_device());
            assert_eq!((metadata.rdev(), metadata.ino()), (NUMBER, named.ino()));
            let mut at = open;
            at.st_rdev = 0;
            // SAFETY: the path ends in a NUL, and the structure lives.
            let ret = unsafe {
                libc::fstatat(fd.as_raw_fd(), c"".as_ptr(), &raw mut at, libc::AT_EMPTY_PATH)
            };
            assert_eq!((result(ret), at.st_rdev, at.st_mode), (Ok(0), NUMBER, open.st_mode));
            // SAFETY: a bad pointer is what is tried.
            let ret = unsafe { libc::syscall(libc::SYS_fstat, fd.as_raw_fd(), 8) };
            assert_eq!(result(ret), Err(libc::EFAULT));
        })
        .unwrap();
}

// ABI-NUM-4
#[test]
fn a_device_is_found_by_its_number() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let read = |path| fs::read_to_string(path).unwrap();
            assert_eq!(read("/sys/dev/char/4000:7/dev"), "4000:7\n");
            let uevent = "MAJOR=4000\nMINOR=7\nDEVNAME=vhost-vdpa-0\n";
            assert_eq!(read("/sys/dev/char/4000:7/uevent"), uevent);
            let link = fs::read_link("/sys/dev/char/4000:7").unwrap();
            assert_eq!(link.to_str(), Some("../../bus/vdpa/devices/toy"));
            // Others' numbers are the machine's own business.
            assert!(fs::exists("/sys/dev/char/4000:70").is_ok_and(|exists| !exists));
            let host = fs::read_dir("/sys/dev/char").unwrap().next().unwrap().unwrap();
            assert!(fs::exists(host.path()).unwrap());
        })
        .unwrap();
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
