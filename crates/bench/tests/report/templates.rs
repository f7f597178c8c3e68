//! Templates: what they can ask for, and what they are told when it isn't there.

use std::fs;
use std::path::Path;

use vhost_accel::Interface;
use vhost_accel_bench::report;
use vhost_accel_bench::{Client, Configuration, ENOUGH, Key, ResultFile, Scenario};

use crate::fixture;

/// What becomes of a template, over the fixture's results and these.
fn made(template: &str, instructions: &ResultFile) -> Result<String, String> {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for result in [&fixture::result(), instructions] {
        result.save(&root.join("results").join(result.file_name())).unwrap();
    }
    fs::create_dir_all(root.join("docs/templates")).unwrap();
    fs::write(root.join("docs/templates/a.txt"), template).unwrap();
    let measuring = "<!-- scenarios:begin -->\n<!-- scenarios:end -->\n";
    fs::write(root.join("docs/measuring.md"), measuring).unwrap();
    report::write(root).map_err(|error| error.to_string())?;
    Ok(read(&root.join("docs/a.txt")))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn becomes(template: &str) -> String {
    made(template, &fixture::instructions()).unwrap()
}

#[test]
fn a_template_has_figures_counts_and_prices() {
    assert_eq!(becomes("{{ figure('instructions', 'setup/1', '#1/A') }}"), "160.0k");
    assert_eq!(becomes("{{ figure('emulated', 'setup/1', 'vhost-vdpa') }}"), "86.0 µs");
    assert_eq!(becomes("{{ number('emulated', 'kick/doorbell', '#2') | digits(1) }}"), "7.0");
    assert_eq!(becomes("{{ number('emulated', 'setup/1', '#2') | work('emulated') }}"), "84.0 µs");
    assert_eq!(becomes("{{ calls('setup-batched/64', '#1/A batch') }}"), "20");
    assert_eq!(becomes("[{{ 'ab' | right(4) }}]"), "[  ab]");
    assert_eq!(becomes("{{ chart('setup-time.svg') }}").lines().count(), 1);
    assert!(becomes("{{ table('laws', 'counts') }}").contains("| setup/N | 30 + 10 N |"));
    let some = becomes("{{ table('medians', 'emulated', ['setup/1', 'call']) }}");
    assert!(some.contains("| setup/1 |") && !some.contains("| setup/4 |"), "{some}");
}

#[test]
fn what_is_not_there_is_an_error_that_names_it() {
    for (template, said) in [
        ("{{ figure('native', 'setup/1', '#2') }}", "there is no run \"native\""),
        ("{{ figure('emulated', 'setup/3', '#2') }}", "there is no scenario \"setup/3\""),
        ("{{ figure('emulated', 'setup/1', '#3') }}", "nobody is called \"#3\""),
        ("{{ figure('emulated', 'kick/eventfd', '#1/A') }}", "no kick/eventfd on #1/A"),
        ("{{ calls('kick/eventfd', '#1/A') }}", "no run has crossings of kick/eventfd on #1/A"),
        ("{{ chart('x.svg') }}", "there is no chart \"x.svg\""),
        ("{{ table('x', 'emulated') }}", "there is no table \"x\""),
        ("{{ nothing }}", "undefined"),
        ("{% if %}", "syntax error"),
    ] {
        let error = made(template, &fixture::instructions()).unwrap_err();
        assert!(error.contains(said) && error.contains("docs/templates/a.txt"), "{error}");
    }
}

#[test]
fn the_least_of_a_row_is_bold_and_its_equal_marked() {
    let row = "{{ row('instructions', [['setup/1', '#1/A'], ['setup/1', '#1/B'], \
               ['setup/1', ''], ['setup/1', '#2']]) }}";
    assert_eq!(becomes(row), "**160.0k** | 164.0k | - | 168.0k");
    // Another seed gave #1/B what #1/A takes.
    let mut result = fixture::instructions();
    let of = Configuration::plain(Interface::VfioIoctl);
    let key = Key::new(Scenario::Setup(1), of, Client::Library);
    let seeds = result.run.seeds.as_mut().unwrap();
    let spread = seeds.spread.iter_mut().find(|spread| spread.key == key).unwrap();
    spread.low = 159_990.0;
    assert_eq!(made(row, &result).unwrap(), "**160.0k** | ~164.0k | - | 168.0k");
    let spread = "{{ spread('instructions', 'setup/1', '#1/B') }}";
    assert_eq!(made(spread, &result).unwrap(), "160.0k–164.0k");
    // Of few boots nobody knows.
    result.run.seeds.as_mut().unwrap().boots = ENOUGH - 1;
    assert_eq!(made(row, &result).unwrap(), "160.0k | 164.0k | - | 168.0k");
}

#[test]
fn a_claim_is_its_sentence_or_refuted() {
    let claim = |is: &str| {
        format!("{{{{ claim(calls('setup/1', '#2') {is} calls('setup/1', '#1/A'), 'So.') }}}}")
    };
    assert_eq!(becomes(&claim(">")), "So.");
    let error = made(&claim("<"), &fixture::instructions()).unwrap_err();
    assert_eq!(error, "the results don't bear what docs/templates/ say: So.");
}
