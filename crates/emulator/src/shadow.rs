//! The shadow tree: real files below a directory of our own that stand for /dev and sysfs.

use std::{
    ffi::CStr,
    fs::{self, DirBuilder, Permissions},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink},
        },
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{files::Inode, sys};

/// The tree. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Shadow {
    path: PathBuf,
    root: OwnedFd,
}

impl Shadow {
    /// An empty tree.
    pub(crate) fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let parent = std::env::temp_dir().canonicalize()?;
        let path = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("vhost-accel-{}-{number}", std::process::id());
            let path = parent.join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        let name = std::ffi::CString::new(path.as_os_str().as_bytes())?;
        let root = sys::fs::open(&name, libc::O_PATH | libc::O_DIRECTORY)?;
        Ok(Self { path, root })
    }

    /// Where the tree really is.
    pub(crate) fn real_path(&self) -> &Path {
        &self.path
    }

    /// Makes the file that clients see at `path`, and the directories above it.
    pub(crate) fn file(&self, path: &str, content: &str) -> io::Result<()> {
        let path = self.place(path)?;
        fs::write(&path, content)?;
        fs::set_permissions(path, Permissions::from_mode(0o644))
    }

    /// Makes the placeholder of the character device that clients see at `path`.
    pub(crate) fn node(&self, path: &str) -> io::Result<Inode> {
        let path = self.place(path)?;
        fs::write(&path, "")?;
        fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        let metadata = fs::metadata(path)?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// Makes the symbolic link that clients see at `path`.
    pub(crate) fn link(&self, path: &str, target: &str) -> io::Result<()> {
        symlink(target, self.place(path)?)
    }

    fn place(&self, path: &str) -> io::Result<PathBuf> {
        let place = self.path.join(path.trim_start_matches('/'));
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(place)
    }

    /// Opens what clients see at `path`, with open(2)'s flags.
    pub(crate) fn open(&self, path: &CStr, flags: i32) -> io::Result<OwnedFd> {
        sys::fs::open_in(&self.root, path, flags)
    }

    /// The same with the `struct open_how` of openat2(2), whose scope is to be the tree.
    pub(crate) fn open_how(&self, path: &CStr, how: &[u8]) -> io::Result<OwnedFd> {
        sys::fs::open_how(&self.root, path, how)
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        // A leftover in the temporary directory harms nobody, and there is nobody to tell.
        let _ = fs::remove_dir_all(&self.path);
    }
}
