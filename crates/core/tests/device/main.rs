//! The rules that `Device` keeps, tested on a backend that records what reaches it.

#![expect(unsafe_code, reason = "the recording backend implements the unsafe DMA methods")]
#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

mod recorder;
mod state;
mod undriven;

use proptest::prelude::*;
use recorder::{OFFERED, Recorder, abilities, device};
use vhost_accel_core::{
    Access, Capabilities, DirtyBitmap, DmaMapping, Error, Features, Hva, Invalid, Iova, IovaRange,
    Kick, KickKind, Operation, Phase, QueueIndex, Reason, Subject, VhostAccel, Vring,
};

fn ring(queue: u16, size: u16, [desc, avail, used]: [u64; 3]) -> Vring<'static> {
    Vring::new(QueueIndex(queue), size, Iova(desc), Iova(avail), Iova(used))
}

fn vring(queue: u16) -> Vring<'static> {
    ring(queue, 256, [0x1000, 0x2000, 0x3000])
}

fn mapping(iova: u64, len: u64, host: u64) -> DmaMapping {
    DmaMapping::new(Iova(iova), len, Hva(host), Access::ReadWrite)
}

fn page(iova: u64) -> DmaMapping {
    mapping(iova, 0x1000, 0x7000_0000)
}

/// Asserts that the result is an error that made no crossing, and gives it.
fn refused<T: std::fmt::Debug>(recorder: &Recorder, result: Result<T, Error>) -> Error {
    let error = result.unwrap_err();
    assert_eq!(recorder.take(), Vec::<String>::new(), "{error}");
    error
}

#[test]
fn the_way_to_driver_ok() {
    let (recorder, mut device) = device(abilities());
    let accepted = device.negotiate(Features::all()).unwrap();
    assert_eq!(accepted, OFFERED);
    device.setup_vrings(&[vring(0), vring(1)]).unwrap();
    device.start().unwrap();
    let offered = format!("set_features {:#x}", OFFERED.bits());
    let expected = [
        "features",
        "set_status 3",
        &offered,
        "set_status 11",
        "status",
        "setup_vring 0",
        "setup_vring 1",
        "set_status 15",
    ];
    assert_eq!(recorder.take(), expected);
    assert_eq!(device.negotiated(), Some(OFFERED));
    let debug = format!("{device:?}");
    assert!(debug.contains("/dev/vhost-mdev-9") && debug.contains("phase: Running"), "{debug}");
    assert_eq!(recorder.take(), Vec::<String>::new());
}

#[test]
fn features_that_the_device_drops_are_an_error() {
    let (recorder, mut device) = device(abilities());
    recorder.0.lock().unwrap().refuse_features = true;
    let error = device.negotiate(Features::VERSION_1).unwrap_err();
    let Reason::FeaturesRefused { accepted, missing } = error.reason() else { panic!("{error}") };
    assert_eq!((*accepted, *missing), (Features::VERSION_1, Features::ACCESS_PLATFORM));
    assert_eq!(
        error.to_string(),
        "vhost-mdev /dev/vhost-mdev-9: negotiate features: the device refused the features \
         0x100000000, which are without ACCESS_PLATFORM"
    );
    assert_eq!(device.negotiated(), None);
}

#[test]
fn a_vring_that_no_device_could_take_makes_no_crossing() {
    let (recorder, mut device) = device(abilities());
    device.negotiate(OFFERED).unwrap();
    recorder.take();
    let cases = [
        (vring(3), Invalid::Queue(3)),
        (ring(0, 0, [0, 0, 0]), Invalid::QueueSize(256)),
        (ring(0, 100, [0, 0, 0]), Invalid::QueueSize(256)),
        (ring(0, 512, [0, 0, 0]), Invalid::QueueSize(256)),
        (ring(0, 256, [8, 0, 0]), Invalid::Alignment { part: "descriptor table", align: 16 }),
        (ring(0, 256, [0, 1, 0]), Invalid::Alignment { part: "available ring", align: 2 }),
        (ring(0, 256, [0, 0, 2]), Invalid::Alignment { part: "used ring", align: 4 }),
    ];
    for (bad, why) in cases {
        // The good one in front must not be set up either.
        let error = refused(&recorder, device.setup_vrings(&[vring(1), bad]));
        assert!(matches!(error.reason(), Reason::Invalid(invalid) if *invalid == why), "{error}");
        assert_eq!(error.subject(), Subject::Queue(bad.queue));
    }
}

