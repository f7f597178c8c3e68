//! Exact counts, on an emulated kernel that traps every system call.

use std::collections::BTreeMap;

use vhost_accel_emulator::EmulatedKernel;

use crate::devices::{Devices, External, configurations};
use crate::error::{Error, Result};
use crate::guest::{Guest, Waiting};
use crate::limits::limit;
use crate::results::{Crossings, Key};
use crate::scenario::Scenario;
use crate::sizes::QUEUE_PAIRS;
use crate::watch::Watch;

/// Counts the crossings of one iteration of every scenario, on an emulated kernel that traps every
/// system call, through the four interfaces and `externals`.
///
/// # Errors
/// Those of the emulated kernel and of the scenarios.
pub fn count_crossings(externals: &[External]) -> Result<Vec<Crossings>> {
    let kernel =
        EmulatedKernel::builder().queue_pairs(QUEUE_PAIRS).count_everything(true).build()?;
    kernel.run(|| {
        let mut all = Vec::new();
        every(
            externals,
            |_| Counter::new(&kernel),
            |key, counter| {
                all.push(counter.into_crossings(key)?);
                Ok(())
            },
        )?;
        Ok(all)
    })?
}

/// Does every scenario that is counted once, through each configuration, as each client, with a
/// watch of its own.
///
/// # Errors
/// Those of the scenarios, and of `watched`.
pub(crate) fn every<W: Watch>(
    externals: &[External],
    watch: impl Fn(&Key) -> W,
    mut watched: impl FnMut(Key, W) -> Result<()>,
) -> Result<()> {
    let (devices, guest) = (Devices::find(externals)?, Guest::new(QUEUE_PAIRS, Waiting::Watch)?);
    let all = configurations(externals);
    for scenario in Scenario::all().into_iter().filter(|scenario| scenario.traits().counted) {
        for configuration in scenario.among(all.iter().copied()) {
            let place = devices.first(configuration.interface)?;
            if limit(scenario, configuration, &place)?.is_some() {
                continue;
            }
            for client in scenario.clients(configuration) {
                let key = Key::new(scenario, configuration, client);
                let mut watch = watch(&key);
                scenario
                    .prepare(configuration, client, &place, &guest)
                    .and_then(|mut work| work(1, &mut watch))
                    .map_err(Error::scenario(&key))?;
                watched(key, watch)?;
            }
        }
    }
    Ok(())
}

/// Counts what the kernel half saw in between.
struct Counter<'a> {
    kernel: &'a EmulatedKernel,
    before: vhost_accel_emulator::Crossings,
    kinds: BTreeMap<String, u64>,
    watched: bool,
}

impl<'a> Counter<'a> {
    fn new(kernel: &'a EmulatedKernel) -> Self {
        Self { kernel, before: kernel.crossings(), kinds: BTreeMap::new(), watched: false }
    }

    fn into_crossings(self, key: Key) -> Result<Crossings> {
        if !self.watched {
            return Err(Error::scenario(&key)(Error::Stuck("nothing of it is measured")));
        }
        Ok(Crossings { key, total: self.kinds.values().sum(), kinds: self.kinds })
    }
}

impl Watch for Counter<'_> {
    fn start(&mut self) {
        self.before = self.kernel.crossings();
    }

    fn stop(&mut self) {
        self.watched = true;
        let between = self.kernel.crossings() - &self.before;
        for (kind, count) in between.iter() {
            *self.kinds.entry(kind.to_owned()).or_default() += count;
        }
    }
}
