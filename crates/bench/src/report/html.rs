//! Blocks as one HTML page that needs nothing else: style and plots are in it, and no script.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::document::{Block, Table};

const STYLE: &str = include_str!("style.css");

/// A page; `plots` are the figures' SVG by their file's name.
pub(super) fn page(title: &str, blocks: &[Block], plots: &BTreeMap<&str, String>) -> String {
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n",
        title = escape(title),
    );
    out.push_str(&contents(blocks));
    let mut headings = 0;
    for block in blocks {
        let _ = match block {
            Block::Heading(heading) => {
                headings += 1;
                writeln!(out, "<h2 id=\"s{headings}\">{}</h2>", inline(heading))
            }
            Block::Subheading(heading) => writeln!(out, "<h3>{}</h3>", inline(heading)),
            Block::Paragraph(paragraph) => writeln!(out, "<p>{}</p>", inline(paragraph)),
            Block::List(points) => {
                let points: Vec<String> =
                    points.iter().map(|point| format!("<li>{}</li>", inline(point))).collect();
                writeln!(out, "<ul>\n{}\n</ul>", points.join("\n"))
            }
            Block::Table(table) => write!(out, "{}", self::table(table)),
            Block::Figure(figure) => match plots.get(figure.file) {
                Some(svg) => writeln!(
                    out,
                    "<figure>\n{}\n<figcaption>{}</figcaption>\n</figure>",
                    inlined(svg, &figure.alt).trim_end(),
                    inline(&figure.alt)
                ),
                None => Ok(()),
            },
            Block::Code(lines) => {
                writeln!(out, "<pre><code>{}</code></pre>", escape(&lines.join("\n")))
            }
        };
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Links to the headings.
fn contents(blocks: &[Block]) -> String {
    let headings = blocks.iter().filter_map(|block| match block {
        Block::Heading(heading) => Some(heading),
        _ => None,
    });
    let links: Vec<String> = (1..)
        .zip(headings)
        .map(|(number, heading)| format!("<a href=\"#s{number}\">{}</a>", inline(heading)))
        .collect();
    if links.is_empty() { String::new() } else { format!("<nav>{}</nav>\n", links.join("\n")) }
}

fn table(table: &Table) -> String {
    let cells = |row: &[String], first: &str, other: &str| {
        let mut out = String::from("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let open = if column == 0 { first } else { other };
            let close = open.split(' ').next().unwrap_or(open);
            let _ = write!(out, "<{open}>{}</{close}>", inline(cell));
        }
        out.push_str("</tr>\n");
        out
    };
    let mut out = String::new();
    // Not in the table, which may be wider than the screen.
    if !table.caption.is_empty() {
        let _ = writeln!(out, "<p class=\"caption\">{}</p>", inline(&table.caption));
    }
    out.push_str("<div class=\"scroll\" tabindex=\"0\">\n<table>\n");
    let head = cells(&table.head, "th scope=\"col\"", "th scope=\"col\"");
    let _ = write!(out, "<thead>\n{head}</thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str(&cells(row, "th scope=\"row\"", "td"));
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    out
}

/// An SVG that scales with the page and has a name.
fn inlined(svg: &str, alt: &str) -> String {
    let Some((tag, rest)) = svg.split_once('>') else {
        return String::new();
    };
    let label = escape(alt).replace('"', "&quot;");
    let size = |name: &str| {
        let value = tag.split_once(&format!(" {name}=\"")).map(|(_, rest)| rest);
        value.and_then(|value| value.split('"').next()).unwrap_or("0").to_owned()
    };
    format!(
        "<svg role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {} {}\" \
         xmlns=\"http://www.w3.org/2000/svg\">{rest}",
        size("width"),
        size("height")
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Escaped text with what stands between backticks as code.
fn inline(text: &str) -> String {
    let mut out = String::new();
    for (number, part) in escape(text).split('`').enumerate() {
        if number % 2 == 1 {
            let _ = write!(out, "<code>{part}</code>");
        } else {
            out.push_str(part);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::document::Figure;
    use super::super::document::tests::table as example;
    use super::*;

    #[test]
    fn a_page_holds_everything_that_it_shows() {
        let svg =
            "<svg width=\"820\" height=\"460\" viewBox=\"0 0 820 460\">\n<text>A</text></svg>\n";
        let plots = BTreeMap::from([("a.svg", svg.to_owned())]);
        let figure = |file| Block::Figure(Figure { file, alt: "A \"plot\"".into() });
        let blocks = [
            Block::heading("One & two"),
            Block::paragraph("`a < b` holds"),
            Block::Table(example()),
            figure("a.svg"),
            figure("not-drawn.svg"),
        ];
        let page = page("Title", &blocks, &plots);
        assert!(page.contains("<h2 id=\"s1\">One &amp; two</h2>"));
        assert!(page.contains("<a href=\"#s1\">One &amp; two</a>"));
        assert!(page.contains("<p><code>a &lt; b</code> holds</p>"));
        assert!(page.contains("<tr><th scope=\"row\">call</th><td>2.1 µs</td><td>-</td></tr>"));
        assert!(page.contains("aria-label=\"A &quot;plot&quot;\" viewBox=\"0 0 820 460\""));
        assert_eq!(page.matches("<figure>").count(), 1);
    }
}
