//! The mail as mail programs take it.

use std::fs;
use std::process::Command;

use vhost_accel_bench::ResultFile;
use vhost_accel_bench::report::{self, Evidence};

use crate::fixture;

fn all() -> [ResultFile; 4] {
    [fixture::result(), fixture::instructions(), fixture::translated(), fixture::kvm()]
}

#[test]
fn a_mail_is_plain_and_narrow() {
    let mail = report::text(&all());
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert_eq!(
        head.lines().next(),
        Some("Subject: Re: [RFC v2] vhost: introduce mdev based hardware vhost backend")
    );
    for line in body.lines() {
        assert!(line.len() <= 72, "{} columns: {line}", line.len());
        assert_eq!(line, line.trim_end());
    }
    assert!(mail.is_ascii());
    // No letter was left out for not being ASCII: the only questions are those that are asked.
    let page = report::markdown(&Evidence::new(&all()));
    assert_eq!(body.matches('?').count(), page.matches('?').count());
    assert!(!mail.contains('\t'));
    assert!(mail.ends_with('\n'));
}

#[test]
fn a_mail_is_no_longer_than_a_list_takes() {
    let len = report::text(&all()).len();
    assert!(len < 100_000, "{len} bytes");
}

#[test]
fn a_mail_answers_rfc_v2_or_what_is_said() {
    let files = [fixture::result()];
    let thread = |mail: &str| {
        let head = mail.split("\n\n").next().unwrap().to_owned();
        head.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let id = "<20190703091339.1847-1-tiwei.bie@intel.com>";
    assert_eq!(
        thread(&report::text(&files)),
        [format!("In-Reply-To: {id}"), format!("References: {id}")]
    );
    for other in ["a@b", "<a@b>"] {
        let mail = report::mail(&Evidence::new(&files), other);
        assert_eq!(thread(&mail), ["In-Reply-To: <a@b>", "References: <a@b>"]);
    }
}

#[test]
fn no_line_is_where_git_cuts_a_mail() {
    let mail = report::text(&all());
    let body = mail.split_once("\n\n").unwrap().1;
    for line in body.lines() {
        let cut = line.starts_with("---")
            || line.starts_with("diff -")
            || line.starts_with("Index: ")
            || line.starts_with("From ")
            || line.starts_with(">From ")
            || line.contains(">8")
            || line.contains("8<")
            || line == "--";
        assert!(!cut, "{line}");
    }
    // What stands first must not be taken for a header.
    let first: Vec<&str> = body.lines().take(5).collect();
    assert_eq!(first[2], "> Which one (#1/A, #1/B, or #2) would you prefer?");
    assert_eq!(first[3], "");
    // And the answer begins with one of the three.
    assert!(first[4].starts_with("#1/A: it takes the least"), "{body}");
}

#[test]
fn git_mailinfo_takes_the_whole_body() {
    let mail = report::text(&all());
    let body = mail.split_once("\n\n").unwrap().1;
    let dir = tempfile::tempdir().unwrap();
    let (message, patch) = (dir.path().join("message"), dir.path().join("patch"));
    let input = dir.path().join("mail");
    // A mail program adds who sent it.
    fs::write(&input, format!("From: A <a@example.org>\n{mail}")).unwrap();
    for scissors in ["--no-scissors", "--scissors"] {
        let output = Command::new("git")
            .args(["mailinfo", scissors])
            .args([&message, &patch])
            .stdin(fs::File::open(&input).unwrap())
            .output();
        let Ok(output) = output else {
            eprintln!("skipped: there is no git here");
            return;
        };
        assert!(output.status.success(), "{output:?}");
        let info = String::from_utf8(output.stdout).unwrap();
        assert!(
            info.contains("Subject: vhost: introduce mdev based hardware vhost backend"),
            "{info}"
        );
        assert_eq!(fs::read_to_string(&message).unwrap(), body);
        assert_eq!(fs::read_to_string(&patch).unwrap(), "");
    }
}

#[test]
fn the_answer_comes_first_and_the_tables_last() {
    let mail = report::text(&all());
    let headings = [
        "Verdict by use",
        "The thread's arguments",
        "Method and limits",
        "To repeat the runs:",
        "Setup\n=====",
        "All counts and times",
    ];
    let at = headings.map(|heading| mail.find(heading).unwrap_or_else(|| panic!("{heading}")));
    assert!(at.is_sorted(), "{at:?}");
    // A screen without a table, then.
    assert!(mail.find("---").unwrap() > at[3], "a table stands before the method");
}
