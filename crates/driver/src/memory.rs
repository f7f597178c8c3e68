//! Memory that a device and this process share.

#![expect(unsafe_code, reason = "mmap(2), and access to memory that a device changes at any time")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use vhost_accel_core::{Access, DmaMapping, Hva, Iova, IovaRange, page_size};

use super::Error;

/// The size of a huge page where it is smallest, and of several where it is not.
const HUGE: usize = 2 << 20;

/// Takes a part of a mapping away.
///
/// # Safety
/// The part must be the caller's, and nobody use it any more.
unsafe fn unmap(start: NonNull<u8>, len: usize) {
    if len > 0 {
        // SAFETY: the caller's.
        unsafe { libc::munmap(start.as_ptr().cast(), len) };
    }
}

/// A run of whole pages of this process, to be lent to a device.
///
/// Access goes by byte offset, through raw pointers and atomics: no Rust reference to the memory
/// ever exists, since a device may change it at any time. As with a slice, an access beyond the end
/// panics.
#[derive(Debug)]
pub struct Region {
    host: NonNull<u8>,
    len: usize,
    file: Option<OwnedFd>,
}

// SAFETY: the mapping belongs to this value alone and may be unmapped by any thread.
unsafe impl Send for Region {}
// SAFETY: access is by copies and atomics, as the device's own is; a torn copy is wrong data, and
// which data are whole is agreed on by the ring's indexes.
unsafe impl Sync for Region {}

impl Region {
    /// `len` bytes of zeroed shared memory, `len` being rounded up to whole pages.
    ///
    /// # Errors
    /// Those of memfd_create(2), ftruncate(2) and mmap(2).
    pub fn new(len: usize) -> Result<Arc<Self>, Error> {
        let len = len.next_multiple_of(page_size()).max(page_size());
        // SAFETY: the name is a C string, and no other pointer is passed.
        let fd = unsafe { libc::memfd_create(c"guest memory".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(Error::last("memfd_create"));
        }
        // SAFETY: a new fd that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: the fd is open and the length positive.
        if unsafe { libc::ftruncate(fd.as_raw_fd(), len as libc::off_t) } < 0 {
            return Err(Error::last("ftruncate"));
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let mapped = Self::map(len, access, libc::MAP_SHARED, fd.as_raw_fd())?;
        let mut region = Arc::into_inner(mapped).ok_or_else(|| Error::last("mmap"))?;
        region.file = Some(fd);
        Ok(Arc::new(region))
    }

    /// `len` bytes of zeroed memory of this process alone, in huge pages where the kernel has them:
    /// as a VMM's guest memory is, and lying together in physical memory whatever else has run.
    /// `len` is rounded up to whole huge pages, and the memory begins with one.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn huge(len: usize) -> Result<Arc<Self>, Error> {
        let len = len.next_multiple_of(HUGE).max(HUGE);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let mut whole = Arc::into_inner(Self::map(len + HUGE, access, flags, -1)?)
            .ok_or_else(|| Error::last("mmap"))?;
        let before = whole.host.as_ptr().addr().next_multiple_of(HUGE) - whole.host.as_ptr().addr();
        // SAFETY: less than a huge page, of which the mapping has one more than is kept.
        let host = unsafe { whole.host.add(before) };
        // SAFETY: the part before what is kept is this value's.
        unsafe { unmap(whole.host, before) };
        // SAFETY: one huge page less than the mapping has.
        let end = unsafe { host.add(len) };
        // SAFETY: as is the part behind.
        unsafe { unmap(end, HUGE - before) };
        (whole.host, whole.len) = (host, len);
        // A kernel without huge pages gives small ones.
        // SAFETY: advice on a mapping of this value's.
        unsafe { libc::madvise(host.as_ptr().cast(), len, libc::MADV_HUGEPAGE) };
        Ok(Arc::new(whole))
    }

    /// `len` bytes of address space without memory behind it: whoever touches it faults. What a
    /// device must not be able to use, and what nobody else gets.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn without_memory(len: usize) -> Result<Arc<Self>, Error> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        Self::map(len.next_multiple_of(page_size()), libc::PROT_NONE, flags, -1)
    }

