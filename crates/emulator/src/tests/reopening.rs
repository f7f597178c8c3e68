//! Opening again what is open, paths that are not opened, and the limits of openat2(2).

use std::ffi::CStr;
use std::fs;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use super::*;

/// The links of /proc and /dev that lead to `fd`.
fn links(fd: &impl AsRawFd) -> Vec<String> {
    let (fd, pid) = (fd.as_raw_fd(), std::process::id());
    // SAFETY: takes nothing.
    let tid = unsafe { libc::gettid() };
    vec![
        format!("/proc/self/fd/{fd}"),
        format!("/proc/thread-self/fd/{fd}"),
        format!("/proc/{pid}/fd/{fd}"),
        format!("/proc/self/task/{tid}/fd/{fd}"),
        format!("/dev/fd/{fd}"),
    ]
}

fn open_with(dir: i32, path: &str, flags: i32) -> Result<OwnedFd, i32> {
    let path = CString::new(path).unwrap();
    // SAFETY: the path ends in a NUL.
    let fd = unsafe { libc::openat(dir, path.as_ptr(), flags | libc::O_CLOEXEC, 0o600) };
    // SAFETY: just opened.
    result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn fcntl(fd: &impl AsRawFd, command: i32, arg: i32) -> Result<i64, i32> {
    // SAFETY: no command that is tried takes a pointer.
    result(unsafe { libc::fcntl(fd.as_raw_fd(), command, arg) })
}

#[test]
fn an_open_device_is_not_opened_again_by_its_link() {
    let (kernel, toy, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            for link in links(&fd) {
                assert_eq!(open(&link).unwrap_err(), libc::EBUSY, "{link}");
                let truncating = libc::O_RDWR | libc::O_TRUNC;
                assert_eq!(open_with(libc::AT_FDCWD, &link, truncating).unwrap_err(), libc::EBUSY);
                let directory = libc::O_RDONLY | libc::O_DIRECTORY;
                assert_eq!(open_with(libc::AT_FDCWD, &link, directory).unwrap_err(), libc::ENOTDIR);
                let no_follow = libc::O_RDWR | libc::O_NOFOLLOW;
                assert_eq!(open_with(libc::AT_FDCWD, &link, no_follow).unwrap_err(), libc::ELOOP);
                assert_eq!(fs::read_link(&link).unwrap().to_str(), Some(PATH), "{link}");
                assert!(fs::metadata(&link).unwrap().file_type().is_char_device());
                assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
                let path = CString::new(link.clone()).unwrap();
                // SAFETY: the path ends in a NUL.
                let access =
                    result(unsafe { libc::access(path.as_ptr(), libc::R_OK | libc::W_OK) });
                assert_eq!(access, Ok(0));
                // SAFETY: the path ends in a NUL.
                let truncated = result(unsafe { libc::truncate(path.as_ptr(), 0) });
                assert_eq!(truncated, Err(libc::EINVAL));
            }
            // Relative to a directory of /proc too.
            let dir = open_with(libc::AT_FDCWD, "/proc/self/fd", libc::O_RDONLY).unwrap();
            let name = fd.as_raw_fd().to_string();
            assert_eq!(open_with(dir.as_raw_fd(), &name, libc::O_RDWR).unwrap_err(), libc::EBUSY);
            assert_eq!(double(&fd, 4), Ok(8), "the device lives");
            drop(fd);
            assert!(!toy.is_open());
            // A client's own files are opened again as ever.
            let file = tempfile::tempfile().unwrap();
            for link in links(&file) {
                drop(open(&link).unwrap());
            }
            assert_eq!(open("/proc/self/fd/100000").unwrap_err(), libc::ENOENT);
        })
        .unwrap();
    assert_eq!(toy.opens.load(Ordering::SeqCst), 1);
}

/// What isn't known for a link to a device, because a symbolic link of the client's own leads
/// there, is not opened either.
#[test]
fn a_hidden_link_is_refused_but_to_root() {
    let (kernel, toy, _quiet) = quiet_kernel(false);
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let hidden = dir.path().join("hidden");
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            std::os::unix::fs::symlink(&links(&fd)[0], &hidden).unwrap();
            let become_user = |user: libc::uid_t| {
                // SAFETY: takes no pointer, and the rights are this thread's own to give up.
                unsafe { libc::syscall(libc::SYS_setfsuid, user) as libc::uid_t }
            };
            let root = become_user(65534);
            let again = open(hidden.to_str().unwrap());
            become_user(root);
            assert_eq!(again.unwrap_err(), libc::EACCES);
            assert_eq!(double(&fd, 4), Ok(8));
            assert!(toy.is_open());
        })
        .unwrap();
}

