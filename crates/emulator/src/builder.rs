//! Putting an emulated kernel and its devices together.

use std::io;
use std::sync::Arc;

use vhost_accel_device::{Device, DeviceConfig, Errno};
use vhost_accel_uapi::vfio;

use crate::MAX_DEVICES;
use crate::ability::Ability;
use crate::chardevs::Chardevs;
use crate::devices::{DeviceKind, EmulatedDevice, uuid};
use crate::error::Error;
use crate::front::container::ContainerNode;
use crate::front::group::Group;
use crate::front::vhost::Policy;
use crate::front::vhost_mdev::MdevNode;
use crate::front::vhost_vdpa::VdpaNode;
use crate::kernel::EmulatedKernel;
use crate::numbers::Numbers;
use crate::shadow::Shadow;

/// Which emulated kernel is to be made: [`EmulatedKernel::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    queue_pairs: u16,
    max_queue_size: u16,
    mtu: u16,
    devices: u16,
    dma_entry_limit: u32,
    lacking: Vec<Ability>,
    everything: bool,
}

impl EmulatedKernel {
    /// Says what to make; [`Builder::build`] makes it.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Default for Builder {
    /// One device of each kind, with one queue pair of at most 1024 entries.
    fn default() -> Self {
        Self {
            queue_pairs: 1,
            max_queue_size: 1024,
            mtu: 9000,
            devices: 1,
            dma_entry_limit: vfio::DMA_ENTRY_LIMIT,
            lacking: Vec::new(),
            everything: false,
        }
    }
}

impl Builder {
    /// Queue pairs of each device, 1 to 128.
    #[must_use]
    pub fn queue_pairs(mut self, pairs: u16) -> Self {
        self.queue_pairs = pairs;
        self
    }

    /// The largest size of a vring: a power of two up to 1024.
    #[must_use]
    pub fn max_queue_size(mut self, size: u16) -> Self {
        self.max_queue_size = size;
        self
    }

    /// The MTU in config space, 68 bytes or more.
    #[must_use]
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.mtu = mtu;
        self
    }

    /// How many devices there are of each kind: up to [`MAX_DEVICES`].
    #[must_use]
    pub fn devices(mut self, devices: u16) -> Self {
        self.devices = devices;
        self
    }

    /// How many mappings a VFIO container takes, 65535 if not said: the `dma_entry_limit` of
    /// vfio_iommu_type1.
    #[must_use]
    pub fn dma_entry_limit(mut self, limit: u32) -> Self {
        self.dma_entry_limit = limit;
        self
    }

    /// Makes devices without this, for tests of what a VMM does then. May be called for several.
    #[must_use]
    pub fn without(mut self, ability: Ability) -> Self {
        self.lacking.push(ability);
        self
    }

    /// Whether [`EmulatedKernel::crossings`] counts every system call of a client, eventfds and
    /// munmap of doorbells among them, and not only those that an emulated device has to do with.
    /// Each then costs a notification; what is left out is a process's own housekeeping: its
    /// memory, locks, time, signals.
    #[must_use]
    pub fn count_everything(mut self, everything: bool) -> Self {
        self.everything = everything;
        self
    }

    /// Makes the kernel and its devices.
    ///
    /// # Errors
    /// [`Error::Device`] and [`Error::TooManyDevices`] for what can't be made; [`Error::FileLimit`]
    /// and [`Error::Setup`] where the machine lacks something; [`Error::Inotify`] and
    /// [`Error::Limit`] where others have it all. Whether clients can be served is found out by
    /// [`EmulatedKernel::run`], or by [`probe`](crate::probe).
    pub fn build(&self) -> Result<EmulatedKernel, Error> {
        if self.devices > MAX_DEVICES {
            return Err(Error::TooManyDevices(self.devices));
        }
        let setup = |source| Error::setup("the tree that stands for sysfs")(source);
        let shadow = Shadow::new().map_err(setup)?;
        let numbers = Numbers::new().map_err(Error::setup("a device number of each kind"))?;
        shadow.file("/proc/devices", &numbers.devices).map_err(setup)?;
        shadow.file("/proc/misc", &numbers.misc).map_err(setup)?;
        let mut nodes = Nodes {
            shadow: &shadow,
            numbers: &numbers,
            lacking: &self.lacking,
            chardevs: Chardevs::default(),
        };
        let mut devices = Vec::new();
        for number in 0..self.devices {
            for kind in DeviceKind::ALL {
                let device = self.device(kind, number)?;
                match kind {
                    DeviceKind::Vfio => nodes.vfio(number, &device),
                    DeviceKind::VhostMdev => nodes.vhost_mdev(number, &device),
                    DeviceKind::VhostVdpa => nodes.vhost_vdpa(number, &device),
                }
                .map_err(setup)?;
                devices.push(EmulatedDevice {
                    kind,
                    number,
                    path: kind.path(number).into(),
                    device,
                });
            }
        }
        let container = ContainerNode { dma_entry_limit: self.dma_entry_limit };
        nodes.container(container).map_err(setup)?;
        let chardevs = nodes.chardevs;
        EmulatedKernel::start(shadow, chardevs, devices, self.everything)
    }

    fn device(&self, kind: DeviceKind, number: u16) -> Result<Arc<Device>, Error> {
        let config = DeviceConfig {
            pairs: self.queue_pairs,
            max_queue_size: self.max_queue_size,
            // Locally administered; the last bytes tell the devices of a kernel apart.
            mac: [0x52, 0x54, 0, 0, kind as u8, number as u8],
            mtu: self.mtu,
            log: kind != DeviceKind::VhostVdpa && !self.lacking.contains(&Ability::DirtyLog),
        };
        Device::new(config).map_err(|errno| match errno {
            Errno::EINVAL => {
                Error::Device { queue_pairs: self.queue_pairs, max_queue_size: self.max_queue_size }
            }
            // Descriptors, memory; no asynchronous I/O.
            errno => Error::setup("a device")(errno.into()),
        })
    }
}

