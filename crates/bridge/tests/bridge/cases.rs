//! What a front end does, and what it must find.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use vhost::vhost_user::{Frontend, VhostUserFrontend};
use vhost::{VhostBackend, VhostUserMemoryRegionInfo, VringConfigData};
use vhost_accel::{Interface, Iova, QueueIndex, VringBase};
use vhost_accel_driver::{Config, Event, NetDriver, Queue, Region};
use vmm_sys_util::sock_ctrl_msg::ScmSocket;

use crate::front_end::{Lines, PROTOCOL_FEATURES, connect, driver, event, negotiate, said};
use crate::{Bridged, KILLED, LIMIT, PAIRS};

type Case = (&'static str, fn(&Bridged<'_>));

pub(crate) const CASES: &[Case] = &[
    ("frames_pass_for_one_front_end_after_another", one_after_another),
    ("a_front_end_that_resets_goes_on", resets),
    ("a_pair_goes_on_where_it_stopped_beside_one_that_runs", goes_on),
    ("a_disabled_pair_stands_still", disabled),
    ("memory_changes_while_frames_pass", memory_changes),
    ("config_space_is_the_devices", config_space),
    ("an_error_event_is_signalled_where_the_interface_can", error_event),
    ("nothing_stays_mapped", nothing_stays_mapped),
    ("a_front_end_that_is_killed_leaves_nothing", killed),
    ("rings_may_be_enabled_before_features_are_accepted", enabled_early),
    ("garbage_ends_its_sender_alone", garbage),
    ("what_makes_no_sense_is_refused", refused),
];

/// Rings of all pairs.
const RINGS: u16 = 2 * PAIRS;
const FRAME: [u8; 60] = [7; 60];

/// A driver on the bridge with a guest of `pairs` pairs, and everything before the frames.
fn front_end(path: &Path, pairs: u16) -> (NetDriver, Lines) {
    let (mut driver, lines) = driver(connect(path, RINGS), Config::pairs(pairs), RINGS);
    driver.setup().unwrap();
    driver.start().unwrap();
    (driver, lines)
}

/// Takes one frame, which is `FRAME`, from `pair`.
fn take(driver: &mut NetDriver, pair: u16) {
    assert!(driver.wait(pair, LIMIT).unwrap(), "the frame on pair {pair} is lost");
    let mut back = Vec::new();
    driver.receive(pair, |one| back.push(one.to_vec())).unwrap();
    assert_eq!(back, [FRAME], "pair {pair}");
}

/// Frames there and back, `count` on each of `pairs`.
fn pass(driver: &mut NetDriver, pairs: u16, count: u16) {
    for pair in 0..pairs {
        for _ in 0..count {
            assert_eq!(driver.send(pair, &[&FRAME]).unwrap(), 1);
            take(driver, pair);
        }
    }
}

fn one_after_another(bridged: &Bridged<'_>) {
    for pairs in [1, PAIRS, 2] {
        let (mut driver, lines) = front_end(&bridged.path, pairs);
        pass(&mut driver, pairs, 20);
        drop((driver, lines));
        let end = bridged.end();
        assert!(end.reason.is_none(), "{end}");
        // A kick eventfd is the device's own, but on #1/A, which has none.
        let relays = bridged.uri.interface() == Interface::VfioMsg;
        assert_eq!(end.relayed > 0, relays, "{end}");
    }
    assert_eq!(bridged.faults(), 0);
}

fn resets(bridged: &Bridged<'_>) {
    let (mut driver, _lines) = front_end(&bridged.path, 1);
    for _ in 0..3 {
        pass(&mut driver, 1, 5);
        driver.restart().unwrap();
    }
    pass(&mut driver, 1, 5);
    assert_eq!(bridged.faults(), 0);
}