#[test]
fn truncating_a_device_is_refused() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let truncate = |path: &CStr| {
                // SAFETY: the path ends in a NUL.
                result(unsafe { libc::truncate(path.as_ptr(), 0) })
            };
            assert_eq!(truncate(c"/dev/vhost-vdpa-0"), Err(libc::EINVAL));
            assert_eq!(truncate(c"/dev/vhost-vdpa-1"), Err(libc::ENOENT));
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(&file, "four").unwrap();
            let path = CString::new(file.path().to_str().unwrap()).unwrap();
            assert_eq!(truncate(&path), Ok(0));
            assert_eq!(file.path().metadata().unwrap().len(), 0);
        })
        .unwrap();
}

#[test]
fn a_path_is_held_without_opening_the_device() {
    let (kernel, toy, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let path = open_with(libc::AT_FDCWD, PATH, libc::O_PATH | libc::O_RDWR).unwrap();
            assert!(!toy.is_open());
            assert!(fs::metadata(&links(&path)[0]).unwrap().file_type().is_char_device());
            let copy = path.try_clone().unwrap();
            for path in [&path, &copy] {
                assert_eq!(fcntl(path, libc::F_GETFL, 0), Ok(libc::O_PATH.into()));
                assert_eq!(fcntl(path, libc::F_GETFD, 0), Ok(libc::FD_CLOEXEC.into()));
                assert_eq!(fcntl(path, libc::F_SETFL, 0), Err(libc::EBADF));
                assert_eq!(ioctl(path, BARE, 0), Err(libc::EBADF));
                let number = path.as_raw_fd();
                let mut byte = 0_u8;
                // SAFETY: the byte lives.
                let read = unsafe { libc::read(number, (&raw mut byte).cast(), 1) };
                assert_eq!(result(read as i64), Err(libc::EBADF));
                // SAFETY: takes no pointer.
                assert_eq!(result(unsafe { libc::lseek(number, 0, 0) }), Err(libc::EBADF));
                // SAFETY: takes no pointer.
                assert_eq!(result(unsafe { libc::ftruncate(number, 0) }), Err(libc::EBADF));
                let (none, flags) = (std::ptr::null_mut(), libc::MAP_SHARED);
                // SAFETY: a mapping that is refused.
                let map = unsafe { libc::mmap(none, 4096, libc::PROT_READ, flags, number, 0) };
                assert_eq!((map, result(-1)), (libc::MAP_FAILED, Err(libc::EBADF)));
            }
            // What it is held for: to be looked at, and then opened through its link.
            let fd = open(&links(&path)[0]).unwrap();
            assert_eq!(double(&fd, 4), Ok(8));
            drop(path);
            assert_eq!(open(&links(&copy)[0]).unwrap_err(), libc::EBUSY);
            let again = open_with(libc::AT_FDCWD, &links(&fd)[0], libc::O_PATH).unwrap();
            drop(fd);
            assert_eq!(
                open_with(libc::AT_FDCWD, PATH, libc::O_PATH | libc::O_DIRECTORY).unwrap_err(),
                libc::ENOTDIR
            );
            let fd = open(&links(&again)[0]).unwrap();
            assert_eq!(double(&fd, 4), Ok(8));
            // A directory of ours, for names relative to it.
            let dir = open_with(libc::AT_FDCWD, "/sys/bus/mdev/devices", libc::O_PATH).unwrap();
            drop(open_with(dir.as_raw_fd(), "x/name", libc::O_RDONLY).unwrap());
        })
        .unwrap();
}

#[test]
fn flags_mean_what_they_mean_to_a_device() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let at = |flags| open_with(libc::AT_FDCWD, PATH, flags);
            drop(at(libc::O_RDWR | libc::O_TRUNC | libc::O_CREAT).unwrap());
            // open(2) ignores what it doesn't know.
            drop(at(libc::O_RDWR | 1 << 30).unwrap());
            assert_eq!(at(libc::O_RDWR | libc::O_DIRECT).unwrap_err(), libc::EINVAL);
            assert_eq!(at(libc::O_RDWR | libc::O_TMPFILE).unwrap_err(), libc::ENOTDIR);
            assert_eq!(fcntl(&at(libc::O_RDWR).unwrap(), libc::F_GET_SEALS, 0), Err(libc::EINVAL));
        })
        .unwrap();
}

