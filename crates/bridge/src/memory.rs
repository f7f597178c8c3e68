//! Memory of the front end's, mapped into this process for a device. Nobody here reads or writes
//! it.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use vhost::vhost_user::message::VhostUserMemoryRegion;
use vhost_accel_driver::core::{Access, DmaMapping, Hva, Iova, page_size};
use vm_memory::{FileOffset, MmapRegion};

use crate::error::Refusal;

/// One region of the front end's memory table.
#[derive(Debug)]
pub(crate) struct Region {
    guest: u64,
    size: u64,
    user: u64,
    offset: u64,
    /// Device and inode of the file.
    file: (u64, u64),
    mapping: MmapRegion,
    /// How often the front end has added it: QEMU does so for each queue pair, and removes it as
    /// often.
    pub(crate) times: u32,
}

impl Region {
    /// Maps what the front end says of `file`.
    pub(crate) fn new(said: &VhostUserMemoryRegion, file: File) -> Result<Self, Refusal> {
        let (guest, size) = (said.guest_phys_addr, said.memory_size);
        let (user, offset) = (said.user_addr, said.mmap_offset);
        let refused = |source: io::Error| Refusal::Map { guest, source };
        let about = file.metadata().map_err(refused)?;
        // From the file's beginning on: a huge page's alignment is not the offset's.
        let end = offset.checked_add(size).filter(|_| guest.checked_add(size).is_some());
        let end = end.filter(|_| user.checked_add(size).is_some());
        let end = end.ok_or_else(|| refused(io::ErrorKind::InvalidInput.into()))?;
        if about.is_file() && end > about.len() {
            return Err(refused(io::ErrorKind::UnexpectedEof.into()));
        }
        // munmap(2) wants whole huge pages, of which such a file is made.
        let block = about.blksize();
        let whole =
            end.checked_next_multiple_of(block.max(1)).filter(|_| block > page_size() as u64);
        let len = whole.filter(|&whole| whole <= about.len()).unwrap_or(end);
        let len = usize::try_from(len).map_err(|_| refused(io::ErrorKind::InvalidInput.into()))?;
        let id = (about.dev(), about.ino());
        let mapping = MmapRegion::from_file(FileOffset::new(file, 0), len)
            .map_err(|error| refused(io::Error::other(error)))?;
        Ok(Self { guest, size, user, offset, file: id, mapping, times: 1 })
    }

    /// What the device gets.
    pub(crate) fn dma(&self) -> DmaMapping {
        let host = Hva::from(self.mapping.as_ptr()).0 + self.offset;
        DmaMapping::new(Iova(self.guest), self.size, Hva(host), Access::ReadWrite)
    }

    /// Whether a device that has `other` has this one: the same memory at the same place.
    pub(crate) fn is_same_memory(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.file, one.offset, one.size, one.guest);
        key(self) == key(other)
    }

    /// Whether it is the region that `said` names.
    pub(crate) fn is(&self, said: &VhostUserMemoryRegion) -> bool {
        let named = (said.guest_phys_addr, said.memory_size, said.user_addr);
        named == (self.guest, self.size, self.user)
    }

    /// Takes the front end's new address of the same memory.
    pub(crate) fn moved_to(&mut self, new: &Self) {
        self.user = new.user;
    }
}

/// Refuses regions that have a guest address in common.
pub(crate) fn check(regions: &[Region]) -> Result<(), Refusal> {
    let mut ranges: Vec<_> = regions.iter().map(|one| (one.guest, one.size)).collect();
    ranges.sort_unstable();
    let doubled = ranges.windows(2).find(|two| two[1].0 - two[0].0 < two[0].1);
    doubled.map_or(Ok(()), |two| Err(Refusal::Overlap(two[1].0)))
}

/// Where the device finds what the front end has at `user`.
pub(crate) fn iova(regions: &[Region], user: u64) -> Result<Iova, Refusal> {
    let found = regions.iter().find_map(|region| {
        let within = user.checked_sub(region.user).filter(|&within| within < region.size)?;
        Some(Iova(region.guest + within))
    });
    found.ok_or(Refusal::Address(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(pages: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(pages * page_size() as u64).unwrap();
        file
    }

    fn said(guest: u64, pages: u64, user: u64, offset: u64) -> VhostUserMemoryRegion {
        VhostUserMemoryRegion::new(guest, pages * page_size() as u64, user, offset)
    }

    #[test]
    fn an_address_is_found_in_its_region_and_nowhere_else() {
        let page = page_size() as u64;
        let low = Region::new(&said(0, 2, 0x7000_0000, page), file(3)).unwrap();
        let high = Region::new(&said(1 << 32, 1, 0x6000_0000, 0), file(1)).unwrap();
        assert_eq!(low.dma().host.0, low.mapping.as_ptr() as u64 + page);
        let regions = [low, high];
        assert_eq!(iova(&regions, 0x7000_0010).unwrap(), Iova(0x10));
        assert_eq!(iova(&regions, 0x6000_0000 + page - 1).unwrap(), Iova((1 << 32) + page - 1));
        assert!(matches!(iova(&regions, 0x6000_0000 + page), Err(Refusal::Address(_))));
        assert!(matches!(iova(&regions, 0x6fff_ffff), Err(Refusal::Address(0x6fff_ffff))));
    }

    #[test]
    fn a_region_that_its_file_has_not_got_is_refused() {
        let wraps = u64::MAX - page_size() as u64 + 1;
        for one in [
            said(0, 2, 0, 0),
            said(0, 1, 0, page_size() as u64),
            said(wraps, 2, 0, 0),
            said(0, 2, wraps, 0),
            said(0, 2, 0, wraps),
        ] {
            assert!(matches!(Region::new(&one, file(1)), Err(Refusal::Map { .. })));
        }
        let file = File::open("/dev/null").unwrap();
        assert!(matches!(Region::new(&said(0, 1, 0, 0), file), Err(Refusal::Map { .. })));
    }

    #[test]
    fn regions_that_overlap_are_refused() {
        let page = page_size() as u64;
        let map = |guest| Region::new(&said(guest, 2, 0, 0), file(2)).unwrap();
        assert!(check(&[map(4 * page), map(0), map(2 * page)]).is_ok());
        assert!(matches!(check(&[map(page), map(0)]), Err(Refusal::Overlap(at)) if at == page));
        assert!(matches!(check(&[map(0), map(0)]), Err(Refusal::Overlap(0))));
    }

    #[test]
    fn the_same_memory_is_known_again() {
        let (one, other) = (file(2), file(2));
        let map = |file: &File, said| Region::new(&said, file.try_clone().unwrap()).unwrap();
        let first = map(&one, said(0, 1, 0x1000, 0));
        assert!(first.is_same_memory(&map(&one, said(0, 1, 0x9000, 0))));
        assert!(!first.is_same_memory(&map(&other, said(0, 1, 0x1000, 0))));
        assert!(!first.is_same_memory(&map(&one, said(0, 1, 0x1000, page_size() as u64))));
        assert!(!first.is_same_memory(&map(&one, said(1 << 20, 1, 0x1000, 0))));
    }
}
