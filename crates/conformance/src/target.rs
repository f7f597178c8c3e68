//! What the suite runs on.

use std::cell::OnceCell;
use std::fmt;
use std::io::{self, Write};
use std::process::Command;
use std::time::Duration;

use vhost_accel_driver::core::{Capabilities, DeviceInfo, VhostAccel};
use vhost_accel_driver::{Config, NetDriver};

use crate::outcome::{Need, Stop};
use crate::random::frame;

type Open<'a> = dyn Fn() -> vhost_accel_driver::core::Result<Box<dyn VhostAccel>> + 'a;
type Client<'a> = dyn Fn() -> io::Result<Command> + 'a;
type Crossings<'a> = dyn Fn() -> u64 + 'a;

/// A virtio network device.
const NET: u32 = 1;
/// How long a device is given to show that it is a loopback.
const ANSWER: Duration = Duration::from_secs(2);

/// A device under test: something that can be opened, one client at a time.
pub struct Target<'a> {
    open: &'a Open<'a>,
    client: Option<&'a Client<'a>>,
    crossings: Option<&'a Crossings<'a>>,
    info: OnceCell<DeviceInfo>,
    loopback: OnceCell<bool>,
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("info", &self.info).finish_non_exhaustive()
    }
}

impl<'a> Target<'a> {
    /// The device that `open` opens.
    pub fn new(open: &'a Open<'a>) -> Self {
        Self {
            open,
            client: None,
            crossings: None,
            info: OnceCell::new(),
            loopback: OnceCell::new(),
        }
    }

    /// The same, with a command that opens the device and [holds](hold) it until it is killed. It
    /// must meet the same kernel half as this process does.
    #[must_use]
    pub fn with_client(mut self, client: &'a Client<'a>) -> Self {
        self.client = Some(client);
        self
    }

    /// The same, with the number of crossings that this process has made to the kernel half: with
    /// it cases assert that a refusal made none.
    #[must_use]
    pub fn with_crossings(mut self, crossings: &'a Crossings<'a>) -> Self {
        self.crossings = Some(crossings);
        self
    }

    /// Opens the device, and leaves what is wrong with that to the caller.
    pub(crate) fn try_open(&self) -> vhost_accel_driver::core::Result<Box<dyn VhostAccel>> {
        (self.open)()
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Result<Box<dyn VhostAccel>, Stop> {
        Ok(self.try_open()?)
    }

    pub(crate) fn client(&self) -> Result<Command, Stop> {
        match self.client {
            Some(client) => Ok(client()?),
            None => Err(Stop::NotApplicable(Need::Client)),
        }
    }

    /// Crossings so far, where they are counted.
    pub(crate) fn crossings(&self) -> Option<u64> {
        self.crossings.map(|crossings| crossings())
    }

    /// What the device says about itself.
    pub(crate) fn info(&self) -> Result<&DeviceInfo, Stop> {
        if let Some(info) = self.info.get() {
            return Ok(info);
        }
        let info = self.open()?.info().clone();
        Ok(self.info.get_or_init(|| info))
    }

    pub(crate) fn has(&self, capabilities: Capabilities) -> Result<bool, Stop> {
        Ok(self.info()?.capabilities.contains(capabilities))
    }

    pub(crate) fn need(&self, capabilities: Capabilities) -> Result<(), Stop> {
        let missing = capabilities - self.info()?.capabilities;
        if missing.is_empty() {
            return Ok(());
        }
        Err(Stop::NotApplicable(Need::Capabilities(missing)))
    }

    /// Pairs that the device has.
    pub(crate) fn pairs(&self) -> Result<u16, Stop> {
        Ok(self.info()?.queue_count / 2)
    }

    pub(crate) fn need_pairs(&self, pairs: u16) -> Result<(), Stop> {
        if self.pairs()? >= pairs {
            return Ok(());
        }
        Err(Stop::NotApplicable(Need::Pairs(pairs)))
    }

    /// Goes on only with a device that gives frames back, found out by sending one.
    pub(crate) fn need_loopback(&self) -> Result<(), Stop> {
        let loopback = match self.loopback.get() {
            Some(&known) => known,
            None => {
                let found = self.sends_back()?;
                *self.loopback.get_or_init(|| found)
            }
        };
        if loopback { Ok(()) } else { Err(Stop::NotApplicable(Need::Loopback)) }
    }

    fn sends_back(&self) -> Result<bool, Stop> {
        let info = self.info()?;
        if info.device_id != NET || info.queue_count < 2 {
            return Ok(false);
        }
        let sent = frame(0, 60);
        let queue_size = info.max_queue_size.min(16);
        let mut driver = NetDriver::open(self.open()?, Config { queue_size, ..Config::default() })?;
        let mut back = false;
        // What a device of another kind makes of this is its own affair.
        let tried = driver.run().and_then(|()| driver.send(0, &[&sent]));
        if tried.is_ok() && matches!(driver.wait(0, ANSWER), Ok(true)) {
            let taken = driver.receive(0, |frame| back |= frame == sent);
            back &= taken.is_ok();
        }
        Ok(back)
    }

    /// A driver on the loopback device, nothing set up yet.
    #[track_caller]
    pub(crate) fn driver(&self, config: Config) -> Result<NetDriver, Stop> {
        self.need_pairs(config.pairs)?;
        self.need_loopback()?;
        Ok(NetDriver::open(self.open()?, config)?)
    }

    /// A driver on the loopback device, everything running.
    #[track_caller]
    pub(crate) fn running(&self, config: Config) -> Result<NetDriver, Stop> {
        let mut driver = self.driver(config)?;
        driver.run()?;
        Ok(driver)
    }
}

/// What a client process does: it runs the device, writes a line to its standard output, and keeps
/// the device until it is killed.
///
/// # Errors
/// Those of the driver and of write(2), before the line is written.
pub fn hold(device: Box<dyn VhostAccel>) -> Result<std::convert::Infallible, Stop> {
    let mut driver = NetDriver::open(device, Config { queue_size: 16, ..Config::default() })?;
    driver.run()?;
    let mut out = io::stdout().lock();
    writeln!(out, "holding")?;
    out.flush()?;
    loop {
        std::thread::park();
    }
}
