//! What CONTRIBUTING.md says of imports and errors, and rustfmt doesn't hold.

use std::path::Path;

use crate::lab::ROOT;
use crate::rules;

/// The paths of the `use` declarations that follow each other with nothing but blank lines between.
fn imports(text: &str) -> Vec<Vec<String>> {
    let (mut runs, mut run, mut open) = (Vec::new(), Vec::new(), None::<String>);
    for line in text.lines().map(str::trim) {
        let begun = open.take().or_else(|| line.starts_with("use ").then(String::new));
        match begun {
            Some(mut import) => {
                import.push_str(line);
                if line.ends_with(';') {
                    run.push(import["use ".len()..import.len() - 1].to_owned());
                } else {
                    open = Some(import);
                }
            }
            None if line.is_empty() => {}
            None => runs.push(std::mem::take(&mut run)),
        }
    }
    runs.push(run);
    runs
}

fn root(import: &str) -> &str {
    import.split("::").next().unwrap_or_default()
}

/// Which of the three groups.
fn group(import: &str) -> u8 {
    match root(import) {
        "std" => 0,
        "crate" | "super" | "self" => 2,
        _ => 1,
    }
}

fn is_of_one_module(import: &str) -> bool {
    let Some((module, names)) = import.split_once('{') else { return true };
    !names.contains("::") && module != "std::"
}

fn wrong_imports(text: &str) -> Vec<String> {
    let runs = imports(text);
    let nested = runs.iter().flatten().filter(|import| !is_of_one_module(import));
    let out_of_order = runs
        .iter()
        .flat_map(|run| run.windows(2))
        .filter(|pair| group(&pair[0]) > group(&pair[1]))
        .map(|pair| &pair[1]);
    nested.chain(out_of_order).cloned().collect()
}

fn wrong_errors(text: &str) -> Vec<String> {
    let derives = text.lines().map(str::trim).filter(|line| line.starts_with("#[derive("));
    derives
        .filter(|line| line.split([' ', '(', ',', ')']).any(|name| name == "Error"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn there_is_one_style_of_imports_and_errors() {
    let mut texts = Vec::new();
    for place in ["crates", "lab"] {
        rules::texts(&Path::new(ROOT).join(place), &mut texts);
    }
    let sources: Vec<_> = texts.iter().filter(|(path, _)| path.ends_with(".rs")).collect();
    assert!(sources.len() > 300, "{} files", sources.len());
    let mut wrong = Vec::new();
    for (path, text) in sources {
        for one in wrong_imports(text).into_iter().chain(wrong_errors(text)) {
            wrong.push(format!("{path}: {one}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn another_style_is_found() {
    let right = "use std::fmt;\nuse std::io::{self, Read};\n\nuse libc::c_int;\n\nuse crate::A;\n";
    assert_eq!(wrong_imports(right), Vec::<String>::new());
    for wrong in [
        "use std::{fmt, io};\n",
        "use a::{\n    b,\n    c::D,\n};\n",
        "use crate::A;\nuse libc::c_int;\n",
    ] {
        assert_eq!(wrong_imports(wrong).len(), 1, "{wrong}");
    }
    assert_eq!(wrong_errors("#[derive(Debug, Error)]\n#[derive(thiserror::Error)]").len(), 1);
}
