//! What the reports say, and that they say nothing that no result says.

use vhost_accel::Interface;
use vhost_accel_bench::report::{self, Evidence};
use vhost_accel_bench::{
    Comparison, Configuration, Distribution, Figures, Mode, ResultFile, Scenario,
};

use crate::{fixture, has_row};

fn page(files: &[ResultFile]) -> String {
    report::markdown(&Evidence::new(files))
}

#[test]
fn a_report_says_what_the_result_says() {
    let mail = report::text(&[fixture::result()]);
    // setup/4: 30 + place + 10 × 4.
    assert!(has_row(&mail, &["setup/4", "70", "71", "72", "73"]), "{mail}");
    assert!(has_row(&mail, &["setup/N", "30", "+", "10", "N", "31", "+", "10", "N"]), "{mail}");
    assert!(has_row(&mail, &["setup-batched/64", "20", "-", "22", "23"]), "{mail}");
    assert!(has_row(&mail, &["kick/doorbell", "5.00", "ns", "6.00", "ns", "7.00", "ns"]));
    let page = page(&[fixture::result()]);
    assert!(page.contains("| kick/eventfd | - | 1.01 | 1.01 | 1.01 |"), "{page}");
    assert!(mail.contains("cargo bench"));
    assert!(mail.contains("results/2026-01-02-emulated-example-r-cpu-1-ghz.json"));
}

#[test]
fn instructions_are_quoted_beside_times() {
    let page = page(&[fixture::result(), fixture::instructions()]);
    // Twice 5 + 2000 × (30 + place + 10) + place.
    assert!(
        page.contains("| setup/1 | 80.00 µs") || page.contains("| setup/1 | 80.0 µs |"),
        "{page}"
    );
    assert!(page.contains("| setup/1 | 160.0k | 164.0k | 168.0k | 172.0k |"), "{page}");
    // A frame's share of 64: (5 + 2000 × 2 + place) × 2 / 64, and 64 frames in 4005 ns.
    assert!(page.contains("| throughput/64/64 | 125 | 125 | 125 | 125 |"), "{page}");
    assert!(page.contains("| throughput/64/64 | 16.0M/s | 16.0M/s |"), "{page}");
    // The peer takes 1.25 times what the library takes.
    assert!(page.contains("| setup-eventfd/1 | 108 µs | 86.0 µs | 1.25 |"), "{page}");
    // Over the control: 80, 85, 90 hundredths.
    assert!(page.contains("| setup/64 | 0.80 | 0.85 | 0.90 |"), "{page}");
    // Tables end somewhere.
    assert!(page.contains("| dma-churn/4096 | #2 mem-table | 509 |"), "{page}");
}

#[test]
fn the_verdict_follows_the_figures() {
    let plain = |file: &mut ResultFile| {
        file.timings.retain(|timing| !timing.key.scenario.starts_with("setup-batched/"));
    };
    let mut file = fixture::instructions();
    plain(&mut file);
    let cheap = |file: &ResultFile, interface, scenario: &str| {
        let mut file = file.clone();
        for timing in &mut file.timings {
            let of = timing.key.configuration() == Configuration::plain(interface);
            if of && timing.key.scenario.starts_with(scenario) {
                timing.figures.median /= 2.0;
            }
        }
        file
    };
    let answer = |file: ResultFile| {
        let page = page(&[file]);
        page.split("\n\n").nth(2).unwrap().to_owned()
    };
    for (interface, name) in
        [(Interface::VfioMsg, "#1/A"), (Interface::VfioIoctl, "#1/B"), (Interface::VhostMdev, "#2")]
    {
        let all = cheap(&cheap(&file, interface, "setup/"), interface, "dma-churn/");
        let answer = answer(all);
        let said = format!("Which one, #1/A, #1/B or #2? {name}: it takes the least");
        assert!(answer.starts_with(&said), "{answer}");
        assert!(answer.contains("in each of the 4 uses"), "{answer}");
    }
    // One for setups, another for a vIOMMU.
    let two =
        cheap(&cheap(&file, Interface::VhostMdev, "setup/"), Interface::VfioIoctl, "dma-churn/");
    let answer = answer(two);
    assert!(answer.contains("#2 for most"), "{answer}");
    assert!(answer.contains("The exception: #1/B for a VM with a vIOMMU."), "{answer}");
}

