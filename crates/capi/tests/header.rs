//! The committed header is what cbindgen writes from the source, and a C compiler takes it.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

const HEADER: &str = "assets/vhost_accel.h";

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_header_is_the_sources() {
    let config = cbindgen::Config::from_file(here().join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new().with_crate(here()).with_config(config).generate();
    let mut written = Vec::new();
    bindings.unwrap().write(&mut written);
    let written = String::from_utf8(written).unwrap();
    let committed = here().join(HEADER);
    if env::var_os("BLESS").is_some() {
        fs::write(&committed, &written).unwrap();
    }
    let committed = fs::read_to_string(committed).unwrap_or_default();
    assert!(
        committed == written,
        "{HEADER} is not what the source says: BLESS=1 cargo test -p vhost-accel-capi --test header"
    );
}

/// Alone, and under the warnings that a user may have turned on.
#[test]
fn a_compiler_takes_the_header() {
    let output = Command::new("cc")
        .args(["-x", "c", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"])
        .arg(here().join(HEADER))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
