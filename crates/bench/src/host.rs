//! What the machine says about itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::plausible::plain_text;
use crate::results::Host;

impl Host {
    /// This machine. What it doesn't tell reads `unknown`.
    pub fn this() -> Self {
        Self {
            kernel: line("/proc/sys/kernel/osrelease"),
            architecture: std::env::consts::ARCH.to_owned(),
            cpu: cpu_info("model name").unwrap_or_else(|| "unknown".to_owned()),
            cpu_mhz: cpu_info("cpu MHz")
                .and_then(|mhz| mhz.parse::<f64>().ok())
                .map(|mhz| mhz.round() as u32)
                .filter(|&mhz| mhz > 0),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            clock_source: line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            mitigations: mitigations(),
        }
    }
}

/// The command line of the kernel that this machine runs.
pub fn kernel_command_line() -> Option<String> {
    let text = fs::read_to_string("/proc/cmdline").ok()?;
    Some(plain_text(text.trim()))
}

/// What this program was built with, and the programs of `others` that it uses: under its name what
/// each says of its version. What can't be found out is left out.
pub fn software(others: &[(&str, &str)]) -> BTreeMap<String, String> {
    let rustc = Some(env!("BENCH_RUSTC").to_owned()).filter(|version| !version.is_empty());
    let others = others.iter().map(|&(name, program)| (name, version(program)));
    std::iter::once(("rustc", rustc))
        .chain(others)
        .filter_map(|(name, version)| Some((name.to_owned(), version?)))
        .collect()
}

/// The first line that `program` says of its version.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| plain_text(text.lines().next().unwrap_or_default()))
}

fn line(path: &str) -> String {
    match fs::read_to_string(path) {
        Ok(text) => plain_text(text.trim()),
        Err(_) => "unknown".to_owned(),
    }
}

/// A field of the first CPU.
fn cpu_info(field: &str) -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let rest = info.lines().find_map(|line| line.strip_prefix(field))?;
    Some(plain_text(rest.trim_start_matches([' ', '\t', ':']).trim()))
}

/// What the kernel does about the CPU's flaws, by flaw.
fn mitigations() -> BTreeMap<String, String> {
    let dir = "/sys/devices/system/cpu/vulnerabilities";
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let state = fs::read_to_string(entry.path()).ok()?;
            let name = entry.file_name().into_string().ok()?;
            let state = state.trim();
            (state != "Not affected").then(|| (plain_text(&name), plain_text(state)))
        })
        .collect()
}

/// The git revision of the tree at `root`, with `-dirty` when it was changed; `None` where git
/// can't tell.
pub fn revision(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    // What a run writes is no change of what was run.
    let changes = git(&["status", "--porcelain", "--", ".", ":!results", ":!docs", ":!README.md"])?;
    Some(if changes.is_empty() { revision } else { format!("{revision}-dirty") })
}

/// Now, in UTC, as RFC 3339 writes it.
pub fn utc_now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    utc(seconds)
}

fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years from March on, so that the leap day is the last: 719,468 days before 1970 began year 0.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_utc() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_562_639_697), "2019-07-09T02:34:57Z");
        assert_eq!(utc(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
