//! Exact counts, on an emulated kernel that traps every system call.

use std::collections::BTreeMap;

use vhost_accel_emulator::EmulatedKernel;

use crate::baseline::Baseline;
use crate::client::Client;
use crate::configuration::Configuration;
use crate::devices::{Devices, Place, QUEUE_PAIRS};
use crate::error::{Error, Result};
use crate::guest::{Guest, Waiting};
use crate::library::Library;
use crate::limits::limit;
use crate::peer::Peer;
use crate::results::{Crossings, Key};
use crate::scenario::Scenario;
use crate::session::Session;
use crate::stage::Stage;
use crate::watch::Watch;

/// Counts the crossings of one iteration of every scenario, on an emulated kernel that traps every
/// system call.
///
/// # Errors
/// Those of the emulated kernel and of the scenarios.
pub fn count_crossings() -> Result<Vec<Crossings>> {
    let kernel =
        EmulatedKernel::builder().queue_pairs(QUEUE_PAIRS).count_everything(true).build()?;
    kernel.run(|| {
        let (devices, guest) = (Devices::find()?, Guest::new(2 * QUEUE_PAIRS + 1, Waiting::Watch)?);
        let mut all = Vec::new();
        every(
            &devices,
            &guest,
            |_| Counter::new(&kernel),
            |key, counter| all.push(counter.into_crossings(key)),
        )?;
        Ok(all)
    })?
}

/// Does every scenario that is counted once, through each configuration, on each client, with a watch of its own.
///
/// # Errors
/// Those of the scenarios.
pub(crate) fn every<W: Watch>(
    devices: &Devices,
    guest: &Guest,
    watch: impl Fn(&Key) -> W,
    mut watched: impl FnMut(Key, W),
) -> Result<()> {
    for scenario in Scenario::all().into_iter().filter(|scenario| scenario.is_counted()) {
        for configuration in scenario.configurations() {
            let place = devices.first(configuration.interface)?;
            if limit(scenario, configuration, place.path)?.is_some() {
                continue;
            }
            for client in scenario.clients(configuration) {
                let key = Key::new(scenario, configuration, client);
                let mut watch = watch(&key);
                match client {
                    Client::Library => {
                        once::<Library>(scenario, configuration, place, guest, &mut watch)
                    }
                    Client::Baseline => {
                        once::<Baseline>(scenario, configuration, place, guest, &mut watch)
                    }
                    Client::Peer => once::<Peer>(scenario, configuration, place, guest, &mut watch),
                }
                .map_err(Error::scenario(&key))?;
                watched(key, watch);
            }
        }
    }
    Ok(())
}

fn once<S: Session>(
    scenario: Scenario,
    configuration: Configuration,
    place: Place<'_>,
    guest: &Guest,
    watch: &mut impl Watch,
) -> Result<()> {
    Stage::<S>::new(scenario, configuration, place, guest)?.iterate(1, watch)
}

/// Counts what the kernel half saw in between.
struct Counter<'a> {
    kernel: &'a EmulatedKernel,
    before: vhost_accel_emulator::Crossings,
    kinds: BTreeMap<String, u64>,
}

impl<'a> Counter<'a> {
    fn new(kernel: &'a EmulatedKernel) -> Self {
        Self { kernel, before: kernel.crossings(), kinds: BTreeMap::new() }
    }

    fn into_crossings(self, key: Key) -> Crossings {
        Crossings { key, total: self.kinds.values().sum(), kinds: self.kinds }
    }
}

impl Watch for Counter<'_> {
    fn start(&mut self) {
        self.before = self.kernel.crossings();
    }

    fn stop(&mut self) {
        let between = self.kernel.crossings() - &self.before;
        for (kind, count) in between.iter() {
            *self.kinds.entry(kind.to_owned()).or_default() += count;
        }
    }
}
