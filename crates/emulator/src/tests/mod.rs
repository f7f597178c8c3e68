//! The mechanism, tried with a device that does next to nothing.
#![expect(unsafe_code, reason = "tests make the system calls bare, as a client does")]

mod bypasses;
mod closing;
mod descriptors;
mod paths;
mod processes;
mod reopening;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use vhost_accel_device::Errno;

use crate::EmulatedKernel;
use crate::call::{Call, Key, UserBuf};
use crate::chardevs::Chardevs;
use crate::front::{Answer, Front, Mapping, Node};
use crate::shadow::Shadow;
use crate::task::Task;

/// Doubles the number at the argument.
const DOUBLE: u64 = 0xc008_e001;
/// Answers 42 without looking at the argument.
const BARE: u64 = 0xe002;

/// An exclusive device: ioctls as above, reads and writes count bytes, everything can be mapped.
#[derive(Default)]
struct Toy {
    open: AtomicU32,
    opens: AtomicU32,
}

impl Toy {
    fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 1
    }
}

struct OpenToy(Arc<Toy>);

impl Node for Arc<Toy> {
    fn key(&self) -> Key {
        Key::of(self)
    }

    fn open(&self, _: &Arc<Task>, _: &OwnedFd) -> Result<Arc<dyn Front>, Errno> {
        if self.open.swap(1, Ordering::SeqCst) == 1 {
            return Err(Errno(libc::EBUSY));
        }
        self.opens.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(OpenToy(Arc::clone(self))))
    }
}

impl Front for OpenToy {
    fn ioctl(&self, call: &Call<'_>, request: u32, arg: u64) -> Result<Answer, Errno> {
        match u64::from(request) {
            DOUBLE => {
                let value: u64 = call.read(arg)?;
                call.write(arg, &(value * 2))?;
                Ok(Answer::OK)
            }
            BARE => Ok(Answer::Value(42)),
            _ => Err(Errno(libc::ENOTTY)),
        }
    }

    fn read(&self, call: &Call<'_>, buf: &UserBuf, offset: Option<u64>) -> Result<u64, Errno> {
        call.count_syscall();
        let content: Vec<u8> = (0..buf.len()).map(|n| (n + offset.unwrap_or(0)) as u8).collect();
        buf.scatter(call, &content)?;
        Ok(buf.len())
    }

    fn write(&self, call: &Call<'_>, buf: &UserBuf, _: Option<u64>) -> Result<u64, Errno> {
        call.count_syscall();
        let mut content = vec![0; buf.len() as usize];
        buf.gather(call, &mut content)?;
        Ok(content.iter().map(|&byte| u64::from(byte)).sum())
    }

    fn mmap(&self, _: &Call<'_>, mapping: &Mapping) -> Result<(), Errno> {
        mapping.is_shared().then_some(()).ok_or(Errno(libc::EINVAL))
    }

    fn release(&self) {
        self.0.open.store(0, Ordering::SeqCst);
    }
}

const PATH: &str = "/dev/vhost-vdpa-0";
const NUMBER: libc::dev_t = libc::makedev(4000, 7);

/// A child has a copy of every descriptor of this process from fork to exec, so a device stays open
/// for that moment whoever closes it. Tests that start processes run alone.
static FORKS: RwLock<()> = RwLock::new(());

/// A kernel in a test that depends on no process being started meanwhile.
fn quiet_kernel(everything: bool) -> (EmulatedKernel, Arc<Toy>, RwLockReadGuard<'static, ()>) {
    let quiet = FORKS.read().unwrap_or_else(PoisonError::into_inner);
    let (kernel, toy) = kernel(everything);
    (kernel, toy, quiet)
}

fn kernel(everything: bool) -> (EmulatedKernel, Arc<Toy>) {
    let toy = Arc::new(Toy::default());
    let shadow = Shadow::new().unwrap();
    shadow.file("/sys/bus/mdev/devices/x/name", "toy\n").unwrap();
    shadow.link("/sys/bus/mdev/devices/x/link", "name").unwrap();
    let node: Arc<dyn Node> = Arc::new(Arc::clone(&toy));
    let mut chardevs = Chardevs::default();
    chardevs.add(&shadow, PATH, NUMBER, "/sys/bus/vdpa/devices/toy", node).unwrap();
    (EmulatedKernel::start(shadow, chardevs, Vec::new(), everything).unwrap(), toy)
}

fn result(value: impl Into<i64>) -> Result<i64, i32> {
    match value.into() {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap()),
        value => Ok(value),
    }
}

fn open(path: &str) -> Result<OwnedFd, i32> {
    let path = CString::new(path).unwrap();
    // SAFETY: the path ends in a NUL.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    // SAFETY: just opened.
    result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn ioctl(fd: &impl AsRawFd, request: u64, arg: u64) -> Result<i64, i32> {
    // SAFETY: the requests of the toy read and write a u64, or fail on a bad pointer.
    result(unsafe { libc::ioctl(fd.as_raw_fd(), request as _, arg) })
}

fn double(fd: &impl AsRawFd, mut value: u64) -> Result<u64, i32> {
    ioctl(fd, DOUBLE, (&raw mut value) as u64).map(|_| value)
}
