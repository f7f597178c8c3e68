//! Expectations, and failures that say where they were not met.

use std::fmt;
use std::time::{Duration, Instant};

use vhost_accel_driver::core::{Error, Operation, Phase, Reason, Status};
use vhost_accel_driver::{Event, NetDriver};

use crate::outcome::{Cause, Failure, Stop};

/// What has to happen happens within this.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);
/// What must not happen is given this long to.
pub(crate) const QUIET: Duration = Duration::from_millis(15);

/// Two values that are to be equal.
#[track_caller]
pub(crate) fn equal<T: PartialEq<U> + fmt::Debug, U: fmt::Debug>(
    what: &'static str,
    got: T,
    want: U,
) -> Result<(), Stop> {
    if got == want {
        return Ok(());
    }
    let (got, want) = (format!("{got:x?}").into(), format!("{want:x?}").into());
    Err(Failure::stop(Cause::Differs { what, got, want }))
}

/// Something that is to be so.
#[track_caller]
pub(crate) fn holds(what: &'static str, so: bool) -> Result<(), Stop> {
    if so { Ok(()) } else { Err(Failure::stop(Cause::Untrue(what))) }
}

/// A call that is to fail: its error.
#[track_caller]
pub(crate) fn fails<T>(what: &'static str, result: Result<T, Error>) -> Result<Error, Stop> {
    match result {
        Ok(_) => Err(Failure::stop(Cause::Differs {
            what,
            got: "success".into(),
            want: "an error".into(),
        })),
        Err(error) => Ok(error),
    }
}

/// A call that the kernel is to refuse with `errno`.
#[track_caller]
pub(crate) fn refused<T>(
    what: &'static str,
    result: Result<T, Error>,
    errno: i32,
) -> Result<Error, Stop> {
    let error = fails(what, result)?;
    equal(what, error.errno(), Some(errno))?;
    Ok(error)
}

/// A call that is out of order: refused without asking the kernel.
#[track_caller]
pub(crate) fn out_of_order<T>(
    operation: Operation,
    result: Result<T, Error>,
    phase: Phase,
) -> Result<(), Stop> {
    let error = fails("a call out of order", result)?;
    equal("the operation of the error", error.operation(), operation)?;
    match error.reason() {
        Reason::State(got) => equal("the phase of the error", *got, phase),
        reason => equal("the reason", reason.to_string(), Reason::State(phase).to_string()),
    }
}

/// Looks until `so` holds.
#[track_caller]
pub(crate) fn eventually(what: &'static str, mut so: impl FnMut() -> bool) -> Result<(), Stop> {
    let end = Instant::now() + LIMIT;
    while !so() {
        if Instant::now() > end {
            return Err(Failure::stop(Cause::Untrue(what)));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// An eventfd that is to be signalled.
#[track_caller]
pub(crate) fn signalled(what: &'static str, event: &Event) -> Result<(), Stop> {
    let count = event.wait(LIMIT)?;
    holds(what, count > 0)
}

/// An eventfd that is not to be signalled.
#[track_caller]
pub(crate) fn silent(what: &'static str, event: &Event) -> Result<(), Stop> {
    equal(what, event.wait(QUIET)?, 0)
}

/// Gives the device time to do what it must not.
pub(crate) fn quiet() {
    std::thread::sleep(QUIET);
}

/// A vring that is to stop: the config-change event comes, and the status says so.
#[track_caller]
pub(crate) fn faulted(driver: &mut NetDriver, config: &Event) -> Result<(), Stop> {
    signalled("the config-change event after a fault", config)?;
    let status = driver.device().status()?;
    holds("NEEDS_RESET after a fault", status.contains(Status::NEEDS_RESET))
}

/// A device on which no vring has stopped.
#[track_caller]
pub(crate) fn healthy(driver: &mut NetDriver) -> Result<(), Stop> {
    let status = driver.device().status()?;
    holds("no NEEDS_RESET", !status.contains(Status::NEEDS_RESET))
}

/// A frame that is to come back on its pair, as it was sent.
#[track_caller]
pub(crate) fn echoes(driver: &mut NetDriver, pair: u16, frame: &[u8]) -> Result<(), Stop> {
    sends(driver, pair, frame)?;
    arrives(driver, pair, frame)
}

/// A frame that the transmit queue is to take, once the device has made room.
#[track_caller]
pub(crate) fn sends(driver: &mut NetDriver, pair: u16, frame: &[u8]) -> Result<(), Stop> {
    let end = Instant::now() + LIMIT;
    while driver.send(pair, &[frame])? == 0 {
        if Instant::now() > end {
            return Err(Failure::stop(Cause::Untrue("room in the transmit queue")));
        }
        std::thread::yield_now();
    }
    Ok(())
}

/// Frames that are to come back on their pair, all and in order, as many at a time as there is room
/// for.
#[track_caller]
pub(crate) fn all_echo(driver: &mut NetDriver, pair: u16, frames: &[Vec<u8>]) -> Result<(), Stop> {
    let all: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let mut got: Vec<Vec<u8>> = Vec::with_capacity(frames.len());
    let (mut sent, mut end) = (0, Instant::now() + LIMIT);
    while got.len() < all.len() {
        let before = (sent, got.len());
        sent += driver.send(pair, &all[sent..])?;
        if got.len() < sent {
            driver.wait(pair, LIMIT)?;
            driver.receive(pair, |frame| got.push(frame.to_vec()))?;
        }
        if before != (sent, got.len()) {
            end = Instant::now() + LIMIT;
        } else if Instant::now() > end {
            return Err(Failure::stop(Cause::Untrue("frames go on arriving")));
        }
    }
    for (got, want) in got.iter().zip(frames) {
        same("the frame that arrived", got, want)?;
    }
    equal("frames that arrived", got.len(), frames.len())
}

/// A frame that is the next to arrive on a pair.
#[track_caller]
pub(crate) fn arrives(driver: &mut NetDriver, pair: u16, frame: &[u8]) -> Result<(), Stop> {
    holds("a frame arrives", driver.wait(pair, LIMIT)?)?;
    received(driver, pair, &[frame])
}

/// Frames that are to be all that has arrived on a pair, in this order.
#[track_caller]
pub(crate) fn received(driver: &mut NetDriver, pair: u16, frames: &[&[u8]]) -> Result<(), Stop> {
    let mut got = Vec::new();
    driver.receive(pair, |frame| got.push(frame.to_vec()))?;
    equal("frames that arrived", got.len(), frames.len())?;
    for (got, want) in got.iter().zip(frames) {
        same("the frame that arrived", got, want)?;
    }
    Ok(())
}

/// Bytes that are to be the same.
#[track_caller]
pub(crate) fn same(what: &'static str, got: &[u8], want: &[u8]) -> Result<(), Stop> {
    if got == want {
        return Ok(());
    }
    // Where they part says more than all of both.
    let at = got.iter().zip(want).take_while(|(a, b)| a == b).count();
    let show = |bytes: &[u8]| {
        let end = bytes.len().min(at + 16);
        format!("{} bytes, {:02x?} at {at}", bytes.len(), &bytes[at..end]).into()
    };
    let (got, want) = (show(got), show(want));
    Err(Failure::stop(Cause::Differs { what, got, want }))
}

/// Memory that is to hold nothing but `byte`.
#[track_caller]
pub(crate) fn untouched(what: &'static str, bytes: &[u8], byte: u8) -> Result<(), Stop> {
    let at = bytes.iter().position(|&other| other != byte);
    equal(what, at, None::<usize>)
}
