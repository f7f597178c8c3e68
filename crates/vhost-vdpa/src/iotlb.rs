//! DMA by IOTLB messages.

#![expect(unsafe_code, reason = "the device gets access to memory that the caller names")]

use std::fs::File;
use std::io;
use std::sync::Arc;

use vhost_accel_vhost_ioctls::core::{
    Access, Dma, DmaFailure, DmaLimits, DmaMapping, Iova, IovaRange, page_size,
};
use vhost_accel_vhost_ioctls::uapi::call::{iotlb, vhost};
use vhost_accel_vhost_ioctls::uapi::vhost::{ACCESS_RO, ACCESS_RW, ACCESS_WO};

/// The address space in use, the one that each vDPA device has.
const ASID: u32 = 0;

/// IOTLB messages v2, one write(2) each.
#[derive(Debug)]
pub struct Iotlb {
    batches: bool,
    /// The kernel makes the address space at the first UPDATE or BATCH_BEGIN, and refuses an
    /// INVALIDATE before.
    begun: bool,
    fd: Arc<File>,
}

impl Iotlb {
    pub(crate) fn new(fd: Arc<File>, batches: bool) -> Self {
        Self { batches, begun: false, fd }
    }
}

const fn perm(access: Access) -> u8 {
    match access {
        Access::Read => ACCESS_RO,
        Access::Write => ACCESS_WO,
        Access::ReadWrite => ACCESS_RW,
    }
}

impl Dma for Iotlb {
    unsafe fn map(&mut self, mapping: &DmaMapping) -> io::Result<()> {
        let DmaMapping { iova, len, host, access, .. } = *mapping;
        self.begun = true;
        // SAFETY: the caller promises that the memory may be used until it is unmapped or the
        // device is dropped, and the fd with it.
        unsafe { iotlb::update(&self.fd, ASID, iova.0, len, host.0, perm(access)) }
    }

    unsafe fn map_all(&mut self, mappings: &[DmaMapping]) -> Result<(), DmaFailure> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.update(&[], mappings) }
    }

    unsafe fn update(&mut self, unmap: &[IovaRange], map: &[DmaMapping]) -> Result<(), DmaFailure> {
        // A single change needs no batch around it.
        let batch = self.batches && unmap.len() + map.len() > 1;
        if batch {
            self.begun = true;
            iotlb::batch_begin(&self.fd, ASID)?;
        }
        // SAFETY: the caller promises for each.
        let mut result = unsafe { self.change(unmap, map) };
        if batch {
            // Ended in any case: a batch left open would hold back what comes next.
            let ended = iotlb::batch_end(&self.fd, ASID);
            if result.is_ok() && ended.is_err() {
                self.take_back(map);
            }
            result = result.and(ended.map_err(DmaFailure::from));
        }
        result
    }

    fn unmap(&mut self, range: IovaRange) -> io::Result<()> {
        if !self.begun {
            return Ok(());
        }
        iotlb::invalidate(&self.fd, ASID, range.start.0, range.len)
    }

    fn limits(&self) -> io::Result<DmaLimits> {
        let range = vhost::get_iova_range(&self.fd)?;
        // All 2^64 addresses are one more than a length can say.
        let len = range.last.saturating_sub(range.first).saturating_add(1);
        let ranges = vec![IovaRange::new(Iova(range.first), len)];
        // Any run of pages is taken.
        Ok(DmaLimits::new(ranges, !(page_size() as u64 - 1), None))
    }
}

impl Iotlb {
    /// Unmaps and maps, one by one. When a mapping fails, those before it are taken back.
    ///
    /// # Safety
    /// As [`Dma::update`].
    unsafe fn change(&mut self, unmap: &[IovaRange], map: &[DmaMapping]) -> Result<(), DmaFailure> {
        for &range in unmap {
            self.unmap(range)?;
        }
        for (index, mapping) in map.iter().enumerate() {
            // SAFETY: the caller promises for each.
            if let Err(source) = unsafe { self.map(mapping) } {
                self.take_back(&map[..index]);
                return Err(DmaFailure::at(index, source));
            }
        }
        Ok(())
    }

