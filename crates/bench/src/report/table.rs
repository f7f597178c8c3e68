//! A table, before it is written out for a page or a terminal.

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

#[cfg(test)]
pub(super) fn example() -> Table {
    let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    Table {
        caption: "Median.".into(),
        head: row(["scenario", "#1/A", "#2"]),
        rows: vec![row(["call", "2.1 µs", "-"]), row(["kick/doorbell", "1 ns", "1 ns"])],
    }
}
