//! The scenarios themselves: the same code for the library and for the floor.

use std::path::Path;

use vhost_accel_core::{KickKind, QueueIndex, Vring};

use crate::error::Result;
use crate::rig::Rig;
use crate::scenario::{Argument, Scenario};
use crate::session::Session;
use crate::subject::Subject;
use crate::traffic::Traffic;
use crate::watch::Watch;

/// The queue that is kicked: the transmit queue of the first pair.
const TRANSMIT: QueueIndex = QueueIndex(1);

/// What stands ready for the iterations of a scenario.
#[derive(Debug)]
pub(crate) struct Stage<'a, S: Session> {
    scenario: Scenario,
    subject: Subject,
    path: &'a Path,
    rig: &'a Rig,
    vrings: Vec<Vring<'a>>,
    /// What iterations share, for those that don't open a device of their own.
    shared: Option<Shared<'a, S>>,
}

/// An open device between iterations.
#[derive(Debug)]
struct Shared<'a, S: Session> {
    // Before the device that it kicks.
    kicker: Option<S::Kicker>,
    traffic: Option<Traffic<'a>>,
    session: S,
}

impl<'a, S: Session> Stage<'a, S> {
    /// Prepares `scenario` with the device at `path`, opened through `subject`.
    ///
    /// # Errors
    /// Those of the steps.
    pub(crate) fn new(
        scenario: Scenario,
        subject: Subject,
        path: &'a Path,
        rig: &'a Rig,
    ) -> Result<Self> {
        let pairs = match scenario {
            Scenario::Setup(pairs) | Scenario::SetupBatched(pairs) | Scenario::Teardown(pairs) => {
                pairs
            }
            _ => 1,
        };
        let mut stage =
            Self { scenario, subject, path, rig, vrings: rig.vrings(pairs), shared: None };
        stage.shared = match scenario {
            Scenario::Setup(_) | Scenario::SetupBatched(_) | Scenario::Teardown(_) => None,
            Scenario::Crossing(_) => Some(stage.set_up(None)?),
            Scenario::Kick(kind) => Some(stage.set_up(Some(kind))?),
            Scenario::KickLatency(kind) => Some(stage.running(kind, false)?),
            Scenario::Call | Scenario::RoundTrip => Some(stage.running(KickKind::Doorbell, true)?),
            Scenario::DmaMap(_) | Scenario::DmaUnmap(_) => {
                let mut session = S::open(subject, path)?;
                session.map_all(rig.leases())?;
                Some(Shared { kicker: None, traffic: None, session })
            }
        };
        Ok(stage)
    }

    /// A device that is ready to run and does not: requests and kicks reach it, and no thread of it is
    /// woken, which no device in a kernel has.
    fn set_up(&self, kind: Option<KickKind>) -> Result<Shared<'a, S>> {
        let mut session = S::open(self.subject, self.path)?;
        session.map_all(self.rig.leases())?;
        session.negotiate()?;
        session.setup_vrings(&self.vrings)?;
        let kicker = kind.map(|kind| session.kicker(TRANSMIT, kind)).transpose()?;
        Ok(Shared { kicker, traffic: None, session })
    }

    /// A device that runs one pair.
    fn running(&self, kind: KickKind, calls: bool) -> Result<Shared<'a, S>> {
        let mut traffic = Traffic::prepare(self.rig);
        traffic.want_calls(calls);
        let mut session = S::open(self.subject, self.path)?;
        session.map_all(self.rig.leases())?;
        session.negotiate()?;
        session.setup_vrings(&self.vrings)?;
        let kicker = session.kicker(TRANSMIT, kind)?;
        session.start()?;
        Ok(Shared { kicker: Some(kicker), traffic: Some(traffic), session })
    }

    /// Open to DRIVER_OK. The kickers come first, so that they go first.
    fn bring_up(&self) -> Result<(Vec<S::Kicker>, S)> {
        let mut session = S::open(self.subject, self.path)?;
        session.map_all(self.rig.leases())?;
        session.negotiate()?;
        session.setup_vrings(&self.vrings)?;
        // All but the last, the control queue.
        let data = &self.vrings[..self.vrings.len() - 1];
        let mut kickers = Vec::with_capacity(data.len());
        for vring in data {
            kickers.push(session.kicker(vring.queue, KickKind::Doorbell)?);
        }
        session.start()?;
        Ok((kickers, session))
    }

    /// Runs the scenario `count` times.
    ///
    /// # Errors
    /// Those of the steps, and [`Error::Stuck`](crate::Error::Stuck).
    pub(crate) fn iterate(&mut self, count: u64, watch: &mut impl Watch) -> Result<()> {
        let Some(mut shared) = self.shared.take() else {
            return (0..count).try_for_each(|_| self.come_and_go(watch));
        };
        let done = shared.iterate(self.scenario, self.rig, count, watch);
        self.shared = Some(shared);
        done
    }

    /// One setup or teardown.
    fn come_and_go(&self, watch: &mut impl Watch) -> Result<()> {
        if let Scenario::Teardown(_) = self.scenario {
            let up = self.bring_up()?;
            watch.start();
            drop(up);
            watch.stop();
        } else {
            watch.start();
            let up = self.bring_up()?;
            watch.stop();
            drop(up);
        }
        Ok(())
    }
}

impl<S: Session> Shared<'_, S> {
    fn iterate(
        &mut self,
        scenario: Scenario,
        rig: &Rig,
        count: u64,
        watch: &mut impl Watch,
    ) -> Result<()> {
        let session = &mut self.session;
        match (scenario, &self.kicker, &mut self.traffic) {
            (Scenario::Crossing(argument), ..) => {
                watch.start();
                for _ in 0..count {
                    match argument {
                        Argument::None => session.refused()?,
                        Argument::In => session.enable(TRANSMIT)?,
                        Argument::Out => session.status().map(drop)?,
                    }
                }
                watch.stop();
            }
            (Scenario::Kick(_), Some(kicker), _) => {
                watch.start();
                S::kicks(kicker, count)?;
                watch.stop();
            }
            (Scenario::KickLatency(_), Some(kicker), Some(traffic)) => {
                for _ in 0..count {
                    traffic.latency(watch, || S::kick(kicker))?;
                }
            }
            (Scenario::Call, Some(kicker), Some(traffic)) => {
                for _ in 0..count {
                    traffic.call(watch, || S::kick(kicker))?;
                }
            }
            (Scenario::RoundTrip, Some(kicker), Some(traffic)) => {
                for _ in 0..count {
                    traffic.round_trip(watch, || S::kick(kicker))?;
                }
            }
            (Scenario::DmaMap(size), ..) => {
                let lease = rig.extra(size);
                for _ in 0..count {
                    watch.start();
                    session.map(lease)?;
                    watch.stop();
                    session.unmap(lease.range())?;
                }
            }
            (Scenario::DmaUnmap(size), ..) => {
                let lease = rig.extra(size);
                for _ in 0..count {
                    session.map(lease)?;
                    watch.start();
                    session.unmap(lease.range())?;
                    watch.stop();
                }
            }
            // `Stage::new` prepares each scenario with what it needs.
            _ => {}
        }
        Ok(())
    }
}
