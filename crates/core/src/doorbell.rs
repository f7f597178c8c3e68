//! Doorbells: kicks that are a store into a page that the device watches.

#![expect(unsafe_code, reason = "mmap(2) of device pages and volatile stores into them")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use crate::address::Hva;
use crate::vring::QueueIndex;

/// How a device's doorbell pages lie on its fd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoorbellLayout {
    /// The fd offset of vring 0's page; the others follow, a page each.
    pub offset: u64,
    /// How many there are.
    pub count: u16,
    /// Whether one mmap(2) may cover all of them. If not, each is mapped when it is first asked
    /// for.
    pub contiguous: bool,
}

impl DoorbellLayout {
    /// `count` pages from `offset` on, to be mapped together or one by one.
    pub const fn new(offset: u64, count: u16, contiguous: bool) -> Self {
        Self { offset, count, contiguous }
    }
}

/// The doorbell pages of an open device, mapped as they are asked for.
///
/// Dropping it takes every page out of the process's reach, so that no [`Doorbell`] keeps the
/// device open: what is still held rings into private memory that nobody watches.
#[derive(Debug)]
pub struct DoorbellArea {
    layout: DoorbellLayout,
    mapped: Vec<Option<Arc<Pages>>>,
}

impl DoorbellArea {
    /// An area of which nothing is mapped yet.
    pub fn new(layout: DoorbellLayout) -> Self {
        let mappings = if layout.contiguous { 1 } else { usize::from(layout.count) };
        Self { layout, mapped: vec![None; mappings] }
    }

    /// The doorbell of `queue`, mapping its page if it isn't yet.
    ///
    /// # Errors
    /// ENOBUFS for a vring that the device hasn't got, and those of mmap(2).
    #[inline]
    pub fn doorbell(&mut self, fd: BorrowedFd<'_>, queue: QueueIndex) -> io::Result<Doorbell> {
        if queue.0 >= self.layout.count {
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        let (slot, page) = if self.layout.contiguous { (0, queue.0) } else { (queue.0, 0) };
        let slot = usize::from(slot);
        let pages = match &self.mapped[slot] {
            Some(pages) => Arc::clone(pages),
            None => self.map(fd, slot)?,
        };
        // SAFETY: `page` is below the count that was mapped, so the sum lies in the mapping.
        let address = unsafe { pages.start.add(usize::from(page) * page_size()) };
        Ok(Doorbell { address, queue, pages })
    }

    #[cold]
    fn map(&mut self, fd: BorrowedFd<'_>, slot: usize) -> io::Result<Arc<Pages>> {
        let count = if self.layout.contiguous { self.layout.count } else { 1 };
        let offset = self.layout.offset + (slot * page_size()) as u64;
        let pages = Arc::new(Pages::map(fd, offset, usize::from(count) * page_size())?);
        Ok(Arc::clone(self.mapped[slot].insert(pages)))
    }
}

impl Drop for DoorbellArea {
    fn drop(&mut self) {
        for pages in self.mapped.iter().flatten() {
            if Arc::strong_count(pages) > 1 {
                pages.revoke();
            }
        }
    }
}

/// One vring's doorbell. Ringing it is one volatile store. A clone is the same page.
#[derive(Clone, Debug)]
pub struct Doorbell {
    address: NonNull<u8>,
    queue: QueueIndex,
    pages: Arc<Pages>,
}

// SAFETY: the page is device memory: any thread may store into it, and stores of 2 or 4 aligned
// bytes don't tear. `Pages` unmaps it when the last doorbell is gone, from whichever thread.
unsafe impl Send for Doorbell {}
// SAFETY: as above; there is no state but the page.
unsafe impl Sync for Doorbell {}

impl Doorbell {
    /// Rings: stores the 16-bit queue index (virtio 1.2, 4.1.5.2).
    #[inline]
    pub fn ring(&self) {
        // SAFETY: the page stays mapped and writable as long as `pages` lives, and its start is
        // aligned. The kernel half treats any value as a kick.
        unsafe { self.address.cast::<u16>().write_volatile(self.queue.0) }
    }

    /// Rings with VIRTIO_F_NOTIFICATION_DATA: stores the queue index and, in the upper half, the
    /// next available index (virtio 1.2, 2.9).
    #[inline]
    pub fn ring_with(&self, next: u16) {
        let data = u32::from(self.queue.0) | u32::from(next) << 16;
        // SAFETY: as in `ring`.
        unsafe { self.address.cast::<u32>().write_volatile(data) }
    }

    /// The vring that it kicks.
    pub fn queue(&self) -> QueueIndex {
        self.queue
    }

    /// Where this process has its page, of [`page_size`] bytes: what a KVM memory slot is made of,
    /// so that a guest's store is the kick. The page can be written, and is not to be read.
    ///
    /// The address stays mapped while this doorbell or a clone of it lives, so remove the memory
    /// slot before you drop the last one. When the device is closed, private memory takes the
    /// page's place: a store then does no harm and reaches nobody.
    pub fn address(&self) -> Hva {
        Hva::from(self.address.as_ptr())
    }

