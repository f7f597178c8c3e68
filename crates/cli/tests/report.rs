//! `report` and `compare` as a user meets them.

#[path = "../../bench/tests/fixture/mod.rs"]
mod fixture;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use vhost_accel_bench::{Clock, ResultFile};

fn vhost_accel(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vhost-accel"));
    command.args(args).output().expect("the command starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is text")
}

/// A project with a result, and results of others beside it.
struct Project {
    root: TempDir,
}

impl Project {
    fn new() -> Self {
        let project = Self { root: tempfile::tempdir().expect("a directory") };
        let result = fixture::result();
        project.save(&format!("results/{}", result.file_name()), &result);
        let readme = "<!-- results:begin -->\n<!-- results:end -->\n";
        fs::write(project.path("README.md"), readme).expect("a file");
        let measuring = "<!-- scenarios:begin -->\n<!-- scenarios:end -->\n";
        fs::create_dir_all(project.path("docs/templates")).expect("a directory");
        let page = "# Page\n\n{{ figure('emulated', 'setup/1', '#2') }}\n";
        fs::write(project.path("docs/templates/design-comparison.md"), page).expect("a file");
        fs::write(project.path("docs/measuring.md"), measuring).expect("a file");
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn save(&self, name: &str, file: &ResultFile) -> String {
        let path = self.path(name);
        file.save(&path).expect("a result is written");
        shown(&path)
    }

    fn report(&self, args: &[&str]) -> Output {
        let root = shown(self.root.path());
        vhost_accel(&[&["report", "--root", &root], args].concat())
    }
}

fn shown(path: &Path) -> String {
    path.to_str().expect("a path is text").to_owned()
}

#[test]
fn a_report_is_written_and_then_has_not_drifted() {
    let project = Project::new();
    assert_eq!(project.report(&["--check"]).status.code(), Some(1));
    assert_eq!(project.report(&[]).status.code(), Some(0));
    assert_eq!(project.report(&["--check"]).status.code(), Some(0));
    let page = project.path("docs/design-comparison.md");
    fs::write(&page, "changed").expect("a file");
    let output = project.report(&["--check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("docs/design-comparison.md"), "{output:?}");
}

#[test]
fn a_claim_that_is_not_borne_out_is_named() {
    let project = Project::new();
    let page = project.path("docs/templates/design-comparison.md");
    fs::write(&page, "{{ claim(1 > 2, 'One is more.') }}\n").expect("a file");
    for args in [&[][..], &["--check"]] {
        let output = project.report(args);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains("One is more."), "{output:?}");
    }
    let made = fs::read_to_string(project.path("docs/design-comparison.md")).expect("a page");
    assert_eq!(made, "**Not borne out:** One is more.\n");
}

#[test]
fn a_template_that_asks_for_what_is_not_there_is_wrong() {
    let project = Project::new();
    let page = project.path("docs/templates/design-comparison.md");
    fs::write(&page, "{{ figure('kvm', 'setup/1', '#2') }}\n").expect("a file");
    let output = project.report(&[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("there is no run \"kvm\""), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn what_is_handed_in_is_merged_and_nothing_committed_changes() {
    let project = Project::new();
    let kvm = project.save("kvm.json", &fixture::kvm());
    let counted = project.save("counted.json", &fixture::instructions());
    let out = shown(&project.path("out"));
    let output = project.report(&["--merge", &kvm, &counted, "--out", &out]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let page = fs::read_to_string(project.path("out/measurements.md")).expect("a page");
    assert!(page.contains("Other CPU") && page.contains("cargo xtask bench --icount"), "{page}");
    // What people wrote is about what is committed.
    assert!(!project.path("out/design-comparison.html").exists());
    assert!(!project.path("docs/measurements.md").exists());
    // Without a place of its own it goes where builds go.
    assert_eq!(project.report(&["--merge", &kvm]).status.code(), Some(0));
    assert!(project.path("target/vhost-accel/measurements.html").exists());
    assert!(!project.path("docs/measurements.md").exists());

    assert_eq!(project.report(&["--out", &out]).status.code(), Some(0));
    let page = fs::read_to_string(project.path("out/design-comparison.html")).expect("a page");
    assert!(page.contains("<h1>Page</h1>") && page.contains("<h1>Measurements</h1>"), "{page}");
}

#[test]
fn a_comparison_says_what_changed_by_its_exit_code() {
    let project = Project::new();
    let before = project.save("a.json", &fixture::result());
    let output = vhost_accel(&["compare", &before, &before]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains(" 0 changed beyond noise"), "{output:?}");

    let mut changed = fixture::result();
    let timing = &mut changed.timings[0];
    let name = timing.key.scenario.clone();
    for figure in [&mut timing.figures.median, &mut timing.figures.lower, &mut timing.figures.upper]
    {
        *figure *= 1.05;
    }
    let after = project.save("b.json", &changed);
    let output = vhost_accel(&["compare", &before, &after]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("+5.0 %"), "{output:?}");
    assert!(text(&output.stdout).contains(&name), "{output:?}");
    let output = vhost_accel(&["compare", "--threshold", "6", &before, &after]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let output = vhost_accel(&["compare", "--json", &before, &after]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["medians"][0]["scenario"], name.as_str());
    assert_eq!(json["crossings"], serde_json::json!([]));
}

#[test]
fn runs_that_are_not_comparable_are_not_called_alike() {
    let project = Project::new();
    let before = project.save("a.json", &fixture::result());
    let mut other = fixture::result();
    other.run.clock = Clock::Instructions;
    let after = project.save("b.json", &other);
    let output = vhost_accel(&["compare", &before, &after]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("NOT COMPARABLE"), "{output:?}");
    assert!(text(&output.stderr).contains("clocks"), "{output:?}");
    let after = project.save("c.json", &fixture::translated());
    let output = vhost_accel(&["compare", &before, &after]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("kernel halves"), "{output:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_no_change() {
    let project = Project::new();
    let before = project.save("a.json", &fixture::result());
    for wrong in ["/does/not/exist.json", &shown(&project.path("README.md"))] {
        let output = vhost_accel(&["compare", &before, wrong]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(text(&output.stderr).lines().count(), 1, "{output:?}");
    }
}
