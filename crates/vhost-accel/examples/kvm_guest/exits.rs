//! KVM's own counts of a virtual CPU.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;

use kvm_ioctls::VcpuFd;

/// KVM_GET_STATS_FD (Documentation/virt/kvm/api.rst, 4.133), which kvm-ioctls hasn't got.
const GET_STATS_FD: libc::c_ulong = 0xaece;

/// A virtual CPU's statistics: where two of them are.
#[derive(Debug)]
pub(crate) struct Exits {
    stats: File,
    exits: u64,
    emulated: u64,
}

/// What was counted up to a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// How often it has left guest mode, whatever for.
    pub(crate) exits: u64,
    /// The instructions that KVM has carried out in the guest's place. A KVM that can't let the
    /// CPU run in real mode does that with all of them, and has no exits then.
    pub(crate) emulated: u64,
}

impl Exits {
    /// # Errors
    /// Those of the ioctl, from Linux 5.14 on none; NotFound where KVM doesn't count them.
    pub(crate) fn of(vcpu: &VcpuFd) -> io::Result<Self> {
        // SAFETY: the ioctl takes no pointer.
        let fd = unsafe { libc::ioctl(vcpu.as_raw_fd(), GET_STATS_FD) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new fd that nobody else owns.
        let stats = unsafe { File::from_raw_fd(fd) };
        let [exits, emulated] = [place(&stats, b"exits\0")?, place(&stats, b"insn_emulation\0")?];
        Ok(Self { stats, exits, emulated })
    }

    /// # Errors
    /// Those of pread(2).
    pub(crate) fn counts(&self) -> io::Result<Counts> {
        let count = |at| {
            let mut bytes = [0; 8];
            self.stats.read_exact_at(&mut bytes, at).map(|()| u64::from_ne_bytes(bytes))
        };
        Ok(Counts { exits: count(self.exits)?, emulated: count(self.emulated)? })
    }
}

/// Where a statistic's number is, by its name.
fn place(stats: &File, wanted: &[u8]) -> io::Result<u64> {
    let word = |at: u64| {
        let mut bytes = [0; 4];
        stats.read_exact_at(&mut bytes, at).map(|()| u32::from_ne_bytes(bytes))
    };
    // struct kvm_stats_header: flags, name_size, num_desc, id_offset, desc_offset, data_offset.
    let [name_size, count] = [word(4)?, word(8)?];
    let [descs, data] = [word(16)?, word(20)?].map(u64::from);
    for index in 0..count {
        // struct kvm_stats_desc: 8 bytes, where in the data it is, 4 bytes, its name.
        let desc = descs + u64::from(index) * u64::from(16 + name_size);
        let mut name = vec![0; name_size as usize];
        stats.read_exact_at(&mut name, desc + 16)?;
        if name.starts_with(wanted) {
            return Ok(data + u64::from(word(desc + 8)?));
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
