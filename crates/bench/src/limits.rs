//! What an interface doesn't do to the end, known before it is tried.

use std::path::Path;

use crate::configuration::Configuration;
use crate::error::Result;
use crate::library::Library;
use crate::results::Limit;
use crate::scenario::Scenario;
use crate::session::Session;

/// Where `configuration`, the device at `path`, can't go through with `scenario`.
///
/// # Errors
/// Those of an open.
pub(crate) fn limit(
    scenario: Scenario,
    configuration: Configuration,
    path: &Path,
) -> Result<Option<Limit>> {
    let wanted = match scenario {
        // Next to the two of guest memory, and to the one that comes and goes.
        Scenario::DmaChurn(live) => u64::from(live) + 3,
        Scenario::MemTable(regions) => u64::from(regions),
        _ => return Ok(None),
    };
    let most = Library::open(configuration, &Library::name(configuration, path))?.max_mappings()?;
    Ok(most.filter(|&most| most < wanted).map(|mappings| Limit {
        scenario: scenario.to_string(),
        interface: configuration.interface,
        variant: configuration.variant,
        mappings,
    }))
}
