//! An error says what failed, on what, and why, the same through every interface; and what failed
//! half is taken back.

#![expect(unsafe_code, reason = "maps memory for the device")]
#![expect(clippy::unwrap_used, reason = "a test's helpers panic as the test does")]

use std::fs::File;
use std::os::fd::AsFd;

use vhost_accel::{
    Access, Capabilities, DmaMapping, Error, Features, Hva, Interface, Iova, IovaRange, Kicker,
    OpenError, Operation, QueueIndex, Subject, Uri, VhostAccel, Vring, page_size,
};
use vhost_accel_emulator::EmulatedKernel;

const EEXIST: i32 = 17;
const EBUSY: i32 = 16;
const EFAULT: i32 = 14;
const EINVAL: i32 = 22;
const ENOENT: i32 = 2;

/// Does `check` with each device, through each interface in each variant.
fn each(check: impl Fn(&Uri, &mut dyn VhostAccel) + Sync) {
    let kernel = EmulatedKernel::builder().queue_pairs(2).build().unwrap();
    let checked = kernel.run(|| {
        let devices = vhost_accel::devices().unwrap();
        let variants = devices.iter().flat_map(Uri::variants);
        variants.map(|uri| check(&uri, &mut *vhost_accel::open_uri(&uri).unwrap())).count()
    });
    assert_eq!(checked.unwrap(), 7, "four interfaces, and three of them in two variants");
}

fn assert_error(uri: &Uri, error: &Error, operation: Operation, subject: Subject, errno: i32) {
    assert_eq!(error.operation(), operation, "{error}");
    assert_eq!(error.subject(), subject, "{error}");
    assert_eq!(error.errno(), Some(errno), "{error}");
    assert_eq!(error.interface(), uri.interface());
    assert_eq!(error.device(), uri.path());
}

#[test]
fn a_device_that_is_open_is_busy() {
    each(|uri, _open| {
        let Err(OpenError::Device(error)) = vhost_accel::open_uri(uri).map(drop) else {
            panic!("{uri} opened twice");
        };
        assert_error(uri, &error, Operation::Open, Subject::Device, EBUSY);
    });
}

// ABI-CROSS-20
#[test]
fn a_vring_whose_call_is_no_eventfd() {
    each(|uri, device| {
        device.negotiate(Features::VERSION_1 | Features::ACCESS_PLATFORM).unwrap();
        let good = Kicker::eventfd(QueueIndex(0), None, |_| Ok(())).unwrap();
        let bad = File::open("/dev/null").unwrap();
        let vring = |queue: u16, call| {
            let (desc, avail, used) = (Iova(0), Iova(0x1000), Iova(0x2000));
            Vring::new(QueueIndex(queue), 8, desc, avail, used).with_call(call)
        };
        let vrings =
            [vring(0, good.as_eventfd()), vring(2, Some(bad.as_fd())), vring(1, good.as_eventfd())];
        let error = device.setup_vrings(&vrings).unwrap_err();
        let subject = Subject::Queue(QueueIndex(2));
        assert_error(uri, &error, Operation::SetupVring, subject, EINVAL);
        assert_eq!(error.step(), Some(Operation::SetCall));
        assert_eq!(
            error.to_string(),
            format!(
                "{} {}: set up vring 2: set call of vring: Invalid argument (os error 22)",
                uri.interface(),
                uri.path().display()
            )
        );
        // What was done for the others does no harm.
        device.setup_vrings(&[vrings[0], vrings[2]]).unwrap();
    });
}

struct Memory(Hva);

impl Memory {
    fn new(pages: usize) -> Self {
        let page = page_size();
        let bytes = vec![0u8; (pages + 1) * page].leak();
        let unaligned = bytes.as_mut_ptr();
        Self(Hva((unaligned.addr() as u64).next_multiple_of(page as u64)))
    }

    fn at(&self, iova_page: u64, pages: u64) -> DmaMapping {
        let page = page_size() as u64;
        DmaMapping::new(Iova(iova_page * page), pages * page, self.0, Access::ReadWrite)
    }
}

