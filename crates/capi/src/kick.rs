//! Kickers. A kick looks its handle up by a load and a comparison, and takes no lock.

use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use vhost_accel::{Doorbell, Kick, KickKind, Kicker, QueueIndex};

use crate::answer::{Fault, answer, done, refuse};
use crate::devices;
use crate::numbers::{
    VHOST_ACCEL_KICK_BEST, VHOST_ACCEL_KICK_DOORBELL, VHOST_ACCEL_KICK_EVENTFD,
    VHOST_ACCEL_KICK_REGION_WRITE,
};
use crate::open::vhost_accel_device;
use crate::table::{KICKER, absent, lock};
use crate::unchecked::{fd, handle, output, value};

/// Kicks one vring. Any number of threads may kick with it at a time.
#[expect(non_camel_case_types, reason = "C's name")]
pub struct vhost_accel_kicker {
    _number: (),
}

/// How many kickers a process can have. The lower bits of a handle say where the kicker is.
const PLACES: usize = 1 << 16;

/// Where a kicker is. It is never given back, so that a handle of a closed kicker finds another
/// number here and not freed memory.
#[repr(align(64))]
struct Place {
    /// The number of the handle, 0 for none.
    number: AtomicUsize,
    /// The kicker's doorbell, if it has one: what most kicks need and all that they look at. It and
    /// the kicker are written under the lock, and only while `number` is 0.
    doorbell: UnsafeCell<Option<Doorbell>>,
    kicker: UnsafeCell<Option<Kicker>>,
}

impl Place {
    const fn free() -> Self {
        Self {
            number: AtomicUsize::new(0),
            doorbell: UnsafeCell::new(None),
            kicker: UnsafeCell::new(None),
        }
    }
}

// SAFETY: a `Kicker` and a `Doorbell` may be used and dropped by any thread. They are written under
// the lock of `TAKEN` while no handle leads to them, but for a handle with which another thread
// kicks at this moment: the header forbids to close a kicker meanwhile.
unsafe impl Sync for Place {}

static KICKERS: [Place; PLACES] = [const { Place::free() }; PLACES];

/// Which places are taken. The first is nobody's: NULL leads there, and nothing is ever written.
static TAKEN: Mutex<Taken> = Mutex::new(Taken { last: 0, used: 1, free: Vec::new() });

struct Taken {
    /// The last count that a handle got.
    last: usize,
    /// Places that were ever taken, and the first.
    used: usize,
    /// Those of them that are free.
    free: Vec<usize>,
}

fn insert(kicker: Kicker) -> Result<*mut vhost_accel_kicker, Fault> {
    let mut taken = lock(&TAKEN);
    let at = match taken.free.pop() {
        Some(at) => at,
        None if taken.used < PLACES => {
            taken.used += 1;
            taken.used - 1
        }
        None => return Err(Fault::TooMany("kickers")),
    };
    taken.last += 1;
    let number = KICKER | (taken.last * PLACES) | at;
    let place = &KICKERS[at];
    // SAFETY: the place is free, so no handle leads to it, and the lock keeps others from taking
    // it.
    unsafe { *place.doorbell.get() = kicker.as_doorbell().cloned() };
    // SAFETY: as above.
    unsafe { *place.kicker.get() = Some(kicker) };
    place.number.store(number, Ordering::Release);
    Ok(handle(number))
}

fn remove(number: usize) -> Result<(), Fault> {
    let mut taken = lock(&TAKEN);
    let at = number % PLACES;
    let place = &KICKERS[at];
    if number == 0 || place.number.load(Ordering::Acquire) != number {
        return Err(absent(number, "kicker"));
    }
    place.number.store(0, Ordering::Release);
    // SAFETY: no handle leads here any more, and by the header's rule nobody is in a kick with it.
    let doorbell = unsafe { (*place.doorbell.get()).take() };
    // SAFETY: as above.
    let kicker = unsafe { (*place.kicker.get()).take() };
    taken.free.push(at);
    drop(taken);
    drop((doorbell, kicker));
    Ok(())
}

/// The kicker that a number stands for.
///
/// # Safety
/// It is not closed as long as the reference lives.
unsafe fn find<'a>(number: usize) -> Option<&'a Kicker> {
    let place = place(number)?;
    // SAFETY: the number is the one under which the kicker was put here, and it is not closed
    // meanwhile. That of NULL is the first place's, where there is `None`.
    unsafe { (*place.kicker.get()).as_ref() }
}

/// The place that a number stands for. That of NULL has nothing in it.
#[inline]
fn place(number: usize) -> Option<&'static Place> {
    let place = &KICKERS[number % PLACES];
    (place.number.load(Ordering::Acquire) == number).then_some(place)
}

/// Asks a kicker something, and keeps it from being closed meanwhile.
pub(crate) fn with<T>(
    kicker: *mut vhost_accel_kicker,
    question: impl FnOnce(&Kicker) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let _taken = lock(&TAKEN);
    // SAFETY: closing takes the lock that is held here.
    match unsafe { find(kicker.addr()) } {
        Some(kicker) => question(kicker),
        None => Err(absent(kicker.addr(), "kicker")),
    }
}

