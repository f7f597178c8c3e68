//! The client's memory, in this process or in another.

#![expect(
    unsafe_code,
    reason = "the client's memory is reached by address: directly, or through process_vm_readv and process_vm_writev"
)]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering, fence};
use std::sync::{Mutex, PoisonError};

use super::PAGE_SIZE;
use crate::Errno;

/// How many ranges one `process_vm_readv` or `process_vm_writev` takes (the kernel's `UIO_MAXIOV`).
const SPANS_PER_CALL: usize = 1024;

/// A run of client addresses, without a hole in it.
///
/// It has the layout of an `iovec` because it is handed to the kernel as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Span {
    /// The first byte's address in the client.
    pub(crate) host: usize,
    /// Bytes.
    pub(crate) len: usize,
}

const _: () = assert!(size_of::<Span>() == size_of::<libc::iovec>());
const _: () = assert!(align_of::<Span>() == align_of::<libc::iovec>());

/// Whose memory the addresses of a DMA mapping belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientMemory(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    SameProcess,
    OtherProcess(libc::pid_t),
}

impl ClientMemory {
    /// The memory of this process, read and written directly.
    ///
    /// # Safety
    /// Every range that is given to a [`DmaSpace`](super::DmaSpace) of this memory, and every log
    /// base given to a device bound to it, stays mapped in this process until it is unmapped or
    /// replaced there, and nothing in it is Rust data that others hold references to. Addresses that
    /// were never mapped are no breach: they are found out before they are touched.
    pub const unsafe fn same_process() -> Self {
        Self(Kind::SameProcess)
    }

    /// The memory of the process `pid`, which must let this one trace it. Each access is a system
    /// call; an address that went bad is an error at any time.
    pub const fn process(pid: libc::pid_t) -> Self {
        Self(Kind::OtherProcess(pid))
    }

    /// Makes sure that every page of `len` bytes at `host` is there and can be read, and written if
    /// `write`: see [pinning](super#pinning).
    ///
    /// In another process readability is all that can be found out without changing anything.
    ///
    /// # Errors
    /// EFAULT when a page is not there or does not allow the access.
    pub fn pin(self, host: u64, len: u64, write: bool) -> Result<(), Errno> {
        let first = host & !(PAGE_SIZE - 1);
        let end = host.checked_add(len).ok_or(Errno::EFAULT)?;
        match self.0 {
            Kind::SameProcess => populate(first, end - first, write),
            Kind::OtherProcess(pid) => probe(pid, first, end),
        }
    }

    /// Fills `to` from the start of `spans`. Fails where the client has no such memory.
    ///
    /// # Safety
    /// In this process `spans` are pinned and still mapped to be read by the device.
    pub(super) unsafe fn gather(self, spans: &[Span], to: &mut [u8]) -> Result<(), Errno> {
        match self.0 {
            Kind::SameProcess => {
                let mut rest = to;
                for span in spans {
                    let (part, next) = rest.split_at_mut(span.len.min(rest.len()));
                    let from = ptr::with_exposed_provenance::<u8>(span.host);
                    // SAFETY: the caller says that the span is pinned and mapped. The client may
                    // write to it meanwhile; then the copy holds some mix of its bytes, which are
                    // plain data to the device, as in vm-memory's copies.
                    unsafe { ptr::copy_nonoverlapping(from, part.as_mut_ptr(), part.len()) };
                    rest = next;
                }
                Ok(())
            }
            Kind::OtherProcess(pid) => {
                let (base, len) = (to.as_mut_ptr(), to.len());
                vm_call(spans, len, |offset, part, remote| {
                    let local = libc::iovec {
                        // Within `to`: `vm_call` cuts `len` bytes into parts.
                        iov_base: base.wrapping_add(offset).cast(),
                        iov_len: part,
                    };
                    // SAFETY: `local` is a part of `to`, borrowed for the call; the kernel checks
                    // every remote address against the other process.
                    unsafe {
                        libc::process_vm_readv(
                            pid,
                            &local,
                            1,
                            remote.0,
                            remote.1 as libc::c_ulong,
                            0,
                        )
                    }
                })
            }
        }
    }

