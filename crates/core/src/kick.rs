//! Kicks: telling the device that a vring has work.

#![expect(unsafe_code, reason = "eventfd(2) and pwrite(2) without an allocation or a second fd")]

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Weak};

use crate::capability::Capabilities;
use crate::doorbell::Doorbell;
use crate::vring::QueueIndex;

/// The ways of kicking. Their numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KickKind {
    /// A store into a mapped page: no system call.
    Doorbell = 1,
    /// A write(2) of an eventfd, which KVM can make for a guest (ioeventfd).
    EventFd = 2,
    /// A pwrite(2) of the vring's number to the NOTIFY region.
    RegionWrite = 3,
}

impl KickKind {
    /// All kinds, best first: the order in which [`Kick::Best`] tries them.
    pub const ALL: [Self; 3] = [Self::Doorbell, Self::EventFd, Self::RegionWrite];

    /// Its number, 1 to 3 in the order above; 0 is none's.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The capability that a device needs for it.
    pub const fn capability(self) -> Capabilities {
        match self {
            Self::Doorbell => Capabilities::KICK_DOORBELL,
            Self::EventFd => Capabilities::KICK_EVENTFD,
            Self::RegionWrite => Capabilities::KICK_REGION_WRITE,
        }
    }

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Doorbell => "doorbell",
            Self::EventFd => "eventfd",
            Self::RegionWrite => "region-write",
        }
    }
}

impl fmt::Display for KickKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which kicker is wanted.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Kick<'fd> {
    /// The first of [`KickKind::ALL`] that the device has.
    Best,
    /// This kind.
    Kind(KickKind),
    /// The caller's own eventfd, one that KVM signals for instance.
    EventFd(BorrowedFd<'fd>),
}

/// How a [`Control`](crate::Control) is to kick: what a [`Kick`] comes to on a device.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum KickWay<'fd> {
    /// [`KickKind::Doorbell`].
    Doorbell,
    /// [`KickKind::EventFd`]: the caller's own, or a new one.
    EventFd(Option<BorrowedFd<'fd>>),
    /// [`KickKind::RegionWrite`].
    RegionWrite,
}

impl KickWay<'_> {
    /// The kind that it is of.
    pub const fn kind(self) -> KickKind {
        match self {
            Self::Doorbell => KickKind::Doorbell,
            Self::EventFd(_) => KickKind::EventFd,
            Self::RegionWrite => KickKind::RegionWrite,
        }
    }
}

impl From<KickKind> for KickWay<'_> {
    fn from(kind: KickKind) -> Self {
        match kind {
            KickKind::Doorbell => Self::Doorbell,
            KickKind::EventFd => Self::EventFd(None),
            KickKind::RegionWrite => Self::RegionWrite,
        }
    }
}

/// Kicks one vring.
///
/// It outlives no device: once the device is dropped, kicking does no harm and reaches nobody. A
/// doorbell then rings into private memory, an eventfd has no reader, and a region write is ENODEV.
/// After [`reset`](crate::VhostAccel::reset) an eventfd kicker is to be made anew.
///
/// A clone is the same kicker for another thread: it kicks by the same doorbell page or the same
/// eventfd, and makes no system call to be made.
#[derive(Clone, Debug)]
pub struct Kicker {
    queue: QueueIndex,
    way: Way,
}

/// The doorbell's address is what tells the two apart: a kick by doorbell is a load and a test of
/// what it needs anyway, and the store.
#[derive(Clone, Debug)]
enum Way {
    Doorbell(Doorbell),
    Call(Call),
}

const _: () = assert!(size_of::<Way>() == size_of::<Doorbell>());

// Behind a pointer to be small enough for the above.
#[derive(Clone, Debug)]
enum Call {
    EventFd(Arc<File>),
    RegionWrite(Arc<RegionWrite>),
}

/// Where a region write goes. The device is held weakly: its close must not wait for a kicker.
struct RegionWrite {
    device: Weak<dyn AsFd + Send + Sync>,
    offset: u64,
}

