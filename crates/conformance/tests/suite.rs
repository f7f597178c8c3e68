//! Every case on every variant of every interface, each a named test:
//! `vhost-vdpa::dma::overlap_is_refused`.
//!
//! The kernel half is the emulated one, a new one for each test. With `VHOST_ACCEL_URIS` set to
//! URIs (`vhost-vdpa:/dev/vhost-vdpa-0 …`) it is that of this machine, and the tests have the same
//! names.
//!
//! A case that is not applicable is shown as ignored with its reason. On the emulated kernel the
//! pairs of case and variant for which that may be are written down below, with the reason; any
//! other, or one of them that runs after all, is a failure.

#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../examples/fifth_backend/backend.rs"]
mod fifth_backend;

use std::io;
use std::process::{Command, ExitCode};
use std::sync::{PoisonError, RwLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use vhost_accel::{Interface, OpenError, Uri, VhostAccel};
use vhost_accel_conformance::{Case, Outcome, Target, cases, hold};
use vhost_accel_emulator::{Ability, Builder, DeviceKind, EmulatedKernel, probe};

/// A URI whose device the process is to hold until it is killed.
const HOLD: &str = "VHOST_ACCEL_HOLD";
/// Devices of this machine to run on, in place of the emulated kernel's.
const URIS: &str = "VHOST_ACCEL_URIS";

/// The variants, as the tests name them. The last is the example of `docs/writing-a-backend.md`.
const VARIANTS: [&str; 7] = [
    "vfio-msg",
    "vfio-msg?batch=off",
    "vfio-ioctl",
    "vhost-mdev",
    "vhost-mdev?dma=mem-table",
    "vhost-vdpa",
    "vhost-vdpa?iotlb=plain",
];
const FIFTH: &str = "in-process";

/// Which cases are not applicable on the emulated kernel: variant, case, and the reason that it
/// must give. A star at the end stands for anything.
const NOT_APPLICABLE: &[(&str, &str, &str)] = &[
    // #1/A has no request that carries a descriptor; its kicks go to NOTIFY.
    ("vfio-msg*", "kicks::an_eventfd_*", "needs kick-eventfd"),
    ("vfio-msg*", "kicks::ones_own_eventfd_is_used", "needs kick-eventfd"),
    ("vfio-msg*", "kicks::the_latest_eventfd_is_used", "needs kick-eventfd"),
    ("vfio-msg*", "kicks::one_that_its_sender_takes_back_counts", "needs kick-eventfd"),
    // The others have eventfds, and no use for a kick that costs a system call and is less.
    ("vfio-ioctl", "kicks::a_region_write_*", "needs kick-region-write"),
    ("vhost-*", "kicks::a_region_write_*", "needs kick-region-write"),
    // All of 64 bits can be mapped.
    ("v*", "dma::outside_the_limits_is_refused", "needs an address outside the limits"),
    // A million, or no limit.
    ("vhost-mdev", "dma::no_more_than_the_limit", "needs a limit of at most 65536 mappings"),
    ("vhost-vdpa*", "dma::no_more_than_the_limit", "needs a limit of at most 65536 mappings"),
    // A memory table says nothing about access.
    ("vhost-mdev?dma=mem-table", "dma_faults::read_only_*", "needs dma-access"),
    ("vhost-mdev?dma=mem-table", "dma_faults::write_only_*", "needs dma-access"),
    ("vhost-mdev?dma=mem-table", "dma_faults::one_way_*", "needs dma-access"),
    // Mainline has neither for vDPA.
    ("vhost-vdpa*", "log::*", "needs dirty-log"),
    ("vhost-vdpa*", "order::a_dirty_log_needs_negotiation", "needs dirty-log"),
    ("vhost-vdpa*", "events::an_error_event_*", "needs error-event"),
    ("vhost-vdpa*", "dma_faults::of_two_faults_*", "needs error-event"),
    // The example has no doorbells, no region and no second process.
    (FIFTH, "kicks::a_doorbell_*", "needs kick-doorbell"),
    (FIFTH, "kicks::a_region_write_*", "needs kick-region-write"),
    (
        FIFTH,
        "exclusive::it_opens_again_after_a_client_was_killed",
        "needs a client process that can be killed",
    ),
];

fn main() -> ExitCode {
    if let Ok(uri) = std::env::var(HOLD) {
        return held(&uri);
    }
    let mut args = Arguments::from_args();
    let trials = match std::env::var(URIS) {
        Ok(uris) => {
            // One client at a time is all that a device has room for.
            args.test_threads = Some(1);
            machine(&uris)
        }
        Err(_) => match probe() {
            Ok(()) => emulated(),
            Err(error) => {
                let message = format!("the emulated kernel can't run here: {error}");
                vec![Trial::test("emulated_kernel::runs_here", move || Err(message.into()))]
            }
        },
    };
    libtest_mimic::run(&args, trials).exit_code()
}

/// What the client process does that a case starts and kills.
fn held(uri: &str) -> ExitCode {
    let device = vhost_accel::open(uri).unwrap();
    let ended = hold(device);
    eprintln!("{:?}", ended.err());
    ExitCode::FAILURE
}

fn emulated() -> Vec<Trial> {
    let on_kernel = VARIANTS.iter().flat_map(|&variant| {
        cases().iter().map(move |case| {
            trial(variant, case, move || {
                let kernel = EmulatedKernel::builder().queue_pairs(case.pairs()).build()?;
                let uri = uri(&kernel, variant);
                let crossings = || kernel.crossings().total();
                let client = || client(&uri);
                let open = || open(&uri);
                let outcome = kernel.run(|| {
                    let target = Target::new(&open).with_client(&client).with_crossings(&crossings);
                    case.run(&target)
                })?;
                expected(variant, case, outcome)
            })
        })
    });
    // A device that can little: each case passes, or says which ability it needs.
    let plain = VARIANTS.iter().filter(|variant| !variant.contains('?'));
    let lacking = plain.flat_map(|&variant| {
        cases().iter().map(move |case| {
            trial(&format!("lacking::{variant}"), case, move || {
                let builder = EmulatedKernel::builder().queue_pairs(case.pairs());
                let kernel = Ability::ALL.into_iter().fold(builder, Builder::without).build()?;
                let uri = uri(&kernel, variant);
                let client = || client(&uri);
                let open = || open(&uri);
                let outcome = kernel.run(|| case.run(&Target::new(&open).with_client(&client)))?;
                match outcome {
                    Outcome::Passed => Ok(Completion::Completed),
                    Outcome::NotApplicable(need) => Ok(Completion::ignored_with(need)),
                    Outcome::Failed(failure) => Err(failure.into()),
                }
            })
        })
    });
    let in_process = cases().iter().map(|case| {
        trial(FIFTH, case, move || {
            let accelerator = fifth_backend::accelerator(case.pairs())?;
            let open = || fifth_backend::open(&accelerator);
            expected(FIFTH, case, case.run(&Target::new(&open)))
        })
    });
    let list = Trial::test("suite::the_list_of_what_is_not_applicable_is_sound", the_list_is_sound);
    on_kernel.chain(lacking).chain(in_process).chain([list]).collect()
}

fn machine(uris: &str) -> Vec<Trial> {
    let uris: Vec<Uri> = uris.split_whitespace().map(|uri| uri.parse().unwrap()).collect();
    let short = |uri: &Uri| uri.to_string().replacen(&format!(":{}", uri.path().display()), "", 1);
    let named = |uri: &Uri| {
        let unique = uris.iter().filter(|other| short(other) == short(uri)).count() == 1;
        if unique { short(uri) } else { uri.to_string() }
    };
    let trials = uris.iter().flat_map(|uri| {
        let name = named(uri);
        cases().iter().map(move |case| {
            let uri = uri.clone();
            trial(&name, case, move || {
                let open = || open(&uri);
                let client = || client(&uri);
                match case.run(&Target::new(&open).with_client(&client)) {
                    Outcome::Passed => Ok(Completion::Completed),
                    Outcome::NotApplicable(need) => Ok(Completion::ignored_with(need)),
                    Outcome::Failed(failure) => Err(failure.into()),
                }
            })
        })
    });
    trials.collect()
}

/// A test, alone if it starts processes: for the moment between fork and exec a child holds every
/// open device of this process.
fn trial(
    variant: &str,
    case: &'static Case,
    run: impl FnOnce() -> Result<Completion, Failed> + Send + 'static,
) -> Trial {
    static ALONE: RwLock<()> = RwLock::new(());
    Trial::ignorable_test(format!("{variant}::{}", case.name()), move || {
        if case.name().starts_with("exclusive::") {
            let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
            run()
        } else {
            let _shared = ALONE.read().unwrap_or_else(PoisonError::into_inner);
            run()
        }
    })
}

/// The URI of a kernel's device of this variant.
fn uri(kernel: &EmulatedKernel, variant: &str) -> Uri {
    let (interface, option) = match variant.split_once('?') {
        Some((interface, option)) => (interface, format!("?{option}")),
        None => (variant, String::new()),
    };
    let kind = match interface.parse().unwrap() {
        Interface::VfioMsg | Interface::VfioIoctl => DeviceKind::Vfio,
        Interface::VhostMdev => DeviceKind::VhostMdev,
        Interface::VhostVdpa => DeviceKind::VhostVdpa,
        Interface::Other(other) => panic!("no kernel has {}", other.name),
    };
    let path = kernel.device(kind, 0).unwrap().path().display();
    format!("{interface}:{path}{option}").parse().unwrap()
}

fn open(uri: &Uri) -> vhost_accel::Result<Box<dyn VhostAccel>> {
    vhost_accel::open_uri(uri).map_err(|error| match error {
        OpenError::Device(error) => error,
        other => panic!("{uri}: {other}"),
    })
}

fn client(uri: &Uri) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(HOLD, uri.to_string());
    Ok(command)
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |beginning| name.starts_with(beginning))
}

