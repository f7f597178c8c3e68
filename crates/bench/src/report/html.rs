//! A document as one HTML page that needs nothing else: style and charts are in it, and no script.

use std::collections::BTreeMap;

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

const STYLE: &str = include_str!("style.css");

/// The page of a Markdown text whose first line is its title; `charts` are its pictures, SVG by the
/// path that the text has for them.
pub(super) fn page(markdown: &str, charts: &BTreeMap<String, String>) -> String {
    let title = markdown.lines().next().unwrap_or_default().trim_start_matches(['#', ' ']);
    let mut events = Vec::new();
    let mut chart = None;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            // A wide table scrolls by itself, not the page.
            Event::Start(Tag::Table(_)) => {
                events.extend([raw("<div class=\"scroll\" tabindex=\"0\">"), event]);
            }
            Event::End(TagEnd::Table) => events.extend([event, raw("</div>")]),
            Event::Start(Tag::Image { ref dest_url, .. }) => {
                chart = charts.get(&**dest_url);
                if chart.is_none() {
                    events.push(event);
                }
            }
            Event::End(TagEnd::Image) => match chart.take() {
                Some(svg) => events.push(raw(svg.as_str())),
                None => events.push(event),
            },
            // A chart says by itself what it is.
            _ if chart.is_some() => {}
            Event::Html(text) if text.starts_with("<!--") => {}
            // Nothing else of a text is markup.
            Event::Html(text) | Event::InlineHtml(text) => events.push(Event::Text(text)),
            event => events.push(event),
        }
    }
    let mut body = String::new();
    html::push_html(&mut body, events.into_iter());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         </body>\n</html>\n",
        title.replace('&', "&amp;").replace('<', "&lt;")
    )
}

fn raw<'a>(html: impl Into<CowStr<'a>>) -> Event<'a> {
    Event::Html(html.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_everything_that_it_shows() {
        let charts = BTreeMap::from([("img/a.svg".to_owned(), "<svg>A</svg>\n".to_owned())]);
        let text = "# One & two\n\n<!-- made -->\n\n`a < b` holds <script>x</script>\n\n![A *plot*](img/a.svg)\n\n\
                    | a | b |\n|---|--:|\n| c | 1 |\n";
        let page = page(text, &charts);
        assert!(page.contains("<title>One &amp; two</title>"), "{page}");
        assert!(page.contains("<code>a &lt; b</code> holds &lt;script&gt;"), "{page}");
        assert!(page.contains("<p><svg>A</svg>\n</p>"), "{page}");
        assert!(page.contains("<div class=\"scroll\" tabindex=\"0\"><table>"), "{page}");
        assert!(!page.contains("*plot*") && !page.contains("<!--"), "{page}");
    }
}
