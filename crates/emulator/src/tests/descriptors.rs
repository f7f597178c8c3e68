//! What a client may do with descriptors, ours and its own.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::thread;

use super::*;

#[test]
fn an_ioctl_reaches_the_device_with_its_argument() {
    let (kernel, toy, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            assert_eq!(double(&fd, 21), Ok(42));
            assert_eq!(ioctl(&fd, BARE, 0), Ok(42));
            assert_eq!(ioctl(&fd, 0x1234, 0), Err(libc::ENOTTY));
            assert!(toy.is_open());
            // Bare: the standard library asks fcntl about a descriptor first in a debug build.
            // SAFETY: nobody else has the descriptor.
            assert_eq!(unsafe { libc::close(fd.into_raw_fd()) }, 0);
        })
        .unwrap();
    let crossings = kernel.crossings();
    assert_eq!(crossings.get("ioctl 0xc008e001"), 1);
    assert_eq!(crossings.get("openat"), 1);
    assert_eq!(crossings.get("close"), 1);
    assert_eq!(crossings.total(), 5);
}

#[test]
fn a_bad_pointer_is_efault() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            assert_eq!(ioctl(&fd, DOUBLE, 8), Err(libc::EFAULT));
            assert_eq!(ioctl(&fd, DOUBLE, u64::MAX), Err(libc::EFAULT));
            // SAFETY: a bad pointer is what is tried.
            let written = unsafe { libc::write(fd.as_raw_fd(), 8 as _, 4) };
            assert_eq!(result(written as i64), Err(libc::EFAULT));
        })
        .unwrap();
}

#[test]
fn a_second_open_is_refused_until_the_first_is_closed() {
    let (kernel, toy, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            for round in 1..=100 {
                let fd = open(PATH).unwrap();
                assert_eq!(open(PATH).unwrap_err(), libc::EBUSY);
                drop(fd);
                assert_eq!(toy.opens.load(Ordering::SeqCst), round);
            }
        })
        .unwrap();
}

// ABI-DIFF-3
#[test]
fn duplicates_work_and_hold_the_device_open() {
    let (kernel, toy, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            // F_DUPFD_CLOEXEC
            let copy = fd.try_clone().unwrap();
            assert_ne!(copy.as_raw_fd(), fd.as_raw_fd());
            // SAFETY: takes no pointer.
            let other = result(unsafe { libc::dup(fd.as_raw_fd()) }).unwrap();
            // SAFETY: just duplicated.
            let other = unsafe { OwnedFd::from_raw_fd(other as i32) };
            assert_eq!(double(&copy, 4), Ok(8));
            assert_eq!(double(&other, 5), Ok(10));
            drop(fd);
            assert_eq!(double(&other, 6), Ok(12));
            drop(other);
            assert_eq!(open(PATH).unwrap_err(), libc::EBUSY);
            // dup2 onto another number in the range; onto one outside it is refused.
            let target = far_from(&kernel, copy.as_raw_fd());
            // SAFETY: no descriptor of this process has that number.
            assert_eq!(result(unsafe { libc::dup2(copy.as_raw_fd(), target) }), Ok(target.into()));
            // SAFETY: just duplicated.
            let target = unsafe { OwnedFd::from_raw_fd(target) };
            // SAFETY: refused before any descriptor is touched.
            assert_eq!(result(unsafe { libc::dup2(copy.as_raw_fd(), 700) }), Err(libc::EINVAL));
            drop(copy);
            assert_eq!(double(&target, 7), Ok(14));
            assert!(toy.is_open());
            drop(target);
            drop(open(PATH).unwrap());
        })
        .unwrap();
}

#[test]
fn a_mapping_holds_the_device_open() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            let map = |flags, fd: &OwnedFd| {
                let prot = libc::PROT_READ | libc::PROT_WRITE;
                // SAFETY: a new mapping where the kernel likes.
                unsafe {
                    libc::mmap(std::ptr::null_mut(), 4096, prot, flags, fd.as_raw_fd(), 1 << 40)
                }
            };
            assert_eq!(map(libc::MAP_PRIVATE, &fd), libc::MAP_FAILED);
            assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EINVAL));
            let page = map(libc::MAP_SHARED, &fd);
            assert_ne!(page, libc::MAP_FAILED);
            drop(fd);
            assert_eq!(open(PATH).unwrap_err(), libc::EBUSY);
            // SAFETY: mapped above.
            unsafe { libc::munmap(page, 4096) };
            drop(open(PATH).unwrap());
        })
        .unwrap();
}

