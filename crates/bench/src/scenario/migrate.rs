//! `migrate/N`: running vrings left behind and entered again.

use vhost_accel::{KickKind, Vring, VringBase};

use super::family::{Act, Family, Row, Work, each};
use super::fixture::{Fixture, kickers};
use crate::configuration::Configuration;
use crate::error::Result;
use crate::session::Session;
use crate::traffic::Traffic;
use crate::watch::{Clock, Watch};

/// How many queue pairs the `migrate` scenarios move.
pub const MIGRATED: [u16; 2] = [1, 16];

pub(super) struct Migrate(pub(super) u16);

impl Family for Migrate {
    const ROW: Row = Row {
        id: "migrate/N",
        measured: "what stands between a suspend and a start while N running pairs move: suspend \
            and the base of every vring here; and, when they come back to a device that was opened \
            and mapped before, negotiate, set up from those bases, doorbell kickers, start",
        not_measured: "open and DMA on both sides; the stay between, behind another interface, \
            where frames show that nothing was lost",
    };

    fn acts(&self, configuration: Configuration) -> Vec<Act> {
        let kickers = Act::Kickers(configuration.best_kick());
        vec![Act::Suspend, Act::Base, Act::Negotiate, Act::VringsFromBase, kickers, Act::Start]
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let vrings = fixture.guest.vrings(self.0);
        Ok(each(move |watch| there_and_back(&fixture, vrings.clone(), watch)))
    }
}

/// Runs here, leaves for elsewhere, runs there, comes back.
fn there_and_back<S: Session>(
    fixture: &Fixture<'_, S>,
    mut vrings: Vec<Vring<'_>>,
    watch: &mut dyn Watch,
) -> Result<()> {
    let mut traffic = Traffic::prepare(fixture.guest);
    let mut send =
        |kickers: &[S::Kicker]| traffic.latency(&mut Clock::new(), || S::kick(&kickers[1]));
    for vring in vrings.iter_mut().skip(2) {
        // As if they had been used, so that each has a base to be told.
        vring.base = VringBase::split(1);
        fixture.guest.ring(vring.queue).clear(1);
    }
    let kind = fixture.configuration.best_kick();
    let mut here = fixture.mapped()?;
    let kickers = enter(&mut here, &vrings, kind)?;
    send(&kickers)?;
    watch.start();
    leave(&mut here, &mut vrings)?;
    watch.stop();
    drop((kickers, here));

    let (mut there, other_kind) = fixture.mapped_elsewhere()?;
    let kickers = enter(&mut there, &vrings, other_kind)?;
    send(&kickers)?;
    leave(&mut there, &mut vrings)?;
    drop((kickers, there));

    let mut here = fixture.mapped()?;
    watch.start();
    let kickers = enter(&mut here, &vrings, kind)?;
    watch.stop();
    send(&kickers)?;
    drop((kickers, here));
    Ok(())
}

fn leave<S: Session>(session: &mut S, vrings: &mut [Vring<'_>]) -> Result<()> {
    session.suspend()?;
    for vring in vrings {
        vring.base = session.base(vring.queue)?;
    }
    Ok(())
}

fn enter<S: Session>(
    session: &mut S,
    vrings: &[Vring<'_>],
    kind: KickKind,
) -> Result<Vec<S::Kicker>> {
    session.negotiate()?;
    session.setup_vrings(vrings)?;
    let kickers = kickers(session, vrings, kind)?;
    session.start()?;
    Ok(kickers)
}
