//! `reboot/N`: from one guest to the next on a device that stays open.

use super::family::{Act, Family, Row, Work, each};
use super::fixture::Fixture;
use super::setup::up;
use crate::configuration::Configuration;
use crate::error::Result;
use crate::session::Session;

pub(super) struct Reboot(pub(super) u16);

impl Family for Reboot {
    const ROW: Row = Row {
        id: "reboot/N",
        measured: "a running device of N pairs is reset, and the next guest's driver starts it: \
            reset, negotiate, set up 2 N + 1 vrings with their call eventfds, start. Mappings and \
            doorbell kickers stay",
        not_measured: "everything before; the close",
    };

    fn acts(&self, _: Configuration) -> Vec<Act> {
        vec![Act::Reset, Act::Negotiate, Act::Vrings, Act::Start]
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let vrings = fixture.guest.vrings(self.0);
        Ok(each(move |watch| {
            let (_kickers, mut session) = up(&fixture, &vrings)?;
            watch.start();
            session.reset()?;
            session.negotiate()?;
            session.setup_vrings(&vrings)?;
            session.start()?;
            watch.stop();
            Ok(())
        }))
    }
}