#[test]
fn reads_and_writes_carry_bytes_and_offsets() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let mut file = File::from(open(PATH).unwrap());
            let mut buffer = [0_u8; 4];
            assert_eq!(file.read_at(&mut buffer, 10).unwrap(), 4);
            assert_eq!(buffer, [10, 11, 12, 13]);
            assert_eq!(file.read(&mut buffer[..3]).unwrap(), 3);
            assert_eq!(buffer, [0, 1, 2, 13]);
            assert_eq!(file.write(&buffer).unwrap(), 16);
            let (mut a, mut b) = ([0_u8; 2], [0_u8; 3]);
            let vector = &mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)];
            // SAFETY: an IoSliceMut is an iovec, and there are two.
            let read = unsafe { libc::preadv(file.as_raw_fd(), vector.as_ptr().cast(), 2, 5) };
            assert_eq!(read, 5);
            assert_eq!((a, b), ([5, 6], [7, 8, 9]));
            assert_eq!(file.write_vectored(&[IoSlice::new(&a), IoSlice::new(&b)]).unwrap(), 35);
            assert_eq!(file.rewind().unwrap_err().raw_os_error(), Some(libc::ESPIPE));
            assert_eq!(file.set_len(0).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        })
        .unwrap();
}

#[test]
fn a_clients_own_files_work_as_ever() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"hello").unwrap();
            file.seek(SeekFrom::Start(1)).unwrap();
            let mut text = String::new();
            file.try_clone().unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "ello");
            let (mut a, mut b) = std::os::unix::net::UnixStream::pair().unwrap();
            a.write_all(b"x").unwrap();
            let mut byte = [0];
            b.read_exact(&mut byte).unwrap();
            assert_eq!(&byte, b"x");
            assert!(open("/dev/null").is_ok());
            assert_eq!(open("/dev/vhost-nothing").unwrap_err(), libc::ENOENT);
        })
        .unwrap();
}

/// A free number in the range, as far as can be from `last`, after which the kernels of other tests
/// look for theirs.
fn far_from(kernel: &EmulatedKernel, last: i32) -> i32 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let range = kernel.engine_range();
    let len = range.end - range.start;
    let far = last as u32 - range.start + len / 2 + TAKEN.fetch_add(1, Ordering::Relaxed);
    let number = (range.start + far % len) as i32;
    // SAFETY: takes no pointer.
    assert_eq!(result(unsafe { libc::fcntl(number, libc::F_GETFD) }), Err(libc::EBADF));
    number
}

#[test]
fn a_duplicate_lies_at_or_above_the_number_asked_for() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    let range = kernel.engine_range();
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            for least in [0, range.start + 30, range.end - 20] {
                for command in [libc::F_DUPFD, libc::F_DUPFD_CLOEXEC] {
                    // SAFETY: takes no pointer.
                    let copy = unsafe { libc::fcntl(fd.as_raw_fd(), command, least) };
                    let copy = result(copy).unwrap();
                    // SAFETY: just duplicated.
                    let copy = unsafe { OwnedFd::from_raw_fd(copy as i32) };
                    assert!(copy.as_raw_fd() as u32 >= least);
                    assert_eq!(double(&copy, 4), Ok(8));
                }
            }
            // SAFETY: takes no pointer.
            let beyond = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD, range.end) };
            assert_eq!(result(beyond), Err(libc::EINVAL));
        })
        .unwrap();
}

#[test]
fn requests_of_any_file_are_the_kernels() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            let fcntl = |command| {
                // SAFETY: takes no pointer.
                result(unsafe { libc::fcntl(fd.as_raw_fd(), command) }).unwrap() as i32
            };
            assert_eq!(ioctl(&fd, libc::FIONCLEX, 0), Ok(0));
            assert_eq!(fcntl(libc::F_GETFD), 0);
            assert_eq!(ioctl(&fd, libc::FIOCLEX, 0), Ok(0));
            assert_eq!(fcntl(libc::F_GETFD), libc::FD_CLOEXEC);
            let (on, off) = (1_i32, 0_i32);
            assert_eq!(ioctl(&fd, libc::FIONBIO, (&raw const on) as u64), Ok(0));
            assert_eq!(fcntl(libc::F_GETFL) & libc::O_NONBLOCK, libc::O_NONBLOCK);
            assert_eq!(ioctl(&fd, libc::FIONBIO, (&raw const off) as u64), Ok(0));
            assert_eq!(fcntl(libc::F_GETFL) & libc::O_NONBLOCK, 0);
            assert_eq!(ioctl(&fd, libc::FIONBIO, 8), Err(libc::EFAULT));
            // No driver here has fasync: nothing to switch off, and no way to switch it on.
            assert_eq!(ioctl(&fd, libc::FIOASYNC, (&raw const off) as u64), Ok(0));
            assert_eq!(ioctl(&fd, libc::FIOASYNC, (&raw const on) as u64), Err(libc::ENOTTY));
            // FIGETBSZ, FIOQSIZE, FS_IOC_FIEMAP, and FIONREAD, which is the driver's to answer.
            let mut number = [0_u64; 4];
            let to = (&raw mut number) as u64;
            assert_eq!(ioctl(&fd, 2, to), Ok(0));
            assert_eq!(number[0], 4096);
            assert_eq!(ioctl(&fd, 0x5460, to), Err(libc::ENOTTY));
            assert_eq!(ioctl(&fd, 0xc020_660b, to), Err(libc::EOPNOTSUPP));
            assert_eq!(ioctl(&fd, libc::FIONREAD, to), Err(libc::ENOTTY));
        })
        .unwrap();
}

