//! What stands ready for a scenario: the memory, and a device to open.

use std::io;

use vhost_accel::{KickKind, QueueIndex, Vring};

use crate::configuration::Configuration;
use crate::devices::Place;
use crate::error::Result;
use crate::guest::Guest;
use crate::session::Session;
use crate::traffic::Traffic;

/// The queue that is kicked: the transmit queue of the first pair.
pub(crate) const TRANSMIT: QueueIndex = QueueIndex(1);

/// A guest and a device that is not open yet.
#[derive(Debug)]
pub(crate) struct Fixture<'a, S: Session> {
    pub(crate) guest: &'a Guest,
    pub(crate) configuration: Configuration,
    name: S::Name,
    /// A device behind another interface.
    elsewhere: (Configuration, S::Name),
}

/// A device that runs one pair.
#[derive(Debug)]
pub(crate) struct Running<'a, S: Session> {
    // Before the device that it kicks.
    kicker: S::Kicker,
    pub(crate) traffic: Traffic<'a>,
    pub(crate) session: S,
}

impl<'a, S: Session> Fixture<'a, S> {
    /// The device at `place`, to be opened through `configuration`.
    ///
    /// # Errors
    /// Where the client can't know such a device.
    pub(crate) fn new(
        configuration: Configuration,
        place: &Place<'_>,
        guest: &'a Guest,
    ) -> Result<Self> {
        let (other, device) = place.elsewhere;
        let other = Configuration::plain(other);
        let name = S::name(configuration, place.device)?;
        Ok(Self { guest, configuration, name, elsewhere: (other, S::name(other, device)?) })
    }

    pub(crate) fn open(&self) -> Result<S> {
        S::open(self.configuration, &self.name)
    }

    /// A device that knows the memory and no vring.
    pub(crate) fn mapped(&self) -> Result<S> {
        let mut session = self.open()?;
        session.map_all(self.guest.leases())?;
        Ok(session)
    }

    /// The same behind another interface, and how that is kicked best.
    pub(crate) fn mapped_elsewhere(&self) -> Result<(S, KickKind)> {
        let (configuration, name) = &self.elsewhere;
        let mut session = S::open(*configuration, name)?;
        session.map_all(self.guest.leases())?;
        Ok((session, configuration.best_kick()))
    }

    /// A device that is ready to run one pair and does not: requests and kicks reach it, and no
    /// thread of it is woken, which no device in a kernel has.
    pub(crate) fn set_up(&self) -> Result<S> {
        let mut session = self.mapped()?;
        session.negotiate()?;
        session.setup_vrings(&self.guest.vrings(1))?;
        Ok(session)
    }

    /// A device that runs one pair, whose rings `traffic` has prepared.
    pub(crate) fn running(&self, kind: KickKind, traffic: Traffic<'a>) -> Result<Running<'a, S>> {
        let mut session = self.set_up()?;
        let kicker = session.kicker(TRANSMIT, kind)?;
        session.start()?;
        Ok(Running { kicker, traffic, session })
    }

    /// The same, kicked as suits where the kick is not what is measured.
    pub(crate) fn busy(&self, traffic: Traffic<'a>) -> Result<Running<'a, S>> {
        self.running(self.guest.waiting.kick(self.configuration), traffic)
    }
}

impl<'a, S: Session> Running<'a, S> {
    /// What moves frames, how it kicks, and the device that it moves them through.
    pub(crate) fn parts(&mut self) -> (&mut Traffic<'a>, impl Fn() -> io::Result<()>, &mut S) {
        let Self { kicker, traffic, session } = self;
        let kicker = &*kicker;
        (traffic, move || S::kick(kicker), session)
    }
}

/// A kicker for each data vring: all but the last, the control queue.
pub(crate) fn kickers<S: Session>(
    session: &mut S,
    vrings: &[Vring<'_>],
    kind: KickKind,
) -> Result<Vec<S::Kicker>> {
    let data = &vrings[..vrings.len() - 1];
    let mut kickers = Vec::with_capacity(data.len());
    for vring in data {
        kickers.push(session.kicker(vring.queue, kind)?);
    }
    Ok(kickers)
}
