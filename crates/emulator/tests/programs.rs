//! Whole programs on an emulated kernel: this one again, with other arguments.
//!
//! These tests start processes, and so run one after the other: see the crate's documentation.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]
#![expect(clippy::print_stdout, reason = "a program tells its test how far it is")]

#[path = "emulated/common.rs"]
#[expect(dead_code, reason = "used in part")]
mod common;
#[path = "emulated/inherit.rs"]
mod inherit;
#[path = "emulated/rings.rs"]
#[expect(dead_code, reason = "used in part")]
mod rings;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rings::Rings;
use vhost_accel_device::FaultKind;
use vhost_accel_emulator::{DeviceKind, EmulatedKernel};
use vhost_accel_uapi::call::vhost;
use vhost_accel_uapi::mdev::{self, DmaMap};
use vhost_accel_uapi::vhost::{self as uapi, ACCESS_RW, MsgV2, VringState};
use zerocopy::IntoBytes;

static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// This program, running the test `name` that is ignored otherwise.
struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(kernel: &EmulatedKernel, name: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--ignored", "--nocapture"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = kernel.spawn(command).unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Reads what the program prints, until it prints `line`.
    fn expect(&mut self, line: &str) {
        let mut read = String::new();
        while self.output.read_line(&mut read).unwrap() > 0 {
            if read.lines().next_back() == Some(line) {
                return;
            }
        }
        panic!("the program ended without {line:?}, after:\n{read}");
    }

    fn go(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }
}

