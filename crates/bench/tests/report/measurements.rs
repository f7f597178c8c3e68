//! The page with every figure, and the terminal's table.

use std::fs;

use vhost_accel::Interface;
use vhost_accel_bench::report::{self, Evidence};
use vhost_accel_bench::{Comparison, Distribution, Figures, Mode, ResultFile, Scenario};

use crate::fixture;

/// The page of figures, as Markdown and as HTML.
fn pages(evidence: &Evidence<'_>) -> [String; 2] {
    let dir = tempfile::tempdir().unwrap();
    report::write_evidence(dir.path(), evidence).unwrap();
    ["measurements.md", "measurements.html"]
        .map(|name| fs::read_to_string(dir.path().join(name)).unwrap())
}

fn page(files: &[ResultFile]) -> String {
    let [page, _] = pages(&Evidence::new(files));
    page
}

#[test]
fn a_page_says_what_the_results_say() {
    let page = page(&[fixture::result(), fixture::instructions()]);
    for row in [
        // setup/4: 30 + place + 10 × 4.
        "| setup/4 | 70 | 71 | 72 | 73 |",
        "| setup/N | 30 + 10 N | 31 + 10 N |",
        "| setup-batched/64 | 20 | - | 22 | 23 |",
        "| kick/doorbell | 5.00 ns | 6.00 ns | 7.00 ns | 8.00 ns |",
        "| kick/eventfd | - | 1.01 | 1.01 | 1.01 |",
        // Twice 5 + 2000 × (30 + place + 10) + place.
        "| setup/1 | 160.0k | 164.0k | 168.0k | 172.0k |",
        // A frame's share of 64: (5 + 2000 × 2 + place) × 2 / 64, and 64 frames in 4005 ns.
        "| throughput/64/64 | 125 | 125 | 125 | 125 |",
        "| throughput/64/64 | 16.0M/s | 16.0M/s |",
        // The peer takes 1.25 times what the library takes.
        "| setup-eventfd/1 | 108 µs | 86.0 µs | 1.25 |",
        // Over the control: 80, 85, 90 hundredths.
        "| setup/64 | 0.80 | 0.85 | 0.90 |",
        // Tables end somewhere.
        "| dma-churn/4096 | #2 mem-table | 509 |",
    ] {
        assert!(page.contains(row), "{row}: {page}");
    }
    assert!(page.contains("results/2026-01-02-emulated-example-r-cpu-1-ghz.json"));
    assert!(page.contains("cargo xtask bench --icount"));
}

#[test]
fn the_latest_full_run_of_a_kind_is_quoted() {
    let full = fixture::result();
    let mut quick = full.clone();
    quick.run.mode = Mode::Quick;
    quick.run.date = "2026-02-01T00:00:00Z".into();
    let mut interrupted = full.clone();
    interrupted.run.interrupted = true;
    interrupted.run.date = "2026-02-02T00:00:00Z".into();
    let mut older = full.clone();
    older.run.date = "2025-12-31T00:00:00Z".into();
    let native = fixture::instructions();
    let all = [older, native.clone(), full.clone(), quick, interrupted];
    assert_eq!(page(&all), page(&[full, native]));
    assert!(page(&all).contains("2026-01-02T03:04:05Z"));
}

#[test]
fn runs_of_several_machines_stand_side_by_side() {
    let here = fixture::kvm();
    let mut there = here.clone();
    there.host.cpu = "Third CPU".into();
    there.run.date = "2026-01-05T00:00:00Z".into();
    for timing in &mut there.timings {
        timing.figures.median *= 2.0;
    }
    let one = page(std::slice::from_ref(&here));
    assert!(!one.contains("## Machines"), "{one}");
    let files = [here];
    let elsewhere = [there];
    let [page, _] = pages(&Evidence::new(&files).with(&elsewhere));
    assert!(page.contains("## Machines"), "{page}");
    assert!(page.contains("M1: Other CPU"), "{page}");
    assert!(page.contains("M2: Third CPU"), "{page}");
    // setup/1 on #1/A: half of 80005 ns, and as much as that.
    assert!(page.contains("| setup/1 #1/A | 40.0 µs | 80.0 µs |"), "{page}");
    // Where a reader finds it, and where not.
    assert!(page.contains("-third-cpu.json` (handed in, not in results/)"), "{page}");
    assert!(page.contains("`results/2026-01-03-native-kvm-other-cpu.json`"), "{page}");
}

