//! Keeps what others print on standard output in a file.

#![expect(unsafe_code, reason = "dup2(2) over standard output, which has no owner")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use crate::error::{Error, Result};

/// While it lives, standard output is a file: criterion can't be told to be silent.
#[derive(Debug)]
pub struct Quiet {
    before: OwnedFd,
}

impl Quiet {
    /// Sends standard output to the file `path`, made anew.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Call`].
    pub fn new(path: &Path) -> Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(Error::file(dir))?;
        }
        let file = File::create(path).map_err(Error::file(path))?;
        // SAFETY: takes no pointer.
        let before = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3) };
        if before < 0 {
            return Err(Error::call("dup")(io::Error::last_os_error()));
        }
        // SAFETY: a new descriptor that nobody else has.
        let before = unsafe { OwnedFd::from_raw_fd(before) };
        let quiet = Self { before };
        redirect(&file)?;
        Ok(quiet)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Without it what follows goes to the file too: nothing to be done about it here.
        let _ = redirect(&self.before);
    }
}

fn redirect(to: &impl AsRawFd) -> Result<()> {
    io::stdout().flush().map_err(Error::call("write"))?;
    // SAFETY: both are open; standard output stays open throughout.
    if unsafe { libc::dup2(to.as_raw_fd(), libc::STDOUT_FILENO) } < 0 {
        return Err(Error::call("dup2")(io::Error::last_os_error()));
    }
    Ok(())
}
