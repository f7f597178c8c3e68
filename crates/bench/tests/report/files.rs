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
    fs::create_dir(root.path().join("docs")).unwrap();
    fs::write(root.path().join("docs/measuring.md"), measuring).unwrap();
    report::write(root.path()).unwrap();
    root
}

#[test]
fn what_was_written_has_not_drifted() {
    let root = tree();
    report::check(root.path()).unwrap();
    let readme = fs::read_to_string(root.path().join("README.md")).unwrap();
    assert!(readme.contains("| setup/64 | 670 | 671 | 672 | 673 |"), "{readme}");
    assert!(readme.ends_with("<!-- results:end -->\nMore.\n"));
    // Writing again changes nothing.
    report::write(root.path()).unwrap();
    assert_eq!(fs::read_to_string(root.path().join("README.md")).unwrap(), readme);
}

#[test]
fn a_number_that_was_changed_by_hand_is_drift() {
    for (path, number, other) in [
        ("docs/design-comparison.md", "| setup/4 | 70 |", "| setup/4 | 69 |"),
        ("README.md", "670", "660"),
        ("docs/measuring.md", "| its removal |", "| nothing |"),
        ("docs/img/kick-time.svg", "#1/B", "#2"),
    ] {
        let root = tree();
        let file = root.path().join(path);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(number), "{path}: {text}");
        fs::write(&file, text.replace(number, other)).unwrap();
        match report::check(root.path()).unwrap_err() {
            Drift::Changed(paths) => assert_eq!(paths, [Path::new(path)]),
            Drift::Unknown(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_changed_result_is_drift_everywhere() {
    let root = tree();
    let mut result = fixture::result();
    for counted in &mut result.crossings {
        counted.total += 1;
    }
    result.save(&root.path().join("results").join(result.file_name())).unwrap();
    match report::check(root.path()).unwrap_err() {
        Drift::Changed(paths) => assert!(paths.len() >= 3, "{paths:?}"),
        Drift::Unknown(error) => panic!("{error}"),
    }
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
        Drift::Unknown(error) => panic!("{error}"),
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
    let page = fs::read_to_string(root.path().join("docs/design-comparison.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
    for fetches in ["src=", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(fetches), "{fetches}");
    }
    let plots = fs::read_dir(root.path().join("docs/img")).unwrap().count();
    assert!(plots >= 5, "{plots}");
    assert_eq!(page.matches("<svg ").count(), plots);
    assert_eq!(page.matches("<figure>").count(), page.matches("</figure>").count());
    assert_eq!(page.matches("<table>").count(), page.matches("</table>").count());
}

#[test]
fn every_plot_is_shown_and_every_shown_plot_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let files = [fixture::result(), fixture::instructions(), fixture::translated(), fixture::kvm()];
    report::write_pages(dir.path(), &files).unwrap();
    let page = fs::read_to_string(dir.path().join("design-comparison.md")).unwrap();
    let mut shown: Vec<&str> =
        page.split("](img/").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    let mut drawn: Vec<String> = fs::read_dir(dir.path().join("img"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    shown.sort_unstable();
    drawn.sort_unstable();
    assert_eq!(shown, drawn);
    assert!(drawn.iter().any(|name| name == "setup-instructions.svg"), "{drawn:?}");
    assert!(drawn.iter().any(|name| name == "churn-real.svg"), "{drawn:?}");
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
    let mail = root.path().join("docs/report.txt");
    fs::remove_file(&mail).unwrap();
    fs::create_dir(&mail).unwrap();
    let before = files(root.path());
    report::save(root.path(), &newer(), |_| true).unwrap_err();
    assert_eq!(files(root.path()), before);
}
