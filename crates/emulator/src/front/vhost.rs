//! The requests of type 0xAF, for every interface that has them.
//!
//! Where interfaces differ, a [`Policy`] says so. What differs for vhost-vdpa is that a request
//! goes through mainline's vhost and vhost_vdpa before the device sees it, and that those change
//! some errors and lose others: `drivers/vhost/vdpa.c` and `vhost.c` of Linux 6.12.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use vhost_accel_device::{Device, Errno, lock};
use vhost_accel_uapi::{ioc, vhost};
use virtio_bindings::virtio_config::{VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::ability::Ability;
use crate::call::Call;

const DRIVER_OK: u8 = VIRTIO_CONFIG_S_DRIVER_OK as u8;
const FEATURES_OK: u8 = VIRTIO_CONFIG_S_FEATURES_OK as u8;

/// What an interface takes of the common requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Backend features offered, as a mask.
    pub(crate) backend_features: u64,
    /// GET_IOVA_RANGE.
    pub(crate) iova_range: bool,
    /// There are doorbell pages to be mapped.
    pub(crate) doorbells: bool,
    /// Requests pass mainline's vhost_vdpa: it has address spaces, no dirty log, no RESET_OWNER.
    pub(crate) mainline: bool,
}

const SUSPEND_RESUME: u64 = 1 << vhost::BACKEND_F_SUSPEND | 1 << vhost::BACKEND_F_RESUME;

impl Policy {
    /// #1/A and #1/B.
    pub(crate) const VFIO: Self = Self {
        backend_features: SUSPEND_RESUME,
        iova_range: false,
        doorbells: true,
        mainline: false,
    };
    /// #2.
    pub(crate) const MDEV: Self = Self { iova_range: true, ..Self::VFIO };
    /// vhost-vdpa. Mainline offers the three IOTLB bits whatever the device can do, IOTLB_PERSIST
    /// where a reset leaves the mappings alone, and ENABLE_AFTER_DRIVER_OK because the parent says
    /// so.
    pub(crate) const VDPA: Self = Self {
        backend_features: SUSPEND_RESUME
            | 1 << vhost::BACKEND_F_IOTLB_MSG_V2
            | 1 << vhost::BACKEND_F_IOTLB_BATCH
            | 1 << vhost::BACKEND_F_IOTLB_ASID
            | 1 << vhost::BACKEND_F_ENABLE_AFTER_DRIVER_OK
            | 1 << vhost::BACKEND_F_IOTLB_PERSIST,
        iova_range: true,
        doorbells: true,
        mainline: true,
    };

    /// The same of a device or a kernel without some abilities.
    pub(crate) fn without(mut self, lacking: &[Ability]) -> Self {
        for ability in lacking {
            match ability {
                Ability::Suspend => self.backend_features &= !SUSPEND_RESUME,
                Ability::IotlbBatch => {
                    self.backend_features &= !(1 << vhost::BACKEND_F_IOTLB_BATCH);
                }
                Ability::Doorbell => self.doorbells = false,
                // A feature of the device.
                Ability::DirtyLog => {}
            }
        }
        self
    }
}

/// The argument of a request, wherever it lies.
pub(crate) trait Argument {
    /// Fills `into` from `offset` of the argument. EFAULT.
    fn load(&self, offset: u64, into: &mut [u8]) -> Result<(), Errno>;

    /// Copies `from` to `offset` of the argument. EFAULT.
    fn store(&mut self, offset: u64, from: &[u8]) -> Result<(), Errno>;

    /// The eventfd that the caller names `fd`, None for -1. EBADF, EINVAL.
    fn eventfd(&self, fd: i32) -> Result<Option<OwnedFd>, Errno>;

    /// The process that makes the request: the owner is one.
    fn caller(&self) -> u32;

    /// The argument as a structure.
    fn get<T: FromBytes + IntoBytes>(&self) -> Result<T, Errno> {
        let mut value = T::new_zeroed();
        self.load(0, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Sets the argument to a structure.
    fn put<T: IntoBytes + Immutable>(&mut self, value: &T) -> Result<(), Errno> {
        self.store(0, value.as_bytes())
    }
}

/// The argument of an ioctl: in the client's memory.
pub(crate) struct UserArgument<'a> {
    pub(crate) call: &'a Call<'a>,
    pub(crate) address: u64,
}

impl Argument for UserArgument<'_> {
    fn load(&self, offset: u64, into: &mut [u8]) -> Result<(), Errno> {
        self.call.read_bytes(self.address.wrapping_add(offset), into)
    }

    fn store(&mut self, offset: u64, from: &[u8]) -> Result<(), Errno> {
        self.call.write_bytes(self.address.wrapping_add(offset), from)
    }