impl fmt::Debug for RegionWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegionWrite").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Kicker {
    /// A kicker that rings `doorbell`.
    pub fn doorbell(queue: QueueIndex, doorbell: Doorbell) -> Self {
        Self { queue, way: Way::Doorbell(doorbell) }
    }

    /// A kicker that signals an eventfd, handed to the kernel by `set` first.
    ///
    /// The eventfd is the caller's if one is given, else a new one.
    ///
    /// # Errors
    /// Those of eventfd(2), fcntl(2) and `set`.
    pub fn eventfd(
        queue: QueueIndex,
        given: Option<BorrowedFd<'_>>,
        set: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let eventfd = match given {
            Some(fd) => fd.try_clone_to_owned()?,
            None => new_eventfd()?,
        };
        set(eventfd.as_fd())?;
        Ok(Self { queue, way: Way::Call(Call::EventFd(Arc::new(eventfd.into()))) })
    }

    /// A kicker that writes the vring's number to `device` at `offset`.
    pub fn region_write(
        queue: QueueIndex,
        device: Weak<dyn AsFd + Send + Sync>,
        offset: u64,
    ) -> Self {
        let region = RegionWrite { device, offset };
        Self { queue, way: Way::Call(Call::RegionWrite(Arc::new(region))) }
    }

    /// The vring that it kicks.
    pub fn queue(&self) -> QueueIndex {
        self.queue
    }

    /// How it kicks.
    pub fn kind(&self) -> KickKind {
        match &self.way {
            Way::Doorbell(_) => KickKind::Doorbell,
            Way::Call(call) => match call {
                Call::EventFd(_) => KickKind::EventFd,
                Call::RegionWrite(_) => KickKind::RegionWrite,
            },
        }
    }

    /// The doorbell itself, for a loop that kicks with nothing but the store.
    pub fn as_doorbell(&self) -> Option<&Doorbell> {
        match &self.way {
            Way::Doorbell(doorbell) => Some(doorbell),
            Way::Call(_) => None,
        }
    }

    /// The eventfd, for KVM to signal.
    pub fn as_eventfd(&self) -> Option<BorrowedFd<'_>> {
        match &self.way {
            Way::Call(call) => match call {
                Call::EventFd(eventfd) => Some(eventfd.as_fd()),
                Call::RegionWrite(_) => None,
            },
            Way::Doorbell(_) => None,
        }
    }

    /// Kicks.
    ///
    /// # Errors
    /// Those of write(2) or pwrite(2): EAGAIN for an eventfd whose counter is full, which is a kick
    /// that nobody has taken yet; ENODEV for a region write to a device that was dropped.
    #[inline]
    pub fn kick(&self) -> io::Result<()> {
        match &self.way {
            Way::Doorbell(doorbell) => {
                doorbell.ring();
                Ok(())
            }
            Way::Call(call) => match call {
                Call::EventFd(eventfd) => signal(eventfd),
                Call::RegionWrite(region) => region.write(self.queue),
            },
        }
    }

    /// Kicks, and says where the driver will go on, with VIRTIO_F_NOTIFICATION_DATA.
    ///
    /// Only a doorbell carries the data; the others kick.
    ///
    /// # Errors
    /// As [`kick`](Self::kick).
    #[inline]
    pub fn kick_with(&self, next: u16) -> io::Result<()> {
        match &self.way {
            Way::Doorbell(doorbell) => {
                doorbell.ring_with(next);
                Ok(())
            }
            Way::Call(_) => self.kick(),
        }
    }
}

fn new_eventfd() -> io::Result<OwnedFd> {
    // SAFETY: eventfd(2) takes no pointer.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new fd that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[inline]
fn signal(eventfd: &File) -> io::Result<()> {
    let one = 1u64;
    // Not `Write`: on a CPU whose returns are mispredicted behind a system call, as mitigations
    // have it, each function in between costs tens of nanoseconds.
    //
    // SAFETY: the kernel reads the eight bytes of `one`.
    let written = unsafe { libc::write(eventfd.as_raw_fd(), (&raw const one).cast(), 8) };
    // An eventfd takes eight bytes or none.
    if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

impl RegionWrite {
    // Its size would keep `Kicker::kick` from being inlined, and a doorbell from being a store.
    #[inline(never)]
    fn write(&self, queue: QueueIndex) -> io::Result<()> {
        let Some(device) = self.device.upgrade() else {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        };
        let number = u32::from(queue.0).to_ne_bytes();
        // SAFETY: the kernel reads the four bytes of `number`; the offset is one of a region, below
        // 1 << 48, and fits.
        let written = unsafe {
            libc::pwrite(
                device.as_fd().as_raw_fd(),
                number.as_ptr().cast(),
                number.len(),
                self.offset as libc::off_t,
            )
        };
        if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::FileExt;

    use super::*;

    const QUEUE: QueueIndex = QueueIndex(5);

    #[test]
    fn an_eventfd_kicker_hands_over_what_it_signals() {
        let mut seen = None;
        let kicker = Kicker::eventfd(QUEUE, None, |fd| {
            seen = Some(File::from(fd.try_clone_to_owned()?));
            Ok(())
        })
        .unwrap();
        kicker.kick().unwrap();
        kicker.kick_with(7).unwrap();
        let mut count = [0; 8];
        seen.unwrap().read_exact(&mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 2);
        assert_eq!(kicker.kind(), KickKind::EventFd);
    }

    #[test]
    fn a_clone_kicks_the_same_from_another_thread() {
        let own = File::from(new_eventfd().unwrap());
        let kicker = Kicker::eventfd(QUEUE, Some(own.as_fd()), |_| Ok(())).unwrap();
        let other = kicker.clone();
        assert_eq!((other.queue(), other.kind()), (QUEUE, KickKind::EventFd));
        std::thread::spawn(move || other.kick()).join().unwrap().unwrap();
        kicker.kick().unwrap();
        let mut count = [0; 8];
        (&own).read_exact(&mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 2);

        let device = Arc::new(tempfile::tempfile().unwrap());
        let weak: Weak<File> = Arc::downgrade(&device);
        let kicker = Kicker::region_write(QUEUE, weak, 0);
        kicker.clone().kick().unwrap();
        // A clone holds the device no more than the kicker does.
        drop(device);
        assert_eq!(kicker.clone().kick().unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn a_given_eventfd_is_used() {
        let own = File::from(new_eventfd().unwrap());
        let kicker = Kicker::eventfd(QUEUE, Some(own.as_fd()), |_| Ok(())).unwrap();
        kicker.kick().unwrap();
        let mut count = [0; 8];
        (&own).read_exact(&mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 1);
    }

    #[test]
    fn a_region_write_is_four_bytes_and_outlives_no_device() {
        let device = Arc::new(tempfile::tempfile().unwrap());
        let weak: Weak<File> = Arc::downgrade(&device);
        let kicker = Kicker::region_write(QUEUE, weak, 16);
        kicker.kick().unwrap();
        let mut bytes = [0; 4];
        device.read_exact_at(&mut bytes, 16).unwrap();
        assert_eq!(u32::from_ne_bytes(bytes), 5);
        assert_eq!(device.metadata().unwrap().len(), 20);
        drop(device);
        assert_eq!(kicker.kick().unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }
}
