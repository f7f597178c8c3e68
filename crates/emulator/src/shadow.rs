//! The shadow tree: real files below a directory of our own that stand for /dev and sysfs.

use std::ffi::CStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys;
use crate::sys::fs::Inode;

/// How the names of trees begin; the number of the process that made it follows.
const PREFIX: &str = "vhost-accel-";

/// The tree. Dropping it removes it, and if this process is killed, [`remove_leftovers`] elsewhere.
#[derive(Debug)]
pub(crate) struct Shadow {
    path: PathBuf,
    root: OwnedFd,
}

impl Shadow {
    /// An empty tree.
    pub(crate) fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        remove_leftovers();
        let parent = std::env::temp_dir().canonicalize()?;
        let path = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{}-{number}", std::process::id());
            let path = parent.join(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => break path,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        let name = std::ffi::CString::new(path.as_os_str().as_bytes())?;
        let root = sys::fs::open(&name, libc::O_RDONLY | libc::O_DIRECTORY)?;
        // Nobody removes what is locked, wherever process numbers are counted otherwise.
        sys::fs::try_lock(&root)?;
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

/// Removes the trees that killed processes have left in the temporary directory.
///
/// A tree is a leftover when its process is gone and nobody has it locked.
/// [`Builder::build`](crate::Builder::build) does this too; whoever starts a process that may be
/// killed can do it at once.
pub fn remove_leftovers() {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    for path in entries.filter_map(|entry| Some(entry.path()).filter(|path| is_leftover(path))) {
        // Another process may be at it as well.
        let _ = fs::remove_dir_all(path);
    }
}

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    let Some(owner) = owner.and_then(|pid| pid.parse::<u32>().ok()) else {
        return false;
    };
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // One of ours is a directory and of this user; what we may not open we may not remove.
    !Path::new(&format!("/proc/{owner}")).exists()
        && sys::fs::open(&path, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW)
            .is_ok_and(|root| sys::fs::try_lock(&root).is_ok())
}

impl Drop for Shadow {
    fn drop(&mut self) {
        // A leftover in the temporary directory harms nobody, and there is nobody to tell.
        let _ = fs::remove_dir_all(&self.path);
    }
}