    /// Copies `from` to the start of `spans`. Fails where the client has no such memory.
    ///
    /// # Safety
    /// In this process `spans` are pinned and still mapped to be written by the device.
    pub(super) unsafe fn scatter(self, spans: &[Span], from: &[u8]) -> Result<(), Errno> {
        match self.0 {
            Kind::SameProcess => {
                let mut rest = from;
                for span in spans {
                    let (part, next) = rest.split_at(span.len.min(rest.len()));
                    let to = ptr::with_exposed_provenance_mut::<u8>(span.host);
                    // SAFETY: the caller says that the span is pinned, mapped and the device's to
                    // write. A client that looks meanwhile sees some mix of bytes, as with DMA.
                    unsafe { ptr::copy_nonoverlapping(part.as_ptr(), to, part.len()) };
                    rest = next;
                }
                Ok(())
            }
            Kind::OtherProcess(pid) => {
                let (base, len) = (from.as_ptr(), from.len());
                vm_call(spans, len, |offset, part, remote| {
                    let local = libc::iovec {
                        iov_base: base.wrapping_add(offset).cast_mut().cast(),
                        iov_len: part,
                    };
                    // SAFETY: `local` is a part of `from`, which the kernel only reads; it checks
                    // every remote address against the other process.
                    unsafe {
                        libc::process_vm_writev(
                            pid,
                            &local,
                            1,
                            remote.0,
                            remote.1 as libc::c_ulong,
                            0,
                        )
                    }
                })
            }
        }
    }

    /// Reads a ring index: what the client wrote before it is seen after it.
    ///
    /// # Safety
    /// As [`gather`](Self::gather) of the two bytes at `host`, which is even.
    pub(super) unsafe fn load_u16(self, host: usize) -> Result<u16, Errno> {
        match self.0 {
            Kind::SameProcess => {
                let index = ptr::with_exposed_provenance_mut::<u16>(host);
                // SAFETY: pinned, mapped and even, says the caller; the client accesses ring
                // indexes as single 16-bit values, which is what the virtio specification asks.
                let index = unsafe { AtomicU16::from_ptr(index) };
                Ok(u16::from_le(index.load(Ordering::Acquire)))
            }
            Kind::OtherProcess(_) => {
                // The kernel may copy byte by byte: an index is what two reads agree on.
                let mut last = None;
                loop {
                    let mut bytes = [0; 2];
                    // SAFETY: another process's memory: the kernel checks the address.
                    unsafe { self.gather(&[Span { host, len: 2 }], &mut bytes)? };
                    fence(Ordering::Acquire);
                    if last == Some(bytes) {
                        return Ok(u16::from_le_bytes(bytes));
                    }
                    last = Some(bytes);
                }
            }
        }
    }

    /// Writes two bytes: what was written before them is seen before them.
    ///
    /// # Safety
    /// As [`scatter`](Self::scatter) of the two bytes at `host`, which is even.
    pub(super) unsafe fn store_u16(self, host: usize, value: u16) -> Result<(), Errno> {
        match self.0 {
            Kind::SameProcess => {
                let index = ptr::with_exposed_provenance_mut::<u16>(host);
                // SAFETY: pinned, mapped, writable and even, says the caller.
                let index = unsafe { AtomicU16::from_ptr(index) };
                index.store(value.to_le(), Ordering::Release);
                Ok(())
            }
            Kind::OtherProcess(_) => {
                fence(Ordering::Release);
                // SAFETY: another process's memory: the kernel checks the address.
                unsafe { self.scatter(&[Span { host, len: 2 }], &value.to_le_bytes()) }
            }
        }
    }

    /// Writes the two bytes at `host + 2` so that the client sees both change at once.
    ///
    /// # Safety
    /// As [`store_u16`](Self::store_u16), of the eight bytes at `host`, which nobody but the caller
    /// writes.
    pub(super) unsafe fn store_index(self, host: usize, value: u16) -> Result<(), Errno> {
        match self.0 {
            // SAFETY: as the caller says.
            Kind::SameProcess => unsafe { self.store_u16(host + 2, value) },
            Kind::OtherProcess(_) => {
                // The kernel copies less than eight bytes one by one: 0x00ff would become 0x0100 by
                // way of 0x0000.
                let span = [Span { host, len: 8 }];
                let mut bytes = [0; 8];
                // SAFETY: another process's memory: the kernel checks the address.
                unsafe { self.gather(&span, &mut bytes)? };
                bytes[2..4].copy_from_slice(&value.to_le_bytes());
                fence(Ordering::Release);
                // SAFETY: as above.
                unsafe { self.scatter(&span, &bytes) }
            }
        }
    }

