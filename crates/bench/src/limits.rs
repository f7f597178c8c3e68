//! What an interface doesn't do to the end, known before it is tried.

use std::path::Path;

use crate::error::Result;
use crate::library::Library;
use crate::results::Limit;
use crate::scenario::Scenario;
use crate::session::Session;
use crate::subject::Subject;

/// Where `subject`, the device at `path`, can't go through with `scenario`.
///
/// # Errors
/// Those of an open.
pub(crate) fn limit(scenario: Scenario, subject: Subject, path: &Path) -> Result<Option<Limit>> {
    let wanted = match scenario {
        // Next to the two of guest memory, and to the one that comes and goes.
        Scenario::DmaChurn(live) => u64::from(live) + 3,
        Scenario::MemTable(regions) => u64::from(regions),
        _ => return Ok(None),
    };
    let most = Library::open(subject, &Library::name(subject, path))?.max_mappings()?;
    Ok(most.filter(|&most| most < wanted).map(|mappings| Limit {
        scenario: scenario.to_string(),
        interface: subject.interface,
        variant: subject.variant,
        mappings,
    }))
}
