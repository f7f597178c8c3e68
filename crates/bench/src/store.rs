//! Result files on disk.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::results::{Clock, Crossings, Platform, ResultFile, SCHEMA};

impl ResultFile {
    /// Reads a result file.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Schema`] for another version; [`Error::Json`] for one that isn't what
    /// its version says.
    pub fn load(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let text = fs::read_to_string(path).map_err(Error::file(path))?;
        let Version { schema } = serde_json::from_str(&text).map_err(Error::json(path))?;
        if schema != SCHEMA {
            let path = path.to_owned();
            return Err(Error::Schema { path, schema });
        }
        serde_json::from_str(&text).map_err(Error::json(path))
    }

    /// Writes a result file, making its directory.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).map_err(Error::json(path))?;
        text.push('\n');
        write(path, &text)
    }

    /// The name of its file in `results/`: date, kernel half, where it tells runs of a day apart machine
    /// and clock, CPU.
    pub fn file_name(&self) -> String {
        let run = &self.run;
        let mut parts = vec![run.date.split('T').next().unwrap_or_default().to_owned()];
        parts.push(run.kernel_half.to_string());
        parts.extend(match run.machine {
            Platform::Host => None,
            Platform::Tcg => Some("tcg".to_owned()),
            Platform::Kvm => Some("kvm".to_owned()),
        });
        parts.extend((run.clock == Clock::Instructions).then(|| "instructions".to_owned()));
        let mut cpu = String::new();
        for letter in self.host.cpu.chars() {
            if letter.is_ascii_alphanumeric() {
                cpu.push(letter.to_ascii_lowercase());
            } else if !cpu.is_empty() && !cpu.ends_with('-') {
                cpu.push('-');
            }
        }
        parts.push(cpu.trim_end_matches('-').to_owned());
        parts.retain(|part| !part.is_empty());
        format!("{}.json", parts.join("-"))
    }
}

/// The file in `results/` that is no result: what the others look like.
const SCHEMA_FILE: &str = "schema.json";

/// The result files in `root/results`, oldest first, each with its path under `root`.
///
/// # Errors
/// As [`ResultFile::load`].
pub fn load_all(root: &Path) -> Result<Vec<(PathBuf, ResultFile)>> {
    let dir = root.join("results");
    let mut all = Vec::new();
    for entry in fs::read_dir(&dir).map_err(Error::file(&dir))? {
        let path = entry.map_err(Error::file(&dir))?.path();
        let json = path.extension().is_some_and(|extension| extension == "json");
        if json && path.file_name().is_some_and(|name| name != SCHEMA_FILE) {
            let file = ResultFile::load(&path)?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
            all.push((name, file));
        }
    }
    all.sort_by(|(_, a), (_, b)| a.run.date.cmp(&b.run.date));
    Ok(all)
}

/// Counts of crossings by themselves, as a JSON array.
///
/// # Errors
/// [`Error::File`], [`Error::Json`].
pub fn load_crossings(path: &Path) -> Result<Vec<Crossings>> {
    let text = fs::read_to_string(path).map_err(Error::file(path))?;
    serde_json::from_str(&text).map_err(Error::json(path))
}

/// Writes `text` to `path`, making its directory.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(Error::file(dir))?;
    }
    fs::write(path, text).map_err(Error::file(path))
}
