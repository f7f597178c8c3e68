//! The scenarios themselves: the same code for the library, the baseline and the peer.

use vhost_accel_core::{KickKind, QueueIndex, Vring};
use vhost_accel_driver::Lease;

use crate::configuration::Configuration;
use crate::devices::Place;
use crate::error::Result;
use crate::guest::Guest;
use crate::scenario::{Argument, STEP_PAIRS, Scenario, Step};
use crate::session::Session;
use crate::traffic::Traffic;
use crate::watch::{Clock, Watch};

/// The queue that is kicked: the transmit queue of the first pair.
const TRANSMIT: QueueIndex = QueueIndex(1);

/// What stands ready for the iterations of a scenario.
#[derive(Debug)]
pub(crate) struct Stage<'a, S: Session> {
    scenario: Scenario,
    configuration: Configuration,
    name: S::Name,
    /// A device behind another interface.
    elsewhere: (Configuration, S::Name),
    guest: &'a Guest,
    vrings: Vec<Vring<'a>>,
    /// What `mem-table` hands over.
    table: Vec<Lease>,
    /// What iterations share, for those that don't open a device of their own.
    shared: Option<Shared<'a, S>>,
}

/// An open device between iterations.
#[derive(Debug)]
struct Shared<'a, S: Session> {
    // Before the device that it kicks.
    kicker: Option<S::Kicker>,
    traffic: Option<Traffic<'a>>,
    /// What is mapped and unmapped.
    lease: Option<Lease>,
    session: S,
}

impl<'a, S: Session> Stage<'a, S> {
    /// Prepares `scenario` with the device at `place`, opened through `configuration`.
    ///
    /// # Errors
    /// Those of the steps.
    pub(crate) fn new(
        scenario: Scenario,
        configuration: Configuration,
        place: Place<'_>,
        guest: &'a Guest,
    ) -> Result<Self> {
        let pairs = match scenario {
            Scenario::Setup(pairs)
            | Scenario::SetupBatched(pairs)
            | Scenario::SetupEventFd(pairs)
            | Scenario::Teardown(pairs)
            | Scenario::Migrate(pairs) => pairs,
            Scenario::SetupStep(_) => STEP_PAIRS,
            _ => 1,
        };
        let table = match scenario {
            Scenario::MemTable(regions) => guest.table(regions),
            _ => Vec::new(),
        };
        let vrings = guest.vrings(pairs);
        let name = S::name(configuration, place.path);
        let (other, path) = place.elsewhere;
        let other = Configuration::plain(other);
        let elsewhere = (other, S::name(other, path));
        let shared = None;
        let mut stage =
            Self { scenario, configuration, name, elsewhere, guest, vrings, table, shared };
        stage.shared = stage.share()?;
        Ok(stage)
    }

