//! The schema that a validator reads says what this crate writes, and nothing more.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vhost_accel_bench::{Difference, ResultFile, schema};

use crate::fixture;

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results")
}

fn validator() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn errors(value: &Value) -> Vec<String> {
    let validator = validator();
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn value(file: &ResultFile) -> Value {
    serde_json::to_value(file).unwrap()
}

#[test]
fn the_committed_schema_is_that_of_the_types() {
    let committed = fs::read_to_string(results().join("schema.json")).unwrap();
    assert_eq!(committed, schema(), "`vhost-accel report` writes it anew");
}

#[test]
fn every_kind_of_run_is_valid() {
    let mut repeated = fixture::instructions();
    let key = repeated.timings[0].key.clone();
    if let Some(repeat) = &mut repeated.run.repeat {
        repeat.beyond.push(Difference { key, before: 1.0, now: 1.1 });
    }
    let files = [fixture::result(), repeated, fixture::translated(), fixture::kvm()];
    for file in files {
        assert_eq!(errors(&value(&file)), Vec::<String>::new());
    }
}

#[test]
fn every_committed_result_is_valid() {
    for entry in fs::read_dir(results()).unwrap() {
        let path = entry.unwrap().path();
        let json = path.extension().is_some_and(|extension| extension == "json");
        if !json || path.ends_with("schema.json") {
            continue;
        }
        let value: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(errors(&value), Vec::<String>::new(), "{}", path.display());
        assert_eq!(self::value(&ResultFile::load(&path).unwrap()), value, "{}", path.display());
    }
}

#[test]
fn what_the_schema_does_not_know_is_refused_everywhere() {
    let file = value(&fixture::instructions());
    let mut objects = Vec::new();
    for part in ["run", "host", "device"] {
        objects.push(format!("/{part}"));
    }
    for list in ["timings", "ratios", "costs", "limits"] {
        objects.push(format!("/{list}/0"));
    }
    objects.extend([String::new(), "/run/repeat".to_owned(), "/run/seeds".to_owned()]);
    for at in objects {
        let mut changed = file.clone();
        let object = changed.pointer_mut(&at).and_then(Value::as_object_mut).unwrap();
        object.insert("surprise".into(), json!(1));
        assert!(!errors(&changed).is_empty(), "{at}");
    }
}

#[test]
fn what_is_missing_or_of_another_type_is_refused() {
    let file = value(&fixture::result());
    for (at, other) in [
        ("/schema", json!(2)),
        ("/run/setting", json!("other")),
        ("/run/date", json!("yesterday")),
        ("/run/clock", json!("sundial")),
        ("/run/revision", json!(1)),
        ("/host/cores", json!(0)),
        ("/timings/0/side", json!("roof")),
        ("/timings/0/median", json!(-1)),
        ("/timings/0/unit", json!("s")),
        ("/ratios/0/over", json!("all")),
        ("/crossings/0/total", json!(1.5)),
        ("/distributions/0/curve/0", json!([101, 1])),
        ("/distributions/0/curve/0", json!([1, 1, 1])),
    ] {
        let mut changed = file.clone();
        *changed.pointer_mut(at).unwrap() = other;
        assert!(!errors(&changed).is_empty(), "{at}");
    }
    for (object, field) in [("", "limits"), ("/run", "machine"), ("/costs/0", "n")] {
        let mut changed = file.clone();
        changed.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(field).unwrap();
        assert!(!errors(&changed).is_empty(), "{object} {field}");
    }
}
