//! A client in another process lets go of a device: it is released before the call returns.

use std::fs::File;
use std::io::{Read, Write};

use super::processes::{fork, kernel};
use super::*;

/// Two processes that take turns: where `there` says so, it waits until `here` has looked whether
/// all is well.
fn in_turns(
    kernel: &EmulatedKernel,
    there: impl Fn(&dyn Fn()) + Sync,
    here: impl Fn() -> bool + Sync,
) {
    let (told, tell) = pipe();
    let (answered, answer) = pipe();
    let looks = std::thread::scope(|scope| {
        let looks = scope.spawn(|| {
            let mut looks = Vec::new();
            while (&told).read_exact(&mut [0]).is_ok() {
                looks.push(here());
                (&answer).write_all(&[0]).unwrap();
            }
            looks
        });
        let code = kernel.run(|| {
            fork(|| {
                let turn = || {
                    (&tell).write_all(&[0]).unwrap();
                    (&answered).read_exact(&mut [0]).unwrap();
                };
                let there = std::panic::AssertUnwindSafe(|| there(&turn));
                std::panic::catch_unwind(there).map_or(101, |()| 0)
            })
        });
        drop(tell);
        assert_eq!(code.unwrap(), 0);
        looks.join().unwrap()
    });
    let bad = looks.iter().filter(|&&well| !well).count();
    assert_eq!(bad, 0, "of {} looks", looks.len());
}

fn pipe() -> (File, File) {
    let mut fds = [0; 2];
    // SAFETY: the kernel writes two descriptors.
    result(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) }).unwrap();
    // SAFETY: just made.
    fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).map(File::from).into()
}

/// The system calls of these tests, none of which takes a pointer.
fn call(nr: i64, [first, second, third]: [i32; 3]) -> Result<i64, i32> {
    // SAFETY: each of these calls takes numbers alone, and the descriptors are a test's own.
    result(unsafe { libc::syscall(nr, first, second, third) })
}

/// A way to end a descriptor. Ok: it did as it should.
type End = fn(i32) -> Result<i64, i32>;

fn dup2(fd: i32) -> Result<i64, i32> {
    assert_eq!(call(libc::SYS_dup2, [2, fd, 0]), Ok(fd.into()));
    assert_eq!(call(libc::SYS_fcntl, [fd, libc::F_GETFD, 0]), Ok(0));
    call(libc::SYS_close, [fd, 0, 0])
}

fn dup3(fd: i32) -> Result<i64, i32> {
    assert_eq!(call(libc::SYS_dup3, [2, fd, libc::O_CLOEXEC]), Ok(fd.into()));
    assert_eq!(call(libc::SYS_fcntl, [fd, libc::F_GETFD, 0]), Ok(libc::FD_CLOEXEC.into()));
    call(libc::SYS_close, [fd, 0, 0])
}

fn close_range(fd: i32) -> Result<i64, i32> {
    assert_eq!(call(libc::SYS_close_range, [fd, fd, 0]), Ok(0));
    assert_eq!(call(libc::SYS_fcntl, [fd, libc::F_GETFD, 0]), Err(libc::EBADF));
    Ok(0)
}

fn close(fd: i32) -> Result<i64, i32> {
    assert_eq!(call(libc::SYS_close, [fd, 0, 0]), Ok(0));
    assert_eq!(call(libc::SYS_close, [fd, 0, 0]), Err(libc::EBADF));
    Ok(0)
}

fn close_both(fd: i32) -> Result<i64, i32> {
    let second = call(libc::SYS_dup, [fd, 0, 0])? as i32;
    assert_eq!(close(fd), Ok(0));
    assert_eq!(double(&second, 4), Ok(8));
    close(second)
}

const ENDS: [(&str, End); 5] = [
    ("close", close),
    ("dup2", dup2),
    ("dup3", dup3),
    ("close_range", close_range),
    ("the second of two closes", close_both),
];

// ABI-DIFF-4
#[test]
fn a_device_is_released_when_the_call_that_ends_it_returns() {
    let (kernel, toy, _alone) = kernel(false);
    for (name, end) in ENDS {
        let there = |tell: &dyn Fn()| {
            for _ in 0..100 {
                let fd = std::os::fd::IntoRawFd::into_raw_fd(open(PATH).unwrap());
                assert_eq!(end(fd), Ok(0), "{name}");
                tell();
            }
        };
        in_turns(&kernel, there, || !toy.is_open());
    }
    assert_eq!(toy.opens.load(Ordering::SeqCst), 500);
}

#[test]
fn what_ends_nothing_leaves_a_device_open() {
    let (kernel, toy, _alone) = kernel(false);
    let there = |tell: &dyn Fn()| {
        let fd = open(PATH).unwrap();
        let raw = fd.as_raw_fd();
        assert_eq!(call(libc::SYS_dup2, [9999, raw, 0]), Err(libc::EBADF));
        assert_eq!(call(libc::SYS_dup3, [2, raw, 1]), Err(libc::EINVAL));
        assert_eq!(call(libc::SYS_dup2, [raw, raw, 0]), Ok(raw.into()));
        let cloexec = libc::CLOSE_RANGE_CLOEXEC as i32;
        assert_eq!(call(libc::SYS_close_range, [raw, raw, cloexec]), Ok(0));
        assert_eq!(double(&fd, 1), Ok(2));
        tell();
        // A copy in another process.
        assert_eq!(fork(|| close(raw).map_or(1, |_| 0)), 0);
        tell();
        // A mapping.
        // SAFETY: a new mapping where the kernel likes.
        let page = unsafe {
            libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_SHARED, raw, 0)
        };
        assert_ne!(page, libc::MAP_FAILED);
        drop(fd);
        tell();
    };
    in_turns(&kernel, there, || toy.is_open());
    kernel.run(|| drop(open(PATH).unwrap())).unwrap();
}