    fn eventfd(&self, fd: i32) -> Result<Option<OwnedFd>, Errno> {
        self.call.eventfd(fd)
    }

    fn caller(&self) -> u32 {
        self.call.task.tgid
    }
}

/// An open device that takes the common requests.
pub(crate) struct Vhost {
    device: Arc<Device>,
    policy: Policy,
    owner: Mutex<Option<u32>>,
    backend_features: AtomicU64,
    /// Of each vring, on vhost-vdpa: kept, and nothing comes of it.
    busyloop_timeouts: Box<[AtomicU32]>,
}

impl Vhost {
    /// The state of a device that was just opened.
    pub(crate) fn new(device: Arc<Device>, policy: Policy) -> Self {
        let busyloop_timeouts = (0..device.queue_count()).map(|_| AtomicU32::new(0)).collect();
        Self {
            device,
            policy,
            owner: Mutex::default(),
            backend_features: AtomicU64::new(0),
            busyloop_timeouts,
        }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// Whether there are doorbell pages to be mapped.
    pub(crate) fn has_doorbells(&self) -> bool {
        self.policy.doorbells
    }

    /// Whether the client accepted this backend feature.
    pub(crate) fn has_backend_feature(&self, bit: u32) -> bool {
        self.backend_features.load(Ordering::Relaxed) & (1 << bit) != 0
    }

    /// EPERM unless process `caller` is the owner.
    pub(crate) fn check_owner(&self, caller: u32) -> Result<(), Errno> {
        match *lock(&self.owner) {
            Some(owner) if owner == caller => Ok(()),
            _ => Err(Errno::EPERM),
        }
    }

    /// Carries out one request.
    pub(crate) fn request(&self, request: u32, mut arg: impl Argument) -> Result<(), Errno> {
        let device = &self.device;
        let mainline = self.policy.mainline;
        match request {
            vhost::GET_FEATURES => arg.put(&device.device_features()),
            vhost::SET_FEATURES => self.set_features(&arg),
            vhost::GET_BACKEND_FEATURES => arg.put(&self.policy.backend_features),
            vhost::SET_BACKEND_FEATURES => self.set_backend_features(arg.get()?),
            vhost::SET_OWNER => self.set_owner(arg.caller()),
            vhost::GET_DEVICE_ID => arg.put(&device.device_id()),
            vhost::GET_STATUS => arg.put(&device.status()),
            vhost::SET_STATUS => self.set_status(arg.get()?),
            vhost::GET_CONFIG => self.get_config(arg),
            vhost::SET_CONFIG => self.set_config(&arg),
            vhost::GET_CONFIG_SIZE => arg.put(&device.config_size()),
            vhost::GET_VRING_NUM => arg.put(&device.max_queue_size()),
            vhost::GET_VQS_COUNT => arg.put(&u32::from(device.queue_count())),
            vhost::SET_CONFIG_CALL => self.set_config_call(&arg),
            vhost::SUSPEND if self.ignores_suspend() => Ok(()),
            vhost::RESUME if self.ignores_suspend() => Ok(()),
            vhost::SUSPEND | vhost::RESUME
                if self.policy.backend_features & SUSPEND_RESUME == 0 =>
            {
                Err(Errno::EOPNOTSUPP)
            }
            vhost::SUSPEND => device.suspend(),
            vhost::RESUME => device.resume(),
            vhost::GET_IOVA_RANGE if self.policy.iova_range => {
                arg.put(&vhost::IovaRange { first: 0, last: u64::MAX })
            }
            vhost::GET_AS_NUM | vhost::GET_GROUP_NUM if mainline => arg.put(&1_u32),
            vhost::RESET_OWNER if !mainline => self.reset_owner(arg.caller()),
            vhost::SET_LOG_BASE | vhost::SET_LOG_FD if mainline => Err(Errno::ENOTTY),
            vhost::SET_LOG_BASE => {
                let base: u64 = arg.get()?;
                self.check_owner(arg.caller())?;
                device.set_log_base((base != 0).then_some(base));
                Ok(())
            }
            vhost::SET_LOG_FD => {
                let fd = arg.get()?;
                self.check_owner(arg.caller())?;
                device.set_log_fd(arg.eventfd(fd)?)
            }
            _ if mainline || is_vring(request) => self.vring(request, arg),
            _ => Err(Errno::ENOTTY),
        }
    }

    /// Everything that begins with a queue index. Mainline takes anything unknown for one of these.
    fn vring(&self, request: u32, mut arg: impl Argument) -> Result<(), Errno> {
        let device = &self.device;
        let bytes = self.vring_argument(request, &arg)?;
        let state = || read_prefix::<vhost::VringState>(&bytes);
        let eventfd = || arg.eventfd(read_prefix::<vhost::VringFile>(&bytes).fd);
        let index = state().index;
        let queue = index as u16;
        match request {
            vhost::SET_VRING_ENABLE => self.tell(device.set_vring_enable(queue, state().num != 0)),
            vhost::SET_VRING_NUM => {
                let num = state().num;
                // Mainline looks before it asks the parent, which finds first that it runs.
                if self.policy.mainline && (num > 0xffff || !num.is_power_of_two()) {
                    return Err(Errno::EINVAL);
                }
                self.tell(device.set_vring_num(queue, num))
            }
            vhost::SET_VRING_ADDR => self.set_vring_addr(queue, &read_prefix(&bytes)),
            vhost::SET_VRING_BASE => self.invalid(device.set_vring_base(queue, state().num)),
            vhost::GET_VRING_BASE => {
                let num = device.vring_base(queue)?.into();
                arg.put(&vhost::VringState { index, num })
            }
            vhost::GET_VRING_SIZE => {
                let num = device.vring_num(queue)?.into();
                arg.put(&vhost::VringState { index, num })
            }
            vhost::SET_VRING_KICK => device.set_kick(queue, eventfd()?),
            vhost::SET_VRING_CALL => device.set_call(queue, eventfd()?),
            vhost::SET_VRING_ERR => match eventfd()? {
                // A vDPA parent has no way to signal it.
                _ if self.policy.mainline => Ok(()),
                eventfd => device.set_error(queue, eventfd),
            },
            vhost::GET_VRING_GROUP => arg.put(&vhost::VringState { index, num: 0 }),
            vhost::GET_VRING_DESC_GROUP => Err(Errno::EOPNOTSUPP),
            vhost::SET_GROUP_ASID => match state() {
                // There is one of each, and the parent has no way to change it.
                vhost::VringState { index: 0, num: 0 } => Err(Errno::EOPNOTSUPP),
                _ => Err(Errno::EINVAL),
            },
            vhost::SET_VRING_BUSYLOOP_TIMEOUT => {
                self.busyloop_timeouts[usize::from(queue)].store(state().num, Ordering::Relaxed);
                Ok(())
            }
            vhost::GET_VRING_BUSYLOOP_TIMEOUT => {
                let num = self.busyloop_timeouts[usize::from(queue)].load(Ordering::Relaxed);
                arg.put(&vhost::VringState { index, num })
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    /// The argument of a request about a vring, in one copy. The queue index, which comes first, is
    /// looked at even if the rest can't be read: ENOBUFS, then EFAULT.
    fn vring_argument(&self, request: u32, arg: &impl Argument) -> Result<VringBytes, Errno> {
        const INDEX: usize = size_of::<u32>();
        let mut bytes = [0; size_of::<VringBytes>()];
        let len = ioc::size(request).clamp(INDEX, bytes.len());
        if self.policy.mainline {
            self.check_owner(arg.caller())?;
        }
        let whole = arg.load(0, &mut bytes[..len]);
        if !self.policy.mainline {
            // The modules copy the argument before they look at anything.
            whole?;
            self.check_owner(arg.caller())?;
        }
        if whole.is_err() {
            arg.load(0, &mut bytes[..INDEX])?;
        }
        if read_prefix::<u32>(&bytes) >= self.device.queue_count().into() {
            return Err(Errno::ENOBUFS);
        }
        match whole {
            // Of what it doesn't know or have, mainline looks at the index alone.
            Err(_) if self.policy.mainline && !copies(request) => Ok(bytes),
            whole => whole.map(|()| bytes),
        }
    }

    /// The outcome of what a vDPA parent has no way to refuse.
    fn tell(&self, result: Result<(), Errno>) -> Result<(), Errno> {
        if self.policy.mainline { Ok(()) } else { result }
    }

    /// The outcome of what a vDPA parent refuses without saying why.
    fn invalid(&self, result: Result<(), Errno>) -> Result<(), Errno> {
        match result {
            Err(_) if self.policy.mainline => Err(Errno::EINVAL),
            result => result,
        }
    }

    fn set_owner(&self, caller: u32) -> Result<(), Errno> {
        let mut owner = lock(&self.owner);
        if owner.is_some() {
            return Err(Errno::EBUSY);
        }
        *owner = Some(caller);
        Ok(())
    }

    fn reset_owner(&self, caller: u32) -> Result<(), Errno> {
        self.check_owner(caller)?;
        self.device.reset();
        *lock(&self.owner) = None;
        Ok(())
    }

    fn set_features(&self, arg: &impl Argument) -> Result<(), Errno> {
        // Mainline looks at the status before it looks for the argument.
        if self.policy.mainline && self.device.status() & FEATURES_OK != 0 {
            return Err(Errno::EBUSY);
        }
        self.invalid(self.device.set_features(arg.get()?))
    }

    fn set_backend_features(&self, features: u64) -> Result<(), Errno> {
        const DESC_ASID: u64 = 1 << vhost::BACKEND_F_DESC_ASID;
        const KNOWN_TO_MAINLINE: u64 = Policy::VDPA.backend_features | DESC_ASID;
        let lacks_asid = features & (DESC_ASID | 1 << vhost::BACKEND_F_IOTLB_ASID) == DESC_ASID;
        if self.policy.mainline && features & !KNOWN_TO_MAINLINE == 0 && lacks_asid {
            return Err(Errno::EINVAL);
        }
        if features & !self.policy.backend_features != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        self.backend_features.store(features, Ordering::Relaxed);
        Ok(())
    }

    fn set_status(&self, status: u8) -> Result<(), Errno> {
        if self.policy.mainline && status != 0 && self.device.status() & !status != 0 {
            return Err(Errno::EINVAL);
        }
        self.tell(self.device.set_status(status))
    }

    /// Mainline asks the device only once it runs.
    fn ignores_suspend(&self) -> bool {
        self.policy.mainline && self.device.status() & DRIVER_OK == 0
    }

    fn set_vring_addr(&self, queue: u16, addr: &vhost::VringAddr) -> Result<(), Errno> {
        const LOG: u32 = 1 << vhost::VRING_F_LOG;
        if addr.flags & !LOG != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let rings = addr.avail.is_multiple_of(2) && addr.used.is_multiple_of(4);
        if !addr.log.is_multiple_of(4) || (self.policy.mainline && !rings) {
            return Err(Errno::EINVAL);
        }
        let log = (addr.flags & LOG != 0).then_some(addr.log);
        self.invalid(self.device.set_vring_addr(queue, addr.desc, addr.avail, addr.used, log))
    }

    /// The range of config space that a request is about. EINVAL unless it is there.
    fn config_range(&self, arg: &impl Argument) -> Result<vhost::Config, Errno> {
        let config: vhost::Config = arg.get()?;
        let size = self.device.config_size();
        let room = size.checked_sub(config.off).ok_or(Errno::EINVAL)?;
        if config.len == 0 || config.len > room {
            return Err(Errno::EINVAL);
        }
        Ok(config)
    }

    fn get_config(&self, mut arg: impl Argument) -> Result<(), Errno> {
        let config = self.config_range(&arg)?;
        let mut bytes = vec![0; config.len as usize];
        self.device.read_config(config.off, &mut bytes)?;
        arg.store(size_of::<vhost::Config>() as u64, &bytes)
    }

    fn set_config(&self, arg: &impl Argument) -> Result<(), Errno> {
        let config = self.config_range(arg)?;
        let mut bytes = vec![0; config.len as usize];
        arg.load(size_of::<vhost::Config>() as u64, &mut bytes)?;
        self.tell(self.device.write_config(config.off, &bytes))
    }

    fn set_config_call(&self, arg: &impl Argument) -> Result<(), Errno> {
        let eventfd = arg.eventfd(arg.get()?);
        if eventfd.is_err() && self.policy.mainline {
            // Mainline has let go of the old one by the time it finds the new one bad.
            self.device.set_config_call(None)?;
        }
        self.device.set_config_call(eventfd?)
    }
}

/// Room for the argument of any request about a vring.
type VringBytes = [u8; size_of::<vhost::VringAddr>()];

/// A structure that is no longer than the largest.
fn read_prefix<T: FromBytes + IntoBytes>(bytes: &VringBytes) -> T {
    let mut value = T::new_zeroed();
    let len = size_of::<T>().min(bytes.len());
    value.as_mut_bytes()[..len].copy_from_slice(&bytes[..len]);
    value
}

/// Whether mainline copies the argument of a request about a vring, its index apart.
fn copies(request: u32) -> bool {
    is_vring(request)
        || matches!(
            request,
            vhost::GET_VRING_GROUP
                | vhost::SET_GROUP_ASID
                | vhost::SET_VRING_BUSYLOOP_TIMEOUT
                | vhost::GET_VRING_BUSYLOOP_TIMEOUT
        )
}

/// Whether a request of the interfaces that are ours is about a vring.
fn is_vring(request: u32) -> bool {
    matches!(
        request,
        vhost::SET_VRING_NUM
            | vhost::SET_VRING_ADDR
            | vhost::SET_VRING_BASE
            | vhost::GET_VRING_BASE
            | vhost::SET_VRING_KICK
            | vhost::SET_VRING_CALL
            | vhost::SET_VRING_ERR
            | vhost::SET_VRING_ENABLE
            | vhost::GET_VRING_SIZE
    )
}
