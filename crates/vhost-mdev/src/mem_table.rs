//! DMA by a memory table that is sent whole.

#![expect(unsafe_code, reason = "the device gets access to memory that the caller names")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use vhost_accel_vhost_ioctls::core::{Dma, DmaFailure, DmaLimits, DmaMapping, IovaRange};
use vhost_accel_vhost_ioctls::uapi::call::{mdev, vhost};
use vhost_accel_vhost_ioctls::uapi::mdev::MAX_REGIONS;
use vhost_accel_vhost_ioctls::uapi::mem_table::MemTable as Table;

use crate::map_unmap;

/// VHOST_SET_MEM_TABLE: each change sends every mapping again.
///
/// The kernel refuses an overlap in a table as EINVAL, and can't tell an unmap of nothing; the
/// table is here, so the errors are those of the other style.
#[derive(Debug)]
pub struct MemTable {
    mappings: Mappings,
    /// What is sent, built anew for each request.
    table: Table,
    fd: Arc<File>,
}

impl MemTable {
    pub(crate) fn new(fd: Arc<File>) -> Self {
        let most = MAX_REGIONS as usize;
        Self { mappings: Mappings::new(most), table: Table::with_capacity(most), fd }
    }

    /// Makes the mappings but those at `without` the device's.
    ///
    /// # Safety
    /// As [`Dma::map`], for each of them.
    unsafe fn send(&mut self, without: Range<usize>) -> io::Result<()> {
        let all = &self.mappings.all;
        fill(&mut self.table, all[..without.start].iter().chain(&all[without.end..]));
        // SAFETY: the caller vouches for the mappings; a table that is refused leaves the one
        // before it in place, whose mappings are still promised.
        unsafe { vhost::set_mem_table(&self.fd, &self.table) }
    }
}

fn fill<'a>(table: &mut Table, mappings: impl Iterator<Item = &'a DmaMapping>) {
    table.clear();
    for mapping in mappings {
        table.push(mapping.iova.0, mapping.len, mapping.host.0);
    }
}

impl Dma for MemTable {
    unsafe fn map(&mut self, mapping: &DmaMapping) -> io::Result<()> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.map_all(std::slice::from_ref(mapping)) }.map_err(|failure| failure.source)
    }

    unsafe fn map_all(&mut self, mappings: &[DmaMapping]) -> Result<(), DmaFailure> {
        if mappings.is_empty() {
            return Ok(());
        }
        self.mappings.add(mappings)?;
        // SAFETY: the caller promises for the new mappings, and has for those before them, which it
        // would have unmapped otherwise.
        unsafe { self.send(0..0) }.map_err(|source| {
            self.mappings.remove(mappings);
            // The kernel took them as one and doesn't say; of one it is clear.
            if mappings.len() == 1 { DmaFailure::at(0, source) } else { source.into() }
        })
    }

    unsafe fn update(&mut self, unmap: &[IovaRange], map: &[DmaMapping]) -> Result<(), DmaFailure> {
        let before = self.mappings.all.clone();
        let changed = self.mappings.change(unmap, map).and_then(|()| match before {
            _ if before == self.mappings.all => Ok(()),
            // SAFETY: the caller promises for the new mappings, and has for those before them,
            // which it would have unmapped otherwise.
            _ => Ok(unsafe { self.send(0..0) }?),
        });
        if changed.is_err() {
            // Within the room that there was.
            self.mappings.all.clear();
            self.mappings.all.extend(before);
        }
        changed
    }

    fn unmap(&mut self, range: IovaRange) -> io::Result<()> {
        let inside = self.mappings.inside(range)?;
        // SAFETY: what is sent are mappings that the caller has promised for and not unmapped.
        unsafe { self.send(inside.clone()) }?;
        self.mappings.all.drain(inside);
        Ok(())
    }

    fn limits(&self) -> io::Result<DmaLimits> {
        mdev::dma_info(&self.fd)
            .map(|info| map_unmap::limits(&info, info.max_regions.min(MAX_REGIONS)))
    }
}

/// The mappings in force, by their IOVAs; never more than there is room for.
#[derive(Debug)]
struct Mappings {
    all: Vec<DmaMapping>,
    most: usize,
}

impl Mappings {
    fn new(most: usize) -> Self {
        Self { all: Vec::with_capacity(most), most }
    }

    /// Adds all or none.
    fn add(&mut self, mappings: &[DmaMapping]) -> Result<(), DmaFailure> {
        for (index, mapping) in mappings.iter().enumerate() {
            if let Err(errno) = self.insert(mapping) {
                self.remove(&mappings[..index]);
                let source = io::Error::from_raw_os_error(errno);
                return Err(DmaFailure::at(index, source));
            }
        }
        Ok(())
    }

