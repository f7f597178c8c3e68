//! `setup/N` with its kin, and `teardown/N`: from nothing to a device that runs, and back.

use std::fmt;

use vhost_accel::{KickKind, Vring};

use super::family::{Act, Family, Row, Traits, USUAL, Work, each};
use super::fixture::{Fixture, kickers};
use crate::client::Client;
use crate::configuration::Configuration;
use crate::error::Result;
use crate::session::Session;
use crate::watch::Watch;

/// How many queue pairs `setup-eventfd` uses, which every peer can do too.
pub const EVENTFD_PAIRS: [u16; 2] = [1, 16];
/// How many queue pairs the setup has whose steps are measured one by one.
pub const STEP_PAIRS: u16 = 16;

/// The steps of a setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Open the device, and find out what it is.
    Open,
    /// Lend it two regions of memory.
    Dma,
    /// Negotiate features.
    Negotiate,
    /// Set up the vrings with their call eventfds.
    Vrings,
    /// Make a doorbell kicker for each data vring.
    Kickers,
    /// DRIVER_OK.
    Start,
}

impl Step {
    /// All, in their order.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Dma, Self::Negotiate, Self::Vrings, Self::Kickers, Self::Start];

    const fn act(self, kind: KickKind) -> Act {
        match self {
            Self::Open => Act::Open,
            Self::Dma => Act::MapAll,
            Self::Negotiate => Act::Negotiate,
            Self::Vrings => Act::Vrings,
            Self::Kickers => Act::Kickers(kind),
            Self::Start => Act::Start,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Dma => "dma",
            Self::Negotiate => "negotiate",
            Self::Vrings => "vrings",
            Self::Kickers => "kickers",
            Self::Start => "start",
        })
    }
}

/// A setup of which one step may be watched.
struct Steps<'w>(Option<(Step, &'w mut dyn Watch)>);

impl Steps<'_> {
    fn take<T>(&mut self, step: Step, work: impl FnOnce() -> Result<T>) -> Result<T> {
        match &mut self.0 {
            Some((only, watch)) if *only == step => {
                watch.start();
                let done = work()?;
                watch.stop();
                Ok(done)
            }
            Some(_) | None => work(),
        }
    }
}

/// Open to DRIVER_OK. The kickers come first, so that they go first.
fn bring_up<S: Session>(
    fixture: &Fixture<'_, S>,
    vrings: &[Vring<'_>],
    kind: KickKind,
    mut steps: Steps<'_>,
) -> Result<(Vec<S::Kicker>, S)> {
    let mut session = steps.take(Step::Open, || fixture.open())?;
    steps.take(Step::Dma, || session.map_all(fixture.guest.leases()))?;
    steps.take(Step::Negotiate, || session.negotiate())?;
    steps.take(Step::Vrings, || session.setup_vrings(vrings))?;
    let kickers = steps.take(Step::Kickers, || kickers(&mut session, vrings, kind))?;
    steps.take(Step::Start, || session.start())?;
    Ok((kickers, session))
}

/// Setups of which all is measured, but for the close.
fn setups<'a, S: Session>(fixture: Fixture<'a, S>, pairs: u16, kind: KickKind) -> Work<'a> {
    let vrings = fixture.guest.vrings(pairs);
    each(move |watch| {
        watch.start();
        let up = bring_up(&fixture, &vrings, kind, Steps(None))?;
        watch.stop();
        drop(up);
        Ok(())
    })
}

/// A device that runs `vrings`, with its kickers.
pub(super) fn up<S: Session>(
    fixture: &Fixture<'_, S>,
    vrings: &[Vring<'_>],
) -> Result<(Vec<S::Kicker>, S)> {
    bring_up(fixture, vrings, fixture.configuration.best_kick(), Steps(None))
}

fn setup_acts(kind: KickKind) -> Vec<Act> {
    Step::ALL.map(|step| step.act(kind)).into()
}

pub(super) struct Setup(pub(super) u16);

impl Family for Setup {
    const ROW: Row = Row {
        id: "setup/N",
        measured: "open(2) to DRIVER_OK with N pairs: find out what the device is, map two \
            regions, negotiate, set up 2 N + 1 vrings with their call eventfds, make a doorbell \
            kicker for each data vring, start",
        not_measured: "the memory, the rings and the call eventfds, which are the VMM's; the close",
    };

    fn acts(&self, configuration: Configuration) -> Vec<Act> {
        setup_acts(configuration.best_kick())
    }

    fn traits(&self) -> Traits {
        Traits { baseline_alone: true, ..USUAL }
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let kind = fixture.configuration.best_kick();
        Ok(setups(fixture, self.0, kind))
    }
}

pub(super) struct SetupBatched(pub(super) u16);

impl Family for SetupBatched {
    const ROW: Row = Row {
        id: "setup-batched/N",
        measured: "the same in the interface's other variant, with as few requests as it allows",
        not_measured: "the same",
    };

    fn fits(&self, configuration: Configuration) -> bool {
        !configuration.is_plain()
    }

    fn acts(&self, configuration: Configuration) -> Vec<Act> {
        setup_acts(configuration.best_kick())
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let kind = fixture.configuration.best_kick();
        Ok(setups(fixture, self.0, kind))
    }
}

pub(super) struct SetupEventFd(pub(super) u16);

impl Family for SetupEventFd {
    const ROW: Row = Row {
        id: "setup-eventfd/N",
        measured: "`setup/N` with eventfds for kicks, which the peer can do too; not #1/A, which \
            has none",
        not_measured: "the same",
    };

    fn fits(&self, configuration: Configuration) -> bool {
        configuration.is_plain() && configuration.has_kick(KickKind::EventFd)
    }

    fn acts(&self, _: Configuration) -> Vec<Act> {
        setup_acts(KickKind::EventFd)
    }

    fn traits(&self) -> Traits {
        Traits { clients: &Client::ALL, ..USUAL }
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        Ok(setups(fixture, self.0, KickKind::EventFd))
    }
}

pub(super) struct SetupStep(pub(super) Step);

impl Family for SetupStep {
    const ROW: Row = Row {
        id: "setup-step/STEP",
        measured: "one step of `setup/16`: open, dma, negotiate, vrings, kickers, start",
        not_measured: "the other steps",
    };

    fn acts(&self, configuration: Configuration) -> Vec<Act> {
        vec![self.0.act(configuration.best_kick())]
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let vrings = fixture.guest.vrings(STEP_PAIRS);
        let kind = fixture.configuration.best_kick();
        Ok(each(move |watch| {
            bring_up(&fixture, &vrings, kind, Steps(Some((self.0, watch)))).map(drop)
        }))
    }
}

pub(super) struct Teardown(pub(super) u16);

impl Family for Teardown {
    const ROW: Row = Row {
        id: "teardown/N",
        measured: "the drop of kickers and device",
        not_measured: "everything before",
    };

    fn acts(&self, _: Configuration) -> Vec<Act> {
        vec![Act::Close]
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let vrings = fixture.guest.vrings(self.0);
        Ok(each(move |watch| {
            let up = up(&fixture, &vrings)?;
            watch.start();
            drop(up);
            watch.stop();
            Ok(())
        }))
    }
}
