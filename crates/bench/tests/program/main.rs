//! Programs as a shell meets them. This test starts itself anew as what it tests: a benchmark's
//! program has no name that a test could know.

#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

#[path = "../../benches/comparison/main.rs"]
mod benchmark;
mod comparison;
mod signals;

use std::env;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Trial};

/// What this process is instead of the tests.
const ROLE: &str = "VHOST_ACCEL_TEST_ROLE";
const UNFINISHED: &str = "unfinished";
const COMPARISON: &str = "comparison";

fn main() -> ExitCode {
    match env::var(ROLE).as_deref() {
        Ok(UNFINISHED) => signals::unfinished(),
        Ok(COMPARISON) => benchmark::main(),
        Ok(role) => unreachable!("{ROLE}={role}"),
        Err(_) => {
            let tests = [signals::TESTS, comparison::TESTS].concat();
            libtest_mimic::run(&Arguments::from_args(), trials(&tests)).exit_code()
        }
    }
}

type Test = (&'static str, fn());

fn trials(tests: &[Test]) -> Vec<Trial> {
    let trial = |&(name, test): &Test| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    tests.iter().map(trial).collect()
}

/// This program in another role, behind `shell` that may say more. What started the tests may
/// ignore signals, as nohup and a shell's `&` do: the program gets none of that.
fn program(role: &str, shell: &str) -> Command {
    let mut command = Command::new("env");
    let script = format!("{shell}\nexec \"$0\" \"$@\"");
    command.args(["--default-signal", "sh", "-c", &script]);
    command.arg(env::current_exe().unwrap()).env(ROLE, role).stdin(Stdio::null());
    command
}
