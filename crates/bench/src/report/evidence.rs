//! Which results a report quotes.

use std::path::Path;

use crate::{Clock, KernelHalf, Mode, Platform, ResultFile, Setting};

/// Results, and which of them to quote: of each kind of run one.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    entries: Vec<Entry<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    file: &'a ResultFile,
    elsewhere: bool,
}

/// What makes the figures of two runs comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    half: KernelHalf,
    clock: Clock,
    machine: Platform,
    setting: Setting,
}

impl Kind {
    /// Those that reports tell apart, the one that says most of a real machine first.
    const ALL: [Self; 12] = [
        Self::new(KernelHalf::Native, Clock::Wall, Platform::Host),
        Self::new(KernelHalf::Native, Clock::Wall, Platform::Kvm),
        Self::new(KernelHalf::Native, Clock::Instructions, Platform::Tcg),
        Self::counted(Setting::OwnControl),
        Self::counted(Setting::PatchedControl),
        Self::counted(Setting::NoInitOnAlloc),
        Self::counted(Setting::VfioIommu),
        Self::counted(Setting::SizedDevice),
        Self::counted(Setting::Alike),
        Self::new(KernelHalf::Emulated, Clock::Wall, Platform::Host),
        Self::new(KernelHalf::Emulated, Clock::Instructions, Platform::Host),
        Self::new(KernelHalf::Native, Clock::Wall, Platform::Tcg),
    ];

    const fn new(half: KernelHalf, clock: Clock, machine: Platform) -> Self {
        Self { half, clock, machine, setting: Setting::Usual }
    }

    /// Instructions of a native kernel that is set so.
    const fn counted(setting: Setting) -> Self {
        Self { setting, ..Self::new(KernelHalf::Native, Clock::Instructions, Platform::Tcg) }
    }

    /// What `file` is. The machine tells runs apart only where it matters: an emulated kernel is
    /// itself everywhere, and an instruction is one.
    pub(super) fn of(file: &ResultFile) -> Self {
        let machine = match (file.run.kernel_half, file.run.clock) {
            (KernelHalf::Emulated, _) => Platform::Host,
            (KernelHalf::Native, Clock::Instructions) => Platform::Tcg,
            (KernelHalf::Native, Clock::Wall) => file.run.machine,
        };
        let setting = file.run.setting;
        Self { setting, ..Self::new(file.run.kernel_half, file.run.clock, machine) }
    }

    /// What a template calls it.
    pub(super) const fn key(self) -> &'static str {
        match (self.half, self.clock, self.machine) {
            (KernelHalf::Emulated, Clock::Wall, _) => "emulated",
            (KernelHalf::Emulated, Clock::Instructions, _) => "emulated-instructions",
            (KernelHalf::Native, Clock::Instructions, _) => match self.setting {
                Setting::Usual => "instructions",
                other => other.name(),
            },
            (KernelHalf::Native, Clock::Wall, Platform::Host) => "native",
            (KernelHalf::Native, Clock::Wall, Platform::Kvm) => "kvm",
            (KernelHalf::Native, Clock::Wall, Platform::Tcg) => "translated",
        }
    }

    /// In a caption.
    pub(super) const fn name(self) -> &'static str {
        match (self.half, self.clock, self.machine) {
            (KernelHalf::Emulated, Clock::Wall, _) => "emulated kernel, wall clock",
            (KernelHalf::Emulated, Clock::Instructions, _) => "emulated kernel, instructions",
            (KernelHalf::Native, Clock::Instructions, _) => match self.setting {
                Setting::Usual => "native kernel, instructions",
                Setting::OwnControl => "the same, vhost-vdpa's ABI on the core of #2",
                Setting::PatchedControl => "the same, mainline's vhost_vdpa with patches/",
                Setting::NoInitOnAlloc => "the same, the kernel with init_on_alloc=0",
                Setting::Alike => "the same, all but the interface alike",
                Setting::VfioIommu => "the same, #1 behind an IOMMU",
                Setting::SizedDevice => "the same, a device of as many pairs as are set up",
            },
            (KernelHalf::Native, Clock::Wall, Platform::Host) => {
                "native kernel on the machine itself, wall clock"
            }
            (KernelHalf::Native, Clock::Wall, Platform::Kvm) => {
                "native kernel under KVM, wall clock"
            }
            (KernelHalf::Native, Clock::Wall, Platform::Tcg) => {
                "native kernel on QEMU's translator, wall clock: not a CPU's time"
            }
        }
    }
}

