//! Opens a device, sets it up, keeps frames flowing, and is killed: N times on each device of
//! `VHOST_ACCEL_URIS`. Then the kernel must have released as many pinned pages as it acquired, and
//! a client that closes its device is charged for no memory any more. What the device counts goes
//! on over a reset and a close.
//!
//! `lab-soak N`, in the lab as root. Unloading the modules afterwards is the lab's own test that no
//! reference is held.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use vhost_accel::{OpenError, Status, VhostAccel};
use vhost_accel_driver::{Config, NetDriver};

/// Frames of a killed client's length, in flight when it dies.
const FRAME: [u8; 1000] = [0x5a; 1000];
/// How long the kernel may take to release pages that others, too, may have pinned.
const RELEASE: Duration = Duration::from_secs(10);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-soak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let cycles: u32 = std::env::args().nth(1).ok_or("usage: lab-soak CYCLES")?.parse()?;
    for uri in std::env::var("VHOST_ACCEL_URIS")?.split_whitespace() {
        let begun = Instant::now();
        let (before, _) = pins()?;
        for cycle in 0..cycles {
            one(uri, cycle)?;
        }
        let pages = released(uri)? - before;
        let charged = charged(uri)?;
        let frames = counted(uri)?;
        println!(
            "{uri}: {cycles} cycles in {:.1} s, {pages} pages pinned and released, {charged} kB charged and given back, \
            {frames} frames counted by the devices",
            begun.elapsed().as_secs_f32(),
        );
    }
    Ok(())
}

/// A frame and a fault more are counted, and still when the device was reset and when it was
/// closed. How many frames there were on all devices together.
// ABI-COUNT-1, ABI-COUNT-2
fn counted(uri: &str) -> Result<u64> {
    let (frames, faults) = counters()?;
    let expected = (frames + 1, faults + 1);
    let is_so = |when: &str| -> Result<()> {
        match counters()? {
            counted if counted == expected => Ok(()),
            counted => {
                Err(format!("{uri}: {counted:?} counted {when}, {expected:?} expected").into())
            }
        }
    };
    let mut driver = NetDriver::open(open(uri)?, Config { queue_size: 16, ..Config::default() })?;
    driver.run()?;
    driver.send(0, &[&FRAME[..]])?;
    driver.wait(0, Duration::from_secs(5))?;
    let ring = driver.tx(0).ring();
    ring.set_avail_index(ring.avail_index().wrapping_add(17));
    driver.tx(0).kick()?;
    let end = Instant::now() + RELEASE;
    while !driver.device().status()?.contains(Status::NEEDS_RESET) {
        if Instant::now() > end {
            return Err(format!("{uri}: an available index too far ahead is no fault").into());
        }
    }
    is_so("while it runs")?;
    driver.device().reset()?;
    is_so("after a reset")?;
    drop(driver);
    is_so("after the close")?;
    Ok(expected.0)
}

/// Frames and faults that all devices have counted.
fn counters() -> Result<(u64, u64)> {
    let (mut frames, mut faults) = (0, 0);
    for device in fs::read_dir("/sys/kernel/debug/vhost_accel_net")? {
        for line in fs::read_to_string(device?.path())?.lines() {
            match line.split_once(' ').ok_or("a counter without a name")? {
                ("frames", count) => frames += count.parse::<u64>()?,
                (name, count) if name.starts_with("fault_") => faults += count.parse::<u64>()?,
                // Drops and mappings.
                (_, _) => {}
            }
        }
    }
    Ok((frames, faults))
}

/// What a client that lives is charged for while it has the device, which must be nothing before
/// and after. That of one that was killed goes with it.
fn charged(uri: &str) -> Result<u64> {
    let before = locked()?;
    let config = Config { queue_size: 64, pairs: 2, ..Config::default() };
    let mut driver = NetDriver::open(open(uri)?, config)?;
    driver.run()?;
    driver.send(0, &[&FRAME[..]])?;
    driver.wait(0, Duration::from_secs(5))?;
    let during = locked()?;
    drop(driver);
    let after = locked()?;
    if before != 0 || after != 0 {
        return Err(format!("{uri}: {before} kB locked before, {after} kB after").into());
    }
    Ok(during)
}