/// The reason for which a case is not applicable, by the list.
fn listed(variant: &str, case: &str) -> Option<&'static str> {
    let entry = NOT_APPLICABLE
        .iter()
        .find(|(variants, cases, _)| matches(variants, variant) && matches(cases, case));
    entry.map(|(_, _, reason)| *reason)
}

fn expected(variant: &str, case: &Case, outcome: Outcome) -> Result<Completion, Failed> {
    match (outcome, listed(variant, case.name())) {
        (Outcome::Passed, None) => Ok(Completion::Completed),
        (Outcome::Passed, Some(reason)) => {
            Err(format!("it passed, but the list says that it {reason}").into())
        }
        (Outcome::NotApplicable(need), Some(reason)) if need.to_string() == reason => {
            Ok(Completion::ignored_with(need))
        }
        (Outcome::NotApplicable(need), listed) => {
            let listed = listed.unwrap_or("is applicable");
            Err(format!("not applicable: {need}, but the list says that it {listed}").into())
        }
        (Outcome::Failed(failure), _) => Err(failure.into()),
    }
}

/// Every entry of the list is about something that exists.
fn the_list_is_sound() -> Result<(), Failed> {
    for (variants, name, _) in NOT_APPLICABLE {
        let variant = VARIANTS.iter().chain([&FIFTH]).any(|variant| matches(variants, variant));
        let case = cases().iter().any(|case| matches(name, case.name()));
        if !(variant && case) {
            return Err(format!("nothing matches {variants} {name}").into());
        }
    }
    Ok(())
}
