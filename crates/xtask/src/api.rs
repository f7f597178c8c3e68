//! `cargo xtask api`: what crates offer to others, against the snapshots that are committed.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;
use vhost_accel_bench::terminal::{Fault, note, print};
use vhost_accel_bench::write_all;

use crate::lab::ROOT;

/// The crates: folder, name and library.
const CRATES: [(&str, &str, &str); 3] = [
    ("core", "vhost-accel-core", "vhost_accel_core"),
    ("uapi", "vhost-accel-uapi", "vhost_accel_uapi"),
    ("vhost-accel", "vhost-accel", "vhost_accel"),
];
/// The format of rustdoc's JSON that is read, and the version of Rust that writes it.
const FORMAT: u64 = 57;
const RUST: &str = "1.95";
/// Nothing was compared: a test's exit status for that, as automake has it.
const SKIPPED: u8 = 77;

/// The code that this task has besides those of all.
pub(crate) const CODES: &str =
    "   77  nothing was compared, for want of the version of Rust that wrote the snapshots";

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Writes the snapshots anew instead of comparing
    #[arg(long)]
    bless: bool,
}

/// Why nothing was compared, or what differs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cargo rustdoc: {0}")]
    Spawn(io::Error),
    #[error("cargo rustdoc -p {0} failed")]
    Rustdoc(&'static str),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path}: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{path}: {source}")]
    Api { path: PathBuf, source: Box<public_api::Error> },
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    #[error("the API of {0} is not its snapshot: `cargo xtask api --bless` if that is meant")]
    Differ(String),
    #[error(transparent)]
    Bless(#[from] vhost_accel_bench::Error),
}

impl Error {
    /// Whose fault it is.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Output(error) => Fault::of_output(error),
            Self::Bless(error) => error.fault(),
            Self::Spawn(_)
            | Self::Rustdoc(_)
            | Self::File { .. }
            | Self::Json { .. }
            | Self::Api { .. }
            | Self::Differ(_) => Fault::Failed,
        }
    }
}

/// Compares or writes the snapshots; [`SKIPPED`] with a toolchain whose JSON is another.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let (mut differ, mut blessed) = (Vec::new(), Vec::new());
    for (folder, package, library) in CRATES {
        let json = document(package, library)?;
        let format = format_of(&json)?;
        if format != FORMAT {
            note(format_args!(
                "skipped: this rustdoc writes format {format}, and {FORMAT} is read: Rust {RUST}'s"
            ));
            return Ok(ExitCode::from(SKIPPED));
        }
        let built = public_api::Builder::from_rustdoc_json(&json)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .build();
        let is = match built {
            Ok(api) => api.to_string(),
            Err(source) => return Err(Error::Api { path: json, source: Box::new(source) }),
        };
        let path = Path::new(ROOT).join(format!("crates/{folder}/api.txt"));
        if options.bless {
            blessed.push((path, is));
            continue;
        }
        let was = read(&path)?;
        let changes = changes(&was, &is);
        if was != is {
            print(format_args!("{changes}")).map_err(Error::Output)?;
            differ.push(package);
        }
    }
    write_all(blessed.iter().map(|(path, api)| (path.clone(), api.as_bytes())))?;
    if differ.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Error::Differ(differ.join(", "))) }
}

/// Has rustdoc write the JSON of `package`.
fn document(package: &'static str, library: &str) -> Result<PathBuf, Error> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    // Its own folder: build scripts look at the variable below, and would run again each time.
    let target = Path::new(ROOT).join(target).join("api");
    let arguments = ["rustdoc", "--quiet", "--locked", "--lib", "--all-features", "-p", package];
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format", "json"])
        // The JSON is there in a stable rustdoc, but not promised: its format is checked.
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(ROOT)
        .status()
        .map_err(Error::Spawn)?;
    if !status.success() {
        return Err(Error::Rustdoc(package));
    }
    Ok(target.join("doc").join(library).with_extension("json"))
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

fn format_of(json: &Path) -> Result<u64, Error> {
    #[derive(serde::Deserialize)]
    struct Head {
        format_version: u64,
    }
    let head: Result<Head, _> = serde_json::from_str(&read(json)?);
    match head {
        Ok(Head { format_version }) => Ok(format_version),
        Err(source) => Err(Error::Json { path: json.to_owned(), source }),
    }
}

/// The lines that are gone, and those that are new.
fn changes(was: &str, is: &str) -> String {
    let (before, after): (BTreeSet<_>, BTreeSet<_>) = (was.lines().collect(), is.lines().collect());
    let gone = before.difference(&after).map(|line| format!("-{line}\n"));
    let new = after.difference(&before).map(|line| format!("+{line}\n"));
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_shown_as_what_is_gone_and_what_is_new() {
        assert_eq!(changes("a\nb\n", "a\nc\n"), "-b\n+c\n");
        assert_eq!(changes("a\nb\n", "a\nb\n"), "");
    }
}
