//! Files that are there whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use crate::error::Error;
use crate::terminal::Fault;

/// Where files that were not kept may be.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Whoever holds it is not interrupted by [`Staged::end_process`].
fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that takes its name when it is complete: until [`keep`](Self::keep) what has that name is
/// what it was, and a file that isn't kept leaves nothing.
///
/// What is no regular file, a pipe, a terminal, `/dev/stdout`, is written as it comes.
#[derive(Debug)]
pub struct Staged(Place);

#[derive(Debug)]
enum Place {
    Beside { file: NamedTempFile, path: PathBuf },
    Direct(File),
}

impl Staged {
    /// A file that is to be called `path`. Where there is one, its permissions stay.
    ///
    /// # Errors
    /// Those of making a file in the directory of `path`.
    pub fn create(path: &Path) -> io::Result<Self> {
        let Some(path) = renamable(path)? else {
            let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
            return Ok(Self(Place::Direct(file)));
        };
        let dir = path.parent().unwrap_or(Path::new("/"));
        // Held from before the file is there, for `end_process` to know of it.
        let mut unfinished = unfinished();
        let file = tempfile::Builder::new()
            .prefix(".vhost-accel-")
            // As open(2) has it: without what the umask takes away.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(dir)?;
        unfinished.push(file.path().to_owned());
        drop(unfinished);
        if let Ok(there) = fs::metadata(&path) {
            file.as_file().set_permissions(there.permissions())?;
        }
        Ok(Self(Place::Beside { file, path }))
    }

    /// Ends the process, of which no file stays that isn't complete.
    pub fn end_process(fault: Fault) -> ! {
        // Held to the end: nobody makes another.
        let unfinished = unfinished();
        for path in &*unfinished {
            // Most are gone, or have got their names.
            let _ = fs::remove_file(path);
        }
        std::process::exit(fault.code().into())
    }

    /// The file as it is now.
    pub fn file(&self) -> &File {
        match &self.0 {
            Place::Beside { file, .. } => file.as_file(),
            Place::Direct(file) => file,
        }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// Those of writing what the kernel still holds, and of rename(2).
    pub fn keep(self) -> io::Result<()> {
        self.sync()?;
        self.rename()
    }

    /// Gives all of `files` their names, and removes what is `gone` then. What the kernel still
    /// holds is written before the first has its name; and [`end_process`](Self::end_process) comes
    /// before all of it or behind.
    ///
    /// # Errors
    /// As [`keep`](Self::keep), and those of unlink(2).
    pub(crate) fn keep_all(files: Vec<(PathBuf, Self)>, gone: &[PathBuf]) -> Result<(), Error> {
        for (path, file) in &files {
            file.sync().map_err(Error::file(path))?;
        }
        let _unfinished = unfinished();
        for (path, file) in files {
            file.rename().map_err(Error::file(&path))?;
        }
        gone.iter().try_for_each(|path| fs::remove_file(path).map_err(Error::file(path)))
    }

    fn sync(&self) -> io::Result<()> {
        match &self.0 {
            Place::Beside { file, .. } => file.as_file().sync_all(),
            Place::Direct(_) => Ok(()),
        }
    }

    fn rename(self) -> io::Result<()> {
        match self.0 {
            Place::Beside { file, path } => {
                file.persist(path).map(drop).map_err(|error| error.error)
            }
            Place::Direct(_) => Ok(()),
        }
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

/// Where a file has to be renamed to for `path` to lead to it: links are followed, so that they
/// stay. `None` of what can't be replaced: no regular file, or a name of an open one
/// (`/dev/stdout`, `/proc/self/fd/1`), whose other users would be left with the old.
fn renamable(path: &Path) -> io::Result<Option<PathBuf>> {
    /// As many links as Linux follows.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Some(name) = path.file_name() else { return Ok(None) };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let dir = fs::canonicalize(parent.unwrap_or(Path::new(".")))?;
        if dir == Path::new("/dev") || dir.starts_with("/proc") {
            return Ok(None);
        }
        let here = dir.join(name);
        match fs::symlink_metadata(&here) {
            Ok(what) if what.is_symlink() => path = dir.join(fs::read_link(&here)?),
            Ok(what) if what.is_file() => return Ok(Some(here)),
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(here)),
            Err(error) => return Err(error),
        }
    }
    // open(2) says what is wrong with it.
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;

    use super::*;

    fn put(path: &Path, text: &str) -> io::Result<()> {
        let mut staged = Staged::create(path)?;
        staged.write_all(text.as_bytes())?;
        staged.keep()
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_not_kept_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        put(&path, "before").unwrap();
        let mut staged = Staged::create(&path).unwrap();
        staged.write_all(b"after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        drop(staged);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn a_new_file_has_the_mode_of_any_other_and_an_old_one_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let (plain, path) = (dir.path().join("plain"), dir.path().join("file"));
        fs::write(&plain, "").unwrap();
        put(&path, "a").unwrap();
        assert_eq!(mode(&path), mode(&plain));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        put(&path, "b").unwrap();
        assert_eq!((mode(&path), &*fs::read_to_string(&path).unwrap()), (0o640, "b"));
    }

    #[test]
    fn a_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("inner/file", &link).unwrap();
        // Nothing is there at first, and then a file.
        for text in ["one", "two"] {
            put(&link, text).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(inner.join("file")).unwrap(), text);
        }
        std::os::unix::fs::symlink("round", dir.path().join("round")).unwrap();
        assert!(put(&dir.path().join("round"), "x").is_err());
        assert_eq!(names(&inner), ["file"]);
    }

    #[test]
    fn a_device_and_an_open_file_are_written_as_they_are() {
        put(Path::new("/dev/null"), "x").unwrap();
        let full = put(Path::new("/dev/full"), "x").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        let mut open = tempfile::tempfile().unwrap();
        put(Path::new(&format!("/proc/self/fd/{}", open.as_raw_fd())), "x").unwrap();
        let mut text = String::new();
        open.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        assert!(put(Path::new("/"), "x").is_err());
    }
}
