//! The arrows between crates: how many, and that all run down the table in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::lab::ROOT;

/// The most normal dependencies between the crates of this workspace.
const LIMIT: usize = 31;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// None for a normal one, else `dev` or `build`.
    kind: Option<String>,
    optional: bool,
}

impl Package {
    /// The name of its folder, which is what the documents call it.
    fn folder(&self) -> &str {
        let folder = Path::new(&self.manifest_path).parent().and_then(Path::file_name);
        folder.and_then(|name| name.to_str()).unwrap()
    }

    fn normal(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|dependency| dependency.kind.is_none())
    }
}

fn packages() -> Vec<Package> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    serde_json::from_slice::<Metadata>(&cargo.stdout).unwrap().packages
}

/// The arrows between `packages`, from and to.
fn arrows(packages: &[Package]) -> Vec<(&str, &str)> {
    let folders: BTreeMap<_, _> = packages.iter().map(|p| (&*p.name, p.folder())).collect();
    let of = |package| Package::normal(package).filter_map(|to| folders.get(&*to.name));
    packages.iter().flat_map(|from| of(from).map(|to| (from.folder(), *to))).collect()
}

/// The rows of the table of crates in ARCHITECTURE.md, the bottom first.
fn rows(page: &str) -> Vec<BTreeSet<&str>> {
    let (_, table) = page.split_once("| crate |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect()).collect()
}

#[test]
fn few_arrows_run_between_crates_and_all_run_down() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap();
    let (packages, rows) = (packages(), rows(&page));
    let row = |crate_name: &str| rows.iter().position(|row| row.contains(crate_name));

    for package in &packages {
        assert!(row(package.folder()).is_some(), "{} has no row", package.folder());
    }
    let arrows = arrows(&packages);
    for (from, to) in &arrows {
        assert!(row(to) < row(from), "{from} to {to} doesn't run down the table");
    }
    assert!(arrows.len() <= LIMIT, "{} arrows: {arrows:?}", arrows.len());
    let said = format!("There are {} such arrows, of at most {LIMIT}.", arrows.len());
    assert!(page.contains(&said), "ARCHITECTURE.md doesn't say: {said}");
}

#[test]
fn a_vmm_with_vhost_vdpa_alone_builds_no_vfio() {
    let packages = packages();
    let find = |name: &str| packages.iter().find(|package| package.name == name);
    let facade = find("vhost-accel").unwrap();
    let always = facade.normal().filter(|dependency| !dependency.optional);
    let mut left: Vec<_> = always.map(|dependency| &*dependency.name).collect();
    left.push("vhost-accel-vhost-vdpa");
    let mut seen = BTreeSet::new();
    while let Some(name) = left.pop() {
        let package = find(name).filter(|_| seen.insert(name));
        left.extend(package.into_iter().flat_map(Package::normal).map(|to| &*to.name));
        assert!(!name.starts_with("vfio-"), "vhost-vdpa alone builds {name}");
    }
    assert!(seen.contains("vhost-accel-core"), "{seen:?}");
}
