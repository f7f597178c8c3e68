//! What the typed system calls hand to the kernel: fd, request number and bytes. This program's own
//! `ioctl` takes the place of libc's, writes down what it is called with, and answers as told.

#![expect(unsafe_code, reason = "stands in for ioctl(2), whose argument is a pointer")]

use std::cell::RefCell;
use std::ffi::{c_int, c_ulong};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use vhost_accel_uapi::call::{iotlb, mdev, region, vfio, vhost};
use vhost_accel_uapi::mem_table::MemTable;
use vhost_accel_uapi::vfio as vfio_abi;
use vhost_accel_uapi::vhost::{ACCESS_RW, IovaRange, VringAddr};
use zerocopy::IntoBytes;

/// The next call that this thread expects.
struct Kernel {
    /// Bytes of the argument to look at.
    len: usize,
    /// What to put over the argument, from its first byte on.
    answer: Vec<u8>,
    errno: c_int,
    seen: Option<(c_int, u32, Vec<u8>)>,
}

thread_local! {
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
}

/// ioctl(2), for every call from this program.
///
/// # Safety
/// `arg` must have the bytes that the test says it has.
// SAFETY: no other symbol of the program has this name; libc's is in a shared object, which gives
// way.
#[unsafe(no_mangle)]
unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, arg: *mut u8) -> c_int {
    KERNEL.with_borrow_mut(|kernel| {
        let kernel = kernel.as_mut().expect("an ioctl that no test asked for");
        assert!(kernel.seen.is_none(), "a second ioctl");
        let mut bytes = vec![0; kernel.len];
        // SAFETY: the argument has `len` bytes, as the request encodes or the test says.
        unsafe { arg.copy_to(bytes.as_mut_ptr(), bytes.len()) };
        let request = u32::try_from(request).expect("32 bits of request");
        kernel.seen = Some((fd, request, bytes));
        if kernel.errno != 0 {
            // SAFETY: has no preconditions.
            let errno = unsafe { libc::__errno_location() };
            // SAFETY: it points to this thread's errno.
            unsafe { errno.write(kernel.errno) };
            return -1;
        }
        assert!(kernel.answer.len() <= kernel.len);
        // SAFETY: the answer is no longer than the argument, which is writable if there is an
        // answer.
        unsafe { arg.copy_from(kernel.answer.as_ptr(), kernel.answer.len()) };
        0
    })
}

/// Makes `call`, whose argument has `len` bytes, answers it, and gives its result, the request and
/// the bytes of the argument.
fn answered<T>(
    len: usize,
    answer: &[u8],
    call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
) -> (T, u32, Vec<u8>) {
    let (result, request, bytes) = run(len, answer, 0, call);
    (result.expect("success"), request, bytes)
}

fn run<T>(
    len: usize,
    answer: &[u8],
    errno: c_int,
    call: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
) -> (io::Result<T>, u32, Vec<u8>) {
    let null = File::open("/dev/null").expect("/dev/null");
    let kernel = Kernel { len, answer: answer.to_vec(), errno, seen: None };
    KERNEL.set(Some(kernel));
    let result = call(null.as_fd());
    let kernel = KERNEL.take().expect("still there");
    let (fd, request, bytes) = kernel.seen.expect("an ioctl");
    assert_eq!(fd, null.as_raw_fd());
    (result, request, bytes)
}

