//! Clients that fork, execute, die, or are programs of their own.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::Error;

/// A kernel in a test that starts processes.
pub(super) fn kernel(everything: bool) -> (EmulatedKernel, Arc<Toy>, impl Sized) {
    let alone = FORKS.write().unwrap_or_else(PoisonError::into_inner);
    let (kernel, toy) = super::kernel(everything);
    (kernel, toy, alone)
}

fn shell(kernel: &EmulatedKernel, script: &str) -> (i32, String) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdout(Stdio::piped());
    let output = kernel.spawn(command).unwrap().wait_with_output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stdout).unwrap())
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_program_meets_the_devices() {
    for everything in [false, true] {
        let (kernel, toy, _alone) = kernel(everything);
        let script = "test -c /dev/vhost-vdpa-0 && cat /sys/bus/mdev/devices/x/link && \
                      ls /sys/bus/mdev/devices && (exec 3<>/dev/vhost-vdpa-0) && echo opened";
        let (code, text) = shell(&kernel, script);
        assert_eq!((code, text.as_str()), (0, "toy\nx\nopened\n"));
        eventually("the device is released", || !toy.is_open());
        assert_eq!(toy.opens.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_killed_program_releases_its_device() {
    let (kernel, toy, _alone) = kernel(false);
    // A shell would move the descriptor to another number: this program again does not.
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tests::processes::held_open", "--ignored"]);
    command.stdout(Stdio::null()).stdin(Stdio::piped());
    let mut child = kernel.spawn(command).unwrap();
    eventually("the device is open", || toy.is_open());
    child.kill().unwrap();
    child.wait().unwrap();
    kernel.run(|| drop(open(PATH).unwrap())).unwrap();
}

/// Not a test: what the program of the test above does.
#[test]
#[ignore = "run by another test, as a program"]
fn held_open() {
    let fd = open(PATH).unwrap();
    assert_eq!(double(&fd, 1), Ok(2));
    io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_program_that_is_not_there_is_an_error_and_leaves_no_server() {
    let (kernel, _, _alone) = kernel(false);
    let error = kernel.spawn(Command::new("/nonexistent")).unwrap_err();
    assert!(matches!(&error, Error::Spawn(source) if source.raw_os_error() == Some(libc::ENOENT)));
    eventually("the server has ended", || kernel.servers() == 0);
}

/// Runs `child` in a forked process and returns its exit code.
pub(super) fn fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child makes system calls and exits.
    match unsafe { libc::fork() } {
        0 => {
            let code = child();
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(code) }
        }
        pid => {
            assert!(pid > 0);
            let mut status = 0;
            // SAFETY: the status lives.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            libc::WEXITSTATUS(status)
        }
    }
}

#[test]
fn a_forked_child_shares_the_open_device() {
    let (kernel, _, _alone) = kernel(false);
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            let code = fork(|| {
                // SAFETY: takes no pointer.
                let copy = unsafe { libc::dup(fd.as_raw_fd()) };
                let doubled = double(&copy, 50).unwrap_or(1) as i32;
                for copy in [copy, fd.as_raw_fd()] {
                    // SAFETY: the child's own copies.
                    unsafe { libc::close(copy) };
                }
                doubled + double(&fd.as_raw_fd(), 1).unwrap_err()
            });
            assert_eq!(code, 100 + libc::EBADF);
            assert_eq!(double(&fd, 8), Ok(16), "the parent's descriptor lives on");
            drop(fd);
            assert_eq!(fork(|| i32::from(open(PATH).is_err())), 0, "opened and let go by exit");
            drop(open(PATH).unwrap());
        })
        .unwrap();
}

#[test]
fn a_descriptor_lives_through_exec_unless_it_says_otherwise() {
    let (kernel, toy, _alone) = kernel(false);
    kernel
        .run(|| {
            let fd = open(PATH).unwrap();
            // Closed at exec: the program does not hold the device.
            let mut command = Command::new("/bin/cat");
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            drop(fd);
            // It runs before the kernel has closed all that it closes at exec.
            eventually("the program lets go of the device", || open(PATH).is_ok());
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
            // Kept over exec: it does, until it ends.
            let fd = open(PATH).unwrap();
            // SAFETY: takes no pointer.
            unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) };
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            drop(fd);
            assert_eq!(open(PATH).unwrap_err(), libc::EBUSY);
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
            drop(open(PATH).unwrap());
        })
        .unwrap();
    kernel.drain();
    assert!(!toy.is_open());
}

#[test]
fn a_client_inside_a_client_is_refused() {
    let (outer, _, _alone) = kernel(false);
    let inner = outer.run(|| super::kernel(false).0.run(|| ()).unwrap_err().to_string()).unwrap();
    assert!(inner.contains("inside an emulated kernel"), "{inner}");
    let spawned =
        outer.run(|| super::kernel(false).0.spawn(Command::new("/bin/true")).unwrap_err()).unwrap();
    assert!(matches!(spawned, Error::AlreadyInside), "{spawned}");
}

#[test]
fn a_panic_of_a_client_goes_on_in_the_caller() {
    let (kernel, toy, _alone) = kernel(false);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        kernel.run(|| {
            let _fd = open(PATH).unwrap();
            std::panic::resume_unwind(Box::new("as planned"));
        })
    }))
    .unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"as planned"));
    kernel.drain();
    assert!(!toy.is_open());
}

#[test]
fn several_clients_run_at_once() {
    let (kernel, toy, _alone) = kernel(false);
    thread::scope(|scope| {
        for n in 0..4 {
            let kernel = &kernel;
            scope.spawn(move || {
                kernel.run(|| {
                    let mut opened = 0;
                    while opened < 50 {
                        match open(PATH) {
                            Ok(fd) => assert_eq!(double(&fd, n), Ok(2 * n)),
                            Err(errno) => {
                                assert_eq!(errno, libc::EBUSY);
                                thread::yield_now();
                                continue;
                            }
                        }
                        opened += 1;
                    }
                })
            });
        }
    });
    kernel.drain();
    assert!(!toy.is_open());
    assert_eq!(toy.opens.load(Ordering::SeqCst), 200);
}

#[test]
fn two_kernels_give_one_process_different_descriptors() {
    let (first, _, _alone) = kernel(false);
    let second = super::kernel(false).0;
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for (kernel, factor) in [(&first, 1), (&second, 3)] {
            let tell = tell.clone();
            scope.spawn(move || {
                kernel.run(|| {
                    for n in 0..300 {
                        let fd = open(PATH).unwrap();
                        assert_eq!(double(&fd, n * factor), Ok(2 * n * factor));
                    }
                    tell.send(()).unwrap();
                })
            });
        }
    });
    drop(tell);
    assert_eq!(told.iter().count(), 2);
}

#[test]
fn a_detached_thread_keeps_its_kernel() {
    let (kernel, toy, _alone) = kernel(false);
    let (go, wait) = mpsc::channel::<()>();
    let thread = kernel
        .run(|| {
            thread::spawn(move || {
                wait.recv().unwrap();
                double(&open(PATH).unwrap(), 2)
            })
        })
        .unwrap();
    drop(kernel);
    go.send(()).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(4));
    assert_eq!(toy.opens.load(Ordering::SeqCst), 1);
}

#[test]
fn a_dropped_kernel_leaves_no_directory() {
    let (kernel, _, _alone) = kernel(false);
    let path = kernel.shadow_path();
    assert!(path.exists());
    kernel.run(|| drop(open(PATH).unwrap())).unwrap();
    drop(kernel);
    assert!(!path.exists());
}