/// The character devices while they are being made, with what sysfs says of them.
struct Nodes<'a> {
    shadow: &'a Shadow,
    numbers: &'a Numbers,
    lacking: &'a [Ability],
    chardevs: Chardevs,
}

impl Nodes<'_> {
    fn vfio(&mut self, number: u16, device: &Arc<Device>) -> io::Result<()> {
        let uuid = uuid(DeviceKind::Vfio, number);
        mdev(self.shadow, &uuid, vfio::DEVICE_API_VHOST)?;
        let group = format!("/sys/kernel/iommu_groups/{number}");
        self.shadow.link(
            &format!("{group}/devices/{uuid}"),
            &format!("../../../../bus/mdev/devices/{uuid}"),
        )?;
        self.shadow.link(
            &format!("/sys/bus/mdev/devices/{uuid}/iommu_group"),
            &format!("../../../../kernel/iommu_groups/{number}"),
        )?;
        let entry = format!("/sys/devices/virtual/vfio/{number}");
        let target = format!("../../devices/virtual/vfio/{number}");
        self.shadow.link(&format!("/sys/class/vfio/{number}"), &target)?;
        let policy = Policy::VFIO.without(self.lacking);
        let group = Arc::new(Group::new(Arc::clone(device), policy, uuid));
        let path = format!("/dev/vfio/{number}");
        self.chardevs.add(self.shadow, &path, self.numbers.group(number), &entry, group)
    }

    fn container(&mut self, container: ContainerNode) -> io::Result<()> {
        let entry = "/sys/devices/virtual/misc/vfio";
        self.shadow.link("/sys/class/misc/vfio", "../../devices/virtual/misc/vfio")?;
        let number = self.numbers.container();
        self.chardevs.add(self.shadow, "/dev/vfio/vfio", number, entry, Arc::new(container))
    }

    fn vhost_mdev(&mut self, number: u16, device: &Arc<Device>) -> io::Result<()> {
        let uuid = uuid(DeviceKind::VhostMdev, number);
        mdev(self.shadow, &uuid, "vhost-mdev")?;
        let name = format!("vhost-mdev-{number}");
        // Of a class of its own, which the driver core gives a directory.
        let entry = format!("/sys/bus/mdev/devices/{uuid}/vhost_mdev/{name}");
        let node = Arc::new(MdevNode {
            device: Arc::clone(device),
            policy: Policy::MDEV.without(self.lacking),
        });
        let path = format!("/dev/{name}");
        self.chardevs.add(self.shadow, &path, self.numbers.vhost_mdev(number), &entry, node)
    }

    fn vhost_vdpa(&mut self, number: u16, device: &Arc<Device>) -> io::Result<()> {
        let name = format!("vhost-vdpa-{number}");
        let entry = format!("/sys/bus/vdpa/devices/vdpa{number}/{name}");
        let node = Arc::new(VdpaNode {
            device: Arc::clone(device),
            policy: Policy::VDPA.without(self.lacking),
        });
        let path = format!("/dev/{name}");
        self.chardevs.add(self.shadow, &path, self.numbers.vhost_vdpa(number), &entry, node)
    }
}

/// What sysfs says of a mediated device.
fn mdev(shadow: &Shadow, uuid: &str, api: &str) -> io::Result<()> {
    let kind = format!("/sys/bus/mdev/devices/{uuid}/mdev_type");
    shadow.file(&format!("{kind}/device_api"), &format!("{api}\n"))?;
    shadow.file(&format!("{kind}/name"), "virtio-net loopback\n")?;
    shadow.file(&format!("{kind}/available_instances"), "0\n")
}