/// openat2(2) with `how` as flags, mode, resolve and what may come behind them.
fn open_how(dir: BorrowedFd<'_>, path: &CStr, how: &[u64], size: usize) -> Result<OwnedFd, i32> {
    // SAFETY: the path ends in a NUL, and the kernel reads no more than `how` unless it is told to.
    let fd = unsafe {
        libc::syscall(libc::SYS_openat2, dir.as_raw_fd(), path.as_ptr(), how.as_ptr(), size)
    };
    // SAFETY: just opened.
    result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[test]
fn openat2_takes_its_structure_as_the_kernel_does() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let flags = (libc::O_RDWR | libc::O_CLOEXEC) as u64;
            let (path, cwd) = (c"/dev/vhost-vdpa-0", fs::File::open("/").unwrap());
            let dir = std::os::fd::AsFd::as_fd(&cwd);
            let how = |how: &[u64]| open_how(dir, path, how, 8 * how.len()).map(drop);
            assert_eq!(double(&open_how(dir, path, &[flags, 0, 0], 24).unwrap(), 2), Ok(4));
            assert_eq!(how(&[flags, 0]), Err(libc::EINVAL), "too short");
            assert_eq!(how(&[flags, 0, 0, 0]), Ok(()), "longer, and the rest is zero");
            assert_eq!(how(&[flags, 0, 0, 1]), Err(libc::E2BIG), "longer, and it isn't");
            assert_eq!(how(&[0; 600]), Err(libc::E2BIG), "longer than a page");
            assert_eq!(open_how(dir, path, &[], 24).unwrap_err(), libc::EFAULT);
            assert_eq!(how(&[flags | 1 << 30, 0, 0]), Err(libc::EINVAL), "an unknown flag");
            assert_eq!(how(&[flags | 1 << 40, 0, 0]), Err(libc::EINVAL), "an unknown high flag");
            assert_eq!(how(&[flags, 0o600, 0]), Err(libc::EINVAL), "a mode without O_CREAT");
            assert_eq!(how(&[flags | libc::O_CREAT as u64, 0o600, 0]), Ok(()));
            assert_eq!(how(&[flags | libc::O_CREAT as u64, 1 << 20, 0]), Err(libc::EINVAL));
            assert_eq!(how(&[flags, 0, 1 << 20]), Err(libc::EINVAL), "an unknown limit");
            let both = libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT;
            assert_eq!(how(&[flags, 0, both]), Err(libc::EINVAL));
            let as_path = libc::O_PATH as u64;
            assert_eq!(how(&[as_path, 0, 0]), Ok(()));
            assert_eq!(how(&[as_path | libc::O_APPEND as u64, 0, 0]), Err(libc::EINVAL));
        })
        .unwrap();
}

#[test]
fn openat2_leads_where_it_may() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let flags = (libc::O_RDWR | libc::O_CLOEXEC) as u64;
            let dir = |path: &str| fs::File::open(path).unwrap();
            let (root, dev, tmp, fds) = (dir("/"), dir("/dev"), dir("/tmp"), dir("/proc/self/fd"));
            let at = |dir: &fs::File, path: &CStr, resolve: u64| {
                let how = [flags, 0, resolve];
                open_how(std::os::fd::AsFd::as_fd(dir), path, &how, 24).map(drop)
            };
            let (absolute, relative) = (c"/dev/vhost-vdpa-0", c"vhost-vdpa-0");
            let beneath = libc::RESOLVE_BENEATH;
            assert_eq!(at(&dev, relative, beneath), Ok(()));
            assert_eq!(at(&dev, absolute, beneath), Err(libc::EXDEV));
            assert_eq!(at(&tmp, c"../dev/vhost-vdpa-0", beneath), Err(libc::EXDEV));
            let in_root = libc::RESOLVE_IN_ROOT;
            assert_eq!(at(&root, absolute, in_root), Ok(()));
            assert_eq!(at(&tmp, absolute, in_root), Err(libc::ENOENT));
            assert_eq!(at(&dev, c"/../vhost-vdpa-0", in_root), Ok(()));
            let no_mount = libc::RESOLVE_NO_XDEV;
            assert_eq!(at(&dev, relative, no_mount), Ok(()));
            assert_eq!(at(&dev, absolute, no_mount), Err(libc::EXDEV));
            assert_eq!(at(&dev, c"/vhost-vdpa-0", no_mount | in_root), Ok(()));
            assert_eq!(at(&root, absolute, no_mount | in_root), Err(libc::EXDEV));
            let no_links = libc::RESOLVE_NO_SYMLINKS;
            assert_eq!(at(&dev, relative, no_links), Ok(()));
            let link = c"/sys/bus/mdev/devices/x/link";
            assert_eq!(at(&dev, link, no_links), Err(libc::ELOOP));
            // A descriptor's link is beyond every limit.
            let held = open_with(libc::AT_FDCWD, PATH, libc::O_PATH).unwrap();
            let name = CString::new(held.as_raw_fd().to_string()).unwrap();
            assert_eq!(at(&fds, &name, 0), Ok(()));
            let no_magic = libc::RESOLVE_NO_MAGICLINKS;
            assert_eq!(at(&fds, &name, no_magic), Err(libc::ELOOP));
            assert_eq!(at(&fds, &name, beneath), Err(libc::EXDEV));
            assert_eq!(at(&fds, &name, in_root), Err(libc::EXDEV));
            assert_eq!(at(&fds, &name, no_mount), Err(libc::EXDEV));
        })
        .unwrap();
}
