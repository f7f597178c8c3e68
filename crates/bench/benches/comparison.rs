//! `cargo bench`: the four interfaces side by side.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vhost_accel_bench::{Error, Mode, Options, report, revision, run};

const USAGE: &str = "\
usage: cargo bench [-- [--quick] [--save] [FILTER]]

  FILTER   a regular expression on ids, `setup/4/vfio-msg floor` for one
  --quick  few short samples, in under two minutes
  --save   write the result into results/ and make docs/ and the README anew";

fn main() -> ExitCode {
    let arguments = match Arguments::parse(env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match bench(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Default)]
struct Arguments {
    quick: bool,
    save: bool,
    filter: Option<String>,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self::default();
        for argument in arguments {
            match argument.as_str() {
                // cargo says so.
                "--bench" => {}
                "--quick" => parsed.quick = true,
                "--save" => parsed.save = true,
                option if option.starts_with('-') => {
                    return Err(format!("`{option}` is no option"));
                }
                _ if parsed.filter.is_some() => return Err("one FILTER at most".to_owned()),
                _ => parsed.filter = Some(argument),
            }
        }
        if parsed.save && (parsed.quick || parsed.filter.is_some()) {
            return Err("only a full run is saved".to_owned());
        }
        Ok(parsed)
    }
}

#[expect(clippy::print_stdout, reason = "a program")]
fn bench(arguments: &Arguments) -> Result<(), Error> {
    let root = root();
    let target = target();
    let result = run(&Options {
        mode: if arguments.quick { Mode::Quick } else { Mode::Full },
        filter: arguments.filter.clone(),
        criterion: target.join("criterion"),
        command: if arguments.quick { "cargo bench -- --quick" } else { "cargo bench" }.to_owned(),
        revision: revision(&root),
    })?;
    println!("\n{}", report::table(&result));
    let out = target.join("vhost-accel");
    let files = [result];
    let [result] = &files;
    result.save(&out.join("latest.json"))?;
    if arguments.filter.is_some() {
        println!("Result: {}", out.join("latest.json").display());
        return Ok(());
    }
    report::write_pages(&out, &files)?;
    println!("Result, report and comparison: {}", out.display());
    if arguments.save {
        let path = root.join("results").join(result.file_name());
        result.save(&path)?;
        report::write(&root)?;
        println!("Saved, and docs/ and README.md made anew: {}", path.display());
    } else if result.run.mode == Mode::Full {
        println!("`cargo bench -- --save` keeps such a result in results/.");
    }
    Ok(())
}

/// The workspace.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_owned()
}

/// cargo's target directory, in which it makes a `tmp` for benches.
fn target() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().unwrap_or(tmp).to_owned()
}
