//! Which paths are ours: what a client passed, made absolute and plain.
//!
//! Runs for every path of a client, so it neither allocates nor locks.

use std::ffi::CStr;
use std::ops::Range;

use crate::proc::{self, ProcPath};
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

/// Words of which one is in every relative path that may lead to a device, or into or out of the
/// shadow tree. Of other paths only those that make something are looked at more closely.
const HINTS: &[&[u8]] =
    &[b"vfio", b"vhost-", b"mdev", b"vdpa", b"iommu_groups", b"devices", b"misc", b":", b".."];

const PATH_MAX: usize = libc::PATH_MAX as usize;
/// A directory, a slash, what is relative to it, a slash, and a NUL.
const ROOM: usize = 2 * PATH_MAX + 3;
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
    /// The reserved descriptors.
    range: Range<u32>,
}

/// What a path of ours means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A file of the shadow tree, [`Paths::current`].
    File,
    /// What this descriptor of this thread refers to, which may be ours or not: the path ends in
    /// one of the links that /proc has for descriptors.
    Descriptor(u32, u32),
}

/// Where a path may lead, as openat2(2) can limit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Anywhere,
    /// RESOLVE_BENEATH: nowhere else.
    Beneath,
    /// RESOLVE_IN_ROOT: the directory is the root.
    InRoot,
}

impl Paths {
    pub(crate) fn new(shadow: Vec<u8>, numbers: Vec<Vec<u8>>, range: Range<u32>) -> Self {
        let (raw, plain) = (Box::new([0; PATH_MAX]), Box::new([0; ROOM]));
        Self { raw, plain, len: 0, shadow, numbers, range }
    }

    /// The path at `address` of thread `tid`, relative to `dir`, if it is one of ours.
    ///
    /// Not among them are files without a device that are named from within the shadow tree: there
    /// they are, and the client's call finds them without us. This is asked of every path.
    pub(crate) fn ours(&mut self, tid: u32, dir: i32, address: u64) -> Option<Meaning> {
        let len = self.read(tid, address)?;
        if self.raw[..len].first() != Some(&b'/') && !self.has_hint(&self.raw[..len]) {
            return None;
        }
        self.meaning(Scope::Anywhere, tid, dir, len)
    }

    /// The same, with every file of ours, of a path that may not lead everywhere.
    pub(crate) fn ours_in(
        &mut self,
        scope: Scope,
        tid: u32,
        dir: i32,
        address: u64,
    ) -> Option<Meaning> {
        let len = self.read(tid, address)?;
        self.meaning(scope, tid, dir, len)
    }

    /// What `raw[..len]` means, if it is ours.
    fn meaning(&mut self, scope: Scope, tid: u32, dir: i32, len: usize) -> Option<Meaning> {
        self.resolve(scope, tid, dir, len)?;
        let path = &self.plain[..self.len];
        if let Some((tid, fd)) = proc::descriptor(tid, path) {
            return self.range.contains(&fd).then_some(Meaning::Descriptor(tid, fd));
        }
        if !self.is_ours(path) {
            return None;
        }
        self.plain[self.len] = 0;
        Some(Meaning::File)
    }

    /// The path that [`Paths::ours`] found last.
    pub(crate) fn current(&self) -> &CStr {
        CStr::from_bytes_until_nul(&*self.plain).unwrap_or_default()
    }

