//! Counts of system calls by kind.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::mem::offset_of;
use std::ops::Sub;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use vhost_accel_device::lock;
use vhost_accel_uapi::vfio;
use vhost_accel_uapi::vhost::{self, IotlbMsg, MsgV2};

use crate::names;

/// System call numbers that are counted one by one; any above is counted with the last.
const SYSCALLS: usize = 512;

/// How many system calls of each kind clients made.
///
/// A kind is a system call's name, with what it was about where that says more: `openat`,
/// `ioctl VHOST_SET_VRING_NUM`, `write iotlb UPDATE`, `pwrite NOTIFY`, `mmap doorbell`,
/// `write eventfd`. A request that no interface has is named by its number, `ioctl 0x00005401`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crossings {
    counts: BTreeMap<Cow<'static, str>, u64>,
}

impl Crossings {
    /// How many of `kind` there were; 0 if none.
    pub fn get(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// All kinds together.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The kinds that occurred, in alphabetical order, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(kind, &count)| (&**kind, count))
    }

    /// Whether there were none at all.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn add(&mut self, kind: Cow<'static, str>, count: u64) {
        if count > 0 {
            *self.counts.entry(kind).or_default() += count;
        }
    }
}

/// What came between: `after - before`. Kinds that didn't change are absent.
impl Sub<&Self> for Crossings {
    type Output = Self;

    fn sub(mut self, before: &Self) -> Self {
        self.counts.retain(|kind, count| {
            *count = count.saturating_sub(before.get(kind));
            *count > 0
        });
        self
    }
}

impl Sub for Crossings {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        self - &before
    }
}

/// One line per kind: the count, then the kind.
impl fmt::Display for Crossings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in self.iter() {
            writeln!(f, "{count:>8} {kind}")?;
        }
        Ok(())
    }
}

/// Each one is a crossing of that kind.
impl FromIterator<Cow<'static, str>> for Crossings {
    fn from_iter<I: IntoIterator<Item = Cow<'static, str>>>(kinds: I) -> Self {
        let mut crossings = Self::default();
        for kind in kinds {
            crossings.add(kind, 1);
        }
        crossings
    }
}

/// A system call that its number alone does not describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Kind {
    /// An IOTLB message that maps.
    IotlbUpdate,
    /// An IOTLB message that unmaps.
    IotlbInvalidate,
    /// An IOTLB message: more follow.
    IotlbBatchBegin,
    /// An IOTLB message: that was all.
    IotlbBatchEnd,
    /// Another write to vhost-vdpa.
    IotlbOther,
    /// A write to a VFIO device's messages.
    WriteConfig,
    /// A read from a VFIO device's messages.
    ReadConfig,
    /// A write to a VFIO device's doorbells.
    WriteNotify,
    /// A read from a VFIO device's doorbells.
    ReadNotify,
    /// A mapping of doorbells.
    MmapDoorbell,
    /// Its end.
    MunmapDoorbell,
    /// A write to an eventfd.
    WriteEventfd,
    /// A read from an eventfd.
    ReadEventfd,
}

impl Kind {
    const COUNT: usize = Self::ReadEventfd as usize + 1;

    /// What [`Crossings`] calls it.
    pub fn name(self) -> &'static str {
        KINDS[self as usize]
    }

    /// Where an IOTLB message's bytes say which it is.
    pub const IOTLB_TYPE: usize = offset_of!(MsgV2, iotlb) + offset_of!(IotlbMsg, kind);

    /// That of an IOTLB message, by the type that it has.
    pub fn of_iotlb(message_type: u8) -> Self {
        match message_type {
            vhost::IOTLB_UPDATE => Self::IotlbUpdate,
            vhost::IOTLB_INVALIDATE => Self::IotlbInvalidate,
            vhost::IOTLB_BATCH_BEGIN => Self::IotlbBatchBegin,
            vhost::IOTLB_BATCH_END => Self::IotlbBatchEnd,
            _ => Self::IotlbOther,
        }
    }

    /// That of a read or a write at `offset` of a VFIO device fd, if there is a region.
    pub fn of_region(offset: u64, write: bool) -> Option<Self> {
        match (vfio::region_index(offset), write) {
            (vfio::REGION_INDEX_CONFIG, true) => Some(Self::WriteConfig),
            (vfio::REGION_INDEX_CONFIG, false) => Some(Self::ReadConfig),
            (vfio::REGION_INDEX_NOTIFY, true) => Some(Self::WriteNotify),
            (vfio::REGION_INDEX_NOTIFY, false) => Some(Self::ReadNotify),
            _ => None,
        }
    }
}