#[test]
fn a_mapping_that_overlaps_takes_those_before_it_back() {
    let memory = Memory::new(4);
    each(|uri, device| {
        let overlap = match uri.interface() {
            Interface::VhostVdpa => EFAULT,
            _ => EEXIST,
        };
        let two = memory.at(0x10, 2);
        let three = [memory.at(0x20, 1), memory.at(0x30, 1), memory.at(0x11, 2)];
        // SAFETY: the memory is leaked, and nobody refers to it.
        unsafe { device.dma_map(&two) }.unwrap();
        // SAFETY: as above.
        let error = unsafe { device.dma_map_all(&three) }.unwrap_err();
        assert_error(uri, &error, Operation::DmaMap, Subject::Range(three[2].range()), overlap);
        // SAFETY: as above.
        unsafe { device.dma_map_all(&three[..2]) }.expect("neither is mapped");
        // SAFETY: as above.
        let error = unsafe { device.dma_map(&two) }.unwrap_err();
        assert_error(uri, &error, Operation::DmaMap, Subject::Range(two.range()), overlap);
    });
}

#[test]
fn an_unmap_of_nothing_and_one_that_cuts() {
    let memory = Memory::new(4);
    each(|uri, device| {
        let page = page_size() as u64;
        let four = memory.at(0x10, 4);
        // SAFETY: the memory is leaked, and nobody refers to it.
        unsafe { device.dma_map(&four) }.unwrap();
        let nothing = IovaRange::new(Iova(0x100 * page), page);
        let cut = IovaRange::new(Iova(0x12 * page), page);
        if device.info().capabilities.contains(Capabilities::DMA_ERRNO) {
            let error = device.dma_unmap(nothing).unwrap_err();
            assert_error(uri, &error, Operation::DmaUnmap, Subject::Range(nothing), ENOENT);
            let error = device.dma_unmap(cut).unwrap_err();
            assert_error(uri, &error, Operation::DmaUnmap, Subject::Range(cut), EINVAL);
            device.dma_unmap(four.range()).unwrap();
        } else {
            device.dma_unmap(nothing).unwrap();
            device.dma_unmap(cut).unwrap();
        }
        // SAFETY: as above.
        unsafe { device.dma_map(&four) }.expect("it is not mapped any more");
    });
}

#[test]
fn capabilities_are_those_of_the_interface() {
    each(|uri, device| {
        let text = uri.to_string();
        let option = text.split_once('?').map_or("", |(_, option)| option);
        let common = Capabilities::KICK_DOORBELL
            | Capabilities::DMA
            | Capabilities::SUSPEND
            | Capabilities::RESUME
            | Capabilities::VIRTIO_STATUS;
        let vfio = common
            | Capabilities::DIRTY_LOG
            | Capabilities::ERROR_EVENT
            | Capabilities::DMA_ACCESS
            | Capabilities::DMA_ERRNO
            | Capabilities::DMA_INCREMENTAL;
        let mdev = common
            | Capabilities::KICK_EVENTFD
            | Capabilities::DIRTY_LOG
            | Capabilities::ERROR_EVENT
            | Capabilities::DMA_ERRNO;
        let one_by_one = Capabilities::DMA_ACCESS | Capabilities::DMA_INCREMENTAL;
        let expected = match (uri.interface(), option) {
            (Interface::VfioMsg, "") => {
                vfio | Capabilities::KICK_REGION_WRITE | Capabilities::BATCH_VRINGS
            }
            (Interface::VfioMsg, _) => vfio | Capabilities::KICK_REGION_WRITE,
            (Interface::VfioIoctl, _) => vfio | Capabilities::KICK_EVENTFD,
            (Interface::VhostMdev, "") => mdev | one_by_one,
            (Interface::VhostMdev, _) => mdev | Capabilities::BATCH_DMA | Capabilities::ATOMIC_DMA,
            (Interface::VhostVdpa, "") => {
                common | Capabilities::KICK_EVENTFD | one_by_one | Capabilities::BATCH_DMA
            }
            (Interface::VhostVdpa, _) => common | Capabilities::KICK_EVENTFD | one_by_one,
            (Interface::Other(other), _) => panic!("{} is not among these", other.name),
        };
        let info = device.info();
        assert_eq!(info.capabilities, expected, "{uri}");
        assert_eq!((info.device_id, info.queue_count, info.max_queue_size), (1, 5, 1024));
        assert_eq!(device.config_size().unwrap(), 12);
        let mut max_pairs = [0; 2];
        device.read_config(8, &mut max_pairs).unwrap();
        assert_eq!(u16::from_le_bytes(max_pairs), 2);
    });
}
