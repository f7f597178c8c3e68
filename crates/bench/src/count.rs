//! Exact counts, on an emulated kernel that traps every system call.

use std::collections::BTreeMap;

use vhost_accel_emulator::EmulatedKernel;

use crate::devices::{Devices, Place, QUEUE_PAIRS};
use crate::error::{Error, Result};
use crate::floor::Floor;
use crate::library::Library;
use crate::limits::limit;
use crate::peer::Peer;
use crate::results::{Crossings, Key, Side};
use crate::rig::{Rig, Waiting};
use crate::scenario::Scenario;
use crate::session::Session;
use crate::stage::Stage;
use crate::subject::Subject;
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
        let (devices, rig) = (Devices::find()?, Rig::new(2 * QUEUE_PAIRS + 1, Waiting::Watch)?);
        let mut all = Vec::new();
        every(
            &devices,
            &rig,
            |_| Counter::new(&kernel),
            |key, counter| all.push(counter.into_crossings(key)),
        )?;
        Ok(all)
    })?
}

/// Does every scenario that is counted once, through each subject, on each side, with a watch of its own.
///
/// # Errors
/// Those of the scenarios.
pub(crate) fn every<W: Watch>(
    devices: &Devices,
    rig: &Rig,
    watch: impl Fn(&Key) -> W,
    mut watched: impl FnMut(Key, W),
) -> Result<()> {
    for scenario in Scenario::all().into_iter().filter(|scenario| scenario.is_counted()) {
        for subject in scenario.subjects() {
            let place = devices.first(subject.interface)?;
            if limit(scenario, subject, place.path)?.is_some() {
                continue;
            }
            for side in scenario.sides(subject) {
                let key = Key::new(scenario, subject, side);
                let mut watch = watch(&key);
                match side {
                    Side::Library => once::<Library>(scenario, subject, place, rig, &mut watch),
                    Side::Floor => once::<Floor>(scenario, subject, place, rig, &mut watch),
                    Side::Peer => once::<Peer>(scenario, subject, place, rig, &mut watch),
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
    subject: Subject,
    place: Place<'_>,
    rig: &Rig,
    watch: &mut impl Watch,
) -> Result<()> {
    Stage::<S>::new(scenario, subject, place, rig)?.iterate(1, watch)
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
