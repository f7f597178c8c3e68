//! Templates: what people write, filled in with figures, tables, charts and checked claims.
//!
//! In a template a run is named by its kind (`"instructions"`, `"emulated"`, `"translated"`,
//! `"native"`, `"kvm"`) or, where instructions were counted with another setting, by that
//! (`"own-control"`); a scenario by its id, and an interface as in the tables (`"#1/A"`,
//! `"#1/A batch"`, `"vhost-vdpa"`). What isn't there is an error that names it.
//!
//! | in a template | is |
//! |---|---|
//! | `figure(run, scenario, who)` | the library's median, as the tables write it |
//! | `number(run, scenario, who)` | the same as a number, to count with |
//! | `calls(scenario, who)` | how many crossings it makes |
//! | `calls_of(scenario, who, kind)` | how many of them are of a kind that begins so |
//! | `price(run, who, kind)` | what one crossing of a kind takes, as a number |
//! | `row(run, [[scenario, who], …])` | cells: the least bold, `~` before its equal |
//! | `spread(run, scenario, who)` | from the least to the greatest over the seeds |
//! | `table(name, run)`, `table(name, run, [scenario, …])` | a table, Markdown |
//! | `claim(condition, sentence)` | the sentence; without the condition it is refuted |
//! | `chart(file)` | a picture, Markdown |
//! | `runs`, `machines`, `counted` | what there is, for `measurements.md` |
//! | `x \| digits(2)`, `x \| work(run)`, `x \| right(9)` | a number as text; at the right of a column |

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context};

use super::chart::Chart;
use super::evidence::{Evidence, Kind};
use super::markdown::{inline, table as markdown};
use super::numbers::{cpus, work};
use super::table::Table;
use super::tables::{self, way};
use super::{html, promises};
use crate::{Client, Configuration, Cost, Error, Key, Result, ResultFile, Scenario, Setting};

/// What a template has become.
pub(super) struct Rendered {
    /// The text.
    pub(super) text: String,
    /// The sentences that the figures don't bear.
    pub(super) refuted: Vec<String>,
}

/// What makes templates into documents.
pub(super) struct Templates {
    environment: Environment<'static>,
    figures: Arc<Figures>,
    runs: Vec<Value>,
    machines: Vec<Value>,
}

/// The figures that there are.
struct Figures {
    runs: BTreeMap<&'static str, ResultFile>,
    counts: Option<ResultFile>,
    charts: BTreeMap<String, String>,
    refuted: Mutex<Vec<String>>,
}

type Answer<T> = std::result::Result<T, minijinja::Error>;

fn absent(what: String) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, what)
}

impl Templates {
    pub(super) fn new(evidence: &Evidence<'_>, charts: &[Chart]) -> Self {
        let quoted = evidence.quoted();
        let figures = Arc::new(Figures {
            runs: quoted.iter().map(|&file| (Kind::of(file).key(), file.clone())).collect(),
            counts: evidence.counts().cloned(),
            charts: charts.iter().map(|chart| (chart.file.clone(), chart.alt.clone())).collect(),
            refuted: Mutex::default(),
        });
        Self {
            environment: environment(&figures),
            figures,
            runs: quoted.into_iter().map(|file| run(evidence, file)).collect(),
            machines: machines(evidence),
        }
    }

    /// Fills in `template`, which is called `name` where it is wrong.
    ///
    /// # Errors
    /// [`Error::Template`].
    pub(super) fn render(&self, name: &str, template: &str) -> Result<Rendered> {
        let counted = self.figures.counts.is_some();
        let context = context! { runs => self.runs, machines => self.machines, counted };
        let text = self.environment.render_named_str(name, template, context);
        let refuted = std::mem::take(&mut *self.figures.refuted());
        match text {
            Ok(text) => Ok(Rendered { text, refuted }),
            Err(source) => Err(Error::Template(Box::new(source))),
        }
    }
}

impl Figures {
    fn refuted(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.refuted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, name: &str) -> Answer<&ResultFile> {
        self.runs.get(name).ok_or_else(|| absent(format!("there is no run {name:?}")))
    }

    fn counts(&self) -> Answer<&ResultFile> {
        self.counts.as_ref().ok_or_else(|| absent("no run has counts of crossings".to_owned()))
    }

    fn number(&self, run: &str, scenario: &str, who: &str) -> Answer<f64> {
        let figure = self.run(run)?.median(self::scenario(scenario)?, configuration(who)?);
        figure.ok_or_else(|| absent(format!("{run} has no {scenario} on {who}")))
    }

    fn spread(&self, run: &str, scenario: &str, who: &str) -> Answer<[f64; 2]> {
        let figure = self.number(run, scenario, who)?;
        Ok(self.run(run)?.over_seeds(self::scenario(scenario)?, configuration(who)?, figure))
    }

