//! What a crossing costs: `cargo test --release -p vhost-accel-emulator --test figures -- --ignored
//! --nocapture`, on a machine that does nothing else.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]
#![expect(unsafe_code, reason = "tests make the system calls bare, as a client does")]

use std::{
    fs::{File, OpenOptions},
    os::fd::AsRawFd,
    time::Instant,
};

use vhost_accel_emulator::EmulatedKernel;
use vhost_accel_uapi::{
    ioc,
    vfio::GET_API_VERSION,
    vhost::{self, GET_BACKEND_FEATURES, SET_BACKEND_FEATURES, SET_VRING_BASE, VringState},
};

const CALLS: u32 = 20_000;
const ROUNDS: usize = 15;

fn open(path: &str) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn ioctl<T>(file: &File, request: u32, arg: &mut T) -> i32 {
    // SAFETY: the argument is what the request takes.
    unsafe { libc::ioctl(file.as_raw_fd(), request.into(), &raw mut *arg) }
}

/// Nanoseconds per call.
fn time(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A notification, and nothing else: a system call that is trapped for its count alone.
fn notification() -> f64 {
    let kernel = EmulatedKernel::builder().count_everything(true).build().unwrap();
    let rounds = kernel.run(|| {
        (0..ROUNDS)
            .map(|_| {
                time(|| {
                    // SAFETY: takes nothing and always succeeds.
                    unsafe { libc::geteuid() };
                })
            })
            .collect()
    });
    median(rounds.unwrap())
}

#[test]
#[ignore = "a figure, for an otherwise idle machine"]
fn a_crossing_with_its_argument_costs_at_most_1_6_bare_ones() {
    let kernel = EmulatedKernel::builder().build().unwrap();
    let figures = kernel
        .run(|| {
            let (container, device) = (open("/dev/vfio/vfio"), open("/dev/vhost-vdpa-0"));
            assert_eq!(ioctl(&device, vhost::SET_OWNER, &mut ()), 0);
            let null = open("/dev/null");
            let mut state = VringState { index: 0, num: 5 };
            let mut features = 0_u64;
            type Call<'a> = (&'static str, Box<dyn FnMut() + 'a>);
            let mut calls: [Call<'_>; 5] = [
                (
                    "not trapped",
                    Box::new(|| {
                        ioctl(&null, ioc::io(0, 0), &mut ());
                    }),
                ),
                (
                    "bare: answered without touching anything",
                    Box::new(|| {
                        assert_eq!(ioctl(&container, GET_API_VERSION, &mut ()), 0);
                    }),
                ),
                (
                    "8 bytes copied in: SET_VRING_BASE",
                    Box::new(|| {
                        assert_eq!(ioctl(&device, SET_VRING_BASE, &mut state), 0);
                    }),
                ),
                (
                    "8 bytes copied out: GET_BACKEND_FEATURES",
                    Box::new(|| {
                        assert_eq!(ioctl(&device, GET_BACKEND_FEATURES, &mut features), 0);
                    }),
                ),
                (
                    "8 bytes copied in: SET_BACKEND_FEATURES",
                    Box::new(|| {
                        assert_eq!(ioctl(&device, SET_BACKEND_FEATURES, &mut { 0x3e_u64 }), 0);
                    }),
                ),
            ];
            let mut samples = vec![Vec::new(); calls.len()];
            for _ in 0..ROUNDS {
                for ((_, call), samples) in calls.iter_mut().zip(&mut samples) {
                    samples.push(time(call));
                }
            }
            let names = calls.iter().map(|(name, _)| *name);
            names.zip(samples.into_iter().map(median)).collect::<Vec<_>>()
        })
        .unwrap();
    let bare = figures[1].1;
    println!("{:>8.0} ns          a notification, and nothing else", notification());
    for (name, ns) in &figures {
        println!("{ns:>8.0} ns  {:>5.2} x  {name}", ns / bare);
    }
    for (name, ns) in &figures[2..] {
        assert!(*ns <= 1.6 * bare, "{name}: {:.2} bare crossings", ns / bare);
    }
}
