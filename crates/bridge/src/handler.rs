//! What each request of vhost-user does.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use vhost::vhost_user::message::{
    VhostTransferStateDirection, VhostTransferStatePhase, VhostUserConfigFlags, VhostUserInflight,
    VhostUserLog, VhostUserMemoryRegion, VhostUserProtocolFeatures, VhostUserShMemConfig,
    VhostUserSharedMsg, VhostUserSingleMemoryRegion, VhostUserVirtioFeatures,
    VhostUserVringAddrFlags, VhostUserVringState,
};
use vhost::vhost_user::{Error, GpuBackend, Result, VhostUserBackendReqHandlerMut};
use vhost_accel_driver::core::{Capabilities, Features, Phase};

use crate::error::Refusal;
use crate::memory::Region;
use crate::rings::{Accel, Addresses};

/// Regions that a front end may have: as many as QEMU ever has.
const SLOTS: u64 = 509;
/// VHOST_USER_F_PROTOCOL_FEATURES.
const PROTOCOL_FEATURES: u64 = VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits();

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::ReqHandlerError(io::Error::other(refusal))
    }
}

fn device(error: vhost_accel_driver::core::Error) -> Error {
    Refusal::from(error).into()
}

/// A request whose protocol feature is not offered.
fn not_offered<T>() -> Result<T> {
    Err(Error::InvalidOperation("its feature is not offered"))
}

impl VhostUserBackendReqHandlerMut for Accel {
    fn set_owner(&mut self) -> Result<()> {
        Ok(())
    }

    fn reset_owner(&mut self) -> Result<()> {
        self.reset().map_err(device)
    }

    fn reset_device(&mut self) -> Result<()> {
        self.reset().map_err(device)
    }

    fn get_features(&mut self) -> Result<u64> {
        Ok(self.offered.bits() | PROTOCOL_FEATURES)
    }

    fn set_features(&mut self, features: u64) -> Result<()> {
        self.accept(Features::from_bits_retain(features & !PROTOCOL_FEATURES))?;
        self.protocol = features & PROTOCOL_FEATURES != 0;
        if !self.protocol {
            // Such a front end knows no SET_VRING_ENABLE.
            self.rings.iter_mut().for_each(|ring| ring.enabled = true);
        }
        Ok(())
    }

    fn get_protocol_features(&mut self) -> Result<VhostUserProtocolFeatures> {
        let mut features = VhostUserProtocolFeatures::MQ
            | VhostUserProtocolFeatures::REPLY_ACK
            | VhostUserProtocolFeatures::RESET_DEVICE
            | VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS;
        features.set(VhostUserProtocolFeatures::CONFIG, self.has(Capabilities::VIRTIO_STATUS));
        Ok(features)
    }

    fn set_protocol_features(&mut self, features: u64) -> Result<()> {
        let offered = self.get_protocol_features()?.bits();
        match features & !offered {
            0 => {}
            unknown => return Err(Refusal::Features(unknown).into()),
        }
        self.answers = features & VhostUserProtocolFeatures::REPLY_ACK.bits() != 0;
        Ok(())
    }

    fn get_queue_num(&mut self) -> Result<u64> {
        let rings = self.rings.len() as u64;
        Ok(if self.is_network() { rings / 2 } else { rings })
    }

    fn set_mem_table(
        &mut self,
        regions: &[VhostUserMemoryRegion],
        files: Vec<File>,
        _: Option<bool>,
    ) -> Result<Option<Vec<u64>>> {
        let regions = regions.iter().zip(files).map(|(said, file)| Region::new(said, file));
        let regions = regions.collect::<std::result::Result<_, Refusal>>()?;
        self.set_memory(regions)?;
        Ok(None)
    }

    fn get_max_mem_slots(&mut self) -> Result<u64> {
        Ok(SLOTS)
    }

    fn add_mem_region(
        &mut self,
        region: &VhostUserSingleMemoryRegion,
        file: File,
        _: Option<bool>,
    ) -> Result<Option<u64>> {
        self.add_memory(Region::new(region, file)?)?;
        Ok(None)
    }

    fn remove_mem_region(&mut self, region: &VhostUserSingleMemoryRegion) -> Result<()> {
        Ok(self.remove_memory(region.guest_phys_addr, |one| one.is(region))?)
    }

    fn set_vring_num(&mut self, index: u32, num: u32) -> Result<()> {
        let (queue, ring) = self.ring(index)?;
        match u16::try_from(num) {
            Ok(size) if ring.size == size || !ring.live => ring.size = size,
            Ok(_) => return Err(Refusal::Running("sizes").into()),
            Err(_) => return Err(Refusal::Number { vring: queue.0, value: num }.into()),
        }
        Ok(())
    }

