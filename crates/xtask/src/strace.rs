//! Crossings as strace sees them, to hold against those that the emulated kernel counts.
//!
//! The program that is traced says what it measures by two system calls that fail and do nothing
//! else: `write(-1, "begin KEY", …)` and `write(-1, "end KEY", …)`. What the thread that said so
//! does between them is counted, and named as [`Crossings`] names it. What one KEY measured in
//! several parts adds up.
//!
//! `strace -f -y -X raw -x -s 256 -o TRACE` (of version 6.1) is what writes a trace: threads, what
//! descriptors are, numbers in place of constants' names, bytes where there is no text, and enough
//! of them for an IOTLB message.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use vhost_accel_bench::emulator::{Crossings, Kind, names};
use vhost_accel_bench::terminal::{Fault, one_line, print};

/// What makes a trace unusable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It can't be read.
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    /// A line that no strace writes.
    #[error("line {0}: not understood")]
    Line(usize),
    /// An end without its begin, a begin within another, or one that no end follows.
    #[error("{0}: its begin and end don't match")]
    Markers(String),
}

impl Error {
    /// Whose fault it is.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Read { .. } | Self::Line(_) | Self::Markers(_) => Fault::Wrong,
            Self::Output(error) => Fault::of_output(error),
        }
    }
}

/// Where strace's output is.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// What `strace -f -y -X raw -x -s 256 -o TRACE PROGRAM` wrote
    trace: PathBuf,
}

