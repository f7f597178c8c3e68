//! Result files on disk.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::plausible;
use crate::results::{Clock, Crossings, Platform, ResultFile, SCHEMA, Setting};
use crate::staged::Staged;

impl ResultFile {
    /// Reads a result file.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Schema`] for another version; [`Error::Json`] for one that isn't
    /// what its version says; [`Error::Implausible`] for what nobody can have measured or written.
    pub fn load(path: &Path) -> Result<Self> {
        Self::of_value(path, &load_value(path)?)
    }

    fn of_value(path: &Path, value: &Value) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let version = Version::deserialize(value).map_err(Error::json(path))?;
        if version.schema != SCHEMA {
            let path = path.to_owned();
            return Err(Error::Schema { path, schema: version.schema });
        }
        Self::deserialize(value).map_err(Error::json(path))
    }

    /// Writes a result file, making its directory.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: &Path) -> Result<()> {
        write_all([(path.to_owned(), self.text(path)?.as_bytes())])
    }

    /// What is in its file, which is to be `path`.
    pub(crate) fn text(&self, path: &Path) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self).map_err(Error::json(path))?;
        text.push('\n');
        Ok(text)
    }

    /// The name of its file in `results/`: date, kernel half, where it tells runs of a day apart
    /// machine, clock and setting, CPU.
    pub fn file_name(&self) -> String {
        let run = &self.run;
        let mut parts = vec![word(run.date.split('T').next().unwrap_or_default())];
        parts.push(run.kernel_half.to_string());
        parts.extend(match run.machine {
            Platform::Host => None,
            Platform::Tcg => Some("tcg".to_owned()),
            Platform::Kvm => Some("kvm".to_owned()),
        });
        parts.extend((run.clock == Clock::Instructions).then(|| "instructions".to_owned()));
        parts.extend((run.setting != Setting::Usual).then(|| run.setting.name().to_owned()));
        parts.push(word(&self.host.cpu));
        parts.retain(|part| !part.is_empty());
        format!("{}.json", parts.join("-"))
    }
}

/// The letters and digits of `text` as a part of a file's name, which is no path and no longer than
/// a file system takes.
fn word(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut word = String::new();
    for letter in text.chars().take(LONGEST) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter.to_ascii_lowercase());
        } else if !word.is_empty() && !word.ends_with('-') {
            word.push('-');
        }
    }
    word.trim_end_matches('-').to_owned()
}

/// The file in `results/` that is no result: what the others look like.
pub(crate) const SCHEMA_FILE: &str = "schema.json";

/// Result files, oldest first, each with its path under the root.
pub type Results = Vec<(PathBuf, ResultFile)>;

/// The result files in `root/results`, oldest first, each with its path under `root`.
///
/// # Errors
/// As [`ResultFile::load`].
pub fn load_all(root: &Path) -> Result<Results> {
    let dir = root.join("results");
    let mut all = Vec::new();
    for entry in fs::read_dir(&dir).map_err(Error::read(&dir))? {
        let path = entry.map_err(Error::read(&dir))?.path();
        let json = path.extension().is_some_and(|extension| extension == "json");
        if json && path.file_name().is_some_and(|name| name != SCHEMA_FILE) {
            let file = ResultFile::load(&path)?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
            all.push((name, file));
        }
    }
    sort(&mut all);
    Ok(all)
}

/// [`load_all`] as it will be with a new result, its path and `text`, and without those that it
/// `replaces`; behind it the paths of those.
pub(crate) fn with_result(
    root: &Path,
    (path, text): (&Path, &str),
    replaces: impl Fn(&ResultFile) -> bool,
) -> Result<(Results, Vec<PathBuf>)> {
    let dir = root.join("results");
    fs::create_dir_all(&dir).map_err(Error::file(&dir))?;
    let mut gone = Vec::new();
    let mut all = load_all(root)?;
    all.retain(|(there, file)| {
        let replaced = there != path && replaces(file);
        gone.extend(replaced.then(|| there.clone()));
        there != path && !replaced
    });
    // As it will be read: a figure may change in its last digit on the way.
    all.push((path.to_owned(), ResultFile::of_value(path, &value(path, text)?)?));
    sort(&mut all);
    Ok((all, gone))
}

/// Oldest first.
fn sort(all: &mut [(PathBuf, ResultFile)]) {
    all.sort_by(|(_, a), (_, b)| a.run.date.cmp(&b.run.date));
}

/// Counts of crossings by themselves, as a JSON array.
///
/// # Errors
/// [`Error::Read`], [`Error::Json`], [`Error::Implausible`].
pub fn load_crossings(path: &Path) -> Result<Vec<Crossings>> {
    Vec::deserialize(&load_value(path)?).map_err(Error::json(path))
}

/// A file as large as this is no result: those of whole runs have half a megabyte.
const MOST_BYTES: u64 = 64 << 20;

/// The one way in: what comes from here can be shown.
fn load_value(path: &Path) -> Result<Value> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(Error::read(path))?;
    file.take(MOST_BYTES).read_to_string(&mut text).map_err(Error::read(path))?;
    if text.len() as u64 == MOST_BYTES {
        return Err(Error::read(path)(io::ErrorKind::FileTooLarge.into()));
    }
    value(path, &text)
}

fn value(path: &Path, text: &str) -> Result<Value> {
    let value = serde_json::from_str(text).map_err(Error::json(path))?;
    plausible::check(&value).map_err(Error::implausible(path))?;
    Ok(value)
}

/// Writes a text to each path, making its directory: to all of them or, where one can't be written,
/// to none.
///
/// # Errors
/// [`Error::File`].
pub fn write_all<'a>(texts: impl IntoIterator<Item = (PathBuf, &'a [u8])>) -> Result<()> {
    replace_all(texts, &[])
}

/// [`write_all`], and removes what is `gone` then: nothing goes before all that comes is there.
pub(crate) fn replace_all<'a>(
    texts: impl IntoIterator<Item = (PathBuf, &'a [u8])>,
    gone: &[PathBuf],
) -> Result<()> {
    let mut staged = Vec::new();
    for (path, text) in texts {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(Error::file(dir))?;
        }
        let mut file = Staged::create(&path).map_err(Error::file(&path))?;
        file.write_all(text).map_err(Error::file(&path))?;
        staged.push((path, file));
    }
    Staged::keep_all(staged, gone)
}
