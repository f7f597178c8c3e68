//! Blocks as Markdown.

use std::fmt::Write as _;

use super::document::{Block, Table};

/// Markdown.
pub(super) fn markdown(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = match block {
            Block::Heading(heading) => writeln!(out, "## {heading}"),
            Block::Subheading(heading) => writeln!(out, "### {heading}"),
            Block::Paragraph(paragraph) => writeln!(out, "{paragraph}"),
            Block::List(points) => writeln!(out, "- {}", points.join("\n- ")),
            Block::Table(table) => write!(out, "{}", self::table(table)),
            Block::Figure(figure) => writeln!(out, "![{}](img/{})", figure.alt, figure.file),
            Block::Code(lines) => writeln!(out, "```sh\n{}\n```", lines.join("\n")),
        };
    }
    out
}

/// A table below its caption.
pub(super) fn table(table: &Table) -> String {
    let mut out = String::new();
    if !table.caption.is_empty() {
        let _ = writeln!(out, "{}\n", table.caption);
    }
    let _ = write!(out, "| {} |\n|---", cells(&table.head));
    out.push_str(&"|--:".repeat(table.head.len().saturating_sub(1)));
    out.push_str("|\n");
    for row in &table.rows {
        let _ = writeln!(out, "| {} |", cells(row));
    }
    out
}

fn cells(row: &[String]) -> String {
    let row: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
    row.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::super::document::tests::table as example;
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        assert_eq!(
            markdown(&[Block::Table(example())]),
            "Median.\n\n\
             | scenario | #1/A | #2 |\n|---|--:|--:|\n\
             | call | 2.1 µs | - |\n| kick/doorbell | 1 ns | 1 ns |\n"
        );
    }
}
