//! What the pages for contributors name is there.

use std::path::Path;

use crate::lab::ROOT;
use crate::rules;

/// Pages, and the names in backticks in them that begin like a path of this tree.
const PAGES: [&str; 5] =
    ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "README.md", "lab/README.md"];
/// The longest line of a comment or a page, as rustfmt's of code.
const WIDTH: usize = 100;
/// Pages that are written by `vhost-accel report`.
const GENERATED: [&str; 2] = ["docs/design-comparison.md", "docs/measurements.md"];
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

/// Whether a line of this file is prose. A table, a picture or a link may need what it needs.
fn is_prose(path: &str, line: &str) -> bool {
    let text = line.trim_start();
    let text = match path.rsplit('.').next() {
        Some("rs" | "c" | "h") => match text.strip_prefix("//") {
            Some(comment) => comment.trim_start_matches(['/', '!', ' ']),
            None => return false,
        },
        Some("md") => text,
        _ => return false,
    };
    let is_picture = |letter| matches!(letter, '\u{2500}'..='\u{257f}' | '\u{25b2}'..='\u{25c4}');
    !text.starts_with('|') && !text.contains(is_picture) && !text.contains("http")
}

/// A page without what is between fences, and without what a command writes into it.
fn prose_of(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut fenced, mut written) = (false, false);
    (1..).zip(page.lines()).filter(move |(_, line)| {
        fenced ^= line.trim_start().starts_with("```");
        written = (written || line.contains(":begin -->")) && !line.contains(":end -->");
        !fenced && !written
    })
}

#[test]
fn lines_fit_a_page() {
    let mut texts = Vec::new();
    for place in std::fs::read_dir(ROOT).expect(ROOT) {
        let place = place.expect(ROOT).path();
        let hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
        let name = place.file_name().unwrap_or_default();
        if !hidden(name) && name != "target" && name != "results" {
            rules::texts(&place, &mut texts);
        }
    }
    let mut long = Vec::new();
    for (path, text) in texts.iter().filter(|(path, _)| !GENERATED.contains(&path.as_str())) {
        for (number, line) in prose_of(text) {
            if line.chars().count() > WIDTH && is_prose(path, line) {
                long.push(format!("{path}:{number}: {line}"));
            }
        }
    }
    assert!(texts.len() > 300, "{} texts", texts.len());
    assert!(long.is_empty(), "lines of over {WIDTH} columns:\n{}", long.join("\n"));
}

#[test]
fn names_are_found_in_backticks_and_links() {
    let page =
        "see `crates/core` and [this](docs/abi.md#words), not `cargo test` nor [that](https://x)";
    assert_eq!(named(page), ["crates/core", "docs/abi.md"]);
}
