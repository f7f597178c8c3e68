//! The states that a device is brought to before it is asked anything.

use std::fmt;
use std::time::{Duration, Instant};

use vhost_accel_uapi::vhost::{self, MsgV2, VringAddr, VringState};
use vhost_accel_uapi::{mdev, vfio};
use zerocopy::IntoBytes;

use crate::memory::{PAGE, RING, RING_LEN, place_well};
use crate::request::{Client, Kind};
use crate::sys;

/// Where the ring is for the device, in every lively episode.
pub(crate) const RING_IOVA: u64 = 0x70_0000_0000;
/// What is accepted: VERSION_1 and ACCESS_PLATFORM.
pub(crate) const FEATURES: u64 = 3 << 32;
/// The vring that is made to fail.
const FAULTY: u32 = 1;
/// Ends a wait that nothing else would end.
const HANG: Duration = Duration::from_secs(20);

/// How far a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Just opened.
    Opened,
    /// There is an owner.
    Owned,
    /// Features were accepted.
    Negotiated,
    /// Every vring has a size, addresses, and is enabled.
    SetUp,
    /// DRIVER_OK.
    Running,
    /// Suspended.
    Suspended,
    /// One vring has stopped for a fault.
    Faulted,
    /// Reset after it ran.
    Reset,
    /// The owner has left, where it can.
    Disowned,
}

impl State {
    pub(crate) const ALL: [Self; 9] = [
        Self::Opened,
        Self::Owned,
        Self::Negotiated,
        Self::SetUp,
        Self::Running,
        Self::Suspended,
        Self::Faulted,
        Self::Reset,
        Self::Disowned,
    ];

    /// Whether the device runs, or did, so that the episode must be lively.
    pub(crate) fn ran(self) -> bool {
        match self {
            Self::Running | Self::Suspended | Self::Faulted | Self::Reset => true,
            Self::Opened | Self::Owned | Self::Negotiated | Self::SetUp | Self::Disowned => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opened => "opened",
            Self::Owned => "owned",
            Self::Negotiated => "negotiated",
            Self::SetUp => "set-up",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Faulted => "faulted",
            Self::Reset => "reset",
            Self::Disowned => "disowned",
        })
    }
}

/// Vrings of the device, as it says.
pub(crate) fn vrings(client: &Client<'_>) -> u32 {
    let arg = place_well(&[0; 4]);
    client.ioctl(vhost::GET_VQS_COUNT, &arg);
    arg.changed(&[]).map_or(0, |(_, bytes)| bytes[0].into())
}

/// Brings a device that was just opened to `state`. What fails on the way shows in the status.
pub(crate) fn bring(client: &Client<'_>, state: State) {
    let set = |request: u32, bytes: &[u8]| client.ioctl(request, &place_well(bytes));
    if state == State::Opened {
        return;
    }
    set(vhost::SET_OWNER, &[]);
    map_ring(client);
    if state == State::Owned {
        return;
    }
    if state == State::Disowned {
        set(vhost::RESET_OWNER, &[]);
        return;
    }
    set(vhost::SET_STATUS, &[3]);
    set(vhost::SET_FEATURES, FEATURES.as_bytes());
    set(vhost::SET_STATUS, &[11]);
    if state == State::Negotiated {
        return;
    }
    for index in 0..vrings(client) {
        let vring = |num| VringState { index, num };
        set(vhost::SET_VRING_NUM, vring(256).as_bytes());
        set(vhost::SET_VRING_ADDR, ring_addr(index).as_bytes());
        set(vhost::SET_VRING_ENABLE, vring(1).as_bytes());
    }
    if state == State::SetUp {
        return;
    }
    if state == State::Faulted {
        // The ring is empty: an available index of 0 is 65531 ahead of this.
        set(vhost::SET_VRING_BASE, VringState { index: FAULTY, num: 5 }.as_bytes());
    }
    set(vhost::SET_STATUS, &[15]);
    match state {
        State::Suspended => drop(set(vhost::SUSPEND, &[])),
        State::Reset => drop(set(vhost::SET_STATUS, &[0])),
        State::Faulted => {
            let deadline = Instant::now() + HANG;
            while client.status() != "4f" && Instant::now() < deadline {
                std::thread::yield_now();
            }
        }
        State::Opened
        | State::Owned
        | State::Negotiated
        | State::SetUp
        | State::Running
        | State::Disowned => {}
    }
}

/// The empty ring, as the addresses of vring `index`.
pub(crate) fn ring_addr(index: u32) -> VringAddr {
    VringAddr {
        index,
        flags: 0,
        desc: RING_IOVA,
        avail: RING_IOVA + 4 * PAGE,
        used: RING_IOVA + 5 * PAGE,
        log: 0,
    }
}

fn map_ring(client: &Client<'_>) {
    let send = |request, value: &[u8]| client.ioctl(request, &place_well(value)).is_ok();
    match (client.kind, &client.vfio) {
        (Kind::Vfio, Some(vfio)) => {
            let map = vfio::DmaMap {
                argsz: size_of::<vfio::DmaMap>() as u32,
                flags: vfio::DMA_MAP_FLAG_READ | vfio::DMA_MAP_FLAG_WRITE,
                vaddr: RING,
                iova: RING_IOVA,
                size: RING_LEN,
            };
            let arg = place_well(map.as_bytes());
            sys::ioctl(&vfio.container, vfio::IOMMU_MAP_DMA, arg.address);
        }
        (Kind::Vfio, None) => {}
        (Kind::Mdev, _) => {
            let perm = vhost::ACCESS_RW.into();
            let map = mdev::DmaMap { iova: RING_IOVA, size: RING_LEN, uaddr: RING, perm, flags: 0 };
            send(mdev::MAP_DMA, map.as_bytes());
        }
        (Kind::Vdpa, _) => {
            // A page at a time: how many runs a longer one is kept as is the machine's affair.
            for offset in (0..RING_LEN).step_by(PAGE as usize) {
                let rw = vhost::ACCESS_RW;
                let message = MsgV2::update(0, RING_IOVA + offset, PAGE, RING + offset, rw);
                let arg = place_well(message.as_bytes());
                sys::write(&client.fd, arg.address, size_of::<MsgV2>() as u64, None);
            }
        }
    }
}
