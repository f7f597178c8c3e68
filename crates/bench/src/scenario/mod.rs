//! The pieces of work that are measured.
//!
//! To add one, write its [`Family`] in a file here and name it in the list below.

mod crossing;
mod dma;
mod family;
mod fixture;
mod kick;
mod migrate;
mod reboot;
mod reset;
mod setup;
mod traffic;

use std::fmt;

use vhost_accel::KickKind;

pub use crossing::Argument;
pub use dma::REGIONS;
pub use family::Act;
pub(crate) use family::{Activity, Effort, Traits, Work};
pub use migrate::MIGRATED;
pub use setup::{EVENTFD_PAIRS, STEP_PAIRS, Step};
pub use traffic::{BATCHES, Burst, FRAMES};

use self::family::{Family, Row};
use self::fixture::Fixture;
use crate::baseline::Baseline;
use crate::client::Client;
use crate::configuration::{CONTROL, Configuration};
use crate::devices::Place;
use crate::error::Result;
use crate::guest::Guest;
use crate::library::Library;
use crate::peer::Peer;
use crate::session::Session;
use crate::sizes::{LIVE, MapSize, PAIRS};

macro_rules! families {
    ($($module:ident::$family:ident $(($size:ident: $of:ty) in $all:expr)?,)*) => {
        /// One measured piece of work, by its family and its size. Its `Display` is its id, which
        /// never changes; `docs/measuring.md` says what each is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the families' own rows say it")]
        pub enum Scenario {
            $($family $(($of))?,)*
        }

        impl Scenario {
            /// All of them, in the order in which they run and are shown.
            pub fn all() -> Vec<Self> {
                let mut all = Vec::new();
                $(all.extend(families!(@all $family $($all)?));)*
                all
            }

            const ROWS: &[Row] = &[$(<$module::$family as Family>::ROW),*];

            fn row(self) -> (Row, Option<String>) {
                match self {
                    $(Self::$family $(($size))? => {
                        let size: &[&dyn fmt::Display] = &[$(&$size)?];
                        let size = size.first().map(ToString::to_string);
                        (<$module::$family as Family>::ROW, size)
                    })*
                }
            }

            fn fits(self, configuration: Configuration) -> bool {
                match self {
                    $(Self::$family $(($size))? => {
                        $module::$family $(($size))?.fits(configuration)
                    })*
                }
            }

            /// What the measured part does on `configuration`: these acts and no others.
            pub fn acts(self, configuration: Configuration) -> Vec<Act> {
                match self {
                    $(Self::$family $(($size))? => {
                        $module::$family $(($size))?.acts(configuration)
                    })*
                }
            }

            pub(crate) fn traits(self) -> Traits {
                match self {
                    $(Self::$family $(($size))? => $module::$family $(($size))?.traits(),)*
                }
            }

            fn on<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
                match self {
                    $(Self::$family $(($size))? => {
                        $module::$family $(($size))?.prepare(fixture)
                    })*
                }
            }
        }
    };
    (@all $family:ident) => { [Self::$family] };
    (@all $family:ident $all:expr) => { $all.map(Self::$family) };
}

families! {
    crossing::Crossing(argument: Argument) in Argument::ALL,
    kick::Kick(kind: KickKind) in KickKind::ALL,
    traffic::KickLatency(kind: KickKind) in KickKind::ALL,
    traffic::Call,
    traffic::RoundTrip,
    traffic::Throughput(burst: Burst) in Burst::ALL,
    setup::Setup(pairs: u16) in PAIRS,
    setup::SetupBatched(pairs: u16) in PAIRS,
    setup::SetupEventFd(pairs: u16) in EVENTFD_PAIRS,
    setup::SetupStep(step: Step) in Step::ALL,
    setup::Teardown(pairs: u16) in PAIRS,
    reset::Reset(pairs: u16) in PAIRS,
    reboot::Reboot(pairs: u16) in PAIRS,
    migrate::Migrate(pairs: u16) in MIGRATED,
    dma::DmaMap(size: MapSize) in MapSize::ALL,
    dma::DmaUnmap(size: MapSize) in MapSize::ALL,
    dma::DmaReady(size: MapSize) in MapSize::ALL,
    dma::DmaChurn(live: u32) in LIVE,
    dma::MemTable(regions: u16) in REGIONS,
}

impl Scenario {
    /// Who of the four interfaces can do it, and in which variants.
    pub fn configurations(self) -> impl Iterator<Item = Configuration> {
        self.among(Configuration::ALL)
    }

    /// Who of `all` can.
    pub fn among(
        self,
        all: impl IntoIterator<Item = Configuration>,
    ) -> impl Iterator<Item = Configuration> {
        all.into_iter().filter(move |&configuration| self.fits(configuration))
    }

    /// Who does it through `configuration`.
    pub fn clients(self, configuration: Configuration) -> impl Iterator<Item = Client> {
        let able = self.traits().clients;
        Client::ALL.into_iter().filter(move |client| {
            able.contains(client)
                && match client {
                    Client::Library => true,
                    Client::Baseline => configuration.has_baseline(),
                    Client::Peer => configuration == CONTROL,
                }
        })
    }

    /// Does what comes before the iterations, as `client` on the device at `place`.
    ///
    /// # Errors
    /// Those of the steps.
    pub(crate) fn prepare<'a>(
        self,
        configuration: Configuration,
        client: Client,
        place: &Place<'_>,
        guest: &'a Guest,
    ) -> Result<Work<'a>> {
        match client {
            Client::Library => self.on::<Library>(Fixture::new(configuration, place, guest)?),
            Client::Baseline => self.on::<Baseline>(Fixture::new(configuration, place, guest)?),
            Client::Peer => self.on::<Peer>(Fixture::new(configuration, place, guest)?),
        }
    }

    /// The table of scenarios in `docs/measuring.md`.
    pub fn table() -> String {
        let head = "| scenario | measured | not measured |\n|---|---|---|\n".to_owned();
        Self::ROWS.iter().fold(head, |table, Row { id, measured, not_measured }| {
            format!("{table}| `{id}` | {measured} | {not_measured} |\n")
        })
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Row { id, .. }, size) = self.row();
        let family = id.split('/').next().unwrap_or(id);
        match size {
            Some(size) => f.pad(&format!("{family}/{size}")),
            None => f.pad(family),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_id_is_one_of_a_kind_and_has_its_row() {
        let ids: Vec<String> = Scenario::all().iter().map(ToString::to_string).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        let family = |id: &str| id.split('/').next().map(str::to_owned);
        let mut families: Vec<_> = ids.iter().map(|id| family(id)).collect();
        families.dedup();
        let rows: Vec<_> = Scenario::ROWS.iter().map(|row| family(row.id)).collect();
        assert_eq!(families, rows);
    }
}