    fn calls(&self, scenario: &str, who: &str, kind: &str) -> Answer<u64> {
        let (id, of) = (self::scenario(scenario)?, configuration(who)?);
        let calls = match kind {
            "" => self.counts()?.total(id, of),
            kind => self.counts()?.of_kind(id, of, kind),
        };
        calls.ok_or_else(|| absent(format!("no run has crossings of {scenario} on {who}")))
    }

    fn price(&self, run: &str, who: &str, kind: &str) -> Answer<f64> {
        let of = configuration(who)?;
        let is_it = |cost: &&Cost| {
            (cost.interface, cost.variant) == (of.interface, of.variant) && cost.kind == kind
        };
        let cost = self.run(run)?.costs.iter().find(is_it).map(|cost| cost.cost);
        cost.ok_or_else(|| absent(format!("{run} has no price of {kind} on {who}")))
    }

    /// Figures side by side, the least bold. One whose interval over seeds meets the least's, or
    /// that is printed like it, is its equal. A run that doesn't decide has neither.
    fn row(&self, run: &str, cells: &[(String, String)]) -> Answer<String> {
        let file = self.run(run)?;
        let mut figures = Vec::new();
        for (scenario, who) in cells {
            figures.push(match who.as_str() {
                "" => None,
                who => {
                    let figure = self.number(run, scenario, who)?;
                    Some((figure, self.spread(run, scenario, who)?))
                }
            });
        }
        let known = figures.iter().flatten().filter(|_| file.decides());
        let least = known.min_by(|a, b| a.0.total_cmp(&b.0)).copied();
        let cells = figures.iter().map(|figure| {
            let Some((figure, [low, _])) = figure else { return "-".to_owned() };
            let text = work(file.run.clock, Some(*figure));
            let Some((best, [_, high])) = least else { return text };
            // What is printed alike is alike.
            let alike = *low <= high || text == work(file.run.clock, Some(best));
            match (*figure <= best, alike) {
                (true, _) => format!("**{text}**"),
                (false, true) => format!("~{text}"),
                (false, false) => text,
            }
        });
        Ok(cells.collect::<Vec<_>>().join(" | "))
    }

    fn table(&self, name: &str, run: &str, scenarios: Option<Vec<String>>) -> Answer<String> {
        let file = if run == "counts" { self.counts()? } else { self.run(run)? };
        let all = match scenarios {
            None => Scenario::all(),
            Some(ids) => ids.iter().map(|id| scenario(id)).collect::<Answer<Vec<_>>>()?,
        };
        let table = match name {
            "calls" => tables::crossings(file, all),
            "laws" => tables::laws(file),
            "kinds" => tables::kinds(file, 4),
            "medians" => tables::times(file, all),
            "baseline" => tables::over_baseline(file),
            "control" => tables::over_control(file, all),
            "steps" => tables::steps(file),
            "prices" => tables::prices(file),
            "spread" => tables::spread(file),
            "throughput" => tables::throughput(file),
            "peer" => tables::peer(file),
            "limits" => tables::limits(file),
            "seeds" => tables::seeds(file),
            "externals" => tables::externals(file),
            name => return Err(absent(format!("there is no table {name:?}"))),
        };
        Ok(shown(&table))
    }
}

/// Nothing for a table without rows.
fn shown(table: &Table) -> String {
    if table.rows.is_empty() { String::new() } else { markdown(table) }
}

impl ResultFile {
    /// Between which figures that of `scenario` was, over the random seeds that were tried.
    fn over_seeds(&self, scenario: Scenario, of: Configuration, figure: f64) -> [f64; 2] {
        let key = Key::new(scenario, of, Client::Library);
        let spread = self.run.seeds.as_ref().and_then(|seeds| seeds.spread(&key));
        spread.map_or([figure; 2], |spread| [spread.low, spread.high])
    }
}

fn scenario(id: &str) -> Answer<Scenario> {
    let found = Scenario::all().into_iter().find(|scenario| scenario.to_string() == id);
    found.ok_or_else(|| absent(format!("there is no scenario {id:?}")))
}

fn configuration(who: &str) -> Answer<Configuration> {
    let found = Configuration::ALL.into_iter().find(|&configuration| way(configuration) == who);
    found.ok_or_else(|| absent(format!("nobody is called {who:?}")))
}

