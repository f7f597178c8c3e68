//! `cargo xtask bench`: the comparison on a real Linux, in the lab.
//!
//! First every scenario runs once under strace, which counts its crossings: they must be those that
//! the emulated kernel counts. Then the comparison runs. Where the clock counts instructions the
//! guest is sealed, so that nothing from outside is counted, and addresses are drawn by lot. The
//! comparison runs there once for each random seed, to say how much of it is luck, and once more
//! with the first, to say that it is repeated.

use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use clap::Args;
use vhost_accel_bench::terminal::{Fault, one_line, print};
use vhost_accel_bench::{
    Crossings, ENOUGH, Key, PAIRS, Repeat, ResultFile, Scenario, Seeds, Setting, load_crossings,
    report, revision, software, utc_now, write_all,
};

use crate::lab::{self, Accel, ROOT};
use crate::strace;

/// Memory of the guest: the scenarios pin 1 GiB of it.
const MEMORY: &str = "4096";
/// Queue pairs of a device, as many as the largest setup uses.
const MOST_PAIRS: u16 = 64;
/// What of all scenarios is measured with other settings: what decides, and what explains it.
const DECIDING: [&str; 9] = [
    "setup",
    "setup-batched",
    "setup-eventfd",
    "setup-step",
    "dma-map",
    "dma-churn",
    "migrate",
    "kick",
    "reset",
];
/// What of that depends on how many pairs a device has.
const SIZED: [&str; 3] = ["setup", "setup-batched", "setup-eventfd"];
/// What each guest of a size does first.
const WARM_UP: &str = "kick";
/// The modules that `patches/` change.
const CONTROL_MODULES: [&str; 2] = ["vhost.ko", "vhost_vdpa.ko"];
/// Mappings of a VFIO container, as many as the scenarios keep.
const VFIO_ENTRIES: &str = "1048640";

