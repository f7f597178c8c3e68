//! A client whose memory is slow to come holds up itself alone.
#![expect(unsafe_code, reason = "tests make the system calls bare, as a client does")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use libc::ENOENT;
use vhost_accel_emulator::{DeviceKind, EmulatedKernel};
use vhost_accel_uapi::vhost;

use crate::common::*;

/// Only a hang takes longer, on however busy a machine.
const HANG: Duration = Duration::from_secs(60);

const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFDIO_ZEROPAGE: u64 = 0xc020_aa04;
const UFFD_API: u64 = 0xaa;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;

/// A page that is not there until it is served: userfaultfd(2).
struct SlowPage {
    address: u64,
    uffd: OwnedFd,
}

impl SlowPage {
    /// None: this user may not have one (vm.unprivileged_userfaultfd).
    fn new() -> Option<Self> {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
        if result(fd) == Err(libc::EPERM) {
            return None;
        }
        // SAFETY: just made.
        let uffd = unsafe { OwnedFd::from_raw_fd(result(fd).unwrap() as i32) };
        let (prot, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping where the kernel likes.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE as usize, prot, flags, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED);
        let page = Self { address: page as u64, uffd };
        page.request(UFFDIO_API, &mut [UFFD_API, 0, 0]);
        let missing = UFFDIO_REGISTER_MODE_MISSING;
        page.request(UFFDIO_REGISTER, &mut [page.address, PAGE, missing, 0]);
        Some(page)
    }

    fn request(&self, request: u64, arg: &mut [u64]) {
        // SAFETY: the kernel reads and writes the structure, which is as long as the request says.
        result(unsafe { libc::ioctl(self.uffd.as_raw_fd(), request, arg.as_mut_ptr()) }).unwrap();
    }

    /// Waits until somebody touches the page.
    fn touched(&self) {
        let mut poll = libc::pollfd { fd: self.uffd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, which lives for the call.
        let ready = unsafe { libc::poll(&raw mut poll, 1, HANG.as_millis() as i32) };
        assert_eq!(ready, 1, "nobody touched the page");
    }

    /// Lets it be a page of zeroes.
    fn serve(&self) {
        self.request(UFFDIO_ZEROPAGE, &mut [self.address, PAGE, 0, 0]);
    }
}

/// What others do meanwhile: open a plain file, and a device.
fn others(path: &std::path::Path) -> Result<u32, i32> {
    open("/dev/null")?;
    get::<u32>(&open(path)?, vhost::GET_DEVICE_ID)
}

/// Opens a path that is slow to come: it is empty then.
fn open_at(address: u64) -> Result<i64, i32> {
    // SAFETY: the kernel finds the path's end, once the page is there.
    result(unsafe { libc::open(address as *const libc::c_char, libc::O_RDWR) })
}

/// Runs `slow`, which touches the page, and what `others` do while it waits for that.
fn meanwhile(
    slow: impl Fn(u64) -> Result<i64, i32> + Send + Sync,
    others: impl Fn(&std::path::Path) -> Result<u32, i32> + Send + Sync,
) -> Option<Result<i64, i32>> {
    let page = SlowPage::new()?;
    let kernel = EmulatedKernel::builder().build().unwrap();
    let path = kernel.device(DeviceKind::VhostVdpa, 0).unwrap().path();
    let (page, slow, others) = (&page, &slow, &others);
    let run = kernel.run(|| {
        thread::scope(|scope| {
            let held_up = scope.spawn(move || slow(page.address));
            page.touched();
            let (done, others_done) = mpsc::channel();
            scope.spawn(move || done.send(others(path)));
            let answer = others_done.recv_timeout(HANG);
            assert!(!held_up.is_finished());
            page.serve();
            assert_eq!(answer, Ok(Ok(1)), "the others were held up");
            held_up.join().unwrap()
        })
    });
    Some(run.unwrap())
}

/// A test that can't be made here says so, and fails where it must be possible.
fn need(answer: Option<Result<i64, i32>>) -> Option<Result<i64, i32>> {
    // SAFETY: takes nothing and always succeeds.
    let root = unsafe { libc::geteuid() } == 0;
    assert!(answer.is_some() || !root, "root has no userfaultfd");
    if answer.is_none() {
        eprintln!("not tested: this user has no userfaultfd (vm.unprivileged_userfaultfd)");
    }
    answer
}

#[test]
fn a_path_that_is_slow_to_come_holds_up_its_client_alone() {
    if let Some(answer) = need(meanwhile(open_at, others)) {
        // An empty path.
        assert_eq!(answer, Err(ENOENT));
    }
}

#[test]
fn an_argument_that_is_slow_to_come_holds_up_its_client_alone() {
    let request = |address: u64| {
        let mdev = open("/dev/vhost-mdev-0").unwrap();
        ioctl_at(&mdev, vhost::SET_FEATURES, address)
    };
    if let Some(answer) = need(meanwhile(request, others)) {
        assert_eq!(answer, Ok(0));
    }
}

#[test]
fn many_that_are_slow_to_come_hold_up_themselves_alone() {
    let open_many = |address: u64| {
        thread::scope(|scope| {
            let opens: Vec<_> = (0..32).map(|_| scope.spawn(move || open_at(address))).collect();
            let answers = opens.into_iter().map(|open| open.join().unwrap());
            Ok(answers.filter(|answer| *answer == Err(ENOENT)).count() as i64)
        })
    };
    if let Some(answer) = need(meanwhile(open_many, others)) {
        assert_eq!(answer, Ok(32));
    }
}

#[test]
fn a_close_is_the_last_whoever_serves_it() {
    // Meanwhile there is more than one who serves.
    let again_and_again = |path: &std::path::Path| {
        for _ in 0..2000 {
            let fd = open(path)?;
            drop(fd.try_clone());
            drop(fd);
        }
        Ok(1)
    };
    if let Some(answer) = need(meanwhile(open_at, again_and_again)) {
        assert_eq!(answer, Err(ENOENT));
    }
}