    fn set_vring_addr(
        &mut self,
        index: u32,
        flags: VhostUserVringAddrFlags,
        desc: u64,
        used: u64,
        avail: u64,
        _log: u64,
    ) -> Result<()> {
        if flags.contains(VhostUserVringAddrFlags::VHOST_VRING_F_LOG) {
            return not_offered();
        }
        let addresses = Some(Addresses { desc, avail, used });
        let (_, ring) = self.ring(index)?;
        if ring.live && ring.addresses != addresses {
            return Err(Refusal::Running("addresses").into());
        }
        ring.addresses = addresses;
        Ok(self.run_ready()?)
    }

    fn set_vring_base(&mut self, index: u32, base: u32) -> Result<()> {
        let (queue, ring) = self.ring(index)?;
        if ring.live {
            return Err(Refusal::Running("bases").into());
        }
        let wrong = |_| Refusal::Number { vring: queue.0, value: base };
        ring.base = u16::try_from(base).map_err(wrong)?;
        Ok(())
    }

    fn get_vring_base(&mut self, index: u32) -> Result<VhostUserVringState> {
        let (queue, _) = self.ring(index)?;
        let base = self.stop(queue)?;
        Ok(VhostUserVringState::new(index, base.into()))
    }

    fn set_vring_kick(&mut self, index: u8, fd: Option<File>) -> Result<()> {
        let (queue, ring) = self.ring(index.into())?;
        ring.kick = Some(fd.ok_or(Refusal::Polled(queue.0))?);
        self.kick_anew(queue)?;
        Ok(self.run_ready()?)
    }

    fn set_vring_call(&mut self, index: u8, fd: Option<File>) -> Result<()> {
        let (queue, ring) = self.ring(index.into())?;
        ring.call = fd;
        let ring = &self.rings[usize::from(index)];
        if ring.live {
            let call = ring.call.as_ref().map(AsFd::as_fd);
            self.device.set_call(queue, call).map_err(device)?;
        }
        Ok(())
    }

    fn set_vring_err(&mut self, index: u8, fd: Option<File>) -> Result<()> {
        let (queue, ring) = self.ring(index.into())?;
        ring.error = fd;
        let ring = &self.rings[usize::from(index)];
        if ring.live && self.has(Capabilities::ERROR_EVENT) {
            let error = ring.error.as_ref().map(AsFd::as_fd);
            self.device.set_error(queue, error).map_err(device)?;
        }
        Ok(())
    }

    fn set_vring_enable(&mut self, index: u32, enable: bool) -> Result<()> {
        let (queue, _) = self.ring(index)?;
        Ok(self.enable(queue, enable)?)
    }

    fn get_config(&mut self, offset: u32, size: u32, _: VhostUserConfigFlags) -> Result<Vec<u8>> {
        // A front end asks for more than the device has; what is behind the end is 0.
        let has = self.device.config_size().map_err(device)?.saturating_sub(offset);
        let mut data = vec![0; size as usize];
        let end = has.min(size) as usize;
        if end > 0 {
            self.device.read_config(offset, &mut data[..end]).map_err(device)?;
        }
        Ok(data)
    }

    fn set_config(&mut self, offset: u32, data: &[u8], _: VhostUserConfigFlags) -> Result<()> {
        if self.device.phase() == Phase::Running {
            return Err(Refusal::Running("config space").into());
        }
        self.device.write_config(offset, data).map_err(device)
    }

    fn set_gpu_socket(&mut self, _: GpuBackend) -> Result<()> {
        not_offered()
    }

    fn get_shared_object(&mut self, _: VhostUserSharedMsg) -> Result<File> {
        not_offered()
    }

    fn get_inflight_fd(&mut self, _: &VhostUserInflight) -> Result<(VhostUserInflight, File)> {
        not_offered()
    }

    fn set_inflight_fd(&mut self, _: &VhostUserInflight, _: File) -> Result<()> {
        not_offered()
    }

    fn set_device_state_fd(
        &mut self,
        _: VhostTransferStateDirection,
        _: VhostTransferStatePhase,
        _: File,
    ) -> Result<Option<File>> {
        not_offered()
    }

    fn check_device_state(&mut self) -> Result<()> {
        not_offered()
    }

    fn get_shmem_config(&mut self) -> Result<VhostUserShMemConfig> {
        not_offered()
    }

    fn set_log_base(&mut self, _: &VhostUserLog, _: File) -> Result<()> {
        not_offered()
    }
}
