//! Blocks as the plain text of a mail: at most 72 columns, ASCII, and no line that a mail program
//! or `git mailinfo` takes for something else.

use std::fmt::Write as _;
use std::ops::Range;

use super::document::{Block, Table};

/// The widest line of a mail.
const WIDTH: usize = 72;
/// What stands before each line of a table: a rule must not begin with the dashes at which
/// `git mailinfo` cuts a mail off.
const INDENT: &str = "  ";

/// Plain text.
pub(super) fn text(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if matches!(block, Block::Figure(_)) {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        match block {
            Block::Heading(heading) => {
                let heading = ascii(heading);
                let _ = writeln!(out, "{heading}\n{}", "=".repeat(heading.len()));
            }
            Block::Subheading(heading) => {
                let heading = ascii(heading);
                let _ = writeln!(out, "{heading}\n{}", "~".repeat(heading.len()));
            }
            Block::Paragraph(paragraph) => wrap(paragraph, "", "", &mut out),
            Block::List(points) => {
                for point in points {
                    wrap(point, "* ", "  ", &mut out);
                }
            }
            Block::Table(table) => {
                if !table.caption.is_empty() {
                    wrap(&table.caption, "", "", &mut out);
                    out.push('\n');
                }
                out.push_str(&self::table(table));
            }
            Block::Figure(_) => {}
            Block::Code(lines) => {
                for line in lines {
                    let _ = writeln!(out, "    {}", ascii(line).trim_end());
                }
            }
        }
    }
    out
}

/// The first column to the left, the others to the right. Columns that have no room go below,
/// behind the first column again.
fn table(table: &Table) -> String {
    let lines: Vec<Vec<String>> = std::iter::once(&table.head)
        .chain(&table.rows)
        .map(|row| row.iter().map(|cell| ascii(cell)).collect())
        .collect();
    let mut widths = vec![0; table.head.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.len().max(*width);
        }
    }
    // One blank between columns where two don't fit.
    let columns = widths.len().saturating_sub(1);
    let all = INDENT.len() + widths.iter().sum::<usize>();
    let gap = if all + 2 * columns > WIDTH && all + columns <= WIDTH { " " } else { "  " };
    let mut out = String::new();
    let mut next = 1;
    while next < widths.len() || out.is_empty() {
        let mut width = INDENT.len() + widths.first().copied().unwrap_or_default();
        let from = next;
        while let Some(column) = widths.get(next) {
            width += gap.len() + column;
            if width > WIDTH && next > from {
                break;
            }
            next += 1;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        part(&lines, &widths, from..next, gap, &mut out);
    }
    out
}

/// Some columns of a table behind its first. Of a table that is broken up, without the rows that
/// have nothing in them.
fn part(
    lines: &[Vec<String>],
    widths: &[usize],
    columns: Range<usize>,
    gap: &str,
    out: &mut String,
) {
    let mut rule = 0;
    let broken = columns.len() + 1 < widths.len();
    for (number, line) in lines.iter().enumerate() {
        if broken && line.iter().skip(columns.start).take(columns.len()).all(|cell| cell == "-") {
            continue;
        }
        let mut row = String::from(INDENT);
        for (column, (cell, &width)) in line.iter().zip(widths).enumerate() {
            let _ = match column {
                0 => write!(row, "{cell:<width$}"),
                column if columns.contains(&column) => write!(row, "{gap}{cell:>width$}"),
                _ => continue,
            };
        }
        if number == 0 {
            rule = row.len() - INDENT.len();
        }
        out.push_str(row.trim_end());
        out.push('\n');
        if number == 0 {
            let _ = writeln!(out, "{INDENT}{}", "-".repeat(rule));
        }
    }
}

/// What a mail takes without asking for an encoding.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            'µ' => 'u',
            '×' => 'x',
            '–' | '−' => '-',
            '≤' => '<',
            '\t' => ' ',
            letter if letter.is_ascii() && !letter.is_control() => letter,
            _ => '?',
        })
        .collect()
}

