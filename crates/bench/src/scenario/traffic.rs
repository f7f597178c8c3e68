//! `kick-latency/KIND`, `call`, `round-trip` and `throughput/BATCH/BYTES`: frames and who waits for
//! them.

use std::fmt;

use vhost_accel::KickKind;

use super::family::{Act, Activity, Family, Row, Traits, USUAL, Work, each};
use super::fixture::Fixture;
use super::kick::clients;
use crate::configuration::Configuration;
use crate::error::Result;
use crate::session::Session;
use crate::traffic::Traffic;

/// How many frames a kick of the `throughput` scenarios is for.
pub const BATCHES: [u16; 3] = [1, 8, 64];
/// How long the frames of the `throughput` scenarios are, in bytes.
pub const FRAMES: [u16; 2] = [64, 1_500];

pub(super) struct KickLatency(pub(super) KickKind);

impl Family for KickLatency {
    const ROW: Row = Row {
        id: "kick-latency/KIND",
        measured: "from the kick until the used index has moved, watched by the caller",
        not_measured: "that the frame comes back",
    };

    fn fits(&self, configuration: Configuration) -> bool {
        configuration.is_plain() && configuration.has_kick(self.0)
    }

    fn acts(&self, _: Configuration) -> Vec<Act> {
        vec![Act::Kick(self.0)]
    }

    fn traits(&self) -> Traits {
        Traits { clients: clients(self.0), activity: Activity::Awaited, spread: true, ..USUAL }
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let mut running = fixture.running(self.0, Traffic::prepare(fixture.guest))?;
        Ok(each(move |watch| {
            let (traffic, kick, _) = running.parts();
            traffic.latency(watch, kick)
        }))
    }
}

pub(super) struct Call;

impl Family for Call {
    const ROW: Row = Row {
        id: "call",
        measured: "from a doorbell kick until a thread that blocks in read(2) on the call eventfd \
            is awake. The kernel half offers no earlier point to start from: \
            `kick-latency/doorbell` is in it",
        not_measured: "that the frame comes back",
    };

    fn acts(&self, configuration: Configuration) -> Vec<Act> {
        vec![Act::Kick(configuration.best_kick()), Act::Wait]
    }

    fn traits(&self) -> Traits {
        Traits { activity: Activity::Awaited, spread: true, ..USUAL }
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let traffic = Traffic::with_calls(fixture.guest);
        let mut running = fixture.running(fixture.configuration.best_kick(), traffic)?;
        Ok(each(move |watch| {
            let (traffic, kick, _) = running.parts();
            traffic.call(watch, kick)
        }))
    }
}

pub(super) struct RoundTrip;

impl Family for RoundTrip {
    const ROW: Row = Row {
        id: "round-trip",
        measured: "a frame of 64 bytes written, kicked by doorbell, called, read back",
        not_measured: "its comparison",
    };

    fn acts(&self, configuration: Configuration) -> Vec<Act> {
        vec![Act::Kick(configuration.best_kick()), Act::Wait]
    }

    fn traits(&self) -> Traits {
        Traits { activity: Activity::Awaited, ..USUAL }
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let traffic = Traffic::with_calls(fixture.guest);
        let mut running = fixture.running(fixture.configuration.best_kick(), traffic)?;
        Ok(each(move |watch| {
            let (traffic, kick, _) = running.parts();
            traffic.round_trip(watch, kick)
        }))
    }
}

/// What is sent with one kick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Burst {
    /// Frames.
    pub batch: u16,
    /// Bytes of each.
    pub bytes: u16,
}

impl Burst {
    pub(super) const ALL: [Self; BATCHES.len() * FRAMES.len()] = {
        let mut all = [Self { batch: 0, bytes: 0 }; BATCHES.len() * FRAMES.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] =
                Self { batch: BATCHES[at % BATCHES.len()], bytes: FRAMES[at / BATCHES.len()] };
            at += 1;
        }
        all
    };
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.batch, self.bytes)
    }
}

pub(super) struct Throughput(pub(super) Burst);

impl Family for Throughput {
    const ROW: Row = Row {
        id: "throughput/BATCH/BYTES",
        measured: "BATCH frames of BYTES put on the ring, one kick, until all are back; frames per \
            second are BATCH over the time",
        not_measured: "the bytes, which are written before and not read",
    };

    fn acts(&self, configuration: Configuration) -> Vec<Act> {
        vec![Act::Kick(configuration.best_kick())]
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let Burst { batch, bytes } = self.0;
        let mut running = fixture.busy(Traffic::with_bytes(fixture.guest, bytes))?;
        Ok(each(move |watch| {
            let (traffic, kick, _) = running.parts();
            traffic.through(batch, watch, kick)
        }))
    }
}
