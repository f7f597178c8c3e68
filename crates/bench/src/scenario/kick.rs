//! `kick/KIND`: what a kick costs its caller.

use vhost_accel::KickKind;

use super::family::{Act, Activity, Family, Row, Traits, USUAL, Work, whole};
use super::fixture::{Fixture, TRANSMIT};
use crate::client::Client;
use crate::configuration::Configuration;
use crate::error::Result;
use crate::session::Session;

pub(super) struct Kick(pub(super) KickKind);

/// Who kicks by `kind`: the peer does so by eventfd alone.
pub(super) fn clients(kind: KickKind) -> &'static [Client] {
    match kind {
        KickKind::EventFd => &Client::ALL,
        _ => USUAL.clients,
    }
}

impl Family for Kick {
    const ROW: Row = Row {
        id: "kick/KIND",
        measured: "what a kick costs its caller, in a loop, on a device that is set up and not \
            started: so that it doesn't wake a thread of the emulated device, which a kernel's \
            device hasn't got",
        not_measured: "what the device does",
    };

    fn fits(&self, configuration: Configuration) -> bool {
        configuration.is_plain() && configuration.has_kick(self.0)
    }

    fn acts(&self, _: Configuration) -> Vec<Act> {
        vec![Act::Kick(self.0)]
    }

    fn traits(&self) -> Traits {
        let clients = clients(self.0);
        Traits { clients, baseline_alone: true, activity: Activity::Idle, ..USUAL }
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let mut session = fixture.set_up()?;
        let kicker = session.kicker(TRANSMIT, self.0)?;
        Ok(whole(move |count| {
            // The device stays open as long as it is kicked.
            let _open = &session;
            S::kicks(&kicker, count)
        }))
    }
}