    /// Sets bits of the byte at `host`, leaving alone the bits that the client changes meanwhile.
    ///
    /// # Safety
    /// In this process the byte is pinned to be written and still mapped.
    pub(crate) unsafe fn set_bits(self, host: usize, bits: u8) -> Result<(), Errno> {
        match self.0 {
            Kind::SameProcess => {
                let byte = ptr::with_exposed_provenance_mut::<u8>(host);
                // SAFETY: pinned, mapped and writable, says the caller.
                let byte = unsafe { AtomicU8::from_ptr(byte) };
                if byte.load(Ordering::Relaxed) & bits != bits {
                    byte.fetch_or(bits, Ordering::Release);
                }
                Ok(())
            }
            Kind::OtherProcess(_) => {
                // Read and write are two calls. A client that takes the bits in between gets some
                // of them again, which a dirty log allows; a second device doing the same could
                // lose some, so they take turns.
                static TURN: Mutex<()> = Mutex::new(());
                let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
                let mut byte = [0];
                let span = [Span { host, len: 1 }];
                // SAFETY: another process's memory: the kernel checks the address.
                unsafe { self.gather(&span, &mut byte)? };
                if byte[0] & bits == bits {
                    return Ok(());
                }
                // SAFETY: as above.
                unsafe { self.scatter(&span, &[byte[0] | bits]) }
            }
        }
    }
}

/// Carries `len` bytes to or from the start of `spans`, as many spans a call as the kernel takes.
/// `call` gets an offset, a number of bytes and the spans that hold them. A partial copy is a fault.
fn vm_call(
    spans: &[Span],
    len: usize,
    call: impl Fn(usize, usize, (*const libc::iovec, usize)) -> isize,
) -> Result<(), Errno> {
    let mut done = 0;
    for batch in spans.chunks(SPANS_PER_CALL) {
        let part = batch.iter().map(|span| span.len).sum::<usize>().min(len - done);
        if part == 0 {
            break;
        }
        // Local and remote need not have one length: the shorter one ends the copy.
        let copied = call(done, part, (batch.as_ptr().cast(), batch.len()));
        if usize::try_from(copied) != Ok(part) {
            return Err(Errno::EFAULT);
        }
        done += part;
    }
    if done == len { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Faults in pages of this process, without touching a byte of them.
fn populate(first: u64, len: u64, write: bool) -> Result<(), Errno> {
    let advice = if write { libc::MADV_POPULATE_WRITE } else { libc::MADV_POPULATE_READ };
    let len = usize::try_from(len).map_err(|_| Errno::EFAULT)?;
    let first = usize::try_from(first).map_err(|_| Errno::EFAULT)?;
    loop {
        let address = ptr::without_provenance_mut(first);
        // SAFETY: populating changes no memory that Rust can see: it faults pages in as an access
        // would, and where there are none or they don't allow it the kernel answers with an error.
        if unsafe { libc::madvise(address, len, advice) } == 0 {
            return Ok(());
        }
        match io::Error::last_os_error().raw_os_error() {
            Some(libc::EINTR | libc::EAGAIN) => {}
            _ => return Err(Errno::EFAULT),
        }
    }
}

/// Reads one byte of each page of another process.
fn probe(pid: libc::pid_t, first: u64, end: u64) -> Result<(), Errno> {
    let mut byte = [0; SPANS_PER_CALL];
    let mut spans = [Span { host: 0, len: 1 }; SPANS_PER_CALL];
    let mut page = first;
    while page < end {
        let mut count = 0;
        while count < SPANS_PER_CALL && page < end {
            spans[count].host = usize::try_from(page).map_err(|_| Errno::EFAULT)?;
            count += 1;
            page = page.saturating_add(PAGE_SIZE);
        }
        let memory = ClientMemory::process(pid);
        // SAFETY: another process's memory: the kernel checks the addresses.
        unsafe { memory.gather(&spans[..count], &mut byte[..count])? };
    }
    Ok(())
}