const KINDS: [&str; Kind::COUNT] = [
    "write iotlb UPDATE",
    "write iotlb INVALIDATE",
    "write iotlb BATCH_BEGIN",
    "write iotlb BATCH_END",
    "write iotlb",
    "pwrite CONFIG",
    "pread CONFIG",
    "pwrite NOTIFY",
    "pread NOTIFY",
    "mmap doorbell",
    "munmap",
    "write eventfd",
    "read eventfd",
];

/// The counters behind [`Crossings`]. Counting takes no lock and allocates nothing, but for an
/// ioctl that nobody knows.
pub(crate) struct Counters {
    syscalls: Vec<AtomicU64>,
    kinds: [AtomicU64; Kind::COUNT],
    requests: Vec<(u32, &'static str)>,
    ioctls: Vec<AtomicU64>,
    unknown: Mutex<BTreeMap<u32, u64>>,
}

impl Counters {
    pub(crate) fn new() -> Self {
        let zeroes = |n| (0..n).map(|_| AtomicU64::new(0)).collect();
        let mut requests = names::REQUESTS.to_vec();
        requests.sort_unstable();
        Self {
            syscalls: zeroes(SYSCALLS),
            kinds: std::array::from_fn(|_| AtomicU64::new(0)),
            ioctls: zeroes(requests.len()),
            requests,
            unknown: Mutex::default(),
        }
    }

    pub(crate) fn syscall(&self, nr: i64) {
        let index = usize::try_from(nr).unwrap_or(SYSCALLS).min(SYSCALLS - 1);
        self.syscalls[index].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn kind(&self, kind: Kind) {
        self.kinds[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ioctl(&self, request: u32) {
        match self.requests.binary_search_by_key(&request, |entry| entry.0) {
            Ok(index) => {
                self.ioctls[index].fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => *lock(&self.unknown).entry(request).or_default() += 1,
        }
    }

    pub(crate) fn read(&self) -> Crossings {
        let mut crossings = Crossings::default();
        for (nr, count) in self.syscalls.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                crossings.add(names::syscall(nr as i64), count);
            }
        }
        for (name, count) in KINDS.iter().zip(&self.kinds) {
            crossings.add(Cow::Borrowed(name), count.load(Ordering::Relaxed));
        }
        for (&(_, name), count) in self.requests.iter().zip(&self.ioctls) {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                crossings.add(Cow::Owned(format!("ioctl {name}")), count);
            }
        }
        for (&request, &count) in lock(&self.unknown).iter() {
            crossings.add(names::ioctl(request), count);
        }
        crossings
    }

    pub(crate) fn reset(&self) {
        let all = self.syscalls.iter().chain(&self.kinds).chain(&self.ioctls);
        for counter in all {
            counter.store(0, Ordering::Relaxed);
        }
        lock(&self.unknown).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_out_under_their_names() {
        let counters = Counters::new();
        counters.syscall(libc::SYS_openat);
        counters.syscall(libc::SYS_openat);
        counters.syscall(511);
        counters.kind(Kind::IotlbUpdate);
        counters.ioctl(vhost::SET_VRING_NUM);
        counters.ioctl(0x5401);
        let crossings = counters.read();
        let got: Vec<_> = crossings.iter().collect();
        let want = [
            ("ioctl 0x00005401", 1),
            ("ioctl VHOST_SET_VRING_NUM", 1),
            ("openat", 2),
            ("syscall 511", 1),
            ("write iotlb UPDATE", 1),
        ];
        assert_eq!(got, want);
        assert_eq!(crossings.total(), 6);
        counters.reset();
        assert!(counters.read().is_empty());
    }

    #[test]
    fn a_difference_holds_only_what_changed() {
        let counters = Counters::new();
        counters.syscall(libc::SYS_close);
        let before = counters.read();
        counters.syscall(libc::SYS_openat);
        let between = counters.read() - before;
        assert_eq!(between.iter().collect::<Vec<_>>(), [("openat", 1)]);
    }

    #[test]
    fn no_request_is_named_twice() {
        let counters = Counters::new();
        assert!(counters.requests.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
