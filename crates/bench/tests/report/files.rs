//! The committed documents: written, checked, found to have drifted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use vhost_accel_bench::report::{self, Drift};
use vhost_accel_bench::{ResultFile, schema};

use crate::fixture;

/// A tree with a result and the reports made from it.
fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let result = fixture::result();
    result.save(&root.path().join("results").join(result.file_name())).unwrap();
    let readme = "# Name\n<!-- results:begin -->\n<!-- results:end -->\nMore.\n";
    fs::write(root.path().join("README.md"), readme).unwrap();
    let measuring = "# Measuring\n<!-- scenarios:begin -->\n<!-- scenarios:end -->\n";
    let templates = root.path().join("docs/templates");
    fs::create_dir_all(&templates).unwrap();
    let of = "{{ calls('setup/64', '#2') }}\n";
    fs::write(templates.join("README.md"), of).unwrap();
    let claim = "# Page\n\n{{ claim(calls('setup/4', '#1/A') == 70, 'It takes 70.') }}\n";
    fs::write(templates.join("design-comparison.md"), claim).unwrap();
    fs::write(root.path().join("docs/measuring.md"), measuring).unwrap();
    report::write(root.path()).unwrap();
    root
}

#[test]
fn what_was_written_has_not_drifted() {
    let root = tree();
    report::check(root.path()).unwrap();
    let readme = fs::read_to_string(root.path().join("README.md")).unwrap();
    assert!(readme.contains("<!-- results:begin -->\n672\n"), "{readme}");
    assert!(readme.ends_with("<!-- results:end -->\nMore.\n"));
    // Writing again changes nothing.
    report::write(root.path()).unwrap();
    assert_eq!(fs::read_to_string(root.path().join("README.md")).unwrap(), readme);
}

#[test]
fn a_number_that_was_changed_by_hand_is_drift() {
    for (path, number, other) in [
        ("docs/design-comparison.md", "70", "69"),
        ("docs/measurements.md", "| setup/4 | 70 |", "| setup/4 | 69 |"),
        ("README.md", "672", "660"),
        ("docs/measuring.md", "| its removal |", "| nothing |"),
        ("docs/img/setup-time.svg", "#1/B", "#2"),
    ] {
        let root = tree();
        let file = root.path().join(path);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(number), "{path}: {text}");
        fs::write(&file, text.replace(number, other)).unwrap();
        match report::check(root.path()).unwrap_err() {
            Drift::Changed(paths) => assert_eq!(paths, [Path::new(path)]),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_changed_result_is_drift_or_refutes_a_claim() {
    let root = tree();
    let mut result = fixture::result();
    let change = |result: &ResultFile| {
        result.save(&root.path().join("results").join(result.file_name())).unwrap();
        report::check(root.path()).unwrap_err()
    };
    result.timings.iter_mut().for_each(|timing| timing.figures.median *= 2.0);
    assert!(matches!(change(&result), Drift::Changed(_)));
    for counted in &mut result.crossings {
        counted.total += 1;
    }
    match change(&result) {
        Drift::Refuted(sentences) => assert_eq!(sentences, ["It takes 70."]),
        other => panic!("{other}"),
    }
    // What is written says so, where the sentence stands.
    assert!(matches!(report::write(root.path()), Err(Drift::Refuted(_))));
    let page = fs::read_to_string(root.path().join("docs/design-comparison.md")).unwrap();
    assert!(page.contains("**Not borne out:** It takes 70."), "{page}");
}

#[test]
fn no_results_are_an_error_that_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("results")).unwrap();
    let error = report::write(root.path()).unwrap_err();
    assert!(error.to_string().contains("cargo bench -- --save"), "{error}");
}

#[test]
fn a_plot_that_no_result_makes_is_drift_until_it_is_removed() {
    let root = tree();
    let old = root.path().join("docs/img/old.svg");
    fs::write(&old, "<svg/>").unwrap();
    match report::check(root.path()).unwrap_err() {
        Drift::Changed(paths) => assert_eq!(paths, [Path::new("docs/img/old.svg")]),
        other => panic!("{other}"),
    }
    report::write(root.path()).unwrap();
    assert!(!old.exists());
    report::check(root.path()).unwrap();
}

#[test]
fn the_schema_is_no_result_and_kept_current() {
    let root = tree();
    let path = root.path().join("results/schema.json");
    assert_eq!(fs::read_to_string(&path).unwrap(), schema());
    fs::write(&path, "{}").unwrap();
    assert!(matches!(report::check(root.path()).unwrap_err(), Drift::Changed(_)));
}

#[test]
fn a_page_needs_nothing_else() {
    let root = tree();
    let out = root.path().join("out");
    let page = fs::read_to_string(report::write_html(root.path(), &out).unwrap()).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
    for fetches in ["src=", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(fetches), "{fetches}");
    }
    assert!(page.contains("<p>It takes 70.</p>"), "{page}");
    assert_eq!(page.matches("<table>").count(), page.matches("</table>").count());
}

/// Every file below `dir`, hidden ones too.
fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read_to_string(&path).unwrap());
        }
    }
    all
}

/// A run like the fixture's, a month later.
fn newer() -> ResultFile {
    let mut newer = fixture::result();
    newer.run.date = "2026-02-02T03:04:05Z".to_owned();
    newer
}

#[test]
fn a_result_is_kept_in_place_of_those_that_it_replaces() {
    let root = tree();
    let (old, new) = (fixture::result(), newer());
    let results = |root: &Path| -> Vec<String> {
        let names = fs::read_dir(root.join("results")).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "schema.json");
        names.sort();
        names
    };
    let path = report::save(root.path(), &new, |_| false).unwrap();
    assert_eq!(path, Path::new("results").join(new.file_name()));
    assert_eq!(results(root.path()), [old.file_name(), new.file_name()]);
    report::check(root.path()).unwrap();
    // It is not itself one of those that go.
    for _ in 0..2 {
        report::save(root.path(), &new, |_| true).unwrap();
        assert_eq!(results(root.path()), [new.file_name()]);
        report::check(root.path()).unwrap();
    }
}

#[test]
fn a_result_that_cannot_be_kept_replaces_nothing() {
    let root = tree();
    // The documents can't be made, or one of them can't be written.
    let readme = root.path().join("README.md");
    let marked = fs::read_to_string(&readme).unwrap();
    fs::write(&readme, "no markers").unwrap();
    let before = files(root.path());
    report::save(root.path(), &newer(), |_| true).unwrap_err();
    assert_eq!(files(root.path()), before);

    fs::write(&readme, marked).unwrap();
    let page = root.path().join("docs/design-comparison.md");
    fs::remove_file(&page).unwrap();
    fs::create_dir(&page).unwrap();
    let before = files(root.path());
    report::save(root.path(), &newer(), |_| true).unwrap_err();
    assert_eq!(files(root.path()), before);
}
