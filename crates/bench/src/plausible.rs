//! Whether what a file says can be shown: files come from other people.

use serde_json::Value;

use crate::terminal::{is_printable, one_line};

/// The longest text that any field of a result needs, in characters: the state of a mitigation.
const LONGEST: usize = 400;
/// The largest figure that any unit has: eleven days in nanoseconds. Beyond it lie counts that a
/// 64-bit float doesn't tell apart, and sums that are infinite.
const MOST: f64 = 1e15;
/// Where figures are that nobody measured as they stand.
const FITTED: &str = "costs[";
/// What begins something of its own in HTML, Markdown or SVG. Escaping comes on top of this.
const MARKUP: [char; 7] = ['<', '>', '`', '|', '[', ']', '\\'];

/// What is wrong with a value, and where in the file it is.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Implausible {
    /// A figure below zero or beyond anything that can be measured.
    #[error("{place}: {figure} is no figure that can be measured: 0 to {MOST:e} is")]
    Figure {
        /// Names and positions that lead to it.
        place: String,
        /// The figure.
        figure: f64,
    },
    /// A text that is too long, or has characters that have no business there.
    #[error("{place}: {text:?} is no plain text of at most {LONGEST} characters")]
    Text {
        /// Names and positions that lead to it.
        place: String,
        /// Its beginning.
        text: String,
    },
}

/// Looks at every figure and every text in `value`, names of fields among them.
pub(crate) fn check(value: &Value) -> Result<(), Implausible> {
    at(value, &mut String::new())
}

/// What [`check`] takes of a text that this machine says of itself.
pub(crate) fn plain_text(text: &str) -> String {
    let shown = |letter| if is_plain(letter) { letter } else { '?' };
    text.chars().take(LONGEST).map(shown).collect()
}

fn is_plain(letter: char) -> bool {
    is_printable(letter) && !MARKUP.contains(&letter)
}

fn at(value: &Value, place: &mut String) -> Result<(), Implausible> {
    let whole = place.len();
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            let figure = number.as_f64().unwrap_or(f64::INFINITY);
            // A price that a fit gives to a kind of crossing may be below zero.
            let least = if place.starts_with(FITTED) { -MOST } else { 0.0 };
            if !(least..=MOST).contains(&figure) {
                return Err(Implausible::Figure { place: place.clone(), figure });
            }
        }
        Value::String(text) => plain(text, place)?,
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                place.push_str(&format!("[{index}]"));
                at(value, place)?;
                place.truncate(whole);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                plain(name, place)?;
                place.push_str(if whole == 0 { "" } else { "." });
                place.push_str(name);
                at(value, place)?;
                place.truncate(whole);
            }
        }
    }
    Ok(())
}

fn plain(text: &str, place: &str) -> Result<(), Implausible> {
    let mut letters = text.chars();
    let fits = letters.by_ref().take(LONGEST).all(is_plain);
    if fits && letters.next().is_none() {
        return Ok(());
    }
    let text = one_line(&text.chars().take(40).collect::<String>());
    Err(Implausible::Text { place: place.to_owned(), text })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_results_hold_is_plausible() {
        let value = json!({
            "cpu": "AMD EPYC 7B13 @ 2.45GHz (x86_64)", "µ": [0, 1.5, 1e15, null, true],
            "mitigation": "Mitigation: usercopy/swapgs barriers and __user pointer sanitization; a & b",
        });
        assert_eq!(check(&value), Ok(()));
    }

    #[test]
    fn a_figure_that_cannot_be_is_named() {
        for figure in [-1.0, 1e16, 1e308] {
            let value = json!({ "timings": [{}, { "figures": { "median": figure } }] });
            let place = "timings[1].figures.median".to_owned();
            assert_eq!(check(&value), Err(Implausible::Figure { place, figure }));
        }
        assert!(check(&json!(u64::MAX)).is_err());
        assert_eq!(check(&json!({ "costs": [{ "cost": -592.9 }] })), Ok(()));
        assert!(check(&json!({ "costs": [{ "cost": -1e16 }] })).is_err());
    }

    #[test]
    fn a_text_that_acts_on_what_shows_it_is_named() {
        for text in [
            "<b>",
            "a\nb",
            "\u{1b}[31m",
            "[x](y)",
            "a|b",
            "`c`",
            "\u{202e}",
            &"x".repeat(5_000_000),
        ] {
            let error = check(&json!({ "host": { "cpu": text } })).unwrap_err();
            assert!(error.to_string().starts_with("host.cpu: "), "{error}");
            assert!(error.to_string().len() < 200, "{error}");
            assert!(check(&json!({ "kinds": { text: 1 } })).is_err());
            assert_eq!(check(&json!(plain_text(text))), Ok(()));
        }
    }
}
