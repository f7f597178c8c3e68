//! Reports from a result whose every figure is known.
#![expect(clippy::unwrap_used, reason = "a test")]

mod fixture;

use std::fs;

use vhost_accel_bench::report::{self, Drift, Evidence};
use vhost_accel_bench::{Error, Mode, ResultFile, Side};

#[test]
fn a_result_survives_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let result = fixture::result();
    assert_eq!(result.file_name(), "2026-01-02-emulated-example-r-cpu-1-ghz.json");
    let path = dir.path().join("results").join(result.file_name());
    result.save(&path).unwrap();
    assert_eq!(ResultFile::load(&path).unwrap(), result);
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["run"]["kernel_half"], "emulated");
    let first = &json["timings"][0];
    assert_eq!(first["scenario"], "crossing/none");
    assert_eq!(first["interface"], "vfio-msg");
    assert_eq!(first["variant"], "plain");
    assert_eq!(first["side"], "floor");
    assert_eq!(first["unit"], "ns");
}

#[test]
fn a_file_of_another_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.json");
    fs::write(&path, r#"{"schema": 2, "what": "ever"}"#).unwrap();
    let error = ResultFile::load(&path).unwrap_err();
    assert!(matches!(error, Error::Schema { schema: 2, .. }));
}

#[test]
fn a_mail_is_plain_and_narrow() {
    let mail = report::text(&[fixture::result()]);
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert_eq!(
        head.lines().next(),
        Some("Subject: Re: [RFC v2] vhost: introduce mdev based hardware vhost backend")
    );
    for line in body.lines() {
        assert!(line.len() <= 72, "{} columns: {line}", line.len());
        assert_eq!(line, line.trim_end());
    }
    assert!(mail.is_ascii());
    assert!(!mail.contains('\t'));
    assert!(mail.ends_with('\n'));
}

#[test]
fn a_report_says_what_the_result_says() {
    let mail = report::text(&[fixture::result()]);
    // setup/4: 30 + place + 10 × 4.
    assert!(has_row(&mail, &["setup/4", "70", "71", "72", "73"]), "{mail}");
    assert!(has_row(&mail, &["setup/N", "30", "+", "10", "N", "31", "+", "10", "N"]), "{mail}");
    assert!(has_row(&mail, &["setup-batched/64", "20", "-", "22", "23"]), "{mail}");
    assert!(has_row(&mail, &["kick/doorbell", "5.00", "ns", "6.00", "ns", "7.00", "ns"]));
    assert!(has_row(&mail, &["kick/eventfd", "-", "1.01", "1.01", "1.01"]), "{mail}");
    assert!(mail.contains("cargo bench"));
    assert!(mail.contains("results/2026-01-02-emulated-example-r-cpu-1-ghz.json"));
}

fn has_row(text: &str, cells: &[&str]) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        cells.iter().all(|cell| words.next() == Some(cell))
    })
}

#[test]
fn the_latest_full_run_is_quoted() {
    let full = fixture::result();
    let mut quick = full.clone();
    quick.run.mode = Mode::Quick;
    quick.run.date = "2026-02-01T00:00:00Z".into();
    let mut older = full.clone();
    older.run.date = "2025-12-31T00:00:00Z".into();
    let page = report::markdown(&Evidence::new(&[older, full.clone(), quick]));
    assert_eq!(page, report::markdown(&Evidence::new(&[full])));
    assert!(page.contains("2026-01-02T03:04:05Z"));
}

#[test]
fn claims_are_held_against_the_figures() {
    let mut result = fixture::result();
    // In the fixture a copied argument makes 1.5 bare crossings, and an eventfd is 1 % over its floor.
    let holds =
        |result: &ResultFile| report::claims(result).iter().map(|c| c.holds).collect::<Vec<_>>();
    assert_eq!(holds(&result), [true, true, true]);
    for timing in &mut result.timings {
        let floor = timing.key.side == Side::Floor;
        if timing.key.scenario == "kick/doorbell" && !floor {
            // The floors are 2.97 ns apart.
            timing.figures.median += 3.0;
        }
    }
    for ratio in &mut result.ratios {
        let floor = ratio.key.side == Side::Floor;
        match ratio.key.scenario.as_str() {
            "crossing/in" if floor => ratio.figures.median = 1.601,
            "kick/eventfd" if !floor => ratio.figures.median = 1.021,
            _ => {}
        }
    }
    assert_eq!(holds(&result), [false, false, false]);
    assert!(report::text(&[result]).contains("DOES NOT HOLD"));
}

/// A tree with a result and the reports made from it.
fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let result = fixture::result();
    result.save(&root.path().join("results").join(result.file_name())).unwrap();
    let readme = "# Name\n<!-- results:begin -->\n<!-- results:end -->\nMore.\n";
    fs::write(root.path().join("README.md"), readme).unwrap();
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
        ("docs/img/kick-time.svg", "#1/B", "#2"),
    ] {
        let root = tree();
        let file = root.path().join(path);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(number), "{path}: {text}");
        fs::write(&file, text.replace(number, other)).unwrap();
        match report::check(root.path()).unwrap_err() {
            Drift::Changed(paths) => assert_eq!(paths, [std::path::Path::new(path)]),
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
#[ignore = "scratch"]
fn dump() {
    let out = std::path::Path::new("/tmp/pages");
    let files = [fixture::result(), fixture::instructions(), fixture::translated()];
    report::write_pages(out, &files).unwrap();
}