    /// Where its page begins on the [device fd](crate::VhostAccel::device_fd), for another process
    /// to map with `PROT_WRITE` and `MAP_SHARED`: what a vhost-user back end sends as host
    /// notifier. Such a mapping keeps the device open.
    pub fn offset(&self) -> u64 {
        self.pages.offset + (self.address.addr().get() - self.pages.start.addr().get()) as u64
    }
}

/// A run of mapped doorbell pages.
#[derive(Debug)]
struct Pages {
    start: NonNull<u8>,
    len: usize,
    /// Where they begin on the device fd.
    offset: u64,
}

// SAFETY: an address range that this value owns; munmap(2) may be called from any thread.
unsafe impl Send for Pages {}
// SAFETY: as above; `revoke` replaces the mapping atomically.
unsafe impl Sync for Pages {}

impl Pages {
    /// Maps write-only: mainline's vhost-vdpa refuses a readable doorbell, and nobody reads one.
    fn map(fd: BorrowedFd<'_>, offset: u64, len: usize) -> io::Result<Self> {
        let start = libc::off_t::try_from(offset)
            .map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory in use; it
        // fails rather than map what is no doorbell.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                start,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(start.cast())
            .map(|start| Self { start, len, offset })
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
    }

    /// Puts private memory in the place of the device's.
    fn revoke(&self) {
        // SAFETY: the range is ours and stays mapped throughout, so a store by another thread at
        // this moment hits the one or the other. Should it fail, the device's pages stay, which is
        // sound: only its close is late.
        unsafe {
            libc::mmap(
                self.start.as_ptr().cast(),
                self.len,
                libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            );
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the range is ours, and no doorbell refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// The size of a page of this process's memory in bytes.
#[inline]
pub fn page_size() -> usize {
    use std::sync::OnceLock;
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // SAFETY: sysconf(3) reads a constant.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).unwrap_or(4096)
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

    use super::*;

    fn read_u32(file: &File, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, offset).unwrap();
        u32::from_le_bytes(bytes)
    }

    fn area(contiguous: bool) -> (File, DoorbellArea) {
        let file = tempfile::tempfile().unwrap();
        file.set_len(8 * page_size() as u64).unwrap();
        let layout = DoorbellLayout { offset: page_size() as u64, count: 4, contiguous };
        (file, DoorbellArea::new(layout))
    }

    #[test]
    fn a_ring_stores_the_queue_index_in_its_own_page() {
        for contiguous in [true, false] {
            let (file, mut area) = area(contiguous);
            let third = area.doorbell(file.as_fd(), QueueIndex(3)).unwrap();
            third.ring();
            assert_eq!(read_u32(&file, 4 * page_size() as u64), 3);
            third.ring_with(0x1234);
            assert_eq!(read_u32(&file, 4 * page_size() as u64), 0x1234_0003);
            assert_eq!(read_u32(&file, page_size() as u64), 0);
        }
    }

    #[test]
    fn a_contiguous_area_is_mapped_once() {
        let (file, mut area) = area(true);
        let first = area.doorbell(file.as_fd(), QueueIndex(0)).unwrap();
        let second = area.doorbell(file.as_fd(), QueueIndex(1)).unwrap();
        assert!(Arc::ptr_eq(&first.pages, &second.pages));
    }

    #[test]
    fn a_queue_out_of_range_is_refused() {
        let (file, mut area) = area(true);
        let error = area.doorbell(file.as_fd(), QueueIndex(4)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS));
    }

    #[test]
    fn a_doorbell_outlives_no_area() {
        let (file, mut area) = area(false);
        let doorbell = area.doorbell(file.as_fd(), QueueIndex(2)).unwrap();
        drop(area);
        doorbell.ring();
        assert_eq!(read_u32(&file, 3 * page_size() as u64), 0);
    }

    #[test]
    fn a_store_at_its_address_is_a_ring() {
        for contiguous in [true, false] {
            let (file, mut area) = area(contiguous);
            let doorbell = area.doorbell(file.as_fd(), QueueIndex(2)).unwrap();
            let at = 3 * page_size() as u64;
            assert_eq!((doorbell.offset(), doorbell.queue()), (at, QueueIndex(2)));
            let kept = doorbell.clone();
            drop(doorbell);
            let store = |value: u16| {
                let address = kept.address().0 as *mut u16;
                // SAFETY: the address is a page's beginning, mapped while `kept` lives.
                unsafe { address.write_volatile(value) }
            };
            store(0x55);
            assert_eq!(read_u32(&file, at), 0x55);
            // The device closes: a guest's stores go on, and reach nobody.
            drop(area);
            store(0x66);
            assert_eq!(read_u32(&file, at), 0x55);
        }
    }
}