/// The argument of a call that the kernel does not answer.
fn sent(len: usize, call: impl FnOnce(BorrowedFd<'_>) -> io::Result<()>) -> (u32, Vec<u8>) {
    let ((), request, bytes) = answered(len, &[], call);
    (request, bytes)
}

fn words(words: &[u32]) -> Vec<u8> {
    words.as_bytes().to_vec()
}

fn wide(words: &[u64]) -> Vec<u8> {
    words.as_bytes().to_vec()
}

#[test]
fn requests_without_argument() {
    assert_eq!(sent(0, |fd| vhost::set_owner(fd)).0, 0xaf01);
    assert_eq!(sent(0, |fd| vhost::reset_owner(fd)).0, 0xaf02);
    assert_eq!(sent(0, |fd| vhost::suspend(fd)).0, 0xaf7d);
    assert_eq!(sent(0, |fd| vhost::resume(fd)).0, 0xaf7e);
    assert_eq!(sent(0, |fd| vfio::device_reset(fd)).0, 0x3b6f);
}

// ABI-REQ-1
#[test]
fn vhost_sets() {
    let features = 0x1_0000_0003;
    let expected = wide(&[features]);
    assert_eq!(sent(8, |fd| vhost::set_features(fd, features)), (0x4008_af00, expected.clone()));
    let backend = sent(8, |fd| vhost::set_backend_features(fd, features));
    assert_eq!(backend, (0x4008_af25, expected));
    assert_eq!(sent(8, |fd| vhost::set_vring_num(fd, 3, 256)), (0x4008_af10, words(&[3, 256])));
    assert_eq!(sent(8, |fd| vhost::set_vring_base(fd, 3, 7)), (0x4008_af12, words(&[3, 7])));
    assert_eq!(sent(8, |fd| vhost::set_vring_enable(fd, 3, true)), (0x4008_af75, words(&[3, 1])));
    assert_eq!(sent(8, |fd| vhost::set_vring_enable(fd, 3, false)), (0x4008_af75, words(&[3, 0])));
    assert_eq!(sent(8, |fd| vhost::set_group_asid(fd, 1, 2)), (0x4008_af7c, words(&[1, 2])));
    assert_eq!(sent(1, |fd| vhost::set_status(fd, 0x0f)), (0x4001_af72, vec![0x0f]));
    let addr = VringAddr { index: 1, flags: 0, desc: 0x1000, used: 0x2000, avail: 0x3000, log: 4 };
    let expected = wide(&[1, 0x1000, 0x2000, 0x3000, 4]);
    assert_eq!(sent(40, |fd| vhost::set_vring_addr(fd, &addr)), (0x4028_af11, expected));
}

#[test]
fn eventfds_and_their_removal() {
    let event = File::open("/dev/null").unwrap();
    let (some, number) = (Some(event.as_fd()), event.as_raw_fd() as u32);
    let none = u32::MAX;
    assert_eq!(
        sent(8, |fd| vhost::set_vring_kick(fd, 5, some)),
        (0x4008_af20, words(&[5, number]))
    );
    assert_eq!(sent(8, |fd| vhost::set_vring_kick(fd, 5, None)), (0x4008_af20, words(&[5, none])));
    assert_eq!(
        sent(8, |fd| vhost::set_vring_call(fd, 5, some)),
        (0x4008_af21, words(&[5, number]))
    );
    assert_eq!(sent(8, |fd| vhost::set_vring_err(fd, 5, some)), (0x4008_af22, words(&[5, number])));
    assert_eq!(sent(4, |fd| vhost::set_config_call(fd, some)), (0x4004_af77, words(&[number])));
    assert_eq!(sent(4, |fd| vhost::set_config_call(fd, None)), (0x4004_af77, words(&[none])));
    assert_eq!(sent(4, |fd| vhost::set_log_fd(fd, some)), (0x4004_af07, words(&[number])));
}

type Get = fn(BorrowedFd<'_>) -> io::Result<u32>;

// ABI-REQ-1
#[test]
fn vhost_gets() {
    let eight = [1, 2, 3, 4, 5, 6, 7, 8];
    let number = u64::from_ne_bytes(eight);
    let zeroes = vec![0; 8];
    let got = answered(8, &eight, |fd| vhost::get_features(fd));
    assert_eq!(got, (number, 0x8008_af00, zeroes.clone()));
    let got = answered(8, &eight, |fd| vhost::get_backend_features(fd));
    assert_eq!(got, (number, 0x8008_af26, zeroes));

    let four = 0x1234_5678u32;
    let answer = four.to_ne_bytes();
    let calls: [(Get, u32); 5] = [
        (|fd| vhost::get_device_id(fd), 0x8004_af70),
        (|fd| vhost::get_config_size(fd), 0x8004_af79),
        (|fd| vhost::get_as_num(fd), 0x8004_af7a),
        (|fd| vhost::get_vqs_count(fd), 0x8004_af80),
        (|fd| vhost::get_group_num(fd), 0x8004_af81),
    ];
    for (call, request) in calls {
        assert_eq!(answered(4, &answer, call), (four, request, vec![0; 4]));
    }
    let got = answered(1, &[0x4f], |fd| vhost::get_status(fd));
    assert_eq!(got, (0x4f, 0x8001_af71, vec![0]));
    let got = answered(2, &1024u16.to_ne_bytes(), |fd| vhost::get_vring_num(fd));
    assert_eq!(got, (1024, 0x8002_af76, vec![0, 0]));
    let range = answered(16, &wide(&[0x1000, 0xffff]), |fd| vhost::get_iova_range(fd));
    let expected = IovaRange { first: 0x1000, last: 0xffff };
    assert_eq!(range, (expected, 0x8010_af78, vec![0; 16]));

    let calls: [(Get, u32); 4] = [
        (|fd| vhost::get_vring_base(fd, 9), 0xc008_af12),
        (|fd| vhost::get_vring_group(fd, 9), 0xc008_af7b),
        (|fd| vhost::get_vring_desc_group(fd, 9), 0xc008_af7f),
        (|fd| vhost::get_vring_size(fd, 9), 0xc008_af82),
    ];
    for (call, request) in calls {
        assert_eq!(answered(8, &words(&[9, 77]), call), (77, request, words(&[9, 0])));
    }
}

#[test]
fn config_space_on_the_stack_and_beyond() {
    for len in [0, 6, 256, 257, 5000] {
        let content: Vec<u8> = (0..len).map(|i| i as u8 ^ 0x5a).collect();
        let head = words(&[2, len as u32]);
        let whole = [&head[..], &content].concat();
        assert_eq!(
            sent(8 + len, |fd| vhost::set_config(fd, 2, &content)),
            (0x4008_af74, whole.clone())
        );
        let mut buf = vec![0xff; len];
        let ((), request, bytes) =
            answered(8 + len, &whole, |fd| vhost::get_config(fd, 2, &mut buf));
        assert_eq!((request, &bytes[..8]), (0x8008_af73, &head[..]));
        assert_eq!(buf, content);
    }
}

#[test]
fn tables_and_logs() {
    let mut table = MemTable::with_capacity(1);
    table.push(0x1000, 0x2000, 0x7000);
    // SAFETY: no device is there to use the memory.
    let (request, bytes) = sent(40, |fd| unsafe { vhost::set_mem_table(fd, &table) });
    assert_eq!((request, bytes), (0x4008_af03, wide(&[1, 0x1000, 0x2000, 0x7000, 0])));
    // SAFETY: no device is there to use the memory.
    let log = sent(8, |fd| unsafe { vhost::set_log_base(fd, 0x1234) });
    assert_eq!(log, (0x4008_af04, wide(&[0x1234])));
}

// ABI-MDEV-4
#[test]
fn dma_of_a_vhost_mdev() {
    use vhost_accel_uapi::mdev::{DmaInfo, DmaMap};
    let map = DmaMap { iova: 1, size: 2, uaddr: 3, perm: ACCESS_RW.into(), flags: 0 };
    // SAFETY: no device is there to use the memory.
    let (request, bytes) = sent(32, |fd| unsafe { mdev::dma_map(fd, &map) });
    assert_eq!((request, bytes), (0x4020_af90, wide(&[1, 2, 3, 3])));
    let got = answered(16, &wide(&[1, 5]), |fd| mdev::dma_unmap(fd, 1, 2));
    assert_eq!(got, (5, 0xc010_af91, wide(&[1, 2])));
    let answer = [wide(&[1, 2, 3]), words(&[4, 5])].concat();
    let info =
        DmaInfo { iova_first: 1, iova_last: 2, page_sizes: 3, max_mappings: 4, max_regions: 5 };
    assert_eq!(answered(32, &answer, |fd| mdev::dma_info(fd)), (info, 0x8020_af92, vec![0; 32]));
}

#[test]
fn dma_of_a_container() {
    // SAFETY: no device is there to use the memory.
    let (request, bytes) = sent(32, |fd| unsafe { vfio::map_dma(fd, 1, 2, 3, 1) });
    assert_eq!((request, bytes), (0x3b71, [words(&[32, 1]), wide(&[3, 1, 2])].concat()));
    let answer = [words(&[24, 0]), wide(&[1, 7])].concat();
    let (size, request, bytes) = answered(24, &answer, |fd| vfio::unmap_dma(fd, 1, 2));
    assert_eq!((size, request), (7, 0x3b72));
    assert_eq!(bytes, [words(&[24, 0]), wide(&[1, 2])].concat());
}

#[test]
fn interrupts_one_and_many() {
    let event = File::open("/dev/null").unwrap();
    let (some, number) = (Some(event.as_fd()), event.as_raw_fd() as u32);
    assert_eq!(
        sent(24, |fd| vfio::set_irq(fd, vfio_abi::IRQ_INDEX_ERR, 4, some)),
        (0x3b6e, words(&[24, 0x24, 1, 4, 1, number]))
    );
    assert_eq!(
        sent(24, |fd| vfio::set_irq(fd, vfio_abi::IRQ_INDEX_VQ, 4, None)),
        (0x3b6e, words(&[24, 0x24, 0, 4, 1, u32::MAX]))
    );
    for count in [2, 257, 512, 513] {
        let mut events = vec![some; count];
        events[1] = None;
        let len = 20 + 4 * count;
        let mut expected = vec![len as u32, 0x24, 2, 9, count as u32];
        expected.extend((0..count).map(|i| if i == 1 { u32::MAX } else { number }));
        assert_eq!(sent(len, |fd| vfio::set_irqs(fd, 2, 9, &events)), (0x3b6e, words(&expected)));
    }
    assert_eq!(sent(20, |fd| vfio::clear_irqs(fd, 2)), (0x3b6e, words(&[20, 0x21, 2, 0, 0])));
    let none = vfio::set_irqs(&event, 0, 0, &[]);
    assert_eq!(none.unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn information_of_a_device() {
    let answer = words(&[20, 0x1_0005, 2, 3, 0]);
    let (info, request, bytes) = answered(20, &answer, |fd| vfio::get_device_info(fd));
    assert_eq!((request, bytes), (0x3b6b, words(&[20, 0, 0, 0, 0])));
    assert_eq!(info.flags, 0x1_0005);
    assert_eq!((info.num_regions, info.num_irqs), (2, 3));

    let answer = words(&[16, 1, 2, 129]);
    let (info, request, bytes) = answered(16, &answer, |fd| vfio::get_irq_info(fd, 2));
    assert_eq!((request, bytes), (0x3b6d, words(&[16, 0, 2, 0])));
    assert_eq!((info.flags, info.count), (1, 129));
}

#[test]
fn information_of_a_region() {
    let mut buf = [0xee; 64];
    let mut answer = words(&[48, 0xf, 1, 32]);
    answer.extend(wide(&[0x5000, 1 << 40]));
    answer.extend([2u16, 1].as_bytes());
    answer.extend(words(&[0, 0x7668, 2]));
    let ((region, kind), request, bytes) = answered(64, &answer, |fd| {
        let (region, caps) = vfio::get_region_info(fd, 1, &mut buf)?;
        Ok((region, caps.region_type().map(|cap| (cap.region_type, cap.subtype))))
    });
    assert_eq!((request, &bytes[..32]), (0x3b6c, &words(&[64, 0, 1, 0, 0, 0, 0, 0])[..]));
    assert_eq!((region.argsz, region.size, region.offset), (48, 0x5000, 1 << 40));
    assert_eq!(kind, Some((0x7668, 2)));

    // Without the flag the offset means nothing.
    answer[4] = 0x7;
    let (count, ..) = answered(64, &answer, |fd| {
        vfio::get_region_info(fd, 1, &mut buf).map(|(_, caps)| caps.count())
    });
    assert_eq!(count, 0);

    let null = File::open("/dev/null").unwrap();
    let small = vfio::get_region_info(&null, 0, &mut [0; 31]).map(|(info, _)| info);
    assert_eq!(small.unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn information_of_a_container() {
    let mut buf = [0; 128];
    let mut answer = words(&[84, 3, 0xf000, 0, 24, 0]);
    answer.extend([1u16, 1].as_bytes());
    answer.extend(words(&[72, 2, 0]));
    answer.extend(wide(&[0, 0xfedf_ffff, 0xfef0_0000, (1 << 48) - 1]));
    answer.extend([3u16, 1].as_bytes());
    answer.extend(words(&[0, 65535]));
    let (got, request, bytes) = answered(128, &answer, |fd| {
        let (info, caps) = vfio::iommu_get_info(fd, &mut buf)?;
        let ranges: Vec<_> = caps.iova_ranges().map(|range| (range.start, range.end)).collect();
        Ok((info.iova_pgsizes, caps.dma_avail(), ranges))
    });
    assert_eq!((request, &bytes[..4]), (0x3b70, &128u32.to_ne_bytes()[..]));
    let ranges = vec![(0, 0xfedf_ffff), (0xfef0_0000, (1 << 48) - 1)];
    assert_eq!(got, (0xf000, Some(65535), ranges));
}

#[test]
fn an_errno_comes_back() {
    let (result, request, _) = run(8, &[], libc::ENOBUFS, |fd| vhost::set_vring_num(fd, 300, 1));
    assert_eq!(request, 0x4008_af10);
    assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::ENOBUFS));
    let (result, ..) = run(8, &[], libc::EBUSY, |fd| vhost::get_features(fd));
    assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EBUSY));
}

// ABI-VDPA-5
#[test]
fn iotlb_messages_are_72_bytes() {
    let (mut reader, writer) = io::pipe().unwrap();
    // SAFETY: no device is there to use the memory.
    unsafe { iotlb::update(&writer, 1, 0x1000, 0x2000, 0x7000, ACCESS_RW) }.unwrap();
    iotlb::invalidate(&writer, 0, 0x1000, 0x2000).unwrap();
    iotlb::batch_begin(&writer, 0).unwrap();
    iotlb::batch_end(&writer, 0).unwrap();
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();

    let message = |head: [u32; 2], range: [u64; 3], perm: u8, kind: u8| {
        let mut message = [words(&head), wide(&range)].concat();
        message.extend([perm, kind]);
        message.resize(72, 0);
        message
    };
    let expected = [
        message([2, 1], [0x1000, 0x2000, 0x7000], 3, 2),
        message([2, 0], [0x1000, 0x2000, 0], 0, 3),
        message([2, 0], [0; 3], 0, 5),
        message([2, 0], [0; 3], 0, 6),
    ];
    assert_eq!(bytes, expected.concat());
    let read_only = File::open("/dev/null").unwrap();
    let refused = iotlb::batch_begin(&read_only, 0).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EBADF));
}

#[test]
fn regions_are_read_and_written_at_their_offset() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(4096).unwrap();
    assert_eq!(region::write(&file, b"doorbell", 4000).unwrap(), 8);
    let mut buf = [0; 200];
    assert_eq!(region::read(&file, &mut buf, 3998).unwrap(), 98);
    assert_eq!(&buf[..10], b"\0\0doorbell");
    let beyond = region::read(&file, &mut buf, u64::MAX).unwrap_err();
    assert_eq!(beyond.raw_os_error(), Some(libc::EINVAL));
}
