//! The rules of docs/abi.md: each has an id of its own, and a test that cites it or a reason why
//! there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::lab::ROOT;

const PAGE: &str = "docs/abi.md";
/// The last part of the page: a table of rules, and why no test holds them.
const UNHELD: &str = "\n## Rules that no test holds\n";
const BEGINNING: &str = "ABI-";
/// Has ids that are made up.
const HERE: &str = "crates/xtask/src/rules.rs";
/// Where rules are cited.
const PLACES: [&str; 7] =
    ["crates", "kernel", "lab", "docs", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"];

/// The ids that a text names: `ABI-`, capitals, a hyphen, a number.
fn ids(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(BEGINNING).filter_map(|(at, _)| {
        let behind = &text[at + BEGINNING.len()..];
        let (group, behind) = behind.split_once('-')?;
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        let capitals = !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_uppercase());
        (capitals && digits > 0).then(|| &text[at..at + BEGINNING.len() + group.len() + 1 + digits])
    })
}

/// The ids that the page gives to rules: those in bold.
fn defined(page: &str) -> Vec<&str> {
    let bold = page.split("**").skip(1).step_by(2);
    bold.filter(|bold| bold.starts_with(BEGINNING)).flat_map(ids).collect()
}

/// The rules in the page's last table, and the reasons there.
fn unheld(page: &str) -> BTreeMap<&str, &str> {
    let (_, table) = page.split_once(UNHELD).unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with("| ABI-"));
    let cells = rows.filter_map(|row| row.trim_matches('|').split_once('|'));
    cells.flat_map(|(rules, reason)| ids(rules).map(move |id| (id, reason.trim()))).collect()
}

/// The part of a file in which a citation says that a test holds the rule.
fn tests<'a>(path: &str, text: &'a str) -> &'a str {
    let whole = path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.starts_with("crates/conformance/src/cases/")
        || path.starts_with("crates/differential/src/")
        || path.starts_with("lab/");
    match text.find("#[cfg(test)]\nmod tests {") {
        _ if whole => text,
        Some(at) if path.starts_with("crates/") => &text[at..],
        Some(_) | None => "",
    }
}

/// What a line says behind the sign of a comment.
fn comment<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    let sign = if path.ends_with(".rs") || path.ends_with(".c") { "//" } else { "#" };
    line.split_once(sign).map(|(_, comment)| comment)
}

/// Whether a comment at `line` is beside what it is about: behind code, or above a function or a
/// case.
fn beside_a_test(lines: &[&str], line: usize) -> bool {
    let code = |line: &&&str| !line.trim_start().starts_with(['/', '#']);
    let test = |line: &str| ["fn ", "Case::new(", "case("].iter().any(|test| line.contains(test));
    code(&&lines[line]) || lines[line..].iter().find(code).is_some_and(|line| test(line))
}

/// The rules that a test's file says it holds, and the citations there that are beside no test.
fn citations<'a>(path: &str, text: &'a str) -> (BTreeSet<&'a str>, Vec<&'a str>) {
    let lines: Vec<&str> = tests(path, text).lines().collect();
    let (mut held, mut misplaced) = (BTreeSet::new(), Vec::new());
    for (at, line) in lines.iter().enumerate() {
        let cited = comment(path, line).into_iter().flat_map(ids);
        if !path.ends_with(".rs") || beside_a_test(&lines, at) {
            held.extend(cited);
        } else {
            misplaced.extend(cited);
        }
    }
    (held, misplaced)
}

/// Every text below `at`, with its path from the root on.
pub(crate) fn texts(at: &Path, into: &mut Vec<(String, String)>) {
    if at.is_dir() {
        let entries = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|entry| !entry.ends_with("target")).for_each(|entry| texts(&entry, into));
    } else if let Ok(text) = fs::read_to_string(at) {
        let path = at.strip_prefix(ROOT).unwrap().to_str().unwrap();
        into.push((path.to_owned(), text));
    }
}