#[test]
fn a_failed_vring_takes_those_before_it_back() {
    let (recorder, mut device) = device(abilities());
    device.negotiate(OFFERED).unwrap();
    recorder.take();
    recorder.fail_at("setup_vring 2");
    let error = device.setup_vrings(&[vring(0), vring(1), vring(2)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "vhost-mdev /dev/vhost-mdev-9: set up vring 2: set address: Input/output error (os error 5)"
    );
    assert_eq!(error.step(), Some(Operation::SetVringAddr));
    assert_eq!(error.errno(), Some(libc::EIO));
    let undone = [
        "setup_vring 0",
        "setup_vring 1",
        "setup_vring 2",
        "enable_vring 0 false",
        "set_call 0 false",
        "enable_vring 1 false",
        "set_call 1 false",
    ];
    assert_eq!(recorder.take(), undone);
    let error = refused(&recorder, device.start());
    assert!(matches!(error.reason(), Reason::NoVrings), "{error}");
}

#[test]
fn a_failed_mapping_takes_those_before_it_back() {
    let (recorder, mut device) = device(abilities());
    recorder.fail_at("map 0x3000+0x1000");
    // SAFETY: the backend only records.
    let mapped = unsafe { device.dma_map_all(&[page(0x1000), page(0x2000), page(0x3000)]) };
    let error = mapped.unwrap_err();
    assert_eq!(error.subject(), Subject::Range(IovaRange::new(Iova(0x3000), 0x1000)));
    let calls = [
        "map 0x1000+0x1000",
        "map 0x2000+0x1000",
        "map 0x3000+0x1000",
        "unmap 0x1000+0x1000",
        "unmap 0x2000+0x1000",
    ];
    assert_eq!(recorder.take(), calls);
}

#[test]
fn a_mapping_that_no_device_could_take_makes_no_crossing() {
    let (recorder, mut device) = device(abilities());
    let cases = [
        mapping(0x1000, 0, 0x7000_0000),
        mapping(0x1000, 0x800, 0x7000_0000),
        mapping(0x10, 0x1000, 0x7000_0000),
        mapping(0x1000, 0x1000, 0x10),
        mapping(!0xfff, 0x2000, 0x7000_0000),
        mapping(0, 0x2000, !0xfff),
        DmaMapping::new(Iova(0x1000), 0x1000, Hva(0x7000_0000), Access::Read),
    ];
    for mapping in cases {
        // SAFETY: the backend only records.
        let mapped = unsafe { device.dma_map(&mapping) };
        let error = refused(&recorder, mapped);
        assert_eq!(error.operation(), Operation::DmaMap, "{mapping:?}");
        assert_eq!(error.subject(), Subject::Range(mapping.range()));
    }
}

#[test]
fn what_the_device_lacks_makes_no_crossing() {
    let (recorder, mut device) = device(Capabilities::empty());
    device.negotiate(OFFERED).unwrap();
    device.setup_vring(&vring(0)).unwrap();
    device.start().unwrap();
    recorder.take();
    let queue = QueueIndex(0);
    // SAFETY: refused before anything is logged.
    let logged = unsafe { device.set_dirty_log(None) };
    let errors = [
        (refused(&recorder, logged), Capabilities::DIRTY_LOG),
        (refused(&recorder, device.suspend()), Capabilities::SUSPEND),
        (refused(&recorder, device.resume()), Capabilities::RESUME),
        (refused(&recorder, device.set_error(queue, None)), Capabilities::ERROR_EVENT),
        (refused(&recorder, device.enable_vring(queue, true)), Capabilities::VIRTIO_STATUS),
        (refused(&recorder, device.config_size()), Capabilities::VIRTIO_STATUS),
        (refused(&recorder, device.read_config(0, &mut [0])), Capabilities::VIRTIO_STATUS),
        (refused(&recorder, device.write_config(0, &[0])), Capabilities::VIRTIO_STATUS),
        (refused(&recorder, device.kicker(queue, Kick::Best)), Capabilities::KICK_EVENTFD),
        (
            refused(&recorder, device.kicker(queue, Kick::Kind(KickKind::Doorbell))),
            Capabilities::KICK_DOORBELL,
        ),
    ];
    for (error, lacking) in errors {
        assert!(
            matches!(error.reason(), Reason::Unsupported(missing) if *missing == lacking),
            "{error}"
        );
    }
}

#[test]
fn a_dirty_log_covers_what_the_device_may_write() {
    let (recorder, mut device) = device(abilities() | Capabilities::DMA_ACCESS);
    device.negotiate(Features::VERSION_1).unwrap();
    let page = vhost_accel_core::page_size() as u64;
    let at = |iova, access| DmaMapping::new(Iova(iova), page, Hva(0x10000), access);
    // SAFETY: the backend only records.
    let map = |device: &mut dyn VhostAccel, mapping| unsafe { device.dma_map(&mapping) };
    map(&mut *device, at(64 << 20, Access::Read)).unwrap();
    map(&mut *device, at(16 << 20, Access::Write)).unwrap();
    recorder.take();
    let log = |device: &mut dyn VhostAccel, host, len| {
        // SAFETY: as above.
        unsafe { device.set_dirty_log(Some(DirtyBitmap::new(Hva(host), len))) }
    };
    let reason = |result: vhost_accel_core::Result<()>| match result.unwrap_err().reason() {
        Reason::Invalid(invalid) => *invalid,
        other => panic!("{other}"),
    };
    // 512 bytes are 16 MiB, and the page behind them is mapped.
    let mapped = Iova((16 << 20) + page - 1);
    let short = Invalid::Uncovered { log: Iova((16 << 20) - 1), mapped };
    assert_eq!(reason(log(&mut *device, 0x5000, 512)), short);
    let unaligned = Invalid::Alignment { part: "dirty log", align: 8 };
    assert_eq!(reason(log(&mut *device, 0x5004, 1024)), unaligned);
    assert_eq!(reason(log(&mut *device, 0x5000, 1020)), unaligned);
    assert!(recorder.take().is_empty(), "no request was made");
    log(&mut *device, 0x5000, 520).unwrap();
    // While it is on, what it doesn't cover isn't mapped for writing.
    let beyond = at(32 << 20, Access::ReadWrite);
    let end = beyond.range().last().unwrap();
    let refused = Invalid::Uncovered { log: Iova(520 * 32768 - 1), mapped: end };
    assert_eq!(reason(map(&mut *device, beyond)), refused);
    map(&mut *device, at(32 << 20, Access::Read)).unwrap();
    device.reset().unwrap();
    map(&mut *device, beyond).unwrap();
    device.negotiate(Features::VERSION_1).unwrap();
    let grown = Invalid::Uncovered { log: Iova(520 * 32768 - 1), mapped: end };
    assert_eq!(reason(log(&mut *device, 0x5000, 520)), grown);
    // What is left may end anywhere before what was unmapped.
    device.dma_unmap(beyond.range()).unwrap();
    let left = Invalid::Uncovered { log: Iova((16 << 20) - 1), mapped: Iova((32 << 20) - 1) };
    assert_eq!(reason(log(&mut *device, 0x5000, 512)), left);
    device.dma_unmap(IovaRange::every_page()).unwrap();
    log(&mut *device, 0x5000, 512).unwrap();
}

#[test]
fn the_dirty_log_is_a_base_and_a_feature() {
    let (recorder, mut device) = device(abilities());
    device.negotiate(Features::VERSION_1).unwrap();
    recorder.take();
    // SAFETY: the backend only records.
    unsafe { device.set_dirty_log(Some(DirtyBitmap::new(Hva(0x5000), 8))) }.unwrap();
    let on = Features::VERSION_1 | Features::LOG_ALL;
    assert_eq!(device.negotiated(), Some(on));
    // SAFETY: as above.
    unsafe { device.set_dirty_log(None) }.unwrap();
    assert_eq!(device.negotiated(), Some(Features::VERSION_1));
    let calls = [
        "set_log_base 0x5000".to_owned(),
        format!("set_features {:#x}", on.bits()),
        format!("set_features {:#x}", Features::VERSION_1.bits()),
    ];
    assert_eq!(recorder.take(), calls);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Negotiate,
    SetUp,
    Start,
    Suspend,
    Resume,
    Reset,
}

proptest! {
    /// In whatever order: a step that the phase allows reaches the device, one that it doesn't is
    /// an error that names the phase and reaches nobody.
    #[test]
    fn the_order_of_calls_is_kept(steps in prop::collection::vec(prop::sample::select(vec![
        Step::Negotiate, Step::SetUp, Step::Start, Step::Suspend, Step::Resume, Step::Reset,
    ]), 1..40)) {
        let (recorder, mut device) = device(abilities());
        let (mut phase, mut set_up) = (Phase::Fresh, false);
        for step in steps {
            let (result, next) = match step {
                Step::Negotiate => (
                    device.negotiate(OFFERED).map(drop),
                    (phase == Phase::Fresh).then_some(Phase::Negotiated),
                ),
                Step::SetUp => (
                    device.setup_vring(&vring(0)),
                    matches!(phase, Phase::Negotiated | Phase::Suspended).then_some(phase),
                ),
                Step::Start => (
                    device.start(),
                    (phase == Phase::Negotiated && set_up).then_some(Phase::Running),
                ),
                Step::Suspend => {
                    (device.suspend(), (phase == Phase::Running).then_some(Phase::Suspended))
                }
                Step::Resume => {
                    (device.resume(), (phase == Phase::Suspended).then_some(Phase::Running))
                }
                Step::Reset => (device.reset(), Some(Phase::Fresh)),
            };
            match next {
                Some(next) => {
                    prop_assert!(result.is_ok(), "{step:?} in {phase:?}: {result:?}");
                    prop_assert!(!recorder.take().is_empty());
                    set_up = match step {
                        Step::SetUp => true,
                        Step::Reset => false,
                        _ => set_up,
                    };
                    phase = next;
                }
                None => {
                    let error = refused(&recorder, result);
                    let named = match error.reason() {
                        Reason::State(named) => *named == phase,
                        Reason::NoVrings => phase == Phase::Negotiated && !set_up,
                        _ => false,
                    };
                    prop_assert!(named, "{error}");
                }
            }
            prop_assert_eq!(device.negotiated().is_some(), phase != Phase::Fresh);
        }
    }
}

#[test]
fn an_update_unmaps_and_then_maps() {
    let (recorder, mut device) = device(abilities());
    let old = IovaRange::new(Iova(0), 0x2000);
    // SAFETY: nothing is mapped by a recorder.
    unsafe { device.dma_update(&[old], &[page(0), page(0x1000)]) }.unwrap();
    assert_eq!(recorder.take(), ["unmap 0x0+0x2000", "map 0x0+0x1000", "map 0x1000+0x1000"]);
    // SAFETY: as above.
    unsafe { device.dma_replace_all(&[page(0)]) }.unwrap();
    assert_eq!(recorder.take(), ["unmap 0x0+0xfffffffffffff000", "map 0x0+0x1000"]);
    // SAFETY: as above.
    let error = refused(&recorder, unsafe { device.dma_update(&[old], &[page(0x800)]) });
    assert_eq!(error.subject(), Subject::Range(IovaRange::new(Iova(0x800), 0x1000)));
    // SAFETY: as above.
    let error = refused(&recorder, unsafe {
        device.dma_update(&[IovaRange::new(Iova(1), 0x1000)], &[page(0)])
    });
    assert_eq!(error.operation(), Operation::DmaUpdate);
}

#[test]
fn vrings_stand_still_where_an_update_is_not_atomic() {
    for (atomic, running) in [(false, false), (false, true), (true, true)] {
        let mut capabilities = abilities();
        capabilities.set(Capabilities::ATOMIC_DMA, atomic);
        let (recorder, mut device) = device(capabilities);
        device.negotiate(Features::all()).unwrap();
        device.setup_vring(&vring(0)).unwrap();
        if running {
            device.start().unwrap();
        }
        recorder.take();
        // SAFETY: nothing is mapped by a recorder.
        unsafe { device.dma_update_suspended(&[], &[page(0)]) }.unwrap();
        let expected: &[&str] = match running && !atomic {
            true => &["suspend", "map 0x0+0x1000", "resume"],
            false => &["map 0x0+0x1000"],
        };
        assert_eq!(recorder.take(), expected, "{atomic} {running}");
    }
}
