//! `cargo xtask lab`: `lab/run` with the conformance suite as its command, or with another.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use vhost_accel_bench::terminal::note;

/// `lab/run`'s exit code when it could not run the command.
pub(crate) const FAILED: u8 = 125;

/// The codes that a command in the lab has besides those of all tasks.
pub(crate) const CODES: &str = "  \
  124  the kernel complained, or a device or module did not go away
  125  the lab could not run COMMAND
    N  COMMAND ran, and ended so";

/// This repository.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The conformance suite: a test of this name in this package.
const SUITE: (&str, &str) = ("vhost-accel-conformance", "suite");

/// What of the lab is not as it is without options. `lab/run` knows the defaults.
#[derive(Args, Debug, Default)]
pub(crate) struct Options {
    /// What runs the guest [default: tcg]
    #[arg(long)]
    accel: Option<Accel>,
    /// The guest's clock counts instructions: a nanosecond is one
    #[arg(long)]
    icount: bool,
    /// CPUs
    #[arg(long, value_name = "N")]
    smp: Option<u32>,
    /// Memory of the guest
    #[arg(long, value_name = "MIB")]
    memory: Option<u32>,
    /// Queue pairs of each device
    #[arg(long, value_name = "N")]
    pairs: Option<u32>,
    /// Devices of each kind
    #[arg(long, value_name = "N")]
    devices: Option<u32>,
    /// Mappings that a VFIO container may have
    #[arg(long, value_name = "N")]
    vfio_entries: Option<u32>,
    /// Kills the guest after that
    #[arg(long, value_name = "SEC")]
    timeout: Option<u32>,
    /// Where what COMMAND leaves in $LAB_OUT goes, and the guest's logs
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Takes the modules as they are
    #[arg(long)]
    no_build: bool,
    /// What to run instead of the suite, as root; paths are those outside
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accel {
    /// QEMU itself
    Tcg,
    /// The host's KVM
    Kvm,
    /// The host itself: User Mode Linux, a kernel that is an ordinary process
    Uml,
}

/// Why the lab was not begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{program} can't be run: {source}")]
    Spawn { program: String, source: io::Error },
    #[error("{0} does not build")]
    Build(&'static str),
    #[error("cargo did not say where {0} is")]
    NoProgram(&'static str),
    #[error("this directory: {0}")]
    Directory(io::Error),
}

/// Runs the lab. The exit code is the command's, or one of those in lab/README.md.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let command = match &options.command[..] {
        [] => {
            let suite = std::path::absolute(suite()?).map_err(Error::Directory)?;
            // The devices are the same for all tests.
            vec![suite.into(), "--test-threads".into(), "1".into()]
        }
        command => command.to_vec(),
    };
    let program = Path::new(ROOT).join("lab/run");
    let status = Command::new(&program)
        .args(options.arguments())
        .arg("--")
        .args(command)
        .status()
        .map_err(|source| Error::Spawn { program: program.display().to_string(), source })?;
    // Killed by a signal, it has said nothing of the command either.
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED);
    if code == FAILED {
        let what = "the lab did not run the command; lab/README.md says what it needs";
        note(format_args!("{}: {what}", crate::NAME));
    }
    Ok(ExitCode::from(code))
}

impl Options {
    /// These, for User Mode Linux.
    pub(crate) fn in_user_mode(self) -> Self {
        Self { accel: Some(Accel::Uml), ..self }
    }

    /// The same for `lab/run`.
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut option = |name: &str, value: Option<OsString>| {
            if let Some(value) = value {
                arguments.extend([name.into(), value]);
            }
        };
        let number = |value: Option<u32>| value.map(|value| value.to_string().into());
        option("--accel", self.accel.map(|accel| accel.name().into()));
        option("--smp", number(self.smp));
        option("--memory", number(self.memory));
        option("--pairs", number(self.pairs));
        option("--devices", number(self.devices));
        option("--vfio-entries", number(self.vfio_entries));
        option("--timeout", number(self.timeout));
        option("--out", self.out.clone().map(Into::into));
        let flags = [("--icount", self.icount), ("--no-build", self.no_build)];
        arguments.extend(flags.iter().filter(|flag| flag.1).map(|flag| flag.0.into()));
        arguments
    }
}

impl Accel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
            Self::Uml => "uml",
        }
    }
}

/// Builds the conformance suite; where it is.
fn suite() -> Result<PathBuf, Error> {
    build(&["test", "--package", SUITE.0, "--test", SUITE.1], SUITE.1, "test")
}

/// Builds what `arguments` say; where the program is that has this name and kind.
pub(crate) fn build(
    arguments: &[&str],
    name: &'static str,
    kind: &'static str,
) -> Result<PathBuf, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let spawn = |source| Error::Spawn { program: "cargo".to_owned(), source };
    let built = Command::new(cargo)
        .args(arguments)
        .args((kind != "bin").then_some("--no-run"))
        .args(["--locked", "--message-format=json-render-diagnostics"])
        .current_dir(ROOT)
        .stderr(Stdio::inherit())
        .output()
        .map_err(spawn)?;
    if !built.status.success() {
        return Err(Error::Build(name));
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    executable(&messages, name, kind).ok_or(Error::NoProgram(name))
}

/// What cargo says of each thing that it builds, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// A program among cargo's messages, one JSON object a line.
fn executable(messages: &str, name: &str, kind: &str) -> Option<PathBuf> {
    messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()).find_map(
        |message| {
            let target = message.target?;
            let is_it = target.name == name && target.kind.iter().any(|one| one == kind);
            message.executable.filter(|_| is_it)
        },
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn options(line: &str) -> Options {
        let words = std::iter::once("lab").chain(line.split_whitespace());
        Cli::try_parse_from(words).unwrap().options
    }

    #[test]
    fn without_options_lab_run_decides() {
        assert!(options("").arguments().is_empty());
        assert!(options("").command.is_empty());
    }

    #[test]
    fn user_mode_is_a_way_to_run_the_guest() {
        let want = ["--accel", "uml", "--pairs", "2"];
        assert_eq!(options("--pairs 2").in_user_mode().arguments(), want);
        assert_eq!(options("--accel uml --pairs 2").arguments(), want);
    }

    #[test]
    fn every_option_reaches_lab_run() {
        let line = "--accel kvm --smp 1 --memory 4096 --pairs 64 --devices 2 --vfio-entries 1048640 \
                    --timeout 60 --out some/where --icount --no-build";
        let want: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        assert_eq!(options(line).arguments(), want);
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let options = options("--smp 1 -- cat --smp 2 -- -x");
        assert_eq!(options.arguments(), ["--smp", "1"]);
        assert_eq!(options.command, ["cat", "--smp", "2", "--", "-x"]);
    }

    #[test]
    fn a_command_stands_behind_dashes() {
        assert!(Cli::try_parse_from(["lab", "cat"]).is_err());
    }

    #[test]
    fn cargo_says_where_the_suite_is() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"suite"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"suite"},"executable":"/t/debug/suite"}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"suite"},"executable":"/t/debug/deps/suite-1"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(
            executable(messages, "suite", "test"),
            Some(PathBuf::from("/t/debug/deps/suite-1"))
        );
        assert_eq!(
            executable(r#"{"reason":"build-finished","success":false}"#, "suite", "test"),
            None
        );
    }
}
