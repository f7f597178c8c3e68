//! The character devices of an emulated kernel: what is behind each, and what says that it is
//! there.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io;
use std::sync::Arc;

use crate::front::Node;
use crate::shadow::Shadow;
use crate::sys::fs::Inode;

/// A character device.
pub(crate) struct Chardev {
    /// Where clients see it.
    pub(crate) path: CString,
    /// Its device number.
    pub(crate) number: libc::dev_t,
    pub(crate) node: Arc<dyn Node>,
}

impl Chardev {
    /// The type and permissions that stat(2) tells of.
    pub(crate) const MODE: libc::mode_t = libc::S_IFCHR | 0o666;
}

/// All of them.
#[derive(Default)]
pub(crate) struct Chardevs {
    by_path: HashMap<CString, Arc<Chardev>>,
    by_placeholder: HashMap<Inode, Arc<Chardev>>,
    /// Their names below /sys/dev/char, `MAJOR:MINOR`.
    numbers: Vec<Vec<u8>>,
}

impl Chardevs {
    /// Adds the device at `path`, which sysfs has at `entry`.
    pub(crate) fn add(
        &mut self,
        shadow: &Shadow,
        path: &str,
        number: libc::dev_t,
        entry: &str,
        node: Arc<dyn Node>,
    ) -> io::Result<()> {
        let (major, minor) = (libc::major(number), libc::minor(number));
        let name = path.trim_start_matches("/dev/");
        shadow.file(&format!("{entry}/dev"), &format!("{major}:{minor}\n"))?;
        let uevent = format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={name}\n");
        shadow.file(&format!("{entry}/uevent"), &uevent)?;
        let target = format!("../..{}", entry.trim_start_matches("/sys"));
        shadow.link(&format!("/sys/dev/char/{major}:{minor}"), &target)?;
        self.numbers.push(format!("{major}:{minor}").into_bytes());
        let placeholder = shadow.node(path)?;
        let path = CString::new(path)?;
        let chardev = Arc::new(Chardev { path: path.clone(), number, node });
        self.by_path.insert(path, Arc::clone(&chardev));
        self.by_placeholder.insert(placeholder, chardev);
        Ok(())
    }

    /// The device at `path`.
    pub(crate) fn at(&self, path: &CStr) -> Option<&Arc<Chardev>> {
        self.by_path.get(path)
    }

    /// The device whose placeholder in the shadow tree is `inode`.
    pub(crate) fn behind(&self, inode: Inode) -> Option<&Arc<Chardev>> {
        self.by_placeholder.get(&inode)
    }

    /// One of them, whichever.
    pub(crate) fn any(&self) -> Option<&Arc<Chardev>> {
        self.by_path.values().next()
    }

    /// What is ours below /sys/dev/char.
    pub(crate) fn numbers(&self) -> &[Vec<u8>] {
        &self.numbers
    }
}