    /// Takes back what was mapped before the failure that is reported; an unmap of what was just
    /// mapped can only fail with the device gone.
    fn take_back(&mut self, mappings: &[DmaMapping]) {
        for mapping in mappings {
            let _ = self.unmap(mapping.range());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    use vhost_accel_vhost_ioctls::core::Hva;
    use vhost_accel_vhost_ioctls::uapi::vhost::MsgV2;
    use zerocopy::IntoBytes;

    use super::*;

    /// A socket in the device's place: each write(2) is one datagram.
    fn iotlb(batches: bool) -> (Iotlb, UnixDatagram) {
        let (device, kernel) = UnixDatagram::pair().unwrap();
        kernel.set_nonblocking(true).unwrap();
        let file = File::from(OwnedFd::from(device));
        (Iotlb::new(Arc::new(file), batches), kernel)
    }

    #[track_caller]
    fn assert_written(kernel: &UnixDatagram, expected: &[MsgV2]) {
        for message in expected {
            let mut bytes = [0; 100];
            let len = kernel.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..len], message.as_bytes());
            assert_eq!(len, 72);
        }
        assert!(kernel.recv(&mut [0; 100]).is_err(), "more was written");
    }

    fn mapping(iova: u64, access: Access) -> DmaMapping {
        DmaMapping::new(Iova(iova), 0x1000, Hva(0x7000 + iova), access)
    }

    #[test]
    fn nothing_is_taken_back_before_anything_was_mapped() {
        let (mut dma, kernel) = iotlb(true);
        dma.unmap(IovaRange::new(Iova(0x2000), 0x3000)).unwrap();
        assert_written(&kernel, &[]);
    }

    #[test]
    fn a_change_is_one_write() {
        let (mut dma, kernel) = iotlb(true);
        // SAFETY: a socket maps nothing.
        unsafe { dma.map(&mapping(0x2000, Access::Read)) }.unwrap();
        assert_written(&kernel, &[MsgV2::update(0, 0x2000, 0x1000, 0x9000, 1)]);
        dma.unmap(IovaRange::new(Iova(0x2000), 0x3000)).unwrap();
        assert_written(&kernel, &[MsgV2::invalidate(0, 0x2000, 0x3000)]);
        // SAFETY: as above.
        unsafe { dma.map_all(&[mapping(0x2000, Access::Write)]) }.unwrap();
        assert_written(&kernel, &[MsgV2::update(0, 0x2000, 0x1000, 0x9000, 2)]);
        // SAFETY: as above.
        unsafe { dma.map_all(&[]) }.unwrap();
        assert_written(&kernel, &[]);
    }

    #[test]
    fn several_changes_are_a_batch_where_the_device_has_them() {
        let mappings = [mapping(0, Access::ReadWrite), mapping(0x1000, Access::ReadWrite)];
        let updates =
            [MsgV2::update(0, 0, 0x1000, 0x7000, 3), MsgV2::update(0, 0x1000, 0x1000, 0x8000, 3)];
        let (mut dma, kernel) = iotlb(true);
        // SAFETY: a socket maps nothing.
        unsafe { dma.map_all(&mappings) }.unwrap();
        let batch = [MsgV2::batch_begin(0), updates[0], updates[1], MsgV2::batch_end(0)];
        assert_written(&kernel, &batch);
        let (mut dma, kernel) = iotlb(false);
        // SAFETY: as above.
        unsafe { dma.map_all(&mappings) }.unwrap();
        assert_written(&kernel, &updates);
    }

    #[test]
    fn an_update_is_one_batch() {
        let (mut dma, kernel) = iotlb(true);
        let (range, new) = (IovaRange::new(Iova(0), 0x1000), mapping(0x1000, Access::ReadWrite));
        // SAFETY: a socket maps nothing.
        unsafe { dma.update(&[range], &[new]) }.unwrap();
        let invalidate = MsgV2::invalidate(0, 0, 0x1000);
        let update = MsgV2::update(0, 0x1000, 0x1000, 0x8000, 3);
        let batch = [MsgV2::batch_begin(0), invalidate, update, MsgV2::batch_end(0)];
        assert_written(&kernel, &batch);
        // SAFETY: as above.
        unsafe { dma.update(&[range], &[]) }.unwrap();
        assert_written(&kernel, &[invalidate]);
    }
}
