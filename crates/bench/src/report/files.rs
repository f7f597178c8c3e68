//! The committed documents: written from `results/` and `docs/templates/`, and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::chart::{self, Chart};
use super::evidence::Evidence;
use super::template::{Templates, page};
use crate::schema::schema;
use crate::store::{SCHEMA_FILE, load_all, replace_all, with_result, write_all};
use crate::{Error, Result, ResultFile, Scenario};

/// What stands before and behind what is generated in a page.
type Markers = [&'static str; 2];
const RESULTS: Markers = ["<!-- results:begin -->", "<!-- results:end -->"];
const SCENARIOS: Markers = ["<!-- scenarios:begin -->", "<!-- scenarios:end -->"];
/// Where the charts are, below `docs/`.
const IMAGES: &str = "img";
/// The template of the comparison, below the root.
pub const COMPARISON: &str = "docs/templates/design-comparison.md";
/// Where people write.
const TEMPLATES: &str = "docs/templates";
/// The template whose text goes between the markers of the page of this name.
const README: &str = "README.md";

/// The reports are not what the results make.
#[derive(Debug, thiserror::Error)]
pub enum Drift {
    /// These files differ.
    #[error("not what results/ makes; `vhost-accel report` writes it anew: {}", names(.0))]
    Changed(Vec<PathBuf>),
    /// The results don't bear these sentences.
    #[error("the results don't bear what docs/templates/ say: {}", .0.join(" | "))]
    Refuted(Vec<String>),
    /// It couldn't be found out.
    #[error(transparent)]
    Unknown(#[from] Error),
}

fn names(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}

/// Writes below `root` what `root/results` makes: a document for each of `docs/templates/`,
/// `docs/measurements.md` and the charts, the README's table, the table of scenarios in
/// `docs/measuring.md` and `results/schema.json`. Charts that no result makes any more are removed.
/// A claim that the results don't bear is marked where it stands.
///
/// # Errors
/// [`Drift::Refuted`] when everything is written and a claim is not borne out.
pub fn write(root: &Path) -> std::result::Result<(), Drift> {
    let made = committed(root, &load_all(root)?)?;
    write_committed(root, made.files, Vec::new())?;
    if made.refuted.is_empty() { Ok(()) } else { Err(Drift::Refuted(made.refuted)) }
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
    let mut all = committed(root, &files)?.files;
    all.push((path.clone(), text));
    write_committed(root, all, gone)?;
    Ok(path)
}

/// Writes what is `committed`, and removes what is `gone` and the charts that are left over.
fn write_committed(
    root: &Path,
    committed: Vec<(PathBuf, String)>,
    mut gone: Vec<PathBuf>,
) -> Result<()> {
    gone.extend(stale(root, &committed)?);
    let gone: Vec<PathBuf> = gone.iter().map(|path| root.join(path)).collect();
    replace_all(below(root, &committed), &gone)
}

/// Whether all that [`write()`] writes is what `root/results` makes, no chart is left over, and the
/// results bear every claim.
///
/// # Errors
/// [`Drift::Changed`] and [`Drift::Refuted`] if not.
pub fn check(root: &Path) -> std::result::Result<(), Drift> {
    let made = committed(root, &load_all(root)?)?;
    if !made.refuted.is_empty() {
        return Err(Drift::Refuted(made.refuted));
    }
    let mut changed = stale(root, &made.files)?;
    for (path, text) in made.files {
        if fs::read_to_string(root.join(&path)).ok().as_deref() != Some(&text) {
            changed.push(path);
        }
    }
    if changed.is_empty() { Ok(()) } else { Err(Drift::Changed(changed)) }
}

/// The charts below `root` that are not among what is `committed`.
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

/// Writes all figures of `files` and their charts into `dir`: `measurements.md`, the same as HTML,
/// and `img/`.
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
    let charts = chart::all(evidence);
    let mut files = measurements(&Templates::new(evidence, &charts), &charts)?;
    let page = page(&files[0].1, &charts);
    files.push((PathBuf::from("measurements.html"), page));
    write_all(below(dir, &files))
}

/// Writes `docs/design-comparison.md` below `root` and all figures behind it as one HTML page,
/// `design-comparison.html` in `dir`.
///
/// # Errors
/// [`Error`].
pub fn write_html(root: &Path, dir: &Path) -> Result<PathBuf> {
    let results = load_all(root)?;
    let made = committed(root, &results)?;
    let files: Vec<ResultFile> = results.into_iter().map(|(_, file)| file).collect();
    let of = |path: &str| {
        let file = made.files.iter().find(|(made, _)| made == Path::new(path));
        file.map(|(_, text)| text.as_str()).ok_or_else(|| Error::NoTemplate(root.join(TEMPLATES)))
    };
    let text = format!("{}\n{}", of("docs/design-comparison.md")?, of("docs/measurements.md")?);
    let html = page(&text, &chart::all(&Evidence::new(&files)));
    let path = dir.join("design-comparison.html");
    write_all([(path.clone(), html.as_bytes())])?;
    Ok(path)
}

fn below<'a>(
    dir: &'a Path,
    files: &'a [(PathBuf, String)],
) -> impl Iterator<Item = (PathBuf, &'a [u8])> {
    files.iter().map(|(path, text)| (dir.join(path), text.as_bytes()))
}