    fn map(len: usize, access: i32, flags: i32, fd: i32) -> Result<Arc<Self>, Error> {
        // SAFETY: a new mapping where the kernel chooses touches no memory in use.
        let host = unsafe { libc::mmap(ptr::null_mut(), len, access, flags, fd, 0) };
        if host == libc::MAP_FAILED {
            return Err(Error::last("mmap"));
        }
        let host = NonNull::new(host.cast()).ok_or_else(|| Error::last("mmap"))?;
        Ok(Arc::new(Self { host, len, file: None }))
    }

    /// Bytes.
    #[expect(clippy::len_without_is_empty, reason = "a region is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The file behind [`Region::new`], from its first byte on: what another process maps.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// Where this process has it.
    pub fn host(&self) -> Hva {
        Hva::from(self.host.as_ptr())
    }

    /// All of it, for the device to find at `iova`, readable and writable.
    pub fn at(self: &Arc<Self>, iova: Iova) -> Lease {
        self.part(0, self.len, iova)
    }

    /// `len` bytes from `offset` on, for the device to find at `iova`, readable and writable.
    pub fn part(self: &Arc<Self>, offset: usize, len: usize, iova: Iova) -> Lease {
        self.check(offset, len);
        Lease { region: Arc::clone(self), offset, len, iova, access: Access::ReadWrite }
    }

    fn check(&self, offset: usize, len: usize) {
        let fits = offset.checked_add(len).is_some_and(|end| end <= self.len);
        assert!(fits, "{offset}+{len} is beyond the region's {} bytes", self.len);
    }

    /// The address of `len` bytes at `offset`, aligned to `align`.
    fn address(&self, offset: usize, len: usize, align: usize) -> *mut u8 {
        self.check(offset, len);
        assert!(offset.is_multiple_of(align), "{offset} is not aligned to {align}");
        // SAFETY: the offset was just checked to lie in the mapping.
        unsafe { self.host.as_ptr().add(offset) }
    }

    /// Copies out.
    pub fn read(&self, offset: usize, data: &mut [u8]) {
        let from = self.address(offset, data.len(), 1);
        // SAFETY: both sides are valid for the length; `data` is a reference and so lies elsewhere.
        // The device may write at the same time only what the driver hasn't got back by the ring's
        // rules.
        unsafe { ptr::copy_nonoverlapping(from, data.as_mut_ptr(), data.len()) }
    }

    /// Copies in.
    pub fn write(&self, offset: usize, data: &[u8]) {
        let to = self.address(offset, data.len(), 1);
        // SAFETY: as in `read`, the other way round.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) }
    }

    /// Sets `len` bytes to `byte`.
    pub fn fill(&self, offset: usize, len: usize, byte: u8) {
        let to = self.address(offset, len, 1);
        // SAFETY: the range was checked; as in `read`, the device doesn't use it now.
        unsafe { ptr::write_bytes(to, byte, len) }
    }

    /// A copy of `len` bytes.
    pub fn bytes(&self, offset: usize, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.read(offset, &mut data);
        data
    }

    /// Reads 16 bits at an even offset.
    #[inline]
    pub fn load_u16(&self, offset: usize, order: Ordering) -> u16 {
        let address = self.address(offset, 2, 2).cast();
        // SAFETY: aligned, inside the mapping, and accessed as an atomic here and as one load or
        // store by the device.
        u16::from_le(unsafe { AtomicU16::from_ptr(address) }.load(order))
    }

    /// Writes 16 bits at an even offset.
    #[inline]
    pub fn store_u16(&self, offset: usize, value: u16, order: Ordering) {
        let address = self.address(offset, 2, 2).cast();
        // SAFETY: as in `load_u16`.
        unsafe { AtomicU16::from_ptr(address) }.store(value.to_le(), order);
    }

