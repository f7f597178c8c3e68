//! `cargo xtask differential`: the same requests to both kernel halves, and what they answer
//! differently.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use clap::Args;
use vhost_accel_bench::terminal::{Fault, print};

use crate::lab::{self, Accel, ROOT};

/// The one list of differences that are known and argued for.
const LIST: &str = "crates/differential/differences.md";
/// Pairs of a device, the lab's own.
const PAIRS: &str = "4";
/// Differences that are shown.
const SHOWN: usize = 40;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Requests to send
    #[arg(long, value_name = "N", default_value_t = 40_000)]
    requests: u64,
    /// What is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What runs the native kernel
    #[arg(long, default_value = "uml")]
    accel: Accel,
}

/// Why nothing was compared, or what differs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Lab(#[from] lab::Error),
    #[error("{program} can't be run: {source}")]
    Spawn { program: String, source: io::Error },
    #[error("the {half} kernel: {status}")]
    Ended { half: &'static str, status: ExitStatus },
    #[error("{LIST}: {0}")]
    List(io::Error),
    #[error("{LIST}: no row: {0}")]
    Row(String),
    #[error("cannot write the output: {0}")]
    Output(io::Error),
    #[error("{0} differences that {LIST} doesn't have")]
    Differ(usize),
    #[error("{LIST}: met by none of {requests} requests: {row}")]
    Unmet { requests: u64, row: String },
    #[error("the halves said {0} and {1} lines")]
    Lines(usize, usize),
}

impl Error {
    /// Whose fault it is. The list is who wrote it's.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::List(_) | Self::Row(_) => Fault::Wrong,
            Self::Output(error) => Fault::of_output(error),
            Self::Lab(_)
            | Self::Spawn { .. }
            | Self::Ended { .. }
            | Self::Differ(_)
            | Self::Unmet { .. }
            | Self::Lines(..) => Fault::Failed,
        }
    }
}

/// A row of the list.
#[derive(Debug, PartialEq)]
struct Row {
    interface: String,
    request: String,
    emulated: String,
    native: String,
    ends: bool,
}

