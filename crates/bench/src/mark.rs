//! Each scenario once, between marks that somebody who watches system calls can see: so that
//! crossings can be counted by strace, on a kernel that counts none itself.

#![expect(unsafe_code, reason = "a system call that is there to be seen")]

use crate::count::every;
use crate::error::Result;
use crate::results::Key;
use crate::watch::Watch;

/// What the mark before the measured part begins with; the key follows.
pub const BEGIN: &str = "begin ";
/// What the mark behind it begins with.
pub const END: &str = "end ";

/// Does every scenario that is counted once, through each configuration, on each client, on the
/// devices of this machine. Before and behind the measured part it writes a mark, [`BEGIN`] or
/// [`END`] and the key, to descriptor -1: which nobody reads, and strace shows.
///
/// # Errors
/// Those of the scenarios.
pub fn mark_crossings() -> Result<()> {
    every(&[], |key| Marker { key: key.clone() }, |_, _| Ok(()))
}

struct Marker {
    key: Key,
}

impl Marker {
    fn mark(&self, what: &str) {
        let mark = format!("{what}{}", self.key);
        // SAFETY: the kernel would read the mark's bytes; it doesn't come so far.
        unsafe { libc::write(-1, mark.as_ptr().cast(), mark.len()) };
    }
}

impl Watch for Marker {
    fn start(&mut self) {
        self.mark(BEGIN);
    }

    fn stop(&mut self) {
        self.mark(END);
    }
}
