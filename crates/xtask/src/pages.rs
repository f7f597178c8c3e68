//! What the pages for contributors name is there.

use std::path::Path;

use crate::lab::ROOT;

/// Pages, and the names in backticks in them that begin like a path of this tree.
const PAGES: [&str; 5] =
    ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "README.md", "lab/README.md"];
/// Pages whose lines are no longer than the source's.
const NARROW: [&str; 1] = ["docs/abi.md"];
const WIDTH: usize = 100;
const BEGINNINGS: [&str; 6] = ["crates/", "docs/", "kernel/", "lab/", "results/", ".ci/"];

/// The paths that `page` names: in backticks, and as the targets of links.
fn named(page: &str) -> Vec<&str> {
    // Pictures and commands are between fences.
    page.split("```").step_by(2).flat_map(named_in_prose).collect()
}

fn named_in_prose(prose: &str) -> Vec<&str> {
    let ticked = prose.split('`').skip(1).step_by(2);
    let linked = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let names = ticked.chain(linked).flat_map(str::split_whitespace);
    names
        .map(|name| {
            name.split('#').next().unwrap_or_default().trim_end_matches([':', ',', '.', ';'])
        })
        .filter(|name| BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)))
        .filter(|name| !name.contains(['*', '{', '<']))
        .collect()
}

#[test]
fn what_the_pages_name_is_there() {
    for page in PAGES {
        let text = std::fs::read_to_string(Path::new(ROOT).join(page)).expect(page);
        let names = named(&text);
        assert!(!names.is_empty(), "{page} names nothing");
        for name in names {
            assert!(Path::new(ROOT).join(name).exists(), "{page} names {name}");
        }
    }
}

#[test]
fn lines_of_the_specification_fit_a_page() {
    for page in NARROW {
        let text = std::fs::read_to_string(Path::new(ROOT).join(page)).expect(page);
        for (number, line) in (1..).zip(text.lines()) {
            assert!(line.chars().count() <= WIDTH, "{page}, line {number}: {line}");
        }
    }
}

#[test]
fn names_are_found_in_backticks_and_links() {
    let page =
        "see `crates/core` and [this](docs/abi.md#words), not `cargo test` nor [that](https://x)";
    assert_eq!(named(page), ["crates/core", "docs/abi.md"]);
}
