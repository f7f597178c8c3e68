//! A model of what a piece of work costs: its crossings, each at the price of its kind, and a fixed
//! price for the library's work between two.
//!
//! The prices were paid in the baseline's `setup/1` of the same interface and variant. So the
//! setups of one pair are what the model was fitted to, and everything else is a prediction.

use super::numbers::percent;
use crate::{
    Argument, Client, Configuration, EVENTFD_PAIRS, MapSize, PAIRS, REGIONS, ResultFile, Scenario,
    Step,
};

/// The kind whose price is that of the work outside system calls.
const USERSPACE: &str = "userspace";
/// An error that the reports name.
const LARGE: f64 = 0.1;

/// A piece of work as the model has it and as it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The work.
    pub scenario: Scenario,
    /// Through what.
    pub configuration: Configuration,
    /// In the unit of the run's clock.
    pub predicted: f64,
    /// The library's median.
    pub measured: f64,
    /// Whether the prices come from this very work, so that nothing is predicted.
    pub fitted: bool,
}

impl Prediction {
    /// How much the model is off, as a share of what was measured: negative for too little.
    pub fn error(&self) -> f64 {
        (self.predicted - self.measured) / self.measured
    }

    /// Whether the model is so far off that a reader wants to know why.
    pub(super) fn is_off(&self) -> bool {
        self.error().abs() > LARGE
    }

    /// As a cell.
    pub(super) fn shown_error(&self) -> String {
        let sign = if self.error() > 0.0 { "+" } else { "" };
        format!("{sign}{}", percent(self.error()))
    }
}

/// What the model says of `file`: of all work whose every crossing has a price there.
pub fn predictions(file: &ResultFile) -> Vec<Prediction> {
    predictions_by(file, file)
}

/// As [`predictions`], with the crossings that `counts` counted: they are the same on every kernel.
pub(super) fn predictions_by(file: &ResultFile, counts: &ResultFile) -> Vec<Prediction> {
    let mut all = Vec::new();
    for scenario in modelled() {
        for configuration in scenario.configurations() {
            let Some(predicted) = predict(file, counts, scenario, configuration) else { continue };
            let Some(measured) = file.median(scenario, configuration) else { continue };
            if measured > 0.0 {
                let fitted = matches!(scenario, Scenario::Setup(1) | Scenario::SetupBatched(1));
                all.push(Prediction { scenario, configuration, predicted, measured, fitted });
            }
        }
    }
    all
}

/// The mean of the absolute errors, as a share; `None` without a prediction that isn't the fit.
pub fn mean_absolute_error(predictions: &[Prediction]) -> Option<f64> {
    let errors: Vec<f64> = predictions
        .iter()
        .filter(|prediction| !prediction.fitted)
        .map(|prediction| prediction.error().abs())
        .collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

/// The work that is nothing but crossings.
fn modelled() -> Vec<Scenario> {
    let mut all: Vec<Scenario> = [Argument::In, Argument::Out].map(Scenario::Crossing).into();
    all.extend(PAIRS.map(Scenario::Setup));
    all.extend(PAIRS.map(Scenario::SetupBatched));
    all.extend(EVENTFD_PAIRS.map(Scenario::SetupEventFd));
    all.extend(Step::ALL.map(Scenario::SetupStep));
    all.extend(MapSize::ALL.map(Scenario::DmaMap));
    all.extend(REGIONS.map(Scenario::MemTable));
    all
}

fn predict(
    file: &ResultFile,
    counts: &ResultFile,
    scenario: Scenario,
    configuration: Configuration,
) -> Option<f64> {
    // What makes no crossing is nothing that this model speaks of.
    let counted =
        counts.crossings(scenario, configuration, Client::Library).filter(|all| all.total > 0)?;
    let price = |kind: &str| {
        let of = |cost: &&crate::Cost| {
            (cost.interface, cost.variant) == (configuration.interface, configuration.variant)
                && cost.kind == kind
        };
        file.costs.iter().find(of).map(|cost| cost.cost)
    };
    let mut sum = counted.total as f64 * price(USERSPACE)?;
    for (kind, &count) in &counted.kinds {
        sum += count as f64 * price(kind)?;
    }
    Some(sum)
}

/// Why the model is known to be off for work like `scenario`, where it is.
pub(super) fn known_cause(scenario: Scenario) -> Option<&'static str> {
    match scenario {
        Scenario::DmaMap(_) => Some(
            "`dma-map`: the price of a mapping is that of the two regions of `setup/1`, whose pages are \
             populated; a mapping of another size pins another number of pages",
        ),
        Scenario::MemTable(_) => Some(
            "`mem-table`: one VHOST_SET_MEM_TABLE carries and pins as many regions as there are, at the \
             price of two",
        ),
        Scenario::SetupBatched(_) => Some(
            "`setup-batched`: a write that carries more messages costs more, and is priced as the one of \
             one pair",
        ),
        Scenario::SetupStep(_) | Scenario::Setup(_) | Scenario::SetupEventFd(_) => Some(
            "`setup`: the device's own work grows with its queues in some requests, DRIVER_OK above all, \
             which the prices of one pair don't hold",
        ),
        Scenario::Crossing(_) => Some(
            "`crossing`: the library's work between two crossings of a setup is not that of a call made by \
             itself",
        ),
        _ => None,
    }
}
