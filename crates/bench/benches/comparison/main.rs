//! `cargo bench`: the four interfaces side by side.

#![warn(clippy::print_stderr)] // it panics where stderr can't be written

mod arguments;

use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arguments::Arguments;
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vhost_accel_bench::terminal::{self, Fault};
use vhost_accel_bench::{
    Clock, Error, KernelHalf, Mode, Progress, Quiet, Run, RunOptions, Selection, Setting,
    command_line, count_crossings, load_crossings, mark_crossings, report, revision, run, signals,
};

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);
/// Where progress is shown: standard error, which criterion is kept from.
static SCREEN: OnceLock<File> = OnceLock::new();

/// Before what is said on stderr.
const NAME: &str = "cargo bench";

pub(crate) fn main() -> ExitCode {
    let arguments: Arguments = match command_line::parse(NAME) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let done = if arguments.mark {
        mark_crossings().map(|()| false)
    } else if arguments.count {
        count()
    } else {
        bench(&arguments)
    };
    match done {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(Fault::Signal(libc::SIGINT).code()),
        Err(error) => error.fault().end(NAME, &error),
    }
}

fn count() -> Result<bool, Error> {
    let json = serde_json::to_string(&count_crossings(&[])?);
    print(json.map_err(|source| Error::Json { path: "stdout".into(), source })?)?;
    Ok(false)
}

/// Whether it was stopped.
fn bench(arguments: &Arguments) -> Result<bool, Error> {
    // A second Ctrl-C ends it at once.
    let goes_on = |signal| {
        let first = signal == libc::SIGINT && !STOP.swap(true, Ordering::Relaxed);
        if first {
            say("stopping; what was measured is kept, --resume goes on with it");
        }
        first
    };
    signals::watch(goes_on).map_err(Error::Signals)?;
    let root = root();
    let out = arguments.out.clone().unwrap_or_else(|| target().join("vhost-accel"));
    let options = RunOptions {
        mode: if arguments.quick { Mode::Quick } else { Mode::Full },
        kernel_half: if arguments.native { KernelHalf::Native } else { KernelHalf::Emulated },
        clock: if arguments.instructions { Clock::Instructions } else { Clock::Wall },
        machine: arguments.machine.into(),
        queue_pairs: arguments.queue_pairs,
        setting: arguments.setting.unwrap_or(Setting::Usual),
        selection: Selection {
            scenarios: arguments.scenario.clone(),
            interfaces: arguments.interface.clone(),
            filter: arguments.filter.clone(),
        },
        externals: Vec::new(),
        criterion: arguments.scratch.clone().unwrap_or_else(|| out.join("criterion")),
        partial: out.join("partial.json"),
        resume: arguments.resume,
        crossings: arguments.crossings.as_deref().map(load_crossings).transpose()?,
        command: arguments.command(),
        revision: arguments.revision.clone().or_else(|| revision(&root)),
        stop: &STOP,
    };
    // Before minutes of measuring, not behind them.
    fs::create_dir_all(&out).map_err(|source| Error::File { path: out.clone(), source })?;
    let quiet = Quiet::new()?;
    let _ = SCREEN.set(quiet.stderr()?);
    // A fault of ours is shown, whatever stderr is meanwhile.
    std::panic::set_hook(Box::new(|panic| say(&format!("{NAME}: {panic}"))));
    let bar = bar(quiet.stderr()?);
    let result = run(&options, |progress| show(&bar, progress))?;
    bar.finish_and_clear();
    drop(quiet);

    let interrupted = result.run.interrupted;
    let latest = out.join("latest.json");
    result.save(&latest)?;
    let files = [result];
    let [result] = &files;
    print(report::table(result))?;
    print(format_args!("Result: {}", latest.display()))?;
    if interrupted {
        print("It was stopped; `--resume` with the same words goes on.")?;
        return Ok(true);
    }
    if options.selection.is_everything() {
        report::write_pages(&out, &files)?;
        print(format_args!("All figures and charts: {}", out.display()))?;
    }
    if arguments.save {
        let path = report::save(&root, result, |_| false)?;
        print(format_args!("Saved, and docs/ and README.md made anew: {}", path.display()))?;
    } else if is_evidence(&result.run, &options) {
        print("`cargo bench -- --save` keeps such a result in results/.")?;
    }
    Ok(false)
}

fn print(text: impl std::fmt::Display) -> Result<(), Error> {
    terminal::print(text).map_err(Error::Output)
}

fn is_evidence(run: &Run, options: &RunOptions) -> bool {
    run.mode == Mode::Full
        && run.kernel_half == KernelHalf::Emulated
        && options.selection.is_everything()
}

/// On a terminal a bar; elsewhere a line for each scenario.
fn bar(screen: File) -> ProgressBar {
    let terminal = screen.try_clone().ok().filter(File::is_terminal);
    let Some(terminal) = terminal else {
        return ProgressBar::hidden();
    };
    let target = ProgressDrawTarget::term(Term::read_write_pair(terminal, screen), 4);
    let bar = ProgressBar::with_draw_target(Some(1), target);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} [{elapsed}, {eta} left]");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let Progress { scenario, done, all } = progress;
    if bar.is_hidden() {
        say(&format!("[{done}/{all}] {scenario}"));
        return;
    }
    bar.set_length(*all as u64);
    bar.set_position(*done as u64);
    bar.set_message(scenario.clone());
}

fn say(line: &str) {
    if let Some(mut screen) = SCREEN.get() {
        // Progress that can't be shown stops nothing.
        let _ = writeln!(screen, "{line}");
    }
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
