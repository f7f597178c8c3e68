//! One client at a time, and nothing of it stays behind.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Instant;

use vhost_accel_driver::NetDriver;
use vhost_accel_driver::core::{Capabilities, Status};

use super::small;
use crate::case::Case;
use crate::check::{LIMIT, echoes, equal, holds, quiet, refused, same};
use crate::outcome::Stop;
use crate::random::frame;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("exclusive::a_second_open_is_busy", a_second_open_is_busy),
    Case::new("exclusive::it_opens_again_after_a_close", opens_again_after_a_close),
    Case::new("exclusive::a_close_stops_the_device", a_close_stops_the_device),
    Case::new("exclusive::it_opens_again_after_a_client_was_killed", opens_again_after_a_kill),
];

// ABI-MDEV-2, ABI-VDPA-1
fn a_second_open_is_busy(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    for _ in 0..3 {
        refused("a second open", target.try_open(), libc::EBUSY)?;
        // The first is none the worse for it.
        echoes(&mut driver, 0, &frame(1, 100))?;
    }
    drop(driver);
    target.open().map(drop)
}

fn is_fresh(driver: &mut NetDriver) -> Result<(), Stop> {
    equal("negotiated", driver.device().negotiated(), None)?;
    if driver.device().info().capabilities.contains(Capabilities::VIRTIO_STATUS) {
        equal("the status", driver.device().status()?, Status::empty())?;
    }
    Ok(())
}

// ABI-MDEV-3, ABI-VDPA-2, ABI-VDPA-3
fn opens_again_after_a_close(target: &Target<'_>) -> Result<(), Stop> {
    for seed in 0..10 {
        let mut driver = target.driver(small())?;
        is_fresh(&mut driver)?;
        // Mapping the same again works: nothing is left of the client before.
        driver.run()?;
        echoes(&mut driver, 0, &frame(seed, 100))?;
    }
    Ok(())
}

fn a_close_stops_the_device(target: &Target<'_>) -> Result<(), Stop> {
    let mut driver = target.running(small())?;
    let sent = frame(1, 1500);
    driver.send(0, &[&sent[..]; 16])?;
    let guest = driver.close();
    let regions: Vec<_> = guest.leases().iter().map(|lease| lease.region().clone()).collect();
    let before: Vec<_> = regions.iter().map(|region| region.bytes(0, region.len())).collect();
    quiet();
    for (region, before) in regions.iter().zip(&before) {
        same("memory after a close", &region.bytes(0, region.len()), before)?;
    }
    Ok(())
}

/// Kills what is left of a client when a case ends early.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn opens_again_after_a_kill(target: &Target<'_>) -> Result<(), Stop> {
    target.need_loopback()?;
    let mut command = target.client()?;
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    for seed in 0..3 {
        let mut client = Killed(command.spawn()?);
        let mut line = String::new();
        if let Some(out) = client.0.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        equal("what the client says", line.trim(), "holding")?;
        refused("an open while the client lives", target.try_open(), libc::EBUSY)?;
        client.0.kill()?;
        let status = client.0.wait()?;
        holds("the client was killed", status.code().is_none())?;

        // The kernel half may hear of it a little later.
        let end = Instant::now() + LIMIT;
        let device = loop {
            match target.try_open() {
                Err(error) if error.errno() == Some(libc::EBUSY) && Instant::now() < end => {
                    std::thread::yield_now();
                }
                opened => break opened?,
            }
        };
        let mut driver = NetDriver::open(device, small())?;
        is_fresh(&mut driver)?;
        driver.run()?;
        echoes(&mut driver, 0, &frame(seed, 100))?;
    }
    Ok(())
}
