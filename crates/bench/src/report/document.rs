//! A report as a list of blocks, written out as a mail, as Markdown or as HTML.

/// A piece of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// A heading.
    Heading(String),
    /// A heading below it.
    Subheading(String),
    /// Running text. `code` stands between backticks in every form.
    Paragraph(String),
    /// Points of a list.
    List(Vec<String>),
    /// A table with a caption.
    Table(Table),
    /// A plot. A mail has none.
    Figure(Figure),
    /// Lines to be typed as they are.
    Code(Vec<String>),
}

/// A plot in a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    /// Its file below `img/`.
    pub(super) file: &'static str,
    /// What it shows.
    pub(super) alt: String,
}

/// A table; the first column is the rows' name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// What the cells are.
    pub(super) caption: String,
    /// The names of the columns.
    pub(super) head: Vec<String>,
    /// The cells, as many in a row as there are columns.
    pub(super) rows: Vec<Vec<String>>,
}

impl Block {
    /// Running text.
    pub(super) fn paragraph(text: impl Into<String>) -> Self {
        Self::Paragraph(text.into())
    }

    /// A heading.
    pub(super) fn heading(text: impl Into<String>) -> Self {
        Self::Heading(text.into())
    }

    /// A table, unless it has no rows.
    pub(super) fn table(table: Table) -> Option<Self> {
        (!table.rows.is_empty()).then_some(Self::Table(table))
    }
}

/// Blocks under a heading; nothing if there are none.
pub(super) fn section(heading: &str, blocks: Vec<Block>) -> Vec<Block> {
    if blocks.is_empty() {
        return blocks;
    }
    std::iter::once(Block::heading(heading)).chain(blocks).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::report) fn table() -> Table {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        Table {
            caption: "Median.".into(),
            head: row(["scenario", "#1/A", "#2"]),
            rows: vec![row(["call", "2.1 µs", "-"]), row(["kick/doorbell", "1 ns", "1 ns"])],
        }
    }

    #[test]
    fn a_section_without_content_has_no_heading() {
        assert!(section("Empty", Vec::new()).is_empty());
        assert_eq!(section("Full", vec![Block::Code(Vec::new())]).len(), 2);
        let empty = Table { rows: Vec::new(), ..table() };
        assert_eq!(Block::table(empty), None);
    }
}