#[test]
fn every_rule_has_an_id_and_a_test_or_a_reason() {
    let page = fs::read_to_string(Path::new(ROOT).join(PAGE)).unwrap();
    let rules = defined(&page);
    let known: BTreeSet<&str> = rules.iter().copied().collect();
    let mut wrong = Vec::new();
    if known.len() < rules.len() {
        let twice = |rule: &&&str| rules.iter().filter(|other| other == rule).count() > 1;
        wrong.extend(rules.iter().filter(twice).map(|rule| format!("{rule} is given twice")));
    }

    let mut files = Vec::new();
    PLACES.iter().for_each(|place| texts(&Path::new(ROOT).join(place), &mut files));
    let mut held = BTreeSet::new();
    for (path, text) in files.iter().filter(|(path, _)| path != HERE) {
        let unknown = ids(text).filter(|id| !known.contains(id));
        wrong.extend(unknown.map(|id| format!("{path} cites {id}, which is no rule")));
        let (holds, misplaced) = citations(path, text);
        held.extend(holds);
        wrong.extend(misplaced.iter().map(|id| format!("{path} cites {id} beside no test")));
    }

    let unheld = unheld(&page);
    for rule in known {
        match (held.contains(rule), unheld.get(rule)) {
            (true, None) => {}
            (false, Some(reason)) if !reason.is_empty() => {}
            (false, Some(_)) => wrong.push(format!("no test holds {rule}, without a reason")),
            (false, None) => wrong.push(format!("no test cites {rule}")),
            (true, Some(_)) => wrong.push(format!("{rule} is listed, and a test holds it")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ids_are_found_wherever_they_stand() {
    let text =
        "ABI-MSG-7, (ABI-X-12); `git grep ABI-`, ABI-, ABI-MSG, ABI-MSG-…, ABI-msg-7, ABI--7";
    assert_eq!(ids(text).collect::<Vec<_>>(), ["ABI-MSG-7", "ABI-X-12"]);
    let page = "such as ABI-A-1.\n- **ABI-A-1.** As ABI-A-2 **says**.\n| **ABI-A-2** | x |\n";
    assert_eq!(defined(page), ["ABI-A-1", "ABI-A-2"]);
}

#[test]
fn the_table_of_rules_without_a_test_has_reasons() {
    let page = "- **ABI-A-1.** x\n\n## Rules that no test holds\n\n| rule | why |\n|---|---|\n\
                | ABI-A-1, ABI-A-2 | a reason |\n| ABI-A-3 | |\n";
    let want = [("ABI-A-1", "a reason"), ("ABI-A-2", "a reason"), ("ABI-A-3", "")];
    assert_eq!(unheld(page), BTreeMap::from(want));
    assert_eq!(unheld("| ABI-A-1 | x |"), BTreeMap::new());
}

#[test]
fn a_citation_counts_beside_a_test_alone() {
    let file = "// ABI-A-1\n#[test]\nfn one() {}\n\n//! ABI-A-2\nmod two;\n\
                /// What it does.\n// ABI-A-3, ABI-A-4\nCase::new(three),\nfour, // ABI-A-5\n\
                let five = \"ABI-A-6\";\n";
    let path = "crates/x/tests/y.rs";
    let (held, misplaced) = citations(path, file);
    assert_eq!(held, BTreeSet::from(["ABI-A-1", "ABI-A-3", "ABI-A-4", "ABI-A-5"]));
    assert_eq!(misplaced, ["ABI-A-2"]);
    // In the code itself a citation explains, up to its own tests.
    assert_eq!(citations("crates/x/src/y.rs", file).0, BTreeSet::new());
    let unit = format!("// ABI-A-9\nfn code() {{}}\n#[cfg(test)]\nmod tests {{\n{file}");
    assert_eq!(citations("crates/x/src/y.rs", &unit).0, held);
    let script = "# ABI-A-7\nmust_fail x # ABI-A-8\n";
    assert_eq!(citations("lab/y", script).0, BTreeSet::from(["ABI-A-7", "ABI-A-8"]));
}