fn environment(figures: &Arc<Figures>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_keep_trailing_newline(true);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);

    let of = Arc::clone(figures);
    environment.add_function("figure", move |run: &str, scenario: &str, who: &str| {
        let number = of.number(run, scenario, who)?;
        Ok::<_, minijinja::Error>(work(of.run(run)?.run.clock, Some(number)))
    });
    let of = Arc::clone(figures);
    environment.add_function("number", move |run: &str, scenario: &str, who: &str| {
        of.number(run, scenario, who)
    });
    let of = Arc::clone(figures);
    environment.add_function("spread", move |run: &str, scenario: &str, who: &str| {
        let [low, high] = of.spread(run, scenario, who)?;
        let clock = of.run(run)?.run.clock;
        Ok::<_, minijinja::Error>(format!("{}–{}", work(clock, Some(low)), work(clock, Some(high))))
    });
    let of = Arc::clone(figures);
    environment.add_function("calls", move |scenario: &str, who: &str| of.calls(scenario, who, ""));
    let of = Arc::clone(figures);
    environment.add_function("calls_of", move |scenario: &str, who: &str, kind: &str| {
        of.calls(scenario, who, kind)
    });
    let of = Arc::clone(figures);
    environment
        .add_function("price", move |run: &str, who: &str, kind: &str| of.price(run, who, kind));
    let of = Arc::clone(figures);
    environment.add_function("row", move |run: &str, cells: Vec<Vec<String>>| {
        let cells = cells.into_iter().map(|cell| match <[String; 2]>::try_from(cell) {
            Ok([scenario, who]) => Ok((scenario, who)),
            Err(cell) => Err(absent(format!("{cell:?} is no scenario and an interface"))),
        });
        of.row(run, &cells.collect::<Answer<Vec<_>>>()?)
    });
    let of = Arc::clone(figures);
    environment
        .add_function("table", move |name: &str, run: &str, scenarios: Option<Vec<String>>| {
            of.table(name, run, scenarios)
        });
    let of = Arc::clone(figures);
    environment.add_function("claim", move |holds: bool, sentence: String| {
        if holds {
            return sentence;
        }
        let marked = format!("**Not borne out:** {sentence}");
        of.refuted().push(sentence);
        marked
    });
    let of = Arc::clone(figures);
    environment.add_function("chart", move |file: &str| match of.charts.get(file) {
        Some(alt) => Ok(format!("![{}](img/{file})", inline(alt))),
        None => Err(absent(format!("there is no chart {file:?}"))),
    });
    let of = Arc::clone(figures);
    environment.add_filter("work", move |number: f64, run: &str| {
        Ok::<_, minijinja::Error>(work(of.run(run)?.run.clock, Some(number)))
    });
    environment.add_filter("digits", |number: f64, digits: usize| format!("{number:.digits$}"));
    environment.add_filter("right", |text: String, width: usize| format!("{text:>width$}"));
    environment
}

/// What a template can say of a run.
fn run(evidence: &Evidence<'_>, file: &ResultFile) -> Value {
    let (run, host) = (&file.run, &file.host);
    let mitigations: Vec<String> =
        host.mitigations.iter().map(|(flaw, state)| inline(&format!("{flaw}: {state}"))).collect();
    let promises: Vec<String> =
        promises(file).iter().map(|promise| inline(&promise.sentence(file))).collect();
    context! {
        name => Kind::of(file).key(),
        usual => run.setting == Setting::Usual,
        boots => run.seeds.as_ref().map(|seeds| seeds.boots),
        decides => file.decides(),
        kernel_command_line => run.kernel_command_line.as_deref().map(inline),
        software => run.software.values().map(|version| inline(version)).collect::<Vec<_>>(),
        kind => Kind::of(file).name(),
        source => evidence.source(file),
        command => run.command,
        date => run.date,
        day => run.date.split('T').next(),
        mode => run.mode.to_string(),
        seconds => run.seconds,
        interrupted => run.interrupted,
        revision => run.revision.as_deref().map_or_else(|| "unknown".to_owned(), inline),
        cpu => inline(&host.cpu),
        cpus => cpus(host.cores),
        kernel => inline(&host.kernel),
        clock_source => inline(&host.clock_source),
        queue_pairs => file.device.queue_pairs,
        queue_size => file.device.queue_size,
        mitigations,
        promises,
        same_crossings => tables::same_crossings(file).map(|said| inline(&said)),
    }
}

/// Kinds of run that several machines have.
fn machines(evidence: &Evidence<'_>) -> Vec<Value> {
    let of = |(kind, runs): (Kind, Vec<&ResultFile>)| {
        let table = shown(&tables::machines(&runs));
        let runs: Vec<Value> = runs.into_iter().map(|file| run(evidence, file)).collect();
        context! { kind => kind.name(), runs, table }
    };
    evidence.machines().into_iter().map(of).collect()
}

/// A Markdown text as a page, with its charts in it.
pub(super) fn page(text: &str, charts: &[Chart]) -> String {
    let charts =
        charts.iter().map(|chart| (format!("img/{}", chart.file), chart.svg.clone())).collect();
    html::page(text, &charts)
}
