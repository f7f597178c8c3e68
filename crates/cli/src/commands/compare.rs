//! `compare`: what changed from one run to another by more than noise.

use std::process::ExitCode;

use vhost_accel_bench::terminal::note;
use vhost_accel_bench::{Client, Comparison, Figure, Key, Only, ResultFile};

use crate::args::Compare;
use crate::error::CliError;
use crate::output;

pub(crate) fn run(args: &Compare) -> Result<ExitCode, CliError> {
    let (before, after) = (ResultFile::load(&args.before)?, ResultFile::load(&args.after)?);
    let comparison = Comparison::new(&before, &after, args.threshold / 100.0);
    for reason in &comparison.incomparable {
        note(format_args!("{}: NOT COMPARABLE: {}", crate::NAME, reason.what()));
    }
    if args.json {
        output::json(&comparison)?;
    } else {
        table(&comparison, args.threshold)?;
    }
    Ok(if comparison.has_changes() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn table(comparison: &Comparison, threshold: f64) -> Result<(), CliError> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut add = |what: &str, key: &Key, before: String, after: String, change: String| {
        rows.push(vec![what.to_owned(), named(key), before, after, change]);
    };
    for change in &comparison.crossings {
        let kinds: Vec<String> = change
            .kinds
            .iter()
            .map(|(kind, before, after)| format!("{kind} {before} -> {after}"))
            .collect();
        let (before, after) = (change.before.to_string(), change.after.to_string());
        add("crossings", &change.key, before, after, kinds.join(", "));
    }
    for change in &comparison.medians {
        let (before, after) = (figure(change.before), figure(change.after));
        add("median", &change.key, before, after, share(change.change));
    }
    for ratio in &comparison.ratios {
        let change = &ratio.change;
        let (before, after) = (figure(change.before), figure(change.after));
        let what = format!("over {}", ratio.over);
        add(&what, &change.key, before, after, share(change.change));
    }
    for missing in &comparison.missing {
        let what = match missing.what {
            Figure::Crossings => "crossings",
            Figure::Median => "median",
            Figure::Ratio => "ratio",
        };
        let (before, after) = match missing.only_in {
            Only::First => ("there", "-"),
            Only::Second => ("-", "there"),
        };
        add(what, &missing.key, before.to_owned(), after.to_owned(), String::new());
    }
    let changed = rows.len();
    if changed > 0 {
        output::table(&["WHAT", "OF", "BEFORE", "AFTER", "CHANGE"], rows)?;
    }
    output::line(format_args!(
        "{} figures compared, {changed} changed beyond noise (intervals apart and more than {threshold} %)",
        comparison.compared
    ))
}

fn named(key: &Key) -> String {
    let client = match key.client {
        Client::Library => "",
        Client::Baseline => " floor",
        Client::Peer => " peer",
    };
    format!("{} {}{client}", key.scenario, key.configuration())
}

fn figure(value: f64) -> String {
    if value < 100.0 { format!("{value:.3}") } else { format!("{value:.0}") }
}

fn share(share: f64) -> String {
    format!("{:+.1} %", share * 100.0)
}