/// Breaks `text` into lines, the first behind `first`, the others behind `rest`.
fn wrap(text: &str, first: &str, rest: &str, out: &mut String) {
    let mut line = String::from(first);
    let mut empty = true;
    for word in words(&ascii(text)) {
        if !empty && line.len() + 1 + word.len() > WIDTH {
            push(&line, out);
            line = String::from(rest);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(&word);
        empty = false;
    }
    push(&line, out);
}

/// The words of a text. What stands between backticks is one, unless that leaves no room in a line.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(last) if open && last.len() + 1 + word.len() <= WIDTH - 12 => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
        open ^= word.matches('`').count() % 2 == 1;
    }
    words
}

/// Adds a line. One that would mean something to a mail program moves in by a blank.
fn push(line: &str, out: &mut String) {
    let means = ["From ", ">From ", "diff -", "Index: ", "---", "-- ", "Subject: ", "Date: "];
    let line = line.trim_end();
    if means.iter().any(|start| format!("{line} ").starts_with(start)) {
        out.push(' ');
    }
    out.push_str(line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::table as example;
    use super::*;

    #[test]
    fn a_table_is_ascii_and_its_rule_is_no_separator() {
        assert_eq!(
            text(&[Block::Table(example())]),
            "Median.\n\n  \
             scenario         #1/A    #2\n  \
             ---------------------------\n  \
             call           2.1 us     -\n  \
             kick/doorbell    1 ns  1 ns\n"
        );
    }

    #[test]
    fn a_table_that_is_too_wide_goes_on_below() {
        let row = |cell: &str| vec![cell.to_owned(), "a".repeat(40), "b".repeat(30)];
        let table = Table { caption: String::new(), head: row("head"), rows: vec![row("row")] };
        let written = text(&[Block::Table(table.clone())]);
        assert!(written.lines().all(|line| line.len() <= WIDTH), "{written}");
        assert_eq!(written.matches("row").count(), 2, "{written}");
        assert_eq!(written.matches(&"b".repeat(30)).count(), 2, "{written}");
        let mut table = table;
        table.rows[0][2] = "-".to_owned();
        assert_eq!(text(&[Block::Table(table)]).matches("row").count(), 1);
    }

    #[test]
    fn a_paragraph_is_wrapped_at_72() {
        let words = vec!["seven77"; 20].join(" ");
        let wrapped = text(&[Block::Paragraph(words)]);
        let lengths: Vec<usize> = wrapped.lines().map(str::len).collect();
        // Nine words of seven letters and eight blanks.
        assert_eq!(lengths, [71, 71, 15]);
    }

    #[test]
    fn a_command_is_not_torn_apart() {
        let filler = "x".repeat(60);
        let written = text(&[Block::paragraph(format!("{filler} `run --fast -- IT`."))]);
        assert_eq!(written, format!("{filler}\n`run --fast -- IT`.\n"));
        // Unless it is longer than a line.
        let long = format!("`{}`", vec!["seven77"; 20].join(" "));
        assert!(text(&[Block::paragraph(long)]).lines().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn a_point_hangs() {
        let words = ["seven77"; 10].join(" ");
        let lines = text(&[Block::List(vec![words])]);
        assert!(lines.starts_with("* seven77"), "{lines}");
        assert_eq!(lines.lines().last(), Some("  seven77 seven77"));
    }

    #[test]
    fn no_line_means_something_to_a_mail_program() {
        for start in ["From here", "--- a", "---", "diff -u", "Index: x", "--"] {
            let written = text(&[Block::paragraph(start)]);
            assert_eq!(written, format!(" {start}\n"));
        }
        // Wherever the line breaks.
        let filler = "x".repeat(70);
        assert_eq!(
            text(&[Block::paragraph(format!("{filler} From here"))]),
            format!("{filler}\n From here\n")
        );
    }
}
