//! The order of calls: a mistake is an error, costs no crossing and changes nothing.

use vhost_accel_driver::core::{
    Capabilities, Error, Invalid, Operation, Phase, QueueIndex, Reason, VhostAccel, VringBase,
};
use vhost_accel_driver::{DirtyLog, NetDriver};

use super::small;
use crate::case::Case;
use crate::check::{echoes, equal, fails, out_of_order};
use crate::outcome::Stop;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("order::nothing_starts_before_negotiation", before_negotiation),
    Case::new("order::a_start_needs_a_vring", a_start_needs_a_vring),
    Case::new("order::a_running_device_refuses_setup", a_running_device_refuses_setup),
    Case::new("order::a_vring_is_set_up_before_it_is_enabled", enable_needs_setup),
    Case::new("order::suspend_and_resume_take_turns", suspend_and_resume_take_turns)
        .needing(Capabilities::SUSPEND)
        .needing(Capabilities::RESUME),
    Case::new("order::a_dirty_log_needs_negotiation", a_dirty_log_needs_negotiation)
        .needing(Capabilities::DIRTY_LOG),
];

/// Makes a mistake, which must not reach the kernel.
#[track_caller]
fn mistake<T>(
    target: &Target<'_>,
    driver: &mut NetDriver,
    operation: Operation,
    phase: Phase,
    call: impl FnOnce(&mut dyn VhostAccel) -> Result<T, Error>,
) -> Result<(), Stop> {
    let before = target.crossings();
    let result = call(driver.device());
    equal("crossings of a mistake", target.crossings(), before)?;
    out_of_order(operation, result, phase)
}

fn open(target: &Target<'_>) -> Result<NetDriver, Stop> {
    Ok(NetDriver::open(target.open()?, small())?)
}

fn start(device: &mut dyn VhostAccel) -> Result<(), Error> {
    device.start()
}

/// The receive queue of the first pair.
const RX: QueueIndex = QueueIndex(0);

fn before_negotiation(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = open(target)?;
    let fresh = Phase::Fresh;
    // The guest of a second driver, so that its vring can be set up on the device of the first.
    let mut other = vhost_accel_driver::Guest::new(small(), target.info()?.queue_count)?;
    let vring = other.rx(0).vring();
    mistake(target, &mut driver, Operation::SetupVring, fresh, |device| {
        device.setup_vring(&vring)
    })?;
    mistake(target, &mut driver, Operation::Start, fresh, start)?;
    driver.map()?;
    driver.negotiate()?;
    driver.setup_queues()?;
    equal("the base of a vring", driver.device().vring_base(RX)?, VringBase::SPLIT_START)
}

fn a_start_needs_a_vring(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = open(target)?;
    driver.map()?;
    driver.negotiate()?;
    let before = target.crossings();
    let error = fails("a start without a vring", driver.device().start())?;
    equal("crossings of a mistake", target.crossings(), before)?;
    equal("the operation", error.operation(), Operation::Start)?;
    equal("the reason", error.reason().to_string(), Reason::NoVrings.to_string())?;
    driver.setup_queues()?;
    Ok(driver.start()?)
}

fn a_running_device_refuses_setup(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let mut other = vhost_accel_driver::Guest::new(small(), target.info()?.queue_count)?;
    let vring = other.rx(0).vring();
    let phase = Phase::Running;
    mistake(target, &mut driver, Operation::SetupVring, phase, |device| {
        device.setup_vring(&vring)
    })?;
    mistake(target, &mut driver, Operation::Start, phase, start)?;
    echoes(&mut driver, 0, &[0x33; 60])
}

fn enable_needs_setup(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = open(target)?;
    driver.negotiate()?;
    let before = target.crossings();
    let error = fails("enabling what isn't set up", driver.device().enable_vring(RX, true))?;
    equal("crossings of a mistake", target.crossings(), before)?;
    equal("the operation", error.operation(), Operation::EnableVring)?;
    equal("the reason", error.reason().to_string(), Invalid::NotSetUp.to_string())
}

fn suspend_and_resume_take_turns(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.driver(small())?;
    let suspend = |device: &mut dyn VhostAccel| device.suspend();
    let resume = |device: &mut dyn VhostAccel| device.resume();
    let (stop, go) = (Operation::Suspend, Operation::Resume);
    mistake(target, &mut driver, stop, Phase::Fresh, suspend)?;
    mistake(target, &mut driver, go, Phase::Fresh, resume)?;
    driver.setup()?;
    mistake(target, &mut driver, stop, Phase::Negotiated, suspend)?;
    driver.start()?;
    mistake(target, &mut driver, go, Phase::Running, resume)?;
    driver.device().suspend()?;
    mistake(target, &mut driver, stop, Phase::Suspended, suspend)?;
    mistake(target, &mut driver, Operation::Start, Phase::Suspended, start)?;
    driver.device().resume()?;
    echoes(&mut driver, 0, &[0x44; 60])
}

fn a_dirty_log_needs_negotiation(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = open(target)?;
    let log = DirtyLog::new()?;
    let before = target.crossings();
    let set = driver.machine().log(Some(&log));
    equal("crossings of a mistake", target.crossings(), before)?;
    out_of_order(Operation::SetDirtyLog, set, Phase::Fresh)
}
