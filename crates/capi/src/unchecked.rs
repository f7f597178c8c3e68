//! What callers point to, and the checks that can be made of it.

use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::ptr;
use std::slice;

use crate::answer::Fault;

/// What a number may say.
pub(crate) fn value(name: &'static str, given: impl Into<i64>) -> Fault {
    Fault::Value { name, given: given.into() }
}

fn check<T>(pointer: *const T, name: &'static str) -> Result<(), Fault> {
    if pointer.is_null() {
        return Err(Fault::Null(name));
    }
    if pointer.is_aligned() { Ok(()) } else { Err(Fault::Alignment(name)) }
}

fn check_len<T>(pointer: *const T, len: usize, name: &'static str) -> Result<(), Fault> {
    check(pointer, name)?;
    match len.checked_mul(size_of::<T>()) {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(()),
        _ => Err(Fault::TooLong(name)),
    }
}

/// Where an answer goes.
///
/// # Safety
/// `pointer` is NULL or points to memory for a `T` that is the callee's during the call.
pub(crate) unsafe fn output<'a, T: Copy>(
    pointer: *mut T,
    name: &'static str,
) -> Result<&'a mut MaybeUninit<T>, Fault> {
    check(pointer, name)?;
    // SAFETY: not NULL and aligned; the caller vouches for the rest. What is there may be anything.
    Ok(unsafe { &mut *pointer.cast() })
}

/// Where several answers go: none is right for no memory.
///
/// # Safety
/// As [`output`], for `len` elements.
pub(crate) unsafe fn outputs<'a, T: Copy>(
    pointer: *mut T,
    len: usize,
    name: &'static str,
) -> Result<&'a mut [MaybeUninit<T>], Fault> {
    if len == 0 {
        return Ok(&mut []);
    }
    check_len(pointer, len, name)?;
    // SAFETY: as in `output`, and no more than memory can have.
    Ok(unsafe { slice::from_raw_parts_mut(pointer.cast(), len) })
}

/// What is handed in: none is right for no memory.
///
/// # Safety
/// `pointer` is NULL or points to `len` elements that stay as they are during the call. Every
/// pattern of bits is a `T`.
pub(crate) unsafe fn inputs<'a, T: Copy>(
    pointer: *const T,
    len: usize,
    name: &'static str,
) -> Result<&'a [T], Fault> {
    if len == 0 {
        return Ok(&[]);
    }
    check_len(pointer, len, name)?;
    // SAFETY: not NULL, aligned, no more than memory can have; the caller vouches for the rest.
    Ok(unsafe { slice::from_raw_parts(pointer, len) })
}

/// One element that is handed in.
///
/// # Safety
/// As [`inputs`], for one.
pub(crate) unsafe fn input<'a, T: Copy>(
    pointer: *const T,
    name: &'static str,
) -> Result<&'a T, Fault> {
    check(pointer, name)?;
    // SAFETY: as in `inputs`.
    Ok(unsafe { &*pointer })
}

/// A text that is handed in.
///
/// # Safety
/// `pointer` is NULL or points to bytes that end with a zero and stay as they are during the call.
pub(crate) unsafe fn text<'a>(
    pointer: *const c_char,
    name: &'static str,
) -> Result<&'a str, Fault> {
    check(pointer, name)?;
    // SAFETY: not NULL; the caller vouches for the rest.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|_| Fault::NotUtf8(name))
}

/// Copies a text out as snprintf(3) does: as much as fits, and a zero. Answers how long it is.
///
/// # Safety
/// As [`outputs`], for `size` bytes.
pub(crate) unsafe fn copy_text(
    text: &[u8],
    buffer: *mut c_char,
    size: usize,
    name: &'static str,
) -> Result<c_int, Fault> {
    // SAFETY: the caller's promise is the same.
    let buffer = unsafe { outputs(buffer.cast::<u8>(), size, name) }?;
    if let Some(room) = buffer.len().checked_sub(1) {
        let len = room.min(text.len());
        for (to, &from) in buffer.iter_mut().zip(&text[..len]) {
            to.write(from);
        }
        buffer[len].write(0);
    }
    c_int::try_from(text.len()).map_err(|_| Fault::Overflow)
}

/// A file descriptor that is handed in, or -1.
pub(crate) fn fd<'a>(given: c_int, name: &'static str) -> Result<Option<BorrowedFd<'a>>, Fault> {
    match given {
        -1 => Ok(None),
        ..-1 => Err(Fault::Fd { name, given }),
        // SAFETY: not -1. It goes to the kernel as a number, which answers EBADF for one that isn't
        // open, and isn't kept beyond the call.
        0.. => Ok(Some(unsafe { BorrowedFd::borrow_raw(given) })),
    }
}

/// A yes or no.
pub(crate) fn flag(given: u32, name: &'static str) -> Result<bool, Fault> {
    match given {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(value(name, given)),
    }
}

/// A handle's type is a pointer's and its value a number.
pub(crate) fn handle<T>(number: usize) -> *mut T {
    ptr::without_provenance_mut(number)
}