impl<'a> Evidence<'a> {
    /// What is in `results/`.
    pub fn new(files: &'a [ResultFile]) -> Self {
        let entries = files.iter().map(|file| Entry { file, elsewhere: false }).collect();
        Self { entries }
    }

    /// With results that are not in `results/`.
    #[must_use]
    pub fn with(mut self, elsewhere: &'a [ResultFile]) -> Self {
        self.entries.extend(elsewhere.iter().map(|file| Entry { file, elsewhere: true }));
        self
    }

    /// Whether there is nothing to quote.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The run of each kind that is quoted.
    pub(super) fn quoted(&self) -> Vec<&'a ResultFile> {
        Kind::ALL.into_iter().filter_map(|kind| self.of(kind)).collect()
    }

    /// The latest full run of a kind that was not interrupted; where there is none, the latest.
    fn of(&self, kind: Kind) -> Option<&'a ResultFile> {
        latest(self.files().filter(|file| Kind::of(file) == kind))
    }

    fn files(&self) -> impl Iterator<Item = &'a ResultFile> {
        self.entries.iter().map(|entry| entry.file)
    }

    /// The run on the emulated kernel.
    pub(super) fn emulated(&self) -> Option<&'a ResultFile> {
        self.of(Kind::new(KernelHalf::Emulated, Clock::Wall, Platform::Host))
    }

    /// The run that counted instructions of a native kernel.
    pub(super) fn instructions(&self) -> Option<&'a ResultFile> {
        self.of(Kind::new(KernelHalf::Native, Clock::Instructions, Platform::Tcg))
    }

    /// The run that counted instructions with all but the interface alike.
    pub(super) fn alike(&self) -> Option<&'a ResultFile> {
        self.of(Kind::counted(Setting::Alike))
    }

    /// The run that took the time of a native kernel on a CPU.
    pub(super) fn real(&self) -> Option<&'a ResultFile> {
        let on = |machine| self.of(Kind::new(KernelHalf::Native, Clock::Wall, machine));
        on(Platform::Host).or_else(|| on(Platform::Kvm))
    }

    /// The run whose counts of crossings are quoted: they are the same on every kernel.
    pub(super) fn counts(&self) -> Option<&'a ResultFile> {
        let counted = |file: &&ResultFile| !file.crossings.is_empty();
        self.emulated().filter(counted).or_else(|| self.quoted().into_iter().find(counted))
    }

    /// For each kind of run that several machines have: the run of each machine.
    pub(super) fn machines(&self) -> Vec<(Kind, Vec<&'a ResultFile>)> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let mut hosts: Vec<(&str, &str)> = self
                .files()
                .filter(|file| Kind::of(file) == kind)
                .map(|file| (file.host.cpu.as_str(), file.host.kernel.as_str()))
                .collect();
            hosts.sort_unstable();
            hosts.dedup();
            let runs: Vec<&ResultFile> = hosts
                .into_iter()
                .filter_map(|host| {
                    latest(self.files().filter(|file| {
                        Kind::of(file) == kind
                            && (file.host.cpu.as_str(), file.host.kernel.as_str()) == host
                    }))
                })
                .collect();
            if runs.len() > 1 {
                all.push((kind, runs));
            }
        }
        all
    }

    /// Where a reader finds `file`.
    pub(super) fn source(&self, file: &ResultFile) -> String {
        let elsewhere = self
            .entries
            .iter()
            .any(|entry| entry.elsewhere && std::ptr::eq::<ResultFile>(entry.file, file));
        let name = file.file_name();
        if elsewhere {
            format!("`{name}` (handed in, not in results/)")
        } else {
            format!("`{}`", Path::new("results").join(name).display())
        }
    }
}

/// The latest full run to its end; else the latest full one, else the latest.
fn latest<'a>(files: impl Iterator<Item = &'a ResultFile>) -> Option<&'a ResultFile> {
    files.max_by_key(|file| {
        let full = file.run.mode == Mode::Full;
        (full && !file.run.interrupted, full, file.run.date.as_str())
    })
}