/// What to measure and how.
#[derive(Args, Debug, Default)]
pub(crate) struct Options {
    /// What runs the guest
    #[arg(long, default_value = "tcg")]
    accel: Option<Accel>,
    /// The guest's clock counts instructions: a nanosecond is one
    #[arg(long)]
    icount: bool,
    /// Guests with different random seeds, to count instructions in [default: 10]
    #[arg(long, value_name = "N", requires = "icount", value_parser = clap::value_parser!(u32).range(1..))]
    boots: Option<u32>,
    /// What of the kernel is to be otherwise than usual
    #[arg(long, value_name = "SETTING", requires = "icount", value_parser = setting)]
    setting: Option<Setting>,
    /// Few short samples, once
    #[arg(long, conflicts_with = "save")]
    quick: bool,
    /// Writes the result into results/, in place of those of its kind, and makes docs/ and the
    /// README anew
    #[arg(long)]
    save: bool,
    /// Where results, traces and logs go, instead of target/lab/bench
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// More for the comparison: see `cargo bench -- --help`
    #[arg(last = true, value_name = "ARGUMENTS")]
    more: Vec<String>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Lab(#[from] lab::Error),
    #[error(transparent)]
    Bench(#[from] vhost_accel_bench::Error),
    #[error(transparent)]
    Trace(#[from] strace::Error),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("`{what}`: {status}")]
    Ended { what: String, status: ExitStatus },
    #[error("the comparison left no result: {0}")]
    Left(#[source] vhost_accel_bench::Error),
    #[error("the trace has {0}, which is no scenario")]
    Unknown(String),
    #[error("{0} crossings on the real kernel are not those on the emulated one")]
    Differ(usize),
    #[error("lab/mainline/build says {0:?}, which is no directory")]
    NoModules(String),
}

impl Error {
    /// Whose fault it is. Nobody handed in a trace or a result here.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Bench(error) => error.fault(),
            Self::Lab(_)
            | Self::Trace(_)
            | Self::File { .. }
            | Self::Ended { .. }
            | Self::Left(_)
            | Self::Unknown(_)
            | Self::Differ(_)
            | Self::NoModules(_) => Fault::Failed,
        }
    }
}

fn say(text: impl Display) -> Result<(), Error> {
    print(text).map_err(|error| vhost_accel_bench::Error::Output(error).into())
}

/// Runs the comparison in the lab.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let program = lab::build(&["bench", "--package", "vhost-accel-bench"], "comparison", "bench")?;
    let program = absolute(&program)?;
    let out = match &options.out {
        Some(out) => absolute(out)?,
        None => absolute(&Path::new(ROOT).join("target/lab/bench"))?,
    };
    let counted = out.join("crossings.json");
    // What only some scenarios are wanted for is not worth a count of all.
    let with_counts = options.more.is_empty() && options.setting.is_none();
    if with_counts {
        say("crossings, counted by strace")?;
        let crossings = count(options, &program, &out)?;
        let text =
            serde_json::to_vec(&crossings).map_err(io::Error::from).map_err(file(&counted))?;
        write_all([(counted.clone(), &*text)])?;
    }
    let mut arguments = options.comparison(&program);
    let mut needed = vec![program];
    if with_counts {
        arguments.extend(["--crossings".into(), counted.clone().into()]);
        needed.push(counted);
    }
    let patched = match options.setting {
        Some(Setting::PatchedControl) => Some(patched()?),
        Some(
            Setting::Usual
            | Setting::OwnControl
            | Setting::NoInitOnAlloc
            | Setting::VfioIommu
            | Setting::SizedDevice
            | Setting::Alike,
        )
        | None => None,
    };
    needed
        .extend(patched.iter().flat_map(|modules| CONTROL_MODULES.map(|name| modules.join(name))));
    let boots = options.boots();
    // The first seed once more, to see whether it is repeated.
    let mut seeds: Vec<u32> = (1..=boots).collect();
    seeds.extend((boots > 1).then_some(1));
    let parts = options.parts();
    let run = |number: usize| {
        let (seed, needed, patched) = (seeds[number], &*needed, patched.as_deref());
        let runs = parts.iter().map(|part| {
            let dir = out.join(format!("run-{}{}", number + 1, part.name));
            let sealed = options.icount.then_some(Sealed { seed, needed, patched });
            let arguments = [&*arguments, &part.arguments].concat();
            in_lab(options, &dir, part.pairs, sealed, arguments)?;
            ResultFile::load(&dir.join("latest.json")).map_err(Error::Left)
        });
        runs.reduce(|whole, part| Ok(joined(whole?, part?))).unwrap_or_else(|| unreachable!())
    };
    let mut results = all(seeds.len(), options.at_once(), &run)?;
    let again = (boots > 1).then(|| results.pop()).flatten();
    let latest = out.join("latest.json");
    let mut result = results[0].clone();
    // A sealed guest knows no date, and none of the programs around it.
    if options.icount {
        result.run.date = utc_now();
        result.run.seeds = Some(Seeds::of(&results));
    }
    result.run.software = software(&[("libc", "ldd"), ("qemu", "qemu-system-x86_64")]);
    result.run.repeat = again.map(|again| Repeat::of(&again, &result));
    result.save(&latest)?;
    say(report::table(&result))?;
    say(format_args!("Result: {}", latest.display()))?;
    if options.save {
        save(&result)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that is committed.
pub(crate) fn evidence() -> Result<ExitCode, Error> {
    say("== the emulated kernel")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Wherever cargo builds, the result is read where it has just been written.
    let out = absolute(&Path::new(ROOT).join("target/vhost-accel"))?;
    let mut bench = Command::new(cargo);
    bench.args(["bench", "--locked", "--", "--out"]).arg(&out).current_dir(ROOT);
    call(&mut bench)?;
    let latest = out.join("latest.json");
    save(&ResultFile::load(&latest).map_err(Error::Left)?)?;
    say("== a real kernel, instructions")?;
    run(&Options { icount: true, save: true, ..Options::default() })?;
    for setting in Setting::ALL.into_iter().filter(|&setting| setting != Setting::Usual) {
        say(format_args!("== the same, {}", setting.name()))?;
        run(&Options { icount: true, save: true, setting: Some(setting), ..Options::default() })?;
    }
    say("== a real kernel, time under QEMU's translator")?;
    run(&Options { save: true, ..Options::default() })
}

/// Keeps `result` in results/, in place of what there was of its kind from the same CPU.
fn save(result: &ResultFile) -> Result<(), Error> {
    let root = Path::new(ROOT);
    let kind = |file: &ResultFile| {
        let run = &file.run;
        (run.kernel_half, run.clock, run.machine, run.setting, file.host.cpu.clone())
    };
    let path = report::save(root, result, |old| kind(old) == kind(result))?;
    say(format_args!("Saved, and docs/ and README.md made anew: {}", path.display()))?;
    Ok(())
}

/// Crossings by strace, which must be those that the emulated kernel counts.
fn count(options: &Options, program: &Path, out: &Path) -> Result<Vec<Crossings>, Error> {
    let dir = out.join("strace");
    let trace = dir.join("trace");
    // No instructions are counted here: strace would be half of them.
    let mut arguments: Vec<OsString> =
        ["strace", "-f", "-y", "-X", "raw", "-x", "-s", "256", "-o"].map(OsString::from).to_vec();
    arguments.extend([trace.clone().into(), program.into()]);
    arguments.extend(["--native", "--mark"].map(OsString::from));
    in_lab(options, &dir, MOST_PAIRS, None, arguments)?;
    let text = std::fs::read_to_string(&trace).map_err(file(&trace))?;
    let native = by_key(strace::crossings(&text)?)?;
    // By the same program: what std does on its own differs between builds.
    let counted = dir.join("emulated.json");
    let output = Command::new(program).arg("--count").output().map_err(file(program))?;
    if !output.status.success() {
        let what = format!("{} --count", program.display());
        return Err(Error::Ended { what, status: output.status });
    }
    write_all([(counted.clone(), &*output.stdout)])?;
    let emulated = load_crossings(&counted).map_err(Error::Left)?;
    let differences = differences(&native, &emulated);
    differences.iter().try_for_each(|line| say(one_line(line)))?;
    if differences.is_empty() { Ok(native) } else { Err(Error::Differ(differences.len())) }
}

/// What strace saw, by the keys of results.
fn by_key(
    seen: impl IntoIterator<Item = (String, vhost_accel_bench::emulator::Crossings)>,
) -> Result<Vec<Crossings>, Error> {
    let keys: Vec<Key> = Scenario::all()
        .into_iter()
        .flat_map(|scenario| {
            scenario.configurations().map(move |configuration| (scenario, configuration))
        })
        .flat_map(|(scenario, configuration)| {
            scenario
                .clients(configuration)
                .map(move |client| Key::new(scenario, configuration, client))
        })
        .collect();
    seen.into_iter()
        .map(|(name, kinds)| {
            let key = keys.iter().find(|key| key.to_string() == name);
            let key = key.ok_or_else(|| Error::Unknown(name.clone()))?.clone();
            let kinds: std::collections::BTreeMap<_, _> =
                kinds.iter().map(|(kind, count)| (kind.to_owned(), count)).collect();
            Ok(Crossings { key, total: kinds.values().sum(), kinds })
        })
        .collect()
}

/// A line for each key whose counts differ, or that only one of the two has.
fn differences(native: &[Crossings], emulated: &[Crossings]) -> Vec<String> {
    let find = |all: &[Crossings], key: &Key| all.iter().find(|one| one.key == *key).cloned();
    let mut lines = Vec::new();
    let mut keys: Vec<&Key> = native.iter().chain(emulated).map(|one| &one.key).collect();
    keys.sort_by_key(|key| key.to_string());
    keys.dedup();
    for key in keys {
        let (native, emulated) = (find(native, key), find(emulated, key));
        let kinds = |one: &Option<Crossings>| one.as_ref().map(|one| one.kinds.clone());
        if kinds(&native) != kinds(&emulated) {
            let (native, emulated) = (kinds(&native), kinds(&emulated));
            lines.push(format!("{key}: strace {native:?}, emulated {emulated:?}"));
        }
    }
    lines
}

impl Options {
    /// What each boot is made of: for devices of other sizes, one for each size.
    fn parts(&self) -> Vec<Part> {
        let sized = || PAIRS.map(Part::sized).into_iter();
        let whole = |ids: &[&str]| Part::new(String::new(), MOST_PAIRS, ids.iter().copied());
        let rest: Vec<&str> = DECIDING.into_iter().filter(|id| !SIZED.contains(id)).collect();
        match self.setting {
            Some(Setting::SizedDevice) => sized().collect(),
            Some(Setting::Alike) => sized().chain([whole(&rest)]).collect(),
            Some(
                Setting::Usual
                | Setting::OwnControl
                | Setting::PatchedControl
                | Setting::VfioIommu
                | Setting::NoInitOnAlloc,
            ) if self.more.is_empty() => vec![whole(&DECIDING)],
            Some(_) | None => vec![whole(&[])],
        }
    }

    /// Guests that are booted, each with another seed.
    fn boots(&self) -> u32 {
        match self.boots {
            Some(boots) => boots,
            None if self.icount && !self.quick => ENOUGH as u32,
            None => 1,
        }
    }

    /// Guests that run at a time. One that counts instructions has one CPU, and another beside it
    /// changes nothing.
    fn at_once(&self) -> usize {
        let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
        // Each has its memory.
        if self.icount { cpus().min(4) } else { 1 }
    }

    fn accel(&self) -> Accel {
        self.accel.unwrap_or(Accel::Tcg)
    }

    /// The comparison, as it is called in the guest.
    fn comparison(&self, program: &Path) -> Vec<OsString> {
        // Where memory lies is part of what is measured. Over several seeds it is drawn by lot;
        // where there is one run, it is not to be.
        let mut words: Vec<OsString> = Vec::new();
        if !self.icount {
            words.extend(["setarch", "-R"].map(OsString::from));
        }
        words.push(program.into());
        words.extend(["--native", "--machine", self.accel().name()].map(OsString::from));
        if self.icount {
            words.push("--instructions".into());
        }
        if let Some(setting) = self.setting {
            words.extend(["--setting", setting.name()].map(OsString::from));
        }
        if self.quick {
            words.push("--quick".into());
        }
        words.extend(["--scratch", "/tmp/criterion"].map(OsString::from));
        words.extend(["--as-command".into(), self.command().into()]);
        if let Some(revision) = revision(Path::new(ROOT)) {
            words.extend(["--revision".into(), revision.into()]);
        }
        words.extend(self.more.iter().map(OsString::from));
        words
    }

    /// What repeats it.
    fn command(&self) -> String {
        let mut words = vec!["cargo xtask bench".to_owned()];
        if self.accel() != Accel::Tcg {
            words.push(format!("--accel {}", self.accel().name()));
        }
        words.extend(self.icount.then(|| "--icount".to_owned()));
        words.extend(self.boots.map(|boots| format!("--boots {boots}")));
        words.extend(self.setting.map(|setting| format!("--setting {}", setting.name())));
        words.extend(self.quick.then(|| "--quick".to_owned()));
        if !self.more.is_empty() {
            words.push(format!("-- {}", self.more.join(" ")));
        }
        words.join(" ")
    }
}

/// A part of a run that has a guest of its own.
struct Part {
    /// Behind the name of its directory.
    name: String,
    /// Queue pairs of its devices.
    pairs: u16,
    /// More for the comparison.
    arguments: Vec<OsString>,
}

impl Part {
    /// What `ids` name, on a device of `pairs`; everything where they name nothing.
    fn new<'a>(name: String, pairs: u16, ids: impl Iterator<Item = &'a str>) -> Self {
        let mut arguments: Vec<OsString> =
            ids.flat_map(|id| ["--scenario", id]).map(Into::into).collect();
        if pairs != MOST_PAIRS {
            arguments.extend(["--queue-pairs".into(), pairs.to_string().into()]);
        }
        Self { name, pairs, arguments }
    }

    /// The setups of `pairs` on a device of as many. Kicks come first: while a guest is young its
    /// kernel does other things beside.
    fn sized(pairs: u16) -> Self {
        let all: Vec<String> = Scenario::all().iter().map(ToString::to_string).collect();
        let its = |id: &&str| match id.rsplit_once('/') {
            Some((family, size)) => {
                family == WARM_UP || SIZED.contains(&family) && size == pairs.to_string()
            }
            None => false,
        };
        Self::new(format!("-{pairs}"), pairs, all.iter().map(String::as_str).filter(its))
    }
}

/// `whole`, with what `part` has besides. What both have is the part's: the last is that of the
/// largest device.
fn joined(mut whole: ResultFile, part: ResultFile) -> ResultFile {
    let again = |key: &Key| part.timings.iter().any(|timing| timing.key == *key);
    whole.timings.retain(|timing| !again(&timing.key));
    whole.ratios.retain(|ratio| !again(&ratio.key));
    whole.timings.extend(part.timings);
    whole.ratios.extend(part.ratios);
    whole.limits.extend(part.limits);
    whole.run.seconds += part.run.seconds;
    whole.device.queue_pairs = whole.device.queue_pairs.max(part.device.queue_pairs);
    whole
}

/// A guest whose clock counts instructions and that sees nothing of the host.
struct Sealed<'a> {
    seed: u32,
    /// But these files.
    needed: &'a [PathBuf],
    /// Where its vhost_vdpa is, if not with the kernel.
    patched: Option<&'a Path>,
}

/// Runs a command in the lab, with devices to compare; what it leaves in `dir` it finds there.
fn in_lab(
    options: &Options,
    dir: &Path,
    pairs: u16,
    sealed: Option<Sealed<'_>>,
    mut command: Vec<OsString>,
) -> Result<(), Error> {
    std::fs::create_dir_all(dir).map_err(file(dir))?;
    if command.first().is_some_and(|first| first != "strace") {
        command.extend(["--out".into(), "$LAB_OUT".into()]);
    }
    let mut lab = Command::new(Path::new(ROOT).join("lab/run"));
    lab.args(["--accel", options.accel().name(), "--devices", "2", "--timeout", "2400"]);
    lab.args(["--memory", MEMORY, "--pairs", &pairs.to_string()]);
    lab.args(["--vfio-entries", VFIO_ENTRIES, "--out"]).arg(dir);
    if let Some(Sealed { seed, needed, patched }) = sealed {
        lab.args(["--icount", "--random", "--sealed", "--seed", &seed.to_string()]);
        for file in needed {
            lab.arg("--with").arg(file);
        }
        lab.envs(patched.map(|modules| ("LAB_PATCHED", modules)));
    }
    match options.setting {
        Some(Setting::OwnControl) => {
            lab.env("LAB_CONTROL", "own");
        }
        Some(Setting::VfioIommu) => {
            lab.env("LAB_VFIO", "iommu");
        }
        Some(Setting::Alike) => {
            lab.env("LAB_CONTROL", "own").env("LAB_VFIO", "iommu");
        }
        Some(Setting::NoInitOnAlloc) => {
            lab.args(["--append", "init_on_alloc=0"]);
        }
        Some(Setting::Usual | Setting::PatchedControl | Setting::SizedDevice) | None => {}
    }
    // A shell in the guest knows where that directory is there.
    let words: Vec<String> =
        command.iter().map(|word| quoted(&word.to_string_lossy(), dir)).collect();
    lab.args(["--", "sh", "-c", &words.join(" ")]);
    call(&mut lab)
}

/// Where mainline's modules with `patches/` are.
fn patched() -> Result<PathBuf, Error> {
    let program = Path::new(ROOT).join("lab/mainline/build");
    let output =
        Command::new(&program).stderr(Stdio::inherit()).output().map_err(file(&program))?;
    if !output.status.success() {
        let what = program.display().to_string();
        return Err(Error::Ended { what, status: output.status });
    }
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let modules = PathBuf::from(&said);
    if modules.is_dir() { Ok(modules) } else { Err(Error::NoModules(said)) }
}

/// What `run` gives for each number below `count`, `at_once` at a time.
fn all(
    count: usize,
    at_once: usize,
    run: &(dyn Fn(usize) -> Result<ResultFile, Error> + Sync),
) -> Result<Vec<ResultFile>, Error> {
    let mut results = Vec::new();
    for first in (0..count).step_by(at_once) {
        let last = (first + at_once).min(count);
        say(format_args!("boots {} to {last} of {count}", first + 1))?;
        let done = std::thread::scope(|scope| {
            let runs: Vec<_> =
                (first..last).map(|number| scope.spawn(move || run(number))).collect();
            runs.into_iter().map(|run| run.join()).collect::<Vec<_>>()
        });
        for result in done {
            match result {
                Ok(result) => results.push(result?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    }
    Ok(results)
}

/// A setting by its name.
fn setting(name: &str) -> Result<Setting, String> {
    let found = Setting::ALL.into_iter().find(|setting| setting.name() == name);
    found.ok_or_else(|| {
        let names = Setting::ALL.map(Setting::name).join(", ");
        format!("there are {names}")
    })
}

/// A word for the guest's shell, in which `dir` is `$LAB_OUT`.
fn quoted(word: &str, dir: &Path) -> String {
    let dir = dir.to_string_lossy();
    match word.strip_prefix(dir.as_ref()) {
        Some(rest) => format!("\"$LAB_OUT\"'{rest}'"),
        None if word == "$LAB_OUT" => "\"$LAB_OUT\"".to_owned(),
        None => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn call(command: &mut Command) -> Result<(), Error> {
    let what = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(file(Path::new(&what)))?;
    if status.success() { Ok(()) } else { Err(Error::Ended { what, status }) }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(file(path))
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vhost_accel::Interface;
    use vhost_accel_bench::{Client, Configuration};

    use super::*;

    fn crossings(pairs: u16, total: u64) -> Crossings {
        let configuration = Configuration::plain(Interface::VhostMdev);
        let key = Key::new(Scenario::Setup(pairs), configuration, Client::Library);
        Crossings { key, total, kinds: BTreeMap::from([("openat".to_owned(), total)]) }
    }

    #[test]
    fn what_differs_is_said() {
        let both = [crossings(1, 3), crossings(4, 5)];
        assert!(differences(&both, &both).is_empty());
        let other = [crossings(1, 3), crossings(4, 6)];
        let said = differences(&both, &other);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("setup/4/vhost-mdev: strace"), "{said:?}");
        let said = differences(&both[..1], &both);
        assert!(said[0].contains("setup/4/vhost-mdev: strace None"), "{said:?}");
    }

    #[test]
    fn keys_are_known_by_their_names() {
        let none = || vhost_accel_bench::emulator::Crossings::from_iter([]);
        let seen = ["setup/4/vhost-mdev floor", "mem-table/8/vhost-vdpa batch"];
        let seen = seen.map(|name| (name.to_owned(), none()));
        let found = by_key(seen).unwrap();
        assert_eq!(found[0].key.to_string(), "setup/4/vhost-mdev floor");
        let unknown = [("nobody".to_owned(), none())];
        assert!(matches!(by_key(unknown), Err(Error::Unknown(_))));
    }

    #[test]
    fn a_device_of_each_size_has_a_guest_of_its_own() {
        let options = Options { icount: true, ..Options::default() };
        let usual = options.parts();
        assert_eq!((usual.len(), usual[0].pairs, usual[0].arguments.len()), (1, 64, 0));
        let sized = Options { setting: Some(Setting::SizedDevice), ..options };
        let pairs: Vec<_> = sized.parts().iter().map(|part| part.pairs).collect();
        assert_eq!(pairs, PAIRS);
        let arguments = sized.parts().swap_remove(1).arguments;
        for wanted in ["kick/eventfd", "setup/4", "setup-batched/4", "--queue-pairs", "4"] {
            assert!(arguments.contains(&wanted.into()), "{wanted}: {arguments:?}");
        }
        assert!(!arguments.contains(&"setup/16".into()));
        let alike = Options { icount: true, setting: Some(Setting::Alike), ..Options::default() };
        let parts = alike.parts();
        assert_eq!(parts.iter().map(|part| part.pairs).collect::<Vec<_>>(), [1, 4, 16, 64, 64]);
        assert!(!parts[4].arguments.contains(&"setup".into()));
        assert!(parts[4].arguments.contains(&"dma-churn".into()));
        assert_eq!(sized.command(), "cargo xtask bench --icount --setting sized-device");
    }

    #[test]
    fn fewer_boots_are_asked_for() {
        let options = Options { icount: true, ..Options::default() };
        assert_eq!(options.boots(), 10);
        assert_eq!(Options { quick: true, ..options }.boots(), 1);
        assert_eq!(Options { boots: Some(3), ..Options::default() }.boots(), 3);
        assert_eq!(Options::default().boots(), 1);
    }

    #[test]
    fn words_reach_the_guest_whole() {
        let dir = Path::new("/out/run-1");
        assert_eq!(quoted("it's", dir), r"'it'\''s'");
        assert_eq!(quoted("/out/run-1/trace", dir), "\"$LAB_OUT\"'/trace'");
        assert_eq!(quoted("$LAB_OUT", dir), "\"$LAB_OUT\"");
    }

    #[test]
    fn the_command_repeats_the_run() {
        let options = Options { icount: true, ..Options::default() };
        assert_eq!(options.command(), "cargo xtask bench --icount");
        let more = vec!["--scenario".to_owned(), "kick".to_owned()];
        let options = Options { accel: Some(Accel::Kvm), more, ..Options::default() };
        assert_eq!(options.command(), "cargo xtask bench --accel kvm -- --scenario kick");
    }
}
