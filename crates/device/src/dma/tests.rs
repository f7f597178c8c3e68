//! The address space against a simple model, and memory that is or is not there.

#![expect(unsafe_code, reason = "memory to map is made with mmap")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr;

use proptest::prelude::*;

use super::{Access, ClientMemory, Cut, DmaFault, DmaSpace, PAGE_SIZE, PinPolicy, Region};
use crate::Errno;

fn here() -> ClientMemory {
    ClientMemory::of_process(std::process::id()).unwrap()
}

/// Four pages: read-write, read-only, not there, read-write.
struct Pages(*mut libc::c_void);

impl Pages {
    fn new() -> Self {
        let page = PAGE_SIZE as usize;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping where the kernel likes it.
        let base = unsafe { libc::mmap(ptr::null_mut(), 4 * page, prot, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        let at = |n| base.wrapping_byte_add(n * page);
        // SAFETY: a page of the mapping just made.
        assert_eq!(unsafe { libc::mprotect(at(1), page, libc::PROT_READ) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::mprotect(at(2), page, libc::PROT_NONE) }, 0);
        base.expose_provenance();
        Self(base)
    }

    fn host(&self, page: u64) -> u64 {
        self.0.addr() as u64 + page * PAGE_SIZE
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped.
        unsafe { libc::munmap(self.0, 4 * PAGE_SIZE as usize) };
    }
}

fn region(iova: u64, pages: u64, host: u64, access: Access) -> Region {
    Region { iova, len: pages * PAGE_SIZE, host, access }
}

#[test]
fn what_is_written_is_read_back() {
    let pages = Pages::new();
    for policy in [PinPolicy::Eager, PinPolicy::Lazy] {
        let space = DmaSpace::new(here(), policy, 8);
        // The last page first: a range over both mappings is not one range of the host.
        space.map(region(0x1000, 1, pages.host(3), Access::ReadWrite)).unwrap();
        space.map(region(0x2000, 1, pages.host(0), Access::ReadWrite)).unwrap();
        let view = space.view();
        let bytes: Vec<u8> = (0..100).collect();
        view.write(0x2000 - 40, &bytes).unwrap();
        let mut back = [0; 100];
        view.read(0x2000 - 40, &mut back).unwrap();
        assert_eq!(back[..], bytes);
        let mut tail = [0; 60];
        view.read(0x2000, &mut tail).unwrap();
        assert_eq!(tail[..], bytes[40..]);
        view.store_u16(0x2ffe, 0xbeef).unwrap();
        assert_eq!(view.load_u16(0x2ffe), Ok(0xbeef));
        assert_eq!(view.load_u16(0x2001), Err(DmaFault::Unmapped));
        // The used ring's index, also where its eight bytes are not in one piece.
        for used in [0x1ff8, 0x1ffc] {
            view.write(used, &[7; 8]).unwrap();
            view.store_used_index(used, 0x1234).unwrap();
            view.read(used, &mut back[..8]).unwrap();
            assert_eq!(back[..8], [7, 7, 0x34, 0x12, 7, 7, 7, 7]);
        }
        view.write(0x1ff8, &[0; 12]).unwrap();
        // Half a range: nothing of it is written.
        assert_eq!(view.write(0x3000 - 10, &[9; 20]), Err(DmaFault::Unmapped));
        view.read(0x3000 - 10, &mut back[..8]).unwrap();
        assert_eq!(back[..8], [0; 8]);
        view.store_u16(0x2ffe, 0).unwrap();
    }
}

// ABI-FAULT-1
#[test]
fn permissions_are_kept() {
    let pages = Pages::new();
    let space = DmaSpace::new(here(), PinPolicy::Eager, 8);
    space.map(region(0x1000, 1, pages.host(1), Access::Read)).unwrap();
    space.map(region(0x2000, 1, pages.host(0), Access::Write)).unwrap();
    let view = space.view();
    assert_eq!(view.read(0x1000, &mut [0; 4]), Ok(()));
    assert_eq!(view.write(0x1000, &[1]), Err(DmaFault::Permission));
    assert_eq!(view.store_u16(0x1000, 1), Err(DmaFault::Permission));
    assert_eq!(view.write(0x2000, &[1]), Ok(()));
    assert_eq!(view.read(0x2000, &mut [0]), Err(DmaFault::Permission));
    assert_eq!(view.read(0x1ffe, &mut [0; 4]), Err(DmaFault::Permission));
    assert_eq!(view.read(0, &mut [0]), Err(DmaFault::Unmapped));
    assert_eq!(view.read(0x3000, &mut [0]), Err(DmaFault::Unmapped));
    assert_eq!(Access::from_bits(0), Err(Errno::EINVAL));
    assert_eq!(Access::from_bits(3), Ok(Access::ReadWrite));
    assert_eq!(Access::from_bits(4), Err(Errno::EINVAL));
}

#[test]
fn an_eager_space_refuses_bad_memory_and_a_lazy_one_faults() {
    let pages = Pages::new();
    let eager = DmaSpace::new(here(), PinPolicy::Eager, 8);
    let all = region(0x1000, 4, pages.host(0), Access::Read);
    assert_eq!(eager.map(all), Err(Errno::EFAULT));
    let wild = region(0x1000, 1, 0x1000, Access::Read);
    assert_eq!(eager.map(wild), Err(Errno::EFAULT));
    assert!(eager.is_empty());
    let lazy = DmaSpace::new(here(), PinPolicy::Lazy, 8);
    lazy.map(all).unwrap();
    let view = lazy.view();
    assert_eq!(view.read(0x1000, &mut [0; 8192]), Ok(()));
    assert_eq!(view.read(0x3000, &mut [0]), Err(DmaFault::Host));
    assert_eq!(view.read(0x4000, &mut [0]), Ok(()));
    assert_eq!(view.read(0x2ffe, &mut [0; 4]), Err(DmaFault::Host));
    let eager = DmaSpace::new(here(), PinPolicy::Eager, 8);
    let read_only = region(0x1000, 1, pages.host(1), Access::ReadWrite);
    assert_eq!(eager.map(read_only), Err(Errno::EFAULT));
    let lazy = DmaSpace::new(here(), PinPolicy::Lazy, 8);
    lazy.map(read_only).unwrap();
    assert_eq!(lazy.view().write(0x1000, &[1]), Err(DmaFault::Host));
}

/// Two pages of a file, mapped where the kernel maps nothing by itself.
struct TwoPages(File);

impl TwoPages {
    const HOST: u64 = 0x10_0000_0000;

    fn new() -> Self {
        let file = tempfile::tempfile().unwrap();
        file.set_len(2 * PAGE_SIZE).unwrap();
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE;
        let (at, fd) = (ptr::without_provenance_mut(Self::HOST as usize), file.as_raw_fd());
        // SAFETY: a new mapping in place of none.
        let address = unsafe { libc::mmap(at, 2 * PAGE_SIZE as usize, prot, flags, fd, 0) };
        assert_eq!(address, at);
        Self(file)
    }

    fn cut(&self) {
        self.0.set_len(PAGE_SIZE).unwrap();
    }

    fn unmap(&self) {
        let second = ptr::without_provenance_mut((Self::HOST + PAGE_SIZE) as usize);
        // SAFETY: mapped by `new`, and nobody refers to it.
        assert_eq!(unsafe { libc::munmap(second, PAGE_SIZE as usize) }, 0);
    }
}

impl Drop for TwoPages {
    fn drop(&mut self) {
        let first = ptr::without_provenance_mut(Self::HOST as usize);
        // SAFETY: mapped by `new`, and nothing else can be there.
        unsafe { libc::munmap(first, 2 * PAGE_SIZE as usize) };
    }
}

// ABI-DIFF-7
#[test]
fn memory_that_goes_while_it_is_mapped_is_a_fault() {
    for policy in [PinPolicy::Eager, PinPolicy::Lazy] {
        for go in [TwoPages::unmap, TwoPages::cut] {
            let pages = TwoPages::new();
            let space = DmaSpace::new(here(), policy, 8);
            space.map(region(0x1000, 2, TwoPages::HOST, Access::ReadWrite)).unwrap();
            let view = space.view();
            view.write(0x1000, &[7; 8192]).unwrap();
            go(&pages);
            assert_eq!(view.read(0x1000, &mut [0; 4096]), Ok(()), "what is there stays there");
            assert_eq!(view.read(0x2000, &mut [0]), Err(DmaFault::Host));
            assert_eq!(view.write(0x2000, &[0]), Err(DmaFault::Host));
            assert_eq!(view.load_u16(0x2000), Err(DmaFault::Host));
            assert_eq!(view.store_u16(0x2000, 1), Err(DmaFault::Host));
            assert_eq!(view.store_used_index(0x2000, 1), Err(DmaFault::Host));
            assert_eq!(view.read(0x1ff0, &mut [0; 32]), Err(DmaFault::Host));
            assert_eq!(here().set_bits(TwoPages::HOST + PAGE_SIZE, 1), Err(Errno::EFAULT));
            let again = region(0x8000, 2, TwoPages::HOST, Access::ReadWrite);
            let refused = (policy == PinPolicy::Eager).then_some(Errno::EFAULT);
            drop(view);
            assert_eq!(space.map(again).err(), refused);
        }
    }
}

// ABI-DIFF-8
#[test]
fn what_is_pinned_stays_pinned_whatever_it_allows_later() {
    for policy in [PinPolicy::Eager, PinPolicy::Lazy] {
        let pages = Pages::new();
        let space = DmaSpace::new(here(), policy, 8);
        space.map(region(0x1000, 1, pages.host(0), Access::ReadWrite)).unwrap();
        let view = space.view();
        view.write(0x1000, &[7]).unwrap();
        // SAFETY: a page that nobody refers to.
        let taken = unsafe { libc::mprotect(pages.0, PAGE_SIZE as usize, libc::PROT_NONE) };
        assert_eq!(taken, 0);
        let mut byte = [0];
        view.read(0x1000, &mut byte).unwrap();
        assert_eq!(byte, [7]);
    }
}

#[test]
fn a_lazy_mapping_of_everything_costs_little() {
    let pages = Pages::new();
    let space = DmaSpace::new(here(), PinPolicy::Lazy, 8);
    // 2^47 bytes from page 0 up.
    let all = Region { iova: 0, len: 1 << 47, host: 0, access: Access::Read };
    space.map(all).unwrap();
    let view = space.view();
    assert_eq!(view.read(pages.host(0), &mut [0; 8]), Ok(()));
    assert_eq!(view.read(pages.host(2), &mut [0; 8]), Err(DmaFault::Host));
    assert_eq!(view.read(0, &mut [0]), Err(DmaFault::Host));
}

#[test]
fn malformed_regions_are_refused() {
    let space = DmaSpace::new(here(), PinPolicy::Lazy, 2);
    let good = Region { iova: 0x1000, len: 0x1000, host: 0x1000, access: Access::Read };
    for bad in [
        Region { iova: 0x1001, ..good },
        Region { len: 0x1001, ..good },
        Region { host: 0x1001, ..good },
        Region { len: 0, ..good },
        Region { iova: u64::MAX - 0xfff, len: 0x2000, ..good },
        Region { host: u64::MAX - 0xfff, len: 0x2000, ..good },
    ] {
        assert_eq!(space.map(bad), Err(Errno::EINVAL), "{bad:?}");
        assert_eq!(space.replace_all(&[bad]), Err(Errno::EINVAL), "{bad:?}");
    }
    space.map(good).unwrap();
    space.map(Region { iova: u64::MAX - 0xfff, ..good }).unwrap();
    assert_eq!(space.map(good), Err(Errno::EEXIST));
    assert_eq!(space.map(Region { iova: 0x2000, ..good }), Err(Errno::ENOSPC));
    assert_eq!((space.len(), space.available()), (2, 0));
    assert_eq!(space.unmap_whole(0..=u64::MAX), Ok(0x2000));
}

#[test]
fn replacing_is_all_or_nothing() {
    let pages = Pages::new();
    let space = DmaSpace::new(here(), PinPolicy::Eager, 2);
    let old = region(0x1000, 1, pages.host(0), Access::ReadWrite);
    space.map(old).unwrap();
    let next = region(0x5000, 1, pages.host(3), Access::ReadWrite);
    let bad = region(0x8000, 1, pages.host(2), Access::ReadWrite);
    assert_eq!(space.replace_all(&[next, bad]), Err(Errno::EFAULT));
    assert_eq!(space.replace_all(&[bad, bad]), Err(Errno::EFAULT), "the first that is wrong");
    let wraps = region(0x8000, 2, u64::MAX - 0xfff, Access::ReadWrite);
    assert_eq!(space.replace_all(&[wraps]), Err(Errno::EFAULT));
    assert_eq!(space.map(wraps), Err(Errno::EFAULT));
    assert_eq!(space.replace_all(&[next, next]), Err(Errno::EINVAL));
    assert_eq!(space.replace_all(&[next; 3]), Err(Errno::ENOSPC));
    assert_eq!(space.view().read(0x1000, &mut [0]), Ok(()));
    space.replace_all(&[next, old]).unwrap();
    space.replace_all(&[next]).unwrap();
    assert_eq!(space.view().read(0x1000, &mut [0]), Err(DmaFault::Unmapped));
    assert_eq!(space.view().read(0x5000, &mut [0]), Ok(()));
    space.unmap_all();
    assert!(space.is_empty());
}

/// The same, without a thought: a list.
#[derive(Default)]
struct Model(Vec<(u64, u64)>);

impl Model {
    fn map(&mut self, first: u64, last: u64) -> Result<(), Errno> {
        if self.0.iter().any(|m| m.0 <= last && first <= m.1) {
            return Err(Errno::EEXIST);
        }
        self.0.push((first, last));
        Ok(())
    }

    fn touching(&mut self, first: u64, last: u64) -> u64 {
        let gone: Vec<_> = self.0.extract_if(.., |m| m.0 <= last && first <= m.1).collect();
        gone.iter().map(|m| m.1 - m.0 + 1).sum()
    }

    fn whole(&mut self, first: u64, last: u64) -> Result<u64, Cut> {
        let cut = |m: &(u64, u64)| m.0 <= last && first <= m.1 && (m.0 < first || last < m.1);
        if self.0.iter().any(cut) { Err(Cut) } else { Ok(self.touching(first, last)) }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Map(u64, u64),
    Whole(u64, u64),
    Touching(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let range = || (0..64_u64, 1..12_u64);
    prop_oneof![
        4 => range().prop_map(|(first, len)| Step::Map(first, len)),
        1 => range().prop_map(|(first, len)| Step::Whole(first, len)),
        1 => range().prop_map(|(first, len)| Step::Touching(first, len)),
    ]
}

proptest! {
    #[test]
    fn a_space_does_what_a_list_does(steps in prop::collection::vec(step(), 1..60)) {
        let space = DmaSpace::new(here(), PinPolicy::Lazy, 1000);
        let mut model = Model::default();
        let bytes = |first: u64, len: u64| (first * PAGE_SIZE, (first + len) * PAGE_SIZE - 1);
        for step in steps {
            match step {
                Step::Map(first, len) => {
                    let (first, last) = bytes(first, len);
                    let region =
                        Region { iova: first, len: last - first + 1, host: 0, access: Access::Read };
                    prop_assert_eq!(space.map(region), model.map(first, last));
                }
                Step::Whole(first, len) => {
                    let (first, last) = bytes(first, len);
                    prop_assert_eq!(space.unmap_whole(first..=last), model.whole(first, last));
                }
                Step::Touching(first, len) => {
                    let (first, last) = bytes(first, len);
                    prop_assert_eq!(space.unmap_touching(first..=last), model.touching(first, last));
                }
            }
            prop_assert_eq!(space.len(), model.0.len());
            let view = space.view();
            for page in 0..80 {
                let iova = page * PAGE_SIZE;
                let mapped = model.0.iter().any(|m| m.0 <= iova && iova <= m.1);
                // Nothing is at host address 0: a mapped page is told by its fault.
                let fault = if mapped { DmaFault::Host } else { DmaFault::Unmapped };
                prop_assert_eq!(view.read(iova, &mut [0]), Err(fault));
            }
        }
    }
}
