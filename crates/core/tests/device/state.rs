//! A device's state: what is asked when it is saved, and what is written when it is restored.

use vhost_accel_core::{
    Capabilities, DeviceState, Features, Misfit, Operation, Phase, QueueIndex, Reason, Subject,
    VhostAccel,
};

use super::recorder::{OFFERED, abilities, device};
use super::{refused, vring};

/// A device that runs two vrings, of which one is disabled.
fn saved() -> DeviceState {
    let (recorder, mut device) = device(abilities());
    device.negotiate(Features::all()).unwrap();
    let vrings = [vring(0), vring(2).disabled()];
    device.setup_vrings(&vrings).unwrap();
    device.start().unwrap();
    recorder.take();
    let state = DeviceState::save(&mut *device, &vrings).unwrap();
    let asked = ["suspend", "config_size", "read_config 0+12", "vring_base 0", "vring_base 2"];
    assert_eq!(recorder.take(), asked);
    assert_eq!(device.phase(), Phase::Suspended);
    state
}

#[test]
fn a_state_is_what_was_negotiated_set_up_and_reached() {
    let state = saved();
    assert_eq!((state.device_id, state.config.len()), (1, 12));
    assert_eq!(state.features, OFFERED - Features::LOG_ALL);
    let rings: Vec<_> = state.vrings.iter().map(|ring| (ring.queue.0, ring.enabled)).collect();
    assert_eq!(rings, [(0, true), (2, false)]);
    assert_eq!(state.vrings[1].base.as_split(), Some(0x8007));
    let again = state.vrings[0].vring(None);
    assert_eq!((again.size, again.desc, again.enabled), (256, vring(0).desc, true));
}

#[test]
fn a_restored_device_waits_for_its_start() {
    let (recorder, mut device) = device(abilities());
    let mut state = saved();
    // The recorder's config space is all zeros and takes nothing.
    (state.config[1], state.config[4]) = (1, 1);
    state.restore(&mut *device, |_| None).unwrap();
    let features = format!("set_features {:#x}", state.features.bits());
    let written = [
        "features",
        "config_size",
        "read_config 0+12",
        "write_config 1+4",
        "features",
        "set_status 3",
        &features,
        "set_status 11",
        "status",
        "setup_vring 0",
        "setup_vring 2",
    ];
    assert_eq!(recorder.take(), written);
    assert_eq!(device.phase(), Phase::Negotiated);
    assert_eq!(state.config_kept(&*device).unwrap(), Some(1..5));
    state.config.fill(0);
    assert_eq!(state.config_kept(&*device).unwrap(), None);
    device.start().unwrap();
}

#[test]
fn a_state_of_another_kind_changes_nothing() {
    let (recorder, mut device) = device(abilities());
    let reason = |state: &DeviceState, device: &mut dyn VhostAccel| {
        let error = state.restore(device, |_| None).unwrap_err();
        assert_eq!(error.operation(), Operation::Restore);
        let written = recorder.take().into_iter().filter(|call| call != "features");
        assert_eq!(written.collect::<Vec<_>>(), Vec::<String>::new(), "{error}");
        error
    };
    let state = saved();

    let mut other = state.clone();
    other.device_id = 2;
    let error = reason(&other, &mut *device);
    assert_eq!(
        error.to_string(),
        "vhost-mdev /dev/vhost-mdev-9: restore: the state is of a device with id 2, and this one's \
         is 1"
    );

    // Not offered; offered by nobody that the library can drive.
    for more in [Features::INDIRECT_DESC, Features::RING_PACKED] {
        let mut other = state.clone();
        other.features |= more;
        let error = reason(&other, &mut *device);
        let missing =
            matches!(error.reason(), Reason::Misfit(Misfit::Features(bits)) if *bits == more);
        assert!(missing, "{error}");
    }

    let mut other = state.clone();
    other.vrings[1].queue = QueueIndex(3);
    assert_eq!(reason(&other, &mut *device).subject(), Subject::Queue(QueueIndex(3)));
    let mut other = state.clone();
    other.vrings[0].size = 512;
    assert_eq!(reason(&other, &mut *device).subject(), Subject::Queue(QueueIndex(0)));

    state.restore(&mut *device, |_| None).unwrap();
    recorder.take();
    let error = refused(&recorder, state.restore(&mut *device, |_| None));
    assert!(matches!(error.reason(), Reason::State(Phase::Negotiated)), "{error}");
}

#[test]
fn a_restore_that_fails_leaves_a_fresh_device() {
    let (recorder, mut device) = device(abilities());
    recorder.fail_at("setup_vring 2");
    let error = saved().restore(&mut *device, |_| None).unwrap_err();
    assert_eq!(error.operation(), Operation::SetupVring);
    assert_eq!(recorder.take().last().map(String::as_str), Some("set_status 0"));
    assert_eq!(device.phase(), Phase::Fresh);
}

#[test]
fn what_can_not_stand_still_can_not_be_saved() {
    let (recorder, mut fresh) = device(abilities());
    let error = refused(&recorder, DeviceState::save(&mut *fresh, &[]));
    assert!(matches!(error.reason(), Reason::State(Phase::Fresh)), "{error}");

    let (recorder, mut device) = device(abilities() - Capabilities::SUSPEND);
    device.negotiate(OFFERED).unwrap();
    device.setup_vring(&vring(0)).unwrap();
    device.start().unwrap();
    recorder.take();
    let error = refused(&recorder, DeviceState::save(&mut *device, &[vring(0)]));
    let lacks = Capabilities::SUSPEND;
    assert!(matches!(error.reason(), Reason::Unsupported(missing) if *missing == lacks), "{error}");
}

/// Its text is a format that other versions read.
#[cfg(feature = "serde")]
#[test]
fn a_stored_state_has_a_version() {
    let state = saved();
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(
        text,
        "{\"version\":1,\"device_id\":1,\"features\":12884901888,\
         \"config\":[0,0,0,0,0,0,0,0,0,0,0,0],\"vrings\":[\
         {\"queue\":0,\"size\":256,\"base\":32775,\"desc\":4096,\"avail\":8192,\"used\":12288,\
         \"enabled\":true},\
         {\"queue\":2,\"size\":256,\"base\":32775,\"desc\":4096,\"avail\":8192,\"used\":12288,\
         \"enabled\":false}]}"
    );
    assert_eq!(serde_json::from_str::<DeviceState>(&text).unwrap(), state);

    let later = text.replace("\"version\":1", "\"version\":2,\"more\":[1]");
    let error = serde_json::from_str::<DeviceState>(&later).unwrap_err();
    assert_eq!(error.to_string(), "the state is of version 2, and this library knows version 1");
    let nameless = text.replace("\"version\":1,", "");
    assert!(serde_json::from_str::<DeviceState>(&nameless).is_err());
}
