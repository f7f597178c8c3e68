//! `reset/N`: what a guest's reboot takes of a device that stays open.

use super::family::{Act, Family, Row, Work, each};
use super::fixture::Fixture;
use super::setup::up;
use crate::configuration::Configuration;
use crate::error::Result;
use crate::session::Session;

pub(super) struct Reset(pub(super) u16);

impl Family for Reset {
    const ROW: Row = Row {
        id: "reset/N",
        measured: "the reset of a device that runs N pairs",
        not_measured: "everything before; the close",
    };

    fn acts(&self, _: Configuration) -> Vec<Act> {
        vec![Act::Reset]
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let vrings = fixture.guest.vrings(self.0);
        Ok(each(move |watch| {
            let (_kickers, mut session) = up(&fixture, &vrings)?;
            watch.start();
            session.reset()?;
            watch.stop();
            Ok(())
        }))
    }
}