/// Prints the crossings of every KEY in a trace.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let read = |source| Error::Read { path: options.trace.clone(), source };
    for (key, crossings) in crossings(&fs::read_to_string(&options.trace).map_err(read)?)? {
        print(one_line(&key)).map_err(Error::Output)?;
        for line in crossings.to_string().lines() {
            print(one_line(line)).map_err(Error::Output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The crossings of every KEY in what strace wrote.
pub(crate) fn crossings(text: &str) -> Result<BTreeMap<String, Crossings>, Error> {
    let mut threads: HashMap<&str, Thread> = HashMap::new();
    // Of all threads: they share their memory.
    let mut doorbells = Vec::new();
    let mut found: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let (pid, rest) = line.split_once(' ').ok_or(Error::Line(number + 1))?;
        let thread = threads.entry(pid).or_default();
        let Some(call) = thread.complete(rest.trim_start()) else { continue };
        let call = Call::parse(&call).ok_or(Error::Line(number + 1))?;
        match call.marker() {
            Some(("begin", key)) => {
                if let Some((other, _)) = thread.measured.replace((key, Vec::new())) {
                    return Err(Error::Markers(other));
                }
            }
            Some((_, key)) => match thread.measured.take() {
                Some((begun, kinds)) if begun == key => found.entry(key).or_default().extend(kinds),
                _ => return Err(Error::Markers(key)),
            },
            None => {
                let kind = call.kind(&mut doorbells);
                if let (Some((_, kinds)), Some(kind)) = (&mut thread.measured, kind) {
                    kinds.push(kind);
                }
            }
        }
    }
    match threads.into_values().find_map(|thread| thread.measured) {
        Some((key, _)) => Err(Error::Markers(key)),
        None => {
            Ok(found.into_iter().map(|(key, kinds)| (key, kinds.into_iter().collect())).collect())
        }
    }
}

/// What is known of a thread.
#[derive(Default)]
struct Thread {
    /// The begin of a call during which another thread had its turn.
    unfinished: Option<String>,
    /// What it measures, and what it did since it said so.
    measured: Option<(String, Vec<Cow<'static, str>>)>,
}

impl Thread {
    /// A whole system call, once it is there. Signals and exits are none.
    fn complete(&mut self, line: &str) -> Option<String> {
        if line.starts_with("---") || line.starts_with("+++") {
            return None;
        }
        if let Some(begin) = line.strip_suffix("<unfinished ...>") {
            self.unfinished = Some(begin.to_owned());
            return None;
        }
        match line.strip_prefix("<... ") {
            // `<... read resumed>"…", 8) = 8`
            Some(resumed) => {
                let (_, rest) = resumed.split_once(" resumed>")?;
                Some(self.unfinished.take()? + rest)
            }
            None => Some(line.to_owned()),
        }
    }
}

/// One system call, as text.
struct Call<'a> {
    name: &'a str,
    args: Vec<&'a str>,
    result: &'a str,
}

impl<'a> Call<'a> {
    /// `name(args) = result`. A call that ended its process has no result.
    fn parse(line: &'a str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        let (args, result) = arguments(rest)?;
        Some(Self {
            name,
            args,
            result: result.trim_start().strip_prefix("= ").unwrap_or_default(),
        })
    }

    fn arg(&self, index: usize) -> &'a str {
        self.args.get(index).copied().unwrap_or_default()
    }

    /// What descriptor argument `index` is: `5</dev/null>`, `7<anon_inode:[eventfd]>`.
    fn file(&self, index: usize) -> &'a str {
        let text = self.arg(index);
        text.split_once('<').and_then(|(_, file)| file.strip_suffix('>')).unwrap_or_default()
    }

    fn number(&self, index: usize) -> Option<u64> {
        number(self.arg(index))
    }

    /// `begin` or `end`, and the KEY.
    fn marker(&self) -> Option<(&'a str, String)> {
        if self.name != "write" || self.arg(0) != "-1" {
            return None;
        }
        let text = self.arg(1).strip_prefix('"')?.strip_suffix('"')?;
        let (word, key) = text.split_once(' ')?;
        matches!(word, "begin" | "end").then(|| (word, key.to_owned()))
    }

    /// Its kind, if it is one that is counted; notes where doorbells are.
    fn kind(&self, doorbells: &mut Vec<Range<u64>>) -> Option<Cow<'static, str>> {
        let special = match self.name {
            "ioctl" => return Some(names::ioctl(self.number(1).unwrap_or(0) as u32)),
            "mmap" => {
                // Memory of the process's own.
                if self.arg(4) == "-1" {
                    return None;
                }
                is_device(self.file(4)).then(|| {
                    if let (Some(at), Some(len)) = (number(self.result), self.number(1)) {
                        doorbells.push(at..at + len);
                    }
                    Kind::MmapDoorbell
                })
            }
            "munmap" => {
                let at = self.number(0)?;
                let range = at..at + self.number(1)?;
                let before = doorbells.len();
                doorbells.retain(|there| there.start >= range.end || range.start >= there.end);
                return (doorbells.len() < before).then(|| Kind::MunmapDoorbell.name().into());
            }
            _ => self.transfer(),
        };
        match special {
            Some(kind) => Some(kind.name().into()),
            None if names::is_housekeeping(self.name) => None,
            None => Some(self.name.to_owned().into()),
        }
    }

    /// A read or write that is about something.
    fn transfer(&self) -> Option<Kind> {
        let file = self.file(0);
        match (self.name, file) {
            ("write", EVENTFD) => Some(Kind::WriteEventfd),
            ("read", EVENTFD) => Some(Kind::ReadEventfd),
            ("write", _) if file.starts_with(VDPA) => {
                Some(Kind::of_iotlb(byte(self.arg(1), Kind::IOTLB_TYPE).unwrap_or(0)))
            }
            ("pread64" | "pwrite64" | "read" | "write", VFIO_DEVICE) => {
                let write = self.name.ends_with("write") || self.name == "pwrite64";
                Kind::of_region(self.number(3).unwrap_or(0), write)
            }
            _ => None,
        }
    }
}

const EVENTFD: &str = "anon_inode:[eventfd]";
const VFIO_DEVICE: &str = "anon_inode:[vfio-device]";
const VDPA: &str = "/dev/vhost-vdpa-";
const MDEV: &str = "/dev/vhost-mdev-";

/// A file whose mappings are doorbells.
fn is_device(file: &str) -> bool {
    file == VFIO_DEVICE || file.starts_with(VDPA) || file.starts_with(MDEV)
}

