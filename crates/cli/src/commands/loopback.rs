//! `loopback URI`: frames through the device and back, each one verified.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use vhost_accel::{KickKind, VhostAccel, open_uri};
use vhost_accel_bench::signals;
use vhost_accel_bench::terminal::note;
use vhost_accel_conformance::driver::{Config, HEADER, NetDriver};

use crate::args::Loopback;
use crate::capture::Capture;
use crate::error::CliError;
use crate::frames::Frames;
use crate::progress::Progress;
use crate::{output, target};

/// A device that gives nothing back for this long has lost what it was sent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Latencies are kept to three digits, up to a minute.
const MOST_NANOSECONDS: u64 = 60_000_000_000;

/// What was measured.
struct Outcome {
    kick: KickKind,
    elapsed: Duration,
    bytes: u64,
    latency: Histogram<u64>,
}

pub(crate) fn run(args: &Loopback) -> Result<ExitCode, CliError> {
    let frames = match &args.pcap {
        Some(path) => Frames::read(path)?,
        None => Frames::generated(args.frames, args.size as usize),
    };
    // A capture that is not finished goes with the process.
    signals::watch(|_| false).map_err(CliError::Signal)?;
    let mut capture = args.out.as_deref().map(Capture::create).transpose()?;
    let silent = capture.as_ref().is_some_and(Capture::is_stdout);
    let outcome = target::on_kernel(&args.device.kernel, || {
        send_all(open_uri(&args.device.uri)?, args, &frames, capture.as_mut())
    })?;
    if let Some(capture) = capture {
        capture.finish()?;
    }
    let report = report(args, &frames, &outcome);
    if silent {
        note(report);
    } else {
        output::line(report)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The outcome in words.
fn report(args: &Loopback, frames: &Frames, outcome: &Outcome) -> String {
    let seconds = outcome.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let micro = |nanoseconds: u64| nanoseconds as f64 / 1e3;
    let latency = &outcome.latency;
    format!(
        "{} frames on {} pairs came back intact and in order ({}, kicked by {})\n\
         rate     {:.0} frames/s, {:.3} Gbit/s\n\
         latency  p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us, most {:.1} us, {} in flight",
        frames.len(),
        args.pairs,
        args.device.uri,
        outcome.kick,
        frames.len() as f64 / seconds,
        outcome.bytes as f64 * 8.0 / seconds / 1e9,
        micro(latency.value_at_quantile(0.5)),
        micro(latency.value_at_quantile(0.99)),
        micro(latency.value_at_quantile(0.999)),
        micro(latency.max()),
        args.window
    )
}

/// What is on its way on one pair: frame numbers are the pair's own, 0, 1, 2…
struct Flight {
    pair: u16,
    total: u64,
    sent: u64,
    back: u64,
    departures: Vec<Instant>,
}

fn send_all(
    device: Box<dyn VhostAccel>,
    args: &Loopback,
    frames: &Frames,
    mut capture: Option<&mut Capture>,
) -> Result<Outcome, CliError> {
    let has = device.info().queue_count / 2;
    if args.pairs > has {
        let uri = args.device.uri.to_string();
        return Err(CliError::Pairs { uri, wanted: args.pairs, has });
    }
    let config = Config {
        kick: args.kick.map(KickKind::from),
        tx_buffer: (HEADER + frames.longest()).next_multiple_of(64),
        ..Config::pairs(args.pairs)
    };
    let mut driver = NetDriver::open(device, config)?;
    driver.run()?;
    let kick = driver.tx(0).kicker()?.kind();

    let started = Instant::now();
    let mut progress = Progress::new(frames.len(), "frames");
    // Three digits and a fixed range are within what a histogram can be.
    let Ok(mut latency) = Histogram::new_with_bounds(1, MOST_NANOSECONDS, 3) else {
        return Err(CliError::Histogram);
    };
    let pairs = u64::from(args.pairs);
    let mut flights: Vec<Flight> = (0..args.pairs)
        .map(|pair| Flight {
            pair,
            total: (frames.len() + pairs - 1 - u64::from(pair)) / pairs,
            sent: 0,
            back: 0,
            departures: vec![started; usize::from(args.window)],
        })
        .collect();
    let (mut bytes, mut frame, mut last) = (0, Vec::new(), started);
    loop {
        let mut moved = false;
        for flight in &mut flights {
            moved |= flight.send(&mut driver, frames, pairs, &mut frame)?;
            let mut arrived = |frame: &[u8]| {
                bytes += frame.len() as u64;
                capture.as_mut().map_or(Ok(()), |capture| capture.write(frame))
            };
            moved |= flight.receive(&mut driver, frames, pairs, &mut latency, &mut arrived)?;
        }
        let back: u64 = flights.iter().map(|flight| flight.back).sum();
        progress.at(back, String::new);
        if back == frames.len() {
            let elapsed = started.elapsed();
            return Ok(Outcome { kick, elapsed, bytes, latency });
        }
        if moved {
            last = Instant::now();
            continue;
        }
        if last.elapsed() > PATIENCE {
            let (sent, seconds) = (flights.iter().map(|one| one.sent).sum(), PATIENCE.as_secs());
            return Err(CliError::Lost { lost: sent - back, sent, seconds });
        }
        if let Some(waiting) = flights.iter().find(|flight| flight.back < flight.sent) {
            driver.wait(waiting.pair, Duration::from_millis(10))?;
        }
    }
}

impl Flight {
    /// The number among all frames of this pair's frame `own`.
    fn number(&self, own: u64, pairs: u64) -> u64 {
        own * pairs + u64::from(self.pair)
    }

    /// Sends what the window has room for; whether anything went.
    fn send(
        &mut self,
        driver: &mut NetDriver,
        frames: &Frames,
        pairs: u64,
        frame: &mut Vec<u8>,
    ) -> Result<bool, CliError> {
        let window = self.departures.len() as u64;
        let before = self.sent;
        while self.sent < self.total && self.sent - self.back < window {
            frames.get(self.number(self.sent, pairs), frame);
            self.departures[(self.sent % window) as usize] = Instant::now();
            if driver.queue_frames(self.pair, &[frame])? == 0 {
                break;
            }
            self.sent += 1;
        }
        if self.sent == before {
            return Ok(false);
        }
        driver.tx(self.pair).publish_and_kick()?;
        Ok(true)
    }

    /// Takes what has come back and compares it; whether anything came.
    fn receive(
        &mut self,
        driver: &mut NetDriver,
        frames: &Frames,
        pairs: u64,
        latency: &mut Histogram<u64>,
        arrived: &mut dyn FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<bool, CliError> {
        let (now, window) = (Instant::now(), self.departures.len() as u64);
        let (mut result, mut expected) = (Ok(()), Vec::new());
        let count = driver.receive(self.pair, |frame| {
            let number = self.number(self.back, pairs);
            frames.get(number, &mut expected);
            if result.is_ok() && frame != expected {
                result = Err(CliError::Changed { number, pair: self.pair });
            } else if result.is_ok() {
                result = arrived(frame);
            }
            let taken = now.duration_since(self.departures[(self.back % window) as usize]);
            latency.saturating_record(u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX));
            self.back += 1;
        })?;
        result.map(|()| count > 0)
    }
}
