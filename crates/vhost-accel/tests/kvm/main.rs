//! The KVM guest of the example on every device of the emulated kernel, kicking in each way.
//!
//! Without /dev/kvm each test is listed as ignored, and says why.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "lends memory to a device and to a guest")
)]

#[cfg(target_arch = "x86_64")]
#[path = "../../examples/kvm_guest/code.rs"]
mod code;
#[cfg(target_arch = "x86_64")]
#[path = "../../examples/kvm_guest/exits.rs"]
mod exits;
#[cfg(target_arch = "x86_64")]
#[path = "../../examples/kvm_guest/vmm.rs"]
mod vmm;

#[cfg(target_arch = "x86_64")]
mod trials {
    use std::fs::OpenOptions;
    use std::sync::Arc;

    use libtest_mimic::{Arguments, Failed, Trial};
    use vhost_accel::{Kick, KickKind, QueueIndex, Reason};
    use vhost_accel_emulator::EmulatedKernel;

    use super::code::{FRAMES, OFTEN};
    use super::vmm::{Result, frame, run};

    pub(crate) fn main() -> Result<()> {
        let kernel = Arc::new(EmulatedKernel::builder().build()?);
        let devices = kernel.run(vhost_accel::devices)??;
        let kvm = OpenOptions::new().read(true).write(true).open("/dev/kvm").map(drop);
        let mut trials = Vec::new();
        for uri in devices {
            for kind in [KickKind::Doorbell, KickKind::EventFd] {
                let (kernel, uri) = (Arc::clone(&kernel), uri.to_string());
                let name = format!("{uri} by {kind}");
                let trial = Trial::test(name, move || {
                    let checked = kernel.run(|| check(&uri, kind));
                    checked.map_err(Failed::from)?.map_err(|error| Failed::from(error.to_string()))
                });
                let trial = match &kvm {
                    Ok(()) => trial,
                    Err(error) => {
                        trial.with_kind(format!("/dev/kvm: {error}")).with_ignored_flag(true)
                    }
                };
                trials.push(trial);
            }
        }
        // Devices of one kernel are closed and opened again one after the other.
        let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
        libtest_mimic::run(&arguments, trials).exit()
    }

    /// Eight frames come back in order, each by an interrupt, and a doorbell's kick is no exit.
    fn check(uri: &str, kind: KickKind) -> Result<()> {
        if !vhost_accel::open(uri)?.info().capabilities.contains(kind.capability()) {
            // #1/A has no eventfd for kicks, and says so.
            let refused = vhost_accel::open(uri)?.kicker(QueueIndex(1), Kick::Kind(kind));
            let error = refused.expect_err("a kicker all the same");
            assert!(matches!(error.reason(), Reason::Unsupported(_)), "{error}");
            assert!(uri.starts_with("vfio-msg:"), "{uri} has lost its kick by {kind}");
            return Ok(());
        }
        let ran = run(uri, kind, OFTEN)?;
        let text = |frame: &Vec<u8>| String::from_utf8_lossy(frame).into_owned();
        let sent: Vec<_> = (0..FRAMES).map(|index| text(&frame(index))).collect();
        assert_eq!(ran.frames.iter().map(text).collect::<Vec<_>>(), sent);
        // Two frames may share an interrupt, when the second comes before the guest halts.
        assert!((1..=FRAMES).contains(&ran.calls), "{} calls", ran.calls);
        // None came to the VMM: `run` takes such an exit for an error. KVM's own are counted where
        // the guest has a mode of its own to leave.
        match (kind, ran.exits) {
            (_, None) => {}
            // What remains is the host's own: it would have to interrupt the guest at each kick.
            (KickKind::Doorbell, Some(exits)) => {
                assert!(exits < u64::from(OFTEN.times) / 2, "{exits} exits");
            }
            (_, Some(exits)) => assert!(exits >= u64::from(OFTEN.times), "{exits} exits"),
        }
        Ok(())
    }
}

#[cfg(target_arch = "x86_64")]
fn main() -> vmm::Result<()> {
    trials::main()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {}