/// In a program: prints a line, and waits for one.
fn say(line: &str) {
    println!("\n{line}");
    io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
#[ignore = "run as a program by another test"]
fn holds_the_device() {
    let device = open("/dev/vhost-vdpa-0").unwrap();
    assert_eq!(vhost::get_device_id(&device).unwrap(), 1);
    say("open");
}

#[test]
fn a_killed_program_lets_go_of_its_device() {
    let _alone = alone();
    let kernel = EmulatedKernel::builder().build().unwrap();
    for _ in 0..3 {
        let mut program = Program::start(&kernel, "holds_the_device");
        program.expect("open");
        let busy = kernel.run(|| open("/dev/vhost-vdpa-0").unwrap_err().raw_os_error()).unwrap();
        assert_eq!(busy, Some(libc::EBUSY));
        program.child.kill().unwrap();
        program.child.wait().unwrap();
        kernel.run(|| open("/dev/vhost-vdpa-0").map(drop)).unwrap().unwrap();
    }
}

#[test]
fn a_program_that_ends_lets_go_of_its_device() {
    let _alone = alone();
    let kernel = EmulatedKernel::builder().build().unwrap();
    let mut program = Program::start(&kernel, "holds_the_device");
    program.expect("open");
    program.go();
    assert!(program.child.wait().unwrap().success());
    kernel.run(|| open("/dev/vhost-vdpa-0").map(drop)).unwrap().unwrap();
}

/// Loops one frame through the device, with memory and eventfds that are this process's own.
#[test]
#[ignore = "run as a program by another test"]
fn loops_a_frame() {
    let device = open("/dev/vhost-vdpa-0").unwrap();
    vhost::set_owner(&device).unwrap();
    let mut rings = Rings::new();
    let update = MsgV2::update(0, rings::IOVA, rings::LEN, rings.memory.host(), ACCESS_RW);
    assert_eq!((&device).write(update.as_bytes()).unwrap(), 72);
    vhost::set_status(&device, 3).unwrap();
    vhost::set_features(&device, rings::FEATURES).unwrap();
    vhost::set_status(&device, 11).unwrap();
    let (kick, call) = (common::eventfd(), common::eventfd());
    for index in 0..2 {
        vhost::set_vring_num(&device, index, rings::SIZE).unwrap();
        vhost::set_vring_addr(&device, &Rings::addr(index)).unwrap();
        vhost::set_vring_enable(&device, index, true).unwrap();
    }
    vhost::set_vring_kick(&device, 1, Some(kick.as_fd())).unwrap();
    vhost::set_vring_call(&device, 0, Some(call.as_fd())).unwrap();
    vhost::set_status(&device, 15).unwrap();
    rings.loop_one("a program", || common::signal(&kick));
    assert_eq!(common::wait(&call), Some(1));
    say("looped");
}

#[test]
fn the_device_works_in_another_process_s_memory() {
    let _alone = alone();
    let kernel = EmulatedKernel::builder().build().unwrap();
    let mut program = Program::start(&kernel, "loops_a_frame");
    program.expect("looped");
    let counters = kernel.device(DeviceKind::VhostVdpa, 0).unwrap().counters();
    assert_eq!((counters.frames, counters.bytes), (1, 100));
    assert_eq!(counters.all_faults(), 0);
    program.go();
    assert!(program.child.wait().unwrap().success());
    let crossings = kernel.crossings();
    assert_eq!(crossings.get("write iotlb UPDATE"), 1);
    assert_eq!(crossings.get("ioctl VHOST_SET_VRING_ADDR"), 2);
}

/// Where two programs, one after the other in one process, have their memory.
const HOST: u64 = 0x10_0000_0000;

/// Starts a device in this memory map, and goes on in another.
#[test]
#[ignore = "run as a program by another test"]
fn executes_another_program_with_the_device() {
    let device = open("/dev/vhost-mdev-0").unwrap();
    vhost::set_owner(&device).unwrap();
    let mut rings = Rings::over(common::Mapped::anonymous_at(HOST, rings::LEN), 0);
    let mut map = DmaMap { iova: rings::IOVA, size: rings::LEN, uaddr: HOST, perm: 3, flags: 0 };
    common::ioctl(&device, mdev::MAP_DMA, &mut map).unwrap();
    vhost::set_status(&device, 3).unwrap();
    vhost::set_features(&device, rings::FEATURES).unwrap();
    vhost::set_status(&device, 11).unwrap();
    let kick = common::eventfd();
    for index in 0..2 {
        vhost::set_vring_num(&device, index, rings::SIZE).unwrap();
        vhost::set_vring_addr(&device, &Rings::addr(index)).unwrap();
        vhost::set_vring_enable(&device, index, true).unwrap();
    }
    vhost::set_vring_kick(&device, 1, Some(kick.as_fd())).unwrap();
    vhost::set_status(&device, 15).unwrap();
    rings.loop_one("before", || common::signal(&kick));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "has_memory_where_another_program_had", "--ignored", "--nocapture"]);
    inherit::keep_at_exec(&device);
    inherit::keep_at_exec(&kick);
    command.env("DEVICE", device.as_raw_fd().to_string());
    command.env("KICK", kick.as_raw_fd().to_string());
    panic!("{}", command.exec());
}

/// What comes after that: the same process, the same device, the same addresses.
#[test]
#[ignore = "run as a program by another test"]
fn has_memory_where_another_program_had() {
    let [device, kick] = ["DEVICE", "KICK"].map(inherit::inherited);
    let mut rings = Rings::over(common::Mapped::anonymous_at(HOST, rings::LEN), 1);
    rings.send(&[0x5a; 100]);
    let before = rings.memory.read(0, rings::LEN as usize);
    common::signal(&kick);
    while vhost::get_status(&device).unwrap() & 0x40 == 0 {
        std::thread::yield_now();
    }
    assert!(rings.memory.read(0, rings::LEN as usize) == before);
    say("untouched");
}

// ABI-DIFF-6
#[test]
fn a_device_never_reaches_the_memory_of_the_next_program() {
    let _alone = alone();
    let kernel = EmulatedKernel::builder().build().unwrap();
    let mut program = Program::start(&kernel, "executes_another_program_with_the_device");
    program.expect("untouched");
    let counters = kernel.device(DeviceKind::VhostMdev, 0).unwrap().counters();
    assert_eq!((counters.frames, counters.faults(FaultKind::Host)), (1, 1));
    program.go();
    assert!(program.child.wait().unwrap().success());
}

