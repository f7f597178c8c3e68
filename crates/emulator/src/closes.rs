//! Where the kernel below tells of closes: one inotify instance for all emulated kernels of a
//! process, since a user has 128 of them.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io;
use std::sync::{Arc, Mutex, Weak};

use vhost_accel_device::lock;
use vmm_sys_util::eventfd::EventFd;

use crate::error::Error;
use crate::sys;
use crate::sys::wait::{CloseWatch, Poller};

/// The instance, and whose each watch is.
#[derive(Debug)]
pub(crate) struct Closes {
    watch: CloseWatch,
    owners: Mutex<HashMap<i32, Arc<Inbox>>>,
}

/// What one emulated kernel is told.
#[derive(Debug)]
pub(crate) struct Inbox {
    closed: Mutex<Vec<i32>>,
    /// Readable when somebody else has put something there.
    news: EventFd,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { closed: Mutex::default(), news: sys::wait::eventfd()? }))
    }

    /// Makes `poller` say `token` when there may be news for this inbox, or for any.
    pub(crate) fn poll(&self, closes: &Closes, poller: &Poller, token: u64) -> io::Result<()> {
        poller.add_shared(closes.watch.fd(), token)?;
        poller.add(&self.news, token)
    }
}

impl Closes {
    /// This process's.
    pub(crate) fn shared() -> Result<Arc<Self>, Error> {
        static SHARED: Mutex<Weak<Closes>> = Mutex::new(Weak::new());
        let mut shared = lock(&SHARED);
        if let Some(closes) = shared.upgrade() {
            return Ok(closes);
        }
        let watch = CloseWatch::new().map_err(no_instance)?;
        let closes = Arc::new(Self { watch, owners: Mutex::default() });
        *shared = Arc::downgrade(&closes);
        Ok(closes)
    }

    /// Watches the file at `path` for the next close of an open file description.
    pub(crate) fn watch(&self, path: &CStr, inbox: &Arc<Inbox>) -> io::Result<i32> {
        // Whoever reads of the close must know whose it is.
        let mut owners = lock(&self.owners);
        let watch = self.watch.add(path)?;
        owners.insert(watch, Arc::clone(inbox));
        Ok(watch)
    }

    /// The watches of `own` that have seen their close by now, whoever has read of it.
    pub(crate) fn take(&self, own: &Arc<Inbox>) -> Vec<i32> {
        let mut owners = lock(&self.owners);
        self.watch.drain(|watch| {
            let Some(owner) = owners.remove(&watch) else {
                return;
            };
            lock(&owner.closed).push(watch);
            if !Arc::ptr_eq(&owner, own) {
                // It fails only where the count is at its end, and then whoever waits is awake.
                let _ = owner.news.write(1);
            }
        });
        // It fails where there is nothing to take.
        let _ = own.news.read();
        std::mem::take(&mut *lock(&own.closed))
    }
}

/// Why there is no instance. EMFILE is a limit of the user, unless the process can open nothing
/// else either.
fn no_instance(source: io::Error) -> Error {
    let emfile = |error: &io::Error| error.raw_os_error() == Some(libc::EMFILE);
    let of_process = || sys::wait::eventfd().err().is_some_and(|error| emfile(&error));
    if !emfile(&source) || of_process() {
        return Error::setup("an inotify instance")(source);
    }
    let lowest = INSTANCES.iter().filter_map(|&(sysctl, path)| {
        let limit = std::fs::read_to_string(path).ok()?;
        Some((limit.trim().parse().ok()?, sysctl))
    });
    match lowest.min() {
        Some((limit, sysctl)) => Error::Inotify { limit, sysctl },
        None => Error::setup("an inotify instance")(source),
    }
}

/// What limits the instances of a user: on the machine, and in this user namespace.
const INSTANCES: [(&str, &str); 2] = [
    ("fs.inotify.max_user_instances", "/proc/sys/fs/inotify/max_user_instances"),
    ("user.max_inotify_instances", "/proc/sys/user/max_inotify_instances"),
];
