//! A report as a list of blocks, written out as a mail or as Markdown.

use std::fmt::Write as _;

/// The widest line of a mail.
const WIDTH: usize = 72;

/// A piece of a report.
#[derive(Clone, Debug)]
pub(super) enum Block {
    /// A heading.
    Heading(String),
    /// Running text. `code` stands between backticks in both forms.
    Paragraph(String),
    /// A table with a caption.
    Table(Table),
    /// A plot: its file below `img/` and what it shows. A mail has none.
    Figure(&'static str, String),
    /// Lines to be typed as they are.
    Code(Vec<String>),
}

/// A table; the first column is the rows' name.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// What the cells are.
    pub(super) caption: String,
    /// The names of the columns.
    pub(super) head: Vec<String>,
    /// The cells, as many in a row as there are columns.
    pub(super) rows: Vec<Vec<String>>,
}

/// Plain text: at most 72 columns, ASCII.
pub(super) fn text(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() && !matches!(block, Block::Figure(..)) {
            out.push('\n');
        }
        match block {
            Block::Heading(heading) => {
                let heading = ascii(heading);
                let _ = writeln!(out, "{heading}\n{}", "-".repeat(heading.len()));
            }
            Block::Paragraph(paragraph) => wrap(&ascii(paragraph), &mut out),
            Block::Table(table) => {
                wrap(&ascii(&table.caption), &mut out);
                out.push('\n');
                out.push_str(&table.text());
            }
            Block::Figure(..) => {}
            Block::Code(lines) => {
                for line in lines {
                    let _ = writeln!(out, "  {line}");
                }
            }
        }
    }
    out
}

/// Markdown.
pub(super) fn markdown(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = match block {
            Block::Heading(heading) => writeln!(out, "## {heading}"),
            Block::Paragraph(paragraph) => writeln!(out, "{paragraph}"),
            Block::Table(table) => {
                writeln!(out, "{}\n\n{}", table.caption, table.markdown().trim_end())
            }
            Block::Figure(file, alt) => writeln!(out, "![{alt}](img/{file})"),
            Block::Code(lines) => writeln!(out, "```sh\n{}\n```", lines.join("\n")),
        };
    }
    out
}

impl Table {
    /// ASCII: the first column to the left, the others to the right.
    pub(super) fn text(&self) -> String {
        let lines: Vec<Vec<String>> = std::iter::once(&self.head)
            .chain(&self.rows)
            .map(|row| row.iter().map(|cell| ascii(cell)).collect())
            .collect();
        let mut widths = vec![0; self.head.len()];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.len().max(*width);
            }
        }
        let mut out = String::new();
        for (number, line) in lines.iter().enumerate() {
            let mut row = String::new();
            for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
                let _ = match column {
                    0 => write!(row, "{cell:<width$}"),
                    _ => write!(row, "  {cell:>width$}"),
                };
            }
            out.push_str(row.trim_end());
            out.push('\n');
            if number == 0 {
                out.push_str(&"-".repeat(widths.iter().map(|width| width + 2).sum::<usize>() - 2));
                out.push('\n');
            }
        }
        out
    }

    /// A Markdown table.
    pub(super) fn markdown(&self) -> String {
        let mut out = format!("| {} |\n|---", self.head.join(" | "));
        out.push_str(&"|--:".repeat(self.head.len() - 1));
        out.push_str("|\n");
        for row in &self.rows {
            let _ = writeln!(out, "| {} |", row.join(" | "));
        }
        out
    }
}

/// What a mail of 2019 takes without asking for an encoding.
fn ascii(text: &str) -> String {
    text.replace('µ', "u").replace('×', "x").replace('–', "-")
}

fn wrap(text: &str, out: &mut String) {
    let mut column = 0;
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if column > 0 && column + 1 + len > WIDTH {
            out.push('\n');
            column = 0;
        }
        if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += len;
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        Table {
            caption: "Median.".into(),
            head: row(["scenario", "#1/A", "#2"]),
            rows: vec![row(["call", "2.1 µs", "-"]), row(["kick/doorbell", "1 ns", "1 ns"])],
        }
    }

    #[test]
    fn a_table_is_ascii_in_a_mail() {
        assert_eq!(
            text(&[Block::Table(table())]),
            "Median.\n\n\
             scenario         #1/A    #2\n\
             ---------------------------\n\
             call           2.1 us     -\n\
             kick/doorbell    1 ns  1 ns\n"
        );
    }

    #[test]
    fn a_table_is_markdown_in_markdown() {
        assert_eq!(
            markdown(&[Block::Table(table())]),
            "Median.\n\n\
             | scenario | #1/A | #2 |\n|---|--:|--:|\n\
             | call | 2.1 µs | - |\n| kick/doorbell | 1 ns | 1 ns |\n"
        );
    }

    #[test]
    fn a_paragraph_is_wrapped_at_72() {
        let words = vec!["seven77"; 20].join(" ");
        let wrapped = text(&[Block::Paragraph(words)]);
        let lengths: Vec<usize> = wrapped.lines().map(str::len).collect();
        // Nine words of seven letters and eight blanks.
        assert_eq!(lengths, [71, 71, 15]);
    }
}
