//! The emulated kernel under limits that its user has, each in a process of its own: this program
//! again.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

#[path = "emulated/common.rs"]
#[expect(dead_code, reason = "used in part")]
mod common;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use vhost_accel_emulator::{EmulatedKernel, Error};
use vhost_accel_uapi::call::vhost;
use vhost_accel_uapi::mdev::{self, DmaMap};

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// This program under limits that `script` sets, running the test `name` that is ignored otherwise:
/// what it printed last.
fn limited(script: &str, name: &str) -> Result<String, String> {
    let mut command = Command::new("/bin/sh");
    let script =
        format!("set -- \"$0\"; {script} && exec \"$@\" --exact {name} --ignored --nocapture");
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    if text.is_empty() {
        // The limits could not be set.
        return Err(String::from_utf8(output.stderr).unwrap());
    }
    assert!(output.status.success(), "{text}");
    Ok(text)
}

#[test]
#[ignore = "run as a program by another test"]
fn may_make_small_files_only() {
    let error = EmulatedKernel::builder().build().err().unwrap();
    assert!(matches!(error, Error::FileSizeLimit { limit: 51200, .. }), "{error}");
    println!("\n{error}");
}

#[test]
fn a_file_size_limit_is_an_error_that_names_it() {
    let _alone = alone();
    let text = limited("ulimit -f 100", "may_make_small_files_only").unwrap();
    assert!(text.contains("ulimit -f"), "{text}");
}

#[test]
#[ignore = "run as a program by another test"]
fn may_open_few_files_only() {
    // The first is made, and some more.
    let mut kernels = vec![EmulatedKernel::builder().build().unwrap()];
    let error = loop {
        match EmulatedKernel::builder().build() {
            Ok(kernel) => kernels.push(kernel),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Limit { .. }), "{error}");
    println!("\n{error}");
}

#[test]
fn a_limit_of_open_files_is_an_error_that_names_it() {
    let _alone = alone();
    let text = limited("ulimit -n 256", "may_open_few_files_only").unwrap();
    assert!(text.contains("ulimit -Hn"), "{text}");
}

#[test]
#[ignore = "run as a program by another test"]
fn has_no_inotify_instance_left() {
    let error = EmulatedKernel::builder().build().err().unwrap();
    assert!(matches!(error, Error::Inotify { limit: 0, .. }), "{error}");
    println!("\n{error}");
}

/// As in the process that has one emulated kernel too many: here of a user namespace, so that
/// others keep theirs.
#[test]
fn a_limit_of_inotify_instances_is_an_error_that_names_it() {
    let _alone = alone();
    let script = "echo 0 >/proc/sys/user/max_inotify_instances";
    // The first one finds out whether it can be done.
    let script = format!(
        "unshare -Ur /bin/sh -c '{script}' && set -- unshare -Ur /bin/sh -c '{script}; exec \"$@\"' -- \"$0\""
    );
    match limited(&script, "has_no_inotify_instance_left") {
        Ok(text) => assert!(text.contains("sysctl user.max_inotify_instances=128"), "{text}"),
        Err(why) => eprintln!("not tested: no user namespace can be had here: {why}"),
    }
}

#[test]
#[ignore = "run as a program by another test"]
fn signals_nobody_at_first() {
    let waits_at_its_end =
        || std::fs::read_to_string("/proc/self/maps").unwrap().contains("/[aio]");
    let kernel = EmulatedKernel::builder().build().unwrap();
    let device = || {
        let device = open("/dev/vhost-vdpa-0").unwrap();
        vhost::set_owner(&device).unwrap();
        assert!(!waits_at_its_end());
        vhost::set_vring_call(&device, 0, Some(common::eventfd().as_fd())).unwrap();
        assert!(waits_at_its_end());
    };
    kernel.run(device).unwrap();
    println!("\nlate");
}

/// What is made for signals costs a process some hundredth of a second at its end.
#[test]
fn what_signals_is_made_for_the_first_that_is_to_be_signalled() {
    let _alone = alone();
    let text = limited("true", "signals_nobody_at_first").unwrap();
    assert!(text.contains("\nlate\n"), "{text}");
}

#[test]
#[ignore = "run as a program by another test"]
fn may_lock_no_memory() {
    let kernel = EmulatedKernel::builder().build().unwrap();
    let device = || {
        let device = open("/dev/vhost-mdev-0").unwrap();
        vhost::set_owner(&device).unwrap();
        let size = 16 * common::PAGE;
        let pages = common::Mapped::anonymous(size);
        let mut map = DmaMap { iova: 0, size, uaddr: pages.host(), perm: 3, flags: 0 };
        assert_eq!(common::ioctl(&device, mdev::MAP_DMA, &mut map), Ok(0));
    };
    kernel.run(device).unwrap();
    println!("\nmapped");
}

/// The emulated kernel is to run without privileges, where the limit is small.
// ABI-DIFF-2
#[test]
fn mapping_is_not_charged_as_locked_memory() {
    let _alone = alone();
    let text = limited("ulimit -l 0", "may_lock_no_memory").unwrap();
    assert!(text.contains("\nmapped\n"), "{text}");
}
