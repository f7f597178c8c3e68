//! The socket, and one front end after another.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vhost::vhost_user::{self, BackendReqHandler};
use vhost_accel_driver::core::VhostAccel;

use crate::early;
use crate::error::Error;
use crate::rings::Accel;

/// How a front end's session ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct End {
    /// What ended it; `None` for a front end that closed its socket.
    pub reason: Option<vhost_user::Error>,
    /// Kicks that the bridge took and made, for want of a kick by eventfd.
    pub relayed: u64,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            None => f.write_str("it closed its socket")?,
            Some(reason) => reason.fmt(f)?,
        }
        match self.relayed {
            0 => Ok(()),
            kicks => write!(f, " ({kicks} kicks relayed)"),
        }
    }
}

/// A device behind a vhost-user socket.
pub struct Bridge {
    accel: Arc<Mutex<Accel>>,
    listener: UnixListener,
    path: Box<Path>,
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Bridge {
    /// Listens at `path` for front ends of `device`, which was just opened. A socket that nobody
    /// listens at any more is replaced.
    ///
    /// # Errors
    /// [`Error::InUse`] and [`Error::Socket`]; [`Error::Device`] for a device that can't be asked
    /// for its features.
    pub fn bind(device: Box<dyn VhostAccel>, path: &Path) -> Result<Self, Error> {
        let accel = Arc::new(Mutex::new(Accel::new(device)?));
        let failed = |source| Error::Socket { path: path.into(), source };
        if let Ok(found) = fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(Error::InUse(path.into()));
            }
            match UnixStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path).map_err(failed)?;
                }
                Err(error) => return Err(failed(error)),
                Ok(_) => return Err(Error::InUse(path.into())),
            }
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        Ok(Self { accel, listener, path: path.into() })
    }

    /// Waits for the next front end and serves it until it goes. Others wait meanwhile. Then the
    /// device is reset, and nothing of the front end's is mapped.
    ///
    /// # Errors
    /// [`Error::Socket`] when nobody can be accepted; [`Error::Device`] when the device can't be
    /// reset: what was lent to it is then kept until it is closed.
    pub fn serve(&mut self) -> Result<End, Error> {
        let accepted = self.listener.accept();
        let (stream, _) =
            accepted.map_err(|source| Error::Socket { path: self.path.clone(), source })?;
        let failed = |source| Error::Socket { path: self.path.clone(), source };
        let own = stream.try_clone().map_err(failed)?;
        let mut handler = BackendReqHandler::from_stream(stream, Arc::clone(&self.accel));
        let mut next = || {
            if !self.accel().protocol && early::is_next(&own)? {
                return early::take(&own, &mut self.accel());
            }
            handler.handle_request()
        };
        let reason = loop {
            match next() {
                Ok(()) | Err(vhost_user::Error::SocketRetry(_)) => {}
                Err(vhost_user::Error::Disconnected) => break None,
                Err(reason) => break Some(reason),
            }
        };
        let mut accel = self.accel();
        accel.forget()?;
        Ok(End { reason, relayed: accel.take_relayed() })
    }

    fn accel(&self) -> MutexGuard<'_, Accel> {
        // What a request that panicked left behind is what `forget` is for.
        self.accel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // One that is gone is as good.
        let _ = fs::remove_file(&self.path);
    }
}