#[test]
fn every_chart_is_drawn_once() {
    let dir = tempfile::tempdir().unwrap();
    let files = [fixture::result(), fixture::instructions(), fixture::translated(), fixture::kvm()];
    report::write_pages(dir.path(), &files).unwrap();
    let mut drawn: Vec<String> = fs::read_dir(dir.path().join("img"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    drawn.sort_unstable();
    let want = [
        "churn-instructions.svg",
        "churn-real.svg",
        "churn-time.svg",
        "setup-crossings.svg",
        "setup-instructions.svg",
        "setup-real.svg",
        "setup-time.svg",
    ];
    assert_eq!(drawn, want);
}

/// Whatever a result lacks, the page does without it.
#[test]
fn a_page_bears_any_gap() {
    let whole = [fixture::result(), fixture::instructions(), fixture::translated(), fixture::kvm()];
    let cuts: [fn(&mut ResultFile); 8] = [
        |file| file.timings.clear(),
        |file| file.ratios.clear(),
        |file| file.crossings.clear(),
        |file| file.distributions.clear(),
        |file| file.costs.clear(),
        |file| file.limits.clear(),
        |file| file.timings.retain(|timing| timing.key.interface != Interface::VhostMdev),
        |file| {
            for timing in &mut file.timings {
                timing.figures.median = 0.0;
            }
        },
    ];
    for cut in cuts {
        let mut files = whole.clone();
        files.iter_mut().for_each(cut);
        for file in &files {
            bears(std::slice::from_ref(file));
        }
        bears(&files);
    }
    // Scenario by scenario, and nothing at all.
    for scenario in Scenario::all() {
        let mut file = fixture::result();
        file.timings.retain(|timing| timing.key.scenario == scenario.to_string());
        file.crossings.retain(|counted| counted.key.scenario == scenario.to_string());
        bears(&[file]);
    }
    assert!(page(&[]).contains("There are no figures yet."));
}

fn bears(files: &[ResultFile]) {
    let [page, _] = pages(&Evidence::new(files));
    for wrong in ["NaN", "inf ", "inf%", " none ", "\n\n\n"] {
        assert!(!page.contains(wrong), "{wrong:?} in {page}");
    }
}

/// A result with the figures and counts that `next` gives in place of its own.
fn with_figures(file: &ResultFile, next: &mut dyn FnMut() -> f64) -> ResultFile {
    let mut file = file.clone();
    for one in &mut file.crossings {
        one.total = next() as u64;
        one.kinds.values_mut().for_each(|kind| *kind = next() as u64);
    }
    let mut set = |figures: &mut Figures| {
        *figures = Figures {
            n: next() as usize,
            iterations: next() as u64,
            mean: next(),
            median: next(),
            lower: next(),
            upper: next(),
            min: next(),
            p99: next(),
            std_dev: next(),
        };
    };
    file.timings.iter_mut().for_each(|timing| set(&mut timing.figures));
    file.ratios.iter_mut().for_each(|ratio| set(&mut ratio.figures));
    for spread in &mut file.distributions {
        let Distribution { n, min, p50, p99, p99_9, max, curve, .. } = spread;
        [n, min, p50, p99, p99_9, max].into_iter().for_each(|one| *one = next() as u64);
        for (percentile, value) in curve {
            (*percentile, *value) = (next().min(100.0), next() as u64);
        }
    }
    file.costs.iter_mut().for_each(|cost| cost.cost = next());
    file.limits.iter_mut().for_each(|limit| limit.mappings = next() as u64);
    file
}

#[test]
fn whatever_figures_a_file_may_have_make_a_page() {
    const EXTREME: [f64; 5] = [0.0, 5e-324, 1e-5, 1.0, 1e15];
    let mut drawn = 1_u64;
    let mut mixed = || {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        EXTREME[(drawn >> 33) as usize % EXTREME.len()]
    };
    for file in [fixture::result(), fixture::instructions(), fixture::kvm()] {
        let mut all = EXTREME.map(|figure| with_figures(&file, &mut || figure)).to_vec();
        all.extend((0..20).map(|_| with_figures(&file, &mut mixed)));
        for extreme in all {
            // Alone, and beside what is as it should be.
            for files in [vec![extreme.clone()], vec![fixture::result(), extreme.clone()]] {
                assert!(!page(&files).is_empty());
            }
            assert!(!report::table(&extreme).is_empty());
            assert_eq!(Comparison::new(&extreme, &extreme, 0.0).crossings, []);
        }
    }
}

/// What is refused where files are read is harmless where it would be shown, and what isn't refused
/// is shown as it is.
#[test]
fn no_text_of_a_file_means_anything_to_what_shows_it() {
    let mut file = fixture::kvm();
    file.host.cpu = "<script>a</script> \"b\" & *c* __d__ $e$ &lt; {{ 1 }}".into();
    file.host.kernel = "6.12 <img src=x>\u{1b}[31m".into();
    file.host.mitigations.insert("<b>".into(), "~~f~~ <i>".into());
    let files = [fixture::result(), file.clone()];
    let [page, html] = pages(&Evidence::new(&files));
    for tag in ["<script", "<img", "<b>", "<i>"] {
        assert!(!html.contains(tag), "{tag}");
        assert!(!page.replace("\\<", "").contains(tag), "{tag}");
    }
    let shown = "&lt;script&gt;a&lt;/script&gt; \"b\" &amp; *c* __d__ $e$ &amp;lt; {{ 1 }}";
    assert!(html.contains(shown), "{html}");
    let table = report::table(&file);
    assert!(!table.contains(|letter: char| letter.is_control() && letter != '\n'));
}

#[test]
fn a_quick_run_promises_nothing() {
    let mut file = fixture::result();
    assert!(report::table(&file).contains("Holds: "));
    file.run.mode = Mode::Quick;
    let table = report::table(&file);
    assert!(!table.contains("Holds: ") && table.contains("A quick run"), "{table}");
}