fn number(text: &str) -> Option<u64> {
    // `0x7f00`, `72`, and what may stand behind: `3<file>`, `-1 EBADF (…)`.
    let text = text.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Byte `at` of a string of `\x00\x01…`, as `-x` prints what isn't text.
fn byte(string: &str, at: usize) -> Option<u8> {
    let hex = string.strip_prefix("\"\\x")?.split("\\x").nth(at)?;
    u8::from_str_radix(hex.get(..2)?, 16).ok()
}

/// Splits `a, "b, c", {d, e}) rest` into the arguments and the rest.
fn arguments(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let mut args = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                args.push(text[start..at].trim());
                return Some((args, &text[at + 1..]));
            }
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                args.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is counted between `begin key` and `end key` around `lines`, each of thread 7.
    fn counted(lines: &str) -> Vec<(String, u64)> {
        let mark =
            |word| format!("write(-1, \"{word} key\", 9) = -1 EBADF (Bad file descriptor)\n");
        let text = [mark("begin"), lines.to_owned(), mark("end")].concat();
        let text: String = text.lines().map(|line| format!("7     {line}\n")).collect();
        let found = crossings(&text).unwrap();
        found["key"].iter().map(|(kind, count)| (kind.to_owned(), count)).collect()
    }

    #[track_caller]
    fn assert_counted(lines: &str, want: &[(&str, u64)]) {
        let want: Vec<_> = want.iter().map(|(kind, n)| ((*kind).to_owned(), *n)).collect();
        assert_eq!(counted(lines), want);
    }

    /// From the bench in the lab. That is what the emulated kernel counts in the same scenarios.
    #[test]
    fn a_trace_from_the_lab() {
        let found = crossings(include_str!("lab.trace")).unwrap();
        let counts = |key: &str| found[key].iter().collect::<Vec<_>>();
        assert_eq!(found.len(), 7);
        assert_eq!(
            counts("setup-batched/1/vhost-vdpa/batch/library"),
            [
                ("ioctl VHOST_GET_BACKEND_FEATURES", 1),
                ("ioctl VHOST_GET_FEATURES", 1),
                ("ioctl VHOST_SET_BACKEND_FEATURES", 1),
                ("ioctl VHOST_SET_FEATURES", 1),
                ("ioctl VHOST_SET_OWNER", 1),
                ("ioctl VHOST_SET_VRING_ADDR", 3),
                ("ioctl VHOST_SET_VRING_CALL", 3),
                ("ioctl VHOST_SET_VRING_NUM", 3),
                ("ioctl VHOST_VDPA_GET_DEVICE_ID", 1),
                ("ioctl VHOST_VDPA_GET_STATUS", 2),
                ("ioctl VHOST_VDPA_GET_VQS_COUNT", 1),
                ("ioctl VHOST_VDPA_GET_VRING_NUM", 1),
                ("ioctl VHOST_VDPA_SET_STATUS", 3),
                ("ioctl VHOST_VDPA_SET_VRING_ENABLE", 3),
                ("mmap doorbell", 2),
                ("openat", 1),
                ("write iotlb BATCH_BEGIN", 1),
                ("write iotlb BATCH_END", 1),
                ("write iotlb UPDATE", 2)
            ]
        );
        assert_eq!(
            counts("setup-batched/1/vfio-msg/batch/library"),
            [
                ("ioctl VFIO_CHECK_EXTENSION", 1),
                ("ioctl VFIO_DEVICE_GET_INFO", 1),
                ("ioctl VFIO_DEVICE_GET_IRQ_INFO", 3),
                ("ioctl VFIO_DEVICE_GET_REGION_INFO", 5),
                ("ioctl VFIO_DEVICE_SET_IRQS", 1),
                ("ioctl VFIO_GET_API_VERSION", 1),
                ("ioctl VFIO_GROUP_GET_DEVICE_FD", 1),
                ("ioctl VFIO_GROUP_GET_STATUS", 1),
                ("ioctl VFIO_GROUP_SET_CONTAINER", 1),
                ("ioctl VFIO_IOMMU_MAP_DMA", 2),
                ("ioctl VFIO_SET_IOMMU", 1),
                ("mmap doorbell", 1),
                ("openat", 2),
                ("pread CONFIG", 5),
                ("pwrite CONFIG", 7),
                ("readlink", 1)
            ]
        );
        assert_eq!(counts("kick/region-write/vfio-msg/plain/library"), [("pwrite NOTIFY", 1)]);
        assert_eq!(counts("kick/eventfd/vhost-mdev/plain/library"), [("write eventfd", 1)]);
        assert_eq!(counts("call/vfio-ioctl/plain/library"), [("read eventfd", 1)]);
        assert_eq!(
            counts("dma-unmap/4K/vhost-vdpa/plain/library"),
            [("write iotlb INVALIDATE", 1)]
        );
        assert_eq!(
            counts("teardown/1/vhost-vdpa/plain/library"),
            [("close", 1), ("fcntl", 1), ("munmap", 2)]
        );
    }

    #[test]
    fn requests_have_their_names() {
        assert_counted(
            "ioctl(5</dev/vhost-vdpa-0>, 0x8008af00, 0x7ffd0c8b8e70) = 0\n\
             ioctl(5</dev/vhost-vdpa-0>, 0x4008af10, 0x7ffd0c8b8e70) = 0\n\
             ioctl(1</dev/null>, 0x5401, 0x7ffd0c8b8e70) = -1 ENOTTY (Inappropriate ioctl for device)\n",
            &[
                ("ioctl 0x00005401", 1),
                ("ioctl VHOST_GET_FEATURES", 1),
                ("ioctl VHOST_SET_VRING_NUM", 1),
            ],
        );
    }

    #[test]
    fn housekeeping_is_left_out() {
        assert_counted(
            "brk(NULL) = 0x55b1b7a6d000\n\
             mmap(NULL, 4096, 0x3, 0x22, -1, 0) = 0x7f1a36f5b000\n\
             munmap(0x7f1a36f5b000, 4096) = 0\n\
             futex(0x7f1a36d3c990, 0x81, 1) = 0\n\
             openat(-100</>, \"/etc/x, (\\\"y\\\")\", 0x80000) = 5</etc/x, (\"y\")>\n\
             mmap(NULL, 4096, 0x1, 0x2, 5</etc/hosts>, 0) = 0x7f1a36f5b000\n",
            &[("mmap", 1), ("openat", 1)],
        );
    }

    #[test]
    fn doorbells_are_known_when_they_go() {
        assert_counted(
            "mmap(NULL, 4096, 0x2, 0x1, 5</dev/vhost-vdpa-0>, 0) = 0x7f1a36f5b000\n\
             munmap(0x7f1a36f5c000, 4096) = 0\n\
             munmap(0x7f1a36f5b000, 4096) = 0\n\
             munmap(0x7f1a36f5b000, 4096) = 0\n",
            &[("mmap doorbell", 1), ("munmap", 1)],
        );
    }

    #[test]
    fn a_call_may_be_interrupted_by_other_threads() {
        let text = "7  write(-1, \"begin call/vfio-msg\", 19) = -1 EBADF (Bad file descriptor)\n\
                    7  read(4<anon_inode:[eventfd]>,  <unfinished ...>\n\
                    8  openat(-100</>, \"/dev/null\", 0x2) = 9</dev/null>\n\
                    7  <... read resumed>\"\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\", 8) = 8\n\
                    7  --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=9} ---\n\
                    7  write(-1, \"end call/vfio-msg\", 17) = -1 EBADF (Bad file descriptor)\n\
                    8  +++ exited with 0 +++\n";
        let found = crossings(text).unwrap();
        let got: Vec<_> = found["call/vfio-msg"].iter().collect();
        assert_eq!(got, [("read eventfd", 1)]);
    }

    #[test]
    fn markers_must_match() {
        for text in [
            "7 write(-1, \"end a\", 5) = -1 EBADF (Bad file descriptor)",
            "7 write(-1, \"begin a\", 7) = -1 EBADF (Bad file descriptor)",
            "7 write(-1, \"begin a\", 7) = -1 EBADF (x)\n7 write(-1, \"begin b\", 7) = -1 EBADF (x)",
            "7 write(-1, \"begin a\", 7) = -1 EBADF (x)\n7 write(-1, \"end b\", 5) = -1 EBADF (x)",
        ] {
            assert!(matches!(crossings(text), Err(Error::Markers(_))), "{text}");
        }
        assert!(matches!(crossings("7 what"), Err(Error::Line(1))));
    }
}
