//! Tables and sentences as plain text: at most 72 columns, ASCII, as a terminal or a mail takes it.

use std::fmt::Write as _;
use std::ops::Range;

use super::table::Table;

/// The widest line.
const WIDTH: usize = 72;
/// What stands before each line of a table.
const INDENT: &str = "  ";

/// A table below its caption.
pub(super) fn text(table: &Table) -> String {
    let mut out = String::new();
    if !table.caption.is_empty() {
        out.push_str(&wrapped(&table.caption));
        out.push('\n');
    }
    out.push_str(&self::table(table));
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

/// What any terminal and any mail takes.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            'µ' => 'u',
            '×' => 'x',
            '–' | '−' => '-',
            '\t' => ' ',
            letter if letter.is_ascii() && !letter.is_control() => letter,
            _ => '?',
        })
        .collect()
}

/// Running text, broken into lines.
pub(super) fn wrapped(text: &str) -> String {
    let (mut out, mut line) = (String::new(), String::new());
    for word in ascii(text).split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(out, "{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
    out
}

#[cfg(test)]
mod tests {
    use super::super::table::example;
    use super::*;

    #[test]
    fn a_table_is_ascii() {
        assert_eq!(
            text(&example()),
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
        let mut table = Table { caption: String::new(), head: row("head"), rows: vec![row("row")] };
        let written = text(&table);
        assert!(written.lines().all(|line| line.len() <= WIDTH), "{written}");
        assert_eq!(written.matches("row").count(), 2, "{written}");
        table.rows[0][2] = "-".to_owned();
        assert_eq!(text(&table).matches("row").count(), 1);
    }

    #[test]
    fn text_is_wrapped_at_72() {
        let words = vec!["seven77"; 20].join(" ");
        let lengths: Vec<usize> = wrapped(&words).lines().map(str::len).collect();
        // Nine words of seven letters and eight blanks.
        assert_eq!(lengths, [71, 71, 15]);
    }
}