fn goes_on(bridged: &Bridged<'_>) {
    let (mut driver, lines) = front_end(&bridged.path, 2);
    pass(&mut driver, 2, 3);
    for _ in 0..3 {
        let mut base = |queue| driver.device().vring_base(QueueIndex(queue)).unwrap();
        let (receive, transmit) = (base(0), base(1));
        assert_eq!(transmit.as_split(), Some(driver.tx(0).next_avail()));
        assert_eq!(receive.as_split(), Some(driver.rx(0).next_used()));
        // Pair 1 does not notice; on pair 0 there is a frame before it runs.
        assert_eq!(driver.send(1, &[&FRAME]).unwrap(), 1);
        take(&mut driver, 1);
        assert_eq!(driver.send(0, &[&FRAME]).unwrap(), 1);
        assert!(!driver.rx(0).has_used());
        set_up_again(&lines, driver.rx(0), receive);
        set_up_again(&lines, driver.tx(0), transmit);
        take(&mut driver, 0);
        pass(&mut driver, 2, 3);
    }
    assert_eq!(bridged.faults(), 0);
}

/// Sets a queue up again from `base` on.
fn set_up_again(lines: &Lines, queue: &Queue, base: VringBase) {
    lines.set_up(&queue.vring().with_base(base)).unwrap();
    let kick = queue.kicker().unwrap().as_eventfd().unwrap();
    lines.set_kick(queue.index(), kick).unwrap();
}

fn disabled(bridged: &Bridged<'_>) {
    let (mut driver, lines) = front_end(&bridged.path, PAIRS);
    pass(&mut driver, PAIRS, 2);
    let pair = PAIRS - 1;
    let enable = |enabled| {
        for ring in [2 * pair, 2 * pair + 1] {
            lines.ask(|frontend| frontend.set_vring_enable(ring.into(), enabled)).unwrap();
        }
    };
    enable(false);
    assert_eq!(driver.send(pair, &[&FRAME]).unwrap(), 1);
    pass(&mut driver, pair, 5);
    assert!(!driver.rx(pair).has_used());
    enable(true);
    take(&mut driver, pair);
    pass(&mut driver, PAIRS, 2);
    assert_eq!(bridged.faults(), 0);
}

fn memory_changes(bridged: &Bridged<'_>) {
    let (mut driver, lines) = front_end(&bridged.path, 1);
    for number in 0..20 {
        let more = Region::new(0x4000).unwrap();
        let mapping = more.at(Iova((1 << 40) + number * 0x4000)).mapping();
        let file = more.file().unwrap().try_clone_to_owned().unwrap();
        assert_eq!(driver.send(0, &[&FRAME]).unwrap(), 1);
        lines.change(mapping, Some(file)).unwrap();
        take(&mut driver, 0);
        assert_eq!(driver.send(0, &[&FRAME]).unwrap(), 1);
        lines.change(mapping, None).unwrap();
        take(&mut driver, 0);
    }
    // The same by slots.
    let more = Region::new(0x4000).unwrap();
    let region = said(&more.at(Iova(1 << 40)).mapping(), more.file().unwrap());
    let most = lines.ask(|frontend| frontend.get_max_mem_slots()).unwrap();
    assert!(most > 32, "{most}");
    for _ in 0..3 {
        // Once for each queue pair, as QEMU does it.
        for _ in 0..PAIRS {
            lines.ask(|frontend| frontend.add_mem_region(&region)).unwrap();
        }
        pass(&mut driver, 1, 1);
        for _ in 0..PAIRS {
            lines.ask(|frontend| frontend.remove_mem_region(&region)).unwrap();
        }
        pass(&mut driver, 1, 1);
    }
    lines.ask(|frontend| frontend.remove_mem_region(&region)).unwrap_err();
    assert!(bridged.end().to_string().contains("no such memory region"));
    assert_eq!(bridged.faults(), 0);
}

fn config_space(bridged: &Bridged<'_>) {
    let open = || driver(connect(&bridged.path, RINGS), Config::pairs(1), RINGS);
    let (mut card, lines) = open();
    let mut config = [0; 12];
    card.device().read_config(0, &mut config).unwrap();
    assert_eq!((config[0], config[1], config[8]), (0x52, 0x54, PAIRS as u8));
    let mac = [2, 0, 0, 1, 2, 3];
    card.device().write_config(0, &mac).unwrap();
    card.device().read_config(0, &mut config).unwrap();
    assert_eq!(config[..6], mac);
    assert_eq!(lines.ask(|frontend| frontend.get_queue_num()).unwrap(), u64::from(PAIRS));
    drop((card, lines));
    bridged.end();
    // It was that front end's.
    let (mut card, _lines) = open();
    card.device().read_config(0, &mut config).unwrap();
    assert_eq!(config[0], 0x52);
}

