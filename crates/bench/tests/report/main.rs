//! Reports from results whose every figure is known.
#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../fixture/mod.rs"]
mod fixture;

mod files;
mod measurements;
mod promises;
mod schema;
mod templates;

use std::fs;

use vhost_accel_bench::{Clock, Error, KernelHalf, Platform, ResultFile};

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
    assert_eq!(json["schema"], 3);
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
    let path = dir.path().join("old.json");
    fs::write(&path, r#"{"schema": 1, "what": "ever"}"#).unwrap();
    let error = ResultFile::load(&path).unwrap_err();
    assert!(matches!(error, Error::Schema { schema: 1, .. }));
}

#[test]
fn runs_of_one_day_have_files_of_their_own() {
    let mut file = fixture::result();
    let mut name = |half, machine, clock| {
        (file.run.kernel_half, file.run.machine, file.run.clock) = (half, machine, clock);
        file.file_name().trim_end_matches("-example-r-cpu-1-ghz.json").to_owned()
    };
    let (native, wall) = (KernelHalf::Native, Clock::Wall);
    assert_eq!(name(KernelHalf::Emulated, Platform::Host, wall), "2026-01-02-emulated");
    assert_eq!(name(native, Platform::Host, wall), "2026-01-02-native");
    assert_eq!(name(native, Platform::Tcg, wall), "2026-01-02-native-tcg");
    assert_eq!(
        name(native, Platform::Tcg, Clock::Instructions),
        "2026-01-02-native-tcg-instructions"
    );
    assert_eq!(name(native, Platform::Kvm, wall), "2026-01-02-native-kvm");
}

#[test]
fn a_files_name_is_no_path() {
    let mut file = fixture::result();
    file.run.date = "../../etc/2026".into();
    file.host.cpu = "/..".repeat(1_000);
    assert_eq!(file.file_name(), "etc-2026-emulated.json");
    file.host.cpu = "x".repeat(5_000_000);
    assert!(file.file_name().len() < 255);
}

#[test]
fn a_file_without_an_end_is_refused() {
    let error = ResultFile::load("/dev/zero".as_ref()).unwrap_err();
    assert!(error.to_string().starts_with("/dev/zero: "), "{error}");
    assert_eq!(error.fault().code(), 2);
}
