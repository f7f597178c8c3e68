//! Which paths are ours: what a client passed, made absolute and plain.
//!
//! Runs for every path of a client, so it neither allocates nor locks.

use std::{ffi::CStr, fmt, io::Write as _};

use crate::sys;

/// Directories, and beginnings of names, that the emulated kernel answers for.
const DIRECTORIES: &[&[u8]] = &[
    b"/dev/vfio",
    b"/proc/devices",
    b"/proc/misc",
    b"/sys/bus/mdev",
    b"/sys/bus/vdpa",
    b"/sys/class/misc/vfio",
    b"/sys/class/vfio",
    b"/sys/devices/virtual/misc/vfio",
    b"/sys/devices/virtual/vfio",
    b"/sys/kernel/iommu_groups",
];
const PREFIXES: &[&[u8]] = &[b"/dev/vhost-mdev-", b"/dev/vhost-vdpa-"];
/// Where sysfs finds character devices by their numbers, which are ours where they are.
const NUMBERS: &[u8] = b"/sys/dev/char/";

/// Words of which one is in every relative path that may be ours.
const HINTS: &[&[u8]] =
    &[b"vfio", b"vhost-", b"mdev", b"vdpa", b"iommu_groups", b"devices", b"misc", b":"];

const PATH_MAX: usize = libc::PATH_MAX as usize;
/// A directory, a slash, what is relative to it, and a NUL.
const ROOM: usize = 2 * PATH_MAX + 2;
const PAGE: u64 = 4096;

/// Room for a client's path and for what it means.
pub(crate) struct Paths {
    raw: Box<[u8; PATH_MAX]>,
    plain: Box<[u8; ROOM]>,
    len: usize,
    /// Where the shadow tree really is: a client's directory descriptor may point into it.
    shadow: Vec<u8>,
    /// The device numbers that are ours, as sysfs writes them.
    numbers: Vec<Vec<u8>>,
}

impl Paths {
    pub(crate) fn new(shadow: Vec<u8>, numbers: Vec<Vec<u8>>) -> Self {
        Self { raw: Box::new([0; PATH_MAX]), plain: Box::new([0; ROOM]), len: 0, shadow, numbers }
    }

    /// The path at `address` of thread `tid`, relative to `dir`, if it is one of ours.
    pub(crate) fn ours(&mut self, tid: u32, dir: i32, address: u64) -> Option<&CStr> {
        let len = self.read(tid, address)?;
        self.resolve(tid, dir, len)?;
        if !self.is_ours(&self.plain[..self.len]) {
            return None;
        }
        self.plain[self.len] = 0;
        Some(self.current())
    }

    /// The path that [`Paths::ours`] found last.
    pub(crate) fn current(&self) -> &CStr {
        CStr::from_bytes_until_nul(&*self.plain).unwrap_or_default()
    }

    fn is_ours(&self, path: &[u8]) -> bool {
        let in_directory = |directory: &&[u8]| {
            let rest = path.strip_prefix(*directory);
            rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        let is_number = |rest: &[u8]| {
            let name = rest.split(|&byte| byte == b'/').next();
            name.is_some_and(|name| self.numbers.iter().any(|number| number == name))
        };
        DIRECTORIES.iter().any(in_directory)
            || PREFIXES.iter().any(|prefix| path.starts_with(prefix))
            || path.strip_prefix(NUMBERS).is_some_and(is_number)
    }

    /// Copies the client's string to `raw`; its length. None: it can't be read or has no end.
    fn read(&mut self, tid: u32, address: u64) -> Option<usize> {
        let mut len = 0;
        // Most paths are short. A copy that would cross into a page that isn't there fails whole.
        let mut most = 256;
        while len < PATH_MAX {
            let at = address.checked_add(len as u64)?;
            let chunk = most.min((PAGE - at % PAGE) as usize).min(PATH_MAX - len);
            let into = &mut self.raw[len..len + chunk];
            sys::remote::read_memory(tid, at, into).ok()?;
            if let Some(end) = into.iter().position(|&byte| byte == 0) {
                return Some(len + end);
            }
            len += chunk;
            most = PATH_MAX;
        }
        None
    }

    /// Makes `raw[..len]` absolute and plain, in `plain`. None: certainly not ours.
    fn resolve(&mut self, tid: u32, dir: i32, len: usize) -> Option<()> {
        let Self { raw, plain, .. } = self;
        let raw = &raw[..len];
        self.len = 0;
        match raw.first()? {
            b'/' => {}
            _ if dir == libc::AT_FDCWD => {
                if !HINTS.iter().any(|hint| contains(raw, hint)) {
                    return None;
                }
                let link = ProcPath::new(format_args!("/proc/{tid}/cwd"))?;
                self.len = base(&link, &self.shadow, &mut plain[..PATH_MAX])?;
            }
            _ => {
                let link = ProcPath::new(format_args!("/proc/{tid}/fd/{dir}"))?;
                self.len = base(&link, &self.shadow, &mut plain[..PATH_MAX])?;
            }
        }
        for component in raw.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    let parent = plain[..self.len].iter().rposition(|&byte| byte == b'/');
                    self.len = parent.unwrap_or(0);
                }
                name => {
                    let end = self.len + 1 + name.len();
                    plain[self.len] = b'/';
                    plain[self.len + 1..end].copy_from_slice(name);
                    self.len = end;
                }
            }
        }
        Some(())
    }
}

