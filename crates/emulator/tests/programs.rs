//! Whole programs on an emulated kernel: this one again, with other arguments.
//!
//! These tests start processes, and so run one after the other: see the crate's documentation.
#![expect(unsafe_code, reason = "tests make the system calls bare, as a client does")]

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::fd::{AsFd, AsRawFd},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use vhost_accel_emulator::{DeviceKind, EmulatedKernel};
use vhost_accel_uapi::{
    call::{iotlb, vhost},
    vhost::{ACCESS_RW, VringAddr},
};

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

const IOVA: u64 = 0x10_0000;
const LEN: usize = 0x1_0000;
const AVAIL: usize = 0x1000;
const USED: usize = 0x2000;
const RING: usize = 0x4000;
const RECEIVE: usize = 0x8000;
const TRANSMIT: usize = 0x9000;

/// Loops one frame through the device, with memory and eventfds that are this process's own.
#[test]
#[ignore = "run as a program by another test"]
fn loops_a_frame() {
    let device = open("/dev/vhost-vdpa-0").unwrap();
    vhost::set_owner(&device).unwrap();
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping where the kernel likes.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), LEN, prot, flags, -1, 0) };
    assert_ne!(memory, libc::MAP_FAILED);
    let memory = memory.cast::<u8>();
    let put = |at: usize, bytes: &[u8]| {
        // SAFETY: within the mapping.
        unsafe { memory.add(at).copy_from(bytes.as_ptr(), bytes.len()) };
    };
    for (queue, at, len, flags) in [(0, RECEIVE, 2048_u32, 2_u16), (1, TRANSMIT, 76, 0)] {
        put(queue * RING, &(IOVA + at as u64).to_le_bytes());
        put(queue * RING + 8, &len.to_le_bytes());
        put(queue * RING + 12, &flags.to_le_bytes());
        put(queue * RING + AVAIL + 2, &1_u16.to_le_bytes());
    }
    put(TRANSMIT + 12, &[0x5a; 64]);
    // SAFETY: nothing else uses the memory.
    unsafe { iotlb::update(&device, 0, IOVA, LEN as u64, memory as u64, ACCESS_RW) }.unwrap();
    vhost::set_status(&device, 3).unwrap();
    vhost::set_features(&device, 3 << 32).unwrap();
    vhost::set_status(&device, 11).unwrap();
    let event = || vmm_sys_util::eventfd::EventFd::new(0).unwrap();
    let (kick, call) = (event(), event());
    // SAFETY: open as long as it is borrowed.
    let fd = |event: &vmm_sys_util::eventfd::EventFd| unsafe {
        std::os::fd::BorrowedFd::borrow_raw(event.as_raw_fd()).try_clone_to_owned().unwrap()
    };
    for index in 0..2 {
        let base = IOVA + u64::from(index) * RING as u64;
        let addr = VringAddr {
            index,
            flags: 0,
            desc: base,
            used: base + USED as u64,
            avail: base + AVAIL as u64,
            log: 0,
        };
        vhost::set_vring_num(&device, index, 4).unwrap();
        vhost::set_vring_addr(&device, &addr).unwrap();
        vhost::set_vring_enable(&device, index, true).unwrap();
    }
    vhost::set_vring_kick(&device, 1, Some(fd(&kick).as_fd())).unwrap();
    vhost::set_vring_call(&device, 0, Some(fd(&call).as_fd())).unwrap();
    vhost::set_status(&device, 15).unwrap();
    kick.write(1).unwrap();
    assert_eq!(call.read().unwrap(), 1);
    let mut frame = [0; 64];
    // SAFETY: within the mapping; the device is done with it.
    unsafe { memory.add(RECEIVE + 12).copy_to(frame.as_mut_ptr(), frame.len()) };
    assert_eq!(frame, [0x5a; 64]);
    say("looped");
}

#[test]
fn the_device_works_in_another_process_s_memory() {
    let _alone = alone();
    let kernel = EmulatedKernel::builder().build().unwrap();
    let mut program = Program::start(&kernel, "loops_a_frame");
    program.expect("looped");
    let counters = kernel.device(DeviceKind::VhostVdpa, 0).unwrap().counters();
    assert_eq!((counters.frames, counters.bytes), (1, 64));
    assert_eq!(counters.all_faults(), 0);
    program.go();
    assert!(program.child.wait().unwrap().success());
    let crossings = kernel.crossings();
    assert_eq!(crossings.get("write iotlb UPDATE"), 1);
    assert_eq!(crossings.get("ioctl VHOST_SET_VRING_ADDR"), 2);
}

#[test]
fn programs_that_know_nothing_of_us_see_the_devices() {
    let _alone = alone();
    let kernel = EmulatedKernel::builder().devices(2).build().unwrap();
    let mut command = Command::new("/bin/sh");
    let script = "ls /dev/vfio; ls /sys/bus/vdpa/devices; cat /sys/bus/mdev/devices/*/mdev_type/device_api; \
                  stat -c %F /dev/vhost-mdev-1; readlink /sys/bus/mdev/devices/*/iommu_group | head -1";
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
        "../../../../kernel/iommu_groups/0",
    ];
    assert_eq!(lines, want);
}
