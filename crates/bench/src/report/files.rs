//! The committed reports: written from `results/`, and checked against it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::content::{RFC_V2, html, mail, markdown, readme_table};
use super::evidence::Evidence;
use super::{chart, plot};
use crate::schema::schema;
use crate::store::{SCHEMA_FILE, load_all, replace_all, with_result, write_all};
use crate::{Error, Result, ResultFile, Scenario};

/// What stands before and behind what is generated in a page.
type Markers = [&'static str; 2];
const RESULTS: Markers = ["<!-- results:begin -->", "<!-- results:end -->"];
const SCENARIOS: Markers = ["<!-- scenarios:begin -->", "<!-- scenarios:end -->"];
/// Where the plots are, below `docs/`.
const IMAGES: &str = "img";

/// The reports are not what the results make.
#[derive(Debug, thiserror::Error)]
pub enum Drift {
    /// These files differ.
    #[error("not what results/ makes; `vhost-accel report` writes it anew: {}", names(.0))]
    Changed(Vec<PathBuf>),
    /// It couldn't be found out.
    #[error(transparent)]
    Unknown(#[from] Error),
}

fn names(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}

/// Writes `docs/design-comparison.md`, the same as HTML, their plots and the README's tables below
/// `root` from `root/results`, the table of scenarios in `docs/measuring.md` and
/// `results/schema.json`. Plots that no result makes any more are removed.
///
/// # Errors
/// [`Error`].
pub fn write(root: &Path) -> Result<()> {
    write_committed(root, committed(root, &load_all(root)?)?, Vec::new())
}

/// Keeps `result` in `root/results`, in place of those that it `replaces`, and does what
/// [`write()`] does, all in one step: when it fails, everything is as it was. The path of the
/// result, below `root`.
///
/// # Errors
/// [`Error`].
pub fn save(
    root: &Path,
    result: &ResultFile,
    replaces: impl Fn(&ResultFile) -> bool,
) -> Result<PathBuf> {
    let path = Path::new("results").join(result.file_name());
    let text = result.text(&path)?;
    let (files, gone) = with_result(root, (&path, &text), replaces)?;
    let mut all = committed(root, &files)?;
    all.push((path.clone(), text));
    write_committed(root, all, gone)?;
    Ok(path)
}

/// Writes what is `committed`, and removes what is `gone` and the plots that are left over.
fn write_committed(
    root: &Path,
    committed: Vec<(PathBuf, String)>,
    mut gone: Vec<PathBuf>,
) -> Result<()> {
    gone.extend(stale(root, &committed)?);
    let gone: Vec<PathBuf> = gone.iter().map(|path| root.join(path)).collect();
    replace_all(below(root, &committed), &gone)
}

/// Whether `docs/design-comparison.md`, the same as HTML, their plots and the README's tables below
/// `root` are what `root/results` makes, and no plot is left over.
///
/// # Errors
/// [`Drift::Changed`] if not.
pub fn check(root: &Path) -> std::result::Result<(), Drift> {
    let committed = committed(root, &load_all(root)?)?;
    let mut changed = stale(root, &committed)?;
    for (path, text) in committed {
        if fs::read_to_string(root.join(&path)).ok().as_deref() != Some(&text) {
            changed.push(path);
        }
    }
    if changed.is_empty() { Ok(()) } else { Err(Drift::Changed(changed)) }
}

/// The plots below `root` that are not among what is `committed`.
fn stale(root: &Path, committed: &[(PathBuf, String)]) -> Result<Vec<PathBuf>> {
    let made: BTreeSet<&Path> = committed.iter().map(|(path, _)| path.as_path()).collect();
    let below = Path::new("docs").join(IMAGES);
    let dir = root.join(&below);
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut stale = Vec::new();
    for entry in fs::read_dir(&dir).map_err(Error::file(&dir))? {
        let path = below.join(entry.map_err(Error::file(&dir))?.file_name());
        let svg = path.extension().is_some_and(|extension| extension == "svg");
        if svg && !made.contains(path.as_path()) {
            stale.push(path);
        }
    }
    stale.sort();
    Ok(stale)
}

/// Writes the mail and the comparison with its plots into `dir`: `report.txt`,
/// `design-comparison.md`, `design-comparison.html` and `img/`.
///
/// # Errors
/// [`Error`].
pub fn write_pages(dir: &Path, files: &[ResultFile]) -> Result<()> {
    write_evidence(dir, &Evidence::new(files))
}

/// As [`write_pages`], of results that needn't all be in `results/`.
///
/// # Errors
/// [`Error`].
pub fn write_evidence(dir: &Path, evidence: &Evidence<'_>) -> Result<()> {
    write_all(below(dir, &pages(evidence)?))
}

fn below<'a>(
    dir: &'a Path,
    files: &'a [(PathBuf, String)],
) -> impl Iterator<Item = (PathBuf, &'a [u8])> {
    files.iter().map(|(path, text)| (dir.join(path), text.as_bytes()))
}

/// Every file that is made from results, by its path below the root.
fn committed(root: &Path, results: &[(PathBuf, ResultFile)]) -> Result<Vec<(PathBuf, String)>> {
    let files: Vec<ResultFile> = results.iter().map(|(_, file)| file.clone()).collect();
    if files.is_empty() {
        return Err(Error::NoResults(root.join("results")));
    }
    let evidence = Evidence::new(&files);
    let mut all: Vec<_> = pages(&evidence)?
        .into_iter()
        .map(|(path, text)| (Path::new("docs").join(path), text))
        .collect();
    for (page, markers, table) in [
        ("README.md", RESULTS, readme_table(&evidence)),
        ("docs/measuring.md", SCENARIOS, Scenario::table()),
    ] {
        let path = root.join(page);
        let text = fs::read_to_string(&path).map_err(Error::read(&path))?;
        all.push((PathBuf::from(page), with_table(&path, &text, markers, &table)?));
    }
    all.push((Path::new("results").join(SCHEMA_FILE), schema()));
    Ok(all)
}

fn pages(evidence: &Evidence<'_>) -> Result<Vec<(PathBuf, String)>> {
    let mut pages = vec![
        (PathBuf::from("design-comparison.md"), markdown(evidence)),
        (PathBuf::from("design-comparison.html"), html(evidence)?),
    ];
    for chart in chart::all(evidence) {
        pages.push((Path::new(IMAGES).join(chart.file), plot::draw(&chart)?));
    }
    pages.push((PathBuf::from("report.txt"), mail(evidence, RFC_V2)));
    Ok(pages)
}

/// `text` with `table` between its markers.
fn with_table(path: &Path, text: &str, [begin, end]: Markers, table: &str) -> Result<String> {
    let missing = |marker| Error::Marker { path: path.to_owned(), marker };
    let (before, rest) = text.split_once(begin).ok_or_else(|| missing(begin))?;
    let (_, after) = rest.split_once(end).ok_or_else(|| missing(end))?;
    Ok(format!("{before}{begin}\n{table}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_goes_between_its_markers() {
        let path = Path::new("README.md");
        let text = "a\n<!-- results:begin -->\nold\n<!-- results:end -->\nb\n";
        assert_eq!(
            with_table(path, text, RESULTS, "new\n").unwrap(),
            "a\n<!-- results:begin -->\nnew\n<!-- results:end -->\nb\n"
        );
        let error = with_table(path, "a\n", RESULTS, "new\n").unwrap_err();
        assert_eq!(error.to_string(), "README.md: no line `<!-- results:begin -->`");
    }
}
