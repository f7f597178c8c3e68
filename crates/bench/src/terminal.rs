//! What a program says to the terminal that started it, and the exit code that it ends with.
//!
//! The programs of this workspace have one rule, [`EXIT_CODES`], and this is where it is carried
//! out; [`command_line`](crate::command_line) shows it, and [`signals`](crate::signals) has the
//! part about signals. Text that comes from elsewhere, from a file or the command line, is shown by
//! [`one_line`].

use std::error::Error as StdError;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::process::ExitCode;

/// The rule, for `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
    0  done
    1  something failed: a device, a test, this machine, or an output that can't be written
    2  the command line is wrong, or a file that was given: missing, cut off, not what it should be
  130  ended by Ctrl-C; likewise 128 + N of signal N, and 141 when the reader of stdout has gone";

/// The longest line that is shown, in characters.
const LONGEST: usize = 1_000;

/// Why a program ends before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Something failed.
    Failed,
    /// What was asked for or handed in is wrong.
    Wrong,
    /// This signal: Ctrl-C is one.
    Signal(i32),
    /// Nobody reads stdout any more, as after `| head`.
    ReaderGone,
}

impl Fault {
    /// Of an output that couldn't be written.
    pub fn of_output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderGone } else { Self::Failed }
    }

    /// Of a device that couldn't be opened: that its URI is none is its user's fault.
    pub const fn of_open(error: &vhost_accel::OpenError) -> Self {
        match error {
            vhost_accel::OpenError::Device(_) => Self::Failed,
            _ => Self::Wrong,
        }
    }

    /// Of an emulated kernel that can't be had, or a program that can't be run on it.
    pub fn of_emulator(error: &vhost_accel_emulator::Error) -> Self {
        use vhost_accel_emulator::Error;
        let wrong = match error {
            Error::AlreadyInside | Error::Device { .. } | Error::TooManyDevices(_) => true,
            Error::Spawn(error) => {
                matches!(
                    error.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::PermissionDenied
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::InvalidFilename
                        | io::ErrorKind::InvalidInput
                ) || error.raw_os_error() == Some(libc::ENOEXEC)
            }
            _ => false,
        };
        if wrong { Self::Wrong } else { Self::Failed }
    }

    /// What a shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Wrong => 2,
            Self::Signal(signal) => 128 + signal as u8,
            Self::ReaderGone => 128 + libc::SIGPIPE as u8,
        }
    }

    /// Says `error` in a line behind `program`'s name, unless its user knows already.
    pub fn end(self, program: &str, error: &dyn StdError) -> ExitCode {
        match self {
            Self::Failed | Self::Wrong => note(one_line(&format!("{program}: {}", chain(error)))),
            Self::Signal(_) | Self::ReaderGone => {}
        }
        ExitCode::from(self.code())
    }
}

/// An error and its sources, each said once.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            // Writing to a String doesn't fail.
            let _ = write!(text, ": {said}");
        }
        source = cause.source();
    }
    text
}

/// Writes a line to stdout.
///
/// # Errors
/// Those of write(2). [`Fault::of_output`] says what they mean.
pub fn print(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes a line to stderr. One that can't be written is lost: there is nowhere left to say so.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// `text` as one line of bounded length in which nothing acts on the terminal: what can't be
/// printed is shown as Rust escapes it.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (number, letter) in text.chars().enumerate() {
        if number == LONGEST {
            line.push_str("...");
            break;
        }
        if is_printable(letter) {
            line.push(letter);
        } else {
            line.extend(letter.escape_default());
        }
    }
    line
}

/// Whether a terminal shows `letter` and does nothing else. Besides control characters, those that
/// separate lines, change the direction of text or have no width don't.
pub(crate) fn is_printable(letter: char) -> bool {
    let acts = matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !letter.is_control() && !acts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_that_does_nothing_to_a_terminal() {
        assert_eq!(one_line("a CPU @ 1 GHz, 5 µs"), "a CPU @ 1 GHz, 5 µs");
        assert_eq!(one_line("a\nb\r\x1b[31m\t"), r"a\nb\r\u{1b}[31m\t");
        assert_eq!(one_line("\u{9b}31m\u{202e}\u{2028}"), r"\u{9b}31m\u{202e}\u{2028}");
        assert_eq!(one_line(&"x".repeat(5_000_000)).len(), LONGEST + 3);
    }

    #[test]
    fn a_source_that_was_said_is_not_said_again() {
        let inner = io::Error::other("inner");
        let outer = crate::Error::Read { path: "file".into(), source: inner };
        assert_eq!(chain(&outer), "file: inner");
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure_to_speak_of() {
        let of = |kind: io::ErrorKind| Fault::of_output(&kind.into()).code();
        assert_eq!(of(io::ErrorKind::BrokenPipe), 141);
        assert_eq!(of(io::ErrorKind::StorageFull), 1);
    }

    #[test]
    fn a_signal_is_what_a_shell_sees() {
        assert_eq!([libc::SIGINT, libc::SIGTERM].map(|one| Fault::Signal(one).code()), [130, 143]);
    }
}
