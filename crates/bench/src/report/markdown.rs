//! Text and tables as Markdown.

use std::fmt::Write as _;

use super::table::Table;

/// A table below its caption.
pub(super) fn table(table: &Table) -> String {
    let mut out = String::new();
    if !table.caption.is_empty() {
        let _ = writeln!(out, "{}\n", inline(&table.caption));
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
    let row: Vec<String> = row.iter().map(|cell| inline(cell).replace('|', "\\|")).collect();
    row.join(" | ")
}

/// Text in which nothing but backticks means anything to Markdown: what stands between two of them
/// is code, as in every form of a report, and the rest is itself.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut code, mut before) = (false, ' ');
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        code ^= letter == '`';
        let means = match letter {
            '*' | '[' | ']' | '<' | '&' | '~' | '$' | '\\' => true,
            // Within a word it is a letter.
            '_' => {
                let next = letters.peek().copied().unwrap_or(' ');
                !(before.is_alphanumeric() && next.is_alphanumeric())
            }
            _ => false,
        };
        if means && !code {
            out.push('\\');
        }
        out.push(letter);
        before = letter;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::table::example;
    use super::*;

    #[test]
    fn text_is_itself() {
        let text = "vhost_vdpa's *x* __user [a](b) <b> &lt; ~~ $1 `a*b [c]` \\";
        assert_eq!(
            inline(text),
            r"vhost_vdpa's \*x\* \_\_user \[a\](b) \<b> \&lt; \~\~ \$1 `a*b [c]` \\"
        );
    }

    #[test]
    fn a_table_is_markdown() {
        assert_eq!(
            table(&example()),
            "Median.\n\n\
             | scenario | #1/A | #2 |\n|---|--:|--:|\n\
             | call | 2.1 µs | - |\n| kick/doorbell | 1 ns | 1 ns |\n"
        );
    }
}