    fn insert(&mut self, mapping: &DmaMapping) -> Result<(), i32> {
        if self.all.len() == self.most {
            return Err(libc::ENOSPC);
        }
        let touched = self.touched(mapping.range());
        if !touched.is_empty() {
            return Err(libc::EEXIST);
        }
        self.all.insert(touched.start, *mapping);
        Ok(())
    }

    /// Takes some away and adds others. After an error some of it is done.
    fn change(&mut self, unmap: &[IovaRange], map: &[DmaMapping]) -> Result<(), DmaFailure> {
        for &range in unmap {
            match self.inside(range) {
                Ok(inside) => drop(self.all.drain(inside)),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.add(map)
    }

    /// Takes back what was added.
    fn remove(&mut self, mappings: &[DmaMapping]) {
        for mapping in mappings {
            let touched = self.touched(mapping.range());
            self.all.drain(touched);
        }
    }

    /// Where the mappings are that overlap `range`, or would be.
    fn touched(&self, range: IovaRange) -> Range<usize> {
        let start = self.all.partition_point(|one| last(one.range()) < range.start);
        let count = self.all[start..].partition_point(|one| one.iova <= last(range));
        start..start + count
    }

    /// Where the mappings are that an unmap of `range` takes.
    fn inside(&self, range: IovaRange) -> io::Result<Range<usize>> {
        let touched = self.touched(range);
        match &self.all[touched.clone()] {
            [] => Err(io::Error::from_raw_os_error(libc::ENOENT)),
            all if all.iter().all(|one| covers(range, one.range())) => Ok(touched),
            _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }
}

// Ranges here are not empty and don't wrap: `Device` has seen to it.

fn covers(outer: IovaRange, inner: IovaRange) -> bool {
    outer.start <= inner.start && last(inner) <= last(outer)
}

fn last(range: IovaRange) -> vhost_accel_vhost_ioctls::core::Iova {
    range.last().unwrap_or(range.start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vhost_accel_vhost_ioctls::core::{Access, Hva, Iova};

    use super::*;

    fn mapping(iova: u64, len: u64) -> DmaMapping {
        DmaMapping::new(Iova(iova), len, Hva(iova << 8), Access::ReadWrite)
    }

    fn three() -> Mappings {
        let mut mappings = Mappings::new(4);
        let three = [mapping(0x1000, 0x1000), mapping(0x2000, 0x2000), mapping(0x8000, 0x1000)];
        mappings.add(&three).unwrap();
        mappings
    }

    fn errno(error: io::Error) -> i32 {
        error.raw_os_error().unwrap()
    }

    #[test]
    fn an_overlap_is_eexist_and_adds_nothing() {
        for (bad, at) in [(0x1000, 0), (0x3000, 0), (0x7000, 0)] {
            let mut mappings = three();
            let failure = mappings.add(&[mapping(bad, 0x2000)]).unwrap_err();
            assert_eq!((failure.index, errno(failure.source)), (Some(at), libc::EEXIST));
            assert_eq!(mappings.all, three().all);
        }
        let mut mappings = Mappings::new(4);
        let failure = mappings.add(&[mapping(0, 0x2000), mapping(0x1000, 0x1000)]).unwrap_err();
        assert_eq!((failure.index, errno(failure.source)), (Some(1), libc::EEXIST));
        assert_eq!(mappings.all, []);
    }

    #[test]
    fn mappings_are_in_the_order_of_their_iovas() {
        let mut mappings = Mappings::new(4);
        let mapping = |iova| mapping(iova, 0x1000);
        mappings.add(&[0x8000, 0x1000, 0x3000].map(mapping)).unwrap();
        assert_eq!(mappings.all, [0x1000, 0x3000, 0x8000].map(mapping));
        mappings.add(&[mapping(0x2000)]).unwrap();
        mappings.remove(&[mapping(0x3000)]);
        assert_eq!(mappings.all, [0x1000, 0x2000, 0x8000].map(mapping));
    }

    #[test]
    fn one_too_many_is_enospc_and_adds_nothing() {
        let mut mappings = three();
        let two = [mapping(0x10000, 0x1000), mapping(0x20000, 0x1000)];
        let failure = mappings.add(&two).unwrap_err();
        assert_eq!((failure.index, errno(failure.source)), (Some(1), libc::ENOSPC));
        assert_eq!(mappings.all, three().all);
    }

    #[test]
    fn an_unmap_takes_whole_mappings_over_gaps() {
        let inside = |start, len| three().inside(IovaRange::new(Iova(start), len)).unwrap();
        assert_eq!(inside(0x2000, 0x10000), 1..3);
        assert_eq!(inside(0, 0x4000), 0..2);
    }

    #[test]
    fn an_unmap_that_cuts_or_finds_nothing_is_refused() {
        for (start, len, expected) in [
            (0x3000, 0x1000, libc::EINVAL),
            (0x1000, 0x2000, libc::EINVAL),
            (0x4000, 0x4000, libc::ENOENT),
        ] {
            let error = three().inside(IovaRange::new(Iova(start), len)).unwrap_err();
            assert_eq!(errno(error), expected, "{start:#x}+{len:#x}");
        }
    }

    #[test]
    fn a_change_is_from_one_table_to_another() {
        let mut mappings = three();
        let range = |start, len| IovaRange::new(Iova(start), len);
        // Where a mapping goes another may come, and a range may be empty.
        let unmap = [range(0x2000, 0x2000), range(0x10000, 0x1000)];
        mappings.change(&unmap, &[mapping(0x3000, 0x1000)]).unwrap();
        let expected = [mapping(0x1000, 0x1000), mapping(0x3000, 0x1000), mapping(0x8000, 0x1000)];
        assert_eq!(mappings.all, expected);
        let cut = mappings.change(&[range(0x8000, 0x800)], &[]).unwrap_err();
        assert_eq!((cut.index, errno(cut.source)), (None, libc::EINVAL));
        // In the room that an unmap makes.
        let new = [mapping(0x9000, 1), mapping(0x8000, 1)];
        let overlap = mappings.change(&[range(0x3000, 0x1000)], &new).unwrap_err();
        assert_eq!((overlap.index, errno(overlap.source)), (Some(1), libc::EEXIST));
    }

    proptest! {
        /// What a search of all mappings finds, halving finds too.
        #[test]
        fn touched_is_what_overlaps(
            tried in prop::collection::vec((0u64..64, 1u64..8), 0..24),
            (start, len) in (0u64..64, 1u64..32),
        ) {
            let overlap = |one: IovaRange, other: IovaRange| {
                one.start <= last(other) && other.start <= last(one)
            };
            let (mut mappings, mut model) = (Mappings::new(24), Vec::new());
            for (iova, len) in tried {
                let new = mapping(iova << 12, len << 12);
                let free = !model.iter().any(|one: &DmaMapping| overlap(one.range(), new.range()));
                prop_assert_eq!(mappings.add(&[new]).is_ok(), free);
                model.extend(free.then_some(new));
            }
            model.sort_by_key(|one| one.iova);
            prop_assert_eq!(&mappings.all, &model);
            let range = IovaRange::new(Iova(start << 12), len << 12);
            model.retain(|one| overlap(one.range(), range));
            prop_assert_eq!(&mappings.all[mappings.touched(range)], &model[..]);
        }
    }

    #[test]
    fn the_table_is_sent_whole_and_never_grows() {
        let mut table = Table::with_capacity(4);
        let start = table.as_bytes().as_ptr();
        fill(&mut table, three().all.iter());
        let words: Vec<u64> = table
            .as_bytes()
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap()))
            .collect();
        let expected = [
            3, 0x1000, 0x1000, 0x10_0000, 0, 0x2000, 0x2000, 0x20_0000, 0, 0x8000, 0x1000,
            0x80_0000, 0,
        ];
        assert_eq!(words, expected);
        fill(&mut table, three().all[..1].iter());
        assert_eq!(table.as_bytes().len(), 8 + 32);
        assert_eq!(table.as_bytes().as_ptr(), start);
    }

    #[test]
    fn a_refused_table_leaves_the_mappings_as_they_were() {
        // A file that is no vhost device refuses every request with ENOTTY.
        let mut dma = MemTable::new(Arc::new(tempfile::tempfile().unwrap()));
        // SAFETY: nothing is mapped, the request is refused.
        let failure = unsafe { dma.map_all(&[mapping(0, 0x1000)]) }.unwrap_err();
        assert_eq!((failure.index, errno(failure.source)), (Some(0), libc::ENOTTY));
        assert_eq!(dma.mappings.all, []);
        dma.mappings = three();
        // SAFETY: as above.
        let update = unsafe { dma.update(&[IovaRange::every_page()], &[mapping(0, 0x1000)]) };
        assert_eq!(errno(update.unwrap_err().source), libc::ENOTTY);
        assert_eq!((&dma.mappings.all, dma.mappings.all.capacity() >= 4), (&three().all, true));
        let error = dma.unmap(IovaRange::new(Iova(0x8000), 0x1000)).unwrap_err();
        assert_eq!(errno(error), libc::ENOTTY);
        assert_eq!(dma.mappings.all, three().all);
    }
}