    fn share(&self) -> Result<Option<Shared<'a, S>>> {
        let guest = self.guest;
        let busy = guest.waiting.kick(self.configuration.interface);
        Ok(Some(match self.scenario {
            Scenario::Setup(_)
            | Scenario::SetupBatched(_)
            | Scenario::SetupEventFd(_)
            | Scenario::SetupStep(_)
            | Scenario::Teardown(_)
            | Scenario::Migrate(_)
            | Scenario::MemTable(_) => return Ok(None),
            Scenario::Crossing(_) => self.set_up(None)?,
            Scenario::Kick(kind) => self.set_up(Some(kind))?,
            Scenario::KickLatency(kind) => self.running(kind, Traffic::prepare(guest))?,
            Scenario::Call | Scenario::RoundTrip => {
                let mut traffic = Traffic::prepare(guest);
                traffic.want_calls(true);
                self.running(KickKind::Doorbell, traffic)?
            }
            Scenario::Throughput { bytes, .. } => {
                self.running(busy, Traffic::with_bytes(guest, bytes))?
            }
            Scenario::DmaMap(size) | Scenario::DmaUnmap(size) => {
                let mut session = self.open()?;
                session.map_all(guest.leases())?;
                let lease = Some(guest.extra(size).clone());
                Shared { kicker: None, traffic: None, lease, session }
            }
            Scenario::DmaReady(size) => {
                let shared = self.running(busy, Traffic::of_pieces(guest))?;
                Shared { lease: Some(guest.extra(size).clone()), ..shared }
            }
            Scenario::DmaChurn(live) => {
                let mut shared = self.running(busy, Traffic::of_pieces(guest))?;
                // What comes and goes is in the middle of what stays.
                let comes = live / 2;
                let stay = (0..=live).filter(|&number| number != comes);
                if live <= u32::from(u16::MAX) {
                    let stay: Vec<_> = stay.map(|number| guest.churn(number)).collect();
                    shared.session.map_all(&stay)?;
                } else {
                    stay.map(|number| guest.churn(number))
                        .try_for_each(|lease| shared.session.map(&lease))?;
                }
                Shared { lease: Some(guest.churn(comes)), ..shared }
            }
        }))
    }

    fn open(&self) -> Result<S> {
        S::open(self.configuration, &self.name)
    }

    /// A device that is ready to run and does not: requests and kicks reach it, and no thread of it is
    /// woken, which no device in a kernel has.
    fn set_up(&self, kind: Option<KickKind>) -> Result<Shared<'a, S>> {
        let mut session = self.open()?;
        session.map_all(self.guest.leases())?;
        session.negotiate()?;
        session.setup_vrings(&self.vrings)?;
        let kicker = kind.map(|kind| session.kicker(TRANSMIT, kind)).transpose()?;
        Ok(Shared { kicker, traffic: None, lease: None, session })
    }

    /// A device that runs one pair.
    fn running(&self, kind: KickKind, traffic: Traffic<'a>) -> Result<Shared<'a, S>> {
        let mut shared = self.set_up(Some(kind))?;
        shared.session.start()?;
        Ok(Shared { traffic: Some(traffic), ..shared })
    }

    /// Open to DRIVER_OK, of which `only` a step may be watched. The kickers come first, so that they
    /// go first.
    fn bring_up(&self, only: Option<Step>, watch: &mut impl Watch) -> Result<(Vec<S::Kicker>, S)> {
        let mut watched = |step, start: bool| {
            if only == Some(step) {
                if start { watch.start() } else { watch.stop() }
            }
        };
        let kind = match self.scenario {
            Scenario::SetupEventFd(_) => KickKind::EventFd,
            _ => KickKind::Doorbell,
        };
        watched(Step::Open, true);
        let mut session = self.open()?;
        watched(Step::Open, false);
        watched(Step::Dma, true);
        session.map_all(self.guest.leases())?;
        watched(Step::Dma, false);
        watched(Step::Negotiate, true);
        session.negotiate()?;
        watched(Step::Negotiate, false);
        watched(Step::Vrings, true);
        session.setup_vrings(&self.vrings)?;
        watched(Step::Vrings, false);
        // All but the last, the control queue.
        let data = &self.vrings[..self.vrings.len() - 1];
        watched(Step::Kickers, true);
        let mut kickers = Vec::with_capacity(data.len());
        for vring in data {
            kickers.push(session.kicker(vring.queue, kind)?);
        }
        watched(Step::Kickers, false);
        watched(Step::Start, true);
        session.start()?;
        watched(Step::Start, false);
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
        let done = shared.iterate(self.scenario, count, watch);
        self.shared = Some(shared);
        done
    }

    /// One device opened and closed.
    fn come_and_go(&self, watch: &mut impl Watch) -> Result<()> {
        match self.scenario {
            Scenario::Teardown(_) => {
                let up = self.bring_up(None, watch)?;
                watch.start();
                drop(up);
                watch.stop();
            }
            Scenario::Migrate(_) => self.migrate(watch)?,
            Scenario::SetupStep(step) => drop(self.bring_up(Some(step), watch)?),
            Scenario::MemTable(_) => {
                let mut session = self.open()?;
                watch.start();
                session.map_all(&self.table)?;
                watch.stop();
            }
            _ => {
                watch.start();
                let up = self.bring_up(None, watch)?;
                watch.stop();
                drop(up);
            }
        }
        Ok(())
    }
}

