//! Keeps others from printing.

#![expect(unsafe_code, reason = "dup2(2) over standard output and error, which have no owner")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use crate::error::{Error, Result};

/// While it lives, standard output and standard error lead nowhere: criterion can't be told to be
/// silent. It panics where it can't print, so that a file, which a disk may have no room for, is no
/// place for it.
#[derive(Debug)]
pub struct Quiet {
    output: OwnedFd,
    error: OwnedFd,
}

impl Quiet {
    /// Sends what is printed nowhere.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Call`].
    pub fn new() -> Result<Self> {
        let nowhere = Path::new("/dev/null");
        let file = File::options().write(true).open(nowhere).map_err(Error::file(nowhere))?;
        let quiet = Self {
            output: duplicate(libc::STDOUT_FILENO)?,
            error: duplicate(libc::STDERR_FILENO)?,
        };
        redirect(&file, libc::STDOUT_FILENO)?;
        redirect(&file, libc::STDERR_FILENO)?;
        Ok(quiet)
    }

    /// What standard error was.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub fn stderr(&self) -> Result<File> {
        Ok(self.error.try_clone().map_err(Error::call("dup"))?.into())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Without it what follows goes nowhere too: nothing to be done about it here.
        let _ = redirect(&self.output, libc::STDOUT_FILENO);
        let _ = redirect(&self.error, libc::STDERR_FILENO);
    }
}

fn duplicate(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let fd = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if fd < 0 {
        return Err(Error::call("dup")(io::Error::last_os_error()));
    }
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn redirect(to: &impl AsRawFd, fd: RawFd) -> Result<()> {
    io::stdout().flush().map_err(Error::call("write"))?;
    // SAFETY: both are open; what is replaced stays open throughout.
    if unsafe { libc::dup2(to.as_raw_fd(), fd) } < 0 {
        return Err(Error::call("dup2")(io::Error::last_os_error()));
    }
    Ok(())
}
