//! `dma-map/SIZE`, `dma-unmap/SIZE`, `dma-ready/SIZE`, `dma-churn/LIVE` and `mem-table/N`: memory
//! that is lent.

use super::family::{Act, Activity, Effort, Family, Row, Traits, USUAL, Work, each};
use super::fixture::Fixture;
use crate::client::Client;
use crate::configuration::{Configuration, Variant};
use crate::error::Result;
use crate::session::Session;
use crate::sizes::{LIVE, MapSize};
use crate::traffic::Traffic;

/// How many regions the `mem-table` scenarios hand over.
pub const REGIONS: [u16; 4] = [1, 8, 64, 509];

/// Whether one mapping crosses otherwise than in the plain variant, if it isn't that.
fn maps_in_its_own_way(configuration: Configuration) -> bool {
    match configuration.variant {
        Variant::Plain | Variant::MemTable => true,
        Variant::Batch => false,
    }
}

/// How a mapping and its removal are treated.
fn one_mapping(size: MapSize) -> Traits {
    let effort = match size {
        MapSize::Page | MapSize::Huge => Effort::Usual,
        // Some pin all of it.
        MapSize::Gigantic => Effort::Long,
    };
    Traits { clients: &Client::ALL, activity: Activity::Idle, effort, ..USUAL }
}

pub(super) struct DmaMap(pub(super) MapSize);

impl Family for DmaMap {
    const ROW: Row = Row {
        id: "dma-map/SIZE",
        measured: "one mapping of memory that the process has not touched, next to the two of \
            guest memory. #2 and vhost-vdpa pin at map; a VFIO container of mediated devices does \
            not",
        not_measured: "its removal",
    };

    fn fits(&self, configuration: Configuration) -> bool {
        maps_in_its_own_way(configuration)
    }

    fn acts(&self, _: Configuration) -> Vec<Act> {
        vec![Act::Map]
    }

    fn traits(&self) -> Traits {
        one_mapping(self.0)
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let (mut session, lease) = (fixture.mapped()?, fixture.guest.extra(self.0));
        Ok(each(move |watch| {
            watch.start();
            session.map(lease)?;
            watch.stop();
            session.unmap(lease.range())
        }))
    }
}

pub(super) struct DmaUnmap(pub(super) MapSize);

impl Family for DmaUnmap {
    const ROW: Row =
        Row { id: "dma-unmap/SIZE", measured: "its removal", not_measured: "the mapping" };

    fn fits(&self, configuration: Configuration) -> bool {
        maps_in_its_own_way(configuration)
    }

    fn acts(&self, _: Configuration) -> Vec<Act> {
        vec![Act::Unmap]
    }

    fn traits(&self) -> Traits {
        one_mapping(self.0)
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let (mut session, lease) = (fixture.mapped()?, fixture.guest.extra(self.0));
        Ok(each(move |watch| {
            session.map(lease)?;
            watch.start();
            session.unmap(lease.range())?;
            watch.stop();
            Ok(())
        }))
    }
}

pub(super) struct DmaReady(pub(super) MapSize);

impl Family for DmaReady {
    const ROW: Row = Row {
        id: "dma-ready/SIZE",
        measured: "the mapping until the device has read from every 4 KiB page of it: so that who \
            pins when it maps and who pins at the first touch compare",
        not_measured: "the removal",
    };

    fn fits(&self, configuration: Configuration) -> bool {
        maps_in_its_own_way(configuration)
    }

    fn acts(&self, configuration: Configuration) -> Vec<Act> {
        vec![Act::Map, Act::Kick(configuration.best_kick())]
    }

    fn traits(&self) -> Traits {
        match self.0 {
            MapSize::Page | MapSize::Huge => USUAL,
            MapSize::Gigantic => Traits { counted: false, ..HEAVY },
        }
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let lease = fixture.guest.extra(self.0);
        let mut running = fixture.busy(Traffic::of_pieces(fixture.guest))?;
        Ok(each(move |watch| {
            let (traffic, kick, session) = running.parts();
            watch.start();
            session.map(lease)?;
            traffic.touch(lease.range(), kick)?;
            watch.stop();
            session.unmap(lease.range())
        }))
    }
}

/// What takes so long to prepare or to do that the library alone does it.
const HEAVY: Traits = Traits { clients: &[Client::Library], effort: Effort::Heavy, ..USUAL };

pub(super) struct DmaChurn(pub(super) u32);

impl Family for DmaChurn {
    const ROW: Row = Row {
        id: "dma-churn/LIVE",
        measured: "a page mapped, used by the device, unmapped, while LIVE other mappings of a \
            page stay: what a vIOMMU asks for. The memory table carries them all each time, and \
            stops at 509",
        not_measured: "the other mappings",
    };

    fn fits(&self, configuration: Configuration) -> bool {
        maps_in_its_own_way(configuration)
    }

    fn acts(&self, configuration: Configuration) -> Vec<Act> {
        vec![Act::Map, Act::Kick(configuration.best_kick()), Act::Unmap]
    }

    fn traits(&self) -> Traits {
        let usual = if self.0 > LIVE[1] { HEAVY } else { USUAL };
        // Next to the two of guest memory, and to the one that comes and goes.
        Traits { counted: self.0 <= LIVE[0], mappings: u64::from(self.0) + 3, ..usual }
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let (guest, live) = (fixture.guest, self.0);
        let mut running = fixture.busy(Traffic::of_pieces(guest))?;
        // What comes and goes is in the middle of what stays.
        let comes = live / 2;
        let mut stay = (0..=live).filter(|&number| number != comes).map(|one| guest.churn(one));
        if live <= u32::from(u16::MAX) {
            running.session.map_all(&stay.collect::<Vec<_>>())?;
        } else {
            stay.try_for_each(|lease| running.session.map(&lease))?;
        }
        let lease = guest.churn(comes);
        Ok(each(move |watch| {
            let (traffic, kick, session) = running.parts();
            watch.start();
            session.map(&lease)?;
            traffic.touch(lease.range(), kick)?;
            session.unmap(lease.range())?;
            watch.stop();
            Ok(())
        }))
    }
}

pub(super) struct MemTable(pub(super) u16);

impl Family for MemTable {
    const ROW: Row = Row {
        id: "mem-table/N",
        measured: "N regions of 64 KiB handed over to a device that has none: N requests, or one \
            table, or N in a batch",
        not_measured: "open and close",
    };

    fn fits(&self, configuration: Configuration) -> bool {
        configuration.is_plain() || configuration.changes_dma()
    }

    fn acts(&self, _: Configuration) -> Vec<Act> {
        // One mapping is no batch.
        vec![if self.0 == 1 { Act::Map } else { Act::MapAll }]
    }

    fn traits(&self) -> Traits {
        let mappings = u64::from(self.0);
        Traits { clients: &Client::ALL, activity: Activity::Idle, mappings, ..USUAL }
    }

    fn prepare<'a, S: Session>(self, fixture: Fixture<'a, S>) -> Result<Work<'a>> {
        let table = fixture.guest.table(self.0);
        Ok(each(move |watch| {
            let mut session = fixture.open()?;
            watch.start();
            session.map_all(&table)?;
            watch.stop();
            Ok(())
        }))
    }
}