fn error_event(bridged: &Bridged<'_>) {
    let (mut driver, lines) = front_end(&bridged.path, 2);
    let error = Event::new().unwrap();
    let given = event(error.as_fd()).unwrap();
    lines.ask(|frontend| frontend.set_vring_err(1, &given)).unwrap();
    let beyond = driver.tx(0).next_avail().wrapping_add(1000);
    driver.tx(0).ring().set_avail_index(beyond);
    driver.tx(0).kick().unwrap();
    if bridged.uri.interface() == Interface::VhostVdpa {
        let end = Instant::now() + LIMIT;
        while bridged.faults() == 0 && Instant::now() < end {
            thread::yield_now();
        }
    } else {
        assert_eq!(error.wait(LIMIT).unwrap(), 1);
    }
    assert_eq!(bridged.faults(), 1);
    assert_eq!(driver.send(1, &[&FRAME]).unwrap(), 1);
    take(&mut driver, 1);
}

/// Asserts that this process has neither mapped nor open what is behind these inodes.
fn are_gone(inodes: &[u64]) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mapped = maps.lines().filter_map(|line| line.split_whitespace().nth(4)?.parse().ok());
    let opened = std::fs::read_dir("/proc/self/fd").unwrap();
    let opened = opened.filter_map(|fd| Some(std::fs::metadata(fd.ok()?.path()).ok()?.ino()));
    let left: Vec<u64> = mapped.chain(opened).filter(|one| inodes.contains(one)).collect();
    assert!(left.is_empty(), "{left:?} of {inodes:?}");
}

fn nothing_stays_mapped(bridged: &Bridged<'_>) {
    for refused in [false, true] {
        let (mut driver, lines) = front_end(&bridged.path, 2);
        pass(&mut driver, 2, 2);
        let files = driver.leases().iter().map(|lease| lease.region().file().unwrap());
        let about = files.map(|file| std::fs::File::from(file.try_clone_to_owned().unwrap()));
        let inodes: Vec<u64> = about.map(|file| file.metadata().unwrap().ino()).collect();
        if refused {
            lines.ask(|frontend| frontend.set_vring_base(0, 1)).unwrap_err();
        }
        drop((driver, lines));
        assert_eq!(bridged.end().reason.is_some(), refused);
        are_gone(&inodes);
    }
}

/// What the front end does that `killed` starts and kills.
pub(crate) fn run_until_killed(path: &Path) -> ! {
    let (mut driver, _lines) = front_end(path, PAIRS);
    pass(&mut driver, PAIRS, 1);
    std::io::stdout().write_all(b"running").unwrap();
    std::io::stdout().flush().unwrap();
    loop {
        pass(&mut driver, PAIRS, 1);
    }
}

fn killed(bridged: &Bridged<'_>) {
    for _ in 0..3 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.env(KILLED, &bridged.path).stdout(Stdio::piped()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 7]).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        bridged.end();
        // At the same addresses.
        let (mut driver, lines) = front_end(&bridged.path, PAIRS);
        pass(&mut driver, PAIRS, 2);
        drop((driver, lines));
        bridged.end();
    }
}

/// Sends SET_VRING_ENABLE.
fn enable(mut stream: &UnixStream, flags: u32, ring: u32, state: u32) {
    let message = [18, flags, 8, ring, state].map(u32::to_ne_bytes).concat();
    stream.write_all(&message).unwrap();
}

