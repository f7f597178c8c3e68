//! Paths below /proc.

use std::ffi::CStr;
use std::fmt;
use std::io::Write as _;

/// A short path below /proc, without the heap.
pub(crate) struct ProcPath {
    bytes: [u8; 64],
}

impl ProcPath {
    /// None: longer than any path below /proc that is asked for here.
    pub(crate) fn new(path: fmt::Arguments<'_>) -> Option<Self> {
        let mut bytes = [0; 64];
        let (_, room) = bytes.split_last_mut()?;
        (&mut *room).write_fmt(path).ok()?;
        Some(Self { bytes })
    }

    pub(crate) fn as_c_str(&self) -> &CStr {
        // The last byte is never written.
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

/// The thread and descriptor whose link in /proc `path` is, asked by thread `tid`.
pub(crate) fn descriptor(tid: u32, path: &[u8]) -> Option<(u32, u32)> {
    if !path.starts_with(b"/proc/") && !path.starts_with(b"/dev/fd/") {
        return None;
    }
    let number = |digits: &[u8]| -> Option<u32> { std::str::from_utf8(digits).ok()?.parse().ok() };
    let thread = |name: &[u8]| match name {
        b"self" | b"thread-self" => Some(tid),
        _ => number(name),
    };
    let mut parts = path.split(|&byte| byte == b'/').skip(1);
    let mut next = || parts.next();
    let (of, fd) = match (next()?, next()?, next()) {
        (b"dev", b"fd", Some(fd)) => (tid, fd),
        (b"proc", of, Some(b"fd")) => (thread(of)?, next()?),
        (b"proc", of, Some(b"task")) => {
            thread(of)?;
            let of = number(next()?)?;
            match (next()?, next()?) {
                (b"fd", fd) => (of, fd),
                _ => return None,
            }
        }
        _ => return None,
    };
    match next() {
        None => Some((of, number(fd)?)),
        Some(_) => None,
    }
}
