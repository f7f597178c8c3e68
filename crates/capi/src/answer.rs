//! What a call answers: 0 or more, or a negative errno and a message for its thread.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use vhost_accel::{OpenError, QueueIndex};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0} is NULL")]
    Null(&'static str),
    #[error("{0} is not aligned as its type wants it")]
    Alignment(&'static str),
    #[error("{0} has more elements than memory has room for")]
    TooLong(&'static str),
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    #[error("{name} can't be {given}")]
    Value { name: &'static str, given: i64 },
    #[error("{0} is closed, or was never one")]
    Closed(&'static str),
    #[error("{name} is {given}: not a file descriptor, and not the -1 that says none")]
    Fd { name: &'static str, given: c_int },
    #[error("the state: {0}")]
    State(#[source] serde_json::Error),
    #[error("{given} call eventfds for {vrings} saved vrings")]
    Calls { vrings: usize, given: usize },
    #[error("the kicker of vring {0} is no doorbell")]
    NoDoorbell(QueueIndex),
    #[error("this process has too many open {0}")]
    TooMany(&'static str),
    #[error("out of memory for {0}")]
    Memory(&'static str),
    #[error("the answer is more than an int can say")]
    Overflow,
    #[error("a call on the device panicked before: close it")]
    Poisoned,
    #[error("panicked: {0}")]
    Panic(String),
    #[error("kick vring {queue}: {source}")]
    Kick { queue: QueueIndex, source: io::Error },
    #[error("list devices: {0}")]
    Devices(#[source] io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Device(#[from] vhost_accel::Error),
}

impl Fault {
    fn errno(&self) -> c_int {
        match self {
            Self::Null(_) | Self::Alignment(_) | Self::TooLong(_) => libc::EINVAL,
            Self::NotUtf8(_) | Self::Value { .. } | Self::State(_) | Self::Calls { .. } => {
                libc::EINVAL
            }
            Self::Closed(_) | Self::Fd { .. } => libc::EBADF,
            Self::NoDoorbell(_) => libc::EOPNOTSUPP,
            Self::TooMany(_) => libc::EMFILE,
            Self::Memory(_) => libc::ENOMEM,
            Self::Overflow => libc::EOVERFLOW,
            Self::Poisoned | Self::Panic(_) => libc::ENOTRECOVERABLE,
            Self::Kick { source, .. } | Self::Devices(source) => of_io(source),
            Self::Device(error) | Self::Open(OpenError::Device(error)) => error.os_error(),
            Self::Open(OpenError::Uri(_)) => libc::EINVAL,
            Self::Open(OpenError::NotCompiledIn(_) | OpenError::NoContainer(_)) => libc::EOPNOTSUPP,
            Self::Open(_) => libc::EIO,
        }
    }
}

fn of_io(error: &io::Error) -> c_int {
    error.raw_os_error().unwrap_or(libc::EIO)
}

thread_local! {
    static MESSAGE: RefCell<CString> = RefCell::default();
}

/// Runs what a function of the library does.
pub(crate) fn answer(call: impl FnOnce() -> Result<c_int, Fault>) -> c_int {
    // What a panic may have left half done is behind a lock, which it poisoned.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => value,
        Ok(Err(fault)) => refuse(&fault),
        Err(panic) => refuse(&Fault::Panic(words(&*panic))),
    }
}

/// As [`answer`], of a call that answers nothing but that it worked.
pub(crate) fn done(call: impl FnOnce() -> Result<(), Fault>) -> c_int {
    answer(|| call().map(|()| 0))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}

/// Leaves the message, and is the answer.
#[cold]
pub(crate) fn refuse(fault: &Fault) -> c_int {
    let text: Vec<u8> = fault.to_string().into_bytes();
    let text = CString::new(text).unwrap_or_else(|error| {
        let bytes = error.into_vec().into_iter().filter(|&byte| byte != 0).collect::<Vec<_>>();
        CString::new(bytes).unwrap_or_default()
    });
    // A thread that is ending has no message any more.
    let _ = MESSAGE.try_with(|message| message.replace(text));
    -fault.errno()
}

/// Says in words why the last call on this thread that failed did so: the device, the operation,
/// the vring or range, and the reason. "" if none has failed. Never NULL.
///
/// The text is the library's, and stays as it is until the next call on this thread that fails, or
/// the thread's end. Calls that succeed and calls on other threads leave it alone.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_last_error() -> *const c_char {
    MESSAGE.try_with(|message| message.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// The version of the library, "0.1.0" for one. The text is static.
#[unsafe(no_mangle)]
pub extern "C" fn vhost_accel_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn message() -> String {
        // SAFETY: the library's own text, which no call replaces meanwhile.
        let text = unsafe { CStr::from_ptr(vhost_accel_last_error()) };
        text.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_panic_is_an_errno_and_its_message() {
        assert_eq!(answer(|| panic!("a {}", "reason")), -libc::ENOTRECOVERABLE);
        assert_eq!(message(), "panicked: a reason");
        assert_eq!(answer(|| std::panic::panic_any(1)), -libc::ENOTRECOVERABLE);
        assert_eq!(message(), "panicked: without a message");
    }

    #[test]
    fn a_message_is_its_threads_and_outlives_a_success() {
        assert_eq!(message(), "");
        assert_eq!(done(|| Err(Fault::Null("x"))), -libc::EINVAL);
        let at = vhost_accel_last_error();
        std::thread::spawn(|| assert_eq!(message(), "")).join().unwrap();
        assert_eq!(answer(|| Ok(7)), 7);
        assert_eq!((vhost_accel_last_error(), message().as_str()), (at, "x is NULL"));
    }

    #[test]
    fn a_message_has_no_nul_inside() {
        done(|| Err(Fault::Panic("a\0b".to_owned())));
        assert_eq!(message(), "panicked: ab");
    }
}