/// Makes a kicker of this kind, VHOST_ACCEL_KICK_BEST for the best that the device has.
///
/// `eventfd` is -1, or with VHOST_ACCEL_KICK_EVENTFD the caller's own, one that KVM signals for
/// instance. The kicker has a duplicate of it.
///
/// EOPNOTSUPP for a kind that the device hasn't got, ENOBUFS for a vring that it hasn't got, EMFILE
/// for more than 65535 kickers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_kicker_open(
    device: *mut vhost_accel_device,
    queue: u16,
    kind: u32,
    eventfd: c_int,
    kicker: *mut *mut vhost_accel_kicker,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let to = unsafe { output(kicker, "kicker") }?;
        let kick = match (kind, fd(eventfd, "eventfd")?) {
            (VHOST_ACCEL_KICK_BEST, None) => Kick::Best,
            (VHOST_ACCEL_KICK_DOORBELL, None) => Kick::Kind(KickKind::Doorbell),
            (VHOST_ACCEL_KICK_EVENTFD, None) => Kick::Kind(KickKind::EventFd),
            (VHOST_ACCEL_KICK_EVENTFD, Some(eventfd)) => Kick::EventFd(eventfd),
            (VHOST_ACCEL_KICK_REGION_WRITE, None) => Kick::Kind(KickKind::RegionWrite),
            (VHOST_ACCEL_KICK_BEST..=VHOST_ACCEL_KICK_REGION_WRITE, Some(_)) => {
                return Err(value("eventfd", eventfd));
            }
            (kind, _) => return Err(value("kind", kind)),
        };
        let made = devices::with(device, |device| Ok(device.kicker(QueueIndex(queue), kick)?))?;
        to.write(insert(made)?);
        Ok(())
    })
}

/// Closes a kicker. No thread may be in a kick with it meanwhile: that would be as with close(2) of
/// a file descriptor that is in use.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_kicker_close(kicker: *mut vhost_accel_kicker) -> c_int {
    done(|| remove(kicker.addr()))
}

/// Kicks: tells the device that the vring has work. The rings have to be written before, as virtio
/// says.
///
/// EAGAIN for an eventfd whose counter is full, which is a kick that nobody has taken yet; ENODEV
/// for a region write to a device that is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_kick(kicker: *mut vhost_accel_kicker) -> c_int {
    let Some(place) = place(kicker.addr()) else {
        return no_kicker(kicker.addr());
    };
    // SAFETY: the header forbids to close it meanwhile.
    match unsafe { (*place.doorbell.get()).as_ref() } {
        Some(doorbell) => {
            doorbell.ring();
            0
        }
        None => by_call(kicker.addr()),
    }
}

/// Kicks, and says where the driver will go on, with VIRTIO_F_NOTIFICATION_DATA. Only a doorbell
/// carries that; the other kinds kick.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_kick_with(
    kicker: *mut vhost_accel_kicker,
    next: u16,
) -> c_int {
    // SAFETY: the header forbids to close it meanwhile.
    match unsafe { find(kicker.addr()) } {
        Some(kicker) => match kicker.kick_with(next) {
            Ok(()) => 0,
            Err(error) => failed(kicker, error),
        },
        None => no_kicker(kicker.addr()),
    }
}

/// A kick that is a system call. Away from the one that is a store, which ends with a jump to here:
/// as nothing unwinds out of C's functions, that one needs no stack.
#[inline(never)]
extern "C" fn by_call(number: usize) -> c_int {
    // SAFETY: the header forbids to close it meanwhile.
    match unsafe { find(number) } {
        Some(kicker) => kicker.kick().map_or_else(|error| failed(kicker, error), |()| 0),
        None => no_kicker(number),
    }
}

/// Away from the kick for the same reason.
#[cold]
#[inline(never)]
extern "C" fn no_kicker(number: usize) -> c_int {
    refuse(&absent(number, "kicker"))
}

#[cold]
#[inline(never)]
fn failed(kicker: &Kicker, source: io::Error) -> c_int {
    refuse(&Fault::Kick { queue: kicker.queue(), source })
}

/// Answers which vring it kicks.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_kicker_queue(kicker: *mut vhost_accel_kicker) -> c_int {
    answer(|| with(kicker, |kicker| Ok(kicker.queue().0.into())))
}

/// Answers how it kicks: VHOST_ACCEL_KICK_DOORBELL and so on.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_kicker_kind(kicker: *mut vhost_accel_kicker) -> c_int {
    answer(|| {
        with(kicker, |kicker| c_int::try_from(kicker.kind().number()).map_err(|_| Fault::Overflow))
    })
}

/// The eventfd that it signals, -1 for another kind. It is the kicker's, and is closed with it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_kicker_eventfd(
    kicker: *mut vhost_accel_kicker,
    eventfd: *mut c_int,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let to = unsafe { output(eventfd, "eventfd") }?;
        to.write(with(kicker, |kicker| Ok(kicker.as_eventfd().map_or(-1, |fd| fd.as_raw_fd())))?);
        Ok(())
    })
}