#[test]
fn a_real_kernels_time_is_quoted_before_anything_else() {
    let files = [fixture::result(), fixture::instructions(), fixture::translated(), fixture::kvm()];
    let with = page(&files);
    let without = page(&files[..3]);
    let use_ = "A container (`setup/1`; native kernel";
    assert!(with.contains(&format!("{use_} under KVM, wall clock)")), "{with}");
    assert!(without.contains(&format!("{use_}, instructions)")), "{without}");
    assert!(without.contains("Time on a CPU: no run"), "{without}");
    assert!(!with.contains("Time on a CPU: no run"), "{with}");
    // A translator's time decides nothing, and is marked.
    let alone = page(&[fixture::translated()]);
    assert!(alone.contains("not a CPU's time"), "{alone}");
    assert!(alone.contains("There are no figures yet that can tell."), "{alone}");
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
    let one = report::markdown(&Evidence::new(std::slice::from_ref(&here)));
    assert!(!one.contains("## Machines"), "{one}");
    let files = [here];
    let elsewhere = [there];
    let page = report::markdown(&Evidence::new(&files).with(&elsewhere));
    assert!(page.contains("## Machines"), "{page}");
    assert!(page.contains("M1: Other CPU"), "{page}");
    assert!(page.contains("M2: Third CPU"), "{page}");
    // setup/1 on #1/A: half of 80005 ns, and as much as that.
    assert!(page.contains("| setup/1 #1/A | 40.0 µs | 80.0 µs |"), "{page}");
    // Where a reader finds it, and where not.
    assert!(page.contains("-third-cpu.json` (handed in, not in results/)"), "{page}");
    assert!(page.contains("`results/2026-01-03-native-kvm-other-cpu.json`"), "{page}");
}

/// Whatever a result lacks, the reports do without it.
#[test]
fn a_report_bears_any_gap() {
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
    let mut empty = fixture::result();
    for cut in &cuts[..6] {
        cut(&mut empty);
    }
    bears(&[empty.clone()]);
    let mail = report::text(&[empty]);
    assert!(mail.contains("There are no figures yet that can tell."), "{mail}");
    assert_eq!(report::text(&[]), "");
}

fn bears(files: &[ResultFile]) {
    let evidence = Evidence::new(files);
    for text in [
        report::markdown(&evidence),
        report::text(files),
        report::html(&evidence).unwrap().split("</style>").last().unwrap().to_owned(),
        report::readme_table(&evidence),
    ] {
        for wrong in ["NaN", "inf ", "inf)", " none ", ": none", ": .", ": ;", "( ", " ,"] {
            let at = text.find(wrong);
            let near = at.map(|at| text[..at].chars().rev().take(80).collect::<Vec<_>>());
            let near: Option<String> = near.map(|near| near.into_iter().rev().collect());
            assert_eq!(near, None, "{wrong:?} in a report");
        }
    }
}

#[test]
fn the_readme_shows_counts_beside_instructions() {
    let files = [fixture::result(), fixture::instructions()];
    let table = report::readme_table(&Evidence::new(&files));
    assert!(table.contains("| setup/64 | 670 | 671 | 672 | 673 |"), "{table}");
    assert!(table.contains("| kick/doorbell | 5 | 5 | 5 | 5 |"), "{table}");
    assert!(table.contains("| kick/doorbell | 5.00 ns | 6.00 ns | 7.00 ns | 8.00 ns |"), "{table}");
    assert!(table.contains("by `cargo xtask bench --icount`"), "{table}");
    // The emulated kernel's time of what it traps says nothing to a reader in a hurry.
    assert!(!table.contains("| setup/1 | 80"), "{table}");
}

#[test]
fn a_run_that_lacks_an_interface_does_not_decide_where_another_has_all() {
    let mut real = fixture::kvm();
    real.timings.retain(|timing| timing.key.interface != Interface::VhostMdev);
    let alone = page(&[real.clone()]);
    let container = |page: &str| {
        page.lines().find(|line| line.starts_with("- A container")).unwrap().to_owned()
    };
    assert!(container(&alone).contains("not measured: #2"), "{alone}");
    let both = container(&page(&[real, fixture::instructions()]));
    assert!(both.contains("native kernel, instructions"), "{both}");
    assert!(!both.contains("not measured"), "{both}");
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
fn whatever_figures_a_file_may_have_make_a_report() {
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
                let evidence = Evidence::new(&files);
                assert!(!report::markdown(&evidence).is_empty());
                assert!(!report::html(&evidence).unwrap().is_empty());
                assert!(!report::mail(&evidence, report::RFC_V2).is_empty());
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
    file.host.cpu = "<script>a</script> \"b\" & *c* __d__ $e$ &lt;".into();
    file.host.kernel = "6.12 <img src=x>\u{1b}[31m".into();
    file.host.mitigations.insert("<b>".into(), "~~f~~ <i>".into());
    let files = [fixture::result(), file.clone()];
    let evidence = Evidence::new(&files);
    let page = report::html(&evidence).unwrap();
    for tag in ["<script", "<img", "<b>", "<i>"] {
        assert!(!page.contains(tag), "{tag}");
        let page = report::markdown(&evidence).replace("\\<", "");
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("&lt;script&gt;a&lt;/script&gt; \"b\" &amp; *c* __d__ $e$ &amp;lt;"));
    let page = report::markdown(&evidence);
    let shown = r#"\<script>a\</script> "b" \& \*c\* \_\_d\_\_ \$e\$ \&lt;"#;
    assert!(page.contains(shown), "{page}");
    for text in [report::mail(&evidence, report::RFC_V2), report::table(&file)] {
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'));
    }
    assert!(!report::readme_table(&evidence).replace("\\<", "").contains('<'));
}