/// Locked and pinned memory of this process, in kB.
fn locked() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let fields = status
        .lines()
        .filter_map(|line| line.strip_prefix("VmLck:").or(line.strip_prefix("VmPin:")))
        .filter_map(|value| value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(fields.sum())
}

/// A client's life. It dies some microseconds into its traffic, later with each cycle.
fn one(uri: &str, cycle: u32) -> Result<()> {
    let (mut told, teller) = pipe()?;
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error().into()),
        0 => {
            drop(told);
            if let Err(error) = client(uri, teller) {
                eprintln!("lab-soak: {uri}: {error}");
            }
            std::process::exit(1);
        }
        child => {
            drop(teller);
            let flowing = told.read_exact(&mut [0]);
            sleep(Duration::from_micros(u64::from(cycle % 64) * 50));
            let mut status = 0;
            // SAFETY: the child is ours and not waited for yet; `status` is where its status goes.
            let waited = unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, &mut status, 0)
            };
            if waited != child || !libc::WIFSIGNALED(status) {
                return Err(format!("{uri}: the client ended by itself, cycle {cycle}").into());
            }
            Ok(flowing?)
        }
    }
}

/// What the client does until it is killed.
fn client(uri: &str, mut teller: File) -> Result<()> {
    let config = Config { queue_size: 64, pairs: 2, ..Config::default() };
    let mut driver = NetDriver::open(open(uri)?, config)?;
    driver.run()?;
    let mut told = false;
    loop {
        for pair in 0..2 {
            driver.send(pair, &[&FRAME[..]; 16])?;
            driver.wait(pair, Duration::from_secs(5))?;
            let mut intact = true;
            driver.receive(pair, |frame| intact &= frame == FRAME)?;
            if !intact {
                return Err("a frame was damaged".into());
            }
        }
        if !told {
            teller.write_all(&[1])?;
            told = true;
        }
    }
}

/// VFIO holds the client's memory while it pins a page. If the client dies meanwhile, its mappings,
/// and with them the device, are closed a moment after it was waited for.
fn open(uri: &str) -> Result<Box<dyn VhostAccel>> {
    let end = Instant::now() + RELEASE;
    loop {
        match vhost_accel::open(uri) {
            Err(OpenError::Device(error))
                if error.errno() == Some(libc::EBUSY) && Instant::now() < end =>
            {
                sleep(Duration::from_millis(1));
            }
            opened => return Ok(opened?),
        }
    }
}

fn pipe() -> Result<(File, File)> {
    let mut fds = [0; 2];
    // SAFETY: `fds` has room for the two descriptors.
    if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: both descriptors are new and nobody else's.
    Ok(unsafe { (File::from_raw_fd(fds[0]), File::from_raw_fd(fds[1])) })
}

/// Waits until every page that was ever pinned is unpinned; how many there were.
fn released(uri: &str) -> Result<u64> {
    let end = Instant::now() + RELEASE;
    loop {
        let (acquired, released) = pins()?;
        if acquired == released {
            return Ok(acquired);
        }
        if Instant::now() > end {
            return Err(format!("{uri}: {acquired} pages pinned, {released} released").into());
        }
        sleep(Duration::from_millis(50));
    }
}

fn pins() -> Result<(u64, u64)> {
    let stat = fs::read_to_string("/proc/vmstat")?;
    let field = |name| -> Result<u64> {
        let value = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or("no count of pinned pages in /proc/vmstat")?.parse()?)
    };
    Ok((field("nr_foll_pin_acquired")?, field("nr_foll_pin_released")?))
}
