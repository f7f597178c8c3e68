//! Doorbell pages, to be handed on.

use std::ffi::{c_int, c_void};
use std::ptr;

use vhost_accel::{Doorbell, page_size};

use crate::answer::{Fault, done};
use crate::kick::{self, vhost_accel_kicker};
use crate::table::{PAGE, Table};
use crate::unchecked::{handle, output};

/// The page of one vring's doorbell, for somebody else to store into: a KVM guest through a memory
/// slot, or another process that maps the device's file descriptor. The address stays mapped until
/// the page is closed, so remove the memory slot first.
#[expect(non_camel_case_types, reason = "C's name")]
pub struct vhost_accel_page {
    _number: (),
}

/// Where a page is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct vhost_accel_page_info {
    /// Where this process has it. It can be written, and is not to be read.
    pub address: *mut c_void,
    /// Bytes.
    pub len: u64,
    /// Where it begins on the device's file descriptor, for mmap(2) with PROT_WRITE and MAP_SHARED.
    pub offset: u64,
    /// The vring that a store kicks. What is stored is its number in 16 bits.
    pub queue: u32,
    /// 0.
    pub reserved: u32,
}

static PAGES: Table<Doorbell> = Table::new(PAGE, "page");

/// The page of a kicker by doorbell. It outlives the kicker. EOPNOTSUPP for a kicker of another
/// kind.
///
/// When the device is closed, private memory takes the page's place: a store then does no harm and
/// reaches nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vhost_accel_page_open(
    kicker: *mut vhost_accel_kicker,
    page: *mut *mut vhost_accel_page,
    info: *mut vhost_accel_page_info,
) -> c_int {
    done(|| {
        // SAFETY: the caller keeps the header's rules of pointers.
        let to = unsafe { output(page, "page") }?;
        // SAFETY: as above.
        let about = unsafe { output(info, "info") }?;
        let page = kick::with(kicker, |kicker| {
            kicker.as_doorbell().cloned().ok_or(Fault::NoDoorbell(kicker.queue()))
        })?;
        about.write(vhost_accel_page_info {
            // An address that was made from a pointer, and is for others to store into.
            address: ptr::with_exposed_provenance_mut(page.address().0 as usize),
            len: page_size() as u64,
            offset: page.offset(),
            queue: page.queue().0.into(),
            reserved: 0,
        });
        to.write(handle(PAGES.insert(page)));
        Ok(())
    })
}

/// Closes a page.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_page_close(page: *mut vhost_accel_page) -> c_int {
    done(|| PAGES.remove(page.addr()).map(drop))
}