/// What is made from results: each file, by its path below the root, and what of it the results
/// don't bear.
struct Made {
    files: Vec<(PathBuf, String)>,
    refuted: Vec<String>,
}

/// What is committed.
fn committed(root: &Path, results: &[(PathBuf, ResultFile)]) -> Result<Made> {
    let results: Vec<ResultFile> = results.iter().map(|(_, file)| file.clone()).collect();
    if results.is_empty() {
        return Err(Error::NoResults(root.join("results")));
    }
    let evidence = Evidence::new(&results);
    let charts = chart::all(&evidence);
    let templates = Templates::new(&evidence, &charts);
    let docs = |path: &Path| Path::new("docs").join(path);
    let mut made = Made { files: Vec::new(), refuted: Vec::new() };
    for (path, text) in measurements(&templates, &charts)? {
        made.files.push((docs(&path), text));
    }
    for (name, template) in of_people(root)? {
        let rendered = templates.render(&format!("{TEMPLATES}/{name}"), &template)?;
        made.refuted.extend(rendered.refuted);
        if name == README {
            made.files.push(marked(root, README, RESULTS, &rendered.text)?);
        } else {
            made.files.push((docs(Path::new(&name)), rendered.text));
        }
    }
    made.files.push(marked(root, "docs/measuring.md", SCENARIOS, &Scenario::table())?);
    made.files.push((Path::new("results").join(SCHEMA_FILE), schema()));
    Ok(made)
}

/// The templates below `root`, by their name.
fn of_people(root: &Path) -> Result<BTreeMap<String, String>> {
    let dir = root.join(TEMPLATES);
    let mut all = BTreeMap::new();
    if !dir.exists() {
        return Ok(all);
    }
    for entry in fs::read_dir(&dir).map_err(Error::file(&dir))? {
        let path = entry.map_err(Error::file(&dir))?.path();
        let text = fs::read_to_string(&path).map_err(Error::read(&path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.insert(name, text);
    }
    Ok(all)
}

/// All figures, and the charts.
fn measurements(templates: &Templates, charts: &[Chart]) -> Result<Vec<(PathBuf, String)>> {
    let text = templates.render("measurements.md", include_str!("measurements.md"))?.text;
    let mut files = vec![(PathBuf::from("measurements.md"), tidy(&text))];
    for chart in charts {
        files.push((Path::new(IMAGES).join(&chart.file), chart.svg.clone()));
    }
    Ok(files)
}

/// Without the second of two empty lines, which stand where a run has nothing for a table.
fn tidy(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().map(str::trim_end) {
        if !(line.is_empty() && out.ends_with("\n\n")) {
            out.push_str(line);
            out.push('\n');
        }
    }
    format!("{}\n", out.trim_end())
}

/// The page at `path` below `root` with `text` between its markers.
fn marked(root: &Path, path: &str, markers: Markers, text: &str) -> Result<(PathBuf, String)> {
    let page = root.join(path);
    let old = fs::read_to_string(&page).map_err(Error::read(&page))?;
    Ok((PathBuf::from(path), with_table(&page, &old, markers, text)?))
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
