//! The committed reports: written from `results/`, and checked against it.

use std::fs;
use std::path::{Path, PathBuf};

use super::content::{markdown, quoted, readme_table, text};
use super::plot;
use crate::store::{load_all, write as write_file};
use crate::{Error, Result, ResultFile};

const BEGIN: &str = "<!-- results:begin -->";
const END: &str = "<!-- results:end -->";

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

/// Writes `docs/design-comparison.md`, its plots and the README's table below `root` from
/// `root/results`.
///
/// # Errors
/// [`Error`].
pub fn write(root: &Path) -> Result<()> {
    for (path, text) in committed(root)? {
        write_file(&root.join(path), &text)?;
    }
    Ok(())
}

/// Whether `docs/design-comparison.md`, its plots and the README's table below `root` are what
/// `root/results` makes.
///
/// # Errors
/// [`Drift::Changed`] if not.
pub fn check(root: &Path) -> std::result::Result<(), Drift> {
    let mut changed = Vec::new();
    for (path, text) in committed(root)? {
        if fs::read_to_string(root.join(&path)).ok().as_deref() != Some(&text) {
            changed.push(path);
        }
    }
    if changed.is_empty() { Ok(()) } else { Err(Drift::Changed(changed)) }
}

/// Writes the mail and the comparison with its plots into `dir`: `report.txt`, `design-comparison.md`
/// and `img/`.
///
/// # Errors
/// [`Error`].
pub fn write_pages(dir: &Path, files: &[ResultFile]) -> Result<()> {
    for (path, page) in pages(files)? {
        write_file(&dir.join(path), &page)?;
    }
    write_file(&dir.join("report.txt"), &text(files))
}

/// Every file that is made from results, by its path below the root.
fn committed(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let files: Vec<ResultFile> = load_all(root)?.into_iter().map(|(_, file)| file).collect();
    if files.is_empty() {
        return Err(Error::NoResults(root.join("results")));
    }
    let mut all: Vec<_> = pages(&files)?
        .into_iter()
        .map(|(path, text)| (Path::new("docs").join(path), text))
        .collect();
    let readme = root.join("README.md");
    let text = fs::read_to_string(&readme).map_err(Error::file(&readme))?;
    all.push((PathBuf::from("README.md"), with_table(&readme, &text, &readme_table(&files))?));
    Ok(all)
}

fn pages(files: &[ResultFile]) -> Result<Vec<(PathBuf, String)>> {
    let mut pages = vec![(PathBuf::from("design-comparison.md"), markdown(files))];
    if let Some(file) = quoted(files) {
        let plots = plot::all(file)?.into_iter();
        pages.extend(plots.map(|(name, text)| (Path::new("img").join(name), text)));
    }
    Ok(pages)
}

/// `text` with `table` between its markers.
fn with_table(path: &Path, text: &str, table: &str) -> Result<String> {
    let missing = |marker| Error::Marker { path: path.to_owned(), marker };
    let (before, rest) = text.split_once(BEGIN).ok_or_else(|| missing(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_goes_between_its_markers() {
        let path = Path::new("README.md");
        let text = "a\n<!-- results:begin -->\nold\n<!-- results:end -->\nb\n";
        assert_eq!(
            with_table(path, text, "new\n").unwrap(),
            "a\n<!-- results:begin -->\nnew\n<!-- results:end -->\nb\n"
        );
        let error = with_table(path, "a\n", "new\n").unwrap_err();
        assert_eq!(error.to_string(), "README.md: no line `<!-- results:begin -->`");
    }
}
