//! A backend that records what reaches it.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};

use vhost_accel_core::{
    Capabilities, Control, Device, DeviceInfo, Dma, DmaLimits, DmaMapping, Failure, Features, Hva,
    Interface, IovaRange, KickWay, Kicker, Operation, QueueIndex, Status, VhostAccel, Vring,
    VringBase,
};

/// What crossed into the backend, and at which crossing it is to fail.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) calls: Vec<String>,
    pub(crate) fail: Option<&'static str>,
    pub(crate) refuse_features: bool,
    /// Offered besides [`OFFERED`].
    pub(crate) more: Features,
    /// What is above the base's 16 bits.
    pub(crate) high_base: u32,
}

#[derive(Clone, Default)]
pub(crate) struct Recorder(pub(crate) Arc<Mutex<Log>>);

impl Recorder {
    fn call(&self, name: String) -> io::Result<()> {
        let mut log = self.0.lock().unwrap();
        let fails = log.fail.is_some_and(|fail| name.starts_with(fail));
        log.calls.push(name);
        if fails { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    pub(crate) fn fail_at(&self, call: &'static str) {
        self.0.lock().unwrap().fail = Some(call);
    }
}

pub(crate) const OFFERED: Features =
    Features::VERSION_1.union(Features::ACCESS_PLATFORM).union(Features::LOG_ALL);

impl Control for Recorder {
    fn features(&self) -> io::Result<Features> {
        self.call("features".into())?;
        Ok(OFFERED | self.0.lock().unwrap().more)
    }
    fn set_features(&mut self, features: Features) -> io::Result<()> {
        self.call(format!("set_features {:#x}", features.bits()))
    }
    fn status(&self) -> io::Result<Status> {
        self.call("status".into())?;
        let refuse = self.0.lock().unwrap().refuse_features;
        Ok(if refuse { Status::DRIVER } else { Status::DRIVER | Status::FEATURES_OK })
    }
    fn set_status(&mut self, status: Status) -> io::Result<()> {
        self.call(format!("set_status {}", status.bits()))
    }
    fn config_size(&self) -> io::Result<u32> {
        self.call("config_size".into()).map(|()| 12)
    }
    fn read_config(&self, offset: u32, data: &mut [u8]) -> io::Result<()> {
        self.call(format!("read_config {offset}+{}", data.len()))
    }
    fn write_config(&mut self, offset: u32, data: &[u8]) -> io::Result<()> {
        self.call(format!("write_config {offset}+{}", data.len()))
    }
    fn setup_vrings(&mut self, vrings: &[Vring<'_>]) -> Result<(), Failure> {
        for vring in vrings {
            self.call(format!("setup_vring {}", vring.queue))
                .map_err(Failure::on(Operation::SetVringAddr, vring.queue))?;
        }
        Ok(())
    }
    fn enable_vring(&mut self, queue: QueueIndex, enabled: bool) -> io::Result<()> {
        self.call(format!("enable_vring {queue} {enabled}"))
    }
    fn vring_base(&self, queue: QueueIndex) -> io::Result<VringBase> {
        self.call(format!("vring_base {queue}"))?;
        Ok(VringBase::from_raw(self.0.lock().unwrap().high_base << 16 | 0x8007))
    }
    fn set_call(&mut self, queue: QueueIndex, call: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.call(format!("set_call {queue} {}", call.is_some()))
    }
    fn set_error(&mut self, queue: QueueIndex, error: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.call(format!("set_error {queue} {}", error.is_some()))
    }
    fn set_config_call(&mut self, call: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.call(format!("set_config_call {}", call.is_some()))
    }
    fn kicker(&mut self, queue: QueueIndex, way: KickWay<'_>) -> Result<Kicker, Failure> {
        let KickWay::EventFd(given) = way else { panic!("{way:?} is no capability") };
        Ok(Kicker::eventfd(queue, given, |_| self.call(format!("set_kick {queue}")))?)
    }
    fn suspend(&mut self) -> io::Result<()> {
        self.call("suspend".into())
    }
    fn resume(&mut self) -> io::Result<()> {
        self.call("resume".into())
    }
    unsafe fn set_log_base(&mut self, base: Hva) -> io::Result<()> {
        self.call(format!("set_log_base {base}"))
    }
}

impl Dma for Recorder {
    unsafe fn map(&mut self, mapping: &DmaMapping) -> io::Result<()> {
        self.call(format!("map {}", mapping.range()))
    }
    fn unmap(&mut self, range: IovaRange) -> io::Result<()> {
        self.call(format!("unmap {range}"))
    }
    fn limits(&self) -> io::Result<DmaLimits> {
        Err(io::Error::from_raw_os_error(libc::ENOTTY))
    }
}

pub(crate) fn abilities() -> Capabilities {
    Capabilities::KICK_EVENTFD
        | Capabilities::SUSPEND
        | Capabilities::RESUME
        | Capabilities::DIRTY_LOG
        | Capabilities::VIRTIO_STATUS
}

pub(crate) fn device(capabilities: Capabilities) -> (Recorder, Box<dyn VhostAccel>) {
    let recorder = Recorder::default();
    let path = Arc::from(Path::new("/dev/vhost-mdev-9"));
    let info = DeviceInfo::new(Interface::VhostMdev, path, 1, 3, 256, capabilities);
    let device = Box::new(Device::new(info, recorder.clone(), recorder.clone()));
    (recorder, device)
}
