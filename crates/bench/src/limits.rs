//! What an interface doesn't do to the end, known before it is tried.

use crate::configuration::Configuration;
use crate::devices::Place;
use crate::error::Result;
use crate::library::Library;
use crate::results::Limit;
use crate::scenario::Scenario;
use crate::session::Session;

/// Where `configuration`, of the device at `place`, can't go through with `scenario`.
///
/// # Errors
/// Those of an open.
pub(crate) fn limit(
    scenario: Scenario,
    configuration: Configuration,
    place: &Place<'_>,
) -> Result<Option<Limit>> {
    let wanted = scenario.traits().mappings;
    if wanted == 0 {
        return Ok(None);
    }
    let name = Library::name(configuration, place.device)?;
    let most = Library::open(configuration, &name)?.max_mappings()?;
    Ok(most.filter(|&most| most < wanted).map(|mappings| Limit {
        scenario: scenario.to_string(),
        interface: configuration.interface,
        variant: configuration.variant,
        mappings,
    }))
}