/// A move of running vrings, from one device to another.
impl<S: Session> Stage<'_, S> {
    /// Runs here, leaves for elsewhere, runs there, comes back. Watched is what happens here while the
    /// vrings stand still: suspend and where each goes on; and, on a device that was opened and mapped
    /// before, all that it takes to run again.
    fn migrate(&self, watch: &mut impl Watch) -> Result<()> {
        let mut vrings = self.vrings.clone();
        let mut traffic = Traffic::prepare(self.guest);
        for vring in vrings.iter_mut().skip(2) {
            // As if they had been used, so that each has a base to be told.
            vring.base = 1;
            self.guest.ring(vring.queue).clear(vring.base);
        }
        let mut here = self.opened(self.configuration, &self.name)?;
        let kickers = Self::enter(&mut here, &vrings)?;
        traffic.latency(&mut Clock::new(), || S::kick(&kickers[1]))?;
        watch.start();
        Self::leave(&mut here, &mut vrings)?;
        watch.stop();
        drop((kickers, here));

        let (configuration, name) = &self.elsewhere;
        let mut there = self.opened(*configuration, name)?;
        let kickers = Self::enter(&mut there, &vrings)?;
        traffic.latency(&mut Clock::new(), || S::kick(&kickers[1]))?;
        Self::leave(&mut there, &mut vrings)?;
        drop((kickers, there));

        let mut here = self.opened(self.configuration, &self.name)?;
        watch.start();
        let kickers = Self::enter(&mut here, &vrings)?;
        watch.stop();
        traffic.latency(&mut Clock::new(), || S::kick(&kickers[1]))?;
        drop((kickers, here));
        Ok(())
    }

    /// A device that knows the memory and no vring.
    fn opened(&self, configuration: Configuration, name: &S::Name) -> Result<S> {
        let mut session = S::open(configuration, name)?;
        session.map_all(self.guest.leases())?;
        Ok(session)
    }

    fn leave(session: &mut S, vrings: &mut [Vring<'_>]) -> Result<()> {
        session.suspend()?;
        for vring in vrings {
            vring.base = session.base(vring.queue)?;
        }
        Ok(())
    }

    fn enter(session: &mut S, vrings: &[Vring<'_>]) -> Result<Vec<S::Kicker>> {
        session.negotiate()?;
        session.setup_vrings(vrings)?;
        let data = &vrings[..vrings.len() - 1];
        let mut kickers = Vec::with_capacity(data.len());
        for vring in data {
            kickers.push(session.kicker(vring.queue, KickKind::Doorbell)?);
        }
        session.start()?;
        Ok(kickers)
    }
}

impl<S: Session> Shared<'_, S> {
    fn iterate(&mut self, scenario: Scenario, count: u64, watch: &mut impl Watch) -> Result<()> {
        let session = &mut self.session;
        match (scenario, &self.kicker, &mut self.traffic, &self.lease) {
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
            (Scenario::Kick(_), Some(kicker), ..) => {
                watch.start();
                S::kicks(kicker, count)?;
                watch.stop();
            }
            (Scenario::KickLatency(_), Some(kicker), Some(traffic), _) => {
                for _ in 0..count {
                    traffic.latency(watch, || S::kick(kicker))?;
                }
            }
            (Scenario::Call, Some(kicker), Some(traffic), _) => {
                for _ in 0..count {
                    traffic.call(watch, || S::kick(kicker))?;
                }
            }
            (Scenario::RoundTrip, Some(kicker), Some(traffic), _) => {
                for _ in 0..count {
                    traffic.round_trip(watch, || S::kick(kicker))?;
                }
            }
            (Scenario::Throughput { batch, .. }, Some(kicker), Some(traffic), _) => {
                for _ in 0..count {
                    traffic.through(batch, watch, || S::kick(kicker))?;
                }
            }
            (Scenario::DmaMap(_), .., Some(lease)) => {
                for _ in 0..count {
                    watch.start();
                    session.map(lease)?;
                    watch.stop();
                    session.unmap(lease.range())?;
                }
            }
            (Scenario::DmaUnmap(_), .., Some(lease)) => {
                for _ in 0..count {
                    session.map(lease)?;
                    watch.start();
                    session.unmap(lease.range())?;
                    watch.stop();
                }
            }
            (Scenario::DmaReady(_), Some(kicker), Some(traffic), Some(lease)) => {
                for _ in 0..count {
                    watch.start();
                    session.map(lease)?;
                    traffic.touch(lease.range(), || S::kick(kicker))?;
                    watch.stop();
                    session.unmap(lease.range())?;
                }
            }
            (Scenario::DmaChurn(_), Some(kicker), Some(traffic), Some(lease)) => {
                for _ in 0..count {
                    watch.start();
                    session.map(lease)?;
                    traffic.touch(lease.range(), || S::kick(kicker))?;
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
