//! Ways past the emulation, which are refused.

use std::fs;
use std::os::unix::fs::FileTypeExt;

use super::*;

/// A bare system call.
fn call(nr: i64, args: [u64; 6]) -> Result<i64, i32> {
    let [a, b, c, d, e, f] = args;
    // SAFETY: each call that is tried is refused, or gets pointers to what the caller holds.
    result(unsafe { libc::syscall(nr, a, b, c, d, e, f) })
}

// ABI-DIFF-3
#[test]
fn bytes_are_not_moved_past_the_device() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let device = open(PATH).unwrap();
            let (reader, writer) = io::pipe().unwrap();
            let file = tempfile::tempfile().unwrap();
            file.set_len(100).unwrap();
            let fd = |fd: &dyn AsRawFd| fd.as_raw_fd() as u64;
            let (device, reader, writer, file) = (fd(&device), fd(&reader), fd(&writer), fd(&file));
            let splice = |from, to, len| call(libc::SYS_splice, [from, 0, to, 0, len, 0]);
            assert_eq!(splice(device, writer, 10), Err(libc::EINVAL));
            assert_eq!(splice(reader, device, 10), Err(libc::EINVAL));
            assert_eq!(splice(device, writer, 0), Ok(0));
            assert_eq!(splice(file, writer, 10), Ok(10));
            let sendfile = |to, from| call(libc::SYS_sendfile, [to, from, 0, 10, 0, 0]);
            assert_eq!(sendfile(device, file), Err(libc::EINVAL));
            assert_eq!(sendfile(writer, device), Err(libc::EINVAL));
            assert_eq!(sendfile(writer, file), Ok(10));
            let copy = |from, to| call(libc::SYS_copy_file_range, [from, 0, to, 0, 10, 0]);
            assert_eq!(copy(device, file), Err(libc::EINVAL));
            assert_eq!(copy(file, device), Err(libc::EINVAL));
        })
        .unwrap();
}

#[test]
fn what_only_regular_files_have_is_refused() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let device = open(PATH).unwrap();
            let fd = device.as_raw_fd() as u64;
            for (nr, errno) in [
                (libc::SYS_fsync, libc::EINVAL),
                (libc::SYS_fdatasync, libc::EINVAL),
                (libc::SYS_sync_file_range, libc::ESPIPE),
                (libc::SYS_readahead, libc::EINVAL),
                (libc::SYS_ftruncate, libc::EINVAL),
                (libc::SYS_fallocate, libc::ENODEV),
                (libc::SYS_lseek, libc::ESPIPE),
            ] {
                assert_eq!(call(nr, [fd, 0, 0, 1, 0, 0]), Err(errno), "system call {nr}");
            }
            let file = tempfile::tempfile().unwrap();
            assert_eq!(call(libc::SYS_fsync, [file.as_raw_fd() as u64, 0, 0, 0, 0, 0]), Ok(0));
            let seals = libc::F_SEAL_WRITE as u64;
            let command = libc::F_ADD_SEALS as u64;
            assert_eq!(call(libc::SYS_fcntl, [fd, command, seals, 0, 0, 0]), Err(libc::EINVAL));
        })
        .unwrap();
}

// ABI-DIFF-3
#[test]
fn rings_and_queues_of_the_kernel_are_not_used_on_a_device() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let mut params = [0_u64; 15];
            let params = (&raw mut params) as u64;
            assert_eq!(call(libc::SYS_io_uring_setup, [8, params, 0, 0, 0, 0]), Err(libc::ENOSYS));
            let mut context = 0_u64;
            let to = (&raw mut context) as u64;
            if call(libc::SYS_io_setup, [8, to, 0, 0, 0, 0]) == Err(libc::ENOSYS) {
                // This machine has none: nothing passes the emulation by.
                return;
            }
            // struct iocb: data, key, opcode PREAD and descriptor, buffer, length, offset, 3 more.
            let mut byte = 0_u64;
            let mut request = |fd: i32| {
                let buffer = (&raw mut byte) as u64;
                [0, 0, (fd as u64) << 32, buffer, 8, 0, 0, 0]
            };
            let device = open(PATH).unwrap();
            let file = tempfile::tempfile().unwrap();
            let (ours, own) = (request(device.as_raw_fd()), request(file.as_raw_fd()));
            let submit = |list: &[&[u64; 8]]| {
                let args = [context, list.len() as u64, list.as_ptr() as u64, 0, 0, 0];
                call(libc::SYS_io_submit, args)
            };
            assert_eq!(submit(&[&ours]), Err(libc::EINVAL));
            assert_eq!(submit(&[&own, &ours]), Err(libc::EINVAL));
            assert_eq!(submit(&[&own]), Ok(1));
            assert_eq!(call(libc::SYS_io_destroy, [context, 0, 0, 0, 0, 0]), Ok(0));
        })
        .unwrap();
}

// ABI-DIFF-3
#[test]
fn a_device_is_not_taken_through_a_pidfd_or_a_handle() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let device = open(PATH).unwrap();
            let file = tempfile::tempfile().unwrap();
            let own = u64::from(std::process::id());
            let pidfd = call(libc::SYS_pidfd_open, [own, 0, 0, 0, 0, 0]).unwrap();
            // SAFETY: just opened.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd as i32) };
            let get = |fd: i32| {
                let args = [pidfd.as_raw_fd() as u64, fd as u64, 0, 0, 0, 0];
                call(libc::SYS_pidfd_getfd, args)
            };
            assert_eq!(get(device.as_raw_fd()), Err(libc::EPERM));
            // SAFETY: just made.
            drop(unsafe { OwnedFd::from_raw_fd(get(file.as_raw_fd()).unwrap() as i32) });
            let mut handle = [0_u64; 20];
            handle[0] = 128;
            let mut mount = 0_i32;
            let mut name = |dir: u64, path: &std::ffi::CStr, flags: i32| {
                let (handle, mount) = ((&raw mut handle) as u64, (&raw mut mount) as u64);
                let args = [dir, path.as_ptr() as u64, handle, mount, flags as u64, 0];
                call(libc::SYS_name_to_handle_at, args)
            };
            let (cwd, fd) = (libc::AT_FDCWD as u64, device.as_raw_fd() as u64);
            assert_eq!(name(cwd, c"/dev/vhost-vdpa-0", 0), Err(libc::EOPNOTSUPP));
            assert_eq!(name(cwd, c"/dev/vhost-vdpa-1", 0), Err(libc::ENOENT));
            assert_eq!(name(fd, c"", libc::AT_EMPTY_PATH), Err(libc::EOPNOTSUPP));
        })
        .unwrap();
}

// ABI-DIFF-3
#[test]
fn nothing_is_made_where_the_emulated_names_are() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let make = |path: &str| fs::create_dir(path).unwrap_err().raw_os_error().unwrap();
            assert_eq!(make("/sys/bus/mdev"), libc::EEXIST);
            assert_eq!(make(PATH), libc::EEXIST);
            assert_eq!(make("/dev/vfio/new"), libc::EPERM);
            let path = c"/dev/vhost-vdpa-0".as_ptr() as u64;
            let mode = u64::from(libc::S_IFCHR | 0o600);
            let args = [libc::AT_FDCWD as u64, path, mode, NUMBER, 0, 0];
            assert_eq!(call(libc::SYS_mknodat, args), Err(libc::EEXIST));
            assert!(fs::metadata(PATH).unwrap().file_type().is_char_device());
            let own = tempfile::tempdir().unwrap();
            fs::create_dir(own.path().join("sub")).unwrap();
        })
        .unwrap();
}