/// Where `link` points, as clients see it: in the shadow tree, as if that were the root.
fn base(link: &ProcPath, shadow: &[u8], into: &mut [u8]) -> Option<usize> {
    let len = sys::fs::read_link_path(link.as_c_str(), into).ok()?.len();
    let below = into[..len].strip_prefix(shadow);
    if below.is_some_and(|below| below.is_empty() || below[0] == b'/') {
        into.copy_within(shadow.len()..len, 0);
        return Some(len - shadow.len());
    }
    (into[..len].first() == Some(&b'/')).then_some(if len == 1 { 0 } else { len })
}

fn contains(path: &[u8], word: &[u8]) -> bool {
    path.windows(word.len()).any(|window| window == word)
}

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

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    fn ours(path: &str) -> Option<String> {
        let mut paths = Paths::new(b"/shadow".to_vec(), vec![b"511:0".to_vec()]);
        let text = std::ffi::CString::new(path).unwrap();
        let path = paths.ours(std::process::id(), libc::AT_FDCWD, text.as_ptr() as u64);
        path.map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn our_names_are_found_however_they_are_written() {
        for (path, plain) in [
            ("/dev/vfio/vfio", "/dev/vfio/vfio"),
            ("//dev/./vfio//0", "/dev/vfio/0"),
            ("/tmp/../dev/vhost-vdpa-0", "/dev/vhost-vdpa-0"),
            ("/dev/vfio", "/dev/vfio"),
            ("/dev/vfio/", "/dev/vfio"),
            ("/dev/vhost-mdev-12", "/dev/vhost-mdev-12"),
            ("/sys/bus/mdev/devices", "/sys/bus/mdev/devices"),
            ("/proc/./devices", "/proc/devices"),
            ("/sys/dev/char/511:0", "/sys/dev/char/511:0"),
            ("/sys/dev/char/511:0/../511:0/dev", "/sys/dev/char/511:0/dev"),
        ] {
            assert_eq!(ours(path).as_deref(), Some(plain), "{path}");
        }
    }

    #[test]
    fn other_names_are_not_ours() {
        for path in [
            "/dev/null",
            "/dev/vfiox",
            "/dev/vhost-net",
            "/sys/bus/mdevx/a",
            "/",
            "",
            "vfio",
            "/dev/vfio/../null",
            "/home/dev/vfio/vfio",
            "/sys/bus/pci/devices",
            "/proc/device",
            "/sys/dev/char",
            "/sys/dev/char/511:01",
            "/sys/dev/char/511",
        ] {
            assert_eq!(ours(path), None, "{path}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_read_or_has_no_end_is_not_ours() {
        let mut paths = Paths::new(Vec::new(), Vec::new());
        assert!(paths.ours(std::process::id(), libc::AT_FDCWD, 8).is_none());
        let endless = vec![b'/'; 2 * PATH_MAX];
        let address = endless.as_ptr() as u64;
        assert!(paths.ours(std::process::id(), libc::AT_FDCWD, address).is_none());
    }

    #[test]
    fn a_name_relative_to_a_directory_is_found() {
        let mut paths = Paths::new(b"/shadow".to_vec(), vec![b"511:0".to_vec()]);
        let dev = std::fs::File::open("/dev").unwrap();
        let ours = paths.ours(std::process::id(), dev.as_raw_fd(), c"vfio/7".as_ptr() as u64);
        assert_eq!(ours, Some(c"/dev/vfio/7"));
    }

    #[test]
    fn a_name_relative_to_the_shadow_tree_is_as_the_client_sees_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("dev/vfio")).unwrap();
        let mut paths = Paths::new(root.as_os_str().as_encoded_bytes().to_vec(), Vec::new());
        let below = std::fs::File::open(root.join("dev/vfio")).unwrap();
        let ours = paths.ours(std::process::id(), below.as_raw_fd(), c"7".as_ptr() as u64);
        assert_eq!(ours, Some(c"/dev/vfio/7"));
    }
}
