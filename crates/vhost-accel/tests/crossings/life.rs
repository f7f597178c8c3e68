//! A device's life, step by step, with what each step crosses. For the tests of the backends.

use std::path::Path;

use vhost_accel_core::{
    Access, Capabilities, DmaMapping, Features, Hva, Iova, IovaRange, Kick, KickKind, Kicker,
    QueueIndex, VhostAccel, Vring, page_size,
};
use vhost_accel_emulator::{DeviceKind, EmulatedKernel};

/// What a step crosses: how many of each kind, the kinds in alphabetical order.
pub(crate) type Crossed<'a> = &'a [(&'a str, u64)];

/// The steps of [`live`], in order.
pub(crate) const STEPS: [&str; 26] = [
    "open",                            // ABI-CROSS-1
    "negotiate",                       // ABI-CROSS-2
    "set up one vring without a call", // ABI-CROSS-18
    "set up all vrings",               // ABI-CROSS-3
    "make eventfd kicker",             // ABI-CROSS-5
    "make doorbell kicker",            // ABI-CROSS-6
    "make second doorbell kicker",     // ABI-CROSS-6
    "make region-write kicker",        // ABI-CROSS-7
    "disable one vring",               // ABI-CROSS-15
    "start",                           // ABI-CROSS-4
    "kick eventfd",
    "kick doorbell",
    "kick region-write",
    "map",                    // ABI-CROSS-8
    "map three",              // ABI-CROSS-9
    "unmap four at once",     // ABI-CROSS-10
    "limits",                 // ABI-CROSS-11
    "set call",               // ABI-CROSS-12
    "set error",              // ABI-CROSS-13
    "status",                 // ABI-CROSS-14
    "read config space",      // ABI-CROSS-14
    "suspend",                // ABI-CROSS-15
    "base",                   // ABI-CROSS-14
    "set up one vring again", // ABI-CROSS-17
    "resume",                 // ABI-CROSS-15
    "reset",                  // ABI-CROSS-15
];

/// Asserts what each of [`STEPS`] crosses for a device of so many queue pairs, and the drop after
/// them. Steps that `expected` leaves out cross nothing, or are not possible on the device.
// ABI-CROSS-16
#[track_caller]
pub(crate) fn assert_crossings(
    pairs: u16,
    kind: DeviceKind,
    open: impl FnOnce(&Path) -> Box<dyn VhostAccel> + Send,
    expected: &[(&str, Crossed<'_>)],
) {
    for (step, _) in expected {
        assert!(STEPS.contains(step) || *step == "drop", "there is no step {step}");
    }
    let kernel =
        EmulatedKernel::builder().queue_pairs(pairs).count_everything(true).build().unwrap();
    let path = kernel.device(kind, 0).unwrap().path();
    let seen = kernel.run(|| live(&kernel, pairs, || open(path))).unwrap();
    for (step, crossed) in seen {
        let wanted = expected.iter().find(|(name, _)| *name == step).map_or(&[][..], |(_, c)| *c);
        let crossed: Vec<_> = crossed.iter().map(|(kind, count)| (&**kind, *count)).collect();
        assert_eq!(crossed, wanted, "{step}, {pairs} pairs");
    }
}

type Seen = Vec<(&'static str, Vec<(String, u64)>)>;

fn live(kernel: &EmulatedKernel, pairs: u16, open: impl FnOnce() -> Box<dyn VhostAccel>) -> Seen {
    let mut seen = Seen::new();
    let mut note = |step: &'static str| {
        // In a debug build std asks about each fd that it is about to close.
        let is_ours = |kind: &str| !(cfg!(debug_assertions) && kind == "fcntl");
        let crossed = kernel.crossings();
        let crossed = crossed.iter().filter(|(kind, _)| is_ours(kind));
        seen.push((step, crossed.map(|(kind, count)| (kind.to_owned(), count)).collect()));
        kernel.reset_crossings();
    };
    let memory = Memory::new();
    // An eventfd, made without a device.
    let call = Kicker::eventfd(QueueIndex(0), None, |_| Ok(())).unwrap();
    let call = call.as_eventfd();
    kernel.reset_crossings();

    let mut device = open();
    note("open");
    assert_eq!(device.info().queue_count, 2 * pairs + 1);
    let capabilities = device.info().capabilities;
    let features = Features::VERSION_1 | Features::ACCESS_PLATFORM;
    device.negotiate(features).unwrap();
    note("negotiate");
    let vrings: Vec<_> = (0..2 * pairs + 1)
        .map(|queue| {
            let at = 0x10000 * u64::from(queue);
            let (desc, avail, used) = (Iova(at), Iova(at + 0x4000), Iova(at + 0x8000));
            Vring::new(QueueIndex(queue), 256, desc, avail, used).with_call(call)
        })
        .collect();
    device.setup_vring(&vrings[0].with_call(None)).unwrap();
    note("set up one vring without a call");
    device.reset().unwrap();
    device.negotiate(features).unwrap();
    kernel.reset_crossings();
    device.setup_vrings(&vrings).unwrap();
    note("set up all vrings");

    let mut kicker = |queue, kind: KickKind| {
        let has = capabilities.contains(kind.capability());
        has.then(|| device.kicker(QueueIndex(queue), Kick::Kind(kind)).unwrap())
    };
    let eventfd = kicker(0, KickKind::EventFd);
    note("make eventfd kicker");
    let doorbell = kicker(0, KickKind::Doorbell);
    note("make doorbell kicker");
    let second = kicker(1, KickKind::Doorbell);
    note("make second doorbell kicker");
    let region_write = kicker(0, KickKind::RegionWrite);
    note("make region-write kicker");
    // Rings that aren't mapped would stop at once, and the test is about crossings.
    device.enable_vring(vrings[0].queue, false).unwrap();
    note("disable one vring");
    for vring in &vrings[1..] {
        device.enable_vring(vring.queue, false).unwrap();
    }
    kernel.reset_crossings();
    device.start().unwrap();
    note("start");
    let kick = |kicker: &Option<Kicker>| {
        if let Some(kicker) = kicker {
            kicker.kick().unwrap();
        }
    };
    kick(&eventfd);
    note("kick eventfd");
    kick(&doorbell);
    kick(&second);
    note("kick doorbell");
    kick(&region_write);
    note("kick region-write");

    let maps: Vec<_> = (0..4).map(|page| memory.page(page)).collect();
    // SAFETY: the memory is leaked, and nobody refers to it.
    unsafe { device.dma_map(&maps[0]) }.unwrap();
    note("map");
    // SAFETY: as above.
    unsafe { device.dma_map_all(&maps[1..]) }.unwrap();
    note("map three");
    device.dma_unmap(IovaRange::new(maps[0].iova, 1 << 30)).unwrap();
    note("unmap four at once");
    device.dma_limits().unwrap();
    note("limits");

    device.set_call(QueueIndex(1), call).unwrap();
    note("set call");
    if capabilities.contains(Capabilities::ERROR_EVENT) {
        device.set_error(QueueIndex(1), call).unwrap();
    }
    note("set error");
    device.status().unwrap();
    note("status");
    device.read_config(0, &mut [0; 6]).unwrap();
    note("read config space");
    device.suspend().unwrap();
    note("suspend");
    device.vring_base(QueueIndex(1)).unwrap();
    note("base");
    // A base of 0 is written now: the vring may have run. Its call is as before and is said again.
    device.setup_vring(&vrings[1]).unwrap();
    note("set up one vring again");
    device.enable_vring(QueueIndex(1), false).unwrap();
    kernel.reset_crossings();
    device.resume().unwrap();
    note("resume");
    device.reset().unwrap();
    note("reset");
    drop(device);
    note("drop");
    drop((eventfd, doorbell, second, region_write));
    seen
}

/// Pages that stay, for the device.
struct Memory(Hva);

impl Memory {
    fn new() -> Self {
        let page = page_size();
        let bytes = vec![0u8; 5 * page].leak();
        let unaligned = bytes.as_mut_ptr();
        Self(Hva((unaligned.addr() as u64).next_multiple_of(page as u64)))
    }

    fn page(&self, index: u64) -> DmaMapping {
        let page = page_size() as u64;
        let (iova, host) = (Iova((1 << 30) + 2 * index * page), Hva(self.0.0 + index * page));
        DmaMapping::new(iova, page, host, Access::ReadWrite)
    }
}
