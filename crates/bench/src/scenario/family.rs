//! What a family of scenarios says of itself.

use vhost_accel::KickKind;

use super::fixture::Fixture;
use crate::client::Client;
use crate::configuration::Configuration;
use crate::error::Result;
use crate::session::Session;
use crate::watch::Watch;

/// Scenarios that do the same in several sizes. Whoever implements it says what is measured, to
/// readers ([`ROW`](Self::ROW)) and to the test that counts crossings ([`acts`](Self::acts)).
pub(crate) trait Family: Sized {
    /// Its row in `docs/measuring.md`. What stands before a slash begins each id.
    const ROW: Row;

    /// Whether `configuration` can do it. A further variant of an interface is left out where it
    /// makes the same crossings as the plain one.
    fn fits(&self, configuration: Configuration) -> bool {
        configuration.is_plain()
    }

    /// What the measured part does on `configuration`: these acts and no others.
    fn acts(&self, configuration: Configuration) -> Vec<Act>;

    /// How it is to be treated.
    fn traits(&self) -> Traits {
        USUAL
    }

    /// Does what comes before the iterations.
    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>>;
}

/// A row in `docs/measuring.md`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) measured: &'static str,
    pub(crate) not_measured: &'static str,
}

/// A step that is told by its crossings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A request that no interface has.
    Refused,
    /// A vring is enabled.
    Enable,
    /// The status is read.
    Status,
    /// A vring is kicked.
    Kick(KickKind),
    /// A thread waits for a call.
    Wait,
    /// The device is opened, and it is found out what it is.
    Open,
    /// Memory is lent in one piece.
    Map,
    /// Memory is lent in several pieces.
    MapAll,
    /// It is taken back.
    Unmap,
    /// Features are negotiated.
    Negotiate,
    /// Vrings are set up.
    Vrings,
    /// The same, of vrings that go on where they were.
    VringsFromBase,
    /// A kicker is made for every data vring.
    Kickers(KickKind),
    /// DRIVER_OK.
    Start,
    /// Running vrings are stopped.
    Suspend,
    /// Where each goes on is asked.
    Base,
    /// The device is reset.
    Reset,
    /// The device is closed.
    Close,
}

/// How a scenario is treated where scenarios differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traits {
    /// Who does it; a peer, where it can, on the control alone.
    pub(crate) clients: &'static [Client],
    /// Whether the baseline is measured by itself too, and not only for what the library adds.
    pub(crate) baseline_alone: bool,
    pub(crate) activity: Activity,
    pub(crate) effort: Effort,
    /// Whether its crossings are counted: not where those before the measured part take long, and
    /// the measured part is that of a scenario which is counted.
    pub(crate) counted: bool,
    /// Whether its single iterations are of interest.
    pub(crate) spread: bool,
    /// Mappings that the device must allow at a time, if they are many.
    pub(crate) mappings: u64,
}

/// What most scenarios have in common.
pub(crate) const USUAL: Traits = Traits {
    clients: &[Client::Library, Client::Baseline],
    baseline_alone: false,
    activity: Activity::Runs,
    effort: Effort::Usual,
    counted: true,
    spread: false,
    mappings: 0,
};

/// What the device does meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It does not run.
    Idle,
    /// It runs.
    Runs,
    /// It runs and polls, and somebody waits for it: instructions on one CPU would count it
    /// polling.
    Awaited,
}

/// How long preparation and work take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// No longer than most.
    Usual,
    /// A hundred times longer: few samples.
    Long,
    /// So long that it is done once, and by the library alone.
    Heavy,
}

/// The iterations: so many of them, the measured part of each watched.
pub(crate) type Work<'a> = Box<dyn FnMut(u64, &mut dyn Watch) -> Result<()> + 'a>;

/// Iterations that are watched by themselves.
pub(crate) fn each<'a>(mut once: impl FnMut(&mut dyn Watch) -> Result<()> + 'a) -> Work<'a> {
    Box::new(move |count, watch| (0..count).try_for_each(|_| once(watch)))
}

/// Iterations of which all that they do is measured.
pub(crate) fn whole<'a>(mut all: impl FnMut(u64) -> Result<()> + 'a) -> Work<'a> {
    Box::new(move |count, watch| {
        watch.start();
        all(count)?;
        watch.stop();
        Ok(())
    })
}
