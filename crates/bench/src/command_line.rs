//! The command line of a program of this workspace.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Command, Parser};

use crate::error::Error;
use crate::terminal::{EXIT_CODES, Fault, note, one_line};

/// The command line that `program` was given, as [`described`].
///
/// # Errors
/// The code to end with when nothing is to be done: help has been shown, or the line is wrong and a
/// line on stderr has said what would be right.
pub fn parse<A: Parser>(program: &str) -> Result<A, ExitCode> {
    let matches = described::<A>().try_get_matches();
    let parsed = matches.and_then(|matches| A::from_arg_matches(&matches));
    parsed.map_err(|error| usage(program, &error))
}

/// A program's command line. Its help, and that of each of its commands, ends with [`EXIT_CODES`];
/// a command's own `after_help` stands below and says what codes it has besides.
pub fn described<A: Parser>() -> Command {
    with_rule(A::command()).mut_subcommands(with_rule)
}

fn with_rule(command: Command) -> Command {
    let own = command.get_after_help().map(|own| format!("\n{own}")).unwrap_or_default();
    command.after_help(format!("{EXIT_CODES}{own}"))
}

/// Help and version go to stdout as they are; a mistake is one line.
fn usage(program: &str, error: &clap::Error) -> ExitCode {
    let line = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return match error.print().and_then(|()| io::stdout().flush()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(source) => {
                    let error = Error::Output(source);
                    error.fault().end(program, &error)
                }
            };
        }
        // What clap says is the whole help.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a command is missing".to_owned(),
        _ => mistake(error),
    };
    note(one_line(&format!("{program}: {line} (see --help)")));
    ExitCode::from(Fault::Wrong.code())
}

/// What clap says of a mistake, without the usage behind it.
fn mistake(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let said = text
        .split("\n\n")
        .filter(|part| !part.starts_with("Usage:") && !part.starts_with("For more information"));
    let words: Vec<&str> = said.flat_map(str::split_whitespace).collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}