// ABI-NUM-1, ABI-NUM-2, ABI-NUM-4, ABI-VFIO-3
#[test]
fn programs_that_know_nothing_of_us_see_the_devices() {
    let _alone = alone();
    let kernel = EmulatedKernel::builder().devices(2).build().unwrap();
    let mut command = Command::new("/bin/sh");
    let script = "ls /dev/vfio; ls /sys/bus/vdpa/devices; cat /sys/bus/mdev/devices/*/mdev_type/device_api; \
                  stat -c %F /dev/vhost-mdev-1; stat -c %F - </dev/null; \
                  cat /sys/dev/char/$(stat -c %Hr:%Lr /dev/vfio/vfio)/uevent; \
                  for node in vfio/1 vhost-mdev-1 vhost-vdpa-1; do \
                    number=$(stat -c %Hr:%Lr /dev/$node); \
                    grep -w ^${number%:*} /proc/devices | cut -d' ' -f2; \
                    grep -hx $number /sys/dev/char/$number/dev >/dev/null && \
                    grep DEVNAME /sys/dev/char/$number/uevent; \
                  done; readlink /sys/bus/mdev/devices/*/iommu_group | head -1";
    command.args(["-c", script]).stdout(Stdio::piped());
    let output = kernel.spawn(command).unwrap().wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let want = [
        "0",
        "1",
        "vfio",
        "vdpa0",
        "vdpa1",
        "vfio-vhost",
        "vfio-vhost",
        "vhost-mdev",
        "vhost-mdev",
        "character special file",
        "character special file",
        "MAJOR=10",
        "MINOR=196",
        "DEVNAME=vfio/vfio",
        "vfio",
        "DEVNAME=vfio/1",
        "vhost-mdev",
        "DEVNAME=vhost-mdev-1",
        "vhost-vdpa",
        "DEVNAME=vhost-vdpa-1",
        "../../../../kernel/iommu_groups/0",
    ];
    assert_eq!(lines, want);
}

/// What another process than the owner asks, of the owner's device.
// ABI-REQ-6, ABI-REQ-8
#[test]
#[ignore = "run as a program by another program"]
fn is_not_the_owner() {
    let device = inherit::inherited("DEVICE");
    let (mut size, mut table) = (VringState { index: 0, num: 16 }, [0_u32; 2]);
    let eperm = Err(libc::EPERM);
    assert_eq!(common::ioctl(&device, uapi::SET_VRING_NUM, &mut size), eperm);
    assert_eq!(common::ioctl(&device, uapi::SET_LOG_BASE, &mut 0_u64), eperm);
    assert_eq!(common::ioctl(&device, uapi::SET_MEM_TABLE, &mut table), eperm);
    assert_eq!(common::ioctl(&device, uapi::RESET_OWNER, &mut 0_u32), eperm);
    assert_eq!(vhost::get_status(&device).unwrap(), 1);
    println!("\nnot the owner");
}

#[test]
#[ignore = "run as a program by another test"]
fn lends_its_device() {
    let device = open("/dev/vhost-mdev-0").unwrap();
    vhost::set_owner(&device).unwrap();
    vhost::set_status(&device, 1).unwrap();
    inherit::keep_at_exec(&device);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "is_not_the_owner", "--ignored", "--nocapture"]);
    command.env("DEVICE", device.as_raw_fd().to_string());
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("\nnot the owner\n"), "{text}");
    vhost::set_vring_num(&device, 0, 16).unwrap();
    say("lent");
}

#[test]
fn another_process_than_the_owner_is_refused() {
    let _alone = alone();
    let kernel = EmulatedKernel::builder().build().unwrap();
    let mut program = Program::start(&kernel, "lends_its_device");
    program.expect("lent");
    program.go();
    assert!(program.child.wait().unwrap().success());
}
