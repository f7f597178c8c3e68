//! A KVM guest on a device: its kicks and the device's calls pass the VMM by.
//!
//! ```text
//! cargo run -p vhost-accel --example kvm_guest -- vhost-vdpa:/dev/vhost-vdpa-0
//! cargo run -p vhost-accel --example kvm_guest -- vhost-vdpa:/dev/vhost-vdpa-0 rarely
//! cargo run -p vhost-accel --example kvm_guest      # each device of the emulated kernel
//! ```
//!
//! The guest is a few dozen instructions in real mode. It sends eight frames, halts until each has
//! come back and interrupted it, and then kicks ten thousand times. Its notification is a store
//! into a page. With a doorbell that page is the device's own, and the guest goes on without an
//! exit; with an eventfd KVM takes the store, which is an exit that the VMM doesn't see.
//!
//! With `rarely` the guest waits before each kick, so that a device in software has given up
//! polling its doorbell: then a kick is an exit as well, and finds the page again.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "lends memory to a device and to a guest")
)]

#[cfg(target_arch = "x86_64")]
mod code;
#[cfg(target_arch = "x86_64")]
mod exits;
#[cfg(target_arch = "x86_64")]
mod vmm;

/// The device has taken its doorbell away before the next kick.
#[cfg(target_arch = "x86_64")]
const RARELY: code::Kicks = code::Kicks { times: 3_000, pause: 250 };

#[cfg(target_arch = "x86_64")]
fn main() -> vmm::Result<()> {
    use vhost_accel_emulator::EmulatedKernel;

    let mut args = std::env::args().skip(1);
    let (uri, kicks) = match (args.next(), args.next().as_deref()) {
        (uri, None) => (uri, code::OFTEN),
        (uri, Some("rarely")) => (uri, RARELY),
        (_, Some(other)) => return Err(format!("{other:?} is not \"rarely\"").into()),
    };
    match uri {
        Some(uri) => show(&uri, kicks),
        None => EmulatedKernel::builder().build()?.run(|| {
            vhost_accel::devices()?.iter().try_for_each(|uri| show(&uri.to_string(), kicks))
        })?,
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(clippy::print_stdout, reason = "an example's output")]
fn show(uri: &str, kicks: code::Kicks) -> vmm::Result<()> {
    let capabilities = vhost_accel::open(uri)?.info().capabilities;
    for kind in [vhost_accel::KickKind::Doorbell, vhost_accel::KickKind::EventFd] {
        if !capabilities.contains(kind.capability()) {
            println!("{uri}: no kick by {kind}");
            continue;
        }
        let ran = vmm::run(uri, kind, kicks)?;
        let (frames, calls) = (ran.frames.len(), ran.calls);
        print!("{uri}: {frames} frames, {calls} calls, kicked {} times by {kind}, ", kicks.times);
        match ran.exits {
            Some(exits) => println!("{exits} exits"),
            None => println!("all carried out by KVM: this host has no real mode to exit from"),
        }
    }
    Ok(())
}

#[cfg(not(target_arch = "x86_64"))]
#[expect(clippy::print_stderr, reason = "an example's output")]
fn main() {
    eprintln!("the guest's instructions are x86's");
}
