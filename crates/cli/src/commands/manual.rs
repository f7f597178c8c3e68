//! `manual`: the manual pages and the completions, where a package puts them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use vhost_accel_bench::{command_line, signals, write_all};

use crate::args::{Args, Manual};
use crate::error::CliError;
use crate::output;

/// Where each shell looks for completions, below /usr/share and the like.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/vhost-accel"),
    (Shell::Zsh, "zsh/vendor-completions/_vhost-accel"),
    (Shell::Fish, "fish/vendor_completions.d/vhost-accel.fish"),
];

pub(crate) fn run(args: &Manual) -> Result<ExitCode, CliError> {
    // Nothing is left half-way.
    signals::watch(|_| false).map_err(CliError::Signal)?;
    let files = files(&args.dir)?;
    write_all(files.iter().map(|(path, text)| (path.clone(), text.as_slice())))?;
    for (path, _) in &files {
        output::line(path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Each file and what is in it.
fn files(dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, CliError> {
    let mut command = command_line::described::<Args>();
    let mut files = Vec::new();
    for (shell, path) in COMPLETIONS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "vhost-accel", &mut text);
        files.push((dir.join(path), text));
    }
    // It gives each command the name of its page. `help` has none: a page is the help.
    let mut command = command_line::described::<Args>().disable_help_subcommand(true);
    command.build();
    files.push(page(dir, &command)?);
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        files.push(page(dir, command)?);
    }
    Ok(files)
}

fn page(dir: &Path, command: &Command) -> Result<(PathBuf, Vec<u8>), CliError> {
    let version = concat!("vhost-accel ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).source(version).manual("vhost-accel");
    let mut text = Vec::new();
    man.render(&mut text).map_err(CliError::Output)?;
    Ok((dir.join("man/man1").join(man.get_filename()), text))
}
