//! What is negotiated, and what is not because the library can't drive it.

use vhost_accel_core::{Features, Invalid, QueueIndex, Reason, VringBase};

use super::recorder::{OFFERED, abilities, device};

/// What becomes of each bit when a device offers them all.
#[test]
fn what_the_library_cannot_drive_is_not_negotiated() {
    let (recorder, mut device) = device(abilities());
    recorder.0.lock().unwrap().more = Features::all();
    assert_eq!(device.withheld(), Features::empty());
    let accepted = device.negotiate(Features::all()).unwrap();
    let driven = [26, 28, 29, 32, 33, 35, 36, 38];
    for bit in 0..64 {
        let one = Features::from_bits_retain(1 << bit);
        let takes = !(24..50).contains(&bit) || driven.contains(&bit);
        assert_eq!(accepted.contains(one), takes, "bit {bit}");
        assert_eq!(device.withheld().contains(one), !takes, "bit {bit}");
    }
    // What crossed is what was answered.
    let set = format!("set_features {:#x}", accepted.bits());
    assert!(recorder.take().contains(&set), "{set}");
    device.reset().unwrap();
    assert_eq!(device.withheld(), Features::empty());
}

#[test]
fn only_what_is_wanted_and_offered_is_withheld() {
    let (recorder, mut device) = device(abilities());
    recorder.0.lock().unwrap().more = Features::RING_PACKED;
    let accepted = device.negotiate(OFFERED).unwrap();
    assert_eq!((accepted, device.withheld()), (OFFERED, Features::empty()));
    device.reset().unwrap();
    let wanted = OFFERED | Features::RING_PACKED | Features::RING_RESET;
    // Also when the device then refuses, so that it can be told why.
    recorder.0.lock().unwrap().refuse_features = true;
    let error = device.negotiate(wanted).unwrap_err();
    assert!(error.to_string().ends_with(", which are without RING_PACKED"), "{error}");
    assert_eq!(device.withheld(), Features::RING_PACKED);
}

#[test]
fn a_base_of_more_than_16_bits_is_an_error() {
    let (recorder, mut device) = device(abilities());
    device.negotiate(OFFERED).unwrap();
    assert_eq!(device.vring_base(QueueIndex(1)).unwrap(), VringBase::split(0x8007));
    recorder.0.lock().unwrap().high_base = 0x8005;
    let error = device.vring_base(QueueIndex(1)).unwrap_err();
    assert!(matches!(error.reason(), Reason::Base(base) if base.raw() == 0x8005_8007), "{error}");
    assert_eq!(
        error.to_string(),
        "vhost-mdev /dev/vhost-mdev-9: get base of vring 1: the base 0x80058007 has more than 16 \
         bits: it is not a split ring's"
    );
    // Nor is one taken, before any crossing.
    recorder.take();
    let base = VringBase::PACKED_START;
    let error = device.setup_vring(&super::vring(1).with_base(base)).unwrap_err();
    assert!(
        matches!(error.reason(), Reason::Invalid(Invalid::Base(refused)) if *refused == base),
        "{error}"
    );
    assert_eq!(recorder.take(), Vec::<String>::new());
}