#[test]
fn a_clients_own_descriptor_in_the_range_is_left_alone() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let mut file = tempfile::tempfile().unwrap();
            let number = far_from(&kernel, open(PATH).unwrap().as_raw_fd());
            // SAFETY: the number is free.
            assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
            // SAFETY: just duplicated.
            let mut own = unsafe { File::from_raw_fd(number) };
            own.write_all(b"mine").unwrap();
            let device = open(PATH).unwrap();
            assert_ne!(device.as_raw_fd(), number);
            own.write_all(b" still").unwrap();
            assert_eq!(ioctl(&own, BARE, 0), Err(libc::ENOTTY));
            let third = own.try_clone().unwrap();
            assert_eq!(third.metadata().unwrap().len(), 10);
            drop((own, third));
            let mut text = String::new();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "mine still");
            // The client's file takes the device's number: the device is gone, the file is not.
            let number = device.into_raw_fd();
            // SAFETY: the number is ours to replace.
            assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
            // SAFETY: just duplicated.
            let own = unsafe { File::from_raw_fd(number) };
            assert_eq!(own.metadata().unwrap().len(), 10);
            assert_eq!(ioctl(&own, BARE, 0), Err(libc::ENOTTY));
            assert!(open(PATH).is_ok());
        })
        .unwrap();
}

#[test]
fn threads_of_a_client_share_its_descriptors() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            thread::scope(|scope| {
                for n in 0..8 {
                    let fd = &fd;
                    scope.spawn(move || {
                        for _ in 0..100 {
                            assert_eq!(double(fd, n), Ok(2 * n));
                        }
                    });
                }
            });
            drop(fd);
            let fd = thread::spawn(|| open(PATH).unwrap()).join().unwrap();
            assert_eq!(double(&fd, 1), Ok(2));
        })
        .unwrap();
}

#[test]
fn close_range_closes_ours_too() {
    let (kernel, _, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            let fd = open(PATH).unwrap().into_raw_fd() as u32;
            // SAFETY: closes the one descriptor that was just opened.
            assert_eq!(unsafe { libc::syscall(libc::SYS_close_range, fd, fd, 0) }, 0);
            assert_eq!(ioctl(&(fd as i32), BARE, 0), Err(libc::EBADF));
            assert!(open(PATH).is_ok());
        })
        .unwrap();
}

#[test]
fn many_opens_leave_nothing_behind() {
    let (kernel, toy, _quiet) = quiet_kernel(false);
    kernel
        .run(|| {
            for _ in 0..10_000 {
                let fd = open(PATH).unwrap();
                assert_eq!(ioctl(&fd, BARE, 0), Ok(42));
            }
        })
        .unwrap();
    kernel.drain();
    assert!(!toy.is_open());
    assert_eq!(toy.opens.load(Ordering::SeqCst), 10_000);
    let (files, descriptors, _) = kernel.sizes();
    assert_eq!((files, descriptors), (0, 0));
}

#[test]
fn everything_can_be_counted() {
    let (kernel, _, _quiet) = quiet_kernel(true);
    kernel
        .run(|| {
            // SAFETY: takes no pointer.
            let event = result(unsafe { libc::eventfd(0, 0) }).unwrap();
            // SAFETY: just made.
            let mut event = unsafe { File::from_raw_fd(event as i32) };
            event.write_all(&1_u64.to_ne_bytes()).unwrap();
            event.read_exact(&mut [0; 8]).unwrap();
            let fd = open(PATH).unwrap();
            let prot = libc::PROT_WRITE;
            // SAFETY: a new mapping where the kernel likes.
            let page = unsafe {
                libc::mmap(std::ptr::null_mut(), 4096, prot, libc::MAP_SHARED, fd.as_raw_fd(), 0)
            };
            // SAFETY: mapped above.
            unsafe { libc::munmap(page, 4096) };
            drop(vec![0_u8; 1 << 22]);
        })
        .unwrap();
    let crossings = kernel.crossings();
    for (kind, count) in [
        ("eventfd2", 1),
        ("write eventfd", 1),
        ("read eventfd", 1),
        ("openat", 1),
        ("munmap", 1),
        ("close", 2),
    ] {
        assert_eq!(crossings.get(kind), count, "{kind} of\n{crossings}");
    }
}
