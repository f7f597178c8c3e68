//! The suite, run on a fifth backend.

#![expect(clippy::print_stdout, reason = "the example reports what it found")]

use std::io;

use vhost_accel_conformance::{Outcome, Target, cases};

mod backend;

fn main() -> io::Result<()> {
    let accelerator = backend::accelerator(4)?;
    let open = || backend::open(&accelerator);
    let target = Target::new(&open);
    let mut failures = 0;
    for case in cases() {
        match case.run(&target) {
            Outcome::Passed => println!("{}: passed", case.name()),
            Outcome::NotApplicable(need) => println!("{}: not applicable: {need}", case.name()),
            Outcome::Failed(failure) => {
                failures += 1;
                println!("{}: FAILED: {failure}", case.name());
            }
        }
    }
    println!("{failures} failures");
    std::process::exit(i32::from(failures > 0));
}
