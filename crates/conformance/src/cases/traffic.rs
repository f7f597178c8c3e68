//! A lot of traffic.

use std::time::Instant;
use vhost_accel_driver::{Config, NetDriver};

use crate::case::Case;
use crate::check::{LIMIT, equal, healthy, holds, same};
use crate::outcome::Stop;
use crate::random::Random;
use crate::target::Target;

pub(super) const CASES: &[Case] = &[
    Case::new("traffic::one_hundred_thousand_random_frames", random_frames).on_pairs(4),
    Case::new("traffic::small_rings_and_small_frames", small_rings).on_pairs(4),
];

/// A stream of frames: its content follows from its seed, so that sender and receiver agree on it
/// without keeping it.
struct Stream<'a> {
    random: Random,
    noise: &'a [u8],
    lengths: (usize, usize),
    number: u64,
    frame: Vec<u8>,
}

impl<'a> Stream<'a> {
    fn new(seed: u64, noise: &'a [u8], lengths: (usize, usize)) -> Self {
        let frame = Vec::with_capacity(lengths.1);
        Self { random: Random::new(seed), noise, lengths, number: 0, frame }
    }

    /// The next frame: its number, and noise from some place on.
    fn next(&mut self) -> &[u8] {
        let len = self.random.between(self.lengths.0, self.lengths.1);
        let start = self.random.between(0, self.noise.len() - len);
        self.frame.clear();
        self.frame.extend_from_slice(&self.noise[start..start + len]);
        self.frame[..8].copy_from_slice(&self.number.to_le_bytes());
        self.number += 1;
        &self.frame
    }
}

/// Frames on every pair at once, each pair's back intact and in order.
// ABI-NET-1
fn exchange(
    driver: &mut NetDriver,
    pairs: u16,
    per_pair: u64,
    lengths: (usize, usize),
) -> Result<(), Stop> {
    let mut noise = vec![0; 1 << 16];
    Random::new(1).fill(&mut noise);
    let stream = |pair: u16| Stream::new(1000 + u64::from(pair), &noise, lengths);
    let mut senders: Vec<_> = (0..pairs).map(stream).collect();
    let mut receivers: Vec<_> = (0..pairs).map(stream).collect();
    let mut waiting = vec![false; usize::from(pairs)];
    let mut progress = Instant::now();
    while receivers.iter().any(|stream| stream.number < per_pair) {
        let mut moved = 0;
        for pair in 0..pairs {
            let index = usize::from(pair);
            let (sender, receiver) = (&mut senders[index], &mut receivers[index]);
            let mut queued = 0;
            while queued < 32 {
                // A frame for which there was no room is sent before a new one is made.
                let frame = match waiting[index] {
                    true => &sender.frame,
                    false if sender.number < per_pair => sender.next(),
                    false => break,
                };
                let taken = driver.queue_frames(pair, &[frame])?;
                waiting[index] = taken == 0;
                if taken == 0 {
                    break;
                }
                queued += 1;
            }
            if queued > 0 {
                driver.tx(pair).publish_and_kick()?;
            }
            let mut wrong = Ok(());
            let got = driver.receive(pair, |frame| {
                if wrong.is_ok() {
                    wrong = same("a frame", frame, receiver.next());
                }
            })?;
            wrong?;
            moved += queued + got;
        }
        if moved > 0 {
            progress = Instant::now();
            continue;
        }
        holds("traffic goes on", progress.elapsed() < LIMIT)?;
        // A pair with a frame on its way; a frame that waits for room is not.
        let on_their_way = |pair: &u16| {
            let index = usize::from(*pair);
            senders[index].number - u64::from(waiting[index]) > receivers[index].number
        };
        match (0..pairs).find(on_their_way) {
            Some(pair) => drop(driver.wait(pair, LIMIT)?),
            None => std::thread::yield_now(),
        }
    }
    for pair in 0..pairs {
        equal("frames of a pair", receivers[usize::from(pair)].number, per_pair)?;
        equal("frames left over", driver.receive(pair, |_| ())?, 0)?;
    }
    healthy(driver)
}

fn random_frames(target: &Target<'_>) -> Result<(), Stop> {
    let pairs = target.pairs()?.min(4);
    let config =
        Config { pairs, segments: 3, tx_buffer: 9216, rx_buffer: 2048, ..Config::default() };
    let mut driver = target.running(config)?;
    exchange(&mut driver, pairs, 100_000 / u64::from(pairs), (60, 9000))
}

/// Direct chains over rings that wrap all the time, without event index.
fn small_rings(target: &Target<'_>) -> Result<(), Stop> {
    let pairs = target.pairs()?.min(4);
    let config = Config {
        pairs,
        queue_size: 8,
        base: 65000,
        features: Config::CTRL_VQ | Config::MQ,
        tx_buffer: 256,
        rx_buffer: 256,
        ..Config::default()
    };
    let mut driver = target.running(config)?;
    exchange(&mut driver, pairs, 2500, (8, 244))
}