    /// Reads 64 bits at an offset that is a multiple of 8.
    #[inline]
    pub fn load_u64(&self, offset: usize, order: Ordering) -> u64 {
        let address = self.address(offset, 8, 8).cast();
        // SAFETY: as in `load_u16`.
        u64::from_le(unsafe { AtomicU64::from_ptr(address) }.load(order))
    }

    /// Writes 64 bits at an offset that is a multiple of 8.
    #[inline]
    pub fn store_u64(&self, offset: usize, value: u64, order: Ordering) {
        let address = self.address(offset, 8, 8).cast();
        // SAFETY: as in `load_u16`.
        unsafe { AtomicU64::from_ptr(address) }.store(value.to_le(), order);
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the range is ours; whoever lent it to a device holds the region until that is
        // closed.
        unsafe { libc::munmap(self.host.as_ptr().cast(), self.len) };
    }
}

/// A part of a [`Region`] at the address where the device is to find it.
#[derive(Clone, Debug)]
pub struct Lease {
    region: Arc<Region>,
    offset: usize,
    len: usize,
    iova: Iova,
    access: Access,
}

impl Lease {
    /// The same with other access.
    #[must_use]
    pub fn with(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The region, for as long as the device may use it.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// The range of I/O virtual addresses.
    pub fn range(&self) -> IovaRange {
        IovaRange::new(self.iova, self.len as u64)
    }

    /// What [`VhostAccel::dma_map`](vhost_accel_core::VhostAccel::dma_map) takes.
    pub fn mapping(&self) -> DmaMapping {
        let host = Hva(self.region.host().0 + self.offset as u64);
        DmaMapping::new(self.iova, self.len as u64, host, self.access)
    }
}

impl Error {
    fn last(call: &'static str) -> Self {
        Self::System { call, source: io::Error::last_os_error() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let region = Region::new(1).unwrap();
        assert_eq!(region.len(), page_size());
        region.write(3, &[1, 2, 3]);
        assert_eq!(region.bytes(2, 5), [0, 1, 2, 3, 0]);
        region.store_u16(6, 0x1234, Ordering::Release);
        assert_eq!(region.bytes(6, 2), [0x34, 0x12]);
        region.store_u64(8, 0x0102_0304_0506_0708, Ordering::Relaxed);
        assert_eq!(region.load_u16(14, Ordering::Acquire), 0x0102);
        assert_eq!(region.load_u64(8, Ordering::Relaxed), 0x0102_0304_0506_0708);
        region.fill(0, 16, 0xa5);
        assert_eq!(region.bytes(0, 17)[15..], [0xa5, 0]);
    }

    #[test]
    fn huge_memory_begins_with_a_huge_page() {
        let region = Region::huge(HUGE + 1).unwrap();
        assert_eq!(region.len(), 2 * HUGE);
        assert!(region.host().0.is_multiple_of(HUGE as u64));
        region.write(2 * HUGE - 1, &[7]);
        assert_eq!(region.bytes(2 * HUGE - 2, 2), [0, 7]);
    }

    #[test]
    #[should_panic(expected = "beyond the region")]
    fn an_access_beyond_the_end_panics() {
        let region = Region::new(1).unwrap();
        region.write(page_size() - 1, &[0, 0]);
    }

    #[test]
    fn a_part_is_where_it_is_said_to_be() {
        let page = page_size();
        let region = Region::new(4 * page).unwrap();
        let lease = region.part(page, 2 * page, Iova(0x10_0000)).with(Access::Read);
        let mapping = lease.mapping();
        assert_eq!(mapping.host.0, region.host().0 + page as u64);
        assert_eq!((mapping.iova, mapping.len), (Iova(0x10_0000), 2 * page as u64));
        assert_eq!(mapping.access, Access::Read);
    }
}