    /// Whether the path asked about last was said to begin below its own first directory: then no
    /// mount lies between, since /dev, /proc and /sys are one each.
    pub(crate) fn stays_in_mount(&self, scope: Scope, tid: u32, dir: i32) -> bool {
        let first = |path: &[u8]| path.split(|&byte| byte == b'/').nth(1).map(<[u8]>::len);
        let mut from = [0; PATH_MAX];
        let Some(len) = base_of(tid, dir, &self.shadow, &mut from) else {
            return false;
        };
        let (from, to) = (&from[..len], &self.plain[..self.len]);
        (self.raw[0] != b'/' || scope == Scope::InRoot)
            && first(from).is_some_and(|len| len > 0 && to.get(..len + 1) == Some(&from[..len + 1]))
            && first(from) == first(to)
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

    /// Whether `path`, which is relative, may be ours, wherever it is relative to.
    fn has_hint(&self, path: &[u8]) -> bool {
        let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        HINTS.iter().any(|hint| contains(path, hint))
            || (!last.is_empty() && last.iter().all(u8::is_ascii_digit))
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
    fn resolve(&mut self, scope: Scope, tid: u32, dir: i32, len: usize) -> Option<()> {
        let absolute = *self.raw[..len].first()? == b'/';
        let relative = match scope {
            Scope::Anywhere => !absolute,
            Scope::Beneath if absolute => return None,
            Scope::Beneath | Scope::InRoot => true,
        };
        self.len = 0;
        if relative {
            self.len = base_of(tid, dir, &self.shadow, &mut self.plain[..PATH_MAX])?;
        }
        let Self { raw, plain, .. } = self;
        let (raw, root) = (&raw[..len], self.len);
        for component in raw.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." if scope != Scope::Anywhere && self.len == root => {
                    if scope == Scope::Beneath {
                        return None;
                    }
                }
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
        // What must be a directory is still said to be one.
        if matches!(raw, [.., b'/'] | [.., b'/', b'.']) && self.len > 0 {
            plain[self.len] = b'/';
            self.len += 1;
        }
        Some(())
    }
}

/// Where a path relative to `dir` begins, as clients see it: in the shadow tree, as if that were
/// the root.
fn base_of(tid: u32, dir: i32, shadow: &[u8], into: &mut [u8]) -> Option<usize> {
    let link = match dir {
        libc::AT_FDCWD => ProcPath::new(format_args!("/proc/{tid}/cwd")),
        _ => ProcPath::new(format_args!("/proc/{tid}/fd/{dir}")),
    };
    let len = sys::fs::read_link_path(link?.as_c_str(), into).ok()?.len();
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    fn ours(path: &str) -> Option<String> {
        let mut paths = Paths::new(b"/shadow".to_vec(), vec![b"511:0".to_vec()], 900..1000);
        let text = std::ffi::CString::new(path).unwrap();
        match paths.ours(std::process::id(), libc::AT_FDCWD, text.as_ptr() as u64)? {
            Meaning::File => Some(paths.current().to_str().unwrap().to_owned()),
            Meaning::Descriptor(tid, fd) => Some(format!("{fd} of {tid}")),
        }
    }

    #[test]
    fn links_of_descriptors_are_found() {
        let pid = std::process::id();
        for path in [
            "/proc/self/fd/900",
            "/proc/thread-self/fd/900",
            "/dev/fd/900",
            "/dev//fd/./900",
            &format!("/proc/{pid}/fd/900"),
            &format!("/proc/1/task/{pid}/fd/900"),
            &format!("/proc/self/task/{pid}/fd/900"),
        ] {
            assert_eq!(ours(path), Some(format!("900 of {pid}")), "{path}");
        }
        for path in [
            "/proc/self/fd/899",
            "/proc/self/fd/1000",
            "/proc/self/fd/900/x",
            "/proc/self/fd/900/",
            "/proc/self/fd",
            "/proc/self/fdinfo/900",
            "/proc/x/fd/900",
            "/proc/self/task/x/fd/900",
            "/proc/self/task/1/maps/900",
            "/dev/fd/900x",
        ] {
            assert_eq!(ours(path), None, "{path}");
        }
    }

    #[test]
    fn a_scope_limits_where_a_path_leads() {
        let mut paths = Paths::new(b"/shadow".to_vec(), Vec::new(), 900..1000);
        let open = |path: &str| std::fs::File::open(path).unwrap();
        let (root, dev, tmp) = (open("/"), open("/dev"), open("/tmp"));
        let mut file = |scope, dir: &std::fs::File, path: &CStr| {
            let pid = std::process::id();
            match paths.ours_in(scope, pid, dir.as_raw_fd(), path.as_ptr() as u64)? {
                Meaning::File => Some(paths.current().to_owned()),
                Meaning::Descriptor(..) => panic!("no link was asked for"),
            }
        };
        let vfio = Some(c"/dev/vfio/7".to_owned());
        assert_eq!(file(Scope::InRoot, &root, c"/dev/vfio/7"), vfio);
        assert_eq!(file(Scope::InRoot, &tmp, c"/dev/vfio/7"), None);
        assert_eq!(file(Scope::InRoot, &dev, c"/../vfio/../vfio/7"), vfio);
        assert_eq!(file(Scope::Anywhere, &tmp, c"../dev/vfio/7"), vfio);
        assert_eq!(file(Scope::Beneath, &tmp, c"../dev/vfio/7"), None);
        assert_eq!(file(Scope::Beneath, &dev, c"vfio/../vfio/7"), vfio);
        assert_eq!(file(Scope::Beneath, &dev, c"../dev/vfio/7"), None);
        assert_eq!(file(Scope::Beneath, &root, c"/dev/vfio/7"), None);
        let mut paths = Paths::new(b"/shadow".to_vec(), Vec::new(), 900..1000);
        let mut stays = |scope, dir: &std::fs::File, path: &CStr| {
            let (pid, dir) = (std::process::id(), dir.as_raw_fd());
            assert!(paths.ours_in(scope, pid, dir, path.as_ptr() as u64).is_some());
            paths.stays_in_mount(scope, pid, dir)
        };
        assert!(stays(Scope::Anywhere, &dev, c"vfio/7"));
        assert!(!stays(Scope::Anywhere, &root, c"dev/vfio/7"));
        assert!(!stays(Scope::Anywhere, &dev, c"/dev/vfio/7"));
        assert!(!stays(Scope::Anywhere, &dev, c"../proc/devices"));
        assert!(stays(Scope::InRoot, &dev, c"/vfio/7"));
        assert!(!stays(Scope::InRoot, &root, c"/dev/vfio/7"));
    }

    #[test]
    fn our_names_are_found_however_they_are_written() {
        for (path, plain) in [
            ("/dev/vfio/vfio", "/dev/vfio/vfio"),
            ("//dev/./vfio//0", "/dev/vfio/0"),
            ("/tmp/../dev/vhost-vdpa-0", "/dev/vhost-vdpa-0"),
            ("/dev/vfio", "/dev/vfio"),
            ("/dev/vfio/", "/dev/vfio/"),
            ("/dev/vhost-vdpa-0//.", "/dev/vhost-vdpa-0/"),
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
        let mut paths = Paths::new(Vec::new(), Vec::new(), 900..1000);
        assert!(paths.ours(std::process::id(), libc::AT_FDCWD, 8).is_none());
        let endless = vec![b'/'; 2 * PATH_MAX];
        let address = endless.as_ptr() as u64;
        assert!(paths.ours(std::process::id(), libc::AT_FDCWD, address).is_none());
    }

    #[test]
    fn a_name_relative_to_a_directory_is_found() {
        let mut paths = Paths::new(b"/shadow".to_vec(), vec![b"511:0".to_vec()], 900..1000);
        let dev = std::fs::File::open("/dev").unwrap();
        let ours = paths.ours(std::process::id(), dev.as_raw_fd(), c"vfio/7".as_ptr() as u64);
        assert_eq!(ours, Some(Meaning::File));
        assert_eq!(paths.current(), c"/dev/vfio/7");
    }

    #[test]
    fn a_name_relative_to_the_shadow_tree_is_as_the_client_sees_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("dev/vfio")).unwrap();
        let mut paths =
            Paths::new(root.as_os_str().as_encoded_bytes().to_vec(), Vec::new(), 900..1000);
        let below = std::fs::File::open(root.join("dev/vfio")).unwrap();
        let ours = paths.ours(std::process::id(), below.as_raw_fd(), c"7".as_ptr() as u64);
        assert_eq!(ours, Some(Meaning::File));
        assert_eq!(paths.current(), c"/dev/vfio/7");
    }
}
