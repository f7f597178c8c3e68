//! Keeps what others print in a file.

#![expect(unsafe_code, reason = "dup2(2) over standard output and error, which have no owner")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use crate::error::{Error, Result};

/// While it lives, standard output and standard error are a file: criterion can't be told to be silent.
#[derive(Debug)]
pub struct Quiet {
    output: OwnedFd,
    error: OwnedFd,
}

impl Quiet {
    /// Sends what is printed to the file `path`, made anew.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Call`].
    pub fn new(path: &Path) -> Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(Error::file(dir))?;
        }
        let file = File::create(path).map_err(Error::file(path))?;
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
        // Without it what follows goes to the file too: nothing to be done about it here.
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