fn enabled_early(bridged: &Bridged<'_>) {
    // As QEMU does it.
    let stream = UnixStream::connect(&bridged.path).unwrap();
    for ring in 0..4 {
        enable(&stream, 1, ring, u32::from(ring < 2));
    }
    let frontend = negotiate(stream.try_clone().unwrap(), RINGS);
    // And an answer, now that there may be one.
    enable(&stream, 9, 1, 1);
    let mut answer = [0; 20];
    (&stream).read_exact(&mut answer).unwrap();
    assert_eq!(answer.map(u32::from)[..5], [18, 0, 0, 0, 5]);
    assert_eq!(answer[8..], [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let (mut driver, lines) = driver(frontend, Config::pairs(1), RINGS);
    driver.setup().unwrap();
    driver.start().unwrap();
    pass(&mut driver, 1, 2);
    drop((driver, lines, stream));
    assert!(bridged.end().reason.is_none());
    for (ring, state) in [(RINGS.into(), 1), (0, 2)] {
        let stream = UnixStream::connect(&bridged.path).unwrap();
        enable(&stream, 1, ring, state);
        assert!(bridged.end().reason.is_some());
    }
}

fn garbage(bridged: &Bridged<'_>) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 20).unwrap();
    for round in 0..200 {
        let stream = UnixStream::connect(&bridged.path).unwrap();
        for _ in 0..=random() % 8 {
            let mut bytes = Vec::new();
            if round % 4 > 0 {
                // A header, and a body of about that length.
                let size = random() % 64 / 8 * 8;
                let flags = if random().is_multiple_of(2) { 1 } else { 9 };
                for field in [random() % 46, flags, size] {
                    bytes.extend((field as u32).to_ne_bytes());
                }
                for _ in 0..size / 8 {
                    bytes.extend((random() >> (random() % 64)).to_ne_bytes());
                }
            }
            for _ in 0..if round % 4 < 2 { random() % 40 } else { 0 } {
                bytes.push(random() as u8);
            }
            let fds = vec![file.as_raw_fd(); random() as usize % 3];
            // The bridge may have had enough.
            let _ = stream.send_with_fds(&[&bytes[..]], &fds);
        }
        drop(stream);
        bridged.end();
    }
    let (mut driver, lines) = front_end(&bridged.path, PAIRS);
    pass(&mut driver, PAIRS, 2);
    drop((driver, lines));
    assert!(bridged.end().reason.is_none());
}

fn refused(bridged: &Bridged<'_>) {
    let memory = Region::new(0x4000).unwrap();
    let region = |guest| said(&memory.at(Iova(guest)).mapping(), memory.file().unwrap());
    let kick = || event(Event::new().unwrap().as_fd()).unwrap();
    let ring = VringConfigData {
        queue_max_size: 1024,
        queue_size: 8,
        flags: 0,
        desc_table_addr: 0x1000,
        used_ring_addr: 0x2000,
        avail_ring_addr: 0x3000,
        log_addr: None,
    };
    let refused = |reason: &str, request: &dyn Fn(&mut Frontend) -> vhost::Result<()>| {
        let mut frontend = connect(&bridged.path, 64);
        let answer = request(&mut frontend);
        drop(frontend);
        let end = bridged.end().to_string();
        assert!(answer.is_err(), "{end}");
        assert!(end.contains(reason), "{reason}: {end}");
    };
    refused("not offered", &|frontend| frontend.set_features(1 << 33));
    refused("no vring 8", &|frontend| frontend.set_vring_num(8, 8));
    refused("no vring 63", &|frontend| frontend.set_vring_base(63, 0));
    refused("two memory regions", &|frontend| {
        frontend.set_mem_table(&[region(0), region(0x3000)]).map(|_| ())
    });
    refused("cannot map the memory region at guest address 0x1000", &|frontend| {
        let longer = VhostUserMemoryRegionInfo { memory_size: 0x5000, ..region(0x1000) };
        frontend.set_mem_table(&[longer]).map(|_| ())
    });
    refused("no such memory region", &|frontend| frontend.remove_mem_region(&region(0)));
    refused("in no memory region", &|frontend| {
        frontend.set_features(1 << 32 | PROTOCOL_FEATURES)?;
        for queue in [0, 1] {
            frontend.set_vring_num(queue, 8)?;
            frontend.set_vring_addr(queue, &ring)?;
            frontend.set_vring_enable(queue, true)?;
            frontend.set_vring_kick(queue, &kick())?;
        }
        Ok(())
    });
    assert_eq!(bridged.faults(), 0);
}
