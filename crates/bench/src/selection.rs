//! What of all there is to measure is wanted.

use vhost_accel::Interface;

use crate::configuration::Configuration;
use crate::scenario::Scenario;

/// A choice of scenarios and interfaces; the default is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Scenarios by id, or by the first parts of it: `setup/4`, `setup`. None given: all.
    pub scenarios: Vec<String>,
    /// Interfaces. None given: all.
    pub interfaces: Vec<Interface>,
    /// What `SCENARIO/INTERFACE` must contain.
    pub filter: Option<String>,
}

impl Selection {
    /// Whether everything is wanted.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// What is wanted, in words.
    pub(crate) fn words(&self) -> Vec<String> {
        let interfaces = self.interfaces.iter().map(ToString::to_string);
        self.scenarios.iter().cloned().chain(interfaces).chain(self.filter.clone()).collect()
    }

    /// The first of the scenarios' names that is none.
    pub(crate) fn unknown(&self) -> Option<&str> {
        let ids: Vec<String> = Scenario::all().iter().map(ToString::to_string).collect();
        let unknown = |name: &&String| !ids.iter().any(|id| names(name, id));
        self.scenarios.iter().find(unknown).map(String::as_str)
    }

    /// The configurations of `scenario` that are wanted of `all`.
    pub fn among(
        &self,
        scenario: Scenario,
        all: impl IntoIterator<Item = Configuration>,
    ) -> Vec<Configuration> {
        let id = scenario.to_string();
        if !self.scenarios.is_empty() && !self.scenarios.iter().any(|name| names(name, &id)) {
            return Vec::new();
        }
        let wanted = |configuration: &Configuration| {
            (self.interfaces.is_empty() || self.interfaces.contains(&configuration.interface))
                && self
                    .filter
                    .as_ref()
                    .is_none_or(|filter| format!("{id}/{configuration}").contains(filter.as_str()))
        };
        scenario.among(all).filter(wanted).collect()
    }
}

/// Whether `name` is `id` or its first parts.
fn names(name: &str, id: &str) -> bool {
    id.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Variant;
    use crate::sizes::MapSize;

    fn selection(scenarios: &[&str], interfaces: &[Interface], filter: Option<&str>) -> Selection {
        Selection {
            scenarios: scenarios.iter().map(|&name| name.to_owned()).collect(),
            interfaces: interfaces.to_vec(),
            filter: filter.map(str::to_owned),
        }
    }

    #[test]
    fn everything_unless_said() {
        assert!(Selection::default().is_everything());
        for scenario in Scenario::all() {
            let all: Vec<_> = scenario.configurations().collect();
            assert_eq!(Selection::default().among(scenario, Configuration::ALL), all);
        }
    }

    #[test]
    fn scenarios_are_named_by_whole_parts() {
        let chosen = |name| -> Vec<String> {
            let selection = selection(&[name], &[], None);
            Scenario::all()
                .into_iter()
                .filter(|&scenario| !selection.among(scenario, Configuration::ALL).is_empty())
                .map(|scenario| scenario.to_string())
                .collect()
        };
        assert_eq!(chosen("setup"), ["setup/1", "setup/4", "setup/16", "setup/64"]);
        assert_eq!(chosen("dma-map/4K"), ["dma-map/4K"]);
        assert_eq!(chosen("throughput/8"), ["throughput/8/64", "throughput/8/1500"]);
        assert!(chosen("set").is_empty());
    }

    #[test]
    fn interfaces_bring_their_variants() {
        let configurations = selection(&[], &[Interface::VhostMdev], None)
            .among(Scenario::DmaMap(MapSize::Page), Configuration::ALL);
        let variants: Vec<_> =
            configurations.iter().map(|configuration| configuration.variant).collect();
        assert_eq!(variants, [Variant::Plain, Variant::MemTable]);
    }

    #[test]
    fn a_filter_is_a_part_of_the_id() {
        let selection = selection(&[], &[], Some("setup/4/vfio-msg"));
        assert_eq!(
            selection.among(Scenario::Setup(4), Configuration::ALL),
            [Configuration::plain(Interface::VfioMsg)]
        );
        assert!(selection.among(Scenario::Setup(64), Configuration::ALL).is_empty());
    }
}
