//! Doorbell pages: memory that a client stores to and the device polls.

#![expect(unsafe_code, reason = "the pages are mapped with mmap and shared with another process")]

use std::os::fd::{AsFd, AsRawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Errno;
use crate::dma::PAGE_SIZE;

/// What a page reads when nobody rang. No kick stores it: there is no vring of that number.
const IDLE: u32 = 0xffff_ffff;

/// The doorbell pages of one open device, one page per vring, in the order of the vrings.
#[derive(Debug)]
pub struct DoorbellPages {
    base: NonNull<u8>,
    pages: usize,
}

// SAFETY: the mapping belongs to this value alone and is only read and written with atomics.
unsafe impl Send for DoorbellPages {}
// SAFETY: as above.
unsafe impl Sync for DoorbellPages {}

impl DoorbellPages {
    /// Maps `pages` pages of `file` from `offset` on: the same that clients map. No page is
    /// touched, so a sparse file stays sparse until a vring starts.
    ///
    /// # Errors
    /// Those of `mmap`; EINVAL for 0 pages.
    pub fn map(file: impl AsFd, offset: u64, pages: u16) -> Result<Self, Errno> {
        let pages = usize::from(pages);
        let fd = file.as_fd().as_raw_fd();
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::EINVAL)?;
        // SAFETY: a new mapping at an address that the kernel chooses; nothing is replaced. The
        // kernel checks file, offset and length.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                pages * PAGE_SIZE as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd,
                offset,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        NonNull::new(base.cast()).map(|base| Self { base, pages }).ok_or(Errno::EFAULT)
    }

    /// How many pages there are.
    pub(super) fn len(&self) -> usize {
        self.pages
    }

    /// Takes a ring of the bell of `queue`: whether there was one.
    pub(super) fn take(&self, queue: usize) -> bool {
        let bell = self.bell(queue);
        // Looking alone leaves the cache line with those who look; most looks find nothing.
        bell.load(Ordering::Relaxed) != IDLE && bell.swap(IDLE, Ordering::AcqRel) != IDLE
    }

    fn bell(&self, queue: usize) -> &AtomicU32 {
        assert!(queue < self.pages);
        // SAFETY: within the mapping, as just checked.
        let bell = unsafe { self.base.add(queue * PAGE_SIZE as usize) };
        // SAFETY: page-aligned and mapped for as long as `self`. The file behind it is a memfd that
        // the front end sized and sealed or keeps; all accesses on this side are atomic.
        unsafe { AtomicU32::from_ptr(bell.cast().as_ptr()) }
    }
}

impl Drop for DoorbellPages {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made; references to it do not outlive `self`.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.pages * PAGE_SIZE as usize) };
    }
}