/// A line that the program has said.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line<'a> {
    episode: &'a str,
    interface: &'a str,
    request: &'a str,
    answer: &'a str,
    state: &'a str,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Error> {
    let program = built(&["build", "--package", "vhost-accel-differential"], "differential")?;
    let emulator = built(&["build", "--package", "vhost-accel-cli"], "vhost-accel")?;
    let arguments: Vec<OsString> = [
        program.into(),
        "--requests".into(),
        options.requests.to_string().into(),
        "--seed".into(),
        options.seed.to_string().into(),
    ]
    .into();
    let mut emulated = Command::new(emulator);
    emulated.args(["emulate", "--pairs", PAIRS, "--"]).args(&arguments);
    let emulated = output("emulated", emulated)?;
    let mut native = Command::new(Path::new(ROOT).join("lab/run"));
    native.args(["--accel", options.accel.name(), "--pairs", PAIRS, "--"]).args(&arguments);
    let native = output("native", native)?;
    let list = std::fs::read_to_string(Path::new(ROOT).join(LIST)).map_err(Error::List)?;
    let rows = rows(&list)?;
    let found = compare(&rows, &emulated, &native)?;
    let say = |text: String| print(text).map_err(Error::Output);
    say(format!(
        "{} requests, seed {}: {} answers differ as {LIST} says, {} otherwise",
        options.requests,
        options.seed,
        found.known,
        found.unknown.len()
    ))?;
    if !found.unknown.is_empty() {
        found.unknown.iter().take(SHOWN).try_for_each(|one| say(one.clone()))?;
        return Err(Error::Differ(found.unknown.len()));
    }
    let unmet = rows.iter().enumerate().find(|(index, _)| !found.met.contains(index));
    match unmet {
        Some((_, row)) => {
            Err(Error::Unmet { requests: options.requests, row: row.request.clone() })
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

fn built(arguments: &[&str], name: &'static str) -> Result<PathBuf, Error> {
    let path = lab::build(arguments, name, "bin")?;
    std::path::absolute(path).map_err(|error| lab::Error::Directory(error).into())
}

fn output(half: &'static str, mut command: Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    // What went wrong it says itself.
    command.stderr(Stdio::inherit());
    let output = command.output().map_err(|source| Error::Spawn { program, source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Ended { half, status: output.status })
}

/// What a comparison found.
#[derive(Debug, Default, PartialEq)]
struct Found {
    known: usize,
    unknown: Vec<String>,
    /// Rows of the list that were met.
    met: BTreeSet<usize>,
}

fn compare(rows: &[Row], emulated: &str, native: &str) -> Result<Found, Error> {
    let (emulated, native): (Vec<_>, Vec<_>) =
        (emulated.lines().map(line).collect(), native.lines().map(line).collect());
    if emulated.len() != native.len() || emulated.is_empty() {
        return Err(Error::Lines(emulated.len(), native.len()));
    }
    let mut found = Found::default();
    let mut ended = None;
    for (ours, theirs) in emulated.iter().zip(&native) {
        if ours == theirs || ended == Some(ours.episode) {
            continue;
        }
        let same_request = (ours.episode, ours.interface, ours.request)
            == (theirs.episode, theirs.interface, theirs.request);
        let row = rows.iter().position(|row| {
            same_request
                && matches(&row.interface, ours.interface)
                && matches(&row.request, ours.request)
                && matches(&row.emulated, ours.answer)
                && matches(&row.native, theirs.answer)
                && (row.ends || ours.state == theirs.state)
        });
        match row {
            Some(index) => {
                found.known += 1;
                found.met.insert(index);
                ended = rows[index].ends.then_some(ours.episode);
            }
            None => found.unknown.push(format!(
                "{} {} {}\n  emulated {} {}\n  native   {} {}",
                ours.episode,
                ours.interface,
                ours.request,
                ours.answer,
                ours.state,
                theirs.answer,
                theirs.state
            )),
        }
    }
    Ok(found)
}

/// `EPISODE INTERFACE REQUEST -> ANSWER | STATE`
fn line(text: &str) -> Line<'_> {
    let (sent, came) = text.split_once(" -> ").unwrap_or((text, ""));
    let (answer, state) = came.split_once(" | ").unwrap_or((came, ""));
    let mut words = sent.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    Line { episode: word(), interface: word(), request: word().trim_end(), answer, state }
}

fn rows(list: &str) -> Result<Vec<Row>, Error> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let table = list.lines().filter(|line| line.starts_with('|')).skip(2);
    table
        .map(|line| match <[String; 6]>::try_from(cells(line)) {
            Ok([interface, request, emulated, native, why, then])
                if !why.is_empty() && (then.is_empty() || then == "end") =>
            {
                Ok(Row { interface, request, emulated, native, ends: then == "end" })
            }
            _ => Err(Error::Row(line.to_owned())),
        })
        .collect()
}

/// Whether `text` is what `pattern` says, in which `*` is any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            (0..=text.len())
                .filter(|&at| text.is_char_boundary(at))
                .any(|at| matches(rest, &text[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
| interface | request | emulated | native | why | then |
|---|---|---|---|---|---|
| vfio-* | MAP * 4 | EINVAL | ENOENT | a flag | |
| * | UNMAP ff* | * | * | the last page | end |
";
    const SAME: &str = "0 vhost-mdev GET_STATUS -> 0 | status 03\n";

    fn found(emulated: &str, native: &str) -> Found {
        compare(&rows(LIST).unwrap(), emulated, native).unwrap()
    }

    #[test]
    fn what_is_the_same_is_no_difference() {
        assert_eq!(found(SAME, SAME), Found::default());
    }

    #[test]
    fn what_is_listed_is_known_with_the_same_state_alone() {
        let (ours, theirs) = (
            "1 vfio-msg MAP 0 4 -> EINVAL | status 03",
            "1 vfio-msg MAP 0 4 -> ENOENT | status 03",
        );
        let known = found(ours, theirs);
        assert_eq!((known.known, known.unknown.len(), known.met), (1, 0, BTreeSet::from([0])));
        let other = theirs.replace("03", "00");
        assert_eq!(found(ours, &other).unknown.len(), 1);
        assert_eq!(
            found(&ours.replace("vfio", "vhost"), &theirs.replace("vfio", "vhost")).unknown.len(),
            1
        );
        assert_eq!(found(theirs, ours).unknown.len(), 1);
    }

    #[test]
    fn an_episode_that_has_ended_is_not_compared_and_the_next_is() {
        let ours = "1 vfio-msg UNMAP ff 1 -> 0 | a\n1 vfio-msg X -> 1 | a\n2 vfio-msg X -> 1 | a\n";
        let theirs =
            "1 vfio-msg UNMAP ff 1 -> 1 | b\n1 vfio-msg X -> 2 | b\n2 vfio-msg X -> 2 | a\n";
        let found = found(ours, theirs);
        assert_eq!((found.known, found.unknown.len()), (1, 1));
        assert!(found.unknown[0].starts_with("2 "));
    }

    #[test]
    fn nothing_said_is_no_agreement() {
        assert!(matches!(compare(&[], "", ""), Err(Error::Lines(0, 0))));
        assert!(matches!(compare(&[], SAME, ""), Err(Error::Lines(1, 0))));
    }

    #[test]
    fn the_list_in_the_tree_has_rows_each_with_its_reason() {
        let list = include_str!("../../differential/differences.md");
        assert!(!rows(list).unwrap().is_empty());
        assert!(matches!(rows("||\n||\n| a | b | c | d | | |\n"), Err(Error::Row(_))));
    }
}
